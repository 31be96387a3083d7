"""The profile of a correlation, on the scale of its arc sine alpha.

In the effects' own units and in the order (i, j, others) the block's factor is

    [ x                                 ]
    [ y sin(alpha)   y cos(alpha)       ]        so that the correlation of i and j is sin(alpha) for x y > 0,
    [ others, free            ...       ]

linear in phi = (x, y, others); with F the inverse of the block's B, g = phi' Gamma(alpha) phi / 2 as in
`profile_criterion`, and the criterion's slope in alpha is f_g' (phi' dGamma phi) / 2. Where x y would turn
negative, the best of all models with this correlation is the limit with one variance zero, in which any
correlation is as good; its criterion is the profile there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from implstats.mixed.inference.profile_criterion import (
    Point,
    at_matrices,
    chained,
    free_residual,
    minimum,
    pieces,
)
from implstats.mixed.inference.profile_curves import COLD, Base, Curve, effect_removed

RIGHT_ANGLE = 0.5 * np.pi
STEP = 0.3  # radians


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Where a block with a fixed correlation lies among the parameters.

    Attributes
    ----------
    inverse : ndarray, (q, q)
        F, effects in the order (i, j, others).
    inside, outside : ndarray
        Entries of g in the block, and the others.
    left, right : ndarray
        Row and column of each entry inside, in the same order.
    """

    inverse: np.ndarray
    inside: np.ndarray
    outside: np.ndarray
    left: np.ndarray
    right: np.ndarray


def correlation_curve(base: Base, level: int, i: int, j: int) -> Curve:
    """Return the profile of the correlation of effects i and j of one block, both with positive variances."""
    at, shape, B = base.at, base.problem.shape, base.scaled.B[level]
    members = next(b for b in shape.levels[level].blocks if i in b)
    order = [i, j, *(k for k in members if k not in (i, j))]
    block = _block(base, level, order)
    without: list[float] = []  # the criterion with one of the two variances zero, found when it is needed

    def vacuous() -> float:
        if not without:
            without.extend(effect_removed(base, level, effect) for effect in (i, j))
        return min(without)

    def point(x: float, phi: np.ndarray) -> Point | None:
        first = len(block.outside)
        found = _minimum_at(base, block, x, phi)
        if found is not None and found.phi[first] * found.phi[first + 1] > 0.0 and found.value <= vacuous():
            return found
        return Point(value=vacuous(), by_parameter=0.0, phi=cold)

    own = B[np.ix_(order, order)] @ at.G[level][np.ix_(order, order)] @ B[np.ix_(order, order)].T
    sd = np.sqrt(np.diag(own))
    centre = float(np.arcsin(np.clip(own[0, 1] / (sd[0] * sd[1]), -1.0, 1.0)))
    cold = _start(block, np.full(shape.size, COLD), COLD * np.abs(np.diag(B)[order]))
    cold[: len(block.outside)] = _diagonal(base)[block.outside]
    return Curve(
        centre=centre, step=STEP, low=-RIGHT_ANGLE, high=RIGHT_ANGLE,
        end=lambda x: _value(point(x, cold)), point=point, carry=lambda phi, before, x: phi,
        warm=_warm(block, at.theta, own), cold=lambda x: cold, own=lambda x: float(np.sin(x)),
    )  # fmt: skip


def _value(point: Point | None) -> float | None:
    return None if point is None else point.value


def _diagonal(base: Base) -> np.ndarray:
    from implstats.mixed.gaussian.optimise import start

    return start(base.problem.shape, COLD)


def _block(base: Base, level: int, order: list[int]) -> Block:
    shape, B = base.problem.shape, base.scaled.B[level]
    rows, cols = shape.levels[level].entries
    mine = np.isin(rows, order)
    place = {k: n for n, k in enumerate(order)}
    inside = np.arange(shape.size)[shape.slices[level]][mine]
    return Block(
        inverse=np.linalg.inv(B[np.ix_(order, order)]), inside=inside,
        outside=np.setdiff1d(np.arange(shape.size), inside),
        left=np.array([place[r] for r in rows[mine]]), right=np.array([place[c] for c in cols[mine]]),
    )  # fmt: skip


