"""Sufficient statistics of persons in clusters for two-level models.

Person i of cluster j gives y_ij (level 1), cluster j gives z_j (level 2 alone); P variables in all:

    y_ij = mu + b_j + w_ij,   cov(w) = Sigma_w,   cov(b, z) = Sigma_b

n_j persons in cluster j, J clusters, N persons. -2 log L needs the pooled within matrix S_pw (divisor N - J)
and, for each cluster size s, the mean m_s and the covariance C_s (divisor J_s) of the J_s cluster means
(McDonald & Goldstein 1989; Muthen 1990). A variable of level 1 alone has a cluster mean too, but no row in
Sigma_b.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from implstats.sem.data.two_level_incomplete import IncompleteClusters
from implstats.sem.estimators.ml import SampleMoments

Array = NDArray[np.float64]
Index = NDArray[np.intp]
# Starts need positive definite matrices: at least this share of a variable's variance in any direction.
LEAST_BETWEEN = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoLevelSample:
    """Statistics of N complete persons in J clusters of S different sizes.

    Attributes
    ----------
    n, n_clusters : int
    at_within, at_between : ndarray of int, shapes (p_w,) and (p_b,)
        Which of the P variables belong to each level's matrix.
    within : ndarray, shape (p_w, p_w)
        S_pw.
    sizes, counts : ndarray, shape (S,)
        Cluster sizes and how many clusters have each.
    scale : ndarray, shape (S, P)
        sqrt(s) for variables of level 1, one for those of level 2 alone.
    means, covs : ndarray, shapes (S, P) and (S, P, P)
        m_s and C_s.
    cluster_size, cluster_mean : ndarray, shapes (J,) and (J, P)
    deviations, cluster : ndarray, shapes (N, p_w) and (N,)
        Answers less their cluster's mean, and each person's cluster from 0.
    start_within, start_between : SampleMoments
        Moment estimates of Sigma_w and Sigma_b, made positive definite, and of the means of each level.
    cov, cov_clusters : ndarray, shapes (P, P)
        Of all persons; of the J cluster means, unweighted. Divisors N and J.
    incomplete : IncompleteClusters or None
        All answers given, where some are missing; the statistics are then of filled-in answers, for starts,
        for the search's pace and for predictors, which are complete.
    """

    n: int
    n_clusters: int
    at_within: Index
    at_between: Index
    within: Array
    sizes: Array
    counts: Array
    scale: Array
    means: Array
    covs: Array
    cluster_size: Array
    cluster_mean: Array
    deviations: Array
    cluster: Index
    start_within: SampleMoments
    start_between: SampleMoments
    cov: Array
    cov_clusters: Array
    incomplete: IncompleteClusters | None = None

    @property
    def n_answers(self) -> int:
        """Observed numbers: those of persons, and those of clusters once a cluster."""
        if self.incomplete is not None:
            return self.incomplete.n_answers
        of_level_1 = len(self.at_within)
        return self.n * of_level_1 + self.n_clusters * (self.scale.shape[1] - of_level_1)


def two_level_statistics(
    values: Array, cluster: Index, at_within: Index | None = None, at_between: Index | None = None
) -> TwoLevelSample:
    """Return the statistics of complete values, shape (N, P), with each person's cluster, shape (N,)."""
    n, p = values.shape
    at_within = np.arange(p) if at_within is None else at_within
    at_between = np.arange(p) if at_between is None else at_between
    _, which, size = np.unique(cluster, return_inverse=True, return_counts=True)
    centre = np.zeros((len(size), p))
    np.add.at(centre, which, values)
    centre /= size[:, None]
    deviations = (values - centre[which])[:, at_within]
    within = deviations.T @ deviations / (n - len(size))
    sizes, kind = np.unique(size, return_inverse=True)
    groups = [centre[kind == k] for k in range(len(sizes))]
    means = np.array([g.mean(axis=0) for g in groups])
    scale = np.ones((len(sizes), p))
    scale[:, at_within] = np.sqrt(sizes)[:, None]
    spread = values - values.mean(axis=0)
    of_clusters = centre - centre.mean(axis=0)
    cov, cov_clusters = spread.T @ spread / n, of_clusters.T @ of_clusters / len(size)
    starts = _starts(values, centre, size, within, cov, cov_clusters, at_within, at_between)
    return TwoLevelSample(
        n=n, n_clusters=len(size), at_within=at_within, at_between=at_between, within=within,
        sizes=sizes.astype(float), counts=np.bincount(kind).astype(float), scale=scale, means=means,
        covs=np.array([(g - m).T @ (g - m) / len(g) for g, m in zip(groups, means, strict=True)]),
        cluster_size=size.astype(float), cluster_mean=centre, deviations=deviations, cluster=which,
        start_within=starts[0], start_between=starts[1], cov=cov, cov_clusters=cov_clusters,
    )  # fmt: skip


