"""Refits to resamples with missing answers: full information, and two stages, many samples at once.

Full information needs the persons' patterns of answers only, not the saturated moments, so that no EM runs:
the criterion is minimised from the fit's estimate. Two-stage estimation finds each resample's saturated
moments by Newton's method from the fit's own, and then fits them like complete data.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from implstats.sem.data.saturated import pack, unpack
from implstats.sem.estimators.incomplete import moment_information
from implstats.sem.fitted import Estimated
from implstats.sem.resampling.draws import Persons, resampled_moments
from implstats.sem.resampling.many import ManyEvaluations, places_of
from implstats.sem.resampling.many_incomplete import (
    ManyPatterns,
    evaluate_many_fiml,
    evaluate_many_moments,
    resampled_patterns,
)
from implstats.sem.resampling.newton import CHUNK, solve_many
from implstats.sem.resampling.refit import Refits, Resamples, batchable, judged, refit, solve_from_estimate
from implstats.sem.resampling.single import UNFIT, refit_singly

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Flags = NDArray[np.bool_]
# Numbers in one batch of patterns' matrices or of second derivatives.
BATCH = 1_000_000


def refit_incomplete(
    estimated: Estimated, persons: Persons, block: tuple[Array, ...]
) -> tuple[Refits, Resamples]:
    """Return the full-information estimates in resamples given as frequencies, group by group."""
    R, q = len(block[0]), estimated.table.n_free
    samples = _predictors(estimated, persons, block)
    thetas, value, verified = np.full((R, q), np.nan), np.full(R, np.nan), np.zeros(R, dtype=bool)
    if batchable(estimated):
        chunk = _chunk(estimated, persons)
        for first in range(0, R, chunk):
            part = np.arange(first, min(first + chunk, R))
            patterns = _patterns(persons.values, [F[part] for F in block])
            thetas[part], value[part], verified[part] = _solved(estimated, patterns, samples.take(part))
    left = np.flatnonzero(~verified)
    failures: dict[str, int] = {}
    if len(left):
        singles = refit_singly(estimated, persons.values, block, left)
        thetas[left], value[left] = singles.thetas, singles.value
        failures = {UNFIT: singles.unfit} if singles.unfit else {}
    return judged(estimated, thetas, value, samples, n_single=len(left), failures=failures), samples


def _predictors(estimated: Estimated, persons: Persons, block: tuple[Array, ...]) -> Resamples:
    """The moments of fixed predictors, who are complete; zero elsewhere."""
    R, p, x = len(block[0]), len(estimated.table.names.observed), estimated.x
    cov, mean = tuple(np.zeros((R, p, p)) for _ in block), tuple(np.zeros((R, p)) for _ in block)
    if x:
        found = resampled_moments([y[:, x] for y in persons.values], block)
        for g in range(len(block)):
            cov[g][:, np.array(x)[:, None], x], mean[g][:, x] = found.cov[g], found.mean[g]
    return Resamples(cov=cov, mean=mean, n=tuple(F.sum(axis=1) for F in block))


def _patterns(values: Sequence[Array], block: Sequence[Array]) -> list[ManyPatterns]:
    return [resampled_patterns(y, F) for y, F in zip(values, block, strict=True)]


def _chunk(estimated: Estimated, persons: Persons) -> int:
    """Resamples in one batch, so that its matrices stay small."""
    p = len(estimated.table.names.observed)
    patterns = max(len(np.unique(np.isfinite(y), axis=0)) for y in persons.values)
    return int(np.clip(BATCH // max(patterns * p * p, p**4 // 4), 1, CHUNK))


def _solved(
    estimated: Estimated, patterns: Sequence[ManyPatterns], samples: Resamples
) -> tuple[Array, Array, Flags]:
    places = [places_of(structure) for structure in estimated.structures]
    persons = np.asarray(sum(samples.n))

    def evaluate(which: Index, points: Array, hessian: bool) -> ManyEvaluations:
        value, gradient, half = np.zeros(len(which)), np.zeros_like(points), None
        for g, structure in enumerate(estimated.structures):
            one = evaluate_many_fiml(
                structure, places[g], patterns[g].take(which), points, samples.cov[g][which],
                samples.mean[g][which], hessian=hessian,
            )  # fmt: skip
            share = (samples.n[g] / persons)[which]
            value, gradient = value + share * one.value, gradient + share[:, None] * one.gradient
            if one.hessian is not None:
                part = share[:, None, None] * one.hessian
                half = part if half is None else half + part
        return ManyEvaluations(value=value, gradient=gradient, hessian=half)

    return solve_from_estimate(estimated, evaluate, len(samples))


def refit_two_stage(
    estimated: Estimated, persons: Persons, block: tuple[Array, ...]
) -> tuple[Refits, Resamples]:
    """Return the two-stage estimates in resamples given as frequencies, group by group."""
    R, q, p = len(block[0]), estimated.table.n_free, len(estimated.table.names.observed)
    cov, mean = tuple(np.zeros((R, p, p)) for _ in block), tuple(np.zeros((R, p)) for _ in block)
    fine, chunk = np.ones(R, dtype=bool), _chunk(estimated, persons)
    for g, F in enumerate(block):
        for first in range(0, R, chunk):
            part = np.arange(first, min(first + chunk, R))
            patterns = resampled_patterns(persons.values[g], F[part])
            cov[g][part], mean[g][part], verified = _saturated(estimated, g, patterns)
            fine[part] &= verified
    samples = Resamples(cov=cov, mean=mean, n=tuple(F.sum(axis=1) for F in block))
    thetas, value = np.full((R, q), np.nan), np.full(R, np.nan)
    staged = refit(estimated, samples.take(fine))
    thetas[fine], value[fine] = staged.thetas, staged.value
    left = np.flatnonzero(~fine)
    failures: dict[str, int] = {}
    if len(left):
        singles = refit_singly(estimated, persons.values, block, left)
        thetas[left], value[left] = singles.thetas, singles.value
        failures = {UNFIT: singles.unfit} if singles.unfit else {}
    n_single = len(left) + staged.n_single
    return judged(estimated, thetas, value, samples, n_single=n_single, failures=failures), samples


def _saturated(estimated: Estimated, g: int, patterns: ManyPatterns) -> tuple[Array, Array, Flags]:
    """Stage one: the saturated moments of resamples, and which are verified."""
    own = estimated.sample.groups[g].two_stage
    if own is None:
        raise AssertionError("a two-stage fit keeps its patterns")
    p = len(own.saturated.mean)
    start = np.repeat(pack(own.saturated.cov, own.saturated.mean)[None], len(patterns.n), axis=0)
    information = moment_information(own.patterns, own.saturated.state, observed=True)

    def evaluate(which: Index, points: Array, hessian: bool) -> ManyEvaluations:
        return evaluate_many_moments(patterns.take(which), points, hessian=hessian)

    found, _, verified = solve_many(
        evaluate, start, inverse=np.linalg.inv(information).astype(float, copy=False), basis=None
    )
    cov, mean = np.empty((len(found), p, p)), np.empty((len(found), p))
    for r, vector in enumerate(found):
        cov[r], mean[r] = unpack(vector, p)
    return cov, mean, verified
