"""The graph of a structural equation model and where its nodes stand; units are inches.

Two layouts. A measurement model has its factors in one column and their items in the next. A structural
model has its variables in layers: a variable stands one layer to the right of the last one that points at
it (longest path), and within a layer in the order of the mean height of those it depends on (Sugiyama,
Tagawa & Toda 1981), which keeps arrows from crossing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from implstats.report.book import Book
from implstats.results.rows import Row

OPERATORS = re.compile(r"^\s*(\S+)\s*(=~|~~|~1|~)\s*(\S*)\s*$")
TALLEST = 9.0
HEADROOM = 0.3  # for the mark of simulated data


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """An arrow from ``start`` to ``end`` (``~~``: both ways); ``value`` is standardised where it can be."""

    start: str
    end: str
    op: str
    value: float | None
    p_value: float | None
    clear: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A variable: its centre (x, y), width and height in inches, and whether it is latent."""

    name: str
    label: str
    x: float
    y: float
    width: float
    height: float
    latent: bool
    font: float


LEVELS = ("within", "between")


def levels_of_model(book: Book, analysis: str) -> list[str]:
    """Return within and between for a model of two levels, else one empty name."""
    found = {r.level for r in book.select(analysis, block="parameters")}
    return [name for name in LEVELS if name in found] or [""]


def edges_of_model(book: Book, analysis: str, *, level: str = "") -> list[Edge]:
    """Return the arrows of a model, or of one of its levels: loadings, regressions and covariances."""
    rows = [r for r in book.select(analysis, block="parameters") if r.estimate is not None]
    groups = [level] if level else list(dict.fromkeys(r.level for r in rows))
    std = {
        (r.term, r.level): r.estimate for r in book.select(analysis, block="standardised", quantity="std_all")
    }
    return [edge for r in rows if r.level == groups[0] and (edge := _edge(r, std.get((r.term, r.level))))]


def _edge(row: Row, std: float | None) -> Edge | None:
    found = OPERATORS.match(row.term)
    if found is None or found[2] == "~1" or found[1] == found[3]:
        return None
    left, op, right = found[1], found[2], found[3]
    start, end = (right, left) if op == "~" else (left, right)
    # A parameter fixed by the model has no interval and is no matter of doubt.
    free = row.conf_low is not None and row.conf_high is not None and bool(row.std_error)
    clear = not free or (row.conf_low or 0.0) * (row.conf_high or 0.0) > 0
    return Edge(
        start=start,
        end=end,
        op=op,
        value=row.estimate if std is None else std,
        p_value=row.p_value if free else None,
        clear=clear,
    )


def measurement_layout(book: Book, edges: list[Edge]) -> tuple[dict[str, Node], tuple[float, float]]:
    """Return nodes and size of a measurement model: factors on the left, their items on the right."""
    factors = list(dict.fromkeys(e.start for e in edges if e.op == "=~"))
    items = [(f, e.end) for f in factors for e in edges if e.op == "=~" and e.start == f]
    gap = 0.6
    slots = len(items) + gap * (len(factors) - 1)
    row = min(0.3, (TALLEST - 0.25 - HEADROOM) / slots)
    height = row * slots + 0.25 + HEADROOM
    font = min(8.0, 72 * row * 0.52)
    nodes: dict[str, Node] = {}
    y = height - HEADROOM - row / 2
    for factor in factors:
        mine = [item for f, item in items if f == factor]
        ys = [y - row * i for i in range(len(mine))]
        for item, at in zip(mine, ys, strict=True):
            nodes.setdefault(
                item,
                Node(name=item, label=book.label("item", item), x=5.45, y=at, width=1.7,
                     height=row * 0.78, latent=False, font=font),
            )  # fmt: skip
        nodes[factor] = Node(
            name=factor, label=book.thing(factor), x=2.2, y=sum(ys) / len(ys), width=1.55, height=0.62,
            latent=True, font=8.0,
        )  # fmt: skip
        y = ys[-1] - row * (1 + gap)
    return nodes, (6.5, max(height, 0.9 * len(factors) + 0.3))


def structural_layout(book: Book, edges: list[Edge]) -> tuple[dict[str, Node], tuple[float, float]]:
    """Return nodes and size of a structural model in layers, from left to right."""
    latent = {e.start for e in edges if e.op == "=~"}
    paths = [e for e in edges if e.op == "~"]
    names = list(dict.fromkeys(n for e in paths for n in (e.start, e.end)))
    depth = layers_of(names, paths)
    n_layers = max(depth.values()) + 1
    columns = [[n for n in names if depth[n] == k] for k in range(n_layers)]
    columns = _untangled(columns, paths)
    tallest = max(len(column) for column in columns)
    height = max(2.3, 1.15 * tallest + 0.6)
    width, box = 6.5, min(1.35, 6.5 / n_layers * 0.62)
    left, right = (_margin(columns[k], edges) for k in (0, -1))
    step = (width - left - right - box) / max(n_layers - 1, 1)
    xs = [left + box / 2 + k * step for k in range(n_layers)]
    nodes = {}
    for x, column in zip(xs, columns, strict=True):
        for i, name in enumerate(column):
            y = height * (1 - (i + 0.5) / len(column))
            nodes[name] = Node(
                name=name, label=book.thing(name), x=x, y=y, width=box, height=0.56,
                latent=name in latent, font=8.0,
            )  # fmt: skip
    return nodes, (width, height)


def _margin(column: list[str], edges: list[Edge]) -> float:
    """Return the room beside a layer, in inches: more when covariances bow out there."""
    arcs = [e for e in edges if e.op == "~~" and e.start in column and e.end in column]
    return 0.85 if arcs else 0.15


def layers_of(names: list[str], paths: list[Edge]) -> dict[str, int]:
    """Return each variable's layer, the longest way to it; circles of arrows end at the number of names."""
    depth = dict.fromkeys(names, 0)
    for _ in names:
        for edge in paths:
            depth[edge.end] = max(depth[edge.end], min(depth[edge.start] + 1, len(names) - 1))
    used = sorted(set(depth.values()))
    return {name: used.index(level) for name, level in depth.items()}


def _untangled(columns: list[list[str]], paths: list[Edge]) -> list[list[str]]:
    """Order each layer by the mean place of the variables that point at it, then back again."""
    place = {name: i / len(column) for column in columns for i, name in enumerate(column)}
    for forwards in (True, False, True):
        for column in columns if forwards else columns[::-1]:
            column.sort(key=lambda name: (_pull(name, paths, place, forwards), place[name]))
            place |= {name: (i + 0.5) / len(column) for i, name in enumerate(column)}
    return columns


def _pull(name: str, paths: list[Edge], place: dict[str, float], forwards: bool) -> float:
    if forwards:
        near = [place[e.start] for e in paths if e.end == name]
    else:
        near = [place[e.end] for e in paths if e.start == name]
    return sum(near) / len(near) if near else place[name]
