"""Fits to samples of whole clusters: the cluster (cases) bootstrap and leaving one cluster out.

Clusters of the highest level are independent, and everything the criterion needs is a sum over them. So a
sample with replacement is a list of clusters whose sums are put side by side, each copy a cluster of its own,
and no row is read again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from implstats.mixed.gaussian.boundary import find_optimum
from implstats.mixed.gaussian.criterion import Evaluation, Problem
from implstats.mixed.gaussian.pool import pool
from implstats.mixed.gaussian.reduce import ClusterSums, reduce_rows, sum_by
from implstats.mixed.resampling.records import Refits, component_names
from implstats.mixed.resampling.refit import Refitter

ALIASED = 1e-9  # smallest eigenvalue of a sample's X'X, as a share of the largest, that leaves p coefficients


@dataclass(frozen=True, slots=True, kw_only=True)
class TopSums:
    """Sums of a fitted model by cluster of the highest level, J clusters.

    Attributes
    ----------
    sums : ClusterSums
    members : tuple of list of ndarray
        For each level, the clusters within each top cluster.
    place : tuple of ndarray, (n_l,)
        Position of each cluster among those of its top cluster.
    parents : list of list of ndarray
    XX : ndarray, (J, p + 1, p + 1)
    rows : ndarray, (J,)
    """

    sums: ClusterSums
    members: tuple[list[np.ndarray], ...]
    place: tuple[np.ndarray, ...]
    parents: list[list[np.ndarray]]
    XX: np.ndarray
    rows: np.ndarray


def sum_top(ready: Refitter) -> TopSums:
    """Return the sums of the fitted model by top cluster."""
    design, scaled = ready.model.design, ready.model.scaled
    codes = [level.clusters.codes for level in design.levels]
    sizes = [level.clusters.size for level in design.levels]
    J, p1 = sizes[-1], scaled.Q.shape[1] + 1
    both = np.column_stack([scaled.Q, scaled.y])
    products = (both[:, :, None] * both[:, None, :]).reshape(len(both), -1)
    members, place = [], []
    for k, level in enumerate(design.levels):
        top = design.parents[k][-1] if k < len(sizes) - 1 else np.arange(J)
        order = np.argsort(top, kind="stable")
        groups = np.split(order, np.cumsum(np.bincount(top, minlength=J))[:-1])
        position = np.empty(level.clusters.size, dtype=np.int64)
        for group in groups:
            position[group] = np.arange(len(group))
        members.append(groups)
        place.append(position)
    return TopSums(
        sums=reduce_rows(scaled.Z, scaled.Q, scaled.y, codes=codes, sizes=sizes), members=tuple(members),
        place=tuple(place), parents=design.parents, rows=np.bincount(codes[-1], minlength=J),
        XX=sum_by(codes[-1], products, size=J).reshape(J, p1, p1),
    )  # fmt: skip


def sample_problem(ready: Refitter, top: TopSums, picked: np.ndarray) -> Problem | None:
    """Return the problem of a sample of top clusters, or None if its X has not full rank."""
    XX = top.XX[picked].sum(axis=0)
    w = np.linalg.eigvalsh(XX[:-1, :-1])
    if w[0] <= ALIASED * w[-1]:
        return None
    index = [np.concatenate([groups[j] for j in picked]) for groups in top.members]
    sums = ClusterSums(
        ZZ=top.sums.ZZ[index[0]], ZW=top.sums.ZW[index[0]], XX=XX, n_rows=int(top.rows[picked].sum()),
        upper=tuple(A[i] for A, i in zip(top.sums.upper, index[1:], strict=True)),
    )  # fmt: skip
    sizes = [np.array([len(groups[j]) for j in picked]) for groups in top.members]
    parents = [
        [_moved(top, k, k + 1 + up, index[k], sizes) for up in range(len(top.parents[k]))]
        for k in range(len(index))
    ]
    return Problem(moments=pool(sums, ancestors=parents), shape=ready.shared.shape, reml=ready.shared.reml)


def _moved(top: TopSums, level: int, above: int, index: np.ndarray, sizes: list[np.ndarray]) -> np.ndarray:
    """Return the clusters of a level above that hold each picked cluster, numbered in the sample."""
    start = np.cumsum(sizes[above]) - sizes[above]
    parent = top.parents[level][above - level - 1][index]
    return np.repeat(start, sizes[level]) + top.place[above][parent]


def fit_samples(ready: Refitter, top: TopSums, samples: np.ndarray) -> Refits:
    """Return the fits to samples of top clusters, (R, clusters) integers, as refits."""
    design, scaled = ready.model.design, ready.model.scaled
    p, R = ready.shared.p, len(samples)
    names = component_names(design.levels)
    out = {
        "beta": np.full((R, p), np.nan), "std_error": np.full((R, p), np.nan),
        "covariances": np.full((R, len(names)), np.nan), "sigma2": np.full(R, np.nan),
        "criterion": np.full(R, np.nan), "boundary": np.zeros(R, dtype=bool),
    }  # fmt: skip
    verdict = np.full(R, "failed", dtype="<U7")
    for i, picked in enumerate(samples):
        problem = sample_problem(ready, top, picked)
        optimum = None if problem is None else find_optimum(problem)
        if optimum is None or not optimum.verified:
            continue
        at = optimum.search.at
        s2 = at.sigma2 * scaled.scale**2
        out["beta"][i] = scaled.M @ (scaled.scale * at.beta + scaled.shift)
        out["std_error"][i] = np.sqrt(s2 * np.einsum("ki,ij,kj->k", scaled.M, at.C, scaled.M))
        out["covariances"][i] = _covariances(ready, at, s2)
        out["sigma2"][i] = s2
        out["criterion"][i] = at.value
        out["boundary"][i] = bool(optimum.boundary)
        verdict[i] = "caution" if optimum.boundary else "ok"
    return Refits(
        terms=tuple(design.names[j] for j in scaled.kept), components=names, reml=ready.shared.reml,
        df=np.full((R, p), np.nan), df_method=np.full(R, "none"), verdict=verdict,
        alone=np.ones(R, dtype=bool), **out,
    )  # fmt: skip


def _covariances(ready: Refitter, at: Evaluation, s2: float) -> np.ndarray:
    values = []
    for part, G, B in zip(ready.model.design.levels, at.G, ready.model.scaled.B, strict=True):
        covariance = s2 * B @ G @ B.T
        values += [
            covariance[col, row] for block in part.blocks for i, row in enumerate(block)
            for col in block[: i + 1]
        ]  # fmt: skip
    return np.array(values)
