"""The flow of rows and persons: read, placed in a cluster, answered; over all waves and in each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from implstats.ingest.columns import wave_labels
from implstats.ingest.records import FlowStep

if TYPE_CHECKING:
    import pandas as pd

    from implstats.study.models import Table


def flow_of(frame: pd.DataFrame, table: Table, *, answers: Sequence[str]) -> tuple[FlowStep, ...]:
    """Return rows and persons at each step.

    Parameters
    ----------
    frame : DataFrame
        The table with its canonical columns.
    table : Table
    answers : sequence of str
        Columns of which at least one must be answered to count as ``answered``; the step is left out when
        there are none.
    """
    import pandas as pd

    steps = {"read": pd.Series(True, index=frame.index)}
    for cluster in table.clusters:
        steps[f"with {cluster.name}"] = frame[cluster.name].notna()
    if answers:
        steps["answered"] = frame[list(answers)].notna().any(axis=1)
    return tuple(step for name, kept in steps.items() for step in _by_wave(name, frame, kept, table=table))


def _by_wave(name: str, frame: pd.DataFrame, kept: pd.Series, *, table: Table) -> Iterator[FlowStep]:
    yield _count(name, "", frame["person"][kept])
    for value, label in wave_labels(table).items():
        at_wave = frame["wave"].map(str) == str(value)
        yield _count(name, label, frame["person"][kept & at_wave])


def _count(step: str, wave: str, persons: pd.Series) -> FlowStep:
    return FlowStep(step=step, wave=wave, n_rows=len(persons), n_persons=int(persons.nunique()))
