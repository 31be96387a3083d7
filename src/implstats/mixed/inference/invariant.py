"""A small space that holds all that a large cluster says about the coefficients.

A cluster has n rows, predictors X (n, p) and covariance Theta = I + T relative to s2, with
T = sum_l Z_l (I x G_l) Z_l' over its levels, q_l effects each. Let E (n, d) be an orthonormal basis of a
space that contains X and is mapped into itself by T. Then Theta and Theta - X M X' are block diagonal in
(E, rest) and equal in the rest, so X'Theta^-1 A e is the same from E'X, E'Theta E and E'e, for CR2's A as for
A = I.

Such a space, made without iterating: U = [X, Z_l of the upper levels, one set of columns for each of their
clusters] and, for the lowest level's clusters c with the same S = Z_c'Z_c taken together, the columns of U
there and the columns with rows (u_c'z_a) z_ib, for u in U and effects a, b. T of the upper levels maps
everything into their Z; T of the lowest maps (v_c) z_b into the span of the (v_c) z_a, because S is the same
for all c. d grows with the number of distinct S, not with the number of lower clusters.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from implstats.mixed.gaussian.pool import patterns
from implstats.mixed.gaussian.reduce import sum_by

RANK = (
    1e-12  # share of the largest singular value, columns of length one, below which a direction is rounding
)


def apply_random(
    columns: np.ndarray, *, Z: Sequence[np.ndarray], codes: Sequence[np.ndarray], G: Sequence[np.ndarray]
) -> np.ndarray:
    """Return T times columns, (n, k), without forming T.

    Z are (n, q_l), codes (n,) from 0 on within this cluster, G (q_l, q_l); lowest level first.
    """
    out = np.zeros_like(columns)
    for z, code, g in zip(Z, codes, G, strict=True):
        size = int(code.max()) + 1
        sums = np.stack([sum_by(code, columns * z[:, [a]], size=size) for a in range(z.shape[1])])
        spread = np.tensordot(g, sums, axes=1)
        for a in range(z.shape[1]):
            out += z[:, [a]] * spread[a][code]
    return out


def invariant_basis(
    X: np.ndarray, *, Z: Sequence[np.ndarray], codes: Sequence[np.ndarray], most: int
) -> np.ndarray | None:
    """Return E, (n, d), orthonormal, holding X and closed under T whatever G is; None if d exceeds ``most``.

    >>> X = np.column_stack([np.ones(8), np.arange(8.0)])
    >>> invariant_basis(X, Z=[np.ones((8, 1))], codes=[np.zeros(8, dtype=int)], most=4).shape
    (8, 2)
    """
    *lower, top = zip(Z, codes, strict=True)
    upper = [top, *lower[1:]]
    if X.shape[1] + sum(z.shape[1] * (int(code.max()) + 1) for z, code in upper) > most:
        return None
    U = np.column_stack([X, *(_each_cluster(z, code) for z, code in upper)])
    if not lower:
        return _directions(U)
    z, code = lower[0]
    size = int(code.max()) + 1
    S = np.stack([sum_by(code, z * z[:, [a]], size=size) for a in range(z.shape[1])], axis=1)
    first, pattern = patterns(S)
    if len(first) > most:
        return None
    columns = np.column_stack([U, *_spread(U, z, code, size)])
    parts: list[np.ndarray] = []
    d = 0
    for k in range(len(first)):
        rows = np.flatnonzero(pattern[code] == k)
        directions = _directions(columns[rows])
        d += directions.shape[1]
        if d > most:
            return None
        part = np.zeros((len(X), directions.shape[1]))
        part[rows] = directions
        parts.append(part)
    return np.column_stack(parts)


def _each_cluster(z: np.ndarray, code: np.ndarray) -> np.ndarray:
    """Return z's columns once for each cluster, zero outside it, (n, clusters q)."""
    inside = code[:, None] == np.arange(int(code.max()) + 1)
    return (inside[:, :, None] * z[:, None, :]).reshape(len(z), -1)


def _spread(U: np.ndarray, z: np.ndarray, code: np.ndarray, size: int) -> list[np.ndarray]:
    """Return the columns (u_c'z_a) z_b for all u, a and b."""
    q = range(z.shape[1])
    sums = [sum_by(code, U * z[:, [a]], size=size)[code] for a in q]
    return [sums[a] * z[:, [b]] for a in q for b in q]


def _directions(columns: np.ndarray) -> np.ndarray:
    """Return an orthonormal basis of the columns' span."""
    length = np.linalg.norm(columns, axis=0)
    unit = columns[:, length > 0.0] / length[length > 0.0]
    left, s, _ = np.linalg.svd(unit, full_matrices=False)
    return left[:, s > RANK * s[:1]]
