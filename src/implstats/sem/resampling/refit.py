"""Refits of one model to many complete samples: Newton's method for all of them at once.

A first step from the estimate uses the information there, the same for every sample; exact Newton steps
follow, theta = theta_0 + Z u within linear equality constraints. A sample leaves the batch when the gain
that is left, g' H^-1 g / 2, is far below what any result shows. Verified is an optimum that has a positive
definite exact Hessian and whose gradient, taken once more where the last step ended, is flat. A step is
halved where F rises or Sigma is not positive definite. Where :data:`MAX_STEPS` do not suffice, the sample
goes through the search of single fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from implstats.errors import DataError
from implstats.sem.checks import BOUNDARY
from implstats.sem.data.groups import GroupedSample
from implstats.sem.estimators.ml import SampleMoments
from implstats.sem.estimators.search import build_problem, search_optimum
from implstats.sem.fitted import Estimated
from implstats.sem.language.syntax import ModelTextError
from implstats.sem.resampling.many import (
    ManyEvaluations,
    Places,
    evaluate_many,
    fill_many,
    places_of,
    positive_definite,
)

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Resamples:
    """Moments of R samples, group by group.

    Attributes
    ----------
    cov, mean : tuple of ndarray, shapes (R, p, p) and (R, p)
        Divisor n.
    n : tuple of ndarray, shape (R,)
        Persons.
    """

    cov: tuple[Array, ...]
    mean: tuple[Array, ...]
    n: tuple[Array, ...]

    def __len__(self) -> int:
        return len(self.cov[0])

    def take(self, which: slice | NDArray[np.intp] | Flags) -> Resamples:
        """Return some of the samples."""
        return Resamples(
            cov=tuple(c[which] for c in self.cov),
            mean=tuple(m[which] for m in self.mean),
            n=tuple(n[which] for n in self.n),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Refits:
    """Estimates of R samples.

    Attributes
    ----------
    thetas : ndarray, shape (R, q)
        NaN where no proper optimum was found.
    value : ndarray, shape (R,)
        F there.
    proper, admissible : ndarray of bool, shape (R,)
        Whether there is a verified optimum; whether its covariance matrices could be.
    n_single : int
        Samples that needed the single search.
    """

    thetas: Array
    value: Array
    proper: Flags
    admissible: Flags
    n_single: int


def refit(estimated: Estimated, samples: Resamples) -> Refits:
    """Return the estimates of a fitted model, by ML of complete data, in each of the samples."""
    R, q = len(samples), estimated.table.n_free
    thetas, value = np.full((R, q), np.nan), np.full(R, np.nan)
    verified = np.zeros(R, dtype=bool)
    if batchable(estimated):
        places = [places_of(structure) for structure in estimated.structures]
        thetas[:] = estimated.optimum.theta
        for steps in (FEW_STEPS, MAX_STEPS):
            left = np.flatnonzero(~verified)
            for first in range(0, len(left), CHUNK):
                part = left[first : first + CHUNK]
                thetas[part], value[part], verified[part] = _newton(
                    estimated, places, samples.take(part), thetas[part], steps=steps
                )
    left = np.flatnonzero(~verified)
    for r in left:
        thetas[r], value[r] = refit_one(estimated, samples, int(r))
    proper = np.isfinite(value)
    admissible = np.zeros(R, dtype=bool)
    admissible[proper] = admissible_many(estimated, thetas[proper], samples.take(proper))
    return Refits(thetas=thetas, value=value, proper=proper, admissible=admissible, n_single=len(left))


def batchable(estimated: Estimated) -> bool:
    """Whether the model's constraints are linear equalities between parameters alone, or none."""
    labelled = any(row.exo and row.label for row in estimated.table.rows)
    return not estimated.table.constraints or (
        not labelled and all(c.equality and c.linear for c in estimated.table.constraints)
    )


