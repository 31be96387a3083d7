"""Is this the optimum? Zero variances, correlations of one, and the search over starts.

As in the Gaussian case (`gaussian.boundary`), with D = df/dG a minimum over positive semidefinite G needs a
zero gradient and v'Dv >= 0 for every v with G v = 0. Lambda has a zero column k for each such v. Filling it
with t v changes f by t^2 v'Dv, and the exact gradient there is 2 t D v, from which the one-sided slope is
read. Reference: Self & Liang (1987), JASA 82, 605-610.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from implstats.mixed.gaussian.covariance import semidefinite_factor
from implstats.mixed.laplace.criterion import Evaluation, Problem
from implstats.mixed.laplace.optimise import Search, minimise

SMALL = 1e-4  # variance on the scale of the linear predictor below which a direction is tried at exactly zero
NOT_WORSE = 1e-8  # deviance units by which the boundary may lose to its neighbourhood: rounding
CAN_FALL = 1e-6  # decrease, in deviance units, that disproves an optimum
PROBE = 2e-3  # standard deviation put into a zero direction to read its slope
OTHER_STARTS = (0.25, 2.0)  # standard deviations


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimum:
    """The best point found and what was verified of it.

    Attributes
    ----------
    search : Search
    starts : int
    boundary : tuple of tuple of int
        (level, block) pairs whose covariance matrix is not of full rank.
    one_sided : float
        Smallest slope of the criterion in a variance at zero; infinite without any.
    can_fall : float
        Decrease found off the boundary, deviance units; zero at a true optimum.
    free : ndarray of bool, (P,)
        Parameters that are not held at the boundary.
    """

    search: Search
    starts: int
    boundary: tuple[tuple[int, int], ...]
    one_sided: float
    can_fall: float
    free: np.ndarray

    @property
    def verified(self) -> bool:
        """Gradient zero, curvature positive, and no slope downhill off the boundary."""
        return self.search.flat and self.can_fall < CAN_FALL


def find_optimum(problem: Problem, plain: np.ndarray, sizes: tuple[float, ...] = ()) -> Optimum | None:
    """Return the best verified point; ``plain`` (p + E,) are the estimates without random effects."""
    first = minimise(problem, start_at(problem, plain, 0.7))
    best = None if first is None else _settle(problem, first)
    tried = 1
    doubt = best is None or best.saddle or not best.flat or bool(deficient(problem, best.at))
    for size in OTHER_STARTS if doubt else sizes:
        other = minimise(problem, start_at(problem, plain, size), rough=best is not None)
        tried += 1
        if other is None or (best is not None and other.at.value >= best.at.value - NOT_WORSE):
            continue
        exact = minimise(problem, other.at.psi)
        best = best if exact is None else _settle(problem, exact)
    if best is None:
        return None
    slope, fall = _one_sided(problem, best.at)
    return Optimum(
        search=best, starts=tried, boundary=deficient(problem, best.at), one_sided=slope, can_fall=fall,
        free=_free(problem, best.at),
    )  # fmt: skip


def start_at(problem: Problem, plain: np.ndarray, size: float) -> np.ndarray:
    """Return psi with ``size`` as every standard deviation and no correlation."""
    theta = np.zeros(problem.shape.size)
    for level, where in zip(problem.shape.levels, problem.shape.slices, strict=True):
        rows, cols = level.entries
        theta[where] = np.where(rows == cols, size, 0.0)
    return np.concatenate([plain, theta])


def _blocks(problem: Problem) -> list[tuple[int, int, np.ndarray]]:
    return [
        (level, number, np.array(block))
        for level, shape in enumerate(problem.shape.levels)
        for number, block in enumerate(shape.blocks)
    ]


def _settle(problem: Problem, search: Search) -> Search:
    """Set small directions to exactly zero where that is not worse."""
    factors = [f.copy() for f in search.at.factors]
    any_small = False
    for level, _, block in _blocks(problem):
        at = np.ix_(block, block)
        G = factors[level][at] @ factors[level][at].T
        w, U = np.linalg.eigh(G)
        if w[0] < SMALL * max(1.0, w[-1]):
            any_small = True
            kept = np.where(w < SMALL * max(1.0, w[-1]), 0.0, w)
            factors[level][at] = semidefinite_factor((U * kept) @ U.T)
    if not any_small:
        return search
    b, extra, _ = problem.split(search.at.psi)
    settled = minimise(problem, np.concatenate([b, extra, problem.shape.pack(factors)]))
    if settled is None or settled.at.value > search.at.value + NOT_WORSE + 1e-12 * abs(search.at.value):
        return search
    return replace(
        settled, iterations=search.iterations + settled.iterations,
        evaluations=search.evaluations + settled.evaluations, saddle=search.saddle,
    )  # fmt: skip


def _zero_columns(problem: Problem, at: Evaluation) -> list[tuple[int, int, np.ndarray, np.ndarray]]:
    """Return level, block number, effects and zero columns (indices) of each deficient factor."""
    out = []
    for level, number, block in _blocks(problem):
        factor = at.factors[level][np.ix_(block, block)]
        size = np.sqrt(np.sum(factor**2, axis=0))
        zero = block[size <= 1e-8 * max(1.0, float(size.max()))]
        if len(zero):
            out.append((level, number, block, zero))
    return out


def deficient(problem: Problem, at: Evaluation) -> tuple[tuple[int, int], ...]:
    """Return (level, block) of every covariance matrix without full rank."""
    return tuple((level, number) for level, number, _, _ in _zero_columns(problem, at))


def _free(problem: Problem, at: Evaluation) -> np.ndarray:
    """Return which parameters are not entries of a zero column."""
    free = np.ones(problem.size, dtype=bool)
    offset = problem.p + problem.n_extra
    for level, _, _, zero in _zero_columns(problem, at):
        where = problem.shape.slices[level]
        cols = problem.shape.levels[level].entries[1]
        free[offset + where.start : offset + where.stop] &= ~np.isin(cols, zero)
    return free


def _one_sided(problem: Problem, at: Evaluation) -> tuple[float, float]:
    """Return the smallest slope in a variance at zero, and the decrease found along it."""
    slope, fall = np.inf, 0.0
    for level, _, block, zero in _zero_columns(problem, at):
        factor = at.factors[level][np.ix_(block, block)]
        U = np.linalg.svd(factor)[0]
        null = np.zeros((problem.shape.levels[level].q, len(zero)))
        null[block] = U[:, len(block) - len(zero) :]
        probed = _filled(problem, at, level, zero, PROBE * null)
        if probed is None:
            return -np.inf, np.inf
        D = null.T @ probed.loading_slope[level][:, zero] / (2.0 * PROBE)
        w, V = np.linalg.eigh(0.5 * (D + D.T))
        slope = min(slope, float(w[0]))
        if w[0] < 0.0:
            direction = null @ V[:, :1]
            for size in (0.01, 0.05, 0.2):
                trial = _filled(problem, at, level, zero[:1], size * direction)
                if trial is not None:
                    fall = max(fall, at.value - trial.value)
    return slope, fall


def _filled(
    problem: Problem, at: Evaluation, level: int, zero: np.ndarray, columns: np.ndarray
) -> Evaluation | None:
    factors = [f.copy() for f in at.factors]
    factors[level][:, zero] = columns
    return problem.at_factors(at.psi, factors, at)
