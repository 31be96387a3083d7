"""Excel workbooks and Parquet files."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from implstats.errors import IngestError, did_you_mean
from implstats.ingest.records import Issue, RawFile, VariableRecord
from implstats.ingest.text import NO_ANSWER, header_names

if TYPE_CHECKING:
    import pandas as pd


def read_excel(
    path: Path, *, place: str, sheet: str | None = None, text_columns: Sequence[str] = ()
) -> RawFile:
    """Read one sheet of an .xlsx workbook; its first row holds the names.

    Raises
    ------
    IngestError
        No workbook, no such sheet, an empty sheet, or a name that stands twice.
    """
    rows = _rows_of_sheet(path, place=place, sheet=sheet)
    filled = [row for row in rows if any(cell is not None and str(cell).strip() for cell in row)]
    if not filled:
        raise IngestError(place, ["the sheet is empty"])
    width = max(len(row) - _trailing_blanks(row) for row in filled)
    names = header_names([_header_cell(cell) for cell in _fitted(filled[0], width)], place=place)
    columns = list(zip(*(_fitted(row, width) for row in filled[1:]), strict=True)) or [()] * width
    frame = _frame(names, columns, text_columns=text_columns)
    issues = []
    if len(filled) < len(rows) - _trailing_empty(rows):
        issues.append(
            Issue(status="info", place=place, message="empty rows between the answers were left out")
        )
    return RawFile(
        frame=frame, codebook=tuple(VariableRecord(name=name) for name in names), issues=tuple(issues)
    )


def _rows_of_sheet(path: Path, *, place: str, sheet: str | None) -> list[tuple[Any, ...]]:
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = load_workbook(path, read_only=True, data_only=True)
    except (zipfile.BadZipFile, InvalidFileException, KeyError, OSError, ValueError) as error:
        problem = "is no .xlsx workbook, or it is damaged or protected by a password; save it anew as .xlsx"
        raise IngestError(place, [problem]) from error
    try:
        if sheet is not None and sheet not in book.sheetnames:
            hint = did_you_mean(sheet, book.sheetnames) or f"; there is {', '.join(book.sheetnames)}"
            raise IngestError(place, [f"has no sheet '{sheet}'{hint}"])
        if not book.worksheets:
            raise IngestError(place, ["has no sheet with cells"])
        chosen = book[sheet] if sheet is not None else book.worksheets[0]
        return list(chosen.iter_rows(values_only=True))
    finally:
        book.close()


def _header_cell(cell: Any) -> str:
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return "" if cell is None else str(cell)


def _fitted(row: tuple[Any, ...], width: int) -> tuple[Any, ...]:
    return (*row, *([None] * (width - len(row))))[:width]


def _trailing_blanks(row: tuple[Any, ...]) -> int:
    return next((i for i, cell in enumerate(reversed(row)) if cell is not None), len(row))


def _trailing_empty(rows: Sequence[tuple[Any, ...]]) -> int:
    blank = (all(cell is None or not str(cell).strip() for cell in row) for row in reversed(rows))
    return next((i for i, empty in enumerate(blank) if not empty), len(rows))


def _frame(
    names: Sequence[str], columns: Sequence[Sequence[Any]], *, text_columns: Sequence[str]
) -> pd.DataFrame:
    import pandas as pd

    kept = set(text_columns)
    data = {}
    for name, cells in zip(names, columns, strict=True):
        values = [_cell(cell) for cell in cells]
        if name in kept:
            data[name] = pd.Series([_as_text(value) for value in values], dtype="str")
        else:
            data[name] = pd.Series(values, dtype=None if any(v is not None for v in values) else "float64")
    return pd.DataFrame(data)


def _cell(cell: Any) -> Any:
    if isinstance(cell, str):
        return None if cell.strip() in NO_ANSWER else cell.strip()
    if isinstance(cell, bool):
        return int(cell)
    return cell


def _as_text(value: Any) -> str | None:
    if value is None:
        return None
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def read_parquet(path: Path, *, place: str) -> RawFile:
    """Read a Parquet file.

    Raises
    ------
    IngestError
        The file is no Parquet file.
    """
    import pandas as pd

    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise IngestError(place, ["is no Parquet file, or it is damaged; write it anew"]) from error
    frame = frame.reset_index(drop=True)
    frame.columns = header_names([str(name) for name in frame.columns], place=place)
    frame.attrs = {}
    return RawFile(frame=frame, codebook=tuple(VariableRecord(name=name) for name in frame.columns))
