"""Refit a model to resamples of its persons, complete or not, and work out what each refit means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from implstats.errors import DataError
from implstats.sem.data.fiml_sample import take_incomplete_sample
from implstats.sem.fitted import Estimated
from implstats.sem.resampling.draws import Persons, left_out, resampled_moments
from implstats.sem.resampling.intervals import acceleration
from implstats.sem.resampling.quantities import quantities
from implstats.sem.resampling.refit import Refits, Resamples, admissible_many, refit, search_sample

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Refits of all draws with their values, shape (draws, rows), and standardised values."""

    refits: Refits
    raw: Array
    standardised: Array


def draw_all(estimated: Estimated, persons: Persons, blocks: Iterator[tuple[Array, ...]]) -> Drawn:
    """Refit the model to each resample, given as blocks of frequencies."""
    incomplete = estimated.sample.full_information
    parts = []
    for block in blocks:
        if incomplete:
            refits, samples = _refit_incomplete(estimated, persons, block)
        else:
            samples = resampled_moments(persons.values, block)
            refits = refit(estimated, samples)
        found = quantities(estimated, refits.thetas, samples)
        parts.append(Drawn(refits=refits, raw=found.raw, standardised=found.standardised))
    return Drawn(
        refits=Refits(
            thetas=np.vstack([p.refits.thetas for p in parts]),
            value=np.concatenate([p.refits.value for p in parts]),
            proper=np.concatenate([p.refits.proper for p in parts]),
            admissible=np.concatenate([p.refits.admissible for p in parts]),
            n_single=sum(p.refits.n_single for p in parts),
        ),
        raw=np.vstack([p.raw for p in parts]),
        standardised=np.vstack([p.standardised for p in parts]),
    )


def _refit_incomplete(
    estimated: Estimated, persons: Persons, block: tuple[Array, ...]
) -> tuple[Refits, Resamples]:
    """Refit to each resample of persons with missing answers, one after the other."""
    names, R, q = estimated.table.names, len(block[0]), estimated.table.n_free
    p = len(names.observed)
    thetas, value = np.full((R, q), np.nan), np.full(R, np.nan)
    covs = tuple(np.full((R, p, p), np.nan) for _ in block)
    means, sizes = tuple(np.full((R, p), np.nan) for _ in block), tuple(F.sum(axis=1) for F in block)
    for r in range(R):
        try:
            groups = [
                take_incomplete_sample(np.repeat(y, F[r].astype(int), axis=0), names.observed, names.x)
                for y, F in zip(persons.values, block, strict=True)
            ]
        except DataError:  # such a resample cannot bear the model: it counts as failed
            continue
        for g, group in enumerate(groups):
            covs[g][r], means[g][r] = group.moments.cov, group.moments.mean
        thetas[r], value[r] = search_sample(estimated, replace(estimated.sample, groups=tuple(groups)))
    samples, proper = Resamples(cov=covs, mean=means, n=sizes), np.isfinite(value)
    admissible = np.zeros(R, dtype=bool)
    admissible[proper] = admissible_many(estimated, thetas[proper], samples.take(proper))
    return Refits(thetas=thetas, value=value, proper=proper, admissible=admissible, n_single=R), samples


def accelerations(estimated: Estimated, persons: Persons) -> Array:
    """Return a of every row, raw and standardised, shape (2, rows)."""
    without = draw_all(estimated, persons, left_out(persons))
    if persons.cluster is not None:
        group = np.zeros(persons.n_clusters, dtype=np.intp)
    else:
        group = np.repeat(np.arange(len(persons.values)), [len(v) for v in persons.values])
    fine = without.refits.proper
    return np.stack([acceleration(v[fine], group[fine]) for v in (without.raw, without.standardised)])
