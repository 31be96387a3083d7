"""Which statistics, weights and tests an estimator of least squares has.

    name          W                                        standard errors        test
    GLS           normal theory at S, 1/2 D'(S^-1 x S^-1)D  J'WJ                   n F
    WLS (ADF)     inverse of Gamma                         J'WJ                   n F
    DWLS, ULS     inverse of Gamma's diagonal; one         J'WJ                   n F
    WLSM, ULSM    as DWLS, ULS                             sandwich with Gamma    mean adjusted
    WLSMV, ULSMV  as DWLS, ULS                             sandwich               scaled and shifted
    ...MVS        as DWLS, ULS                             sandwich               mean and variance adjusted

Gamma is the covariance of sqrt(n) times the statistics. Browne (1974, 1984); Muthen, du Toit & Spisic (1997);
Asparouhov & Muthen (2010).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Weighting = Literal["ML", "GLS", "WLS", "DWLS", "ULS"]
Test = Literal["standard", "mean", "shifted", "variance"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How an estimator weights, how its standard errors and its test come about."""

    weighting: Weighting
    sandwich: bool
    test: Test


def _recipes() -> dict[str, Recipe]:
    found = {
        name: Recipe(weighting=name, sandwich=False, test="standard")
        for name in ("GLS", "WLS", "DWLS", "ULS")
    }
    tests: tuple[tuple[str, Test], ...] = (("M", "mean"), ("MV", "shifted"), ("MVS", "variance"))
    for stem, weighting in (("WLS", "DWLS"), ("ULS", "ULS")):
        for ending, test in tests:
            found[stem + ending] = Recipe(weighting=weighting, sandwich=True, test=test)  # type: ignore[arg-type]
    for ending, test in tests[1:]:
        found["ML" + ending] = Recipe(weighting="ML", sandwich=True, test=test)
    return found


RECIPES = _recipes()
LEAST_SQUARES = tuple(name for name, recipe in RECIPES.items() if recipe.weighting != "ML")
# Their tests rest on polychoric correlations; without ordered items they are not what was meant.
FOR_ORDERED = tuple(name for name in LEAST_SQUARES if RECIPES[name].sandwich)


def normal_weight(inverse: Array, *, means: bool) -> Array:
    """Return 1/2 D'(W x W)D for the distinct covariances, W (p, p), preceded by W for the means if asked.

    The order is that of :func:`vech_order`.
    """
    row, col = vech_order(len(inverse))
    count = np.where(row == col, 1.0, 2.0)
    W = inverse
    block = W[np.ix_(row, row)] * W[np.ix_(col, col)] + W[np.ix_(row, col)] * W[np.ix_(col, row)]
    block = 0.25 * np.outer(count, count) * block
    if not means:
        return block
    p = len(W)
    out = np.zeros((p + len(row),) * 2)
    out[:p, :p], out[p:, p:] = W, block
    return out


def vech_order(p: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns: variances, then covariances below the diagonal by column."""
    col, row = np.triu_indices(p, 1)
    own = np.arange(p)
    return np.concatenate([own, row]), np.concatenate([own, col])


def fourth_moments(centred: Array, *, means: bool, predicted: Array | None = None) -> Array:
    """Return Gamma of means (if asked), variances and covariances from centred data (n, p), divisor n.

    Browne (1984), equation 2.2, in products of deviations; given predictors (``predicted``, the centred
    values that they predict, (n, p)) in what these products add to those of the predicted values.
    """
    row, col = vech_order(centred.shape[1])
    products, shift = centred[:, row] * centred[:, col], centred
    if predicted is not None:
        products, shift = products - predicted[:, row] * predicted[:, col], centred - predicted
    products = products - products.mean(axis=0)
    Z = np.hstack([shift, products]) if means else products
    return np.asarray(Z.T @ Z / len(Z))


def predicted_values(centred: Array, x: list[int]) -> Array:
    """Return what the predictors ``x`` predict of every variable by least squares, shape (n, p)."""
    X = centred[:, x]
    return np.asarray(X @ np.linalg.solve(X.T @ X, X.T @ centred))
