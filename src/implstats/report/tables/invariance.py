"""The ladder of measurement invariance: fit of each step and what each equality costs."""

from __future__ import annotations

from implstats.report.book import Book, Question
from implstats.report.tables.mixed import failed_body
from implstats.report.tables.spec import Cell, TableSpec, cell_of, headers, make_table, words
from implstats.results.rows import Row

STEPS = {
    "configural": "Same pattern (configural)",
    "thresholds": "Equal thresholds",
    "metric": "Equal loadings (metric)",
    "scalar": "Equal intercepts (scalar)",
    "strict": "Equal residual variances (strict)",
    "means": "Equal latent means",
}


def invariance_tables(book: Book, question: Question) -> list[TableSpec]:
    """Return one table for each scale."""
    return [table for analysis in book.analyses_of(question) for table in _one_ladder(book, analysis)]


def _one_ladder(book: Book, analysis: str) -> list[TableSpec]:
    rows = [r for r in book.select(analysis) if r.block in ("steps", "differences")]
    if not rows:
        return []
    if all(r.estimate is None for r in rows):
        body = failed_body(book, analysis)
    else:
        body = [_line(rows, step) for step in dict.fromkeys(r.term for r in rows)]
    methods = ", ".join(sorted({r.method for r in rows if r.method}))
    return [
        make_table(
            book, name=f"invariance-{analysis.replace(':', '-')}", title=book.name_of(analysis),
            columns=headers("Model", "χ²", "df", "CFI", "RMSEA", "SRMR", "Δχ²", "Δdf", "p", "ΔCFI", "ΔRMSEA",
                            "ΔSRMR"),
            rows=body, source=rows,
            note=f"Estimator: {methods}. Each model adds an equality to the one above and is compared with "
            "it; robust indices and scaled differences where the estimator has them.",
        )
    ]  # fmt: skip


def _line(rows: list[Row], step: str) -> list[Cell]:
    found = {r.quantity: r for r in rows if r.term == step}

    def index(name: str) -> Cell:
        row = found.get(name)
        return Cell() if row is None else cell_of(row, "estimate", "bounded", decimals=3)

    test = found.get("chisq_difference")
    return [
        words(STEPS.get(step, step)), _number(found.get("chisq"), 2), _number(found.get("df"), 0),
        index("cfi"), index("rmsea"), index("srmr"), _number(test, 2),
        Cell() if test is None else cell_of(test, "df", "number", decimals=0),
        Cell() if test is None else cell_of(test, "p_value", "p", decimals=3), index("cfi_difference"),
        index("rmsea_difference"), index("srmr_difference"),
    ]  # fmt: skip


def _number(row: Row | None, decimals: int) -> Cell:
    return Cell() if row is None else cell_of(row, "estimate", "number", decimals=decimals)
