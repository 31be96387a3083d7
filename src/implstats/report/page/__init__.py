"""The report: one page that opens without a network and says first what failed."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from implstats.report.book import SYNTHETIC, Book, open_book
from implstats.report.page.inline import read_figures
from implstats.report.tables import all_tables, question_tables
from implstats.report.tables.spec import TableSpec, for_reading
from implstats.results.files import write_text

STAGE_SECTIONS = (
    ("Scales", ("scales",), ("scales", "items")),
    ("Agreement and means within clusters", ("aggregation", "trajectories"), ("aggregation",)),
    ("Correlations", ("correlations",), ("correlations-", "correlation-pairs")),
    ("Missing values", ("missing",), ("missing",)),
    ("Sample", ("flow",), ("sample",)),
)


def write_report(folder: Path) -> Path:
    """Write ``report.html`` from the results data set and the figures that are already there."""
    book = open_book(folder)
    return write_text(folder / "report.html", page_html(book, all_tables(book)))


def page_html(book: Book, specs: list[TableSpec]) -> str:
    """Return the whole page; everything that comes from the study is escaped."""
    import jinja2

    package = resources.files("implstats.report.page")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string((package / "report.html.j2").read_text(encoding="utf-8"))
    css = (package / "report.css").read_text(encoding="utf-8")
    return template.render(css=css, **page_parts(book, specs)) + "\n"


def page_parts(book: Book, specs: list[TableSpec]) -> dict[str, Any]:
    """Return what the template needs."""
    from implstats.report.page import content

    figures = read_figures(book.folder)
    specs = [for_reading(spec) for spec in specs]
    numbers = {spec.name: i for i, spec in enumerate(specs, start=1)}
    questions = [
        content.question_section(book, q, question_tables(book, q), numbers, figures) for q in book.questions
    ]
    stages = [
        content.stage_section(book, title, analyses, _starting(specs, names), numbers, figures)
        for title, analyses, names in STAGE_SECTIONS
    ]
    headline, failures = content.verdict(book)
    return {
        "study": book.study,
        "title": f"{SYNTHETIC}: {book.study['title']}" if book.synthetic else str(book.study["title"]),
        "synthetic": book.synthetic,
        "headline": headline,
        "failures": failures,
        "people": content.people(book),
        "created": str(book.provenance.get("created") or "")[:10],
        "published": content.published_line(book),
        "published_ok": all(record["agrees"] for record in book.published),
        "unverified": content.unverified_keys(book),
        "questions": questions,
        "glance": content.numbered(_starting(specs, ("sem-fit",)), numbers),
        "glance_figures": [f for f in figures if f.analysis == "coefficients"],
        "stages": [s for s in stages if s.tables or s.figures or s.checks],
        "published_table": content.numbered(_starting(specs, ("published",)), numbers),
        "issues": content.data_issues(book),
        "provenance": book.provenance,
        "min_cell": book.settings["min_cell"],
    }


def _starting(specs: list[TableSpec], names: tuple[str, ...]) -> list[TableSpec]:
    """Return the tables of these names; a name that ends in a hyphen stands for all that begin with it."""
    return [
        spec
        for spec in specs
        if any(spec.name == n or (n.endswith("-") and spec.name.startswith(n)) for n in names)
    ]
