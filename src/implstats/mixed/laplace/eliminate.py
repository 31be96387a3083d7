"""The Hessian of nested random effects, factorised, solved and inverted along paths.

    H = I + Lambda'Z'W Z Lambda

couples a cluster only with the clusters it lies in. With the effects of the lowest level eliminated first,
one after the other for all clusters at once, what is left couples the next level's clusters only, and so on
(LDL' without fill-in): O(n) work and memory, and no matrix larger than a path. References: Bates, Maechler,
Bolker & Walker (2015), J. Stat. Softw. 67(1), section 3; Golub & Van Loan (2013), Matrix Computations, 4th
ed., section 4.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from implstats.mixed.laplace.nested import Nested, mix


@dataclass(frozen=True, slots=True)
class Factor:
    """LDL' of H.

    Attributes
    ----------
    d : list of ndarray, (q_l, n_l)
        Pivots of each level.
    L : list of list of ndarray
        For each level and effect j, the multipliers of the path's effects after j, (rest, n_l).
    """

    d: list[np.ndarray]
    L: list[list[np.ndarray]]

    def for_copies(self) -> Factor:
        """Return the same factor, to be used with copies between effects and clusters."""
        return Factor([d[:, None] for d in self.d], [[L[:, None] for L in level] for level in self.L])

    def log_determinants(self, nested: Nested) -> np.ndarray:
        """Return the sum of log pivots below and at each top cluster, (n_L,)."""
        total = np.zeros(0)
        for level, d in enumerate(self.d):
            own = np.log(d).sum(axis=0)
            total = own if level == 0 else own + np.add.reduceat(total, nested.child_starts[level - 1])
        return total


def factorise(S: np.ndarray, outer: np.ndarray, nested: Nested) -> Factor:
    """Return the factor of H from the clusters' sums S (pairs, n_1) of w U_a U_b and `outer_map`'s matrix."""
    Q = nested.Q
    M = mix(outer, S)
    M = M.reshape(Q, Q, *M.shape[1:])
    pivots, multipliers = [], []
    for level, columns in enumerate(nested.columns):
        q = columns.stop - columns.start
        if level:
            M = np.add.reduceat(M, nested.child_starts[level - 1], axis=-1)
        for k in range(q):
            M[k, k] += 1.0
        d, L = [], []
        for _ in range(q):
            pivot = M[0, 0]
            own = M[1:, 0] / pivot
            if len(own):
                M = M[1:, 1:] - own[:, None] * M[0, 1:][None]
            d.append(pivot)
            L.append(own)
        pivots.append(np.array(d))
        multipliers.append(L)
    return Factor(pivots, multipliers)


def outer_map(F: np.ndarray, nested: Nested) -> np.ndarray:
    """Return the matrix, (Q Q, pairs), that takes a cluster's sums of w U_a U_b to F'SF."""
    a, b = nested.pairs
    one = F[a][:, :, None] * F[b][:, None]
    if len(a) > 1:
        off = a != b
        one[off] += one[off].swapaxes(1, 2)
    return one.reshape(len(a), nested.Q**2, *F.shape[2:]).swapaxes(0, 1)


def solve(
    factor: Factor, right: np.ndarray, own: Sequence[np.ndarray] | None, nested: Nested
) -> list[np.ndarray]:
    """Return x with H x = r, by level.

    Parameters
    ----------
    right : ndarray, (Q, n_1)
        Part of r along the paths of the lowest clusters; upper entries are added up over clusters.
    own : sequence of ndarray, (q_l, n_l), or None
        Part of r that belongs to a level's clusters themselves.
    """
    held = []
    r = right
    for level, columns in enumerate(nested.columns):
        q = columns.stop - columns.start
        r = np.add.reduceat(r, nested.child_starts[level - 1], axis=-1) if level else r.copy()
        if own is not None:
            r[:q] += own[level]
        for j in range(q):
            if len(factor.L[level][j]):
                r[j + 1 :] -= factor.L[level][j] * r[j]
        held.append(r[:q] / factor.d[level])
        r = r[q:]
    below: np.ndarray | None = None
    out: list[np.ndarray] = []
    for level in reversed(range(len(held))):
        x = held[level]
        known = None if below is None else below[..., nested.parent[level]]
        for j in reversed(range(len(x))):
            L = factor.L[level][j]
            inside = len(x) - 1 - j
            if inside:
                x[j] -= np.sum(L[:inside] * x[j + 1 :], axis=0)
            if known is not None:
                x[j] -= np.sum(L[inside:] * known, axis=0)
        below = x if known is None else np.concatenate([x, known])
        out.append(x)
    return out[::-1]


def path_inverse(factor: Factor, nested: Nested) -> np.ndarray:
    """Return the block of H^-1 of each lowest cluster's path, (Q, Q, n_1)."""
    inverse: np.ndarray | None = None
    for level in reversed(range(len(factor.d))):
        if inverse is not None:
            inverse = inverse[..., nested.parent[level]]
        for j in reversed(range(len(factor.d[level]))):
            inverse = _grow(inverse, factor.L[level][j], 1.0 / factor.d[level][j])
    if inverse is None:
        raise ValueError("a model without random effects has no inverse")
    return inverse


def _grow(rest: np.ndarray | None, L: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Return the inverse with one effect more, put first, given its multipliers and 1 / pivot."""
    if rest is None:
        return variance[None, None]
    size = len(rest) + 1
    out = np.empty((size, size, *rest.shape[2:]))
    cross = -np.sum(L[None] * rest, axis=1)
    out[1:, 1:] = rest
    out[0, 1:] = cross
    out[1:, 0] = cross
    out[0, 0] = variance - np.sum(L * cross, axis=0)
    return out
