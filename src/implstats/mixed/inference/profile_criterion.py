"""The criterion with one parameter held fixed, minimised over all others with exact derivatives.

With log|V|, N = [X, y]'V^-1[X, y] and their derivatives in g from the elimination, r the residual sum of
squares and L(g) = log|V| [+ log|X'V^-1X| under REML], what is minimised over the relative factors phi is

    nothing fixed, or a coefficient      L + nu (1 + log(2 pi r / nu))
    residual SD s                        L + nu log(2 pi s^2) + r / s^2
    SD of an effect, t                   the same with s^2 = t^2 / h(g),  h = (B G B')_kk, so that s^2 h = t^2
    correlation of two effects           the first, over factors that have it

A coefficient m'b = c is held by b = c d + H a, m'd = 1, m'H = 0: N then becomes T'N T with
T = [[H, -c d], [0, 1]]. A correlation sin(alpha) is held by the factor in the effects' own units, in the
order (i, j, others), whose first rows are (x, 0) and (y sin(alpha), y cos(alpha)); it is linear in x, y and
the other rows. In every case g is a quadratic form in phi, g_e = phi' Gamma_e phi / 2, so

    gradient = J'f_g,   Hessian = J'f_gg J + sum_e f_g,e Gamma_e,   J = Gamma phi

and the slope of the minimum in the fixed parameter is that of the criterion itself (envelope theorem).
Reference: Bates, Maechler, Bolker & Walker (2015), J. Stat. Softw. 67(1), section 5.1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from implstats.mixed.gaussian.covariance import CovarianceShape, semidefinite_factor
from implstats.mixed.gaussian.criterion import Evaluation, Problem

NEGATIVE = 1e-9  # share of the largest eigenvalue below which curvature counts as negative
FLAT = 1e-12  # deviance units that a Newton step may still promise
NEARLY_FLAT = 1e-8  # the same, where rounding lets no step get nearer
LIMIT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """L and r with first (R,) and second (R, R) derivatives in g, and a = (-b, 1) of the columns [X, y]."""

    L: float
    L1: np.ndarray
    L2: np.ndarray
    r: float
    r1: np.ndarray
    r2: np.ndarray
    Na: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The criterion at one phi with the parameter held: value, derivatives in g, slope in the parameter."""

    value: float
    slope: np.ndarray
    bend: np.ndarray
    by_parameter: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The minimum over phi: value, slope in the parameter held, and where it is."""

    value: float
    by_parameter: float
    phi: np.ndarray


Criterion = Callable[[np.ndarray], tuple[float, np.ndarray, np.ndarray, float] | None]


def pieces(
    at: Evaluation, pairs: tuple[np.ndarray, np.ndarray], *, reml: bool, T: np.ndarray | None
) -> Pieces | None:
    """Return L and r at an evaluation, for the columns [X, y] T; None where X'V^-1X is singular."""
    N, logdet = at.parts.N, at.parts.logdet
    value, first, second = N.value, N.first, N.second
    if T is not None:
        value, first, second = T.T @ value @ T, T.T @ first @ T, T.T @ second @ T
    p, R = len(value) - 1, len(first)
    try:
        root = np.linalg.cholesky(value[:p, :p])
    except np.linalg.LinAlgError:
        return None
    inverse = np.linalg.inv(root)
    C = inverse.T @ inverse
    a = np.append(-C @ value[:p, p], 1.0)
    r = float(a @ value @ a)
    if not r > 0.0:
        return None
    i, j = pairs
    Na1 = first @ a
    r1, L, L1, L2 = Na1 @ a, float(logdet.value), logdet.first, logdet.second
    r2 = (second @ a) @ a - 2.0 * np.sum((Na1[i, :p] @ C) * Na1[j, :p], axis=1)
    if reml:
        C1 = C @ first[:, :p, :p]
        L += 2.0 * float(np.sum(np.log(np.diag(root))))
        L1 = L1 + np.trace(C1, axis1=1, axis2=2)
        L2 = (
            L2 + np.sum(C * second[:, :p, :p], axis=(1, 2))
            - np.sum(C1[i] * np.swapaxes(C1[j], 1, 2), axis=(1, 2))
        )  # fmt: skip
    return Pieces(
        L=L, L1=L1, L2=_full(L2, pairs, R), r=r, r1=r1, r2=_full(r2, pairs, R),
        Na=N.value @ (a if T is None else T @ a),
    )  # fmt: skip


def _full(flat: np.ndarray, pairs: tuple[np.ndarray, np.ndarray], R: int) -> np.ndarray:
    out = np.empty((R, R))
    out[pairs] = flat
    out[pairs[::-1]] = flat
    return out


