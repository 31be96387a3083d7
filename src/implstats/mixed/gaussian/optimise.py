"""Newton's method on the relative Cholesky factor, within a trust region.

The step is taken in the Hessian's own axes with the absolute values of its eigenvalues, so that negative
curvature is walked down, not up: a saddle (such as a zero column of Lambda that wants to grow) is left along
its negative direction. The word "converged" is not taken from here alone: `boundary` verifies the optimum.
Reference: Nocedal & Wright (2006), Numerical Optimization, 2nd ed., chapters 3 and 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from implstats.mixed.gaussian.covariance import CovarianceShape
from implstats.mixed.gaussian.criterion import Evaluation, Problem

SMALL_DECREASE = 1e-10  # deviance units; Newton converges quadratically, so one more step squares it
NEGATIVE = 1e-7  # an eigenvalue below minus this share of the largest is negative curvature
NEARLY_FLAT = 1e-3  # deviance units: negative curvature here is a saddle, not just a start far away
EXACT = 1e-16  # deviance units: theta is then within 1e-8 of its standard error
LIMIT = 200
ONE = np.ones((1, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Where a search ended.

    Attributes
    ----------
    at : Evaluation
    iterations, evaluations : int
    decrement : float
        Decrease of the criterion that Newton's step still promises, in deviance units.
    smallest_curvature : float
        Smallest eigenvalue of the Hessian in theta, as a share of the largest.
    saddle : bool
        Whether a point with hardly any slope but negative curvature was met on the way.
    """

    at: Evaluation
    iterations: int
    evaluations: int
    decrement: float
    smallest_curvature: float
    saddle: bool

    @property
    def flat(self) -> bool:
        """Gradient zero and curvature not negative."""
        return self.decrement < 1e-7 and self.smallest_curvature > -1e-5


def start(shape: CovarianceShape, size: float) -> np.ndarray:
    """Return theta with ``size`` on every diagonal (relative standard deviations) and zero elsewhere."""
    theta = np.zeros(shape.size)
    for level, where in zip(shape.levels, shape.slices, strict=True):
        rows, cols = level.entries
        theta[where] = np.where(rows == cols, size, 0.0)
    return theta


def minimise(problem: Problem, theta: np.ndarray) -> Search | None:
    """Return the minimum reached from theta, or None if the criterion does not exist there."""
    at = problem(theta)
    if at is None:
        return None
    radius, evaluations, saddle, arrived = 1.0, 1, False, False
    iterations = 0
    while iterations < LIMIT:
        iterations += 1
        step, decrement, negative, share = _step(at)
        saddle = saddle or (negative and decrement < NEARLY_FLAT)
        arrived = decrement < SMALL_DECREASE and not negative
        if arrived:
            break
        length = float(np.linalg.norm(step))
        if length > radius:
            step = step * (radius / length)
        trial = problem(at.theta + step)
        evaluations += 1
        promised = -(at.gradient @ step + 0.5 * step @ at.hessian @ step)
        gain = -np.inf if trial is None else at.value - trial.value
        if trial is not None and gain > -1e-12 * abs(at.value) and (gain > 0 or decrement < 1e-6):
            if gain > 0.75 * promised and length >= radius:
                radius *= 2.0
            elif gain < 0.25 * promised:
                radius = max(0.5 * radius, 1e-6)
            at = trial
        else:
            radius = 0.25 * min(radius, length)
            if radius < 1e-10:
                break
    if not arrived:
        step, decrement, negative, share = _step(at)
    at, more = _polish(problem, at, step, decrement, negative=negative)
    if more:
        _, decrement, _, share = _step(at)
    return Search(
        at=at, iterations=iterations, evaluations=evaluations + more, decrement=decrement,
        smallest_curvature=share, saddle=saddle,
    )  # fmt: skip


def _step(at: Evaluation) -> tuple[np.ndarray, float, bool, float]:
    """Return the step, the promised decrease, whether curvature is negative, and the smallest eigenvalue's
    share."""
    w, U = (at.hessian[0], ONE) if len(at.theta) == 1 else np.linalg.eigh(at.hessian)
    largest = max(float(np.abs(w).max()), 1e-300)
    along = U.T @ at.gradient
    size = np.maximum(np.abs(w), 1e-10 * largest)
    move = -along / size
    negative = bool(w[0] < -NEGATIVE * largest)
    decrement = float(np.sum(along**2 / size))
    if negative and decrement < SMALL_DECREASE:
        stuck = (w < -NEGATIVE * largest) & (np.abs(move) < 0.1)
        move = np.where(stuck, 0.1, move)
    return U @ move, decrement, negative, float(w[0] / largest)


def _polish(
    problem: Problem, at: Evaluation, step: np.ndarray, decrement: float, *, negative: bool
) -> tuple[Evaluation, int]:
    """Take one last full Newton step if it makes the gradient smaller."""
    if negative or decrement < EXACT or decrement > 1e-4:
        return at, 0
    trial = problem(at.theta + step)
    if trial is not None and np.linalg.norm(trial.gradient) < np.linalg.norm(at.gradient):
        return trial, 1
    return at, 1
