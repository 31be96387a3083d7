"""Tables, figures and page in one go, from the results data set."""

from __future__ import annotations

from pathlib import Path

from implstats.report.book import open_book
from implstats.report.figures import all_figures
from implstats.report.figures.save import save_figures
from implstats.report.page import page_html
from implstats.report.tables import all_tables, write_specs
from implstats.results.files import write_text


def build_all(folder: Path) -> None:
    """Rebuild a study's tables, figures and ``report.html``; the data set is read once, nothing is refitted.

    Raises
    ------
    ProblemsError
        If the folder does not hold a whole results data set.
    """
    book = open_book(folder)
    specs = all_tables(book)
    write_specs(book, specs)
    save_figures(book, all_figures(book))
    write_text(folder / "report.html", page_html(book, specs))
