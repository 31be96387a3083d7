"""How scores are spread: step histograms of each scale, one above the other by wave, with the mean marked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from implstats.report.book import Book
from implstats.report.figures.spec import FigureSpec
from implstats.report.figures.style import (
    BLUE,
    MUTED,
    ORANGE,
    PALE_BLUE,
    grid_of,
    new_figure,
    page_name,
    pages_of,
    wrapped,
)
from implstats.report.numbers import fixed
from implstats.results.rows import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PREFIX = "distribution:"
BIN = re.compile(r"[\[(]\s*([^,]+),\s*([^\])]+)[\])]")
RIDGE = 1.25  # height of a ridge's place in units of the tallest bin


def distribution_figures(book: Book) -> list[FigureSpec]:
    """Return figures with a panel for each scale, nine on a page."""
    blocks = {r.block for r in book.select("scales") if r.block.startswith(PREFIX)}
    scales = book.ordered("scale", [block.removeprefix(PREFIX) for block in sorted(blocks)])
    if not scales:
        return []
    waves = {
        s: tuple(book.ordered("wave", [r.level for r in book.select("scales", block=PREFIX + s)]))
        for s in scales
    }
    return [
        _page(book, page, list(waves[page[0]]), number=i) for i, page in enumerate(pages_of(scales, waves))
    ]


def _page(book: Book, scales: list[str], waves: list[str], *, number: int) -> FigureSpec:
    columns = 3
    n_rows = -(-len(scales) // columns)
    figure = new_figure(book, height=min(n_rows * (0.9 + 0.42 * max(len(waves), 2)), 9.2))
    for axes, scale in zip(grid_of(figure, len(scales), columns=columns), scales, strict=True):
        _panel(book, axes, scale, waves)
        if scale not in scales[::columns]:
            axes.set_yticklabels([])
    if any(r.suppressed for s in scales for r in book.select("scales", block=PREFIX + s)):
        figure.supxlabel("Score. Hatched: withheld, few persons. Mark: mean.", fontsize=7.5)
    else:
        figure.supxlabel("Score. Mark: mean.", fontsize=7.5)
    return FigureSpec(
        name=page_name("distributions", number),
        analysis="scales",
        title="Distribution of scores" + (" by wave" if len(waves) > 1 else ""),
        alt=" ".join(_alt(book, scale, waves) for scale in scales),
        figure=figure,
    )


def edges_of(term: str) -> tuple[float, float]:
    """Return the ends of a bin written as an interval.

    >>> edges_of("[1, 1.5)")
    (1.0, 1.5)
    """
    found = BIN.fullmatch(term.strip())
    if found is None:
        raise ValueError(f"'{term}' is not a bin such as '[1, 1.5)'")
    return float(found[1]), float(found[2])


def _panel(book: Book, axes: Axes, scale: str, waves: list[str]) -> None:
    """Draw one scale: the first wave on top."""
    rows = book.select("scales", block=PREFIX + scale)
    top = max((r.estimate for r in rows if r.estimate is not None), default=1.0) or 1.0
    for place, wave in enumerate(reversed(waves)):
        base = place * RIDGE
        axes.axhline(base, color=MUTED, lw=0.5)
        for row in (r for r in rows if r.level == wave):
            _bin(axes, row, base, top)
        mean = book.first("scales", block="description", quantity="mean", term=scale, level=wave)
        if mean is not None and mean.estimate is not None:
            axes.plot([mean.estimate] * 2, [base, base + 1.08], color=ORANGE, lw=1.4, solid_capstyle="butt")
    axes.set_title(wrapped(book.label("scale", scale), 23))
    axes.set_ylim(-0.05, len(waves) * RIDGE + 0.05)
    named = [book.label("wave", wave) for wave in reversed(waves)]
    axes.set_yticks([i * RIDGE + 0.08 for i in range(len(waves))], named if waves != [""] else [""])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _bin(axes: Axes, row: Row, base: float, top: float) -> None:
    """Draw one bin; a withheld one is a hatched stub that says nothing about its height."""
    left, right = edges_of(row.term)
    if row.suppressed:
        axes.bar(left, 0.09, right - left, bottom=base, align="edge", color="white", edgecolor=MUTED,
                 hatch="/////", lw=0)  # fmt: skip
    elif row.estimate:
        axes.bar(left, row.estimate / top, right - left, bottom=base, align="edge", color=PALE_BLUE,
                 edgecolor=BLUE, lw=0.6)  # fmt: skip


def _alt(book: Book, scale: str, waves: list[str]) -> str:
    label = book.label("scale", scale)
    means = [
        (wave, row.estimate)
        for wave in waves
        if (row := book.first("scales", block="description", quantity="mean", term=scale, level=wave))
        and row.estimate is not None
    ]
    if not means:
        return f"Histogram of {label}; its mean is not available."
    (first, low), (last, high) = means[0], means[-1]
    if len(means) == 1:
        return f"Histogram of {label}; the mean is {fixed(low, decimals=book.decimals)}."
    return f"Histograms of {label} by wave. {moved(book, label, first, low, last, high)}"


def moved(book: Book, label: str, first: str, low: float, last: str, high: float) -> str:
    """Return how a mean went from one wave to another, at the printed precision."""
    start, end = fixed(low, decimals=book.decimals), fixed(high, decimals=book.decimals)
    verb = "stayed at" if start == end else "rose from" if high > low else "fell from"
    path = start if start == end else f"{start} at {first} to {end} at {last}"
    span = f" from {first} to {last}" if start == end else ""
    return f"Mean {label} {verb} {path}{span}."
