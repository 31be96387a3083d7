"""Records that pass between the questions, the estimators and the pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from implstats.errors import DataError, did_you_mean
from implstats.results import Check, Row

if TYPE_CHECKING:
    import pandas as pd

    from implstats.study.keys import ScaleKey
    from implstats.study.models import Question, Study, Table

EntryKind = Literal["table", "scale", "variable", "item", "cluster", "wave", "question", "time_unit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedCheck:
    """A check and the analysis it belongs to."""

    analysis: str
    check: Check

    def to_dict(self) -> dict[str, str]:
        """Return ``analysis, name, status, message``, a line of ``checks.csv``."""
        return {"analysis": self.analysis, **self.check.to_dict()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of the dictionary: what a name in the results means."""

    kind: EntryKind
    name: str
    label: str
    detail: str = ""

    def to_dict(self) -> dict[str, str]:
        """Return ``kind, name, label, detail``, a line of ``dictionary.csv``."""
        return {"kind": self.kind, "name": self.name, "label": self.label, "detail": self.detail}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """The scored tables of a study.

    Attributes
    ----------
    study : Study
    keys : mapping of str to ScaleKey
        The resolved scoring keys, by scale.
    tables : mapping of str to DataFrame
        By table: ``person``, ``wave`` and ``time`` (with waves), one column a cluster level, the raw
        variables with user-missing codes as NaN, and the scores.
    """

    study: Study
    keys: Mapping[str, ScaleKey]
    tables: Mapping[str, pd.DataFrame]

    def frame(self, question: Question) -> pd.DataFrame:
        """Return the frame that a question works on."""
        return self.tables[self.study.table_of(question)]

    def table(self, question: Question) -> Table:
        """Return the table definition that a question works on."""
        return self.study.tables[self.study.table_of(question)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a question contributes to the results data set."""

    rows: tuple[Row, ...] = ()
    checks: tuple[NamedCheck, ...] = ()
    entries: tuple[Entry, ...] = field(default=())


def join_answers(answers: Iterable[Answer]) -> Answer:
    """Return one answer with the rows, checks and dictionary entries of all, in their order."""
    listed = list(answers)
    return Answer(
        rows=tuple(row for a in listed for row in a.rows),
        checks=tuple(check for a in listed for check in a.checks),
        entries=tuple(entry for a in listed for entry in a.entries),
    )


def require_columns(frame: pd.DataFrame, names: Iterable[str], *, question: str) -> None:
    """Raise DataError naming every column that a question needs and the table lacks."""
    missing = [name for name in names if name not in frame.columns]
    if missing:
        lines = "; ".join(f"'{name}'{did_you_mean(name, frame.columns)}" for name in missing)
        raise DataError(
            f"Question '{question}' needs columns that its table does not have: {lines}. "
            "Check the question's names in the study file."
        )


def wave_labels(table: Table) -> dict[int | str, str]:
    """Return wave value -> label in the order of the study file; empty without waves."""
    if table.waves is None:
        return {}
    return {wave.value: wave.label or str(wave.value) for wave in table.waves.values}
