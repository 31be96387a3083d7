"""Refit a model to resamples of its persons, complete or not, and work out what each refit means."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from implstats.sem.fitted import Estimated
from implstats.sem.resampling.draws import Persons, left_out, resampled_moments
from implstats.sem.resampling.intervals import acceleration
from implstats.sem.resampling.quantities import quantities
from implstats.sem.resampling.refit import Refits, Resamples, refit
from implstats.sem.resampling.refit_incomplete import refit_incomplete, refit_two_stage
from implstats.sem.resampling.refit_least_squares import refit_least_squares

Array = NDArray[np.float64]
Progress = Callable[[int], None]
Refitting = Callable[[Estimated, Persons, tuple[Array, ...]], tuple[Refits, Resamples]]
# Resamples between two lines of progress.
AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Refits of all draws with their values, shape (draws, rows), and standardised values."""

    refits: Refits
    raw: Array
    standardised: Array


def draw_all(
    estimated: Estimated,
    persons: Persons,
    blocks: Iterator[tuple[Array, ...]],
    *,
    progress: Progress | None = None,
) -> Drawn:
    """Refit the model to each resample, given as blocks of frequencies.

    Parameters
    ----------
    progress : callable, optional
        Told after each batch how many resamples are done.
    """
    take, parts, done = _refitting(estimated), [], 0
    for block in blocks:
        for first in range(0, len(block[0]), AT_ONCE):
            some = tuple(F[first : first + AT_ONCE] for F in block)
            refits, samples = take(estimated, persons, some)
            found = quantities(estimated, refits.thetas, samples)
            parts.append(Drawn(refits=refits, raw=found.raw, standardised=found.standardised))
            done += len(some[0])
            if progress is not None:
                progress(done)
    return Drawn(
        refits=joined([p.refits for p in parts]),
        raw=np.vstack([p.raw for p in parts]),
        standardised=np.vstack([p.standardised for p in parts]),
    )


def joined(parts: Sequence[Refits]) -> Refits:
    """Return the refits of several batches as one."""
    failures: dict[str, int] = {}
    for part in parts:
        for reason, count in part.failures.items():
            failures[reason] = failures.get(reason, 0) + count
    return Refits(
        thetas=np.vstack([p.thetas for p in parts]),
        value=np.concatenate([p.value for p in parts]),
        proper=np.concatenate([p.proper for p in parts]),
        admissible=np.concatenate([p.admissible for p in parts]),
        n_single=sum(p.n_single for p in parts),
        failures=failures,
    )


def _refitting(estimated: Estimated) -> Refitting:
    """What refits the model to resamples, as its estimator and its data ask."""
    if estimated.options.least_squares:
        return refit_least_squares
    if estimated.options.two_stage:
        return refit_two_stage
    return refit_incomplete if estimated.sample.full_information else _refit_complete


def _refit_complete(
    estimated: Estimated, persons: Persons, block: tuple[Array, ...]
) -> tuple[Refits, Resamples]:
    samples = resampled_moments(persons.values, block)
    return refit(estimated, samples), samples


def accelerations(estimated: Estimated, persons: Persons, *, progress: Progress | None = None) -> Array:
    """Return a of every row, raw and standardised, shape (2, rows)."""
    without = draw_all(estimated, persons, left_out(persons), progress=progress)
    if persons.cluster is not None:
        group = np.zeros(persons.n_clusters, dtype=np.intp)
    else:
        group = np.repeat(np.arange(len(persons.values)), [len(v) for v in persons.values])
    fine = without.refits.proper
    return np.stack([acceleration(v[fine], group[fine]) for v in (without.raw, without.standardised)])
