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
    before: Evaluation | None = None
    iterations = 0
    while iterations < LIMIT:
        iterations += 1
        step, decrement, negative, share = _step(at)
        if before is not None and len(step) == 1 and not negative:
            step = _bent(before, at, step)
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
            before, at = at, trial
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
    if len(at.theta) == 1:
        return _step_of_one(float(at.gradient[0]), float(at.hessian[0, 0]))
    w, U = np.linalg.eigh(at.hessian)
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


def _step_of_one(slope: float, bend: float) -> tuple[np.ndarray, float, bool, float]:
    """Return what `_step` does, for one parameter, whose curvature is the whole Hessian."""
    size = max(abs(bend), 1e-300)
    move, decrement, negative = -slope / size, slope * slope / size, bend < 0.0
    if negative and decrement < SMALL_DECREASE and abs(move) < 0.1:
        move = 0.1
    return np.array([move]), decrement, negative, bend / size


def _bent(before: Evaluation, at: Evaluation, newton: np.ndarray) -> np.ndarray:
    """Return Newton's step of one parameter, corrected by the change of curvature since the last point.

    theta as a function of the slope f is the cubic through both points with its derivatives 1 / f', taken at
    f = 0 (inverse Hermite interpolation); with u = f_1 / (f_1 - f_0), the step from the second point is

        (3 - 2u) u^2 (theta_0 - theta_1) + (1 - u) u^2 (f_1 - f_0) / f'_0 - (1 - u)^2 f_1 / f'_1

    whose error is the product of the squares of the errors of both points. Newton's step stays where the two
    differ by more than a tenth: the points are then too far apart.
    """
    f0, f1 = float(before.gradient[0]), float(at.gradient[0])
    h0, h1 = float(before.hessian[0, 0]), float(at.hessian[0, 0])
    change = f1 - f0
    if not (h0 > 0.0 and h1 > 0.0 and abs(f1) < 0.1 * abs(change)):
        return newton
    u = f1 / change
    back = float(before.theta[0] - at.theta[0])
    bent = u * u * ((3.0 - 2.0 * u) * back + (1.0 - u) * change / h0) - (1.0 - u) ** 2 * f1 / h1
    plain = float(newton[0])
    return np.array([bent]) if abs(bent - plain) <= 0.1 * abs(plain) else newton


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
