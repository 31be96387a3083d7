"""Correlations: one triangle for each table of the study and wave."""

from __future__ import annotations

import re

from implstats.report.book import Book
from implstats.report.numbers import stars
from implstats.report.tables.spec import (
    Cell,
    Column,
    TableSpec,
    cell_of,
    headers,
    interval_header,
    interval_of,
    make_table,
    words,
)  # fmt: skip
from implstats.results.rows import Row


def correlation_tables(book: Book) -> list[TableSpec]:
    """Return the list of correlations with intervals and p values, one table a stack of files."""
    rows = book.select("correlations", quantity="correlation")
    return [
        _one_table(book, block, [r for r in rows if r.block == block])
        for block in book.ordered("table", [r.block for r in rows])
    ]


def pair_of(term: str) -> tuple[str, str]:
    """Return the two names of ``a ~~ b``.

    >>> pair_of("a ~~ b")
    ('a', 'b')
    """
    left, _, right = term.partition("~~")
    return left.strip(), right.strip()


def _one_table(book: Book, block: str, rows: list[Row]) -> TableSpec:
    waves = book.ordered("wave", [r.level for r in rows])
    names = list(dict.fromkeys(n for r in rows for n in pair_of(r.term)))
    out: list[list[Cell]] = []
    for wave in waves:
        if len(waves) > 1:
            out.append([words(book.label("wave", wave))])
        out += _triangle(book, [r for r in rows if r.level == wave], names)
    columns = [Column(header="Variable", kind="text")]
    columns += [Column(header=str(i + 1)) for i in range(len(names) - 1)]
    return make_table(
        book,
        name=f"correlations-{_slug(block)}",
        title=f"Correlations: {book.label('table', block)}",
        columns=columns,
        rows=out,
        note="Pearson correlations; intervals and p values stand in the table of pairs.",
        source=rows,
    )


def _triangle(book: Book, rows: list[Row], names: list[str]) -> list[list[Cell]]:
    """Return the lower triangle, a line for each variable."""
    found = {frozenset(pair_of(r.term)): r for r in rows}
    return [
        [
            words(f"{i + 1}. {book.thing(name)}"),
            *(
                cell_of(found.get(frozenset((name, other))), "estimate", "bounded", decimals=book.decimals)
                if j < i
                else Cell()
                for j, other in enumerate(names[:-1])
            ),
        ]
        for i, name in enumerate(names)
    ]


def pair_tables(book: Book) -> list[TableSpec]:
    """Return every pair with interval and p value."""
    rows = book.select("correlations", quantity="correlation")
    if not rows:
        return []
    out = [
        [
            words(" – ".join(book.thing(name) for name in pair_of(r.term))),
            words(book.label("wave", r.level)),
            cell_of(r, "estimate", "bounded", decimals=book.decimals),
            words(stars(r.p_value)),
            interval_of(r, decimals=book.decimals, leading_zero=False),
            cell_of(r, "p_value", "p", decimals=3),
            cell_of(r, "n_obs", "integer", decimals=0),
        ]
        for r in rows
    ]
    return [
        make_table(
            book,
            name="correlation-pairs",
            title="Correlations with intervals",
            columns=[
                *headers("Pair", "Wave", text=2),
                Column(header="r"),
                Column(header="Sig.", kind="text"),
                *headers(interval_header(rows), "p", "N", text=0),
            ],
            rows=out,
            note="* p < .05, ** p < .01, *** p < .001, without correction for the number of pairs.",
            source=rows,
        )
    ]


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name)