def evaluate_groups(
    estimated: Estimated, places: Sequence[Places], samples: Resamples, thetas: Array, *, hessian: bool
) -> ManyEvaluations:
    """Return F of all groups together."""
    n = sum(samples.n)
    value, gradient, curvature = np.zeros(len(thetas)), np.zeros_like(thetas), None
    for g, structure in enumerate(estimated.structures):
        found = evaluate_many(structure, places[g], thetas, samples.cov[g], samples.mean[g], hessian=hessian)
        share = samples.n[g] / n
        value = value + share * found.value
        gradient = gradient + share[:, None] * found.gradient
        if found.hessian is not None:
            part = share[:, None, None] * found.hessian
            curvature = part if curvature is None else curvature + part
    return ManyEvaluations(value=value, gradient=gradient, hessian=curvature)


def _newton(
    estimated: Estimated, places: Sequence[Places], samples: Resamples, start: Array, *, steps: int
) -> tuple[Array, Array, Flags]:
    """Estimates, F and whether verified, of samples in one batch, from start, shape (R, q)."""
    space, R = estimated.problem.space, len(samples)
    Z = None if space is None else space.basis
    base = start.copy()
    value, verified = np.full(R, np.inf), np.zeros(R, dtype=bool)
    try:
        here = evaluate_groups(estimated, places, samples, base, hessian=False)
        step = -0.5 * here.gradient @ estimated.inverse(estimated.observed)
        before, size, active = here.value, np.ones(R), np.flatnonzero(np.isfinite(here.value))
        for _ in range(steps):
            if not len(active):
                break
            point = base[active] + size[active, None] * step[active]
            here = evaluate_groups(estimated, places, samples.take(active), point, hessian=True)
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
                there = evaluate_groups(estimated, places, samples.take(ends), base[ends], hessian=False)
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


def refit_one(estimated: Estimated, samples: Resamples, r: int) -> tuple[Array, float]:
    """Return the estimate in one sample by the search of single fits; NaN without a proper optimum."""
    groups = []
    for g, group in enumerate(estimated.sample.groups):
        cov, n = samples.cov[g][r], int(samples.n[g][r])
        sign, log_det = np.linalg.slogdet(cov)
        if sign <= 0 or n <= len(cov):
            return np.full(estimated.table.n_free, np.nan), np.nan
        moments = SampleMoments(cov=cov, mean=samples.mean[g][r], n=n, log_det=float(log_det))
        groups.append(replace(group, moments=moments))
    return search_sample(estimated, replace(estimated.sample, groups=tuple(groups)))


def search_sample(estimated: Estimated, sample: GroupedSample) -> tuple[Array, float]:
    """Return the estimate in a sample, searched from the fit's estimate first; NaN without a proper
    optimum.
    """
    problem = estimated.problem
    try:
        other = build_problem(problem.text, problem.table, sample, problem.options)
        found = search_optimum(other, start=estimated.optimum.theta)
    except (ModelTextError, DataError, np.linalg.LinAlgError):
        found = None
    if found is None or not found.proper:
        return np.full(estimated.table.n_free, np.nan), np.nan
    return found.optimum.theta, found.optimum.evaluation.value


def admissible_many(estimated: Estimated, thetas: Array, samples: Resamples) -> Flags:
    """Return which estimates have residual and latent covariance matrices that are positive semidefinite."""
    fine = np.ones(len(thetas), dtype=bool)
    for g, structure in enumerate(estimated.structures):
        matrices = fill_many(structure, thetas, samples.cov[g], samples.mean[g])
        for name in ("theta", "psi"):
            fine &= _semidefinite(matrices[name])
    return fine


def _semidefinite(matrices: Array) -> Flags:
    variances = np.diagonal(matrices, axis1=1, axis2=2)
    fine: Flags = np.asarray((variances >= 0).all(axis=1))
    if np.any(matrices * (1.0 - np.eye(matrices.shape[1]))):
        sd = np.sqrt(np.where(variances > 0, variances, 1.0))
        scaled = matrices / (sd[:, :, None] * sd[:, None, :])
        fine &= np.linalg.eigvalsh(scaled)[:, 0] >= -BOUNDARY
    return fine
