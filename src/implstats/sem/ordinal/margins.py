"""One variable at a time: thresholds of an ordered one, mean and variance of a continuous one, slopes on x.

    ordered      y* = x'b + e, e ~ N(0, 1), answer c if tau_c < y* <= tau_c+1
    continuous   y  = m + x'b + e, e ~ N(0, v)

by maximum likelihood, with the scores of every person: the first step of the two-step estimates of Olsson
(1979) and Muthen (1984), Psychometrika 49, 115-132. Without x all of it is closed form.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from implstats.errors import DataError
from implstats.sem.ordinal.normal import density

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

NOTHING = 1e-24  # a variance that is rounding, as a share of the mean square
STEPS = 100
SMALL_STEP = 1e-13


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """A variable's own estimates.

    Attributes
    ----------
    name : str
    categories : tuple of float
        Answers in order; empty for a continuous variable.
    known : ndarray of bool, (n,)
    codes : ndarray of int, (n,)
        Category number; 0 where missing or continuous.
    location : ndarray, (c - 1,) or (1,)
        Thresholds, or the mean (at x = 0).
    slopes : ndarray, (k,)
    variance : float
        Residual variance; one for an ordered variable.
    cuts : ndarray, (n, 2), or (c + 1,) without x
        Cut points around each answer, less x'b; empty for a continuous variable.
    z : ndarray, (n,)
        Standardised residual of a continuous variable, zero where missing; empty for an ordered one.
    scores : ndarray, (n, m)
        Derivative of each person's log-likelihood in location, slopes and (continuous) variance.
    """

    name: str
    categories: tuple[float, ...]
    known: NDArray[np.bool_]
    codes: Codes
    location: Array
    slopes: Array
    variance: float
    cuts: Array
    z: Array
    scores: Array

    @property
    def ordered(self) -> bool:
        """Whether the variable is an ordered one."""
        return bool(self.categories)


def continuous_margin(name: str, values: Array, x: Array | None) -> Margin:
    """Return mean, slopes and variance of ``values`` (n,), NaN where missing, given ``x`` (n, k)."""
    known = np.isfinite(values)
    n = int(known.sum())
    X = np.ones((len(values), 1)) if x is None else np.column_stack([np.ones(len(values)), x])
    solution = np.linalg.lstsq(X[known], values[known], rcond=None)[0]
    coefficients: Array = solution.astype(float, copy=False)
    residual = np.where(known, values - X @ coefficients, 0.0)
    variance = float(residual @ residual / n)
    if variance <= NOTHING * float(np.mean(values[known] ** 2)):
        raise DataError(f"'{name}' does not vary; leave it out of the model.")
    to_variance = np.where(known, 0.5 * (residual**2 / variance - 1.0) / variance, 0.0)
    return Margin(
        name=name, categories=(), known=known, codes=np.zeros(len(values), dtype=np.int64),
        location=coefficients[:1], slopes=coefficients[1:], variance=variance, cuts=np.empty(0),
        z=residual / np.sqrt(variance),
        scores=np.column_stack([X * (residual / variance)[:, None], to_variance]),
    )  # fmt: skip


def ordered_margin(name: str, values: Array, x: Array | None) -> Margin:
    """Return thresholds (and slopes) of ``values`` (n,), NaN where missing, given ``x`` (n, k).

    Raises
    ------
    DataError
        Fewer than two categories are used.
    """
    known = np.isfinite(values)
    categories = np.unique(values[known])
    if len(categories) < 2:
        raise DataError(f"'{name}' has one category only; leave it out of the model.")
    codes = np.where(known, np.searchsorted(categories, np.where(known, values, categories[0])), 0)
    counts = np.bincount(codes[known], minlength=len(categories))
    tau = ndtri(np.cumsum(counts)[:-1] / counts.sum())
    slopes = np.empty(0)
    if x is not None:
        tau, slopes = _ordered_probit(codes[known], x[known], tau, name)
    full = np.concatenate([[-np.inf], tau, [np.inf]])
    cuts = full
    shift = np.zeros(len(values)) if x is None else x @ slopes
    around = np.column_stack([full[codes] - shift, full[codes + 1] - shift])
    if x is not None:
        cuts = around
    scores = _ordered_scores(codes, around, len(tau), x) * known[:, None]
    return Margin(
        name=name, categories=tuple(float(c) for c in categories), known=known, codes=codes.astype(np.int64),
        location=tau, slopes=slopes, variance=1.0, cuts=cuts, z=np.empty(0), scores=scores,
    )  # fmt: skip


def _pieces(around: Array) -> tuple[Array, Array, Array]:
    """Return each answer's probability and the densities at its lower and upper cut point."""
    low, high = around.T
    # In the upper tail both probabilities are near one; the mirrored difference keeps the digits.
    p = np.where(low > 0.0, ndtr(-low) - ndtr(-high), ndtr(high) - ndtr(low))
    finite_low, finite_high = np.isfinite(low), np.isfinite(high)
    return (
        np.maximum(p, 1e-300),
        np.where(finite_low, density(np.where(finite_low, low, 0.0)), 0.0),
        np.where(finite_high, density(np.where(finite_high, high, 0.0)), 0.0),
    )


