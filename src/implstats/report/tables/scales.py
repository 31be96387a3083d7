"""Scales: description with reliability, and the analysis of their items."""

from __future__ import annotations

from implstats.report.book import Book
from implstats.report.tables.spec import (
    Cell,
    TableSpec,
    cell_of,
    count,
    headers,
    interval_header,
    interval_of,
    make_table,
    words,
)  # fmt: skip
from implstats.results.rows import Row


def scale_tables(book: Book) -> list[TableSpec]:
    """Return the description of the scales: a line for each scale and wave."""
    described = book.select("scales", block="description")
    reliable = book.select("scales", block="reliability")
    if not described and not reliable:
        return []
    found = {(r.term, r.level, r.quantity): r for r in [*described, *reliable]}
    keys = _scale_waves(book, [*described, *reliable])
    columns = headers(
        "Scale", "Wave", "N", "M", interval_header(described), "SD", "α", "α " + interval_header(reliable),
        "ω", text=2,
    )  # fmt: skip
    return [
        make_table(
            book,
            name="scales",
            title="Scale descriptives and reliability",
            columns=columns,
            rows=[_scale_line(book, found, *key) for key in keys],
            note="M: mean with its confidence interval; α: Cronbach's alpha; ω: McDonald's omega total.",
            source=[*described, *reliable],
        )
    ]


def _scale_waves(book: Book, rows: list[Row]) -> list[tuple[str, str]]:
    scales = book.ordered("scale", [r.term for r in rows])
    waves = book.ordered("wave", [r.level for r in rows])
    there = {(r.term, r.level) for r in rows}
    return [(scale, wave) for scale in scales for wave in waves if (scale, wave) in there]


def _scale_line(book: Book, found: dict[tuple[str, str, str], Row], scale: str, wave: str) -> list[Cell]:
    d = book.decimals
    mean, sd, alpha, omega = (found.get((scale, wave, q)) for q in ("mean", "sd", "alpha", "omega_total"))
    return [
        words(book.label("scale", scale)),
        words(book.label("wave", wave)),
        count(None if mean is None else mean.n_obs),
        cell_of(mean, "estimate", "number", decimals=d),
        interval_of(mean, decimals=d),
        cell_of(sd, "estimate", "number", decimals=d),
        cell_of(alpha, "estimate", "bounded", decimals=d),
        interval_of(alpha, decimals=d, leading_zero=False),
        cell_of(omega, "estimate", "bounded", decimals=d),
    ]


def item_tables(book: Book) -> list[TableSpec]:
    """Return the item analysis: items under the heading of their scale."""
    rows = book.select("scales", block="items")
    if not rows:
        return []
    d = book.decimals
    kinds = {"item_mean": "number", "item_sd": "number"}
    quantities = ("item_mean", "item_sd", "item_rest_correlation", "alpha_if_dropped")
    out: list[list[Cell]] = []
    for scale in book.ordered("scale", [r.level for r in rows]):
        out.append([words(book.label("scale", scale))])
        mine = [r for r in rows if r.level == scale]
        for item in dict.fromkeys(r.term for r in mine):
            found = {r.quantity: r for r in mine if r.term == item}
            cells = [
                cell_of(found.get(q), "estimate", "number" if q in kinds else "bounded", decimals=d)
                for q in quantities
            ]
            n_obs = next((r.n_obs for r in found.values() if r.n_obs is not None), None)
            out.append([words(book.label("item", item)), count(n_obs), *cells])
    return [
        make_table(
            book,
            name="items",
            title="Item analysis",
            columns=headers("Item", "N", "M", "SD", "Item-rest r", "α if dropped"),
            rows=out,
            note="Item-rest r: correlation of the item with the mean of the other items of its scale.",
            source=rows,
        )
    ]
