"""Nested clusters as sorted segments, and the sums over them.

Rows are sorted by cluster, so that every sum over a cluster is a sum over a segment. The columns of all
levels' Z are few different ones (the intercept, the wave); with these distinct columns U (B, n) a row's
random part is

    e_i = sum_b U_bi (F v_c)_b          F (B, Q) holds Lambda_l in the columns of level l

where v_c (Q,) are the standard normal effects along the path of lowest cluster c: its own, then those of the
clusters it lies in. All arrays have the clusters (or rows) on their last axis, and the effects or columns on
their first. Copies of the model with K different parameters may stand between the two: (Q, K, n_1), with F of
shape (B, Q, K).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Nested:
    """Rows in sorted order and the levels above them, lowest first.

    Attributes
    ----------
    order : ndarray, (n,)
        Rows of the design in sorted order.
    U : ndarray, (B, n)
        Distinct columns of the random effects, sorted.
    products : ndarray, (B (B + 1) / 2, n)
        U_a U_b for a <= b.
    pairs : tuple of two ndarrays
        a and b of each product.
    cluster : ndarray, (n,)
        Lowest cluster of each sorted row.
    starts : ndarray, (n_1,)
        First sorted row of each lowest cluster.
    parent : list of ndarray
        Cluster at the next level of each cluster of a level; one entry a level but the top one.
    child_starts : list of ndarray
        First cluster below of each cluster of the next level.
    above : list of ndarray, (n_1,) each
        Cluster at each level of each lowest cluster.
    top_starts : ndarray
        First sorted row of each top cluster.
    number : list of ndarray
        Number in the design of each cluster of a level.
    select : list of ndarray, (B, q_l)
        Which distinct column each effect is.
    columns : list of slice
        Effects of a level within Q.
    unit : bool
        Whether the first distinct column is one throughout, an intercept.
    """

    order: np.ndarray
    U: np.ndarray
    products: np.ndarray
    pairs: tuple[np.ndarray, np.ndarray]
    cluster: np.ndarray
    starts: np.ndarray
    parent: list[np.ndarray]
    child_starts: list[np.ndarray]
    above: list[np.ndarray]
    top_starts: np.ndarray
    number: list[np.ndarray]
    select: list[np.ndarray]
    columns: list[slice]
    unit: bool

    @property
    def sizes(self) -> list[int]:
        """Clusters of each level."""
        return [len(number) for number in self.number]

    @property
    def Q(self) -> int:  # noqa: N802 (the papers' symbol)
        """Effects along one path."""
        return self.columns[-1].stop

    def sums(self, rows: np.ndarray) -> np.ndarray:
        """Return sums over lowest clusters of (..., n) values."""
        return np.add.reduceat(rows, self.starts, axis=-1)

    def path(self, v: Sequence[np.ndarray]) -> np.ndarray:
        """Return the effects along each lowest cluster's path, (Q, n_1), of each level's (q_l, n_l)."""
        if len(v) == 1:
            return v[0]
        return np.concatenate([v[0], *(x[..., at] for x, at in zip(v[1:], self.above[1:], strict=True))])

    def loading(self, factors: Sequence[np.ndarray]) -> np.ndarray:
        """Return F, (B, Q)."""
        if len(factors) == 1:
            return self.select[0] @ factors[0]
        return np.concatenate([s @ f for s, f in zip(self.select, factors, strict=True)], axis=1)

    def random_part(self, coefficients: np.ndarray) -> np.ndarray:
        """Return sum_b U_b c_b for coefficients (B, n_1) of the distinct columns, (n,)."""
        return self._spread(self.U, coefficients)

    def paired(self, coefficients: np.ndarray) -> np.ndarray:
        """Return sum over a <= b of U_a U_b c_ab for coefficients (pairs, n_1), (n,)."""
        return self._spread(self.products, coefficients)

    def by_column(self, rows: np.ndarray) -> np.ndarray:
        """Return the sums over lowest clusters of U_b times (n,) values, (B, n_1)."""
        return self._collect(self.U, rows)

    def by_pair(self, rows: np.ndarray) -> np.ndarray:
        """Return the sums over lowest clusters of U_a U_b times (n,) values, (pairs, n_1)."""
        return self._collect(self.products, rows)

    def _spread(self, columns: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
        out = coefficients[0].take(self.cluster, axis=-1)
        if not self.unit:
            out *= columns[0]
        for column, c in zip(columns[1:], coefficients[1:], strict=True):
            out += column * c.take(self.cluster, axis=-1)
        return out

    def _collect(self, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
        if self.unit and len(columns) == 1:
            return self.sums(rows)[None]
        return np.array([self.sums(column * rows) for column in columns])


def nest(codes: Sequence[np.ndarray], Z: Sequence[np.ndarray]) -> Nested:
    """Return the sorted structure of levels (lowest first) with cluster numbers (n,) and effects (n, q_l)."""
    order = np.lexsort(codes)
    distinct, select = _distinct_columns([z[order] for z in Z])
    a, b = np.triu_indices(len(distinct))
    starts_of, new = [], []
    for level in codes:
        ordered = level[order]
        change = np.empty(len(order), dtype=bool)
        change[0] = True
        np.not_equal(ordered[1:], ordered[:-1], out=change[1:])
        starts_of.append(np.flatnonzero(change))
        new.append(np.cumsum(change) - 1)
    parent = [upper[starts] for upper, starts in zip(new[1:], starts_of[:-1], strict=True)]
    ends = np.cumsum([0, *(s.shape[1] for s in select)])
    return Nested(
        order=order, U=distinct, products=distinct[a] * distinct[b], pairs=(a, b), cluster=new[0],
        starts=starts_of[0], parent=parent,
        child_starts=[np.searchsorted(own, np.arange(own[-1] + 1)) for own in parent],
        above=[level[starts_of[0]] for level in new], top_starts=starts_of[-1],
        number=[level[order][starts] for level, starts in zip(codes, starts_of, strict=True)],
        select=select, columns=[slice(int(i), int(j)) for i, j in pairwise(ends)],
        unit=bool(np.all(distinct[0] == 1.0)),
    )  # fmt: skip


def mix(F: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return F x, (B, n_1), of F (B, Q) and x (Q, n_1); or (B, K, n_1), of (B, Q, K) and (Q, K, n_1)."""
    if F.ndim == 2:
        return F @ x
    return np.sum(F[..., None] * x[None], axis=1)


def transpose(F: np.ndarray) -> np.ndarray:
    """Return F', (Q, B), or (Q, B, K)."""
    return F.swapaxes(0, 1)


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the sums over clusters of a b', (A, B), of (A, n_1) and (B, n_1); or with K between."""
    if a.ndim == 2:
        return a @ b.T
    return np.matmul(a.transpose(1, 0, 2), b.transpose(1, 2, 0)).transpose(1, 2, 0)


def _distinct_columns(Z: Sequence[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
    found: list[np.ndarray] = []
    at: list[list[int]] = []
    for matrix in Z:
        own = []
        for z in matrix.T:
            match = next((k for k, column in enumerate(found) if np.array_equal(column, z)), None)
            if match is None:
                match = len(found)
                found.append(np.ascontiguousarray(z))
            own.append(match)
        at.append(own)
    return np.array(found), [np.eye(len(found))[:, own] for own in at]
