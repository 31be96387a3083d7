"""Is this the optimum? Zero variances, correlations of one, and the search over starts.

Over positive semidefinite G, with D = df/dG (symmetric), a minimum needs

    D G = 0        and        v' D v >= 0 for every v with G v = 0.

A boundary estimate (a zero variance, a correlation of +-1) is a proper optimum if the one-sided slope v'Dv
into the interior is not negative: variance added there makes the fit worse. Newton's method on Lambda only
approaches such a point; here the small directions are set to exactly zero, the rest is refitted, and the
result is kept only if the criterion is not worse. Since another minimum might lie inside, the criterion is
also looked at with variance put on every such direction (``PROBES``): it must be higher there and rising. At
a saddle, a failed probe or any other doubt the search is repeated from other starts.
Reference: Self & Liang (1987), JASA 82, 605-610; Bates et al. (2015), section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from implstats.mixed.gaussian.covariance import semidefinite_factor
from implstats.mixed.gaussian.criterion import Evaluation, Problem
from implstats.mixed.gaussian.optimise import Search, minimise, start
from implstats.mixed.gaussian.scoring import scored

SMALL = 1e-5  # relative variance below which a direction is tried at exactly zero
ZERO = 1e-11  # share of a block's largest variance below which a direction is zero (after it was set to zero)
NOT_WORSE = 2e-9  # deviance units by which the boundary may lose to its neighbourhood: rounding
CAN_FALL = 1e-7  # promised decrease, in deviance units, that disproves an optimum
START = 0.7  # relative standard deviation
OTHER_STARTS = (0.1, 3.0)
PROBES = (0.01, 0.25)  # relative variances


@dataclass(frozen=True, slots=True, kw_only=True)
class NullSpace:
    """Directions (q, k) without variance of one block, its level, its number and its effects."""

    level: int
    number: int
    block: np.ndarray
    null: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimum:
    """The best point found and what was verified of it.

    Attributes
    ----------
    search : Search
    starts : int
        Searches made from different starts.
    boundary : tuple of tuple of int
        (level, block) pairs whose covariance matrix is not of full rank.
    one_sided : float
        Smallest slope of the criterion into the interior, over the boundary directions; infinite without any.
    can_fall : float
        Decrease that the one-sided slope promises, deviance units; zero at a true optimum.
    """

    search: Search
    starts: int
    boundary: tuple[tuple[int, int], ...]
    one_sided: float
    can_fall: float

    @property
    def verified(self) -> bool:
        """Gradient zero, curvature not negative, and no slope downhill off the boundary."""
        return self.search.flat and self.can_fall < CAN_FALL


def find_optimum(problem: Problem, *, also: Sequence[np.ndarray] = ()) -> Optimum | None:
    """Return the best verified point from one start, or from several when there is doubt.

    ``also`` are further starts, always searched: for criteria that may have several optima.
    """
    best = _first_search(problem)
    if best is not None:
        best = _settle(problem, best)
    tried = 1
    nulls = [] if best is None else _null_spaces(problem, best.at)
    doubt = best is None or best.saddle or not best.flat or not _rises(problem, best.at, nulls)
    others = [start(problem.shape, size) for size in OTHER_STARTS] if doubt else []
    for theta in (*others, *also):
        other = minimise(problem, theta)
        tried += 1
        if other is not None and (best is None or other.at.value < best.at.value - NOT_WORSE):
            best = _settle(problem, other)
            nulls = _null_spaces(problem, best.at)
    if best is None:
        return None
    one_sided, can_fall = _one_sided(problem, best.at, nulls)
    return Optimum(
        search=best,
        starts=tried,
        boundary=tuple((space.level, space.number) for space in nulls),
        one_sided=one_sided,
        can_fall=can_fall,
    )


def _first_search(problem: Problem) -> Search | None:
    """Return the search from where one step of Fisher scoring leads, or from the plain start."""
    plain = start(problem.shape, START)
    at = problem(plain)
    theta = None if at is None else scored(at, problem)
    found = minimise(problem, plain if theta is None else theta)
    return None if found is None else replace(found, evaluations=found.evaluations + 1)


def _rises(problem: Problem, at: Evaluation, nulls: Sequence[NullSpace]) -> bool:
    """Return whether the criterion is higher, and rising, with variance on all directions without any."""
    if not nulls:
        return True
    for size in PROBES:
        matrices = [G.copy() for G in at.G]
        for space in nulls:
            own = np.ix_(space.block, space.block)
            matrices[space.level][own] += size * space.null @ space.null.T
        inside = problem(_theta(problem, at, matrices))
        if inside is None or inside.value <= at.value or _one_sided(problem, inside, nulls)[0] <= 0.0:
            return False
    return True


def _blocks(problem: Problem, at: Evaluation) -> list[tuple[int, int, np.ndarray, np.ndarray]]:
    """Return level, block number, its effects and its relative covariance matrix, for all blocks."""
    return [
        (
            level,
            number,
            indices,
            at.G[level] if len(indices) == shape.q else at.G[level][np.ix_(indices, indices)],
        )
        for level, shape in enumerate(problem.shape.levels)
        for number, indices in enumerate(shape.block_indices)
    ]


def _settle(problem: Problem, search: Search) -> Search:
    """Set small directions to exactly zero where that is not worse."""
    matrices = list(search.at.G)
    any_small = False
    for level, _, block, G in _blocks(problem, search.at):
        w, U = _eigen(G)
        small = w < SMALL * max(1.0, w[-1])
        if np.any(w[small] != 0.0) and (small.all() or not np.array_equal(small, w <= _zero(w))):
            any_small = True
            matrices[level] = matrices[level].copy()
            matrices[level][np.ix_(block, block)] = (U * np.where(small, 0.0, w)) @ U.T
    if not any_small:
        return search
    settled = minimise(problem, _theta(problem, search.at, matrices))
    if settled is None or settled.at.value > search.at.value + NOT_WORSE + 1e-13 * abs(search.at.value):
        return search
    return replace(
        settled, iterations=search.iterations + settled.iterations,
        evaluations=search.evaluations + settled.evaluations, saddle=search.saddle,
    )  # fmt: skip


def _theta(problem: Problem, at: Evaluation, matrices: Sequence[np.ndarray]) -> np.ndarray:
    """Return theta of positive semidefinite matrices; parameters of another kind stay where they are."""
    theta = at.theta.copy()
    for level, where, G in zip(problem.shape.levels, problem.shape.slices, matrices, strict=True):
        factor = np.zeros_like(G)
        for own in level.blocks:
            factor[np.ix_(own, own)] = semidefinite_factor(G[np.ix_(own, own)])
        theta[where] = factor[level.entries]
    return theta


def _eigen(G: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return (G[0], np.ones((1, 1))) if len(G) == 1 else np.linalg.eigh(G)


def _zero(w: np.ndarray) -> float:
    """Return the size up to which an eigenvalue is zero."""
    return max(ZERO * float(w[-1]), 1e-16)


def _null_spaces(problem: Problem, at: Evaluation) -> list[NullSpace]:
    """Return the null space of every covariance block without full rank."""
    out = []
    for level, number, block, G in _blocks(problem, at):
        w, U = _eigen(G)
        if w[0] <= _zero(w):
            out.append(NullSpace(level=level, number=number, block=block, null=U[:, w <= _zero(w)]))
    return out


def _one_sided(problem: Problem, at: Evaluation, nulls: Sequence[NullSpace]) -> tuple[float, float]:
    """Return the smallest slope along the null directions and the decrease it promises."""
    slope, promise = np.inf, 0.0
    for space in nulls:
        D = _matrix(problem, at.slope, space.level)[np.ix_(space.block, space.block)]
        w, U = np.linalg.eigh(space.null.T @ D @ space.null)
        slope = min(slope, float(w[0]))
        if w[0] < 0.0:
            v = np.zeros(problem.shape.levels[space.level].q)
            v[space.block] = space.null @ U[:, 0]
            direction = np.zeros(problem.shape.size)
            rows, cols = problem.shape.levels[space.level].entries
            direction[problem.shape.slices[space.level]] = v[rows] * v[cols]
            bend = abs(float(direction @ at.bend @ direction))
            promise = max(promise, float(w[0] ** 2 / max(2.0 * bend, 1e-300)))
    return slope, promise


def _matrix(problem: Problem, slope: np.ndarray, level: int) -> np.ndarray:
    """Return D of a level: off the diagonal half the derivative in the free entry, which moves two
    elements."""
    shape = problem.shape.levels[level]
    rows, cols = shape.entries
    D = np.zeros((shape.q, shape.q))
    half = slope[problem.shape.slices[level]] * np.where(rows == cols, 1.0, 0.5)
    D[rows, cols] = half
    D[cols, rows] = half
    return D
