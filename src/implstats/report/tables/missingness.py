"""Shares of missing values by scale or variable and wave: of values, and of the answers behind the scores."""

from __future__ import annotations

from implstats.report.book import Book
from implstats.report.tables.spec import TableSpec, cell_of, headers, make_table, words

# quantity -> name, title and note of its table
KINDS = {
    "share_missing": (
        "missing",
        "Missing values",
        "Share of the persons who took part and have no value.",
    ),
    "share_answers_missing": (
        "missing-answers",
        "Missing answers to the items of each scale",
        "Share of skipped answers; a score needs only some of its items, so most of them cost no score.",
    ),
}


def missingness_tables(book: Book) -> list[TableSpec]:
    """Return a table each: a line for each scale or variable, a column for each wave."""
    return [spec for quantity in KINDS for spec in _table(book, quantity)]


def _table(book: Book, quantity: str) -> list[TableSpec]:
    rows = book.select("missing", quantity=quantity)
    if not rows:
        return []
    name, title, note = KINDS[quantity]
    waves = book.ordered("wave", [r.level for r in rows])
    found = {(r.block, r.term, r.level): r for r in rows}
    labels = book.distinct(list(dict.fromkeys(r.term for r in rows)))
    out = [
        [
            words(labels[term]),
            *(cell_of(found.get((block, term, wave)), "estimate", "percent", decimals=1) for wave in waves),
        ]
        for block, term in dict.fromkeys((r.block, r.term) for r in rows)
    ]
    nameless = "Missing" if waves == [""] else "Without waves"
    names = [book.label("wave", wave) if wave else nameless for wave in waves]
    return [
        make_table(
            book,
            name=name,
            title=title + (" by wave" if len(waves) > 1 else ""),
            columns=headers("Scale or variable", *names),
            rows=out,
            note=note,
            source=rows,
        )
    ]
