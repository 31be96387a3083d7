"""Grouping factors: numbering clusters and finding which level lies within which.

A level is nested in another if each of its clusters lies in one cluster of the other. Levels are ordered by
their number of clusters, most first, which orders nested levels from the lowest up; levels of which one is
not nested in the next are crossed. Clusters are numbered by their ids in sorted order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from implstats.errors import DataError, NotSupportedError

if TYPE_CHECKING:
    import pandas as pd

NEEDS_NESTING = (
    "This rests on nested levels, and this model has crossed ones. Enter one of the crossed factors as fixed "
    "categories, factor(...), for it."
)


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
    ids : dict of str to ndarray, (size,)
        Ids of each cluster by column.
    """

    name: str
    columns: tuple[str, ...]
    codes: np.ndarray
    first: np.ndarray
    size: int
    ids: dict[str, np.ndarray] = field(default_factory=dict)


def number_clusters(frame: Mapping[str, pd.Series] | pd.DataFrame, columns: tuple[str, ...]) -> Clusters:
    """Return the clusters formed by the combination of ``columns``, which hold no missing ids."""
    codes, size = _codes(frame[columns[0]])
    for column in columns[1:]:
        more, count = _codes(frame[column])
        _, codes = np.unique(codes * count + more, return_inverse=True)
        codes, size = codes.reshape(-1), int(codes.max()) + 1
    first = np.empty(size, dtype=np.int64)
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    return Clusters(
        name=":".join(columns), columns=columns, codes=codes, first=first, size=size,
        ids={column: frame[column].to_numpy()[first] for column in columns},
    )  # fmt: skip


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


class NotNested(list[list[np.ndarray]]):
    """In place of the clusters above each cluster, where levels are crossed: any look at it is refused."""

    def __getitem__(self, index: object) -> NoReturn:
        raise NotSupportedError(NEEDS_NESTING)

    def __iter__(self) -> NoReturn:
        raise NotSupportedError(NEEDS_NESTING)


def order_levels(clusters: Sequence[Clusters], *, crossed: bool = False) -> list[Clusters]:
    """Return levels lowest first: most clusters first; crossed levels only if ``crossed``.

    Raises
    ------
    NotSupportedError
        If two grouping factors are crossed and may not be.
    DataError
        If two grouping factors form the same clusters.
    """
    levels = sorted(clusters, key=lambda level: -level.size)
    for lower, upper in combinations(levels, 2):
        if lower.size == upper.size and nested(lower, upper):
            raise DataError(
                f"'{lower.name}' and '{upper.name}' form the same {lower.size} clusters, so their variances "
                "cannot be told apart. Drop one of the two."
            )
    for lower, upper in pairwise(levels):
        if not (crossed or nested(lower, upper)):
            raise NotSupportedError(
                f"{crossed_words(lower, upper)} Crossed factors are fitted in Gaussian models without a "
                f"residual structure only: here enter one of them as fixed categories, factor({upper.name})."
            )
    return levels


def crossed_words(lower: Clusters, upper: Clusters) -> str:
    """Return that two levels are crossed, and what to write if they should not be."""
    parts = len(np.unique(lower.codes * upper.size + upper.codes))
    return (
        f"The clusters '{lower.name}' ({lower.size}) are not nested in '{upper.name}' ({upper.size}): "
        f"together they form {parts} combinations. If '{lower.name}' ids start anew in each "
        f"'{upper.name}', write (1 | {upper.name}/{lower.name})."
    )


def nested(lower: Clusters, upper: Clusters) -> bool:
    """Return whether each cluster of ``lower`` lies in one of ``upper``."""
    return bool(np.array_equal(_parents(lower, upper)[lower.codes], upper.codes))


def _parents(lower: Clusters, upper: Clusters) -> np.ndarray:
    """Return the upper cluster of each lower cluster, (lower.size,)."""
    return upper.codes[lower.first]


def ancestors(levels: Sequence[Clusters]) -> list[list[np.ndarray]]:
    """Return for each level the cluster numbers at every level above it; `NotNested` for crossed levels."""
    if not all(nested(lower, upper) for lower, upper in pairwise(levels)):
        return NotNested()
    return [[_parents(lower, upper) for upper in levels[i + 1 :]] for i, lower in enumerate(levels)]
