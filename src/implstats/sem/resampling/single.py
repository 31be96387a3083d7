"""Refits of resamples one after the other: the data are taken anew and the search starts at the estimate.

For what no batch serves: full weight matrices of ordered items, ordered beside continuous items, predictors
of ordered items, constraints that are curved or inequalities; and samples that a batch did not solve.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from implstats.errors import DataError
from implstats.sem.data.fiml_sample import take_incomplete_sample, take_two_stage_sample
from implstats.sem.data.groups import GroupedSample
from implstats.sem.data.moment_sample import take_moment_sample
from implstats.sem.data.ordinal_sample import Categories, take_ordinal_sample
from implstats.sem.data.sample import Sample, take_sample
from implstats.sem.fitted import Estimated
from implstats.sem.resampling.refit import search_sample

Array = NDArray[np.float64]
Index = NDArray[np.intp]
# What is said of samples whose data cannot bear the model.
UNFIT = "moments that no model fits: too few different persons, or variables without variance of their own"


@dataclass(frozen=True, slots=True, kw_only=True)
class Singles:
    """Estimates of some samples, one after the other.

    Attributes
    ----------
    thetas, value : ndarray, shapes (R, q) and (R,)
        NaN where there is no proper optimum.
    cov, mean : tuple of ndarray, shapes (R, p, p) and (R, p)
        Moments of each group.
    unfit : int
        Samples whose data could not bear the model.
    """

    thetas: Array
    value: Array
    cov: tuple[Array, ...]
    mean: tuple[Array, ...]
    unfit: int


def refit_singly(
    estimated: Estimated, values: Sequence[Array], frequencies: Sequence[Array], which: Index
) -> Singles:
    """Return the estimates in the resamples ``which`` of persons (n_g, p) with frequencies (R, n_g)."""
    R, q, p = len(which), estimated.table.n_free, len(estimated.table.names.observed)
    thetas, value, unfit = np.full((R, q), np.nan), np.full(R, np.nan), 0
    cov = tuple(np.full((R, p, p), np.nan) for _ in values)
    mean = tuple(np.full((R, p), np.nan) for _ in values)
    for k, r in enumerate(which):
        try:
            groups = tuple(
                retaken(estimated, np.repeat(y, F[r].astype(int), axis=0))
                for y, F in zip(values, frequencies, strict=True)
            )
        except DataError:  # counted, and said in a check
            unfit += 1
            continue
        for g, group in enumerate(groups):
            cov[g][k], mean[g][k] = group.moments.cov, group.moments.mean
        thetas[k], value[k] = search_sample(estimated, _grouped(estimated.sample, groups))
    return Singles(thetas=thetas, value=value, cov=cov, mean=mean, unfit=unfit)


def _grouped(sample: GroupedSample, groups: tuple[Sample, ...]) -> GroupedSample:
    return replace(sample, groups=groups)


def retaken(estimated: Estimated, values: Array) -> Sample:
    """Return the sample of persons, shape (n, p), as the fit took its own.

    Raises
    ------
    DataError
        The persons cannot bear the model.
    """
    names, options = estimated.table.names, estimated.options
    if options.ordered:
        return take_ordinal_sample(
            values, names.observed, names.x, options=options, categories=categories_of(estimated)
        )
    if options.least_squares:
        return take_moment_sample(
            values, names.observed, names.x, estimator=options.estimator, means=estimated.table.means
        )
    if options.two_stage:
        return take_two_stage_sample(values, names.observed, names.x)
    take = take_incomplete_sample if estimated.sample.full_information else take_sample
    return take(values, names.observed, names.x)


def categories_of(estimated: Estimated) -> Categories:
    """Return the answers in use of each ordered item in the fit, over all groups."""
    every = np.vstack([s.answers for s in estimated.sample.groups if s.answers is not None])
    names = estimated.table.names.observed
    return Categories(
        values={
            name: np.unique(every[np.isfinite(every[:, i]), i])
            for i, name in enumerate(names)
            if name in estimated.options.ordered
        }
    )