def _starts(
    values: Array,
    centre: Array,
    size: Index,
    within: Array,
    cov: Array,
    cov_clusters: Array,
    at_within: Index,
    at_between: Index,
) -> tuple[SampleMoments, SampleMoments]:
    """Moment estimates (Muthen 1990): Sigma_b is what cluster means vary more than persons within do."""
    n, p = values.shape
    J, mean = len(size), values.mean(axis=0)
    typical = (n - float((size.astype(float) ** 2).sum()) / n) / max(J - 1, 1)
    weighted = (centre - mean) * size[:, None]
    between = (centre - mean).T @ weighted / (max(J - 1, 1) * typical)
    between[np.ix_(at_within, at_within)] -= within / typical
    alone = np.setdiff1d(np.arange(p), at_within)
    between[np.ix_(alone, alone)] = cov_clusters[np.ix_(alone, alone)]
    of_mean = mean.copy()
    of_mean[alone] = centre[:, alone].mean(axis=0)
    sd = np.sqrt(np.diag(cov))
    full_w = np.zeros((p, p))
    full_w[np.ix_(at_within, at_within)] = within
    only = np.setdiff1d(at_within, at_between)
    full_w[np.ix_(only, only)] = cov[np.ix_(only, only)]
    within_start = _positive(full_w, sd, at_within, least=1e-6)
    between_start = _positive(between, sd, at_between, least=LEAST_BETWEEN)
    of_within = np.where(np.isin(np.arange(p), at_between), 0.0, mean)[at_within]
    return (
        _moments(within_start, of_within, n),
        _moments(between_start, of_mean[at_between], J),
    )


def _positive(cov: Array, sd: Array, which: Index, *, least: float) -> Array:
    """Part of a matrix with the eigenvalues of its scaled form raised to ``least``."""
    part, of = cov[np.ix_(which, which)], sd[which]
    of = np.where(of > 0, of, 1.0)
    roots, vectors = np.linalg.eigh(part / np.outer(of, of))
    return np.asarray((vectors * np.maximum(roots, least)) @ vectors.T * np.outer(of, of))


def _moments(cov: Array, mean: Array, n: int) -> SampleMoments:
    return SampleMoments(cov=cov, mean=mean, n=n, log_det=float(np.linalg.slogdet(cov)[1]))


def varying_names(values: Array, cluster: Index, names: Sequence[str], which: Index) -> list[str]:
    """Return which of some columns are not constant within clusters."""
    order = np.argsort(cluster, kind="stable")
    mine, codes = values[order][:, which], cluster[order]
    first = np.concatenate([[0], np.nonzero(np.diff(codes))[0] + 1])
    differs = np.fmax.reduceat(mine, first, axis=0) > np.fmin.reduceat(mine, first, axis=0)
    varies = np.asarray(differs.any(axis=0))
    return [names[k] for k, v in zip(which, varies, strict=True) if v]
