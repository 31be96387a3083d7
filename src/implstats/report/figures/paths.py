"""Path diagrams: boxes are observed, ellipses latent, arrows carry standardised values.

An arrow is dashed when its confidence interval includes zero. A structural model with latent variables is
drawn without their items, which stand in the table of parameters.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from implstats.report.book import SEM_TYPES, Book
from implstats.report.figures.graph import (
    Edge,
    Node,
    edges_of_model,
    levels_of_model,
    measurement_layout,
    structural_layout,
)
from implstats.report.figures.spec import FigureSpec
from implstats.report.figures.style import BLUE, INK, MUTED, new_figure, wrapped
from implstats.report.numbers import bounded, counted, listed, sentence, stars

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Point = tuple[float, float]
# More covariances than this would hide the paths of a structural model.
MOST_ARCS = 3
# Where along an arrow its label may stand, best first.
PLACES = (0.5, 0.4, 0.6, 0.32, 0.68, 0.25, 0.75)


def path_figures(book: Book) -> list[FigureSpec]:
    """Return a diagram for each structural equation model that has an answer."""
    names = [a for q in book.questions if q.kind in SEM_TYPES for a in book.analyses_of(q)]
    return [
        spec for name in names for level in levels_of_model(book, name) if (spec := _one(book, name, level))
    ]


def _one(book: Book, analysis: str, level: str) -> FigureSpec | None:
    edges = edges_of_model(book, analysis, level=level)
    structural = any(e.op == "~" for e in edges)
    if not structural and not any(e.op == "=~" for e in edges):
        return None
    nodes, size = (structural_layout if structural else measurement_layout)(book, edges)
    edges = [e for e in edges if e.start in nodes and e.end in nodes]
    crowded = structural and sum(e.op == "~~" for e in edges) > MOST_ARCS
    if crowded:
        edges = [e for e in edges if e.op != "~~"]
    figure = new_figure(book, width=size[0], height=size[1])
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, size[0])
    axes.set_ylim(0, size[1])
    axes.set_axis_off()
    _draw_edges(axes, nodes, edges)
    for node in nodes.values():
        _draw_node(axes, node)
    return FigureSpec(
        name=f"path-{analysis.replace(':', '-')}" + (f"-{level}" if level else ""),
        analysis=analysis,
        title=sentence(book.name_of(analysis))
        + (f" {level.capitalize()} clusters." if level else "")
        + " Standardised; dashed: the interval includes zero"
        + ("; covariances stand in the table" if crowded else ""),
        alt=_alt(book, analysis, edges),
        figure=figure,
    )


def _draw_node(axes: Axes, node: Node) -> None:
    from matplotlib.patches import Ellipse, Rectangle

    style: dict[str, Any] = {"facecolor": "white", "edgecolor": INK, "linewidth": 0.9, "zorder": 3}
    if node.latent:
        axes.add_patch(Ellipse((node.x, node.y), node.width, node.height, **style))
    else:
        corner = (node.x - node.width / 2, node.y - node.height / 2)
        axes.add_patch(Rectangle(corner, node.width, node.height, **style))
    characters = int(node.width * 72 / (node.font * 0.6))
    lines = 1 if node.height < 0.4 else 3
    text = wrapped(node.label, characters)
    if text.count("\n") >= lines or max(map(len, text.split("\n"))) > characters:
        text = _shortened(node.label, characters, lines)
    axes.text(node.x, node.y, text, ha="center", va="center", fontsize=node.font, zorder=4, linespacing=1.1)


def _shortened(text: str, characters: int, lines: int) -> str:
    """Return text cut to what fits, with an ellipsis."""
    kept = [line[:characters] for line in wrapped(text, characters).split("\n")[:lines]]
    kept[-1] = kept[-1][: characters - 1].rstrip() + "…"
    return "\n".join(kept)


def _draw_edges(axes: Axes, nodes: dict[str, Node], edges: list[Edge]) -> None:
    labels: list[Point] = []
    bends = {"up": 0, "down": 0}
    for edge in edges:
        start, end = nodes[edge.start], nodes[edge.end]
        if edge.op == "=~":
            last = (end.x - end.width / 2, end.y)
            first = border(start, last)
            control = _on_curve(first, first, last, 0.5)
        else:
            control = _control(start, end, edge, nodes, bends)
            first, last = border(start, control), border(end, control)
        _draw_arrow(axes, first, control, last, edge)
        if edge.value is None:
            continue
        if edge.op == "=~":
            # Beside its item: there no two labels can meet.
            at = (last[0] - 0.28, _on_line(first, last, last[0] - 0.28))
        else:
            at = _label_place(first, control, last, labels, nodes)
        labels.append(at)
        text = bounded(edge.value, decimals=2) + stars(edge.p_value)
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
        size = end.font if edge.op == "=~" else 7.5
        axes.text(*at, text, ha="center", va="center", fontsize=size, bbox=box, zorder=2,
                  color=INK if edge.clear else "#555555")  # fmt: skip


def _draw_arrow(axes: Axes, first: Point, control: Point, last: Point, edge: Edge) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    curve = Path([first, control, last], [Path.MOVETO, Path.CURVE3, Path.CURVE3])
    axes.add_patch(
        FancyArrowPatch(
            path=curve, arrowstyle="<|-|>" if edge.op == "~~" else "-|>", mutation_scale=7, lw=1.0,
            color=MUTED if edge.op == "~~" else BLUE, linestyle="-" if edge.clear else (0, (3, 2)),
            zorder=1,
        )
    )  # fmt: skip


def _control(start: Node, end: Node, edge: Edge, nodes: dict[str, Node], bends: dict[str, int]) -> Point:
    """Return the point that bends an arrow: covariances bow to the left, paths go around a node."""
    x, y = (start.x + end.x) / 2, (start.y + end.y) / 2
    if edge.op == "~~":
        if abs(start.x - end.x) < 0.1:
            bow = start.width / 2 + 0.5 + 0.28 * abs(start.y - end.y)
            right = x > max(n.x for n in nodes.values()) - 0.1 and x > 3
            return (x + bow if right and not start.latent else x - bow, y)
        return (x, y - 0.5)
    if edge.op == "~" and _blocked(start, end, nodes):
        middle = sum(n.y for n in nodes.values()) / len(nodes)
        level = abs(y - middle) < 0.1
        up = bends["up"] <= bends["down"] if level else y > middle
        bends["up" if up else "down"] += 1
        return (x, y + (1.15 if up else -1.15))
    return (x, y)


def _blocked(start: Node, end: Node, nodes: dict[str, Node]) -> bool:
    """Tell whether a straight arrow would run through another node or too close past it."""
    for node in nodes.values():
        if node.name in (start.name, end.name) or not min(start.x, end.x) < node.x < max(start.x, end.x):
            continue
        y = _on_line((start.x, start.y), (end.x, end.y), node.x)
        if abs(y - node.y) < node.height / 2 + 0.12:
            return True
    return False


def _on_line(first: Point, last: Point, x: float) -> float:
    """Return the height of the straight line from ``first`` to ``last`` at ``x``."""
    share = (x - first[0]) / (last[0] - first[0]) if last[0] != first[0] else 0.5
    return first[1] + share * (last[1] - first[1])


def border(node: Node, towards: Point) -> Point:
    """Return where the line from a node's centre to a point leaves the node."""
    dx, dy = towards[0] - node.x, towards[1] - node.y
    if dx == 0 and dy == 0:
        return (node.x, node.y)
    if node.latent:
        scale = 1 / math.hypot(dx / (node.width / 2), dy / (node.height / 2))
    else:
        scale = 1 / max(abs(dx) / (node.width / 2), abs(dy) / (node.height / 2))
    return (node.x + dx * min(scale, 1), node.y + dy * min(scale, 1))


