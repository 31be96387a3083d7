"""Clusters of the lowest level with the same Z'Z, pooled.

With B_c = ZW_c and K a function of S = ZZ_c only, sum_c B_c' K B_c = sum_ab K_ab sum_c B_c,a B_c,b'. So
clusters that share S (the same waves, say) may be added before any model is fitted: one evaluation of the
criterion then costs as much as there are patterns of S within upper clusters, whatever the number of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from implstats.mixed.gaussian.reduce import ClusterSums, sum_by


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Pattern-by-upper-cluster cells of one upper level, sorted by upper cluster.

    Attributes
    ----------
    pattern : ndarray, (cells,)
    starts : ndarray, (n_l,)
        First cell of each upper cluster.
    products : ndarray, (cells, q1 (q1 + 1) / 2, q_l * m_l)
        Sums of products of ZW's columns of Z_l with its columns from Z_l on.
    """

    pattern: np.ndarray
    starts: np.ndarray
    products: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Everything that the criterion needs of the data.

    Attributes
    ----------
    S : ndarray, (patterns, q1, q1)
        The distinct Z'Z of the lowest level.
    count : ndarray, (patterns,)
        Clusters that have it.
    products : ndarray, (patterns * q1 (q1 + 1) / 2, (p + 1)(p + 2) / 2)
        Sums of products of the lowest level's Z'[X, y], lower triangles.
    cells : tuple of Cells
        One for each upper level.
    upper : tuple of ndarray, (n_l, q_l, m_l)
    parents : tuple of tuple of ndarray
        ``parents[l][k]``, (n_l,): the cluster of upper level k > l that holds each cluster of upper level l.
    XX : ndarray, (p + 1, p + 1)
    n : int
        Rows.
    """

    S: np.ndarray
    count: np.ndarray
    products: np.ndarray
    cells: tuple[Cells, ...]
    upper: tuple[np.ndarray, ...]
    parents: tuple[dict[int, np.ndarray], ...]
    XX: np.ndarray
    n: int

    @cached_property
    def square(self) -> np.ndarray:
        """Where each element of a (p + 1, p + 1) symmetric matrix stands in its lower triangle."""
        row, col = np.indices(self.XX.shape).reshape(2, -1)
        high, low = np.maximum(row, col), np.minimum(row, col)
        return np.asarray(high * (high + 1) // 2 + low)

    @property
    def p(self) -> int:
        """Number of fixed effects."""
        return len(self.XX) - 1


def pool(sums: ClusterSums, *, ancestors: Sequence[Sequence[np.ndarray]]) -> Moments:
    """Return the pooled moments.

    Parameters
    ----------
    sums : ClusterSums
    ancestors : sequence of sequences of ndarray
        ``ancestors[l][k]``, (n_l,): number of the cluster of level l + 1 + k that holds each cluster of
        level l.
    """
    first, pattern = patterns(sums.ZZ)
    p1 = len(sums.XX)
    products = _pair_products(sums.ZW[:, :, -p1:])
    n_patterns, tri, width = len(first), products.shape[1], products.shape[2]
    pooled = sum_by(pattern, products.reshape(len(pattern), -1), size=n_patterns)
    cells, start = [], 0
    for level, A in enumerate(sums.upper):
        cells.append(_cells(sums.ZW[:, :, start:], A.shape[1], ancestors[0][level], pattern, n_patterns))
        start += A.shape[1]
    upper_parents = tuple(
        {lower + 1 + k: parent for k, parent in enumerate(ancestors[lower + 1])}
        for lower in range(len(sums.upper))
    )
    return Moments(
        S=sums.ZZ[first], count=np.bincount(pattern, minlength=n_patterns).astype(float),
        products=pooled.reshape(n_patterns * tri, width), cells=tuple(cells), upper=sums.upper,
        parents=upper_parents, XX=sums.XX, n=sums.n_rows,
    )  # fmt: skip


def patterns(ZZ: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first cluster of each distinct Z'Z and the pattern number of each cluster."""
    flat = ZZ.reshape(len(ZZ), -1)
    if flat.shape[1] == 1:
        return _distinct(flat[:, 0])
    # Sorting one number a cluster is many times faster than sorting matrices; equality is then verified.
    mark = flat @ np.sqrt(np.arange(2.0, 2.0 + flat.shape[1]))
    _, first, code = np.unique(mark, return_index=True, return_inverse=True)
    if not np.array_equal(flat[first][code], flat):
        _, first, code = np.unique(flat, axis=0, return_index=True, return_inverse=True)
    return first, code.reshape(-1)


def _distinct(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first place of each distinct value and the number of each value; counts need no sorting."""
    whole = values.astype(np.int64) if values.max() < 1e6 and values.min() >= 0.0 else None
    if whole is None or not np.array_equal(whole, values):
        _, first, code = np.unique(values, return_index=True, return_inverse=True)
        return first, code
    present = np.bincount(whole) > 0
    code = (np.cumsum(present) - 1)[whole]
    first = np.empty(int(present.sum()), dtype=np.int64)
    first[code[::-1]] = np.arange(len(code) - 1, -1, -1)
    return first, code


@lru_cache(maxsize=64)
def lower_triangle(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return ``np.tril_indices(size)``, computed once."""
    return np.tril_indices(size)


def _pair_products(B: np.ndarray) -> np.ndarray:
    """Return sum over the orders of (a, b) of B_a B_b', lower triangles of both pairs: (n, tri, width)."""
    c, d = lower_triangle(B.shape[2])
    rows, cols = lower_triangle(B.shape[1])
    out = np.empty((len(B), len(rows), len(c)))
    for k, (a, b) in enumerate(zip(rows, cols, strict=True)):
        out[:, k] = B[:, a, c] * B[:, b, d]
        if a != b:
            out[:, k] += B[:, b, c] * B[:, a, d]
    return out


def _cells(B: np.ndarray, q: int, parent: np.ndarray, pattern: np.ndarray, n_patterns: int) -> Cells:
    """Return the cells of an upper level whose q columns lead B, (n_1, q1, m_l)."""
    keys, cell = np.unique(parent * n_patterns + pattern, return_inverse=True)
    rows, cols = lower_triangle(B.shape[1])
    parts = []
    for a, b in zip(rows, cols, strict=True):
        value = B[:, a, :q, None] * B[:, b, None, :]
        if a != b:
            value = value + B[:, b, :q, None] * B[:, a, None, :]
        parts.append(sum_by(cell.reshape(-1), value.reshape(len(B), -1), size=len(keys)))
    owner = keys // n_patterns
    return Cells(
        pattern=keys % n_patterns,
        starts=np.searchsorted(owner, np.arange(owner[-1] + 1)),
        products=np.stack(parts, axis=1),
    )
