"""Robust CFI, TLI and RMSEA of ordered items: what complete normal data with these correlations would give.

With R the polychoric and P the implied correlations at the least-squares estimate,

    X = sum n_g [log|P_g| + tr(P_g^-1 R_g) - log|R_g| - p],        c = tr(M' V M Gamma) / d,

V the normal-theory weights of correlations at P, M = I - J A^-1 J'W the residual maker of the least-squares
fit, and cfi, tli, rmsea from X - c d in place of X - d (Savalei 2021, Multivariate Behavioral Research 56).
They need all items ordered, no predictors, and positive definite R and P.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from implstats.sem.estimators.least_squares import LeastSquares
from implstats.sem.estimators.ml import inverse_and_log_det
from implstats.sem.estimators.weights import normal_weight
from implstats.sem.fit_indices.incremental import cfi
from implstats.sem.fit_indices.record import FitRecord, Index
from implstats.sem.fit_indices.scaled import RMSEA_NAMES
from implstats.sem.fit_indices.weighted import robust_rmsea
from implstats.sem.fitted import Estimated

Array = NDArray[np.float64]
NAMES = ("cfi.robust", "tli.robust", "nnfi.robust", "rni.robust", *(f"{name}.robust" for name in RMSEA_NAMES))


def _correlations(ls: LeastSquares, pairs: Array) -> Array:
    R = np.eye(len(ls.y))
    R[ls.row, ls.col] = R[ls.col, ls.row] = pairs
    return R


def catml_indices(estimated: Estimated, record: FitRecord, inverse: Array) -> Index:
    """Return the ".robust" indices, each ``None`` where they do not exist.

    Parameters
    ----------
    inverse : ndarray, shape (q, q)
        A^-1 within the constraints.
    """
    none: Index = dict.fromkeys(NAMES)
    X = X0 = t0 = 0.0
    parts: list[tuple[Array, Array, Array, Array, float]] = []
    for sample, block, share in zip(
        estimated.sample.groups, estimated.blocks, estimated.sample.share, strict=True
    ):
        ls = sample.least_squares
        if ls is None or block.error is None or block.jacobian is None or len(ls.x) or not ls.ordered.all():
            return none
        pairs = slice(ls.n_before_pairs, None)
        R = _correlations(ls, ls.statistics[pairs])
        P = _correlations(ls, (ls.statistics - block.error)[pairs])
        of_R, of_P = inverse_and_log_det(R), inverse_and_log_det(P)
        if of_R is None or of_P is None:
            return none
        n, p = sample.moments.n, len(R)
        X += n * (of_P[1] + float((of_P[0] * R).sum()) - of_R[1] - p)
        X0 -= n * of_R[1]
        V = normal_weight(of_P[0], means=False)[p:, p:]
        gamma, J = ls.gamma[pairs, pairs], block.jacobian[pairs]
        w = ls.weight[pairs] if ls.weight.ndim == 1 else ls.weight[pairs, pairs]
        parts.append((V, gamma, J, w, share))
        t0 += float(np.trace(gamma))
    if not record.df:
        return none
    t1 = _trace(parts, inverse)
    d, d0 = record.df, record.baseline_df
    c, excess, excess0 = t1 / d, X - t1, X0 - t0
    tli = 1.0 - excess * d0 / (excess0 * d)
    out: Index = dict(
        zip(NAMES, (cfi(excess, 0, excess0, 0), tli, tli, 1.0 - excess / excess0), strict=False)
    )
    return out | robust_rmsea(X, X / c, d, point_scale=c, scale=c, n=record.n_per_group)


def _trace(parts: list[tuple[Array, Array, Array, Array, float]], inverse: Array) -> float:
    """tr(M'V M Gamma) over all groups, M = I - J A^-1 J'W, with the shares of the groups."""
    total, JVJ = 0.0, np.zeros_like(inverse)
    meat, cross = np.zeros_like(inverse), np.zeros_like(inverse)
    for V, gamma, J, w, share in parts:
        WJ = w[:, None] * J if w.ndim == 1 else w @ J
        VJ = V @ J
        total += float((V * gamma.T).sum())
        JVJ += share * (J.T @ VJ)
        meat += share * (WJ.T @ gamma @ WJ)
        cross += share * (VJ.T @ gamma @ WJ)
    return total - 2.0 * float((cross * inverse).sum()) + float(((inverse @ JVJ @ inverse) * meat.T).sum())
