"""Figures: one kind a file; a new kind is a file with a function ``Book -> list[FigureSpec]`` named below."""

from __future__ import annotations

from pathlib import Path

from implstats.report.book import Book, open_book
from implstats.report.figures.spec import FigureSpec


def all_figures(book: Book) -> list[FigureSpec]:
    """Return every figure of a study, in the order of the report."""
    from matplotlib import rc_context

    from implstats.report.figures import distributions, forest, missingness, paths, style, trajectories

    with rc_context(style.RC):
        return [
            *missingness.missingness_figures(book),
            *distributions.distribution_figures(book),
            *trajectories.trajectory_figures(book),
            *forest.forest_figures(book),
            *paths.path_figures(book),
        ]


def write_figures(folder: Path) -> list[Path]:
    """Write a study's figures and ``figures/alt.json``; return the paths."""
    from implstats.report.figures.save import save_figures

    book = open_book(folder)
    return save_figures(book, all_figures(book))
