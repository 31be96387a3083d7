"""Minimise F under constraints that are not linear equalities: Newton on the Lagrangian, with an active set.

    L = F + lambda' c,     [ H  C' ] [    d   ]     [ -g ]
                           [ C  0  ] [ lambda ]  =  [ -c ],    H = Hessian of F + sum_j lambda_j that of c_j

solved through the null space of C. A step must lower the merit F + rho |c|, or bring the conditions of the
optimum nearer; else it is halved. Second derivatives of c are differences of its exact gradients and only set
the pace. Inequalities c >= 0 that are broken join as equalities, the worst first; those whose multiplier
would push inwards leave. Nocedal & Wright (2006), chapters 12, 16 and 18.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from implstats.sem.estimators.constraints import null_space
from implstats.sem.estimators.ml import Curvature, Evaluation
from implstats.sem.estimators.optimise import Criterion, Optimum, minimise

Array = NDArray[np.float64]
# Returns c, shape (m,), and C, shape (m, r), at u.
System = Callable[[Array], tuple[Array, Array]]
MAX_ITERATIONS = 200
MAX_CHANGES = 60
GOAL = 1e-11
# A constraint that is met to this is met; estimates of interest are of order one.
HELD = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstrainedOptimum:
    """Where the search ended.

    Attributes
    ----------
    optimum : Optimum
        Gradient and decrement within the tangent.
    tangent : ndarray, shape (r, s)
        Directions that the equalities and the active inequalities leave.
    departure : float
        Largest departure from an equality or an inequality.
    active : tuple of int
        Inequalities at their bound.
    rank : int
        Rank of the equalities' Jacobian.
    """

    optimum: Optimum
    tangent: Array
    departure: float
    active: tuple[int, ...]
    rank: int


@dataclass(frozen=True, slots=True)
class _Point:
    u: Array
    evaluation: Evaluation
    c: Array
    C: Array
    multiplier: Array


def minimise_constrained(
    criterion: Criterion,
    equalities: System,
    inequalities: System,
    start: Array,
    *,
    steps: int = MAX_ITERATIONS,
) -> ConstrainedOptimum:
    """Return the optimum of F subject to c = 0 and to c >= 0, from a start where F is finite."""
    active: list[int] = []
    point, solved = start, active
    for _ in range(MAX_CHANGES):
        solved = list(active)
        here, iterations = _solve(criterion, _joined(equalities, inequalities, active), point, steps)
        value, _ = inequalities(here.u)
        n_equal = len(here.c) - len(active)
        multipliers = here.multiplier[n_equal:]
        broken = np.where(np.isin(np.arange(len(value)), active), 0.0, value)
        point = here.u
        if multipliers.size and multipliers.max() > HELD:
            active.pop(int(multipliers.argmax()))
        elif broken.size and broken.min() < -HELD:
            active.append(int(broken.argmin()))
        else:
            break
    return _finish(criterion, equalities, inequalities, here, solved, iterations)


def _joined(equalities: System, inequalities: System, active: list[int]) -> System:
    which = list(active)

    def joined(u: Array) -> tuple[Array, Array]:
        c, C = equalities(u)
        if not which:
            return c, C
        d, D = inequalities(u)
        return np.concatenate([c, d[which]]), np.vstack([C, D[which]])

    return joined


def _solve(criterion: Criterion, system: System, start: Array, steps: int) -> tuple[_Point, int]:
    c, C = system(start)
    if not len(c):
        free = minimise(criterion, start, max_iterations=steps)
        return _Point(free.theta, free.evaluation, c, C, np.zeros(0)), free.iterations
    mode: Curvature = "expected"
    here = _Point(start, criterion(start, mode), c, C, np.zeros(len(c)))
    penalty = 1.0
    iteration = 0
    while iteration < steps:
        iteration += 1
        step, multiplier = _step(here, system)
        if not np.all(np.isfinite(step)):
            break
        here = replace(here, multiplier=multiplier)
        if _distance(here) < GOAL:
            break
        penalty = max(penalty, 2.0 * float(np.abs(multiplier).max(initial=0.0)))
        size = float(np.abs(step).max())
        moved = _search(criterion, system, here, step, penalty, mode)
        if moved is None and mode == "observed":
            mode, here = "expected", replace(here, evaluation=criterion(here.u, "expected"))
            continue
        if moved is None or size < 1e-15:
            break
        wanted: Curvature = "observed" if size < 0.1 else "expected"
        here = moved if wanted == mode else replace(moved, evaluation=criterion(moved.u, wanted))
        mode = wanted
    return here, iteration


def _gradient(evaluation: Evaluation) -> Array:
    if evaluation.gradient is None:
        raise AssertionError("an evaluation with curvature has a gradient")
    return evaluation.gradient


def _hessian(here: _Point, system: System | None) -> Array:
    if here.evaluation.information is None:
        raise AssertionError("an evaluation with curvature has an information")
    H = 2.0 * here.evaluation.information
    return H if system is None else H + _constraint_curvature(here, system)


def _constraint_curvature(here: _Point, system: System) -> Array:
    """sum_j lambda_j Hessian of c_j, from central differences of the exact gradients."""
    rows = []
    for k in range(len(here.u)):
        move = np.zeros(len(here.u))
        move[k] = 1e-5 * max(1.0, abs(float(here.u[k])))
        change = system(here.u + move)[1] - system(here.u - move)[1]
        rows.append(here.multiplier @ change / (2.0 * move[k]))
    curvature = np.array(rows)
    return np.nan_to_num(0.5 * (curvature + curvature.T))


def _step(here: _Point, system: System) -> tuple[Array, Array]:
    """The Newton step and the multipliers."""
    g = _gradient(here.evaluation)
    Z = null_space(here.C)
    down = np.linalg.lstsq(here.C, -here.c, rcond=1e-9)[0]
    for with_curvature in (system, None):
        H = _hessian(here, with_curvature)
        reduced = Z.T @ H @ Z
        values = np.linalg.eigvalsh(reduced) if reduced.size else np.ones(1)
        if values[0] > 0:
            break
    else:
        reduced = reduced + (abs(float(values[0])) + 1e-4 * max(float(values[-1]), 1e-8)) * np.eye(
            len(reduced)
        )
    along = np.linalg.solve(reduced, -Z.T @ (g + H @ down)) if reduced.size else np.zeros(0)
    step = down + Z @ along
    multiplier = np.linalg.lstsq(here.C.T, -(g + H @ step), rcond=1e-9)[0].astype(float, copy=False)
    return step, multiplier


def _distance(here: _Point) -> float:
    """How far the conditions of an optimum are from being met."""
    gap = _gradient(here.evaluation) + here.C.T @ here.multiplier
    return max(float(np.abs(gap).max(initial=0.0)), float(np.abs(here.c).max(initial=0.0)))


def _search(
    criterion: Criterion, system: System, here: _Point, step: Array, penalty: float, mode: Curvature
) -> _Point | None:
    before = here.evaluation.value + penalty * float(np.abs(here.c).sum())
    distance, size = _distance(here), 1.0
    for _ in range(30):
        u = here.u + size * step
        c, C = system(u)
        evaluation = criterion(u, mode) if np.all(np.isfinite(c)) else Evaluation(value=np.inf)
        if np.isfinite(evaluation.value):
            there = _Point(u, evaluation, c, C, here.multiplier)
            lower = evaluation.value + penalty * float(np.abs(c).sum()) < before - 1e-10 * size
            if lower or _distance(there) < 0.7 * distance or (size == 1.0 and distance < 1e-7):
                return there
        size *= 0.5
    return None


def _finish(
    criterion: Criterion,
    equalities: System,
    inequalities: System,
    here: _Point,
    active: list[int],
    iterations: int,
) -> ConstrainedOptimum:
    here = replace(here, evaluation=criterion(here.u, "observed"))
    value, _ = inequalities(here.u)
    c, C = equalities(here.u)
    Z = null_space(here.C) if len(here.c) else np.eye(len(here.u))
    gradient = Z.T @ _gradient(here.evaluation)
    H = _hessian(here, _joined(equalities, inequalities, active) if len(here.c) else None)
    reduced = Z.T @ H @ Z
    roots = np.linalg.eigvalsh(reduced) if reduced.size else np.ones(1)
    # Beyond rounding: a curvature that is flat to the last digit cannot be solved for.
    proper = bool(roots[0] > 1e-15 * max(float(roots[-1]), 0.0))
    decrement = float(gradient @ np.linalg.solve(reduced, gradient)) if proper and reduced.size else 0.0
    broken = max([0.0, *np.abs(c).tolist(), *(-value).tolist()])
    return ConstrainedOptimum(
        optimum=Optimum(
            theta=here.u,
            evaluation=here.evaluation,
            iterations=iterations,
            max_gradient=float(np.abs(gradient).max(initial=0.0)),
            decrement=decrement if proper else np.inf,
        ),
        tangent=Z,
        departure=broken,
        active=tuple(sorted(active)),
        rank=len(here.u) - null_space(C).shape[1] if len(c) else 0,
    )
