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
for the baseline. Without gaps and under ML, X is chi-square and c is one. The moments of observed predictors
among themselves, which fit exactly, are given: all matrices leave them out, as lavaan does.

Zhang, X., & Savalei, V. (2023). New computations for RMSEA and CFI following FIML and TS estimation with
missing data. Psychological Methods, 28(2), 263-283.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag, null_space

from implstats.sem.estimators.fiml import Incomplete
from implstats.sem.estimators.incomplete import (
    complete_information,
    moment_derivatives,
    moment_information,
    pair_index,
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
    p = len(structures[0].observed)
    kept = moments_kept(p, x)
    W, H, gamma = _saturated_matrices(groups, kept, robust=robust)
    base = np.eye(len(kept))[kept][
        :, np.setdiff1d(baseline_places(p, x, groups[0].auxiliary), np.nonzero(~kept))
    ]
    delta = _all_derivatives(structures, stacks, tangent, kept)
    return Corrected(
        chisq=sum(complete_chisq(g, at.cov, at.mean) for g, at in zip(groups, moments, strict=True)),
        scale=_expectation(W, H, gamma, delta) / df if df else None,
        baseline_chisq=sum(complete_chisq(g, *baseline_moments(g, x)) for g in groups),
        baseline_scale=_expectation(W, H, gamma, block_diag(*[base] * len(groups))) / baseline_df
        if baseline_df
        else 1.0,
    )


def moments_kept(p: int, x: Sequence[int]) -> NDArray[np.bool_]:
    """Return which distinct moments, then means, are not those of predictors among themselves.

    >>> moments_kept(2, [1]).tolist()
    [True, True, False, True, False]
    """
    i, j, _ = pair_index(p)
    return np.concatenate([~(np.isin(i, x) & np.isin(j, x)), ~np.isin(np.arange(p), x)])


def _saturated_matrices(
    groups: Sequence[Incomplete], kept: NDArray[np.bool_], *, robust: bool
) -> tuple[Array, Array, Array]:
    """W, H and Gamma of the moments kept of all groups, of one person of all."""
    n = sum(g.patterns.n for g in groups)
    which = np.ix_(kept, kept)
    of_w, of_h, of_gamma = [], [], []
    for g in groups:
        share = g.patterns.n / n
        H = moment_information(g.patterns, g.saturated.state, observed=True)[which]
        gamma: Array = np.linalg.inv(H).astype(float, copy=False)
        if robust:
            J = score_products(g.patterns, g.saturated.state, g.saturated.mean)[which] / g.patterns.n
            gamma = gamma @ J @ gamma
        of_w.append(share * complete_information(g.saturated.cov)[which])
        of_h.append(share * H)
        of_gamma.append(gamma / share)
    return block_diag(*of_w), block_diag(*of_h), block_diag(*of_gamma)


def _all_derivatives(
    structures: Sequence[Structure], stacks: Sequence[Stacks], tangent: Array | None, kept: NDArray[np.bool_]
) -> Array:
    """Delta of the moments kept of all groups, in the directions that leave all other moments alone."""
    found = [columns_to_free(s, moment_derivatives(d)) for s, d in zip(structures, stacks, strict=True)]
    free, given = (np.vstack([delta[rows] for delta in found]) for rows in (kept, ~kept))
    if tangent is not None:
        free, given = free @ tangent, given @ tangent
    return free @ null_space(given) if given.any() else free


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
