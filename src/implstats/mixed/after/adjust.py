"""P-values and interval factors of a family of m t tests, adjusted for their number.

    none          2 P(T_df > |t|)
    bonferroni    min(1, m p)
    holm          bonferroni over the tests that are left, step by step from the smallest p
    sidak         1 - (1 - p)^m
    fdr           Benjamini and Hochberg's step-up rule (the false discovery rate, not the family's error)
    tukey         P(studentised range of k means > sqrt(2) |t|): all pairwise differences of k means only
    mvt           P(max_j |T_j| > |t|), T multivariate t with the correlations of the estimates

Each test keeps its own df. The probability of ``mvt`` is an average over the normal part Z, T = Z / S:

    P(max|Z| / S > |t|) = E F(max|Z|^2 / t^2),   F the distribution function of chi2_df / df

so that only Z is sampled, by scrambled Sobol points with a seed; the spread over independent scramblings is
the standard error that is stated. Intervals are the tests turned round; holm and fdr have no intervals of
their own and get Bonferroni's.
References: Tukey (1953); Kramer (1956), Biometrics 12, 307-310; Holm (1979), Scand. J. Stat. 6, 65-70;
Benjamini & Hochberg (1995), J. R. Stat. Soc. B 57, 289-300; Bretz, Hothorn & Westfall (2010), Multiple
Comparisons Using R.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from scipy.special import chdtr, gammainccinv, gammaincinv, gammaln, ndtr, ndtri, stdtrit

ADJUSTMENTS = ("holm", "tukey", "bonferroni", "sidak", "mvt", "fdr", "none")
OF_INTERVALS = {"holm": "bonferroni", "fdr": "bonferroni"}
POINTS, SCRAMBLINGS = 2**13, 16
NODES_Z, NODES_S = 160, 120
NORMAL = (-8.5, 8.5)  # beyond it a normal variable has probability 2e-17
TAIL = 1e-16
RANK = 1e-10  # share of a variance that is rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Maxima of |Z|, (SCRAMBLINGS, POINTS), Z normal with the tests' correlations."""

    maxima: np.ndarray


def adjusted_p(p: np.ndarray, *, method: str) -> np.ndarray:
    """Return p-values adjusted by a method that needs nothing but p, (m,).

    >>> adjusted_p(np.array([0.01, 0.04, 0.03]), method="holm").round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    m, order = len(p), np.argsort(p, kind="stable")
    if method == "bonferroni":
        return np.minimum(1.0, m * p)
    if method == "sidak":
        return -np.expm1(m * np.log1p(-p))
    out = np.empty(m)
    if method == "holm":
        out[order] = np.minimum(1.0, np.maximum.accumulate((m - np.arange(m)) * p[order]))
        return out
    if method == "fdr":
        steps = m / np.arange(m, 0, -1) * p[order][::-1]
        out[order[::-1]] = np.minimum(1.0, np.minimum.accumulate(steps))
        return out
    return p.copy()


def tukey_p(t: np.ndarray, df: np.ndarray, *, k: int) -> np.ndarray:
    """Return p of pairwise differences of k means, (m,)."""
    return np.array([studentised_range_sf(np.sqrt(2.0) * abs(a), k, b) for a, b in zip(t, df, strict=True)])


def studentised_range_sf(q: float, k: int, df: float) -> float:
    """Return P(range of k standard normals / S > q), S^2 = chi2_df / df, by Gauss-Legendre rules.

    >>> round(studentised_range_sf(3.5, 4, 12.5), 10)
    0.1131110356
    """
    s, density = _chi_nodes(float(df))
    z, weight = _nodes(*NORMAL, NODES_Z)
    # The range lies below r with probability k E[(Phi(z) - Phi(z - r))^(k - 1)], z the largest.
    inside = (ndtr(z)[None, :] - ndtr(z[None, :] - q * s[:, None])) ** (k - 1)
    below = k * inside @ (weight * np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi))
    return float(np.clip(density @ (1.0 - below), 0.0, 1.0))


@lru_cache(maxsize=8)
def _legendre(count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(count)


def _nodes(low: float, high: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    x, w = _legendre(count)
    return 0.5 * (high - low) * x + 0.5 * (high + low), 0.5 * (high - low) * w


def _chi_nodes(df: float) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes of S and their weights times its density."""
    if np.isinf(df):
        return np.ones(1), np.ones(1)
    half = 0.5 * df
    low, high = np.sqrt(gammaincinv(half, TAIL) / half), np.sqrt(gammainccinv(half, TAIL) / half)
    s, w = _nodes(float(low), float(high), NODES_S)
    log_density = np.log(2.0) + half * np.log(half) - gammaln(half) + (df - 1.0) * np.log(s) - half * s**2
    return s, w * np.exp(log_density)


