"""Every check that found something, and how many passed."""

from __future__ import annotations

from implstats.report.book import Book
from implstats.report.tables.spec import Column, TableSpec, make_table, words

WORDS = {"fail": "failed", "warn": "caution", "info": "note", "ok": "passed"}


def check_tables(book: Book) -> list[TableSpec]:
    """Return all checks, the serious ones first."""
    if not book.checks:
        return []
    rank = list(WORDS)
    ordered = sorted(book.checks, key=lambda pair: rank.index(pair[1].status))
    return [
        make_table(
            book,
            name="checks",
            title="Checks",
            columns=[Column(header=h, kind="text") for h in ("Outcome", "Analysis", "Check", "Finding")],
            rows=[
                [words(WORDS[c.status]), words(book.name_of(a)), words(c.name), words(c.message)]
                for a, c in ordered
            ],
        )
    ]
