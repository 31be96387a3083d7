"""Root mean square error of approximation, its interval and its tests.

    rmsea = sqrt(max(X - d, 0) / (n d)),   n persons a group on average (Steiger 1998)

The 90 % interval inverts the noncentral chi-square in its noncentrality; pvalue tests
rmsea <= .05 (close fit), notclose.pvalue rmsea >= .08. Steiger & Lind (1980); Browne & Cudeck (1992);
MacCallum, Browne & Sugawara (1996).
"""

from __future__ import annotations

from math import sqrt

from scipy.special import chndtr

from implstats.sem.fit_indices.record import Index

LEVEL, CLOSE, NOT_CLOSE = 0.90, 0.05, 0.08


def noncentrality(X: float, d: float, probability: float) -> float:
    """Return the noncentrality at which P(chi-square <= X) equals ``probability``, 0 if there is none.

    Newton steps kept inside a shrinking bracket; the slope is half a difference of two probabilities.
    """
    if chndtr(X, d, 0.0) < probability:
        return 0.0
    low, high = 0.0, max(X - d, 0.0) + 10 * sqrt(2 * (X + d)) + 100
    point = max(X - d, 1.0) * (0.6 if probability > 0.5 else 1.4)
    for _ in range(100):
        gap = chndtr(X, d, point) - probability
        low, high = (point, high) if gap > 0 else (low, point)
        slope = 0.5 * (chndtr(X, d + 2, point) - chndtr(X, d, point))
        proposed = point - gap / slope if slope else 0.5 * (low + high)
        if not low < proposed < high:
            proposed = 0.5 * (low + high)
        if abs(proposed - point) < 1e-12 * (1 + point):
            return float(proposed)
        point = proposed
    return float(point)


def rmsea(X: float, d: float, n: float) -> Index:
    """Return rmsea, its interval and tests; zero, without tests, for a saturated model."""
    fixed: Index = {"rmsea.ci.level": LEVEL, "rmsea.close.h0": CLOSE, "rmsea.notclose.h0": NOT_CLOSE}
    if d == 0:
        zero: Index = {"rmsea": 0.0, "rmsea.ci.lower": 0.0, "rmsea.ci.upper": 0.0}
        return {**zero, "rmsea.pvalue": None, "rmsea.notclose.pvalue": None, **fixed}
    tail = (1 - LEVEL) / 2
    return {
        "rmsea": sqrt(max(X - d, 0.0) / (n * d)),
        "rmsea.ci.lower": sqrt(noncentrality(X, d, 1 - tail) / (n * d)),
        "rmsea.ci.upper": sqrt(noncentrality(X, d, tail) / (n * d)),
        "rmsea.pvalue": 1.0 - float(chndtr(X, d, n * d * CLOSE**2)),
        "rmsea.notclose.pvalue": float(chndtr(X, d, n * d * NOT_CLOSE**2)),
        **fixed,
    }
