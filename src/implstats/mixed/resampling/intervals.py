"""Bootstrap intervals of one quantity: percentile, basic, and bias-corrected and accelerated (BCa).

With draws t*, estimate t and level 1 - 2a:

    percentile   [q(a), q(1 - a)]                 basic   [2 t - q(1 - a), 2 t - q(a)]
    BCa          q at Phi(z0 + (z0 + z_a) / (1 - c (z0 + z_a))),  z0 = Phi^-1(share of t* below t, ties half)

c is the acceleration, from the values without one cluster each. Quantiles are those of order (B + 1) a, so
that 999 draws give whole positions. References: Davison & Hinkley (1997), Bootstrap Methods and their
Application, chapter 5; Efron (1987), JASA 82, 171-185.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri


def quantile(sorted_draws: np.ndarray, share: float) -> float | None:
    """Return the quantile at position (B + 1) share, or None where it lies outside the draws.

    >>> quantile(np.arange(1.0, 10.0), 0.5)
    5.0
    """
    position = (len(sorted_draws) + 1) * share
    low = int(np.floor(position + 1e-9))
    if low < 1 or position > len(sorted_draws) + 1e-9:
        return None
    if low >= len(sorted_draws):
        return float(sorted_draws[-1])
    part = max(position - low, 0.0)
    return float(sorted_draws[low - 1] * (1.0 - part) + sorted_draws[low] * part)


def percentile_interval(draws: np.ndarray, ci_level: float) -> tuple[float | None, float | None]:
    """Return the percentile interval of finite draws, (B,)."""
    ordered, tail = np.sort(draws), 0.5 * (1.0 - ci_level)
    return quantile(ordered, tail), quantile(ordered, 1.0 - tail)


def basic_interval(draws: np.ndarray, estimate: float, ci_level: float) -> tuple[float | None, float | None]:
    """Return the basic interval: the percentile one turned around the estimate."""
    low, high = percentile_interval(draws, ci_level)
    return (None if high is None else 2.0 * estimate - high, None if low is None else 2.0 * estimate - low)


def bca_interval(
    draws: np.ndarray, estimate: float, ci_level: float, without: np.ndarray
) -> tuple[float | None, float | None]:
    """Return the BCa interval; ``without`` (J,) are the estimates without one cluster each."""
    below = np.mean(draws < estimate) + 0.5 * np.mean(draws == estimate)
    if not 0.0 < below < 1.0:
        return None, None
    z0, tail = ndtri(below), 0.5 * (1.0 - ci_level)
    gap = without.mean() - without
    size = np.sum(gap**2)
    c = np.sum(gap**3) / (6.0 * size**1.5) if size > 0.0 else 0.0
    ordered = np.sort(draws)
    ends = []
    for share in (tail, 1.0 - tail):
        z = z0 + ndtri(share)
        ends.append(quantile(ordered, float(ndtr(z0 + z / (1.0 - c * z)))))
    return ends[0], ends[1]
