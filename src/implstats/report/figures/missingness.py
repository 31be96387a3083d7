"""Missing values: a heatmap of scale or variable by wave, or bars when there is one wave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from implstats.report.book import Book
from implstats.report.figures.spec import FigureSpec
from implstats.report.figures.style import BLUE, new_figure, page_name, wrapped
from implstats.report.numbers import percent
from implstats.results.rows import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Below this share the darkest colour is not used, so that small shares look small.
LOWEST_TOP = 0.3
MOST_LINES = 30


def missingness_figures(book: Book) -> list[FigureSpec]:
    """Return figures of the shares of missing values: names with the same waves stand together."""
    rows = [r for r in shown_shares(book) if r.estimate is not None]
    if not any(r.estimate for r in rows):
        return []  # nothing is missing: the table says so in one line, a figure would be empty
    names = list(dict.fromkeys(r.term for r in rows))
    labels = book.distinct(names)
    waves = {n: tuple(book.ordered("wave", [r.level for r in rows if r.term == n])) for n in names}
    groups = [[n for n in names if waves[n] == found] for found in dict.fromkeys(waves.values())]
    groups = [g for g in groups if any(r.estimate for r in rows if r.term in g)]
    pages = [group[i : i + MOST_LINES] for group in groups for i in range(0, len(group), MOST_LINES)]
    return [
        _page(book, [r for r in rows if r.term in page], {n: labels[n] for n in page}, number=i)
        for i, page in enumerate(pages)
    ]


def shown_shares(book: Book) -> list[Row]:
    """Return one share for each name and wave: of answers for a scale of several items, else of values.

    A score needs only some of its items, so the share of missing scores would hide skipped answers.
    """
    answers = {
        (r.block, r.term, r.level): r for r in book.select("missing", quantity="share_answers_missing")
    }
    values = book.select("missing", quantity="share_missing")
    return [answers.get((r.block, r.term, r.level), r) for r in values]


def _page(book: Book, rows: list[Row], labels: dict[str, str], *, number: int) -> FigureSpec:
    waves = book.ordered("wave", [r.level for r in rows])
    names = list(labels)
    figure = new_figure(book, height=min(0.9 + 0.27 * len(names), 9))
    axes = figure.subplots()
    if len(waves) > 1:
        _heatmap(book, axes, rows, labels, waves)
    else:
        _bars(axes, rows, labels)
    return FigureSpec(
        name=page_name("missing", number),
        analysis="missing",
        title="Share of missing values (scales of several items: of missing answers)"
        + (" by wave" if len(waves) > 1 else ""),
        alt=_alt(book, rows, waves),
        figure=figure,
    )


def _heatmap(book: Book, axes: Axes, rows: list[Row], labels: dict[str, str], waves: list[str]) -> None:
    import numpy as np
    import seaborn

    names = list(labels)
    grid = np.full((len(names), len(waves)), np.nan)
    for row in rows:
        grid[names.index(row.term), waves.index(row.level)] = row.estimate
    text = [["" if np.isnan(v) else percent(v) for v in line] for line in grid]
    seaborn.heatmap(
        grid, ax=axes, annot=np.array(text), fmt="", vmin=0, vmax=max(LOWEST_TOP, float(np.nanmax(grid))),
        cmap=seaborn.light_palette(BLUE, as_cmap=True), cbar=False, linewidths=1.5, linecolor="white",
        annot_kws={"fontsize": 8},
        xticklabels=[book.label("wave", w) for w in waves],
        yticklabels=[wrapped(labels[n], 38) for n in names],
    )  # fmt: skip
    axes.tick_params(length=0)
    axes.tick_params(axis="y", rotation=0)


def _bars(axes: Axes, rows: list[Row], labels: dict[str, str]) -> None:
    names = list(labels)
    shares = [next(r.estimate or 0.0 for r in rows if r.term == name) for name in names]
    places = range(len(names))
    axes.barh(places, [100 * s for s in shares], color=BLUE, height=0.6)
    axes.set_yticks(places, [wrapped(labels[n], 38) for n in names])
    axes.invert_yaxis()
    top = 100 * max([*shares, 0.05])
    axes.set_xlim(0, 1.12 * top)
    axes.set_xlabel("Missing (%)")
    for place, share in zip(places, shares, strict=True):
        axes.text(100 * share + 0.012 * top, place, percent(share), va="center", fontsize=7.5)


def _alt(book: Book, rows: list[Row], waves: list[str]) -> str:
    most = max(rows, key=lambda r: r.estimate or 0.0)
    least = min(rows, key=lambda r: r.estimate or 0.0)

    def where(row: Row) -> str:
        at = f" at {book.label('wave', row.level)}" if row.level else ""
        return f"{book.thing(row.term)}{at} ({percent(row.estimate or 0.0)})"

    kind = "Heatmap of the share of missing values by wave." if len(waves) > 1 else "Bars of missing values."
    if len(rows) == 1:
        return f"{kind} {where(most)}."
    return f"{kind} Most are missing for {where(most)}, fewest for {where(least)}."
