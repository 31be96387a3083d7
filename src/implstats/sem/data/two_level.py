"""Sufficient statistics of persons in clusters for two-level models.

    y_ij = mu + b_j + w_ij,   cov(w) = Sigma_w,   cov(b) = Sigma_b

with n_j persons in cluster j, J clusters and N persons.

-2 log L needs the pooled within matrix S_pw (divisor N - J) and, for each cluster size s, the mean m_s
and the covariance C_s (divisor J_s) of the J_s cluster means: McDonald & Goldstein (1989), Muthen (1990).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoLevelSample:
    """Statistics of N complete persons on p variables in J clusters of S different sizes.

    Attributes
    ----------
    n, n_clusters : int
    within : ndarray, shape (p, p)
        S_pw.
    sizes, counts : ndarray, shape (S,)
        Cluster sizes and how many clusters have each.
    means, covs : ndarray, shapes (S, p) and (S, p, p)
        m_s and C_s.
    mean : ndarray, shape (p,)
        Of all persons.
    between : ndarray, shape (p, p)
        Moment estimate of Sigma_b, made positive definite, for starts.
    """

    n: int
    n_clusters: int
    within: Array
    sizes: Array
    counts: Array
    means: Array
    covs: Array
    mean: Array
    between: Array


def two_level_statistics(values: Array, cluster: NDArray[np.intp]) -> TwoLevelSample:
    """Return the statistics of complete values, shape (N, p), with each person's cluster, shape (N,)."""
    (n, p), (_, which, size) = values.shape, np.unique(cluster, return_inverse=True, return_counts=True)
    n_clusters, mean = len(size), values.mean(axis=0)
    centre = np.zeros((n_clusters, p))
    np.add.at(centre, which, values)
    centre /= size[:, None]
    deviations = values - centre[which]
    within = deviations.T @ deviations / (n - n_clusters)
    sizes, kind = np.unique(size, return_inverse=True)
    groups = [centre[kind == k] for k in range(len(sizes))]
    means = np.array([g.mean(axis=0) for g in groups])
    covs = np.array([(g - m).T @ (g - m) / len(g) for g, m in zip(groups, means, strict=True)])
    typical = (n - float((size.astype(float) ** 2).sum()) / n) / (n_clusters - 1)
    spread = (centre - mean).T @ ((centre - mean) * size[:, None]) / (n_clusters - 1)
    roots, vectors = np.linalg.eigh((spread - within) / typical)
    # Starts need a positive definite matrix: at least a fiftieth of the average within variance.
    roots = np.maximum(roots, 0.02 * float(np.trace(within)) / p)
    return TwoLevelSample(
        n=n, n_clusters=n_clusters, within=within, sizes=sizes.astype(float),
        counts=np.bincount(kind).astype(float), means=means, covs=covs, mean=mean,
        between=(vectors * roots) @ vectors.T,
    )  # fmt: skip
