"""The problem without one cluster: the sums of all rows less those of the cluster's rows.

Clusters that lose all their rows stay in the arrays with sums of exactly zero: they add nothing to log|V| nor
to [X, y]'V^-1[X, y], so the criterion is that of the remaining rows, in the coordinates of the whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from implstats.mixed.fitted import Fitted
from implstats.mixed.gaussian.criterion import Problem
from implstats.mixed.gaussian.crossed_sums import CrossedSums, reduce_crossed
from implstats.mixed.gaussian.pool import pool
from implstats.mixed.gaussian.reduce import ClusterSums, reduce_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class WithoutCluster:
    """What is left without one cluster.

    Attributes
    ----------
    problem : Problem
    left : float
        Smallest eigenvalue of Q'Q over the remaining rows; one for all rows, zero if a coefficient is lost.
    fewest : int
        Clusters left at the level that has fewest.
    """

    problem: Problem
    left: float
    fewest: int


def without_clusters(model: Fitted, level: int) -> Iterator[WithoutCluster]:
    """Yield the problem without each cluster of a level, in the order of their numbers."""
    clusters = model.design.levels[level].clusters
    order = np.argsort(clusters.codes, kind="stable")
    ends = np.cumsum(np.bincount(clusters.codes, minlength=clusters.size))
    counts = [np.bincount(p.clusters.codes, minlength=p.clusters.size) for p in model.design.levels]
    for j, end in enumerate(ends):
        rows = order[ends[j - 1] if j else 0 : end]
        Q = model.scaled.Q[rows]
        left = np.linalg.eigvalsh(np.eye(Q.shape[1]) - Q.T @ Q)[0]
        kept = [
            int(np.sum(count > np.bincount(p.clusters.codes[rows], minlength=len(count))))
            for count, p in zip(counts, model.design.levels, strict=True)
        ]
        yield WithoutCluster(problem=_problem(model, rows), left=float(left), fewest=min(kept))


def _problem(model: Fitted, rows: np.ndarray) -> Problem:
    """Return the function to minimise without some rows."""
    scaled, levels = model.scaled, [part.clusters for part in model.design.levels]
    Z, Q, y = [z[rows] for z in scaled.Z], scaled.Q[rows], scaled.y[rows]
    codes, sizes = [c.codes[rows] for c in levels], [c.size for c in levels]
    if isinstance(model.sums, CrossedSums):
        part = reduce_crossed(Z, Q, y, codes=codes, sizes=sizes)
        return replace(model.problem, moments=model.sums - part)
    counts = [np.bincount(c.codes, minlength=c.size) for c in levels]
    empty = [
        count == np.bincount(code, minlength=size)
        for count, code, size in zip(counts, codes, sizes, strict=True)
    ]
    sums = less(model.sums, reduce_rows(Z, Q, y, codes=codes, sizes=sizes), empty)
    return replace(model.problem, moments=pool(sums, ancestors=model.design.parents))


def less(whole: ClusterSums, part: ClusterSums, empty: list[np.ndarray]) -> ClusterSums:
    """Return sums without the part; clusters that are then ``empty``, by level, get exact zeros."""
    ZZ, ZW = whole.ZZ - part.ZZ, whole.ZW - part.ZW
    ZZ[empty[0]] = ZW[empty[0]] = 0.0
    upper = []
    for a, b, none in zip(whole.upper, part.upper, empty[1:], strict=True):
        rest = a - b
        rest[none] = 0.0
        upper.append(rest)
    return ClusterSums(
        ZZ=ZZ, ZW=ZW, upper=tuple(upper), XX=whole.XX - part.XX, n_rows=whole.n_rows - part.n_rows
    )
