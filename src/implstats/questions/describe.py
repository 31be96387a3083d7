"""What a scored table says before any question is put to it: scales, agreement, change, missing values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from implstats.questions.agreement_rows import agreement_rows
from implstats.questions.base import Answer, wave_labels
from implstats.questions.correlation_rows import correlation_rows
from implstats.questions.distribution_rows import distribution_rows
from implstats.questions.missing_rows import missing_rows
from implstats.questions.scale_rows import scale_answer
from implstats.questions.trajectory_rows import trajectory_rows

if TYPE_CHECKING:
    import pandas as pd

    from implstats.study.keys import ScaleKey
    from implstats.study.models import Study, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedTable:
    """A scored table with what is needed to describe it.

    Attributes
    ----------
    study : str
        The study's short name.
    name : str
        The table's name.
    frame : DataFrame
        Scored table.
    table : Table
        Its definition in the study file.
    keys : mapping of str to ScaleKey
        The table's scales.
    min_cell : int
        Means and shares of fewer persons are withheld.
    """

    study: str
    name: str
    frame: pd.DataFrame
    table: Table
    keys: Mapping[str, ScaleKey]
    min_cell: int

    def waves(self) -> Iterator[tuple[str, pd.DataFrame]]:
        """Yield each wave's label and rows in the study file's order; one unnamed wave without waves."""
        labels = wave_labels(self.table)
        if not labels:
            yield "", self.frame
        for value, label in labels.items():
            yield label, self.frame[self.frame["wave"] == value]


def describe_table(frame: pd.DataFrame, table: str, keys: Mapping[str, ScaleKey], study: Study) -> Answer:
    """Return the rows that describe one scored table (see the address table in docs/architecture.md)."""
    described = DescribedTable(
        study=study.study.name,
        name=table,
        frame=frame,
        table=study.tables[table],
        keys=keys,
        min_cell=study.outputs.min_cell,
    )
    scales = scale_answer(described)
    rows = [
        *missing_rows(described),
        *scales.rows,
        *distribution_rows(described),
        *agreement_rows(described),
        *trajectory_rows(described),
        *correlation_rows(described),
    ]
    return Answer(rows=tuple(rows), checks=scales.checks)
