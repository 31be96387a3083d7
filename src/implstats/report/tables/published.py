"""Ours against the numbers in print, at the precision in which they were printed."""

from __future__ import annotations

from implstats.report.book import Book
from implstats.report.tables.spec import Cell, Column, TableSpec, make_table, words


def published_tables(book: Book) -> list[TableSpec]:
    """Return the comparison; ours carries one decimal more than the number in print."""
    if not book.published:
        return []
    columns = [
        Column(header=name, kind="number" if name in ("Printed", "Ours") else "text")
        for name in ("Number", "Printed", "Ours", "Agrees", "Source")
    ]
    return [
        make_table(
            book,
            name="published",
            title="Published numbers against ours",
            columns=columns,
            rows=[_line(book, record) for record in book.published],
            note=_note(book),
        )
    ]


def _note(book: Book) -> str:
    """Say what agreement means, and why a number was allowed to differ by more."""
    said = dict.fromkeys(str(r["reason"]) for r in book.published if r["agrees"] and r["reason"])
    return " ".join(
        ["A number agrees when ours rounds to the number in print.", *(f"Tolerance: {why}." for why in said)]
    )


def address_text(book: Book, record: dict[str, object]) -> str:
    """Return where a number stands, in words."""
    parts = [str(record[k]) for k in ("block", "term", "level", "quantity") if record[k]]
    field = "" if record["field"] == "estimate" else f" ({record['field']})"
    where = book.name_of(str(record["analysis"]))
    where += "" if where.endswith("?") else ":"
    return f"{where} {', '.join(parts).replace('_', ' ')}{field}"


def _line(book: Book, record: dict[str, object]) -> list[Cell]:
    printed = str(record["printed"])
    decimals = len(printed.partition(".")[2]) + 1
    ours = record["ours"]
    agrees = record["agrees"]
    return [
        words(address_text(book, record)),
        words(printed),
        Cell(
            value=None if ours is None else float(str(ours)),
            kind="number",
            decimals=decimals,
            reason="" if ours is not None else str(record["reason"] or "Not available."),
        ),
        words(_verdict(agrees, bool(record["reason"]))),
        words(str(record["citation"])),
    ]


def _verdict(agrees: object, told: bool) -> str:
    if agrees is None:
        return "not compared"
    if not agrees:
        return "NO"
    return "within tolerance" if told else "yes"
