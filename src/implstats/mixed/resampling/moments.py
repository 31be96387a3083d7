"""What all responses share, and what is each response's own.

A refit changes y alone. Everything in the elimination of `gaussian.eliminate` that holds no y, the patterns S
and the products of [Z_2 .. Z_L, X], is reduced once (`Shared`). The rest is linear in y, but for y'y and the
squares of Z_1'y, so it comes from sparse maps applied to all responses at once (`reduce_responses`).

P patterns of the lowest level with q effects have t = q (q + 1) / 2 products each: rows k t + pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from implstats.mixed.design.build import Design
from implstats.mixed.design.standardise import Standardised
from implstats.mixed.gaussian.covariance import CovarianceShape
from implstats.mixed.gaussian.pool import patterns

if TYPE_CHECKING:
    from scipy import sparse

DENSE = 0.2  # share of nonzero numbers above which a plain matrix product is quicker than a sparse one


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedLevel:
    """One upper level.

    Attributes
    ----------
    size, q : int
    X : ndarray, (q, m, J)
        Its products with [its Z and the Z above, X], the first of them with itself.
    lowest_x : sequence of matrices, (m J, P t)
        For each effect: what the lowest level's B'KB takes off ``X``.
    gather : sparse (q J, n)
    lowest_y : sparse (q cells t, q_1 n_1)
        From Z_1'y to the products of Z_1'Z_l with Z_1'y, pattern-by-cluster cells.
    cell_pattern, cell_starts : ndarray, (cells,), (J,)
    parents : tuple of ndarray, (J,)
        Clusters at each level above.
    """

    size: int
    q: int
    X: np.ndarray
    lowest_x: tuple[Any, ...]
    gather: sparse.csr_array
    lowest_y: sparse.csr_array
    cell_pattern: np.ndarray
    cell_starts: np.ndarray
    parents: tuple[np.ndarray, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What does not depend on the response.

    Attributes
    ----------
    shape : CovarianceShape
    reml : bool
    n, p : int
    S, count : ndarray, (P, q, q), (P,)
    lowest_x : ndarray, (p p, P t)
    XX : ndarray, (p, p)
    Q : ndarray, (n, p)
    gather : sparse (q n_1, n)
    lowest_y : sparse (P t p, q n_1)
    pattern : sparse (P, n_1)
    upper : tuple of SharedLevel
    """

    shape: CovarianceShape
    reml: bool
    n: int
    p: int
    S: np.ndarray
    count: np.ndarray
    lowest_x: np.ndarray
    XX: np.ndarray
    Q: np.ndarray
    gather: sparse.csr_array
    lowest_y: sparse.csr_array
    pattern: sparse.csr_array
    upper: tuple[SharedLevel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Responses:
    """What each response adds, r responses.

    Attributes
    ----------
    lowest : ndarray, (P t, p + 1, r)
        Products of Z_1'[X, y] with Z_1'y.
    ends : ndarray, (p + 1, r)
        [X, y]'y.
    upper : tuple of ndarray, (q, J, r)
        Z_l'y.
    cells : tuple of ndarray, (q, cells, t, r)
    """

    lowest: np.ndarray
    ends: np.ndarray
    upper: tuple[np.ndarray, ...]
    cells: tuple[np.ndarray, ...]

    def take(self, which: np.ndarray | slice) -> Responses:
        """Return the responses at these positions."""
        return Responses(
            lowest=self.lowest[..., which], ends=self.ends[..., which],
            upper=tuple(u[..., which] for u in self.upper), cells=tuple(c[..., which] for c in self.cells),
        )  # fmt: skip


def join_responses(parts: list[Responses]) -> Responses:
    """Return the moments of several sets of responses as one."""

    def along(arrays: list[np.ndarray]) -> np.ndarray:
        return np.concatenate(arrays, axis=-1)

    return Responses(
        lowest=along([part.lowest for part in parts]), ends=along([part.ends for part in parts]),
        upper=tuple(along(list(a)) for a in zip(*(part.upper for part in parts), strict=True)),
        cells=tuple(along(list(a)) for a in zip(*(part.cells for part in parts), strict=True)),
    )  # fmt: skip


def share(design: Design, scaled: Standardised, shape: CovarianceShape, *, reml: bool) -> Shared:
    """Return what all responses of a fitted model share."""
    from scipy import sparse

    codes = [level.clusters.codes for level in design.levels]
    sizes = [level.clusters.size for level in design.levels]
    gathers = [_gather(z, code, size) for z, code, size in zip(scaled.Z, codes, sizes, strict=True)]
    n1, q, p = sizes[0], scaled.Z[0].shape[1], scaled.Q.shape[1]
    W = np.column_stack([*scaled.Z[1:], scaled.Q])
    ZZ = (gathers[0] @ scaled.Z[0]).reshape(q, n1, q).swapaxes(0, 1)
    ZW = (gathers[0] @ W).reshape(q, n1, -1).swapaxes(0, 1)
    first, pattern = patterns(np.ascontiguousarray(ZZ))
    indicator = sparse.csr_array((np.ones(n1), (pattern, np.arange(n1))), shape=(len(first), n1))
    pairs = np.tril_indices(q)
    ZX = ZW[:, :, -p:]
    upper, start = [], 0
    for k in range(1, len(sizes)):
        upper.append(
            _level(scaled.Z[k], W[:, start:], ZW[:, :, start:], gathers[k], sizes[k], pattern=pattern,
                   count=len(first), parents=design.parents[0][k - 1], above=tuple(design.parents[k]))
        )  # fmt: skip
        start += scaled.Z[k].shape[1]
    products = np.stack([_products(ZX, ZX, a, b) for a, b in zip(*pairs, strict=True)], axis=1)
    pooled = (indicator @ products.reshape(n1, -1)).reshape(len(first) * len(pairs[0]), p * p)
    return Shared(
        shape=shape, reml=reml, n=len(scaled.y), p=p, S=ZZ[first],
        count=np.bincount(pattern, minlength=len(first)).astype(float),
        lowest_x=np.ascontiguousarray(pooled.T), XX=scaled.Q.T @ scaled.Q, Q=scaled.Q, gather=gathers[0],
        lowest_y=_linear(ZX, pattern, len(first), pairs, by_column_last=True), pattern=indicator,
        upper=tuple(upper),
    )  # fmt: skip


def reduce_responses(shared: Shared, Y: np.ndarray) -> Responses:
    """Return the moments of the columns of Y, (n, r), which are free of X and scaled."""
    q, p, r = shared.S.shape[1], shared.p, Y.shape[1]
    ZY = shared.gather @ Y
    by_effect = ZY.reshape(q, -1, r)
    rows, cols = np.tril_indices(q)
    squares = [
        shared.pattern @ (by_effect[a] * by_effect[b] * (1.0 if a == b else 2.0))
        for a, b in zip(rows, cols, strict=True)
    ]
    Pt = len(shared.S) * len(rows)
    lowest = np.empty((Pt, p + 1, r))
    lowest[:, :p] = (shared.lowest_y @ ZY).reshape(Pt, p, r)
    lowest[:, p] = np.stack(squares, axis=1).reshape(Pt, r)
    return Responses(
        lowest=lowest, ends=np.vstack([shared.Q.T @ Y, np.einsum("ir,ir->r", Y, Y)[None]]),
        upper=tuple((level.gather @ Y).reshape(level.q, level.size, r) for level in shared.upper),
        cells=tuple(
            (level.lowest_y @ ZY).reshape(level.q, len(level.cell_pattern), len(rows), r)
            for level in shared.upper
        ),
    )  # fmt: skip


def _gather(Z: np.ndarray, codes: np.ndarray, size: int) -> sparse.csr_array:
    """Return the sums over clusters of Z's columns times something, (q size, n), effect by effect."""
    from scipy import sparse

    n, q = Z.shape
    rows = np.concatenate([a * size + codes for a in range(q)])
    return sparse.csr_array((Z.T.ravel(), (rows, np.tile(np.arange(n), q))), shape=(q * size, n))


def _products(left: np.ndarray, right: np.ndarray, a: int | np.integer, b: int | np.integer) -> np.ndarray:
    """Return left_a right_b' + left_b right_a' (once if a = b) of (n_1, q, .), (n_1, i, j)."""
    out: np.ndarray = left[:, a, :, None] * right[:, b, None, :]
    return out if a == b else out + left[:, b, :, None] * right[:, a, None, :]


def _linear(
    ZX: np.ndarray, group: np.ndarray, groups: int, pairs: tuple[np.ndarray, np.ndarray], *,
    by_column_last: bool,
) -> sparse.csr_array:  # fmt: skip
    """Return the map from Z_1'y, (q n_1,), to sums by group of its products with ZX, (n_1, q, w).

    Rows are (group, pair, column), or (column, group, pair).
    """
    from scipy import sparse

    n1, _, width = ZX.shape
    tri = len(pairs[0])
    rows, cols, data = [], [], []
    cluster, column = np.repeat(np.arange(n1), width), np.tile(np.arange(width), n1)
    for t, (a, b) in enumerate(zip(*pairs, strict=True)):
        place = group[cluster] * tri + t
        row = place * width + column if by_column_last else column * groups * tri + place
        for x, y in ((a, b),) if a == b else ((a, b), (b, a)):
            rows.append(row)
            cols.append(y * n1 + cluster)
            data.append(ZX[:, x, :].ravel())
    return sparse.csr_array(
        (np.concatenate(data), (np.concatenate(rows), np.concatenate(cols))),
        shape=(groups * tri * width, ZX.shape[1] * n1),
    )


def _level(
    Z: np.ndarray, W: np.ndarray, ZW: np.ndarray, gather: sparse.csr_array, size: int, *,
    pattern: np.ndarray, count: int, parents: np.ndarray, above: tuple[np.ndarray, ...],
) -> SharedLevel:  # fmt: skip
    """Return one upper level; W and ZW start with its own columns."""
    q, m = Z.shape[1], W.shape[1]
    pairs = np.tril_indices(ZW.shape[1])
    keys, cell = np.unique(parents * count + pattern, return_inverse=True)
    owner = keys // count
    return SharedLevel(
        size=size, q=q, X=(gather @ W).reshape(q, size, m).swapaxes(1, 2).copy(),
        lowest_x=tuple(_lowest_x(ZW, e, parents, size, pattern, count, pairs) for e in range(q)),
        gather=gather, cell_pattern=keys % count, cell_starts=np.searchsorted(owner, np.arange(size)),
        lowest_y=_linear(ZW[:, :, :q], cell.reshape(-1), len(keys), pairs, by_column_last=False),
        parents=above,
    )  # fmt: skip


def _lowest_x(
    ZW: np.ndarray, e: int, parents: np.ndarray, size: int, pattern: np.ndarray, count: int,
    pairs: tuple[np.ndarray, np.ndarray],
) -> Any:  # fmt: skip
    """Return the matrix (m J, P t) of one effect, sparse where most of it is zero."""
    from scipy import sparse

    m = ZW.shape[2]
    tri = len(pairs[0])
    row = (np.arange(m)[None, :] * size + parents[:, None]).ravel()
    data, rows, cols = [], [], []
    for t, (a, b) in enumerate(zip(*pairs, strict=True)):
        data.append(_products(ZW[:, :, e : e + 1], ZW, a, b)[:, 0].ravel())
        rows.append(row)
        cols.append(np.repeat(pattern * tri + t, m))
    found = sparse.csr_array(
        (np.concatenate(data), (np.concatenate(rows), np.concatenate(cols))), shape=(m * size, count * tri)
    )
    found.sum_duplicates()
    return found.toarray() if found.nnz > DENSE * m * size * count * tri else found
