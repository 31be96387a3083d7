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
from implstats.sem.estimators.two_level_moments import (
    MomentPlaces,
    cluster_scores,
    moment_information,
    moment_places,
)
from implstats.sem.inference.robust import Robust
from implstats.sem.model.moments import derivative_stacks, implied_moments
from implstats.sem.model.two_level import Levels, level_moments, whole_mean

Array = NDArray[np.float64]


def moment_jacobian(levels: Levels, places: MomentPlaces, theta: Array) -> Array:
    """Return the derivatives of the K moments in the q parameters, shape (K, q)."""
    q, P = levels.table.n_free, places.n_means
    out = np.zeros((places.size, q))
    k = places.n_within + places.n_between
    parts = (slice(0, places.n_within), slice(places.n_within, k))
    for level, structure in enumerate(levels.structures):
        stacks = derivative_stacks(structure, implied_moments(structure, theta))
        i, j = places.pairs[level]
        by_entry = stacks.a[i] * stacks.b[j] + stacks.b[i] * stacks.a[j]
        spread = np.zeros((len(structure.ids), q))
        spread[np.arange(len(structure.ids)), structure.ids] = 1.0
        out[parts[level]] += by_entry @ spread
        means = np.zeros((P, q))
        means[levels.rows[level]] = stacks.m @ spread
        out[k:] += means
    return out


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


def score_products(
    sample: TwoLevelSample, places: MomentPlaces, within: Array, between: Array, mean: Array
) -> Array:
    """Return sum_j s_j s_j' in the moments, shape (K, K)."""
    state = state_of(sample, within, between, mean)
    if state is None:
        raise AssertionError("the moments of a judged model are positive definite")
    scores = cluster_scores(sample, places, state, mean)
    return np.asarray(scores.T @ scores)


def saturated_trace(
    sample: TwoLevelSample, places: MomentPlaces, kept: NDArray[np.bool_], vector: Array
) -> float | None:
    """Return tr(H^-1 J) at the saturated moments, shape (K,); ``None`` where H is singular."""
    state = state_of(sample, *places.split(vector))
    if state is None:
        return None
    which = np.ix_(kept, kept)
    H = moment_information(sample, places, state, observed=True)[which]
    scores = cluster_scores(sample, places, state, places.split(vector)[2])[:, kept]
    scale = np.sqrt(np.abs(np.diag(H)))
    if not np.all(scale > 0) or np.linalg.cond(H / np.outer(scale, scale)) > 1e12:
        return None
    return float(np.trace(np.linalg.solve(H, scores.T @ scores)))


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
    J = delta.T @ score_products(sample, places, within.cov, between.cov, mean) @ delta
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
