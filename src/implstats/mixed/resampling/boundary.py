"""Are these the optima? Zero variances and correlations of one for many responses at once.

The rules are those of `gaussian.boundary`: small directions are set to exactly zero and kept there if the
criterion is not worse; a point counts as verified if its gradient is zero, no curvature is negative and the
one-sided slope into the interior is not downhill; where there is doubt, searches from other starts are made.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from implstats.mixed.gaussian.boundary import CAN_FALL, NOT_WORSE, OTHER_STARTS, SMALL, ZERO
from implstats.mixed.gaussian.covariance import CovarianceShape, semidefinite_factor
from implstats.mixed.gaussian.optimise import start
from implstats.mixed.resampling.criterion import matrices
from implstats.mixed.resampling.moments import Responses, Shared
from implstats.mixed.resampling.optimise import Searches, minimise_many


@dataclass(frozen=True, slots=True, kw_only=True)
class Optima:
    """Best points found: ``verified`` and ``boundary`` are (r,) bool."""

    searches: Searches
    verified: np.ndarray
    boundary: np.ndarray


def find_optima(shared: Shared, responses: Responses, theta: np.ndarray) -> Optima:
    """Return the best point of each response, from ``theta``, (R,), and from other starts where in doubt."""
    count = responses.ends.shape[-1]
    best = _search(shared, responses, theta, count)
    doubt = np.flatnonzero(best.saddle | ~best.flat | _deficient(shared, best))
    if len(doubt):
        held = responses.take(doubt)
        for size in OTHER_STARTS:
            other = _search(shared, held, start(shared.shape, size), len(doubt))
            better = np.flatnonzero(other.at.value < best.at.value[doubt] - NOT_WORSE)
            best.put(doubt[better], other.take(better))
    return Optima(
        searches=best,
        boundary=_deficient(shared, best),
        verified=best.flat & (_can_fall(shared, best) < CAN_FALL),
    )


def _search(shared: Shared, responses: Responses, theta: np.ndarray, count: int) -> Searches:
    """Return minima from one start, small directions set to zero where that is not worse."""
    found = minimise_many(shared, responses, np.repeat(theta[:, None], count, axis=1))
    which, factors = _flattened(shared, found)
    if len(which) == 0:
        return found
    settled = minimise_many(shared, responses.take(which), factors)
    before = found.at.value[which]
    kept = np.flatnonzero(settled.at.value <= before + NOT_WORSE + 1e-13 * np.abs(before))
    saddle = found.saddle[which[kept]]
    found.put(which[kept], settled.take(kept))
    found.saddle[which[kept]] = saddle
    return found


def _blocks(shape: CovarianceShape, G: list[np.ndarray]) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """Return level, effects and covariance matrices (r, k, k) of all blocks."""
    return [
        (level, np.array(block), G[level][np.ix_(block, block)].transpose(2, 0, 1))
        for level, own in enumerate(shape.levels)
        for block in own.blocks
    ]


def _flattened(shared: Shared, found: Searches) -> tuple[np.ndarray, np.ndarray]:
    """Return the responses with small directions, and theta with these at zero, (R, responses)."""
    G = matrices(shared, found.at.theta)
    blocks = _blocks(shared.shape, G)
    small = np.zeros(len(found.saddle), dtype=bool)
    roots = []
    for level, block, own in blocks:
        w, U = np.linalg.eigh(own)
        low = w < SMALL * np.maximum(1.0, w[:, -1:])
        small |= low[:, 0]
        roots.append((level, block, np.where(low, 0.0, w), U, low[:, 0]))
    which = np.flatnonzero(small & np.isfinite(found.at.value))
    theta = np.empty((shared.shape.size, len(which)))
    for column, i in enumerate(which):
        factors = [np.zeros((own.q, own.q)) for own in shared.shape.levels]
        for level, block, w, U, changed in roots:
            matrix = (U[i] * w[i]) @ U[i].T if changed[i] else G[level][np.ix_(block, block)][..., i]
            factors[level][np.ix_(block, block)] = semidefinite_factor(matrix)
        theta[:, column] = shared.shape.pack(factors)
    return which, theta


def _zeros(w: np.ndarray) -> np.ndarray:
    """Return which eigenvalues, (r, k) ascending, are zero."""
    return w <= np.maximum(ZERO * w[:, -1:], 1e-16)


def _deficient(shared: Shared, found: Searches) -> np.ndarray:
    """Return whether a covariance matrix lacks full rank, (r,)."""
    out = np.zeros(len(found.saddle), dtype=bool)
    for _, _, own in _blocks(shared.shape, matrices(shared, found.at.theta)):
        out |= _zeros(np.linalg.eigvalsh(own)).any(axis=1)
    return out


def _can_fall(shared: Shared, found: Searches) -> np.ndarray:
    """Return the decrease that the one-sided slopes into the interior promise, (r,)."""
    promise = np.zeros(len(found.saddle))
    for level, block, own in _blocks(shared.shape, matrices(shared, found.at.theta)):
        w, U = np.linalg.eigh(own)
        for zeros in range(1, len(block) + 1):
            which = np.flatnonzero((_zeros(w).sum(axis=1) == zeros) & np.isfinite(found.at.value))
            if len(which):
                null = U[which, :, :zeros]
                found_here = _promise(shared, found, which, null, level, block)
                promise[which] = np.maximum(promise[which], found_here)
    return promise


def _promise(
    shared: Shared, found: Searches, which: np.ndarray, null: np.ndarray, level: int, block: np.ndarray
) -> np.ndarray:
    """Return the promised decrease of responses whose block has the null space ``null``, (r, k, zeros)."""
    shape = shared.shape.levels[level]
    rows, cols = shape.entries
    where = shared.shape.slices[level]
    D = np.zeros((len(which), shape.q, shape.q))
    half = found.at.slope[where][:, which] * np.where(rows == cols, 1.0, 0.5)[:, None]
    D[:, rows, cols] = half.T
    D[:, cols, rows] = half.T
    inner = D[np.ix_(np.arange(len(which)), block, block)]
    w, V = np.linalg.eigh(null.swapaxes(1, 2) @ inner @ null)
    v = np.zeros((len(which), shape.q))
    v[:, block] = (null @ V[:, :, :1])[:, :, 0]
    direction = np.zeros((len(which), shared.shape.size))
    direction[:, where] = v[:, rows] * v[:, cols]
    bend = np.abs(np.einsum("ri,ijr,rj->r", direction, found.at.bend[:, :, which], direction))
    return np.where(w[:, 0] < 0.0, w[:, 0] ** 2 / np.maximum(2.0 * bend, 1e-300), 0.0)
