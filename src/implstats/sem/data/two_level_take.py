"""From a frame to the statistics of a two-level model, with every problem of the data said."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from implstats.errors import DataError, UsageError
from implstats.results import Check
from implstats.sem.data.clusters import read_clusters
from implstats.sem.data.sample import named_list, read_columns, take_sample
from implstats.sem.data.two_level import TwoLevelSample, two_level_statistics, varying_names
from implstats.sem.data.two_level_incomplete import filled_in, incomplete_clusters
from implstats.sem.model.two_level import Levels
from implstats.sem.two_level_checks import require_clusters_for_level_2

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
# Cluster means this close to a straight line of each other are one variable.
SAME = 1.0 - 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A sample, the rows left out, and what is to be said of them."""

    sample: TwoLevelSample
    n_dropped: int
    checks: tuple[Check, ...]


def take_two_level(
    data: pd.DataFrame, levels: Levels, cluster: str, *, few_clusters: str, missing: str
) -> Taken:
    """Return the statistics of the complete persons with a cluster.

    Raises
    ------
    UsageError, DataError
        What the data cannot bear, with the names.
    ModelError
        Too few clusters for level 2.
    """
    if not hasattr(data, "columns"):
        raise UsageError(f"The data should be a pandas DataFrame; this is a {type(data).__name__}.")
    names = levels.names
    latent = (*levels.by_level[0].names.latent, *levels.by_level[1].names.latent)
    values = read_columns(data, names, tuple(dict.fromkeys(latent)))
    codes = read_clusters(data, cluster)
    gaps = _left_out(values, levels, missing)
    no_cluster = np.isnan(codes)
    used = ~gaps & ~no_cluster
    kept, at = values[used], codes[used].astype(np.intp)
    alone = np.array([i for i, n in enumerate(names) if n not in levels.within.observed], dtype=np.intp)
    _refuse_varying(values[~no_cluster], codes[~no_cluster].astype(np.intp), levels, alone, cluster)
    sizes = np.bincount(at)[np.unique(at)] if len(at) else np.zeros(0)
    _refuse_sizes(len(kept), len(sizes), len(levels.within.observed), cluster)
    require_clusters_for_level_2(len(sizes), levels, few_clusters=few_clusters)
    codes_of = np.unique(at, return_inverse=True)[1]
    with_gaps = bool(np.isnan(kept).any())
    whole = filled_in(kept, codes_of, levels.rows[0]) if with_gaps else kept
    take_sample(whole, names, ())  # names constant and dependent variables
    sample = two_level_statistics(whole, at, *levels.rows)
    if with_gaps:
        sample = replace(sample, incomplete=incomplete_clusters(kept, codes_of, levels.rows[0]))
    _refuse_no_spread(sample, levels)
    _refuse_cluster_means(sample, levels, alone)
    return Taken(sample=sample, n_dropped=int((~used).sum()), checks=tuple(_said(gaps, no_cluster, sample)))


def _left_out(values: Array, levels: Levels, missing: str) -> NDArray[np.bool_]:
    """Rows that are not used: with any gap; or without any answer of level 1 or without a predictor."""
    gaps = np.isnan(values)
    if missing == "listwise":
        return np.asarray(gaps.any(axis=1))
    x = [levels.names.index(name) for name in (*levels.x[0], *levels.x[1])]
    return np.asarray(gaps[:, levels.rows[0]].all(axis=1) | gaps[:, x].any(axis=1))


def _said(gaps: NDArray[np.bool_], no_cluster: NDArray[np.bool_], sample: TwoLevelSample) -> list[Check]:
    if sample.incomplete is None:
        return _rows(gaps, no_cluster)
    lost = int((gaps | no_cluster).sum())
    left = f" {lost} row(s) without any answer, predictor or cluster were left out." if lost else ""
    return [Check(
        name="full_information", status="info",
        message=f"{sample.n} of {len(gaps)} persons used, with {sample.incomplete.share_missing:.1%} of "
                f"answers missing.{left} Estimates are right if answers are missing at random given those "
                "in the cluster.",
    )]  # fmt: skip


def _rows(gaps: NDArray[np.bool_], no_cluster: NDArray[np.bool_]) -> list[Check]:
    lost = int((gaps | no_cluster).sum())
    if not lost:
        return [Check(name="listwise", status="ok", message=f"All {len(gaps)} persons answered everything.")]
    without = int(no_cluster.sum())
    of_cluster = f", {without} of them for a missing cluster" if without else ""
    return [Check(
        name="listwise", status="warn" if lost > 0.05 * len(gaps) else "info",
        message=f"{lost} of {len(gaps)} rows ({lost / len(gaps):.1%}) were left out for missing "
                f"answers{of_cluster}. That is "
                "unbiased only where answers are missing completely at random. missing='fiml' uses "
                "every answer given.",
    )]  # fmt: skip


def _refuse_varying(
    values: Array, codes: NDArray[np.intp], levels: Levels, alone: NDArray[np.intp], cluster: str
) -> None:
    varying = varying_names(values, codes, levels.names, alone) if len(alone) and len(values) else []
    if varying:
        raise DataError(
            f"{named_list(varying)} stand(s) at level 2 alone but differ(s) within clusters of '{cluster}'. "
            "Name it at level 1 as well ('y ~~ y' will do), which splits it in two parts, or take a column "
            "of cluster means."
        )


def _refuse_sizes(n: int, n_clusters: int, p: int, cluster: str) -> None:
    if n_clusters < 2 or n - n_clusters <= p:
        raise DataError(
            f"{n} persons in {n_clusters} cluster(s) of '{cluster}': a two-level model needs "
            f"at least two clusters and more than {p} persons beyond one a cluster."
        )


def _refuse_no_spread(sample: TwoLevelSample, levels: Levels) -> None:
    """Variables of level 1 that do not vary within clusters."""
    variance = np.diag(sample.within)
    flat = variance <= 1e-12 * np.maximum(np.diag(sample.cov)[sample.at_within], 1e-300)
    if flat.any():
        names = [n for n, bad in zip(levels.within.observed, flat, strict=True) if bad]
        raise DataError(
            f"{named_list(names)} do(es) not vary within clusters, but stand(s) at level 1. Name it at level "
            "2 alone."
        )


def _refuse_cluster_means(sample: TwoLevelSample, levels: Levels, alone: NDArray[np.intp]) -> None:
    """Variables of level 2 that are the cluster means of variables with a part at both levels."""
    both = np.array([i for i, n in enumerate(levels.names) if n in levels.both], dtype=np.intp)
    if not len(alone) or not len(both):
        return
    sd = np.sqrt(np.diag(sample.cov_clusters))
    if not np.all(sd[alone] > 0):
        return
    correlation = sample.cov_clusters / np.outer(np.where(sd > 0, sd, 1.0), np.where(sd > 0, sd, 1.0))
    row, col = np.nonzero(np.abs(correlation[np.ix_(alone, both)]) > SAME)
    if len(row):
        pairs = [
            f"{levels.names[alone[i]]} (of {levels.names[both[j]]})" for i, j in zip(row, col, strict=True)
        ]
        raise DataError(
            f"Level 2 holds cluster means of variables that have a part there already: {named_list(pairs)}. "
            "Leave them out: level 2 models the part between clusters itself."
        )
