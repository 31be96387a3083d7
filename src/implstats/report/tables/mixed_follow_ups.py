"""What follows from a mixed model: F tests of terms, estimated marginal means, their contrasts."""

from __future__ import annotations

from implstats.report.book import Book, Question
from implstats.report.tables.spec import (
    Cell,
    TableSpec,
    cell_of,
    headers,
    interval_header,
    interval_of,
    make_table,
    words,
)  # fmt: skip
from implstats.results.rows import Row

ADJUSTED = {
    "none": "Neither p-values nor intervals are adjusted for the number of differences.",
    "holm": "p-values adjusted by Holm's method; the intervals hold together (Bonferroni).",
    "tukey": "p-values and intervals adjusted by Tukey's method.",
    "bonferroni": "p-values and intervals adjusted by Bonferroni's method.",
    "sidak": "p-values and intervals adjusted by Sidak's method.",
    "mvt": "p-values and intervals adjusted by the multivariate t distribution.",
    "fdr": "p-values control the false discovery rate (Benjamini-Hochberg); the intervals hold together "
    "(Bonferroni).",
}


def follow_up_tables(book: Book, question: Question) -> list[TableSpec]:
    """Return the tables for which the question has rows."""
    tables = [_f_tests(book, question), _means(book, question), _contrasts(book, question)]
    return [table for table in tables if table is not None]


def _f_tests(book: Book, question: Question) -> TableSpec | None:
    rows = book.select(question.name, block="f_tests")
    if not rows:
        return None
    body = [
        [
            words(_heading(book, r.term)), words(r.level), cell_of(r, "df", "number", decimals=1),
            cell_of(r, "statistic", "number", decimals=2), cell_of(r, "p_value", "p", decimals=3),
        ]
        for r in rows
    ]  # fmt: skip
    return make_table(
        book, name=f"f-tests-{question.name}", title=f"{question.title}: tests of whole terms",
        columns=headers("Term", "df1", "df2", "F", "p"), rows=body, note="Type III.", source=rows,
    )  # fmt: skip


def _means(book: Book, question: Question) -> TableSpec | None:
    rows = book.select(question.name, block="means")
    if not rows:
        return None
    d = book.decimals
    names = [_heading(book, part) for part in rows[0].term.split(":")]
    body = [
        [
            *(words(_value(book, name, value)) for name, value in _places(r)),
            cell_of(r, "estimate", "number", decimals=d), cell_of(r, "std_error", "number", decimals=d),
            cell_of(r, "df", "number", decimals=1), interval_of(r, decimals=d),
        ]
        for r in rows
    ]  # fmt: skip
    return make_table(
        book, name=f"means-{question.name}", title=f"{question.title}: estimated means",
        columns=headers(*names, "Mean", "SE", "df", interval_header(rows)), rows=body,
        note="Estimated marginal means: categories weigh equally, other predictors are held at their means.",
        source=rows,
    )  # fmt: skip


def _contrasts(book: Book, question: Question) -> TableSpec | None:
    rows = book.select(question.name, block="contrasts")
    if not rows:
        return None
    d = book.decimals
    body: list[list[Cell]] = [
        [
            words(_contrast(book, r.term)), cell_of(r, "estimate", "number", decimals=d),
            cell_of(r, "std_error", "number", decimals=d), cell_of(r, "statistic", "number", decimals=2),
            cell_of(r, "df", "number", decimals=1), cell_of(r, "p_value", "p", decimals=3),
            interval_of(r, decimals=d),
        ]
        for r in rows
    ]  # fmt: skip
    return make_table(
        book, name=f"contrasts-{question.name}", title=f"{question.title}: differences of estimated means",
        columns=headers("Difference", "b", "SE", "t", "df", "p", interval_header(rows)), rows=body,
        note=ADJUSTED.get(rows[0].level, ""), source=rows,
    )  # fmt: skip


def _heading(book: Book, term: str) -> str:
    """Return a term's label with a capital."""
    label = book.term(term)
    return label[:1].upper() + label[1:]


def _places(row: Row) -> list[tuple[str, str]]:
    return list(zip(row.term.split(":"), row.level.split(":"), strict=True))


def _value(book: Book, name: str, value: str) -> str:
    return book.label("wave", value) if name == "wave" else value


def _contrast(book: Book, label: str) -> str:
    """Return ``a - b`` with a true minus sign and waves by their labels."""
    return " − ".join(book.label("wave", part) for part in label.split(" - "))
