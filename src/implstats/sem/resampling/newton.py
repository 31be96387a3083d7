"""Newton's method for many criteria of the same parameters at once, one for each resample.

A first step from the estimate uses the curvature there, the same for every sample; exact Newton steps
follow, theta = theta_0 + Z u within linear equality constraints. A sample leaves the batch when the gain
that is left, g' H^-1 g / 2, is far below what any result shows. Verified is an optimum that has a positive
definite exact Hessian and whose gradient, taken once more where the last step ended, is flat. A step is
halved where F rises or does not exist. What :data:`MAX_STEPS` do not solve stays unverified.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from implstats.sem.resampling.many import ManyEvaluations, positive_definite

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Flags = NDArray[np.bool_]
Evaluate = Callable[[Index, Array, bool], ManyEvaluations]
# Most samples need three steps; the few that need more are gathered for a second round.
FEW_STEPS, MAX_STEPS = 8, 60
# Samples in one batch: their matrices then stay in the processor's cache.
CHUNK = 64
# Newton squares the error, so that a step from here ends at rounding; what is left is then measured.
NEARLY = 1e-7
# What may be left of F: estimates then lie within 1e-8 of a standard deviation of the optimum.
LEFT = 1e-17
# F of one sample may rise by rounding only.
RISE = 1e-10
# A step that had to be halved more often than this goes to the single search.
SMALLEST = 1e-4
# Least scaled curvature along which a step is measured where H is not positive definite.
FLOOR = 0.05


def solve_many(
    evaluate: Evaluate, start: Array, *, inverse: Array, basis: Array | None, chunk: int = CHUNK
) -> tuple[Array, Array, Flags]:
    """Return where each of R criteria is least, from ``start``, shape (R, q), F there and what is verified.

    Parameters
    ----------
    evaluate : callable
        (numbers of samples, their points, whether the Hessian is wanted) -> evaluations.
    inverse : ndarray, shape (q, q)
        Of half the Hessian where the search starts; the first step goes by it.
    basis : ndarray, shape (q, r), or None
        Z, the directions that linear equality constraints leave.
    chunk : int
        Samples in one batch.
    """
    R = len(start)
    thetas, value, verified = start.copy(), np.full(R, np.nan), np.zeros(R, dtype=bool)
    for steps in (FEW_STEPS, MAX_STEPS):
        left = np.flatnonzero(~verified)
        for first in range(0, len(left), chunk):
            part = left[first : first + chunk]
            thetas[part], value[part], verified[part] = _newton(
                evaluate, part, thetas[part], inverse, basis, steps=steps
            )
    return thetas, value, verified


def _newton(
    evaluate: Evaluate, part: Index, start: Array, first: Array, Z: Array | None, *, steps: int
) -> tuple[Array, Array, Flags]:
    """Points, F and whether verified, of the samples ``part`` in one batch, from start, shape (R, q)."""
    R = len(part)
    base = start.copy()
    value, verified = np.full(R, np.inf), np.zeros(R, dtype=bool)
    try:
        here = evaluate(part, base, False)
        step = -0.5 * here.gradient @ first
        before, size, active = here.value, np.ones(R), np.flatnonzero(np.isfinite(here.value))
        for _ in range(steps):
            if not len(active):
                break
            point = base[active] + size[active, None] * step[active]
            here = evaluate(part[active], point, True)
            g, H = _inside(here, Z)
            fine = np.isfinite(here.value) & (here.value <= before[active] + RISE)
            size[active[~fine]] *= 0.5
            took = active[fine]
            active = active[size[active] > SMALLEST]
            if not len(took):
                continue
            base[took], before[took], size[took] = point[fine], here.value[fine], 1.0
            curved, inverse = _inverses(H[fine])
            inner = -0.5 * (inverse @ g[fine][:, :, None])[:, :, 0]
            gain = -0.5 * (g[fine] * inner).sum(axis=1)
            step[took] = inner if Z is None else inner @ Z.T
            near = curved & (gain < NEARLY)
            if near.any():
                ends = took[near]
                base[ends] += step[ends]
                there = evaluate(part[ends], base[ends], False)
                slope = there.gradient if Z is None else there.gradient @ Z
                left = 0.25 * (slope * (inverse[near] @ slope[:, :, None])[:, :, 0]).sum(axis=1)
                flat = np.isfinite(there.value) & (left < LEFT)
                value[ends], verified[ends], step[ends] = there.value, flat, 0.0
                active = active[~np.isin(active, ends[flat])]
    except np.linalg.LinAlgError:  # some I - B has no inverse: the single search finds out which
        return base, value, np.zeros(R, dtype=bool)
    return base, value, verified


def _inverses(H: Array) -> tuple[Flags, Array]:
    """Which of the matrices are positive definite, and inverses; of the others, of their absolute value.

    A step by |H| goes downhill along directions of negative curvature as well (Nocedal & Wright 2006, 3.4);
    the eigenvalues are those of H scaled to a unit diagonal and kept away from zero.
    """
    curved = positive_definite(H)
    safe = H if curved.all() else np.where(curved[:, None, None], H, np.eye(H.shape[1]))
    inverse = np.linalg.inv(safe).astype(float, copy=False)
    if not curved.all():
        bad = H[~curved]
        scale = 1.0 / np.sqrt(np.abs(np.diagonal(bad, axis1=1, axis2=2)) + 1e-12)
        values, vectors = np.linalg.eigh(bad * scale[:, :, None] * scale[:, None, :])
        vectors = scale[:, :, None] * vectors
        lifted = 1.0 / np.maximum(np.abs(values), FLOOR)
        inverse[~curved] = (vectors * lifted[:, None, :]) @ vectors.swapaxes(1, 2)
    return curved, inverse


def _inside(here: ManyEvaluations, Z: Array | None) -> tuple[Array, Array]:
    """Gradient and half Hessian within the constraints."""
    if here.hessian is None:
        raise AssertionError("the Hessian was asked for")
    return (here.gradient, here.hessian) if Z is None else (here.gradient @ Z, Z.T @ here.hessian @ Z)
