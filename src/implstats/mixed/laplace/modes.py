"""The mode of the random effects given the parameters, by Newton's method on all clusters at once.

    h(v) = -sum_i l(e_i) + v'v / 2,    e = X b + offset + Z Lambda v

is strictly convex, and a sum over top clusters that do not share an effect: a step that does not lower a top
cluster's h is halved there only. The error of a step is of the order of its square, so that a step below
SMALL is the last one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from implstats.mixed.laplace.eliminate import Factor, factorise, outer_map, solve
from implstats.mixed.laplace.families import Family, Rows
from implstats.mixed.laplace.nested import Nested, mix, transpose

SMALL = 1e-6  # largest change of a linear predictor or an effect; the next would be of its square's order
NOTHING = 1e-14  # a change of it is rounding
SAFE = 0.02  # a step below it is in the region where Newton's method cannot fail for these families
LIMIT = 100
HALVINGS = 30


@dataclass(frozen=True, slots=True)
class Mode:
    """The mode v by level (q_l, n_l) and along paths (Q, n_1), the linear predictor, the rows' derivatives,
    the clusters' sums of w U U (pairs, n_1), the factor of the Hessian there, and `outer_map` of F."""

    v: list[np.ndarray]
    path: np.ndarray
    eta: np.ndarray
    rows: Rows
    S: np.ndarray
    factor: Factor
    outer: np.ndarray


def find_mode(
    family: Family, nested: Nested, fixed: np.ndarray, extra: np.ndarray, F: np.ndarray,
    start: Sequence[np.ndarray],
) -> Mode | None:  # fmt: skip
    """Return the mode, or None where it cannot be computed.

    Parameters
    ----------
    fixed : ndarray, (n,)
        Linear predictor without random effects.
    F : ndarray, (B, Q)
    start : sequence of ndarray, (q_l, n_l)
    """
    v, outer = list(start), outer_map(F, nested)
    path, eta, rows = _at(family, nested, fixed, extra, F, v)
    if not np.isfinite(rows.value.sum()):
        v = [np.zeros_like(x) for x in v]
        path, eta, rows = _at(family, nested, fixed, extra, F, v)
    for _ in range(LIMIT):
        S = nested.by_pair(rows.weight)
        factor = factorise(S, outer, nested)
        step = solve(factor, F.T @ nested.by_column(rows.score), [-x for x in v], nested)
        step_path = nested.path(step)
        largest = max(float(np.abs(step_path).max()), float(np.abs(F @ step_path).max()))
        if not np.isfinite(largest):
            return None
        if largest < NOTHING:
            return Mode(v, path, eta, rows, S, factor, outer)
        height = None if largest < SAFE else _heights(nested, rows, v)
        trial = [x + s for x, s in zip(v, step, strict=True)]
        path, eta, rows = _at(family, nested, fixed, extra, F, trial)
        if largest < SMALL:
            S = nested.by_pair(rows.weight)
            return Mode(trial, path, eta, rows, S, factorise(S, outer, nested), outer)
        if height is not None:
            found = _heights(nested, rows, trial)
            if not np.all(found <= height + 1e-12 * np.abs(height)):
                trial, path, eta, rows = _halved(family, nested, fixed, extra, F, v, step, height)
        v = trial
    return None


def predict(
    family: Family, nested: Nested, mode: Mode, F: np.ndarray, *, by_fixed: np.ndarray, by_loading:
    np.ndarray, extra: np.ndarray, by_extra: np.ndarray,
) -> list[np.ndarray]:  # fmt: skip
    """Return the mode after a small move of the parameters, to first order: v + dv with H dv = -d(dh/dv).

    ``by_fixed`` (n,) and ``by_loading`` (B, Q) are the changes of the fixed part and of F, ``by_extra`` (E,)
    that of the extra parameters. For K moves at once they are (K, n), (B, Q, K) and (K, E).
    """
    path, factor, vs, score = mode.path, mode.factor, mode.v, nested.by_column(mode.rows.score)
    if by_loading.ndim > 2:
        path, factor, vs = path[:, None], factor.for_copies(), [v[:, None] for v in vs]
        F, score = F[..., None], score[:, None]
    moved = by_fixed + nested.random_part(mix(by_loading, path))
    change = -mode.rows.weight * moved
    if np.any(by_extra):
        change = change + family.density(mode.eta, extra + by_extra)[1] - mode.rows.score
    right = mix(transpose(F), nested.by_column(change))
    if np.any(by_loading):
        right = right + mix(transpose(by_loading), score)
    return [v + dv for v, dv in zip(vs, solve(factor, right, None, nested), strict=True)]


def near_modes(
    family: Family, nested: Nested, fixed: np.ndarray, extra: np.ndarray, F: np.ndarray,
    v: Sequence[np.ndarray],
) -> Mode:  # fmt: skip
    """Return what `find_mode` returns, at effects (q_l, K, n_l) that are taken for the modes of K copies."""
    path, eta, rows = _at(family, nested, fixed, extra, F, v)
    S, outer = nested.by_pair(rows.weight), outer_map(F, nested)
    return Mode(list(v), path, eta, rows, S, factorise(S, outer, nested), outer)


def _at(
    family: Family, nested: Nested, fixed: np.ndarray, extra: np.ndarray, F: np.ndarray,
    v: Sequence[np.ndarray],
) -> tuple[np.ndarray, np.ndarray, Rows]:  # fmt: skip
    path = nested.path(v)
    eta = nested.random_part(mix(F, path))
    eta += fixed
    return path, eta, family.rows(eta, extra)


def _heights(nested: Nested, rows: Rows, v: Sequence[np.ndarray]) -> np.ndarray:
    """Return h of each top cluster, (n_L,)."""
    total = np.zeros(0)
    for level, x in enumerate(v):
        own = 0.5 * np.sum(x * x, axis=0)
        total = own if level == 0 else own + np.add.reduceat(total, nested.child_starts[level - 1])
    return total - np.add.reduceat(rows.value, nested.top_starts)


def _halved(
    family: Family, nested: Nested, fixed: np.ndarray, extra: np.ndarray, F: np.ndarray,
    v: Sequence[np.ndarray], step: Sequence[np.ndarray], height: np.ndarray,
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray, Rows]:  # fmt: skip
    """Return the step with its length halved in each top cluster until h falls there."""
    length = np.ones(nested.sizes[-1])
    for _ in range(HALVINGS):
        lengths = [length]
        for parent in reversed(nested.parent):
            lengths.insert(0, lengths[0][parent])
        trial = [x + size * s for x, s, size in zip(v, step, lengths, strict=True)]
        path, eta, rows = _at(family, nested, fixed, extra, F, trial)
        found = _heights(nested, rows, trial)
        worse = ~(found <= height + 1e-12 * np.abs(height))
        if not worse.any():
            break
        length[worse] *= 0.5
    return trial, path, eta, rows
