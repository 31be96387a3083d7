"""Tables as one Excel workbook: numbers are numbers at full precision, formats only hide decimals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from implstats.report.archive import steady_archive
from implstats.report.book import SYNTHETIC, Book
from implstats.report.tables.spec import Cell, TableSpec, raised
from implstats.report.tables.write_csv import split_header
from implstats.results.files import replacing

HEADER_ROW = 3
WIDEST = 60


def write(book: Book, specs: Sequence[TableSpec], *, folder: Path) -> list[Path]:
    """Write ``tables.xlsx``: a sheet about the study, then one sheet a table."""
    from openpyxl import Workbook

    workbook = Workbook()
    workbook.properties.creator = "implstats"
    workbook.properties.title = _title(book)
    names: list[str] = []
    workbook.remove(workbook.worksheets[0])
    about = workbook.create_sheet("about")
    for spec in specs:
        names.append(sheet_name(spec.name, taken=names))
        _fill(workbook.create_sheet(names[-1]), spec)
    _fill_about(about, book, specs, names)
    path = folder / "tables.xlsx"
    with replacing(path) as temporary:
        workbook.save(temporary)
        steady_archive(temporary)
    return [path]


def _title(book: Book) -> str:
    title = str(book.study["title"])
    return f"{SYNTHETIC}: {title}" if book.synthetic else title


def sheet_name(name: str, *, taken: Sequence[str]) -> str:
    """Return a name that Excel accepts: at most 31 characters, unique whatever the case.

    >>> sheet_name("parameters-" + "x" * 40, taken=[])
    'parameters-xxxxxxxxxxxxxxxxxxxx'
    """
    folded = {t.casefold() for t in [*taken, "about"]}
    short = name[:31]
    counter = 2
    while short.casefold() in folded:
        ending = f"-{counter}"
        short = name[: 31 - len(ending)] + ending
        counter += 1
    return short


def number_format(cell: Cell) -> str:
    """Return the Excel format that shows what the printed table shows.

    >>> number_format(Cell(value=0.1, kind="number", decimals=3))
    '0.000'
    """
    if cell.kind == "integer":
        return "#,##0"
    if cell.kind == "percent":
        return "0.0%"
    if cell.kind == "p":
        return '[<0.001]"< .001";.000'
    decimals = "0" * cell.decimals
    whole = "" if cell.kind == "bounded" or not cell.leading_zero else "0"
    return f"{whole}.{decimals}" if decimals else "0"


def _fill(sheet: Any, spec: TableSpec) -> None:
    """Write title, header, rows and note into a sheet."""
    from openpyxl.styles import Alignment, Font

    _text(sheet.cell(1, 1), spec.title)
    sheet.cell(1, 1).font = Font(bold=True, size=13)
    headers = [(name, c.kind) for c in spec.columns for name in split_header(c.header, c.kind)]
    for i, (name, kind) in enumerate(headers, start=1):
        cell = sheet.cell(HEADER_ROW, i)
        _text(cell, name)
        cell.alignment = Alignment(horizontal="left" if kind == "text" else "right", wrap_text=True)
    for r, row in enumerate(spec.rows, start=HEADER_ROW + 1):
        if len(row) == 1:
            _text(sheet.cell(r, 1), row[0].text)
            sheet.cell(r, 1).font = Font(italic=True)
        else:
            _fill_row(sheet, r, row, spec)
    last = HEADER_ROW + len(spec.rows)
    _rules(sheet, last, len(headers))
    if spec.note:
        _text(sheet.cell(last + 2, 1), f"Note. {spec.note}")
    sheet.freeze_panes = sheet.cell(HEADER_ROW + 1, 2)
    sheet.print_title_rows = f"{HEADER_ROW}:{HEADER_ROW}"
    sheet.page_setup.orientation = "landscape" if spec.wide else "portrait"
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True
    _widths(sheet, spec, [name for name, _ in headers])


def _fill_row(sheet: Any, r: int, row: Sequence[Cell], spec: TableSpec) -> None:
    from openpyxl.styles import Alignment

    i = 1
    for cell, column in zip(row, spec.columns, strict=True):
        pair = cell.value if isinstance(cell.value, tuple) else (cell.value, None)
        for value in pair if column.kind == "interval" else (cell.value,):
            target = sheet.cell(r, i)
            if isinstance(value, int | float):
                target.value = value
                target.number_format = number_format(cell)
            elif i == 1 or value is not None or cell.text:
                _text(target, str(value) if value is not None else cell.text + raised(cell.mark))
                if column.kind != "text":
                    target.alignment = Alignment(horizontal="right")
            i += 1


def _text(target: Any, text: str) -> None:
    """Write text as text: a label that begins with an equals sign must not become a formula."""
    target.value = text
    target.data_type = "s"


def _rules(sheet: Any, last: int, n_columns: int) -> None:
    """Draw the three lines of a printed table."""
    from openpyxl.styles import Border, Font, Side

    thin, thick = Side(style="thin"), Side(style="medium")
    for i in range(1, n_columns + 1):
        head = sheet.cell(HEADER_ROW, i)
        head.border = Border(top=thick, bottom=thin)
        head.font = Font(bold=True)
        end = sheet.cell(max(last, HEADER_ROW + 1), i)
        end.border = Border(bottom=thick)


def _widths(sheet: Any, spec: TableSpec, names: Sequence[str]) -> None:
    from openpyxl.utils import get_column_letter

    longest = [len(name) for name in names]
    for row in spec.rows:
        if len(row) == 1:
            continue
        i = 0
        for cell, column in zip(row, spec.columns, strict=True):
            steps = 2 if column.kind == "interval" else 1
            for k in range(i, i + steps):
                longest[k] = max(longest[k], len(cell.text) if steps == 1 else 0)
            i += steps
    for i, width in enumerate(longest, start=1):
        sheet.column_dimensions[get_column_letter(i)].width = min(max(width + 2, 9), WIDEST)


def _fill_about(sheet: Any, book: Book, specs: Sequence[TableSpec], names: Sequence[str]) -> None:
    """Write what the workbook is, and a list of its sheets."""
    from openpyxl.styles import Font

    software = book.provenance.get("software") or {}
    lines = [
        ("Study", _title(book)),
        ("Written by", f"implstats {software.get('implstats', '')}".strip()),
        ("Created", str(book.provenance.get("created", ""))),
        ("Citation", str(book.study.get("citation", ""))),
        ("Precision", "Cells hold full precision; the number formats show what is printed."),
        ("Suppressed", f"Values of fewer than {book.settings['min_cell']} persons are not in this file."),
        ("Sheets", ""),
        *((name, spec.title) for name, spec in zip(names, specs, strict=True)),
    ]
    for r, (name, text) in enumerate(lines, start=1):
        _text(sheet.cell(r, 1), name)
        _text(sheet.cell(r, 2), text)
    sheet.cell(1, 2).font = Font(bold=True, size=13)
    sheet.column_dimensions["A"].width = 34
    sheet.column_dimensions["B"].width = 90
    sheet.freeze_panes = "A2"
