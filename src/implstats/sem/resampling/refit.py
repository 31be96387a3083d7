"""Refits of one model to many complete samples, all of them at once.

What the batch (:mod:`implstats.sem.resampling.newton`) does not solve goes through the search of single fits,
and so do models with curved constraints or inequalities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from implstats.errors import DataError
from implstats.sem.checks import BOUNDARY
from implstats.sem.data.groups import GroupedSample
from implstats.sem.estimators.ml import SampleMoments
from implstats.sem.estimators.search import build_problem, search_optimum
from implstats.sem.fitted import Estimated
from implstats.sem.language.syntax import ModelTextError
from implstats.sem.resampling.many import ManyEvaluations, Places, evaluate_many, places_of
from implstats.sem.resampling.many_least_squares import complete_many
from implstats.sem.resampling.newton import CHUNK, Evaluate, solve_many

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Index = NDArray[np.intp]
# A search that ends at all takes ten or twenty steps; samples without an optimum must not cost many more.
SINGLE_STEPS = 40


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
    failures : dict
        What kept samples from being fitted at all, and how many of them.
    """

    thetas: Array
    value: Array
    proper: Flags
    admissible: Flags
    n_single: int
    failures: Mapping[str, int] = field(default_factory=dict)


def refit(estimated: Estimated, samples: Resamples) -> Refits:
    """Return the estimates of a fitted model, by ML of complete data, in each of the samples."""
    R, q = len(samples), estimated.table.n_free
    if batchable(estimated):
        places = [places_of(structure) for structure in estimated.structures]

        def evaluate(which: Index, points: Array, hessian: bool) -> ManyEvaluations:
            return evaluate_groups(estimated, places, samples.take(which), points, hessian=hessian)

        thetas, value, verified = solve_from_estimate(estimated, evaluate, R)
    else:
        thetas, value, verified = np.full((R, q), np.nan), np.full(R, np.nan), np.zeros(R, dtype=bool)
    left = np.flatnonzero(~verified)
    for r in left:
        thetas[r], value[r] = refit_one(estimated, samples, int(r))
    return judged(estimated, thetas, value, samples, n_single=len(left))


def solve_from_estimate(
    estimated: Estimated, evaluate: Evaluate, R: int, *, chunk: int = CHUNK
) -> tuple[Array, Array, Flags]:
    """Return :func:`solve_many` started at the fit's estimate."""
    space = estimated.problem.space
    return solve_many(
        evaluate, np.repeat(estimated.optimum.theta[None], R, axis=0), chunk=chunk,
        inverse=estimated.inverse(estimated.observed), basis=None if space is None else space.basis,
    )  # fmt: skip


def judged(
    estimated: Estimated, thetas: Array, value: Array, samples: Resamples, *, n_single: int,
    failures: Mapping[str, int] | None = None,
) -> Refits:  # fmt: skip
    """Return the refits: proper where F is finite, and admissible or not."""
    proper = np.isfinite(value)
    admissible = np.zeros(len(value), dtype=bool)
    admissible[proper] = admissible_many(estimated, thetas[proper], samples.take(proper))
    return Refits(
        thetas=np.where(proper[:, None], thetas, np.nan), value=value, proper=proper, admissible=admissible,
        n_single=n_single, failures=dict(failures or {}),
    )  # fmt: skip


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
        found = search_optimum(other, start=estimated.optimum.theta, steps=SINGLE_STEPS)
    except (ModelTextError, DataError, np.linalg.LinAlgError):
        found = None
    if found is None or not found.proper:
        return np.full(estimated.table.n_free, np.nan), np.nan
    return found.optimum.theta, found.optimum.evaluation.value


def admissible_many(estimated: Estimated, thetas: Array, samples: Resamples) -> Flags:
    """Return which estimates have residual and latent covariance matrices that are positive semidefinite."""
    fine = np.ones(len(thetas), dtype=bool)
    for g, structure in enumerate(estimated.structures):
        ls = estimated.sample.groups[g].least_squares
        matrices = complete_many(structure, ls, thetas, samples.cov[g], samples.mean[g]).matrices
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
