"""Which persons a resample holds, and its moments.

A resample is how often each person is drawn, f_r (n,), with n_r = sum f_r; with persons y_i measured from the
sample's mean and all R resamples in the rows of F,

    m_r = F y / n_r,    S_r = F (y_i y_i') / n_r - m_r m_r'

two products of matrices. Persons are drawn with replacement within their group; with clusters whole clusters
are drawn, as many as there are (Davison & Hinkley 1997, 3.8).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from implstats.errors import DataError, UsageError, did_you_mean
from implstats.sem.data.columns import as_frame
from implstats.sem.data.groups import group_rows
from implstats.sem.data.sample import Sample, read_columns
from implstats.sem.fitted import Estimated
from implstats.sem.resampling.refit import Resamples

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
Index = NDArray[np.intp]
# Numbers in one block of frequencies: resamples times persons.
BLOCK = 4_000_000
FEW_CLUSTERS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Persons:
    """The persons of a fit, group by group.

    Attributes
    ----------
    values : tuple of ndarray, shape (n_g, p)
        Answers, NaN where missing.
    cluster : tuple of ndarray of int, shape (n_g,), or None
        Each person's cluster, from 0.
    n_clusters : int
        Zero without clusters.
    """

    values: tuple[Array, ...]
    cluster: tuple[Index, ...] | None = None
    n_clusters: int = 0


def persons_of(estimated: Estimated, *, data: pd.DataFrame | None, cluster: str | None) -> Persons:
    """Return the persons that a fit rests on, with their clusters if asked for.

    Raises
    ------
    UsageError
        A cluster without the data.
    DataError
        No such column, data that are not those of the fit, persons without a cluster, a single cluster.
    """
    own = tuple(_answers(sample) for sample in estimated.sample.groups)
    if isinstance(data, Mapping):
        data = as_frame(data)
    if cluster is None:
        fitted = estimated.options.cluster
        if fitted is not None:
            raise UsageError(
                f"The fit takes persons as clustered in '{fitted}', so clusters must be drawn. Give "
                f"cluster='{fitted}' and the frame that was fitted as data."
            )
        return Persons(values=own if data is None else _from_frame(estimated, own, data)[0])
    if data is None:
        raise UsageError(
            f"cluster '{cluster}' is a column of the data, which a fit does not keep. Give the frame that "
            "was fitted as data, too."
        )
    if cluster not in data.columns:
        raise DataError(
            f"cluster: there is no column '{cluster}'{did_you_mean(cluster, map(str, data.columns))}"
        )
    return _clustered(estimated, own, data, cluster)


def _answers(sample: Sample) -> Array:
    """The answers of a group's persons, NaN where missing."""
    if sample.answers is not None:
        return sample.answers
    incomplete = sample.incomplete or sample.two_stage
    return sample.centred + sample.moments.mean if incomplete is None else incomplete.patterns.rows


def _from_frame(
    estimated: Estimated, own: Sequence[Array], data: pd.DataFrame, codes: Index | None = None
) -> tuple[tuple[Array, ...], list[Index]]:
    """The fit's persons in the order of the frame, group by group, and their rows.

    ``codes`` are each row's cluster, -1 without one.
    """
    names = estimated.table.names
    every = read_columns(data, names.observed, names.latent)
    column = estimated.sample.column
    parts = group_rows(data, column).rows if column else (np.arange(len(data)),)
    values, rows = [], []
    predictors = [] if estimated.options.two_stage else estimated.x
    others = [i for i in range(len(names.observed)) if not estimated.options.ordered or i not in predictors]
    for mine, fitted in zip(parts, own, strict=True):
        seen = ~np.isnan(every[mine])
        used = seen.all(axis=1)
        if estimated.options.missing != "listwise":
            used = seen[:, others].any(axis=1) & seen[:, predictors].all(axis=1)
        if estimated.options.cluster is not None and codes is not None:
            used &= codes[mine] >= 0  # such a fit left persons without a cluster out
        rows.append(mine[used])
        values.append(every[rows[-1]])
        if len(values[-1]) != len(fitted) or not np.allclose(np.nansum(values[-1], 0), np.nansum(fitted, 0)):
            raise DataError("data is not the frame that was fitted: its persons differ. Give the same frame.")
    return tuple(values), rows


