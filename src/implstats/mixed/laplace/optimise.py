"""Quasi-Newton search on the exact gradient, within a trust region, with the Hessian by differences at the
end.

The Hessian is differenced from the gradient at the start (P gradients, all of them in one pass over the rows)
and kept up to date by symmetric rank-one updates, which, unlike BFGS, may show negative curvature. With few
rows, where one pass costs little more than one gradient, it is differenced anew while far from the end. Where
it promises no further decrease it is differenced centrally; only then may the search stop. So gradient and
curvature are known at the optimum, and standard errors come from that Hessian. A step is taken in the
Hessian's own axes with absolute eigenvalues, so that saddles are left (as in `gaussian.optimise`).
Reference: Nocedal & Wright (2006), Numerical Optimization, 2nd ed., sections 4.1, 6.2 and 8.1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from implstats.mixed.laplace.criterion import Evaluation, Problem, gradients
from implstats.mixed.laplace.eliminate import solve

SMALL_DECREASE = (
    1e-10  # deviance units: within 1e-5 standard errors, where the Hessian is that of the optimum
)
NEGATIVE = 1e-6  # an eigenvalue below minus this share of the largest is negative curvature
NEARLY_FLAT = 1e-3  # deviance units: negative curvature here is a saddle
STEP = 2e-4  # of central differences: truncation and rounding both near 1e-8 of the curvature
FAR_OFF = 1e-2  # deviance units: a step from there changes the Hessian by more than updating finds out
LIMIT = 200
CELLS = 11_000  # values a pass of displaced models may hold in an array: what a core's cache bears


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Where a search ended.

    Attributes
    ----------
    at : Evaluation
    hessian : ndarray, (P, P)
        Of -2 log L, central differences of the exact gradient.
    iterations, evaluations : int
    decrement : float
        Decrease that Newton's step still promises, deviance units.
    smallest_curvature : float
        Smallest eigenvalue of the Hessian, as a share of the largest.
    saddle : bool
        Whether a point with hardly any slope but negative curvature was met.
    """

    at: Evaluation
    hessian: np.ndarray
    iterations: int
    evaluations: int
    decrement: float
    smallest_curvature: float
    saddle: bool

    @property
    def flat(self) -> bool:
        """Gradient zero and curvature not negative."""
        return self.decrement < 1e-7 and self.smallest_curvature > -1e-5


def difference_hessian(problem: Problem, at: Evaluation, *, central: bool) -> np.ndarray | None:
    """Return the Hessian in psi, (P, P), from differences of the gradient; None where one does not exist."""
    size = problem.size
    units = np.eye(size) * STEP
    moves = np.concatenate([units, -units]) if central else units
    parts = np.array_split(moves, _passes(problem, len(moves)))
    found = np.concatenate([gradients(problem, at, part) for part in parts])
    full = (found[:size] - (found[size:] if central else at.gradient)) / ((2.0 if central else 1.0) * STEP)
    return 0.5 * (full + full.T) if np.all(np.isfinite(full)) else None


