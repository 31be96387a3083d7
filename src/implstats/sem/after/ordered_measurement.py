"""How ordered answers, beside continuous ones, depend on the factors of a fitted model.

Given factors eta and predictors x the normal variables behind the answers are y* = m(x) + A (eta - a(x)) + e
with A = cov(y*, eta) Phi^-1 and cov(e) = C, all of them given x.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from implstats.errors import DataError, ModelError, NotSupportedError
from implstats.sem.estimators.least_squares import LeastSquares, given_predictors
from implstats.sem.fitted import Estimated
from implstats.sem.model.matrices import filled
from implstats.sem.model.moments import implied_moments

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
# A correlation of residuals below this is rounding.
UNCORRELATED = 1e-10


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """How one group's answers depend on m factors and k predictors; p variables, the first dimension y's.

    Attributes
    ----------
    names : tuple of str
    y, x : ndarray of int
        Positions of variables and predictors among the observed variables.
    ordered : ndarray of bool, shape (p,)
    slope : ndarray, shape (p, m)
        A.
    phi : ndarray, shape (m, m)
    residual : ndarray, shape (p, p)
        C, diagonal among ordered variables.
    mean, eta_mean : ndarray, shapes (p,) and (m,)
        At x = 0.
    mean_slope, eta_slope : ndarray, shapes (p, k) and (m, k)
    cuts : tuple of ndarray
        Thresholds of each variable with infinite ends; empty for a continuous one.
    categories : tuple of ndarray
        Answers of each ordered variable in order.
    """

    names: tuple[str, ...]
    y: NDArray[np.intp]
    x: NDArray[np.intp]
    ordered: Mask
    slope: Array
    phi: Array
    residual: Array
    mean: Array
    eta_mean: Array
    mean_slope: Array
    eta_slope: Array
    cuts: tuple[Array, ...]
    categories: tuple[Array, ...]


def measurement(estimated: Estimated, g: int) -> Measurement:
    """Return how a group's answers depend on the factors.

    Raises
    ------
    ModelError
        Covariance matrices that are not positive definite.
    NotSupportedError
        Ordered items that are correlated given the factors.
    """
    structure, ls = estimated.structures[g], estimated.sample.groups[g].least_squares
    if ls is None:
        raise AssertionError("an ordered fit has its statistics")
    given = implied_moments(given_predictors(structure, ls), estimated.optimum.theta)
    m = structure.n_latent
    phi, cross = given.phi[:m, :m], given.loading_phi[ls.y][:, :m]
    if np.linalg.eigvalsh(phi)[0] <= 0.0:
        raise ModelError(
            "Factor scores: the covariance matrix of the factors is not positive definite, so that answers "
            "do not tell them apart. Simplify the model."
        )
    slope = np.linalg.solve(phi, cross.T).T.astype(float, copy=False)
    residual = given.cov[np.ix_(ls.y, ls.y)] - slope @ cross.T
    names = tuple(structure.observed[i] for i in ls.y)
    _refuse_dependent(residual, ls.ordered, names)
    at = np.array([structure.eta.index(structure.observed[i]) for i in ls.x], dtype=np.intp)
    return Measurement(
        names=names, y=ls.y, x=ls.x, ordered=ls.ordered, slope=slope, phi=phi, residual=residual,
        mean=given.mean[ls.y], eta_mean=given.eta_mean[:m], mean_slope=given.total[np.ix_(ls.y, at)],
        eta_slope=given.inverse[:m, at], cuts=_cuts(estimated, g, ls), categories=_categories(estimated, ls),
    )  # fmt: skip


def _cuts(estimated: Estimated, g: int, ls: LeastSquares) -> tuple[Array, ...]:
    tau = filled(estimated.structures[g], estimated.optimum.theta)["tau"]
    found = []
    for i, ordered in enumerate(ls.ordered):
        own = tau[ls.tau[(ls.item == i) & (ls.tau >= 0)]]
        found.append(np.concatenate([[-np.inf], own, [np.inf]]) if ordered else np.empty(0))
    return tuple(found)


def _categories(estimated: Estimated, ls: LeastSquares) -> tuple[Array, ...]:
    every = np.vstack([s.answers for s in estimated.sample.groups if s.answers is not None])[:, ls.y]
    return tuple(
        np.unique(column[np.isfinite(column)]) if ordered else np.empty(0)
        for column, ordered in zip(every.T, ls.ordered, strict=True)
    )


def _refuse_dependent(residual: Array, ordered: Mask, names: tuple[str, ...]) -> None:
    variance = np.diag(residual)
    bad = [name for name, v in zip(names, variance, strict=True) if v <= 0.0]
    if bad:
        raise ModelError(
            f"Factor scores: no residual variance is left to {', '.join(bad)}, so that answers would "
            "determine the factors. Simplify the model."
        )
    sd = np.sqrt(variance)
    tied = np.abs(residual / np.outer(sd, sd)) > UNCORRELATED
    tied &= (ordered[:, None] | ordered) & ~np.eye(len(names), dtype=bool)
    row, col = np.nonzero(np.tril(tied))
    if len(row):
        pairs = ", ".join(f"{names[j]} and {names[i]}" for i, j in zip(row[:8], col[:8], strict=True))
        raise NotSupportedError(
            f"Factor scores: ordered items that are correlated given the factors are not served ({pairs}). "
            "Give such items a factor of their own, or fit them as numbers."
        )


def coded(found: Measurement, answers: Array) -> Array:
    """Return the answers (N, p) with ordered ones as category numbers from 0.

    Raises
    ------
    DataError
        Answers that the fit did not know.
    """
    out, unknown = answers.copy(), []
    for j, categories in enumerate(found.categories):
        if not found.ordered[j]:
            continue
        column = answers[:, j]
        seen = np.isfinite(column)
        place = np.searchsorted(categories, column[seen]).clip(max=len(categories) - 1)
        if np.any(categories[place] != column[seen]):
            unknown.append(found.names[j])
        out[seen, j] = place
    if unknown:
        raise DataError(
            f"Factor scores: {', '.join(unknown)} holds answers that nobody in the fit gave, so that their "
            "thresholds are not known. Recode them as for the fit, or set them to missing."
        )
    return out
