"""Standard errors of two-level estimates and the scaled test of MLR, from the scores of clusters.

Clusters are the independent units. With H the information and s_j the score of cluster j,

    ML    V = H^-1                    MLR   V = H^-1 J H^-1,   J = sum_j s_j s_j'      Huber (1967), White
    (1980) c = (tr1 - tr0) / df,   tr = trace(H^-1 J) of the saturated model less that of the model

Yuan & Bentler (2000), in the variant that subtracts traces. Each model's J is Delta' . Delta of the same
matrix in the moments of both levels, at that model's own moments; those of fixed predictors are left out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from implstats.sem.data.two_level import TwoLevelSample
from implstats.sem.estimators.two_level import state_of
from implstats.sem.estimators.two_level_fiml import differenced, incomplete_moments
from implstats.sem.estimators.two_level_moments import (
    MomentPlaces,
    cluster_scores,
    moment_information,
    moment_jacobian,
    moment_places,
)
from implstats.sem.inference.robust import Robust
from implstats.sem.model.two_level import Levels, level_moments, whole_mean

Array = NDArray[np.float64]


def moments_kept(levels: Levels, places: MomentPlaces) -> NDArray[np.bool_]:
    """Return which of the K moments are not those of fixed predictors among themselves, shape (K,)."""
    at = {name: i for i, name in enumerate(levels.names)}
    x = [np.array([at[n] for n in names], dtype=np.intp) for names in levels.x]
    given = np.where(
        places.between, np.isin(places.row, x[1]) & np.isin(places.col, x[1]),
        np.isin(places.row, x[0]) & np.isin(places.col, x[0]),
    )  # fmt: skip
    means = np.isin(np.arange(places.n_means), np.concatenate(x))
    return ~np.concatenate([given, means])


def saturated_trace(
    sample: TwoLevelSample, places: MomentPlaces, kept: NDArray[np.bool_], vector: Array
) -> float | None:
    """Return tr(H^-1 J) at the saturated moments, shape (K,); ``None`` where H is singular."""
    scores = scores_at(sample, places, vector)[:, kept]
    H = information_at(sample, places, vector, kept)
    scale = np.sqrt(np.abs(np.diag(H)))
    if not np.all(scale > 0) or np.linalg.cond(H / np.outer(scale, scale)) > 1e12:
        return None
    return float(np.trace(np.linalg.solve(H, scores.T @ scores)))


def scores_at(sample: TwoLevelSample, places: MomentPlaces, vector: Array) -> Array:
    """Return each cluster's derivative of its log-likelihood in the moments, shape (J, K)."""
    if sample.incomplete is not None:
        found = incomplete_moments(sample, places, vector)
        if found is None:
            raise AssertionError("the moments of a judged model are positive definite")
        return -0.5 * found[1]
    state = state_of(sample, *places.split(vector))
    if state is None:
        raise AssertionError("the moments of a judged model are positive definite")
    return cluster_scores(sample, places, state, places.split(vector)[2])


def information_at(
    sample: TwoLevelSample, places: MomentPlaces, vector: Array, kept: NDArray[np.bool_]
) -> Array:
    """Return the exact information in the moments kept, of all clusters."""
    state = state_of(sample, *places.split(vector))
    if state is None:
        raise AssertionError("the moments of a judged model are positive definite")
    if sample.incomplete is None:
        return moment_information(sample, places, state, observed=True)[np.ix_(kept, kept)]
    expected = np.diag(moment_information(sample, places, state, observed=False))[kept]

    def gradient(part: Array) -> Array:
        at = vector.copy()
        at[kept] = part
        return -2.0 * scores_at(sample, places, at)[:, kept].sum(axis=0)

    return differenced(gradient, vector[kept], 1.0 / np.sqrt(expected))


def two_level_robust(
    levels: Levels,
    sample: TwoLevelSample,
    theta: Array,
    *,
    bread: Array,
    saturated: Array,
    baseline: Array | None,
    n_free: int,
    df: int,
    baseline_df: int,
) -> tuple[Array, Robust | None]:
    """Return the sandwich, shape (q, q), and the scaling factors where they exist.

    Parameters
    ----------
    bread : ndarray, shape (q, q)
        Inverse exact information of all clusters, within the constraints.
    saturated, baseline : ndarray, shape (K,)
        Moments of the saturated model and of the baseline.
    """
    places = moment_places(sample)
    within, between = level_moments(levels, theta)
    mean = whole_mean(levels, within.mean, between.mean)
    delta = moment_jacobian(levels, places, theta)
    scores = scores_at(sample, places, places.joined(within.cov, between.cov, mean)) @ delta
    J = scores.T @ scores
    covariance: Array = bread @ J @ bread
    kept = moments_kept(levels, places)
    tr1 = saturated_trace(sample, places, kept, saturated)
    if tr1 is None or baseline is None:
        return covariance, None
    tr0 = float(np.trace(bread @ J))
    diagonal = np.concatenate([places.row == places.col, np.ones(places.n_means, dtype=bool)])
    tr_base = saturated_trace(sample, places, kept & (diagonal | _of_random_x(levels, places)), baseline)
    if tr_base is None:
        return covariance, None
    return covariance, Robust(
        covariance=covariance, scale=_positive((tr1 - tr0) / df) if df else None,
        baseline_scale=(tr1 - tr_base) / baseline_df if baseline_df else 1.0,
        extra={"scaling.factor.h1": tr1 / int(kept.sum()), "scaling.factor.h0": tr0 / n_free},
    )  # fmt: skip


def _of_random_x(levels: Levels, places: MomentPlaces) -> NDArray[np.bool_]:
    """Moments of predictors at either level, which the baseline keeps."""
    at = {name: i for i, name in enumerate(levels.names)}
    found = np.zeros(places.size, dtype=bool)
    for level, table in enumerate(levels.by_level):
        x = [at[name] for name in table.names.x]
        of_level = np.isin(places.row, x) & np.isin(places.col, x) & (places.between == bool(level))
        found[: len(of_level)] |= of_level
    return found


def _positive(scale: float) -> float | None:
    return scale if scale > 0 else None
