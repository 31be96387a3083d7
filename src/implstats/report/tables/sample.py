"""The sample: from raw rows to persons, and who took part when."""

from __future__ import annotations

from implstats.report.book import Book, Question
from implstats.report.tables.spec import (
    Cell,
    TableSpec,
    cell_of,
    count,
    headers,
    interval_header,
    interval_of,
    make_table,
    words,
)  # fmt: skip
from implstats.results.rows import Row

CHANGES = {"n_joined": "Joined", "n_dropout": "Dropped out", "n_intermittent": "Missed, came back"}


def flow_tables(book: Book) -> list[TableSpec]:
    """Return one table of the flow of n: rows and persons at each step, by wave where there are waves."""
    rows = book.select("flow")
    if not rows:
        return []
    tables = book.ordered("table", [r.block for r in rows])
    out: list[list[Cell]] = []
    for table in tables:
        if len(tables) > 1:
            out.append([words(book.label("table", table))])
        out += [_flow_line(book, rows, *key) for key in _steps(rows, table)]
    return [
        make_table(
            book,
            name="sample",
            title="Sample and flow of participants",
            columns=headers("Step", "Wave", "Rows", "Persons", text=2),
            rows=out,
            source=rows,
        )
    ]


def _steps(rows: list[Row], table: str) -> list[tuple[str, str, str]]:
    return list(dict.fromkeys((r.block, r.term, r.level) for r in rows if r.block == table))


def _flow_line(book: Book, rows: list[Row], block: str, term: str, level: str) -> list[Cell]:
    found = {r.quantity: r for r in rows if (r.block, r.term, r.level) == (block, term, level)}
    numbers = [cell_of(found.get(q), "estimate", "integer", decimals=0) for q in ("n_rows", "n_persons")]
    return [words(term[:1].upper() + term[1:]), words(book.label("wave", level)), *numbers]


def attrition_tables(book: Book, question: Question) -> list[TableSpec]:
    """Return participation by wave and leavers against stayers."""
    return [*_participation(book, question), *_comparison(book, question)]


def _participation(book: Book, question: Question) -> list[TableSpec]:
    rows = book.select(question.name, block="participation")
    if not rows:
        return []
    out = []
    for wave in book.ordered("wave", [r.level for r in rows]):
        found = {r.quantity: r for r in rows if r.level == wave}
        persons = cell_of(found.get("n_persons"), "estimate", "integer", decimals=0)
        share = cell_of(found.get("share_of_first"), "estimate", "percent", decimals=1)
        changes = [cell_of(found.get(q), "estimate", "integer", decimals=0) for q in CHANGES]
        out.append([words(book.label("wave", wave)), persons, share, *changes])
    return [
        make_table(
            book,
            name=f"participation-{question.name}",
            title="Participation by wave",
            columns=headers("Wave", "Persons", "Share of first wave", *CHANGES.values()),
            rows=out,
            source=rows,
        )
    ]


def _comparison(book: Book, question: Question) -> list[TableSpec]:
    rows = book.select(question.name, block="comparison")
    if not rows:
        return []
    out = [
        [
            words(book.thing(r.term)),
            cell_of(r, "estimate", "number", decimals=book.decimals),
            interval_of(r, decimals=book.decimals),
            cell_of(r, "p_value", "p", decimals=3),
            count(r.n_obs),
        ]
        for r in rows
    ]
    return [
        make_table(
            book,
            name=f"attrition-{question.name}",
            title="Leavers and stayers at the first wave",
            columns=headers("First-wave variable", "Std. difference", interval_header(rows), "p", "N"),
            rows=out,
            note="Std. difference: leavers minus stayers in pooled standard deviations.",
            source=rows,
        )
    ]
