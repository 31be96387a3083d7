"""Newton's method for many responses at once: the same rules as `gaussian.optimise`, a trust region each.

Responses that have arrived leave the active set, so that the last ones cost what they need.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from implstats.mixed.gaussian.optimise import LIMIT, NEARLY_FLAT, NEGATIVE, SMALL_DECREASE
from implstats.mixed.resampling.criterion import Evaluations, evaluate_many
from implstats.mixed.resampling.moments import Responses, Shared

COMPRESS = 0.75  # share of active responses below which their moments are copied together
FLAT_DECREMENT, FLAT_CURVATURE = 1e-7, -1e-5  # as Search.flat


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """Newton steps (R, r), promised decreases, negative curvature, smallest eigenvalue's share, (r,)."""

    move: np.ndarray
    decrement: np.ndarray
    negative: np.ndarray
    share: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class Searches:
    """Where the searches ended.

    Attributes
    ----------
    at : Evaluations
        With value infinity where the criterion did not exist at the start.
    decrement, share : ndarray, (r,)
        Promised decrease, deviance units; smallest curvature as a share of the largest.
    saddle : ndarray, (r,) bool
        A nearly flat point with negative curvature was met.
    """

    at: Evaluations
    decrement: np.ndarray
    share: np.ndarray
    saddle: np.ndarray

    @property
    def flat(self) -> np.ndarray:
        """Gradient zero and curvature not negative, (r,)."""
        return np.isfinite(self.at.value) & (self.decrement < FLAT_DECREMENT) & (self.share > FLAT_CURVATURE)

    def put(self, which: np.ndarray, other: Searches) -> None:
        """Replace the responses at these positions."""
        self.at.put(which, other.at)
        for field in fields(self):
            if field.name != "at":
                getattr(self, field.name)[which] = getattr(other, field.name)

    def take(self, which: np.ndarray) -> Searches:
        """Return the responses at these positions."""
        return Searches(
            at=self.at.take(which), decrement=self.decrement[which], share=self.share[which],
            saddle=self.saddle[which],
        )  # fmt: skip


def newton_steps(at: Evaluations) -> Steps:
    """Return the step of each response, in the axes of its Hessian, downhill along negative curvature."""
    known = np.isfinite(at.value)
    H = np.where(known, at.hessian, np.eye(len(at.theta))[:, :, None]).transpose(2, 0, 1)
    w, U = np.linalg.eigh(H)
    largest = np.maximum(np.abs(w).max(axis=1), 1e-300)
    along = np.einsum("rij,ir->rj", U, np.where(known, at.gradient, 0.0))
    size = np.maximum(np.abs(w), 1e-10 * largest[:, None])
    move = -along / size
    low = w < -NEGATIVE * largest[:, None]
    negative = low[:, 0]
    decrement = np.sum(along**2 / size, axis=1)
    stuck = low & (np.abs(move) < 0.1) & (decrement < SMALL_DECREASE)[:, None]
    move = np.where(stuck, 0.1, move)
    return Steps(
        move=np.einsum("rij,rj->ir", U, move), decrement=np.where(known, decrement, np.inf),
        negative=negative, share=w[:, 0] / largest,
    )  # fmt: skip


def minimise_many(shared: Shared, responses: Responses, theta: np.ndarray) -> Searches:
    """Return the minima reached from theta, (R, r)."""
    at = evaluate_many(shared, responses, theta)
    count = theta.shape[1]
    saddle = np.zeros(count, dtype=bool)
    radius = np.ones(count)
    active = np.flatnonzero(np.isfinite(at.value))
    held, position = responses, np.arange(count)
    for _ in range(LIMIT):
        now = at.take(active)
        steps = newton_steps(now)
        saddle[active] |= steps.negative & (steps.decrement < NEARLY_FLAT)
        left = ~((steps.decrement < SMALL_DECREASE) & ~steps.negative)
        active, now = active[left], now.take(left)
        if len(active) == 0:
            break
        if len(active) < COMPRESS * len(position):
            held, position = responses.take(active), active
        subset = held if len(active) == len(position) else held.take(np.searchsorted(position, active))
        going = _advance(shared, subset, at, now, steps.move[:, left], steps.decrement[left], active, radius)
        active = active[going]
    _polish(shared, responses, at)
    last = newton_steps(at)
    return Searches(at=at, decrement=last.decrement, share=last.share, saddle=saddle)


def _advance(
    shared: Shared, responses: Responses, at: Evaluations, now: Evaluations, step: np.ndarray,
    decrement: np.ndarray, active: np.ndarray, radius: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Try one step of each active response, keep what is better, adapt its radius; return which go on."""
    length = np.linalg.norm(step, axis=0)
    own = radius[active]
    step = step * np.minimum(1.0, own / length)
    trial = evaluate_many(shared, responses, now.theta + step)
    promised = -(
        np.sum(now.gradient * step, axis=0) + 0.5 * np.einsum("ir,ijr,jr->r", step, now.hessian, step)
    )
    gain = now.value - trial.value
    good = (gain > -1e-12 * np.abs(now.value)) & ((gain > 0.0) | (decrement < 1e-6))
    grown = np.where((gain > 0.75 * promised) & (length >= own), 2.0 * own, own)
    shrunk = np.where(gain < 0.25 * promised, np.maximum(0.5 * own, 1e-6), grown)
    radius[active] = np.where(good, shrunk, 0.25 * np.minimum(own, length))
    at.put(active[good], trial.take(good))
    return good | (radius[active] >= 1e-10)


def _polish(shared: Shared, responses: Responses, at: Evaluations) -> None:
    """Take one last full step where it makes the gradient smaller."""
    steps = newton_steps(at)
    which = np.flatnonzero(~steps.negative & (steps.decrement >= 1e-18) & (steps.decrement <= 1e-4))
    if len(which) == 0:
        return
    trial = evaluate_many(shared, responses.take(which), at.theta[:, which] + steps.move[:, which])
    better = np.linalg.norm(trial.gradient, axis=0) < np.linalg.norm(at.gradient[:, which], axis=0)
    better &= np.isfinite(trial.value)
    at.put(which[better], trial.take(better))
