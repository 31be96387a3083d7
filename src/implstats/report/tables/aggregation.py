"""Agreement and reliability of cluster means: may persons' scores be averaged?"""

from __future__ import annotations

from implstats.report.book import Book
from implstats.report.tables.spec import (
    Cell,
    TableSpec,
    cell_of,
    count,
    headers,
    make_table,
    words,
)  # fmt: skip
from implstats.results.rows import Row

BOUNDED = ("icc1", "icc2", "rwgj_mean", "rwgj_median", "rwgj_min", "rwgj_max")


def aggregation_tables(book: Book) -> list[TableSpec]:
    """Return one table: a line for each scale, cluster level and wave."""
    rows = book.select("aggregation")
    if not rows:
        return []
    keys = dict.fromkeys((r.block, r.level, r.term) for r in rows)
    scales, waves = book.ordered("scale", [k[0] for k in keys]), book.ordered("wave", [k[2] for k in keys])
    ordered = sorted(keys, key=lambda k: (scales.index(k[0]), k[1], waves.index(k[2])))
    return [
        make_table(
            book,
            name="aggregation",
            title="Agreement within clusters",
            columns=headers(
                "Scale", "Level", "Wave", "Clusters", "ICC(1)", "F", "p", "ICC(2)", "rwg(j) M", "Mdn", "Min",
                "Max", "rwg(j) ≥ .70", "η", text=3,
            ),
            rows=[_line(book, rows, *key) for key in ordered],
            note="ICC(1): share of variance between clusters; ICC(2): reliability of cluster means; F "
            "tests ICC(1) = 0; rwg(j): agreement within a cluster against a uniform null distribution (mean, "
            "median, smallest and largest cluster); η: root of the sum of squares' share between clusters.",
            source=rows,
        )
    ]  # fmt: skip


def _line(book: Book, rows: list[Row], scale: str, level: str, wave: str) -> list[Cell]:
    d = book.decimals
    found = {r.quantity: r for r in rows if (r.block, r.level, r.term) == (scale, level, wave)}
    icc1 = found.get("icc1")
    values = {q: cell_of(found.get(q), "estimate", "bounded", decimals=d) for q in BOUNDED}
    return [
        words(book.label("scale", scale)),
        words(book.label("cluster", level)),
        words(book.label("wave", wave)),
        count(None if icc1 is None else icc1.n_clusters),
        values["icc1"],
        cell_of(icc1, "statistic", "number", decimals=d),
        cell_of(icc1, "p_value", "p", decimals=3),
        values["icc2"],
        *(values[f"rwgj_{which}"] for which in ("mean", "median", "min", "max")),
        cell_of(found.get("share_rwgj_70"), "estimate", "percent", decimals=1),
        cell_of(found.get("eta_between"), "estimate", "bounded", decimals=d),
    ]
