"""Covariance matrices of the random effects and how the optimiser moves in them.

    G_l = Lambda_l Lambda_l'       relative covariance of level l, (q_l, q_l): in residual variances
    theta                          the free entries of all Lambda_l (lower triangles), (R,)
    g                              the free entries of all G_l (lower triangles), (R,)

Terms of one level that are uncorrelated (``||`` or several bars) make Lambda_l block diagonal; then theta and
g have an entry for each entry of each block. The criterion is even in each column of Lambda, so theta needs
no bounds: a zero variance is an ordinary stationary point.

References: Bates, Maechler, Bolker & Walker (2015), J. Stat. Softw. 67(1), sections 2.1 to 3.4;
Pinheiro & Bates (1996), Stat. Comput. 6, 289-296.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np


@dataclass(frozen=True, kw_only=True)
class LevelShape:
    """Free entries of one level's covariance matrix.

    Attributes
    ----------
    q : int
        Number of random effects of a cluster of this level.
    blocks : tuple of tuple of int
        Effects that may correlate; every effect is in exactly one block.
    """

    q: int
    blocks: tuple[tuple[int, ...], ...]

    @cached_property
    def entries(self) -> tuple[np.ndarray, np.ndarray]:
        """Row and column of each free entry, column by column within a block; two (R_l,) integer arrays."""
        pairs = [(r, c) for block in self.blocks for i, c in enumerate(block) for r in block[i:]]
        return np.array([r for r, _ in pairs], dtype=int), np.array([c for _, c in pairs], dtype=int)

    @cached_property
    def block_indices(self) -> tuple[np.ndarray, ...]:
        """``blocks`` as integer arrays."""
        return tuple(np.array(block) for block in self.blocks)

    @cached_property
    def basis(self) -> np.ndarray:
        """Derivative of G_l in each free entry of G_l, (R_l, q, q)."""
        rows, cols = self.entries
        out = np.zeros((len(rows), self.q, self.q))
        out[np.arange(len(rows)), rows, cols] = 1.0
        out[np.arange(len(rows)), cols, rows] = 1.0
        return out

    @cached_property
    def triangle(self) -> tuple[np.ndarray, np.ndarray]:
        """Row and column of each element of a whole lower triangle, (q (q + 1) / 2,)."""
        return np.tril_indices(self.q)

    @cached_property
    def place(self) -> np.ndarray:
        """Where each free entry stands in the whole lower triangle, (R_l,)."""
        rows, cols = self.entries
        return np.asarray(rows * (rows + 1) // 2 + cols)

    @cached_property
    def unit(self) -> np.ndarray:
        """Identity matrix, (q, q)."""
        return np.eye(self.q)

    @cached_property
    def diagonal(self) -> np.ndarray:
        """Which elements of the whole lower triangle are on the diagonal."""
        return np.flatnonzero(self.weight == 1.0)

    @cached_property
    def weight(self) -> np.ndarray:
        """How often each element of the whole lower triangle stands in the square, 1 or 2."""
        rows, cols = self.triangle
        return np.where(rows == cols, 1.0, 2.0)

    @cached_property
    def products(self) -> tuple[np.ndarray, ...]:
        """Places in a flat (q, q) of the four factors of each element of W, (tri * tri,) each."""
        rows, cols = self.triangle
        down, right = ((rows[:, None], cols[:, None]), (rows, cols))
        return tuple((down[i] * self.q + right[j]).reshape(-1) for i, j in ((0, 0), (1, 1), (0, 1), (1, 0)))

    @cached_property
    def core(self) -> np.ndarray:
        """The map from a symmetric H to -(G_r H G_s + G_s H G_r), lower triangles: (tri, T_l, tri)."""
        rows, cols = self.triangle
        s, r = np.tril_indices(len(self.basis))
        out = np.empty((len(rows), len(r), len(rows)))
        for k, (a, b) in enumerate(zip(rows, cols, strict=True)):
            H = np.zeros((self.q, self.q))
            H[a, b] = H[b, a] = 1.0
            half = self.basis[r] @ H @ self.basis[s]
            out[k] = -(half + half.swapaxes(1, 2))[:, rows, cols]
        return out

    @cached_property
    def core_by_pairs(self) -> np.ndarray:
        """``core`` with pairs first, (T_l, tri * tri)."""
        return np.ascontiguousarray(self.core.swapaxes(0, 1)).reshape(self.core.shape[1], -1)


@dataclass(frozen=True, kw_only=True)
class CovarianceShape:
    """Free entries of all levels, lowest level first.

    >>> shape = CovarianceShape(levels=(LevelShape(q=2, blocks=((0, 1),)), LevelShape(q=1, blocks=((0,),))))
    >>> shape.size
    4
    """

    levels: tuple[LevelShape, ...]

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """Where each level's entries lie in theta and g."""
        ends = np.cumsum([0, *(len(level.entries[0]) for level in self.levels)])
        return tuple(slice(int(a), int(b)) for a, b in pairwise(ends))

    @cached_property
    def size(self) -> int:
        """R, the number of free entries."""
        return self.slices[-1].stop

    @cached_property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Index pairs r <= s, ordered by s, so that the pairs of the lowest parameters come first."""
        s, r = np.tril_indices(self.size)
        return r, s

    @cached_property
    def _pair_of(self) -> np.ndarray:
        place = np.empty((self.size, self.size), dtype=int)
        r, s = self.pairs
        place[r, s] = place[s, r] = np.arange(len(r))
        return place

    def square(self, by_pairs: np.ndarray) -> np.ndarray:
        """Return second derivatives by pairs, (T, ...), as a symmetric array, (R, R, ...)."""
        return np.asarray(by_pairs[self._pair_of])

    @cached_property
    def curvature(self) -> np.ndarray:
        """Second derivative of g in theta, a constant, (R, R, R): entry of g, theta, theta."""
        out = np.zeros((self.size,) * 3)
        for level, where in zip(self.levels, self.slices, strict=True):
            rows, cols = level.entries
            a, b = rows[:, None, None], cols[:, None, None]
            r, s = rows[None, :, None], rows[None, None, :]
            same = (cols[:, None] == cols[None, :])[None]
            out[where, where, where] = same * (((a == r) & (b == s)) * 1.0 + ((a == s) & (b == r)))
        return out

    @cached_property
    def bending(self) -> np.ndarray:
        """``curvature`` with the two axes of theta joined, (R, R * R)."""
        return self.curvature.reshape(self.size, -1)

    def pairs_of(self, active: int) -> tuple[np.ndarray, np.ndarray]:
        """Return ``pairs`` of the first ``active`` parameters."""
        count = active * (active + 1) // 2
        return self.pairs[0][:count], self.pairs[1][:count]

    def jets(self, active: int) -> np.ndarray:
        """Return where the derivatives in the first parameters stand among those in all."""
        return _jets(active, self.size)

    @cached_property
    def _bases(self) -> dict[int, np.ndarray]:
        out = {}
        for number, (level, where) in enumerate(zip(self.levels, self.slices, strict=True)):
            out[number] = np.zeros((where.stop, level.q, level.q))
            out[number][where] = level.basis
        return out

    def basis(self, number: int) -> np.ndarray:
        """Return the derivative of a level's G in all parameters up to its own, (active, q_l, q_l)."""
        return self._bases[number]

    @cached_property
    def _elements(self) -> tuple[np.ndarray, ...]:
        """For each level the place in (g, 0) of each element of its G, (q_l, q_l)."""
        out = []
        for level, where in zip(self.levels, self.slices, strict=True):
            place = np.full((level.q, level.q), self.size)
            rows, cols = level.entries
            place[rows, cols] = place[cols, rows] = np.arange(where.start, where.stop)
            out.append(place)
        return tuple(out)

    def matrices(self, g: np.ndarray) -> list[np.ndarray]:
        """Return G_l of each level, (q_l, q_l)."""
        if all(level.q == 1 for level in self.levels):
            return [g[where, None] for where in self.slices]
        padded = np.append(g, 0.0)
        return [padded[place] for place in self._elements]

    def factors(self, theta: np.ndarray) -> list[np.ndarray]:
        """Return Lambda_l of each level, (q_l, q_l)."""
        out = []
        for level, where in zip(self.levels, self.slices, strict=True):
            factor = np.zeros((level.q, level.q))
            factor[level.entries] = theta[where]
            out.append(factor)
        return out

    def jacobian(self, theta: np.ndarray) -> np.ndarray:
        """Return the derivative of g in theta, (R, R): entry of g by entry of theta."""
        return self.curvature @ theta

    def pack(self, matrices: Sequence[np.ndarray]) -> np.ndarray:
        """Return the free entries of each level's matrix, (R,)."""
        return np.concatenate(
            [matrix[level.entries] for level, matrix in zip(self.levels, matrices, strict=True)]
        )


@lru_cache(maxsize=256)
def _jets(active: int, size: int) -> np.ndarray:
    return np.concatenate([np.arange(active + 1), 1 + size + np.arange(active * (active + 1) // 2)])


def semidefinite_factor(G: np.ndarray) -> np.ndarray:
    """Return the lower triangular Lambda with Lambda Lambda' = G for a positive semidefinite G, (q, q).

    A pivot that is zero to rounding leaves its column zero, so that rank is kept.
    """
    q = len(G)
    rest, factor = G.copy(), np.zeros((q, q))
    floor = 1e-14 * max(float(np.trace(G)), np.finfo(float).tiny)
    for c in range(q):
        if rest[c, c] > floor:
            factor[c:, c] = rest[c:, c] / np.sqrt(rest[c, c])
            rest -= np.outer(factor[:, c], factor[:, c])
    return factor