def _start(block: Block, outside: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Return phi with uncorrelated others."""
    rest = [row for k in range(2, len(sd)) for row in (*np.zeros(k), sd[k])]
    return np.concatenate([outside[block.outside], sd[:2], rest])


def _warm(block: Block, theta: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return phi at the estimate, from the covariance matrix in the order of the block."""
    from implstats.mixed.gaussian.covariance import semidefinite_factor

    L = semidefinite_factor(own)
    rest = [value for k in range(2, len(own)) for value in L[k, : k + 1]]
    return np.concatenate([theta[block.outside], np.sqrt(np.diag(own)[:2]), rest])


def factor_parts(q: int, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the factor's derivatives in x, y and the others, (K, q, q), and their derivatives in alpha.

    >>> parts, turned = factor_parts(2, 0.0)
    >>> parts[1].tolist(), turned[1].tolist()
    ([[0.0, 0.0], [0.0, 1.0]], [[0.0, 0.0], [1.0, -0.0]])
    """
    K = q * (q + 1) // 2 - 1
    parts, turned = np.zeros((K, q, q)), np.zeros((K, q, q))
    parts[0, 0, 0] = 1.0
    parts[1, 1, :2] = np.sin(alpha), np.cos(alpha)
    turned[1, 1, :2] = np.cos(alpha), -np.sin(alpha)
    for k, (row, col) in enumerate(((r, c) for r in range(2, q) for c in range(r + 1)), start=2):
        parts[k, row, col] = 1.0
    return parts, turned


def _forms(base: Base, block: Block, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Return Gamma and its derivative in alpha, (R, R - 1, R - 1)."""
    shape, n = base.problem.shape, len(block.outside)
    parts, turned = (block.inverse @ part for part in factor_parts(len(block.inverse), alpha))
    plain = np.einsum("kac,lbc->klab", parts, parts)
    slope = np.einsum("kac,lbc->klab", turned, parts) + np.einsum("kac,lbc->klab", parts, turned)
    forms = []
    for pairs in (plain, slope):
        symmetric = (pairs + np.swapaxes(pairs, 0, 1))[:, :, block.left, block.right]
        Gamma = np.zeros((shape.size, shape.size - 1, shape.size - 1))
        Gamma[block.inside, n:, n:] = np.moveaxis(symmetric, 2, 0)
        forms.append(Gamma)
    forms[0][np.ix_(block.outside, np.arange(n), np.arange(n))] = shape.curvature[
        np.ix_(block.outside, block.outside, block.outside)
    ]
    return forms[0], forms[1]


def _minimum_at(base: Base, block: Block, alpha: float, phi: np.ndarray) -> Point | None:
    at, shape, reml = base.at, base.problem.shape, base.problem.reml
    Gamma, turned = _forms(base, block, alpha)

    def criterion(phi: np.ndarray) -> tuple[float, np.ndarray, np.ndarray, float] | None:
        here = at_matrices(base.problem, matrices_of(base, 0.5 * (Gamma @ phi) @ phi))
        f = None if here is None else pieces(here, shape.pairs, reml=reml, T=None)
        if f is None:
            return None
        held = free_residual(f, at.nu)
        slope = float(held.slope @ (0.5 * (turned @ phi) @ phi))
        return chained(replace(held, by_parameter=slope), phi, Gamma)

    return minimum(criterion, phi)


def matrices_of(base: Base, g: np.ndarray) -> list[np.ndarray]:
    out = []
    for level, where in zip(base.problem.shape.levels, base.problem.shape.slices, strict=True):
        rows, cols = level.entries
        G = np.zeros((level.q, level.q))
        G[rows, cols] = G[cols, rows] = g[where]
        out.append(G)
    return out
