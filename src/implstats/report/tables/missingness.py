"""Shares of missing values by scale or variable and wave."""

from __future__ import annotations

from implstats.report.book import Book
from implstats.report.tables.spec import TableSpec, cell_of, headers, make_table, words


def missingness_tables(book: Book) -> list[TableSpec]:
    """Return one table: a line for each scale or variable, a column for each wave."""
    rows = book.select("missing", quantity="share_missing")
    if not rows:
        return []
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
            name="missing",
            title="Missing values" + (" by wave" if len(waves) > 1 else ""),
            columns=headers("Scale or variable", *names),
            rows=out,
            note="Share of the persons who took part and have no value.",
            source=rows,
        )
    ]
