"""One look for all figures: sizes of a page column, one font, colours that everyone can tell apart.

Colours are from Okabe & Ito's palette (2008), chosen for readers with any kind of colour vision. Widths are
in inches: a page column of 6.5 inches. Figures are built from ``Figure`` objects, never from pyplot's state.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from implstats.report.book import SYNTHETIC, Book

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 6.5
TALLEST = 9.2
MOST_PANELS = 9
INK = "#222222"
MUTED = "#8a8f98"
GRID = "#dddddd"
BLUE = "#0072B2"
ORANGE = "#D55E00"
PALE_BLUE = "#d6e6f2"

RC: Any = {
    "font.family": ["DejaVu Sans"],
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "hatch.linewidth": 0.5,
    # Hinted text has other widths at other resolutions, and labels solved for one would be cut at another.
    "text.hinting": "no_hinting",
    "figure.dpi": 200,
    "svg.fonttype": "none",
    "svg.hashsalt": "implstats",
    "pdf.fonttype": 42,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


def new_figure(book: Book, *, height: float, width: float = WIDTH) -> Figure:
    """Return an empty figure of the house's size; simulated data are marked in its corner."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.07, h_pad=0.06))
    FigureCanvasAgg(figure)
    if book.synthetic:
        figure.suptitle(SYNTHETIC, x=0.995, ha="right", fontsize=7.5, fontweight="bold", color=ORANGE)
    return figure


def grid_of(figure: Figure, count: int, *, columns: int, **options: Any) -> list[Axes]:
    """Return ``count`` axes in rows of at most ``columns``; unused places stay empty."""
    columns = min(columns, count)
    rows = -(-count // columns)
    axes = figure.subplots(rows, columns, squeeze=False, **options).ravel().tolist()
    for unused in axes[count:]:
        unused.set_axis_off()
    return axes[:count]


def pages_of(names: list[str], waves_of: dict[str, tuple[str, ...]]) -> list[list[str]]:
    """Return names in pages: those with the same waves together, at most ``MOST_PANELS`` on a page.

    >>> pages_of(["a", "b", "c"], {"a": ("1", "2"), "b": ("",), "c": ("1", "2")})
    [['a', 'c'], ['b']]
    """
    groups: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        groups.setdefault(waves_of[name], []).append(name)
    pages = []
    for group in groups.values():
        size = -(-len(group) // -(-len(group) // MOST_PANELS))  # pages of equal size
        pages += [group[i : i + size] for i in range(0, len(group), size)]
    return pages


def page_name(name: str, page: int) -> str:
    """Return a figure's file name: the first page has the bare name.

    >>> page_name("missing", 0), page_name("missing", 1)
    ('missing', 'missing-2')
    """
    return name if page == 0 else f"{name}-{page + 1}"


def wrapped(text: str, width: int) -> str:
    """Return text in lines of at most ``width`` characters.

    >>> wrapped("Leadership climate", 12)
    'Leadership\\nclimate'
    """
    return "\n".join(textwrap.wrap(text, width, break_long_words=False)) or text
