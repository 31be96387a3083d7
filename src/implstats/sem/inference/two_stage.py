"""Two-stage maximum likelihood with missing answers: inference for a model fitted to saturated moments.

Stage one: S and m, the saturated maximum likelihood moments of all answers given. Stage two: ML of the model
to S and m as if they came from complete persons. Errors and tests then allow for what stage one did not know,

    V = A^-1 Delta' W Gamma W Delta A^-1 / n,   A = Delta' W Delta,
    c = trace((W - W Delta A^-1 Delta' W) Gamma) / df

    W       complete-data normal information at (S, m)
    Gamma   H^-1, H the observed information of the incomplete data there; robust two-stage: H^-1 J H^-1

and chi-square is divided by c. The baseline is corrected alike. Savalei & Bentler (2009); Yuan & Bentler
(2000).
"""

from __future__ import annotations

from collections.abc import Sequence

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
from implstats.sem.inference.fiml_fit import baseline_places
from implstats.sem.inference.robust import Robust
from implstats.sem.model.matrices import Structure, columns_to_free
from implstats.sem.model.moments import Stacks

Array = NDArray[np.float64]


def two_stage_inference(
    structures: Sequence[Structure],
    groups: Sequence[Incomplete],
    *,
    stacks: Sequence[Stacks],
    tangent: Array | None,
    x: list[int],
    df: int,
    baseline_df: int,
    robust: bool,
) -> Robust:
    """Return the covariance matrix of the estimates and the scaling factors of model and baseline.

    Parameters
    ----------
    groups : sequence of Incomplete
        Stage one of each group.
    stacks : sequence of Stacks
        Of each group at the optimum.
    tangent : ndarray, shape (q, r), or None
        Directions that equality constraints leave.
    x : list of int
        Positions of the exogenous predictors, correlated in the baseline.
    robust : bool
        Whether Gamma is the sandwich.
    """
    n = sum(g.patterns.n for g in groups)
    share = [g.patterns.n / n for g in groups]
    W = block_diag(*(s * complete_information(g.saturated.cov) for s, g in zip(share, groups, strict=True)))
    gamma = block_diag(*(stage_one(g, robust=robust) / s for s, g in zip(share, groups, strict=True)))
    delta = np.vstack(
        [columns_to_free(one, moment_derivatives(s)) for one, s in zip(structures, stacks, strict=True)]
    )
    K = np.eye(delta.shape[1]) if tangent is None else tangent
    inner = delta @ K
    slope = K @ np.linalg.solve(inner.T @ W @ inner, inner.T @ W)
    p = len(structures[0].observed)
    base = np.eye(len(W) // len(groups))[:, baseline_places(p, x)]
    return Robust(
        covariance=slope @ gamma @ slope.T / n,
        scale=_residual_trace(W, gamma, inner) / df if df else None,
        baseline_scale=_residual_trace(W, gamma, block_diag(*[base] * len(groups))) / baseline_df
        if baseline_df
        else 1.0,
        extra={},
    )


def stage_one(group: Incomplete, *, robust: bool) -> Array:
    """Return Gamma, the covariance matrix of sqrt(n) times the saturated moments."""
    patterns, saturated = group.patterns, group.saturated
    gamma: Array = np.linalg.inv(moment_information(patterns, saturated.state, observed=True)).astype(
        float, copy=False
    )
    if not robust:
        return gamma
    return np.asarray(
        gamma @ (score_products(patterns, saturated.state, saturated.mean) / patterns.n) @ gamma
    )


def _residual_trace(W: Array, gamma: Array, delta: Array) -> float:
    """trace(U Gamma)."""
    WD = W @ delta
    U = W - WD @ np.linalg.solve(delta.T @ WD, WD.T)
    return float((U * gamma).sum())
