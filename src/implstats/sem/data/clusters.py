"""Persons in clusters: whose scores belong together in the cluster-robust sandwich.

With s_j the sum of the scores of cluster j's persons, m / (m - 1) sum_j s_j s_j' over m clusters takes the
place of sum_i s_i s_i' in the covariance matrix of the estimates and in the scaling factors: Binder (1983),
Muthen & Satorra (1995). It rests on as many independent contributions as there are clusters, so few clusters
make it too small (Cameron & Miller 2015).

LEAST_CLUSTERS: below ten, the 95 % quantile of t with (clusters - 1) degrees of freedom, the usual reference
for few clusters, lies more than 15 % above the normal one that these tests use; such fits are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from implstats.errors import DataError, did_you_mean
from implstats.results import Check
from implstats.sem.data.groups import GroupedSample, TakeSample
from implstats.sem.data.sample import Sample

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
LEAST_CLUSTERS = 10
ENOUGH_CLUSTERS = 30


def read_clusters(data: pd.DataFrame, column: str) -> Array:
    """Return each row's cluster as a number from 0 in order of appearance, NaN where missing, shape (rows,).

    Raises
    ------
    DataError
        No such column, or it stands twice.
    """
    if column not in data.columns:
        known = did_you_mean(column, map(str, data.columns))
        raise DataError(f"cluster: there is no column '{column}'{known or '. Name a column of the data.'}")
    if (data.columns == column).sum() > 1:
        raise DataError(f"cluster: column '{column}' stands twice in the data. Rename one.")
    import pandas as pd

    codes = np.asarray(pd.factorize(data[column], use_na_sentinel=True)[0], dtype=float)
    return np.where(codes < 0, np.nan, codes)


def taking_clusters(take: TakeSample) -> TakeSample:
    """Return a function that takes a sample from values whose last column is the cluster."""

    def take_clustered(values: Array, names: Sequence[str], x: Sequence[str]) -> Sample:
        known = ~np.isnan(values[:, -1])
        answers, codes = values[known, :-1], values[known, -1]
        sample = take(answers, names, x)
        lost = int((~known).sum())
        sample = replace(sample, n_rows=len(values), n_dropped=sample.n_dropped + lost, n_no_cluster=lost)
        return _with_cluster(sample, answers, codes, [name in set(x) for name in names])

    return take_clustered


def _with_cluster(sample: Sample, values: Array, codes: Array, predictor: Sequence[bool]) -> Sample:
    """Put the clusters of the persons used beside them, in the sample's order."""
    seen = ~np.isnan(values)
    incomplete = sample.incomplete
    if incomplete is None:
        return replace(sample, cluster=codes[seen.all(axis=1)].astype(np.intp))
    used = seen.any(axis=1) & seen[:, np.asarray(predictor)].all(axis=1)
    _, pattern = np.unique(np.packbits(seen[used], axis=1), axis=0, return_inverse=True)
    cluster = codes[used][np.argsort(pattern.reshape(-1), kind="stable")].astype(np.intp)
    patterns = replace(incomplete.patterns, cluster=cluster)
    return replace(sample, cluster=cluster, incomplete=replace(incomplete, patterns=patterns))


def require_clusters(sample: GroupedSample, column: str) -> None:
    """Raise :class:`DataError` for too few clusters, or clusters that reach over groups."""
    found = [np.unique(s.cluster) for s in sample.groups if s.cluster is not None]
    every = np.concatenate(found)
    shared = len(every) - len(np.unique(every))
    if shared:
        raise DataError(
            f"{shared} cluster(s) of '{column}' have persons in several groups of '{sample.column}', so "
            "the groups are not independent, as a model of several groups takes them to be. Model the "
            "grouping as a predictor, or number the clusters within groups if they are different ones."
        )
    if len(every) < LEAST_CLUSTERS:
        raise DataError(
            f"'{column}' holds {len(every)} cluster(s) with persons in use; cluster-robust standard errors "
            f"need at least {LEAST_CLUSTERS}, better {ENOUGH_CLUSTERS}, because they rest on as many "
            "independent contributions. Leave cluster out and add the clusters as 0/1 predictors (fixed "
            "effects), or use a mixed model with small-sample corrections."
        )


def check_clusters(sample: GroupedSample, *, column: str, n_free: int) -> list[Check]:
    """Say how many clusters carry the standard errors, how large they are and whether they suffice."""
    sizes = np.concatenate(
        [np.unique(s.cluster, return_counts=True)[1] for s in sample.groups if s.cluster is not None]
    )
    count = len(sizes)
    n_lost = sum(s.n_no_cluster for s in sample.groups)
    lost = f" {n_lost} row(s) without a cluster were left out." if n_lost else ""
    checks = [Check(
        name="clusters", status="info",
        message=f"Standard errors and tests allow for {count} clusters of '{column}' with {sizes.min()} to "
                f"{sizes.max()} persons.{lost}",
    )]  # fmt: skip
    if count < ENOUGH_CLUSTERS:
        checks.append(Check(
            name="few_clusters", status="warn",
            message=f"{count} clusters are fewer than {ENOUGH_CLUSTERS}: cluster-robust standard errors tend "
                    "to be too small and tests too liberal. Read them with caution, or compare with a mixed "
                    "model and its small-sample corrections.",
        ))  # fmt: skip
    if count <= n_free:
        checks.append(Check(
            name="cluster_rank", status="warn",
            message=f"{count} clusters for {n_free} free parameters: the covariance matrix of the estimates "
                    "is singular, so single standard errors stand, but tests of many parameters at once do "
                    "not.",
        ))  # fmt: skip
    return checks
