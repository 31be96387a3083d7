"""Grouping factors: numbering clusters and finding which level lies within which.

A level is nested in another if each of its clusters lies in one cluster of the other. Levels are ordered by
nesting, lowest (most clusters) first. Clusters are numbered by their ids in sorted order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from implstats.errors import DataError, NotSupportedError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Clusters:
    """Clusters of one grouping factor.

    Attributes
    ----------
    name : str
        As lme4 prints it; ``person:clinic`` for persons within clinics.
    columns : tuple of str
    codes : ndarray, (n,) integers
        Cluster number of each row.
    first : ndarray, (size,) integers
        One row of each cluster.
    size : int
    """

    name: str
    columns: tuple[str, ...]
    codes: np.ndarray
    first: np.ndarray
    size: int


def number_clusters(frame: pd.DataFrame, columns: tuple[str, ...]) -> Clusters:
    """Return the clusters formed by the combination of ``columns``, which hold no missing ids."""
    codes, size = _codes(frame[columns[0]])
    for column in columns[1:]:
        more, count = _codes(frame[column])
        _, codes = np.unique(codes * count + more, return_inverse=True)
        codes, size = codes.reshape(-1), int(codes.max()) + 1
    first = np.empty(size, dtype=np.int64)
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    return Clusters(name=":".join(columns), columns=columns, codes=codes, first=first, size=size)


def _codes(series: pd.Series) -> tuple[np.ndarray, int]:
    import pandas as pd

    values = series.to_numpy()
    if values.dtype.kind in "iu":
        low, high = int(values.min()), int(values.max())
        if high - low < 10 * len(values) + 100:
            # Whole numbers in a narrow range are counted, not sorted: this is what large data need.
            present = np.zeros(high - low + 1, dtype=bool)
            present[values - low] = True
            number = np.cumsum(present) - 1
            return number[values - low], int(number[-1]) + 1
    try:
        codes, ids = pd.factorize(values, sort=True)
    except TypeError:
        codes, ids = pd.factorize(values.astype(str), sort=True)
    return codes.astype(np.int64), len(ids)


def order_levels(clusters: Sequence[Clusters]) -> list[Clusters]:
    """Return levels lowest first.

    Raises
    ------
    NotSupportedError
        If two grouping factors are crossed.
    DataError
        If two grouping factors form the same clusters.
    """
    levels = sorted(clusters, key=lambda level: -level.size)
    for lower, upper in pairwise(levels):
        split = int(np.sum(_parents(lower, upper)[lower.codes] != upper.codes))
        if split:
            parts = len(np.unique(lower.codes * upper.size + upper.codes))
            raise NotSupportedError(
                f"The clusters '{lower.name}' ({lower.size}) are not nested in "
                f"'{upper.name}' ({upper.size}): "
                f"together they form {parts} combinations. If '{lower.name}' ids start anew in each "
                f"'{upper.name}', write (1 | {upper.name}/{lower.name}). Crossed factors "
                "are not fitted in this "
                f"version: enter one of them as fixed categories, factor({upper.name}), instead."
            )
        if lower.size == upper.size:
            raise DataError(
                f"'{lower.name}' and '{upper.name}' form the same {lower.size} clusters, so their variances "
                "cannot be told apart. Drop one of the two."
            )
    return levels


def _parents(lower: Clusters, upper: Clusters) -> np.ndarray:
    """Return the upper cluster of each lower cluster, (lower.size,)."""
    return upper.codes[lower.first]


def ancestors(levels: Sequence[Clusters]) -> list[list[np.ndarray]]:
    """Return for each level the cluster numbers at every level above it."""
    return [[_parents(lower, upper) for upper in levels[i + 1 :]] for i, lower in enumerate(levels)]
