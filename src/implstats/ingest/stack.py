"""Sources on top of each other: one long frame under the study's names, the program's own columns first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from implstats.ingest.codes import code_text
from implstats.ingest.columns import (
    column_list,
    id_text,
    joined_ids,
    raw_names,
    time_column,
    wave_column,
)
from implstats.ingest.records import Issue, RawFile

if TYPE_CHECKING:
    import pandas as pd

    from implstats.study.models import Source, Table

# Files in which people see a header as the first row, and the first person in the second.
WITH_HEADER_ROW = frozenset({".csv", ".tsv", ".txt", ".xlsx"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A table before validation.

    Attributes
    ----------
    frame : DataFrame
        Canonical columns first, then raw variables.
    wave_key : Series
        Text of each row's wave as it stands in the data, declared or not; missing without waves.
    file, row : Series
        Source file of each row and its number in that file; the header of a text file is row 1.
    renamed : dict
        Raw columns that gave way to a canonical one, with their new names.
    issues : tuple of Issue
    """

    frame: pd.DataFrame
    wave_key: pd.Series
    file: pd.Series
    row: pd.Series
    renamed: dict[str, str]
    issues: tuple[Issue, ...]


def stack_sources(name: str, table: Table, raws: Sequence[tuple[Source, RawFile]]) -> Stack:
    """Return the table's sources as one long frame.

    Parameters
    ----------
    name : str
        Name of the table, for messages.
    table : Table
    raws : sequence of (Source, RawFile)
        Every identifier column must be present in every file.
    """
    import pandas as pd

    canonical = pd.concat([_canonical(table, source, raw) for source, raw in raws], ignore_index=True)
    frames = [raw.frame for _, raw in raws]
    data = frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
    renamed = raw_names([str(column) for column in data.columns], table)
    data = data.reset_index(drop=True).rename(columns=renamed)
    if not column_list(table.person):
        canonical["person"] = pd.Series(range(1, len(data) + 1)).astype("str")
    own = _own_columns(canonical, table)
    kept = [column for column in data.columns if column not in own.columns]
    issues = tuple(
        Issue(
            status="info",
            place=f"tables.{name}",
            message=f"the raw column '{old}' is kept as '{new}', because the program makes a column '{old}'",
        )
        for old, new in renamed.items()
    )
    return Stack(
        frame=pd.concat([own, data[kept]], axis=1),
        wave_key=canonical["wave"],
        file=canonical["file"],
        row=canonical["row"],
        renamed=renamed,
        issues=issues,
    )


def _canonical(table: Table, source: Source, raw: RawFile) -> pd.DataFrame:
    """Return file, row, person, wave text and cluster identifiers of one source.

    Identifiers become text file by file, because a number here and a text there may be one person.
    """
    import pandas as pd

    frame = raw.frame
    first = 2 if PurePosixPath(source.file).suffix.lower() in WITH_HEADER_ROW else 1
    found = pd.DataFrame({"file": source.file, "row": range(first, len(frame) + first)})
    columns = column_list(table.person)
    found["person"] = (
        joined_ids(frame, columns).to_numpy() if columns else pd.Series(index=found.index, dtype="str")
    )
    if table.waves is not None and table.waves.variable is not None:
        found["wave"] = id_text(frame[table.waves.variable]).to_numpy()
    else:
        found["wave"] = code_text(source.wave) if source.wave is not None else pd.Series(dtype="str")
    for cluster in table.clusters:
        found[f"cluster:{cluster.name}"] = joined_ids(frame, column_list(cluster.variable)).to_numpy()
    return found


def _own_columns(canonical: pd.DataFrame, table: Table) -> pd.DataFrame:
    import pandas as pd

    own = {"person": canonical["person"]}
    if table.waves is not None:
        own["wave"] = wave_column(canonical["wave"], table.waves)
        own["time"] = time_column(canonical["wave"], table.waves)
    for cluster in table.clusters:
        own[cluster.name] = canonical[f"cluster:{cluster.name}"]
    return pd.DataFrame(own)
