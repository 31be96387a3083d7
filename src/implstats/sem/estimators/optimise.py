"""Minimise F: Fisher scoring until the decrement is small, then exact Newton.

The step solves H d = -g/2, H half the (expected or exact) Hessian. A step must lower F by a share of what its
slope promises (Armijo); else it is halved, and then H is damped (Levenberg). The decrement d'Hd estimates
what is left to gain and does not depend on the scale of any parameter. Nocedal & Wright (2006), chapter 3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dpotrs

from implstats.sem.estimators.ml import Curvature, Evaluation

Array = NDArray[np.float64]
Criterion = Callable[[Array, Curvature], Evaluation]

MAX_ITERATIONS = 200
GRADIENT_GOAL = 1e-10
DECREMENT_GOAL = 1e-16
NEWTON_BELOW = 0.02  # Scoring comes near the optimum from afar; Newton finishes in two or three steps.
MAX_DAMPING = 1e8


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimum:
    """Where the search ended.

    Attributes
    ----------
    theta : ndarray, shape (q,)
    evaluation : Evaluation
        The criterion at theta with the exact Hessian.
    iterations : int
    max_gradient : float
        Largest absolute element of the gradient of F.
    decrement : float
        g' H^-1 g / 2 with the exact H, infinite where H is not positive definite.
    """

    theta: Array
    evaluation: Evaluation
    iterations: int
    max_gradient: float
    decrement: float


def _step(evaluation: Evaluation, damping: float) -> Array | None:
    H = evaluation.information
    if H is None or evaluation.gradient is None:
        return None
    if damping:
        H = H + damping * np.diag(np.abs(np.diag(H)) + 1e-8)
    factor, not_positive = dpotrf(H, lower=1)
    if not_positive:
        return None
    step, _ = dpotrs(factor, -0.5 * evaluation.gradient, lower=1)
    return step if np.all(np.isfinite(step)) else None


def minimise(criterion: Criterion, theta: Array, *, max_iterations: int = MAX_ITERATIONS) -> Optimum:
    """Return the optimum reached from a start vector, shape (q,), where F must be finite."""
    mode: Curvature = "expected"
    here = criterion(theta, mode)
    damping, iterations = 0.0, 0
    while iterations < max_iterations and theta.size:
        step = _step(here, damping)
        if step is None and mode == "observed":
            mode, here = "expected", criterion(theta, "expected")
            continue
        iterations += 1
        moved = None
        if step is not None and here.gradient is not None:
            decrement = -float(here.gradient @ step)
            if decrement < DECREMENT_GOAL:
                break
            wanted: Curvature = "observed" if decrement < NEWTON_BELOW else mode
            moved = _line_search(criterion, theta, here, step, decrement, wanted)
        if moved is None or step is None:
            damping = max(10.0 * damping, 1e-4)
            if damping > MAX_DAMPING:
                break
            continue
        size, there = moved
        theta = theta + size * step
        damping = damping / 10.0 if size == 1.0 and damping > 1e-8 else (0.0 if size == 1.0 else damping)
        mode = wanted if size == 1.0 else mode
        here = there if there.gradient is not None else criterion(theta, mode)
        if here.gradient is not None and np.abs(here.gradient).max() < GRADIENT_GOAL:
            break
    return _finish(here if mode == "observed" else criterion(theta, "observed"), theta, iterations)


def _line_search(
    criterion: Criterion, theta: Array, here: Evaluation, step: Array, decrement: float, wanted: Curvature
) -> tuple[float, Evaluation] | None:
    """Return the size of the step and the criterion there, for the full step with the curvature wanted."""
    size = 1.0
    rounding = 1e-12 * max(1.0, abs(here.value)) if decrement < 1e-9 else 0.0
    for _ in range(30):
        there = criterion(theta + size * step, wanted if size == 1.0 else "none")
        if there.value <= here.value - 1e-4 * size * decrement + rounding:
            return size, there
        size *= 0.5
    return None


def _finish(final: Evaluation, theta: Array, iterations: int) -> Optimum:
    gradient = final.gradient
    if gradient is None:
        return Optimum(
            theta=theta, evaluation=final, iterations=iterations, max_gradient=np.inf, decrement=np.inf
        )
    step = _step(final, 0.0)
    decrement = np.inf if step is None else max(-float(gradient @ step), 0.0)
    largest = float(np.abs(gradient).max()) if gradient.size else 0.0
    return Optimum(
        theta=theta, evaluation=final, iterations=iterations, max_gradient=largest, decrement=decrement
    )
