"""Full information for two-level models: the likelihood of all answers given, cluster by cluster.

With the answers of cluster j as in :mod:`implstats.sem.data.two_level_incomplete`, E_j (m_j, P) picking each
answer's variable and S_j marking pairs of one person,

    V_j = S_j o (E_j Sigma_w E_j') + E_j Sigma_b E_j',    N F = sum_j log|V_j| + d_j' V_j^-1 d_j,    d_j =
    a_j - E_j mu N dF / dSigma_w = sum_j E_j' (S_j o G_j) E_j,    N dF / dSigma_b = sum_j E_j' G_j E_j,    N
    dF / dmu = -2 sum_j E_j' V_j^-1 d_j

G_j = V_j^-1 - V_j^-1 d_j d_j' V_j^-1 (Rosseel 2021). The search takes the expected information of complete
clusters of the same sizes, which is near enough for few missing answers; the exact Hessian, for standard
errors and the verdict, is a difference of exact gradients at the end.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dpotri

from implstats.sem.data.two_level import TwoLevelSample
from implstats.sem.data.two_level_incomplete import ClusterAnswers
from implstats.sem.estimators.ml import Curvature, Evaluation
from implstats.sem.estimators.two_level import Criterion, two_level_criterion
from implstats.sem.estimators.two_level_moments import MomentPlaces, moment_jacobian, moment_places
from implstats.sem.model.two_level import Levels, level_moments, whole_mean

Array = NDArray[np.float64]
# Central differences of exact gradients of a criterion of order one, in units of a parameter's own spread.
STEP = 1e-4


def cluster_slopes(
    answers: ClusterAnswers, within: Array, between: Array, mean: Array
) -> tuple[float, Array, Array, Array] | None:
    """Return -2 log L of one cluster (no constant) and its slopes in Sigma_w, Sigma_b (P, P) and mu (P,)."""
    v = answers.variables
    V = within[np.ix_(v, v)] * answers.same + between[np.ix_(v, v)]
    root, bad = dpotrf(V, lower=1)
    if bad:
        return None
    log_det = 2.0 * float(np.log(np.diag(root)).sum())
    half, bad = dpotri(root, lower=1)
    if bad:
        return None
    W = np.tril(half) + np.tril(half, -1).T
    d = answers.values - mean[v]
    Wd = W @ d
    G = W - np.outer(Wd, Wd)
    E = answers.of_variable
    return log_det + float(d @ Wd), E.T @ ((G * answers.same) @ E), E.T @ (G @ E), -2.0 * (Wd @ E)


def incomplete_moments(
    sample: TwoLevelSample, places: MomentPlaces, vector: Array
) -> tuple[float, Array] | None:
    """Return N F and each cluster's derivative of it in the K moments, shape (J, K).

    ``None`` where some V_j is not positive definite.
    """
    if sample.incomplete is None:
        raise AssertionError("only answers with gaps are taken one by one")
    within, between, mean = places.split(vector)
    at = (sample.at_within, sample.at_between)
    P, total = places.n_means, 0.0
    full_w, full_b = np.zeros((P, P)), np.zeros((P, P))
    full_w[np.ix_(at[0], at[0])] = within
    full_b[np.ix_(at[1], at[1])] = between
    i, j = places.row, places.col
    rows = []
    for answers in sample.incomplete.clusters:
        found = cluster_slopes(answers, full_w, full_b, mean)
        if found is None:
            return None
        value, of_w, of_b, of_mean = found
        total += value
        pairs = np.where(places.between, of_b[i, j], of_w[i, j])
        rows.append(np.concatenate([2.0 * places.half * pairs, of_mean]))
    return total, np.array(rows)


def differenced(gradient: Callable[[Array], Array], theta: Array, spread: Array) -> Array:
    """Return half the Hessian, shape (q, q), by central differences; ``spread`` (q,) sets the steps."""
    rows = []
    for k, size in enumerate(spread):
        move = np.zeros(len(theta))
        move[k] = STEP * size
        rows.append((gradient(theta + move) - gradient(theta - move)) / (4.0 * STEP * size))
    H = np.array(rows).reshape(len(theta), len(theta))
    return 0.5 * (H + H.T)


def fiml_criterion(levels: Levels, sample: TwoLevelSample) -> Criterion:
    """Return F of all answers given as a function of theta; its information is that of complete clusters."""
    places = moment_places(sample)
    complete = two_level_criterion(levels.within, levels.between, sample, levels.table.n_free)

    def criterion(theta: Array, curvature: Curvature) -> Evaluation:
        try:
            within, between = level_moments(levels, theta)
        except np.linalg.LinAlgError:  # I - B singular
            return Evaluation(value=np.inf)
        vector = places.joined(within.cov, between.cov, whole_mean(levels, within.mean, between.mean))
        found = incomplete_moments(sample, places, vector) if np.all(np.isfinite(vector)) else None
        if found is None:
            return Evaluation(value=np.inf)
        value, slopes = found
        if curvature == "none":
            return Evaluation(value=value / sample.n)
        information = complete(theta, "expected").information
        if information is None:
            return Evaluation(value=np.inf)
        gradient = slopes.sum(axis=0) @ moment_jacobian(levels, places, theta) / sample.n
        return Evaluation(value=value / sample.n, gradient=gradient, information=information)

    return criterion


def exact_information(criterion: Criterion, theta: Array) -> Array:
    """Return half the Hessian of F, shape (q, q), by differences."""
    here = criterion(theta, "expected").information
    if here is None:
        raise AssertionError("an optimum has derivatives")

    def gradient(at: Array) -> Array:
        found = criterion(at, "expected").gradient
        return np.full(len(at), np.nan) if found is None else found

    return differenced(gradient, theta, 1.0 / np.sqrt(np.maximum(np.diag(here), 1e-12)))
