"""CFI and RMSEA that gaps do not distort.

Missing answers shrink the likelihood ratio, so that indices from it look better than the same misfit would
with complete data. Zhang & Savalei (2023) take the complete-data discrepancy of the moments instead,

    X = n [F_ML(S, m; Sigma, mu)],    S, m saturated moments, Sigma, mu the model's, all by full information

and correct its expectation, c df, with c = trace(M' W M Gamma) / df,

    W      complete-data normal information at (S, m)
    H      observed information of the incomplete data at (S, m)
    Gamma  H^-1, under MLR the sandwich H^-1 J H^-1
    M      I - Delta (Delta' H Delta)^-1 Delta' H

The robust indices are those of :mod:`implstats.sem.fit_indices.scaled` with this X and c for the model and
for the baseline. Without gaps and under ML, X is chi-square and c is one.

Zhang, X., & Savalei, V. (2023). New computations for RMSEA and CFI following FIML and TS estimation with
missing data. Psychological Methods, 28(2), 263-283.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from implstats.sem.estimators.fiml import Incomplete
from implstats.sem.estimators.incomplete import (
    complete_information,
    moment_derivatives,
    moment_information,
    score_products,
)
from implstats.sem.inference.fiml_fit import baseline_moments, baseline_places
from implstats.sem.model.matrices import Structure, columns_to_free
from implstats.sem.model.moments import Moments, Stacks

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """Complete-data chi-square and its correction, of the model and of the baseline; no df, no scale."""

    chisq: float
    scale: float | None
    baseline_chisq: float
    baseline_scale: float


def corrected_tests(
    structures: Sequence[Structure],
    groups: Sequence[Incomplete],
    *,
    moments: Sequence[Moments],
    stacks: Sequence[Stacks],
    tangent: Array | None,
    x: list[int],
    df: int,
    baseline_df: int,
    robust: bool,
) -> Corrected:
    """Return X and c of a model, at its optimum, and of the baseline.

    Parameters
    ----------
    moments, stacks
        Of each group.
    tangent : ndarray, shape (q, r), or None
        Directions that equality constraints leave.
    x : list of int
        Positions of the exogenous predictors.
    robust : bool
        Whether Gamma is the sandwich.
    """
    W, H, gamma = _saturated_matrices(groups, robust=robust)
    p = len(structures[0].observed)
    base = np.eye(len(H) // len(groups))[:, baseline_places(p, x, groups[0].auxiliary)]
    return Corrected(
        chisq=sum(complete_chisq(g, at.cov, at.mean) for g, at in zip(groups, moments, strict=True)),
        scale=_expectation(W, H, gamma, _all_derivatives(structures, moments, stacks, tangent)) / df
        if df
        else None,
        baseline_chisq=sum(complete_chisq(g, *baseline_moments(g, x)) for g in groups),
        baseline_scale=_expectation(W, H, gamma, block_diag(*[base] * len(groups))) / baseline_df
        if baseline_df
        else 1.0,
    )


def _saturated_matrices(groups: Sequence[Incomplete], *, robust: bool) -> tuple[Array, Array, Array]:
    """W, H and Gamma of the moments of all groups, of one person of all."""
    n = sum(g.patterns.n for g in groups)
    of_w, of_h, of_gamma = [], [], []
    for g in groups:
        share = g.patterns.n / n
        H = moment_information(g.patterns, g.saturated.state, observed=True)
        gamma: Array = np.linalg.inv(H).astype(float, copy=False)
        if robust:
            J = score_products(g.patterns, g.saturated.state, g.saturated.mean) / g.patterns.n
            gamma = gamma @ J @ gamma
        of_w.append(share * complete_information(g.saturated.cov))
        of_h.append(share * H)
        of_gamma.append(gamma / share)
    return block_diag(*of_w), block_diag(*of_h), block_diag(*of_gamma)


def _all_derivatives(
    structures: Sequence[Structure],
    moments: Sequence[Moments],
    stacks: Sequence[Stacks],
    tangent: Array | None,
) -> Array:
    """Delta of the moments of all groups, in the free directions and in the moments of predictors."""
    of_group = zip(structures, stacks, strict=True)
    free = np.vstack([columns_to_free(structure, moment_derivatives(s)) for structure, s in of_group])
    predictors = [
        moment_derivatives(_predictor_stacks(structure, at))
        for structure, at in zip(structures, moments, strict=True)
    ]
    return np.hstack([free if tangent is None else free @ tangent, block_diag(*predictors)])


def _predictor_stacks(structure: Structure, moments: Moments) -> Stacks:
    """Derivatives in the moments of fixed predictors, which the model takes from the sample."""
    T, p = moments.total, len(structure.observed)
    cells = [(i, j) for matrix, i, j, *_ in structure.exo if matrix == "psi"]
    levels = [i for matrix, i, *_ in structure.exo if matrix == "alpha"]
    rows, cols = [i for i, _ in cells], [j for _, j in cells]
    none = np.zeros((p, len(levels)))
    half = np.where(np.array(rows, dtype=int) == np.array(cols, dtype=int), 0.5, 1.0)
    return Stacks(
        a=np.hstack([T[:, rows], none]),
        b=np.hstack([T[:, cols] * half, none]),
        m=np.hstack([np.zeros((p, len(cells))), T[:, levels]]),
    )


def _expectation(W: Array, H: Array, gamma: Array, delta: Array) -> float:
    """trace(M' W M Gamma)."""
    HD = H @ delta
    M = np.eye(len(H)) - delta @ np.linalg.solve(delta.T @ HD, HD.T)
    return float(((W @ M) * (M @ gamma)).sum())


def complete_chisq(incomplete: Incomplete, cov: Array, mean: Array) -> float:
    """n times the complete-data discrepancy between the saturated moments and (Sigma, mu)."""
    S, shift = incomplete.saturated.cov, incomplete.saturated.mean - mean
    inverse = np.linalg.inv(cov)
    log_ratio = np.linalg.slogdet(cov)[1] - np.linalg.slogdet(S)[1]
    return float(incomplete.patterns.n * (log_ratio + (inverse * S).sum() - len(S) + shift @ inverse @ shift))