def free_residual(f: Pieces, nu: int) -> Held:
    """Return the criterion with s^2 at its minimum, r / nu."""
    return Held(
        value=f.L + nu * (1.0 + float(np.log(2.0 * np.pi * f.r / nu))), slope=f.L1 + nu * f.r1 / f.r,
        bend=f.L2 + nu * (f.r2 / f.r - np.outer(f.r1, f.r1) / f.r**2), by_parameter=0.0,
    )  # fmt: skip


def fixed_residual(f: Pieces, nu: int, s: float) -> Held:
    """Return the criterion at the residual SD s."""
    return Held(
        value=f.L + nu * float(np.log(2.0 * np.pi * s**2)) + f.r / s**2, slope=f.L1 + f.r1 / s**2,
        bend=f.L2 + f.r2 / s**2, by_parameter=2.0 * nu / s - 2.0 * f.r / s**3,
    )  # fmt: skip


def fixed_effect_sd(f: Pieces, nu: int, t: float, h: float, h1: np.ndarray) -> Held:
    """Return the criterion at the SD t of an effect with relative variance h, derivatives h1 (R,)."""
    v = t**2
    cross = np.outer(f.r1, h1)
    return Held(
        value=f.L + nu * float(np.log(2.0 * np.pi * v / h)) + f.r * h / v,
        slope=f.L1 - nu * h1 / h + (f.r1 * h + f.r * h1) / v,
        bend=f.L2 + nu * np.outer(h1, h1) / h**2 + (f.r2 * h + cross + cross.T) / v,
        by_parameter=2.0 * nu / t - 2.0 * f.r * h / t**3,
    )  # fmt: skip


def minimum(criterion: Criterion, phi: np.ndarray) -> Point | None:
    """Return the minimum reached from phi by Newton's method in a trust region, or None.

    Negative curvature is walked down; a point without slope but with negative curvature is left.
    """
    at, radius = criterion(phi), 1.0
    if at is None:
        return None
    for _ in range(LIMIT):
        value, gradient, hessian, _ = at
        w, U = np.linalg.eigh(hessian)
        size = np.maximum(np.abs(w), 1e-10 * max(float(np.abs(w).max(initial=0.0)), 1e-300))
        along = U.T @ gradient
        move, promise = -along / size, float(np.sum(along**2 / size))
        negative = bool(len(w)) and w[0] < -NEGATIVE * max(float(np.abs(w).max()), 1.0)
        if promise < FLAT and not negative:
            break
        if negative and promise < NEARLY_FLAT:
            move = np.where((w < 0.0) & (np.abs(move) < 0.1), 0.1, move)
        step = U @ move
        length = float(np.linalg.norm(step))
        step *= min(1.0, radius / length)
        trial = criterion(phi + step)
        if trial is not None and trial[0] < value + 1e-13 * abs(value):
            radius = max(radius, 2.0 * min(length, radius))
            done = promise < NEARLY_FLAT and not negative and value - trial[0] < 1e-13 * abs(value)
            phi, at = phi + step, trial
            if done:
                break
        else:
            radius = 0.25 * min(radius, length)
            if radius < 1e-9:
                break
    return Point(value=at[0], by_parameter=at[3], phi=phi) if _settled(at) else None


def _settled(at: tuple[float, np.ndarray, np.ndarray, float]) -> bool:
    w, U = np.linalg.eigh(at[2])
    size = np.maximum(np.abs(w), 1e-10 * max(float(np.abs(w).max(initial=0.0)), 1e-300))
    return float(np.sum((U.T @ at[1]) ** 2 / size)) < NEARLY_FLAT


def chained(held: Held, phi: np.ndarray, Gamma: np.ndarray) -> tuple[float, np.ndarray, np.ndarray, float]:
    """Return value, gradient and Hessian in phi, and the slope in the parameter; Gamma (R, m, m)."""
    J = Gamma @ phi
    hessian = J.T @ held.bend @ J + np.tensordot(held.slope, Gamma, axes=1)
    return held.value, J.T @ held.slope, hessian, held.by_parameter


def at_matrices(problem: Problem, matrices: list[np.ndarray]) -> Evaluation | None:
    """Return the evaluation at relative covariance matrices G."""
    return problem(factor_entries(problem.shape, matrices))


def factor_entries(shape: CovarianceShape, matrices: list[np.ndarray]) -> np.ndarray:
    """Return theta of relative covariance matrices, which may be singular."""
    factors = []
    for level, G in zip(shape.levels, matrices, strict=True):
        factor = np.zeros_like(G)
        for block in level.blocks:
            where = np.ix_(block, block)
            factor[where] = semidefinite_factor(G[where])
        factors.append(factor)
    return shape.pack(factors)
