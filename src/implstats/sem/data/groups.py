"""The samples of one or several groups, in the order in which the groups appear in the data (as in lavaan).

Rows without a group are left out and counted. What is wrong in several groups is said at once, each with the
group's name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from implstats.errors import DataError, did_you_mean
from implstats.sem.data.sample import Sample

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
TakeSample = Callable[[Array, Sequence[str], Sequence[str]], Sample]
# A column with more values than this is hardly a grouping; a person number would fit one group a person.
MOST_GROUPS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupedSample:
    """The samples that a model rests on.

    Attributes
    ----------
    groups : tuple of Sample
    labels : tuple of str
        Names of the groups; one empty text without groups.
    n_no_group : int
        Rows left out because their group is missing.
    column : str
        Name of the grouping column, empty without groups.
    """

    groups: tuple[Sample, ...]
    labels: tuple[str, ...] = ("",)
    n_no_group: int = 0
    column: str = ""

    @property
    def n(self) -> int:
        """Persons used."""
        return sum(sample.moments.n for sample in self.groups)

    @property
    def share(self) -> tuple[float, ...]:
        """Each group's share of the persons."""
        return tuple(sample.moments.n / self.n for sample in self.groups)

    @property
    def share_of_criterion(self) -> tuple[float, ...]:
        """Each group's weight in the criterion: its share; under least squares that of n_g - 1."""
        if self.groups[0].least_squares is None:
            return self.share
        return tuple((sample.moments.n - 1) / (self.n - len(self.groups)) for sample in self.groups)

    @property
    def n_rows(self) -> int:
        """Rows of the data."""
        return sum(sample.n_rows for sample in self.groups) + self.n_no_group

    @property
    def n_dropped(self) -> int:
        """Rows left out."""
        return sum(sample.n_dropped for sample in self.groups) + self.n_no_group

    @property
    def n_empty(self) -> int:
        """Rows without any answer."""
        return sum(sample.n_empty for sample in self.groups)

    @property
    def few_categories(self) -> tuple[str, ...]:
        """Variables with five or fewer different answers in some group."""
        return tuple(dict.fromkeys(name for sample in self.groups for name in sample.few_categories))

    @property
    def full_information(self) -> bool:
        """Whether every answer given is used."""
        return self.groups[0].incomplete is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """Which rows of a frame belong to which group of ``column``; ``n_no_group`` rows belong to none."""

    column: str
    labels: tuple[str, ...]
    rows: tuple[NDArray[np.intp], ...]
    n_no_group: int


def group_rows(data: pd.DataFrame, column: str) -> Grouping:
    """Return the groups of a column, in order of appearance.

    Raises
    ------
    DataError
        No such column, or not at least two groups.
    """
    if column not in data.columns:
        known = did_you_mean(column, map(str, data.columns))
        raise DataError(f"group: there is no column '{column}'{known or '. Name a column of the data.'}")
    if (data.columns == column).sum() > 1:
        raise DataError(f"group: column '{column}' stands twice in the data. Rename one.")
    import pandas as pd

    codes, values = pd.factorize(data[column], use_na_sentinel=True)
    labels = tuple(group_label(value) for value in values)
    if len(labels) < 2:
        raise DataError(
            f"group '{column}' holds {len(labels)} group(s); at least two are needed. Leave group out to "
            "fit one model to everyone."
        )
    if len(labels) > MOST_GROUPS:
        raise DataError(
            f"group '{column}' holds {len(labels)} different values, which look like persons rather than "
            f"groups (at most {MOST_GROUPS}). Name the column that tells groups apart."
        )
    return Grouping(
        column=column,
        labels=labels,
        rows=tuple(np.nonzero(codes == k)[0] for k in range(len(labels))),
        n_no_group=int((codes < 0).sum()),
    )


def group_label(value: object) -> str:
    """Return the text by which a group is known: 1.0 and 1 are one group."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def take_groups(
    values: Array, names: Sequence[str], x: Sequence[str], *, take: TakeSample, grouping: Grouping
) -> GroupedSample:
    """Return the sample of each group.

    Raises
    ------
    DataError
        What is wrong in which group, all groups at once.
    """
    samples, problems = [], []
    for label, mine in zip(grouping.labels, grouping.rows, strict=True):
        try:
            samples.append(take(values[mine], names, x))
        except DataError as error:
            problems.append(f"group '{label}' ({len(mine)} row(s)): {error}")
    if problems:
        raise DataError(
            f"The groups of '{grouping.column}' cannot all bear the model:\n"
            + "\n".join(f"  {p}" for p in problems)
        )
    return GroupedSample(
        groups=tuple(samples),
        labels=grouping.labels,
        n_no_group=grouping.n_no_group,
        column=grouping.column,
    )