def _clustered(estimated: Estimated, own: Sequence[Array], data: pd.DataFrame, cluster: str) -> Persons:
    import pandas as pd

    codes, _ = pd.factorize(data[cluster], use_na_sentinel=True)
    values, rows = _from_frame(estimated, own, data, codes)
    clusters = [np.asarray(codes[mine], dtype=np.intp) for mine in rows]
    lacking = sum(int((c < 0).sum()) for c in clusters)
    if lacking:
        raise DataError(
            f"{lacking} person(s) of the fit have no {cluster}. Fit the model without them, or fill it in."
        )
    present = np.unique(np.concatenate(clusters))
    if len(present) < 2:
        raise DataError(
            f"'{cluster}' holds one cluster; resampling clusters needs several, better {FEW_CLUSTERS}."
        )
    compact = tuple(np.searchsorted(present, c) for c in clusters)
    return Persons(values=values, cluster=compact, n_clusters=len(present))


def random_frequencies(persons: Persons, *, draws: int, seed: int) -> Iterator[tuple[Array, ...]]:
    """Yield blocks of frequencies, each group's of shape (R, n_g), ``draws`` resamples in all."""
    rng = np.random.default_rng(seed)
    sizes = [len(v) for v in persons.values]
    for R in _blocks(draws, sum(sizes)):
        if persons.cluster is None:
            yield tuple(_counts(rng.integers(0, n, size=(R, n)), n) for n in sizes)
        else:
            k = persons.n_clusters
            times = _counts(rng.integers(0, k, size=(R, k)), k)
            yield tuple(times[:, of] for of in persons.cluster)


def frequencies_of(indices: Index, n: int) -> tuple[Array]:
    """Return how often each of n persons stands in each row of indices, shape (R, any)."""
    return (_counts(indices, n),)


def left_out(persons: Persons) -> Iterator[tuple[Array, ...]]:
    """Yield blocks of frequencies that leave out one person (or cluster) after the other, group by group."""
    sizes = [len(v) for v in persons.values]
    if persons.cluster is not None:
        for R, first in _numbered(persons.n_clusters, sum(sizes)):
            out = np.arange(first, first + R)[:, None]
            yield tuple((of != out).astype(float) for of in persons.cluster)
        return
    for g, size in enumerate(sizes):
        for R, first in _numbered(size, sum(sizes)):
            block = [np.ones((R, n)) for n in sizes]
            block[g][np.arange(R), first + np.arange(R)] = 0.0
            yield tuple(block)


def _blocks(total: int, n: int) -> Iterator[int]:
    size = max(1, BLOCK // n)
    for first in range(0, total, size):
        yield min(size, total - first)


def _numbered(total: int, n: int) -> Iterator[tuple[int, int]]:
    first = 0
    for R in _blocks(total, n):
        yield R, first
        first += R


def _counts(indices: Index, n: int) -> Array:
    R = len(indices)
    flat = (indices + n * np.arange(R)[:, None]).ravel()
    return np.bincount(flat, minlength=R * n).reshape(R, n).astype(float)


def resampled_moments(values: Sequence[Array], frequencies: Sequence[Array]) -> Resamples:
    """Return the moments of resamples of complete persons, each group's (n_g, p) and (R, n_g)."""
    covs, means, sizes = [], [], []
    for y, F in zip(values, frequencies, strict=True):
        p, center = y.shape[1], y.mean(axis=0)
        centred = y - center
        i, j = np.triu_indices(p)
        n = F.sum(axis=1)
        shift = F @ centred / n[:, None]
        packed = F @ (centred[:, i] * centred[:, j]) / n[:, None] - shift[:, i] * shift[:, j]
        cov = np.empty((len(F), p, p))
        cov[:, i, j] = cov[:, j, i] = packed
        covs.append(cov)
        means.append(center + shift)
        sizes.append(n)
    return Resamples(cov=tuple(covs), mean=tuple(means), n=tuple(sizes))
