"""Tables: one builder for each kind, one writer for each format.

Where new code goes: a new kind of table is a file here with a function ``Book -> list[TableSpec]``, named in
:func:`all_tables`; a new format is a ``write_<format>.py`` named in ``WRITERS``.
"""

from __future__ import annotations

import importlib
from pathlib import Path

from implstats.report.book import MIXED_TYPES, SEM_TYPES, Book, Question, open_book
from implstats.report.tables.spec import TableSpec, for_reading

# Formats that hold every row of a table, however long.
WITH_EVERY_ROW = {"xlsx", "csv"}
WRITERS = {
    "docx": "write_docx",
    "xlsx": "write_xlsx",
    "html": "write_html",
    "tex": "write_tex",
    "csv": "write_csv",
}


def question_tables(book: Book, question: Question) -> list[TableSpec]:
    """Return the tables of one question."""
    from implstats.report.tables import invariance, mixed, sample, sem

    if question.kind in MIXED_TYPES:
        return mixed.mixed_tables(book, question)
    if question.kind in SEM_TYPES:
        return sem.parameter_tables(book, question)
    if question.kind == "invariance":
        return invariance.invariance_tables(book, question)
    return sample.attrition_tables(book, question)


def all_tables(book: Book) -> list[TableSpec]:
    """Return every table of a study, in the order of a paper."""
    from implstats.report.tables import (
        aggregation,
        checks,
        correlations,
        missingness,
        published,
        sample,
        scales,
        sem,
    )

    front = [
        *sample.flow_tables(book),
        *missingness.missingness_tables(book),
        *scales.scale_tables(book),
        *scales.item_tables(book),
        *aggregation.aggregation_tables(book),
        *correlations.correlation_tables(book),
        *correlations.pair_tables(book),
    ]
    answers = [table for question in book.questions for table in question_tables(book, question)]
    back = [*sem.fit_tables(book), *published.published_tables(book), *checks.check_tables(book)]
    return [*front, *answers, *back]


def write_tables(folder: Path) -> list[Path]:
    """Write a study's tables in the formats it asks for; return the paths.

    ``tables/tables.docx``, ``.xlsx``, ``.html`` and ``.tex`` hold all tables, ``tables/csv/`` one file each.
    """
    book = open_book(folder)
    return write_specs(book, all_tables(book))


def write_specs(book: Book, specs: list[TableSpec]) -> list[Path]:
    """Write finished tables in the formats the study asks for."""
    paths: list[Path] = []
    for kind in book.settings["tables"]:
        module = importlib.import_module(f"implstats.report.tables.{WRITERS[kind]}")
        shown = specs if kind in WITH_EVERY_ROW else [for_reading(spec) for spec in specs]
        paths += module.write(book, shown, folder=book.folder / "tables")
    return paths
