"""Populations with a known truth, from which the simulations of ``coverage.py`` draw.

Skewed answers come from Fleishman's (1978) polynomial y = -c + b z + c z^2 + d z^3 of normal values whose
correlations are such that y has those of the model (Vale & Maurelli 1983), as in Curran, West & Finch (1996).
"""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import fsolve

Array = NDArray[np.float64]
TWO_FACTORS = "f =~ x1 + x2 + x3\ng =~ x4 + x5 + x6"
THREE_FACTORS = "f =~ x1 + x2 + x3\ng =~ x4 + x5 + x6\nh =~ x7 + x8 + x9"
PATH = "m ~ a*x\ny ~ b*m + c*x\nind := a*b"
INDIRECT = 0.16
# Degrees of freedom of the random scale that persons' answers share: excess kurtosis of an item is 1.
TAIL = 10
# Four answers, symmetric; and four of which the lowest is that of half the persons.
CUTS = {"symmetric": (-1.0, 0.0, 1.0), "skewed": (0.0, 0.8, 1.5)}


def names(k: int) -> list[str]:
    """Return x1 ... xk."""
    return [f"x{i}" for i in range(1, k + 1)]


def correlations(n_factors: int, *, loading: float = 0.7, between: float = 0.3) -> Array:
    """Return the correlations of three items a factor, all loadings alike."""
    lam = np.kron(np.eye(n_factors), np.full((3, 1), loading))
    phi = np.full((n_factors, n_factors), between) + (1 - between) * np.eye(n_factors)
    out = lam @ phi @ lam.T
    np.fill_diagonal(out, 1.0)
    return out


@functools.cache
def fleishman(skew: float, kurtosis: float) -> tuple[float, float, float]:
    """Return b, c and d of the polynomial with mean 0, variance 1, this skewness and excess kurtosis."""

    def off(at: Array) -> list[float]:
        b, c, d = at
        return [
            b**2 + 6 * b * d + 2 * c**2 + 15 * d**2 - 1,
            2 * c * (b**2 + 24 * b * d + 105 * d**2 + 2) - skew,
            24 * (b * d + c**2 * (1 + b**2 + 28 * b * d) + d**2 * (12 + 48 * b * d + 141 * c**2 + 225 * d**2))
            - kurtosis,
        ]

    b, c, d = fsolve(off, [0.9, 0.2, 0.05], xtol=1e-13)
    if np.abs(off(np.array([b, c, d]))).max() > 1e-9:
        raise ValueError("no polynomial has this skewness and kurtosis")
    return float(b), float(c), float(d)


def normal_correlation(r: float, b: float, c: float, d: float) -> float:
    """Return the correlation of normal values whose polynomials correlate r."""
    roots = np.roots([6 * d**2, 2 * c**2, b**2 + 6 * b * d + 9 * d**2, -r])
    real = roots[np.abs(roots.imag) < 1e-9].real
    return float(real[np.argmin(np.abs(real - r))])


def draw(rng: np.random.Generator, n: int, population: str, *, n_factors: int = 3) -> pd.DataFrame:
    """Return n persons' answers on three items a factor: ``normal``, ``skewed`` or ``heavy``."""
    target = correlations(n_factors)
    p = len(target)
    if population == "skewed":
        b, c, d = fleishman(2.0, 7.0)
        inner = np.array([[1.0 if i == j else normal_correlation(target[i, j], b, c, d) for j in range(p)]
                          for i in range(p)])  # fmt: skip
        z = rng.normal(size=(n, p)) @ np.linalg.cholesky(inner).T
        return pd.DataFrame(-c + b * z + c * z**2 + d * z**3, columns=names(p))
    y = rng.normal(size=(n, p)) @ np.linalg.cholesky(target).T
    if population == "heavy":
        y = y / np.sqrt(rng.chisquare(TAIL, size=(n, 1)) / TAIL)
    return pd.DataFrame(y, columns=names(p))


def heavy_six(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Return six items of two factors that correlate .5, unequal loadings, tails as in ``heavy``."""
    return six(rng, n) / np.sqrt(rng.chisquare(TAIL, size=(n, 1)) / TAIL)


def six(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Return six normal items of two factors that correlate .5."""
    f = rng.normal(size=(n, 2)) @ np.array([[1.0, 0.5], [0.0, np.sqrt(0.75)]])
    y = np.repeat(f, 3, axis=1) * np.tile([1.0, 0.8, 0.9], 2) + 0.8 * rng.normal(size=(n, 6))
    return pd.DataFrame(y, columns=names(6))


def with_gaps(rng: np.random.Generator, frame: pd.DataFrame) -> pd.DataFrame:
    """Take away a fifth of the answers of :func:`six`, at random given x1 and x4, which everyone gave."""
    out = frame.copy()
    for driver, items in (("x1", ("x2", "x3")), ("x4", ("x5", "x6"))):
        chance = 0.6 / (1.0 + np.exp(-frame[driver].to_numpy()))
        for item in items:
            out[item] = frame[item].where(rng.random(len(frame)) >= chance)
    return out


def categories(rng: np.random.Generator, n: int, cuts: str) -> pd.DataFrame:
    """Return four ordered answers on nine items of three factors, from 1."""
    found = draw(rng, n, "normal")
    return found.apply(lambda item: pd.Series(np.searchsorted(CUTS[cuts], item.to_numpy()) + 1))


def mediation(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Return x, m and y of n persons whose indirect effect is .16."""
    x = rng.normal(size=n)
    m = 0.4 * x + rng.normal(size=n)
    return pd.DataFrame({"x": x, "m": m, "y": 0.4 * m + 0.1 * x + rng.normal(size=n)})


def mediation_in_clusters(rng: np.random.Generator, n_clusters: int, size: int) -> pd.DataFrame:
    """Return the same in clusters that share a fifth of the variance of x and of both residuals."""
    team = np.repeat(np.arange(n_clusters), size)

    def noise() -> Array:
        return np.sqrt(0.2) * rng.normal(size=n_clusters)[team] + np.sqrt(0.8) * rng.normal(size=len(team))

    x = noise()
    m = 0.4 * x + noise()
    return pd.DataFrame({"x": x, "m": m, "y": 0.4 * m + 0.1 * x + noise(), "team": team})