def _passes(problem: Problem, points: int) -> int:
    """Return how many passes the gradients at this many points take."""
    nodes = getattr(problem.rule, "points", 1)
    return min(points, -(-points * problem.nested.cluster.size * nodes // CELLS))


def first_hessian(problem: Problem, at: Evaluation) -> np.ndarray | None:
    """Return a Hessian to start from: differences, but the known main part 2 X'V^-1 X for the coefficients.

    With V^-1 = W - W Z Lambda H^-1 Lambda'Z'W, which leaves out how the log determinant bends in them.
    """
    if problem.n_extra or problem.size * problem.nested.cluster.size < CELLS:
        return difference_hessian(problem, at, central=False)
    nested, mode, p = problem.nested, at.mode, problem.p
    weighted = problem.X * mode.rows.weight
    F = nested.loading(at.factors)
    full = np.zeros((problem.size, problem.size))
    for j, column in enumerate(weighted):
        moved = nested.path(solve(mode.factor, F.T @ nested.by_column(column), None, nested))
        full[j, :p] = 2.0 * (weighted[j] @ problem.X.T - weighted @ nested.random_part(F @ moved))
    found = gradients(problem, at, np.eye(problem.size)[p:] * STEP)
    full[p:] = (found - at.gradient) / STEP
    full[:p, p:] = full[p:, :p].T
    return 0.5 * (full + full.T) if np.all(np.isfinite(full)) else None


def minimise(problem: Problem, psi: np.ndarray, *, rough: bool = False) -> Search | None:
    """Return the minimum reached from psi, or None if the criterion does not exist there.

    A ``rough`` search stops at the first Hessian, updated only, that promises nothing; it is not verified.
    """
    if problem.rule is None:
        at = problem(psi)
        hessian = None if at is None else first_hessian(problem, at)
        evaluations = 1 + problem.size - (0 if problem.n_extra else problem.p)
    else:
        # Laplace's method is quick, and its optimum and Hessian are near those of quadrature.
        near = minimise(replace(problem, rule=None), psi, rough=True)
        if near is None:
            return None
        at, hessian = problem.at_mode(near.at), near.hessian
        evaluations = near.evaluations + 1
    if at is None or hessian is None:
        return None
    return _search(problem, at, hessian, evaluations, rough)


def _search(
    problem: Problem, at: Evaluation, hessian: np.ndarray, evaluations: int, rough: bool
) -> Search | None:
    """Return the minimum reached from a point with its Hessian, which may be approximate."""
    radius, saddle, exact, iterations = 1.0, False, False, 0
    one_pass = _passes(problem, problem.size) == 1
    while iterations < LIMIT:
        iterations += 1
        step, decrement, negative, _ = newton_step(hessian, at.gradient)
        if rough and decrement < NEARLY_FLAT**2 and not negative:
            break
        if decrement < SMALL_DECREASE and not exact:
            found = difference_hessian(problem, at, central=True)
            evaluations += 2 * problem.size
            if found is None:
                return None
            hessian, exact = found, True
            step, decrement, negative, _ = newton_step(hessian, at.gradient)
        saddle = saddle or (exact and negative and decrement < NEARLY_FLAT)
        if decrement < SMALL_DECREASE and not negative:
            break
        length = float(np.linalg.norm(step))
        if length > radius:
            step = step * (radius / length)
        trial = problem(at.psi + step, at)
        evaluations += 1
        promised = -(at.gradient @ step + 0.5 * step @ hessian @ step)
        gain = -np.inf if trial is None else at.value - trial.value
        if trial is not None:
            hessian, exact = _rank_one(hessian, step, trial.gradient - at.gradient), False
        if trial is not None and gain > -1e-12 * abs(at.value) and (gain > 0 or decrement < 1e-6):
            if gain > 0.75 * promised and length >= radius:
                radius *= 2.0
            elif gain < 0.25 * promised:
                radius = max(0.5 * min(radius, length), 1e-8)
            at = trial
            if one_pass and decrement > FAR_OFF:
                # For few rows a Hessian costs about as much as one gradient, and saves several.
                found = difference_hessian(problem, at, central=False)
                evaluations += problem.size
                if found is None:
                    return None
                hessian = found
        else:
            radius = 0.25 * min(radius, length)
            if radius < 1e-10:
                break
    return _finished(problem, at, hessian, exact or rough, iterations, evaluations, saddle)


def _finished(
    problem: Problem, at: Evaluation, hessian: np.ndarray, exact: bool, iterations: int, evaluations: int,
    saddle: bool,
) -> Search | None:  # fmt: skip
    if not exact:
        found = difference_hessian(problem, at, central=True)
        evaluations += 2 * problem.size
        if found is None:
            return None
        hessian = found
    step, decrement, negative, share = newton_step(hessian, at.gradient)
    if not negative and 1e-18 < decrement < 1e-4:
        last = problem(at.psi + step, at)
        evaluations += 1
        if last is not None and np.linalg.norm(last.gradient) < np.linalg.norm(at.gradient):
            at = last
            _, decrement, _, share = newton_step(hessian, at.gradient)
    return Search(
        at=at, hessian=hessian, iterations=iterations, evaluations=evaluations, decrement=decrement,
        smallest_curvature=share, saddle=saddle,
    )  # fmt: skip


def newton_step(hessian: np.ndarray, gradient: np.ndarray) -> tuple[np.ndarray, float, bool, float]:
    """Return the step, the promised decrease, whether curvature is negative, the smallest eigenvalue's
    share."""
    w, U = np.linalg.eigh(hessian)
    largest = max(float(np.abs(w).max()), 1e-300)
    along = U.T @ gradient
    size = np.maximum(np.abs(w), 1e-9 * largest)
    move = -along / size
    negative = bool(w[0] < -NEGATIVE * largest)
    decrement = float(np.sum(along**2 / size))
    if negative and decrement < SMALL_DECREASE:
        stuck = (w < -NEGATIVE * largest) & (np.abs(move) < 0.1)
        move = np.where(stuck, 0.1, move)
    return U @ move, decrement, negative, float(w[0] / largest)


def _rank_one(hessian: np.ndarray, step: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Return the Hessian that explains the last change of the gradient (symmetric rank-one)."""
    rest = change - hessian @ step
    by = float(rest @ step)
    if abs(by) <= 1e-8 * float(np.linalg.norm(rest) * np.linalg.norm(step)):
        return hessian
    return hessian + np.outer(rest, rest) / by
