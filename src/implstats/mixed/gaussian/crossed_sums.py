"""Rows to sums for levels that are not nested in each other.

With Z_l the random-effect columns of level l, one block of columns a cluster, W = [Z_2 .. Z_L, X, y] and m
its number of columns:

    ZZ_c = Z_1,c'Z_1,c   (q_1, q_1) of each cluster c of the first level, the one with most clusters
    E = Z_1'W            (n_1 q_1, m), sparse where most of it is zero
    M = W'W              (m, m), dense

All three are sums over rows, so reductions of different rows made with the same cluster numbers may be added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from implstats.errors import NotSupportedError
from implstats.mixed.gaussian.covariance import CovarianceShape

if TYPE_CHECKING:
    from scipy import sparse

SMALL = 50_000  # numbers of E up to which a dense matrix is quicker than a sparse one
FULL = 0.2  # share of E that is not zero beyond which it is, too
MOST_BYTES = 2_000_000_000  # of the dense matrices that one evaluation of the criterion holds


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossedSums:
    """Everything that the criterion needs of the data; see the module for the symbols.

    Attributes
    ----------
    ZZ : ndarray, (n_1, q_1, q_1)
    E : ndarray or sparse array, (n_1 q_1, m)
    M : ndarray, (m, m)
    sizes, effects : tuple of int
        n_l and q_l of each level, first level first.
    n : int
        Rows.
    """

    ZZ: np.ndarray
    E: np.ndarray | sparse.csr_array
    M: np.ndarray
    sizes: tuple[int, ...]
    effects: tuple[int, ...]
    n: int

    @property
    def p(self) -> int:
        """Number of fixed effects."""
        return len(self.M) - self.ends[-1] - 1

    @property
    def ends(self) -> list[int]:
        """Where each level but the first ends among W's columns, from 0 on."""
        widths = [n * q for n, q in zip(self.sizes[1:], self.effects[1:], strict=True)]
        return [0, *(int(end) for end in np.cumsum(widths))]

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):
            raise AttributeError(name)
        raise NotSupportedError(
            "This is computed for nested levels only, and this model has crossed ones. Coefficients, tests, "
            "variances and conditional modes are there; for the rest enter one of the crossed factors as "
            "fixed categories, factor(...)."
        )

    def __add__(self, other: CrossedSums) -> CrossedSums:
        """Return the sums over both sets of rows; cluster numbers must mean the same in both."""
        return replace(
            self,
            ZZ=self.ZZ + other.ZZ,
            E=_combined(self.E, other.E, 1.0),
            M=self.M + other.M,
            n=self.n + other.n,
        )

    def __sub__(self, other: CrossedSums) -> CrossedSums:
        """Return the sums without some of the rows."""
        return replace(
            self,
            ZZ=self.ZZ - other.ZZ,
            E=_combined(self.E, other.E, -1.0),
            M=self.M - other.M,
            n=self.n - other.n,
        )


def reduce_crossed(
    Z: Sequence[np.ndarray], X: np.ndarray, y: np.ndarray, *, codes: Sequence[np.ndarray],
    sizes: Sequence[int],
) -> CrossedSums:  # fmt: skip
    """Return the sums.

    Parameters
    ----------
    Z : sequence of ndarray, (n, q_l)
        Random-effect columns of each level; the first level is the one that is eliminated cluster by cluster.
    X : ndarray, (n, p)
    y : ndarray, (n,)
    codes : sequence of ndarray, (n,) integers
        Cluster number of each row at each level, 0 to ``sizes[l] - 1``.
    sizes : sequence of int
        Number of clusters of each level.
    """
    from scipy import sparse  # needed for crossed levels only: a tenth of a second at start

    spread = [_spread(z, code, size) for z, code, size in zip(Z, codes, sizes, strict=True)]
    W = sparse.hstack([*spread[1:], sparse.csr_array(np.column_stack([X, y]))], format="csr")
    E = (spread[0].T @ W).tocsr()
    q = Z[0].shape[1]
    products = [np.bincount(codes[0], Z[0][:, a] * Z[0][:, b], minlength=sizes[0])
                for a in range(q) for b in range(q)]  # fmt: skip
    return CrossedSums(
        ZZ=np.stack(products, axis=1).reshape(sizes[0], q, q),
        E=E.toarray() if _dense(E) else E,
        M=(W.T @ W).toarray(), sizes=tuple(sizes), effects=tuple(z.shape[1] for z in Z), n=len(y),
    )  # fmt: skip


def _combined(
    E: np.ndarray | sparse.csr_array, other: np.ndarray | sparse.csr_array, sign: float
) -> np.ndarray | sparse.csr_array:
    """Return E + sign * other in E's own storage."""
    if isinstance(E, np.ndarray):
        return E + sign * (other if isinstance(other, np.ndarray) else other.toarray())
    from scipy import sparse

    return E + sign * sparse.csr_array(other)


def _dense(E: sparse.csr_array) -> bool:
    size = E.shape[0] * E.shape[1]
    return bool(size <= SMALL or E.nnz > FULL * size)


def _spread(z: np.ndarray, codes: np.ndarray, size: int) -> sparse.csr_array:
    """Return the columns of one level, one block a cluster, (n, size * q)."""
    from scipy import sparse

    n, q = z.shape
    columns = codes[:, None] * q + np.arange(q)
    return sparse.csr_array((z.ravel(), columns.ravel(), np.arange(0, n * q + 1, q)), shape=(n, size * q))


def refuse_too_large(shape: CovarianceShape, *, names: Sequence[str], sizes: Sequence[int], p: int) -> None:
    """Refuse crossed levels whose dense matrices would not fit into memory.

    Raises
    ------
    NotSupportedError
        With the number of random effects and what to do.
    """
    effects = [level.q for level in shape.levels]
    m = sum(n * q for n, q in zip(sizes[1:], effects[1:], strict=True)) + p + 1
    own = len(shape.levels[0].entries[0])
    held = 8 + 2 * own + own * (own + 1) // 2
    if 8 * held * m * m > MOST_BYTES:
        listed = ", ".join(f"{name} {size}" for name, size in zip(names[1:], sizes[1:], strict=True))
        most = int(np.sqrt(MOST_BYTES / (8 * held)))
        raise NotSupportedError(
            f"Crossed levels are solved with one dense matrix for all clusters but those of '{names[0]}', "
            f"and {m} random effects ({listed}) are too many for it; about {most} fit. Leave out a slope or "
            "one of these levels, or enter the level with fewest clusters as fixed categories, "
            f"factor({names[-1]}), which leaves nested levels if the others are nested."
        )
