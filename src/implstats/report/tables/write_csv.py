"""Tables as CSV: full precision, one file a table; an interval is two columns, reasons stand in the last."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from implstats.report.book import Book
from implstats.report.tables.spec import Cell, TableSpec
from implstats.results.files import write_text


def write(book: Book, specs: Sequence[TableSpec], *, folder: Path) -> list[Path]:
    """Write ``csv/NAME.csv`` for each table; files of tables that no longer exist are removed."""
    place = folder / "csv"
    paths = [write_text(place / f"{spec.name}.csv", csv_text(spec)) for spec in specs]
    for stale in set(place.glob("*.csv")) - set(paths):
        stale.unlink()
    return paths


def csv_text(spec: TableSpec) -> str:
    """Return a table as CSV text; headings across the table become the first column, ``Part``."""
    parts = any(len(row) == 1 for row in spec.rows)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    headers = [name for column in spec.columns for name in split_header(column.header, column.kind)]
    writer.writerow([*(["Part"] if parts else []), *headers, "Table", "Reasons"])
    heading = ""
    for row in spec.rows:
        if len(row) == 1:
            heading = row[0].text
            continue
        values = [
            v for cell, column in zip(row, spec.columns, strict=True) for v in split_value(cell, column.kind)
        ]
        reasons = "; ".join(dict.fromkeys(c.reason for c in row if c.value is None and c.reason))
        writer.writerow([*([heading] if parts else []), *values, spec.title, reasons])
    if all(len(row) == 1 for row in spec.rows):
        writer.writerow([heading, *[""] * len(headers), spec.title, heading])
    return buffer.getvalue()


def split_header(header: str, kind: str) -> list[str]:
    """Return one or two column names.

    >>> split_header("95% CI", "interval")
    ['95% CI low', '95% CI high']
    """
    return [f"{header} low", f"{header} high"] if kind == "interval" else [header]


def split_value(cell: Cell, kind: str) -> list[float | int | str | None]:
    """Return a cell's full-precision value, or the two ends of an interval."""
    if kind == "interval":
        return list(cell.value) if isinstance(cell.value, tuple) else [None, None]
    return [None] if isinstance(cell.value, tuple) else [cell.value]
