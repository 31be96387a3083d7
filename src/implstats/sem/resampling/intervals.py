"""Intervals from B replicates t* of an estimate t, by level 1 - 2 alpha.

    percentile   [t*_(alpha), t*_(1 - alpha)]
    basic        [2 t - t*_(1 - alpha), 2 t - t*_(alpha)]
    bca          percentile at Phi(z0 + (z0 + z) / (1 - a (z0 + z))),  z = Phi^-1(alpha), Phi^-1(1 - alpha)

z0 = Phi^-1(share of t* below t) corrects bias, the acceleration a = sum L^3 / (6 (sum L^2)^1.5) skewness,
with L the change of the estimate when one person (or cluster) is left out, centred within its group. The
quantile at alpha is the order statistic of rank (B + 1) alpha, between ranks on the scale of normal
quantiles; without as many replicates it does not exist. Efron (1987); Davison & Hinkley (1997), 5.2-5.3 and
equation 5.8.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from implstats.errors import UsageError, did_you_mean

Array = NDArray[np.float64]
Interval = Literal["percentile", "bca", "basic"]


def check_interval(interval: str) -> None:
    """Raise :class:`UsageError` for an unknown kind of interval."""
    if interval not in get_args(Interval):
        raise UsageError(
            f"interval '{interval}' is not known{did_you_mean(interval, get_args(Interval)) or '.'} Choose "
            f"one of {', '.join(get_args(Interval))}."
        )


def quantile(sorted_values: Array, alpha: float) -> float:
    """Return the quantile of sorted replicates; NaN beyond the first or last.

    >>> quantile(np.arange(1.0, 100.0), 0.5)
    50.0
    """
    B = len(sorted_values)
    if not 0.0 < alpha < 1.0:
        return np.nan
    rank = (B + 1) * alpha
    # Products such as 1000 x .025 carry rounding, which must not count as being beyond a rank.
    k = round(rank) if abs(rank - round(rank)) < 1e-9 else int(np.floor(rank))
    if abs(rank - k) < 1e-9 and 1 <= k <= B:
        return float(sorted_values[k - 1])
    if not 1 <= k < B:
        return np.nan
    low, high = ndtri(k / (B + 1)), ndtri((k + 1) / (B + 1))
    share = (ndtri(alpha) - low) / (high - low)
    return float(sorted_values[k - 1] + share * (sorted_values[k] - sorted_values[k - 1]))


def acceleration(leave_one_out: Array, group: NDArray[np.intp]) -> Array:
    """Return a of each quantity from its values without each unit, shape (units, rows); ``group`` of each
    unit.
    """
    L = np.full_like(leave_one_out, np.nan)
    for g in np.unique(group):
        mine = group == g
        L[mine] = leave_one_out[mine].mean(axis=0) - leave_one_out[mine]
    with np.errstate(divide="ignore", invalid="ignore"):
        found = (L**3).sum(axis=0) / (6.0 * (L**2).sum(axis=0) ** 1.5)
    return np.asarray(found)


def bounds(
    replicates: Array, estimate: float, *, kind: Interval, level: float, a: float
) -> tuple[float, float]:
    """Return the limits of one quantity from its finite replicates; NaN where they do not exist."""
    ordered = np.sort(replicates)
    alphas = [(1.0 - level) / 2.0, (1.0 + level) / 2.0]
    if kind == "bca":
        below = (np.sum(ordered < estimate) + 0.5 * np.sum(ordered == estimate)) / len(ordered)
        if not 0.0 < below < 1.0 or not np.isfinite(a):
            return np.nan, np.nan
        z0 = float(ndtri(below))
        z = [z0 + float(ndtri(alpha)) for alpha in alphas]
        if any(1.0 - a * value <= 0.0 for value in z):
            return np.nan, np.nan
        alphas = [float(ndtr(z0 + value / (1.0 - a * value))) for value in z]
    low, high = quantile(ordered, alphas[0]), quantile(ordered, alphas[1])
    return (2.0 * estimate - high, 2.0 * estimate - low) if kind == "basic" else (low, high)
