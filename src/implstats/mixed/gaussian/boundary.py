"""Is this the optimum? Zero variances, correlations of one, and the search over starts.

Over positive semidefinite G, with D = df/dG (symmetric), a minimum needs

    D G = 0        and        v' D v >= 0 for every v with G v = 0.

A boundary estimate (a zero variance, a correlation of +-1) is a proper optimum if the one-sided slope v'Dv
into the interior is not negative: variance added there makes the fit worse. Newton's method on Lambda only
approaches such a point; here the small directions are set to exactly zero, the rest is refitted, and the
result is kept only if the criterion is not worse.
Reference: Self & Liang (1987), JASA 82, 605-610; Bates et al. (2015), section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from implstats.mixed.gaussian.covariance import semidefinite_factor
from implstats.mixed.gaussian.criterion import Evaluation, Problem
from implstats.mixed.gaussian.optimise import Search, minimise, start

SMALL = 1e-5  # relative variance below which a direction is tried at exactly zero
ZERO = 1e-11  # share of a block's largest variance below which a direction is zero (after it was set to zero)
NOT_WORSE = 2e-9  # deviance units by which the boundary may lose to its neighbourhood: rounding
CAN_FALL = 1e-7  # promised decrease, in deviance units, that disproves an optimum
OTHER_STARTS = (0.1, 3.0)  # relative standard deviations


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
    first = minimise(problem, start(problem.shape, 0.7))
    best = None if first is None else _settle(problem, first)
    tried = 1
    doubt = best is None or best.saddle or not best.flat or bool(_deficient(problem, best.at))
    others = [start(problem.shape, size) for size in OTHER_STARTS] if doubt else []
    for theta in (*others, *also):
        other = minimise(problem, theta)
        tried += 1
        if other is not None and (best is None or other.at.value < best.at.value - NOT_WORSE):
            best = _settle(problem, other)
    if best is None:
        return None
    one_sided, can_fall = _one_sided(problem, best.at)
    return Optimum(
        search=best,
        starts=tried,
        boundary=_deficient(problem, best.at),
        one_sided=one_sided,
        can_fall=can_fall,
    )


def _blocks(problem: Problem, at: Evaluation) -> list[tuple[int, int, np.ndarray, np.ndarray]]:
    """Return level, block number, its effects and its relative covariance matrix, for all blocks."""
    return [
        (level, number, np.array(block), at.G[level][np.ix_(block, block)])
        for level, shape in enumerate(problem.shape.levels)
        for number, block in enumerate(shape.blocks)
    ]


def _settle(problem: Problem, search: Search) -> Search:
    """Set small directions to exactly zero where that is not worse."""
    matrices = [G.copy() for G in search.at.G]
    any_small = False
    for level, _, block, G in _blocks(problem, search.at):
        w, U = np.linalg.eigh(G)
        if w[0] < SMALL * max(1.0, w[-1]):
            any_small = True
            kept = np.where(w < SMALL * max(1.0, w[-1]), 0.0, w)
            matrices[level][np.ix_(block, block)] = (U * kept) @ U.T
    if not any_small:
        return search
    factors = []
    for shape, G in zip(problem.shape.levels, matrices, strict=True):
        factor = np.zeros_like(G)
        for own in shape.blocks:
            factor[np.ix_(own, own)] = semidefinite_factor(G[np.ix_(own, own)])
        factors.append(factor)
    theta = search.at.theta.copy()  # a residual structure's parameters, if any, stay where they are
    for shape, where, factor in zip(problem.shape.levels, problem.shape.slices, factors, strict=True):
        theta[where] = factor[shape.entries]
    settled = minimise(problem, theta)
    if settled is None or settled.at.value > search.at.value + NOT_WORSE + 1e-13 * abs(search.at.value):
        return search
    return replace(
        settled, iterations=search.iterations + settled.iterations,
        evaluations=search.evaluations + settled.evaluations, saddle=search.saddle,
    )  # fmt: skip


def _deficient(problem: Problem, at: Evaluation) -> tuple[tuple[int, int], ...]:
    """Return (level, block) of every covariance matrix without full rank."""
    return tuple((level, number) for level, number, _, G in _blocks(problem, at) if len(_null(G)[1]) > 0)


def _null(G: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the null space (q, k) and the zero eigenvalues (k,) of a covariance block."""
    w, U = np.linalg.eigh(G)
    zero = w <= max(ZERO * w[-1], 1e-16)
    return U[:, zero], w[zero]


def _one_sided(problem: Problem, at: Evaluation) -> tuple[float, float]:
    """Return the smallest slope into the interior and the decrease it promises."""
    slope, promise = np.inf, 0.0
    for level, _, block, G in _blocks(problem, at):
        null, zeros = _null(G)
        if len(zeros) == 0:
            continue
        D = _matrix(problem, at.slope, level)[np.ix_(block, block)]
        w, U = np.linalg.eigh(null.T @ D @ null)
        slope = min(slope, float(w[0]))
        if w[0] < 0.0:
            v = np.zeros(problem.shape.levels[level].q)
            v[block] = null @ U[:, 0]
            direction = np.zeros(problem.shape.size)
            rows, cols = problem.shape.levels[level].entries
            direction[problem.shape.slices[level]] = v[rows] * v[cols]
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
