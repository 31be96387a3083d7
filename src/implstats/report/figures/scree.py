"""Scree plot with parallel analysis: eigenvalues of the data beside the 95th percentile of chance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from implstats.report.figures.style import BLUE, GRID, MUTED, RC, WIDTH
from implstats.results.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEIGHT = 3.0
KINDS = ("png", "pdf", "svg")
PNG_DPI = 200


def scree_figure(panels: Sequence[tuple[str, Sequence[float], Sequence[float], int]], *, note: str) -> Figure:
    """Return a panel for each kind of eigenvalue.

    Parameters
    ----------
    panels : sequence of (title, observed, chance, retained)
        Eigenvalues, largest first; the eigenvalues that chance exceeds in one of twenty samples; how many
        lead before chance overtakes them.
    note : str
        Stands below.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _draw(axes, *panel)
    figure.supxlabel(note, fontsize=7, color=MUTED, x=0.01, ha="left")
    return figure


def _draw(axes: Axes, title: str, observed: Sequence[float], chance: Sequence[float], retained: int) -> None:
    numbers = range(1, len(observed) + 1)
    axes.axhline(0, color=GRID, linewidth=0.6, zorder=0)
    axes.plot(numbers, chance, color=MUTED, linewidth=1, linestyle=(0, (4, 2)), label="chance (95 %)")
    axes.plot(numbers, observed, color=BLUE, linewidth=1.2, label="data")
    for kept, face in ((True, BLUE), (False, "white")):
        at = [k for k in numbers if (k <= retained) is kept]
        axes.plot(at, [observed[k - 1] for k in at], "o", markersize=5, color=BLUE, markerfacecolor=face)
    axes.set_title(f"{title}: {retained} above chance")
    axes.set_xlabel("number")
    axes.set_ylabel("eigenvalue")
    step = max(1, len(observed) // 12)
    axes.set_xticks(list(numbers)[::step])
    axes.legend(frameon=False)


def write_scree(path: Path, panels: Sequence[tuple[str, Sequence[float], Sequence[float], int]], *,
                note: str) -> Path:  # fmt: skip
    """Write the figure as the file's ending says, whole or not at all; return the path."""
    from matplotlib import rc_context

    with rc_context(RC):
        figure = scree_figure(panels, note=note)
        with replacing(path) as temporary:
            figure.savefig(temporary, format=path.suffix[1:].lower(), dpi=PNG_DPI)
    return path
