"""Coefficients of the mixed models with their intervals, one panel a question; the intercept is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from implstats.report.book import MIXED_TYPES, Book
from implstats.report.figures.spec import FigureSpec
from implstats.report.figures.style import BLUE, MUTED, new_figure, wrapped
from implstats.report.numbers import counted, fixed, listed
from implstats.results.rows import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# A page of panels: more coefficients than this go to a second figure.
MOST_LINES = 34


def forest_figures(book: Book) -> list[FigureSpec]:
    """Return the figure of coefficients, on several pages if there are many."""
    panels = [
        (q.name, rows) for q in book.questions if q.kind in MIXED_TYPES and (rows := slopes(book, q.name))
    ]
    pages = _pages(panels)
    return [
        FigureSpec(
            name="coefficients" if len(pages) == 1 else f"coefficients-{i}",
            analysis="coefficients",
            title="Coefficients of the mixed models" + (f" ({i} of {len(pages)})" if len(pages) > 1 else ""),
            alt=_alt(book, page),
            figure=_draw(book, page),
        )
        for i, page in enumerate(pages, start=1)
    ]


def slopes(book: Book, analysis: str) -> list[Row]:
    """Return a question's coefficients with an estimate, without the intercept."""
    return [
        row
        for row in book.select(analysis, block="fixed", quantity="coefficient")
        if row.term != "(Intercept)" and row.estimate is not None
    ]


def _pages(panels: list[tuple[str, list[Row]]]) -> list[list[tuple[str, list[Row]]]]:
    pages: list[list[tuple[str, list[Row]]]] = []
    used = 0
    for name, rows in panels:
        size = len(rows) + 2
        if not pages or used + size > MOST_LINES:
            pages.append([])
            used = 0
        pages[-1].append((name, rows))
        used += size
    return pages


def _draw(book: Book, page: list[tuple[str, list[Row]]]) -> Figure:
    sizes = [len(rows) for _, rows in page]
    figure = new_figure(book, height=0.35 + 0.62 * len(page) + 0.24 * sum(sizes))
    axes = figure.subplots(len(page), 1, squeeze=False, height_ratios=[n + 0.6 for n in sizes]).ravel()
    for ax, (name, rows) in zip(axes, page, strict=True):
        _panel(book, ax, name, rows)
    axes[-1].set_xlabel("Coefficient with its interval, in the units of each outcome")
    return figure


def _panel(book: Book, axes: Axes, name: str, rows: list[Row]) -> None:
    axes.axvline(0, color=MUTED, lw=0.8)
    for place, row in enumerate(rows):
        if row.conf_low is not None and row.conf_high is not None:
            axes.plot([row.conf_low, row.conf_high], [place, place], color=BLUE, lw=1.4)
        clear = excludes_zero(row)
        axes.plot([row.estimate or 0.0], [place], "o", ms=4.5, color=BLUE, mfc=BLUE if clear else "white")
    axes.set_yticks(range(len(rows)), [wrapped(book.term(r.term), 34) for r in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_title(wrapped(book.name_of(name), 78))
    axes.margins(x=0.08)


def excludes_zero(row: Row) -> bool:
    """Tell whether a row's interval lies on one side of zero."""
    return row.conf_low is not None and row.conf_high is not None and row.conf_low * row.conf_high > 0


def _alt(book: Book, page: list[tuple[str, list[Row]]]) -> str:
    rows = [(name, row) for name, found in page for row in found]
    clear = [
        f"{book.term(row.term)} ({fixed(row.estimate or 0.0, decimals=book.decimals)}; {book.name_of(name)})"
        for name, row in rows
        if excludes_zero(row)
    ]
    start = f"Dots with intervals for {counted(len(rows), 'coefficient')} of {counted(len(page), 'model')}."
    if not clear:
        return f"{start} Every interval includes zero."
    some = clear if len(clear) <= 6 else [*clear[:6], f"{len(clear) - 6} more"]
    return f"{start} The interval excludes zero for {listed(some)}."