def _ordered_scores(codes: Codes, around: Array, m: int, x: Array | None) -> Array:
    """Return the derivative of each log-probability in the thresholds and slopes, (n, m + k)."""
    p, low, high = _pieces(around)
    out = np.zeros((len(codes), m))
    rows = np.arange(len(codes))
    upper, lower = codes < m, codes > 0
    out[rows[upper], codes[upper]] = (high / p)[upper]
    out[rows[lower], codes[lower] - 1] = -(low / p)[lower]
    if x is None:
        return out
    return np.column_stack([out, x * ((low - high) / p)[:, None]])


def _ordered_probit(codes: Codes, x: Array, tau: Array, name: str) -> tuple[Array, Array]:
    """Return thresholds and slopes by Newton's method; the log-likelihood is concave (Pratt 1981)."""
    size = x.std(axis=0)
    size[size == 0.0] = 1.0
    scaled = (x - x.mean(axis=0)) / size
    theta = np.concatenate([tau, np.zeros(x.shape[1])])
    value, gradient, hessian = _probit_parts(codes, scaled, theta, len(tau))
    for _ in range(STEPS):
        step = np.linalg.solve(hessian, gradient)
        share = 1.0
        while True:
            new = _probit_parts(codes, scaled, theta - share * step, len(tau))
            if new[0] >= value - 1e-12 * abs(value) or share < 1e-6:
                break
            share *= 0.5
        theta = theta - share * step
        value, gradient, hessian = new
        if np.abs(step).max() < SMALL_STEP * max(1.0, float(np.abs(theta).max())):
            break
    else:
        if np.abs(gradient).max() > 1e-6:
            raise DataError(
                f"The thresholds of '{name}' given the predictors could not be found: some predictor tells "
                "its categories apart perfectly. Leave that predictor out, or join categories."
            )
    slopes = theta[len(tau) :] / size
    return theta[: len(tau)] + x.mean(axis=0) @ slopes, slopes


def _probit_parts(codes: Codes, x: Array, theta: Array, m: int) -> tuple[float, Array, Array]:
    """Return log-likelihood, gradient and Hessian in (thresholds, slopes)."""
    tau, slopes = theta[:m], theta[m:]
    if np.any(np.diff(tau) <= 0.0):
        return -np.inf, np.zeros_like(theta), np.eye(len(theta))
    full = np.concatenate([[-np.inf], tau, [np.inf]])
    shift = x @ slopes
    around = np.column_stack([full[codes] - shift, full[codes + 1] - shift])
    p, low, high = _pieces(around)
    a = np.where(np.isfinite(around), around, 0.0)
    n = len(codes)
    L, U = np.zeros((n, len(theta))), np.zeros((n, len(theta)))
    rows = np.arange(n)
    upper, lower = codes < m, codes > 0
    U[rows[upper], codes[upper]] = 1.0
    L[rows[lower], codes[lower] - 1] = 1.0
    L[:, m:] = U[:, m:] = -x
    score = U * (high / p)[:, None] - L * (low / p)[:, None]
    second = (U * (-a[:, 1] * high / p)[:, None]).T @ U - (L * (-a[:, 0] * low / p)[:, None]).T @ L
    return float(np.log(p).sum()), score.sum(axis=0), second - score.T @ score
