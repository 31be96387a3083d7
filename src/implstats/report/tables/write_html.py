"""Tables as HTML: for a page of their own and, one by one, for the report."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from implstats.report.book import Book
from implstats.report.tables.spec import Cell, TableSpec
from implstats.results.files import write_text

SHORT = 16  # characters of a cell that stays on one line
CSS = """
body{font:16px/1.5 Georgia,"Times New Roman",serif;color:#1a1a1a;
max-width:75rem;margin:2rem auto;padding:0 1rem}
.table-wrap{overflow-x:auto;margin:2rem 0 2.5rem}
table{border-collapse:collapse;font:14px/1.35 "Helvetica Neue",Arial,sans-serif;
font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:600;padding:0 0 .5rem}
thead th{border-top:1.5px solid #1a1a1a;border-bottom:1px solid #1a1a1a;font-weight:600;vertical-align:bottom}
tbody tr:last-child>*{border-bottom:1.5px solid #1a1a1a}
th,td{padding:.28rem .7rem;text-align:left;font-weight:400;vertical-align:top}
th:first-child,td:first-child{padding-left:.2rem}
.num{text-align:right;white-space:nowrap}
tbody th[colspan]{font-style:italic;padding-top:.7rem}
.note{font:13px/1.45 "Helvetica Neue",Arial,sans-serif;color:#444;max-width:75ch;margin:.5rem 0 0}
.supp{color:#555;font-style:italic}
"""


def write(book: Book, specs: Sequence[TableSpec], *, folder: Path) -> list[Path]:
    """Write ``tables.html``, one page that needs no network."""
    title = escape(f"Tables: {book.study['title']}")
    body = "\n".join(
        table_html(spec, number=i, anchor=f"t-{spec.name}") for i, spec in enumerate(specs, start=1)
    )
    banner = "<p><strong>SYNTHETIC DATA</strong></p>\n" if book.synthetic else ""
    text = (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>{CSS}</style>\n'
        "</head>\n"
        f"<body>\n<main>\n<h1>{title}</h1>\n{banner}{body}\n</main>\n</body>\n</html>\n"
    )
    return [write_text(folder / "tables.html", text)]


def table_html(spec: TableSpec, *, number: int | None = None, anchor: str = "") -> str:
    """Return one table with caption, scoped headers and its note, all text escaped."""
    name = f"Table {number}. " if number is not None else ""
    head = "".join(
        f'<th scope="col"{_class(column.kind)}>{escape(column.header)}</th>' for column in spec.columns
    )
    body = "\n".join(_row_html(spec, row) for row in spec.rows)
    note = f'<p class="note"><em>Note.</em> {escape(spec.note)}</p>' if spec.note else ""
    identity = f' id="{escape(anchor)}"' if anchor else ""
    return (
        f'<div class="table-wrap"{identity} tabindex="0" role="region" aria-label="{escape(spec.title)}">\n'
        f"<table>\n<caption>{name}{escape(spec.title)}</caption>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody>\n</table>\n{note}\n</div>"
    )


def _class(kind: str) -> str:
    return "" if kind == "text" else ' class="num"'


def _row_html(spec: TableSpec, row: Sequence[Cell]) -> str:
    if len(row) == 1:
        return f'<tr><th scope="rowgroup" colspan="{len(spec.columns)}">{escape(row[0].text)}</th></tr>'
    first = f'<th scope="row">{_cell_html(row[0])}</th>'
    rest = "".join(
        f"<td{_class(column.kind)}>{_cell_html(cell)}</td>"
        for cell, column in zip(row[1:], spec.columns[1:], strict=True)
    )
    return f"<tr>{first}{rest}</tr>"


def _cell_html(cell: Cell) -> str:
    mark = f"<sup>{cell.mark}</sup>" if cell.mark else ""
    text = escape(cell.text)
    if len(cell.text) <= SHORT:
        text = text.replace(" ", "&nbsp;")
    return (f'<span class="supp">{text}</span>' if cell.suppressed else text) + mark
