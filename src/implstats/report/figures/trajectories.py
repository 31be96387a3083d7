"""Cluster means: lines over the waves with the overall mean and its ribbon; a caterpillar for one wave."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from implstats.report.book import Book
from implstats.report.figures.distributions import moved
from implstats.report.figures.spec import FigureSpec
from implstats.report.figures.style import (
    BLUE,
    MUTED,
    ORANGE,
    TALLEST,
    grid_of,
    new_figure,
    page_name,
    pages_of,
    wrapped,
)
from implstats.report.numbers import counted, fixed
from implstats.results.rows import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ALL = "all"
# Beyond this many clusters their names would not be readable; the figure says how many there are instead.
MOST_NAMED = 30


def trajectory_figures(book: Book) -> list[FigureSpec]:
    """Return figures with a panel for each scale, nine on a page."""
    rows = book.select("trajectories", quantity="mean")
    scales = book.ordered("scale", [r.block for r in rows if r.estimate is not None])
    if not scales:
        return []
    waves = {s: tuple(book.ordered("wave", [r.level for r in rows if r.block == s])) for s in scales}
    return [
        _page(book, [r for r in rows if r.block in page], page, list(waves[page[0]]), number=i)
        for i, page in enumerate(pages_of(scales, waves))
    ]


def _page(book: Book, rows: list[Row], scales: list[str], waves: list[str], *, number: int) -> FigureSpec:
    n_clusters = len({r.term for r in rows if r.term != ALL})
    drawer = _lines if len(waves) > 1 else _caterpillar
    columns = 3
    n_rows = -(-len(scales) // columns)
    each = 2.3 if len(waves) > 1 else max(2.2, min(0.9 + 0.13 * n_clusters, 6.5))
    figure = new_figure(book, height=min(n_rows * each, TALLEST))
    for axes, scale in zip(grid_of(figure, len(scales), columns=columns), scales, strict=True):
        drawer(book, axes, [r for r in rows if r.block == scale], waves)
        axes.set_title(wrapped(book.label("scale", scale), 21))
    level = next((r.unit for r in rows if r.unit), "cluster")
    return FigureSpec(
        name=page_name("trajectories", number),
        analysis="trajectories",
        title=f"Means by {book.label('cluster', level).lower()}" + _over(waves),
        alt=_alt(book, rows, scales, waves, level),
        figure=figure,
    )


def _over(waves: list[str]) -> str:
    return " over the waves" if len(waves) > 1 else ""


def _lines(book: Book, axes: Axes, rows: list[Row], waves: list[str]) -> None:
    """Draw a thin line for each cluster and the overall mean with its ribbon."""
    clusters = list(dict.fromkeys(r.term for r in rows if r.term != ALL))
    fade = 0.75 if len(clusters) <= 15 else 0.45 if len(clusters) <= 50 else 0.25
    for cluster in clusters:
        points = _points(rows, cluster, waves)
        # A wave without a shown mean breaks the line instead of being bridged.
        axes.plot(range(len(waves)), [_number(p.estimate) if p else math.nan for p in points], color=MUTED,
                  alpha=fade, lw=0.8, marker="o", ms=1.8)  # fmt: skip
    overall = _points(rows, ALL, waves)
    known = [(i, p) for i, p in enumerate(overall) if p and p.estimate is not None]
    axes.fill_between(
        [i for i, p in known if p.conf_low is not None],
        [_number(p.conf_low) for _, p in known if p.conf_low is not None],
        [_number(p.conf_high) for _, p in known if p.conf_low is not None],
        color=BLUE, alpha=0.25, lw=0,
    )  # fmt: skip
    axes.plot(
        [i for i, _ in known], [_number(p.estimate) for _, p in known], color=BLUE, lw=2, marker="o", ms=3.5
    )
    axes.set_xticks(range(len(waves)), _short(book, waves))
    axes.set_xlim(-0.25, len(waves) - 0.75)
    axes.set_ylabel("Mean")


def _number(value: float | None) -> float:
    """Return a number that matplotlib leaves out when it is missing."""
    return math.nan if value is None else value


def _points(rows: list[Row], cluster: str, waves: list[str]) -> list[Row | None]:
    found = {r.level: r for r in rows if r.term == cluster}
    return [found.get(wave) for wave in waves]


def _short(book: Book, waves: list[str]) -> list[str]:
    """Return wave labels that fit under a small panel: only their numbers when they are many and alike."""
    labels = [book.label("wave", wave) for wave in waves]
    if len("".join(labels)) <= 24:
        return labels
    first_words = {label.rsplit(" ", 1)[0] for label in labels}
    if len(first_words) == 1 and all(" " in label for label in labels):
        return [labels[0], *(label.rsplit(" ", 1)[1] for label in labels[1:])]
    return [wrapped(label, 8) for label in labels]


def _caterpillar(book: Book, axes: Axes, rows: list[Row], waves: list[str]) -> None:
    """Draw cluster means in their order with intervals around the overall mean."""
    clusters = [r for r in rows if r.term != ALL and r.estimate is not None]
    clusters.sort(key=lambda r: r.estimate or 0.0)
    places = range(len(clusters))
    for place, row in zip(places, clusters, strict=True):
        if row.conf_low is not None and row.conf_high is not None:
            axes.plot([row.conf_low, row.conf_high], [place, place], color=MUTED, lw=0.8)
    size = 3 if len(clusters) <= 50 else 2
    axes.plot([_number(r.estimate) for r in clusters], places, "o", color=BLUE, ms=size)
    overall = next((r for r in rows if r.term == ALL and r.estimate is not None), None)
    if overall is not None:
        axes.axvline(_number(overall.estimate), color=ORANGE, lw=1)
        if overall.conf_low is not None and overall.conf_high is not None:
            axes.axvspan(overall.conf_low, overall.conf_high, color=ORANGE, alpha=0.15, lw=0)
    if len(clusters) <= MOST_NAMED:
        axes.set_yticks(places, [book.label("cluster", r.term) for r in clusters])
    else:
        axes.set_yticks([])
        axes.set_ylabel(f"{len(clusters)} clusters in the order of their mean")
    axes.set_ylim(-1, len(clusters))
    axes.set_xlabel("Mean")


def _alt(book: Book, rows: list[Row], scales: list[str], waves: list[str], level: str) -> str:
    clusters = {r.term for r in rows if r.term != ALL}
    hidden = {r.term for r in rows if r.suppressed}
    noun = book.label("cluster", level).lower()
    kind = "Lines of cluster means over the waves" if len(waves) > 1 else "Cluster means with intervals"
    parts = [f"{kind} for {counted(len(clusters), noun)}, with the overall mean."]
    for scale in scales:
        mine = [r for r in rows if r.block == scale]
        overall = [p for p in _points(mine, ALL, waves) if p and p.estimate is not None]
        label = book.label("scale", scale)
        if len(overall) > 1:
            first, last = overall[0], overall[-1]
            parts.append(
                moved(book, label, first.level, first.estimate or 0.0, last.level, last.estimate or 0.0)
            )
        elif overall:
            parts.append(_spread(book, label, mine, overall[0]))
    if hidden:
        parts.append(f"{counted(len(hidden), noun)} had too few persons at some point to be shown there.")
    return " ".join(parts)


def _spread(book: Book, label: str, rows: list[Row], overall: Row) -> str:
    means = [r.estimate for r in rows if r.term != ALL and r.estimate is not None]
    text = f"Mean {label} is {fixed(overall.estimate or 0.0, decimals=book.decimals)}"
    if not means:
        return text + "."
    low, high = (fixed(v, decimals=book.decimals) for v in (min(means), max(means)))
    return f"{text}; cluster means run from {low} to {high}."
