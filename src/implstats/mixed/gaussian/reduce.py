"""Rows to sums over clusters: the only step that touches every row.

For the lowest level's cluster c with rows i (Z1: its random-effect columns, W = [Z_2 .. Z_L, X, y]):

    ZZ_c = sum_i z1_i z1_i'    (q1, q1)         ZW_c = sum_i z1_i w_i'    (q1, m)

for a cluster j of an upper level l:  A_j = sum_i z_l,i w_i[from Z_l on]'  (q_l, m_l), and over all rows
XX = [X, y]'[X, y], (p+1, p+1). All are sums over rows, so reductions of different rows made with the same
cluster numbers, and the same columns, may be added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SMALL_BLOCK = 20_000  # numbers below which a count is quicker than a sparse product
SMALL_TABLE = 8_000  # clusters times rows below which a product with the table of who is where is quicker
CHUNK = 65_536  # rows taken at a time, so that what is copied stays in the processor's cache


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSums:
    """Sums over the rows of each cluster.

    Attributes
    ----------
    ZZ : ndarray, (n_1, q_1, q_1)
    ZW : ndarray, (n_1, q_1, m)
        Columns of W: the upper levels' Z, lowest first, then X, then y.
    upper : tuple of ndarray
        A of each upper level, (n_l, q_l, m_l); m_l counts W's columns from Z_l on.
    XX : ndarray, (p + 1, p + 1)
    n_rows : int
    """

    ZZ: np.ndarray
    ZW: np.ndarray
    upper: tuple[np.ndarray, ...]
    XX: np.ndarray
    n_rows: int

    def __add__(self, other: ClusterSums) -> ClusterSums:
        """Return the sums over both sets of rows; cluster numbers must mean the same in both."""
        return ClusterSums(
            ZZ=self.ZZ + other.ZZ,
            ZW=self.ZW + other.ZW,
            upper=tuple(a + b for a, b in zip(self.upper, other.upper, strict=True)),
            XX=self.XX + other.XX,
            n_rows=self.n_rows + other.n_rows,
        )


def sum_by(codes: np.ndarray, values: np.ndarray, *, size: int) -> np.ndarray:
    """Return the sums of the rows of ``values``, (n, k), with the same code, (size, k)."""
    if len(codes) * size <= SMALL_TABLE:
        member = np.zeros((size, len(codes)))
        member[codes, np.arange(len(codes))] = 1.0
        return np.asarray(member @ values)
    if len(codes) * values.shape[1] < SMALL_BLOCK:
        out = np.zeros((size, values.shape[1]))
        for k in range(values.shape[1]):
            out[:, k] = np.bincount(codes, weights=values[:, k], minlength=size)
        return out
    from scipy import sparse  # loaded for large data only: a tenth of a second at start

    n = len(codes)
    gather = sparse.csc_array((np.ones(n), codes, np.arange(n + 1)), shape=(size, n))
    return gather @ values


def reduce_rows(
    Z: Sequence[np.ndarray],
    X: np.ndarray,
    y: np.ndarray,
    *,
    codes: Sequence[np.ndarray],
    sizes: Sequence[int],
) -> ClusterSums:
    """Return the sums over clusters.

    Parameters
    ----------
    Z : sequence of ndarray, (n, q_l)
        Random-effect columns of each level, lowest level first.
    X : ndarray, (n, p)
    y : ndarray, (n,)
    codes : sequence of ndarray, (n,) integers
        Cluster number of each row at each level, 0 to ``sizes[l] - 1``.
    sizes : sequence of int
        Number of clusters of each level.
    """
    columns = [column for z in Z for column in z.T] + [*X.T, y]
    effects = [z.shape[1] for z in Z]
    sums = [
        np.zeros((size, q, len(columns) - sum(effects[:level])))
        for level, (size, q) in enumerate(zip(sizes, effects, strict=True))
    ]
    for begin in range(0, len(y), CHUNK):
        rows = slice(begin, begin + CHUNK)
        block = np.empty((min(CHUNK, len(y) - begin), len(columns)))
        for k, column in enumerate(columns):
            block[:, k] = column[rows]
        first = 0
        for level, q in enumerate(effects):
            for a in range(first, first + q):
                sums[level][:, a - first] += _weighted_sums(
                    codes[level][rows], block[:, a], block[:, first:], size=sizes[level]
                )
            first += q
    q = effects[0]
    p = X.shape[1]
    XX = np.empty((p + 1, p + 1))
    XX[:p, :p] = X.T @ X
    XX[:p, p] = XX[p, :p] = X.T @ y
    XX[p, p] = y @ y
    return ClusterSums(
        ZZ=np.ascontiguousarray(sums[0][:, :, :q]), ZW=np.ascontiguousarray(sums[0][:, :, q:]),
        upper=tuple(sums[1:]), XX=XX, n_rows=len(y),
    )  # fmt: skip


def _weighted_sums(codes: np.ndarray, weights: np.ndarray, values: np.ndarray, *, size: int) -> np.ndarray:
    """Return the sums of ``weights`` times the rows of ``values``, (n, k), with the same code, (size, k)."""
    n, k = values.shape
    if n * k < SMALL_BLOCK:
        return sum_by(codes, values * weights[:, None], size=size)
    from scipy import sparse  # loaded for large data only: a tenth of a second at start

    gather = sparse.csc_array((np.ascontiguousarray(weights), codes, np.arange(n + 1)), shape=(size, n))
    return gather @ np.ascontiguousarray(values)