def _on_curve(first: Point, control: Point, last: Point, t: float) -> Point:
    """Return a point of the quadratic Bezier curve at ``t`` between 0 and 1."""
    a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t**2
    return (
        a * first[0] + b * control[0] + c * last[0],
        a * first[1] + b * control[1] + c * last[1],
    )


def _label_place(
    first: Point, control: Point, last: Point, taken: list[Point], nodes: dict[str, Node]
) -> Point:
    """Return the first place along the curve that is free; else the one with most room."""

    def room(at: Point) -> float:
        others = [max(abs(at[0] - p[0]) / 0.5, abs(at[1] - p[1]) / 0.2) for p in taken]
        boxes = [
            max(abs(at[0] - n.x) / (n.width / 2 + 0.22), abs(at[1] - n.y) / (n.height / 2 + 0.1))
            for n in nodes.values()
        ]
        return min([*others, *boxes, 9.0])

    candidates = [_on_curve(first, control, last, t) for t in PLACES]
    return next((at for at in candidates if room(at) > 1), max(candidates, key=room))


def _alt(book: Book, analysis: str, edges: list[Edge]) -> str:
    paths = [e for e in edges if e.op in ("~", "=~") and e.value is not None]
    kind = "Path diagram" if any(e.op == "~" for e in edges) else "Measurement model"
    if kind == "Measurement model":
        sizes = [abs(e.value) for e in paths if e.value is not None]
        factors = [book.thing(n) for n in dict.fromkeys(e.start for e in paths)]
        low, high = (bounded(v, decimals=2) for v in (min(sizes), max(sizes)))
        return f"{kind} of {listed(factors)}: standardised loadings run from {low} to {high} in size."
    clear = [
        f"{book.thing(e.start)} to {book.thing(e.end)} ({bounded(e.value, decimals=2)})"
        for e in paths
        if e.clear and e.op == "~" and e.value is not None
    ]
    open_ones = sum(1 for e in paths if not e.clear and e.op == "~")
    found = f"Paths whose interval excludes zero: {listed(clear)}." if clear else "No interval excludes zero."
    rest = f" The interval of {counted(open_ones, 'path')} includes zero." if open_ones and clear else ""
    return f"{kind}, {sentence(book.name_of(analysis))} {found}{rest}"
