"""All answers given by persons in clusters, cluster by cluster, for two-level models with missing answers.

Cluster j gave m_j answers: a_k is the value of variable p_k of person i_k, or once of the cluster itself.
Answers are missing at random given those in the cluster (Rosseel 2021).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterAnswers:
    """Answers of one cluster.

    Attributes
    ----------
    values : ndarray, shape (m,)
    variables : ndarray of int, shape (m,)
        Among all P.
    same : ndarray, shape (m, m)
        One where two answers are of level 1 and of one person.
    of_variable : ndarray, shape (m, P)
        One in the column of each answer's variable.
    """

    values: Array
    variables: Index
    same: Array
    of_variable: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class IncompleteClusters:
    """Answers of all clusters, and how many there are and how many are missing."""

    clusters: tuple[ClusterAnswers, ...]
    n_answers: int
    share_missing: float


def incomplete_clusters(values: Array, cluster: Index, at_within: Index) -> IncompleteClusters:
    """Return the answers given in values, shape (N, P), with each person's cluster, shape (N,)."""
    n, P = values.shape
    inner = np.isin(np.arange(P), at_within)
    order = np.argsort(cluster, kind="stable")
    cuts = np.nonzero(np.diff(cluster[order]))[0] + 1
    found = []
    for rows in np.split(order, cuts):
        mine = values[rows]
        person, variable = np.nonzero(~np.isnan(mine) & inner)
        answers = mine[person, variable]
        known = np.fmax.reduce(mine, axis=0)
        once = np.nonzero(~inner & ~np.isnan(known))[0]
        person = np.concatenate([person, -1 - np.arange(len(once))])
        variable = np.concatenate([variable, once])
        same = ((person[:, None] == person) & (person >= 0)[:, None]).astype(float)
        found.append(ClusterAnswers(
            values=np.concatenate([answers, known[once]]), variables=variable, same=same,
            of_variable=np.eye(P)[variable],
        ))  # fmt: skip
    given = sum(len(c.values) for c in found)
    whole = n * int(inner.sum()) + len(found) * int((~inner).sum())
    return IncompleteClusters(clusters=tuple(found), n_answers=given, share_missing=1.0 - given / whole)


def filled_in(values: Array, cluster: Index, at_within: Index) -> Array:
    """Return values, shape (N, P), with gaps at the mean of the cluster, else of all: for starts alone."""
    out = values.copy()
    size = np.bincount(cluster)
    for k in range(values.shape[1]):
        gap = np.isnan(out[:, k])
        if not gap.any():
            continue
        known = ~gap
        count = np.bincount(cluster[known], minlength=len(size))
        total = np.bincount(cluster[known], out[known, k], minlength=len(size))
        overall = total.sum() / count.sum()
        mean = np.where(count > 0, total / np.maximum(count, 1), overall)
        out[gap, k] = mean[cluster[gap]]
    return out