def sample(correlation: np.ndarray, *, seed: int) -> Sample:
    """Return the sampled maxima; the correlation matrix may be singular."""
    from scipy.stats import qmc

    root = _root(correlation)
    seeds = np.random.SeedSequence(seed).spawn(SCRAMBLINGS)
    maxima = np.empty((SCRAMBLINGS, POINTS))
    for i, own in enumerate(seeds):
        points = qmc.Sobol(d=root.shape[1], scramble=True, rng=np.random.default_rng(own)).random(POINTS)
        z = ndtri(np.clip(points, 1e-16, 1.0 - 1e-16)) @ root.T
        maxima[i] = np.abs(z).max(axis=1)
    return Sample(maxima=maxima)


def _root(correlation: np.ndarray) -> np.ndarray:
    """Return L, (m, rank), lower trapezoidal, with L L' = correlation.

    Eigenvectors would do too, but those of equal eigenvalues turn with the last bit of the matrix.
    """
    rest, columns = correlation.copy(), []
    for c in range(len(rest)):
        if rest[c, c] > RANK:
            column = rest[:, c] / np.sqrt(rest[c, c])
            columns.append(column)
            rest = rest - np.outer(column, column)
    return np.array(columns).T


def _exceeds(drawn: Sample, t: float, df: float) -> np.ndarray:
    """Return P(max|T| > t) of each scrambling."""
    if t <= 0.0:
        return np.ones(len(drawn.maxima))
    if np.isinf(df):
        return np.mean(drawn.maxima > t, axis=1)
    return chdtr(df, df * (drawn.maxima / t) ** 2).mean(axis=1)


def mvt_p(t: np.ndarray, df: np.ndarray, drawn: Sample) -> tuple[np.ndarray, float]:
    """Return p-values and the largest of their standard errors."""
    found = [_exceeds(drawn, abs(float(a)), float(b)) for a, b in zip(t, df, strict=True)]
    errors = [float(np.std(one, ddof=1)) / np.sqrt(SCRAMBLINGS) for one in found]
    return np.array([float(one.mean()) for one in found]), max(errors)


def factors(df: np.ndarray, *, method: str, level: float, k: int, drawn: Sample | None) -> np.ndarray:
    """Return what multiplies the standard errors in simultaneous intervals, (m,)."""
    m, alpha = len(df), 1.0 - level
    own = OF_INTERVALS.get(method, method)
    if own in ("tukey", "mvt"):
        known = {float(b): _turned(partial(_excess, own, k, drawn, float(b), alpha)) for b in np.unique(df)}
        return np.array([known[float(b)] for b in df])
    tail = {"bonferroni": alpha / m, "sidak": -np.expm1(np.log1p(-alpha) / m)}.get(own, alpha)
    return np.where(np.isinf(df), ndtri(1.0 - 0.5 * tail), stdtrit(df, 1.0 - 0.5 * tail))


def _excess(method: str, k: int, drawn: Sample | None, df: float, alpha: float, t: float) -> float:
    """Return the probability beyond t, less alpha."""
    if method == "mvt" and drawn is not None:
        return float(_exceeds(drawn, t, df).mean()) - alpha
    return studentised_range_sf(np.sqrt(2.0) * t, k, df) - alpha


def _turned(function: Callable[[float], float]) -> float:
    """Return the root of a decreasing function of t > 0."""
    from scipy.optimize import brentq

    high = 2.0
    while function(high) > 0.0:
        high *= 2.0
    return float(brentq(function, 1e-8, high, xtol=1e-12))
