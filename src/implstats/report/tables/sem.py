"""Structural equation models: parameters of each question and one table of fit."""

from __future__ import annotations

from implstats.report.book import SEM_TYPES, Book, Question
from implstats.report.numbers import bounded
from implstats.report.tables.mixed import failed_body
from implstats.report.tables.spec import (
    Cell,
    TableSpec,
    cell_of,
    headers,
    interval_header,
    interval_of,
    make_table,
    words,
)  # fmt: skip
from implstats.results.rows import Row

PANELS = {
    "loading": "Loadings", "regression": "Regressions", "defined": "Defined parameters",
    "covariance": "Covariances", "variance": "Variances", "intercept": "Intercepts",
    "threshold": "Thresholds", "scaling": "Response scales",
}  # fmt: skip


SRMR_OF_LEVELS = "SRMR of a model of two levels: within / between clusters."
# What readers of a bootstrap look for; every parameter's row stands in the results data set.
RESAMPLED = ("defined", "regression", "loading")
INTERVALS = {
    "percentile": "percentile",
    "bca": "bias-corrected and accelerated (BCa)",
    "basic": "basic bootstrap",
}
REPLACED = ("chisq", "df", "pvalue", "cfi", "tli", "rmsea")


def parameter_tables(book: Book, question: Question) -> list[TableSpec]:
    """Return the parameters of a question's models with standardised values beside them."""
    return [
        table
        for name in book.analyses_of(question)
        for build in (_one_model, _bootstrap_table, _icc_table)
        for table in build(book, name)
    ]


def _one_model(book: Book, analysis: str) -> list[TableSpec]:
    rows = book.select(analysis, block="parameters")
    if not rows:
        return []
    if all(r.estimate is None for r in rows):
        body = failed_body(book, analysis)
    else:
        std = {(r.term, r.level): r for r in book.select(analysis, block="standardised")}
        body = _panels(book, rows, std)
    methods = sorted({r.method for r in rows if r.method})
    note = "Std.: both sides standardised (std.all)."
    return [
        make_table(
            book,
            name=f"parameters-{analysis.replace(':', '-')}",
            title=book.name_of(analysis),
            columns=headers("Parameter", "Estimate", "SE", "z", "p", interval_header(rows), "Std."),
            rows=body,
            note=f"Estimator: {', '.join(methods)}. {note}" if methods else note,
            source=rows,
        )
    ]


def _bootstrap_table(book: Book, analysis: str) -> list[TableSpec]:
    """Return what the bootstrap says of paths, effects and loadings, raw and standardised side by side."""
    rows = [r for r in book.select(analysis, block="bootstrap") if r.estimate is not None]
    shown = [r for r in rows if r.quantity in RESAMPLED]
    if not shown:
        return []
    std = {(r.term, r.level): r for r in rows if r.quantity == "std_all"}
    body = []
    groups = list(dict.fromkeys(r.level for r in shown))
    for group in groups:
        for quantity in RESAMPLED:
            mine = [r for r in shown if r.quantity == quantity and r.level == group]
            if mine:
                heading = PANELS[quantity]
                body.append([words(f"{heading} ({group})" if len(groups) > 1 and group else heading)])
                body += [_resampled_line(book, r, std.get((r.term, r.level))) for r in mine]
    kind = INTERVALS.get(shown[0].df_method, shown[0].df_method)
    return [
        make_table(
            book,
            name=f"bootstrap-{analysis.replace(':', '-')}",
            title=f"{book.name_of(analysis)}: bootstrap",
            columns=headers("Parameter", "Estimate", "SE", interval_header(shown), "Std.", "Std. CI"),
            rows=body,
            note=f"SE: standard deviation over the samples drawn. Intervals: {kind}. Std.: both sides "
            "standardised (std.all). Samples, seed and refits stand in the checks.",
            source=shown,
        )
    ]


def _resampled_line(book: Book, row: Row, std: Row | None) -> list[Cell]:
    d = book.decimals
    return [
        words(book.parameter(row.term)),
        cell_of(row, "estimate", "number", decimals=d),
        cell_of(row, "std_error", "number", decimals=d),
        interval_of(row, decimals=d),
        cell_of(std, "estimate", "bounded", decimals=d),
        interval_of(std, decimals=d, leading_zero=False),
    ]


def _icc_table(book: Book, analysis: str) -> list[TableSpec]:
    """Return what share of each variable's variance lies between clusters, for a model of two levels."""
    rows = book.select(analysis, block="icc")
    if not rows:
        return []
    level = book.label("cluster", rows[0].level)
    lines = [[words(book.thing(r.term)), cell_of(r, "estimate", "bounded", decimals=3)] for r in rows]
    return [
        make_table(
            book,
            name=f"icc-{analysis.replace(':', '-')}",
            title=f"{book.name_of(analysis)}: share of variance between clusters",
            columns=headers("Variable", "ICC"),
            rows=lines,
            note=f"ICC: share of a variable's variance between clusters ({level}), from the saturated model.",
            source=rows,
        )
    ]


def _panels(book: Book, rows: list[Row], std: dict[tuple[str, str], Row]) -> list[list[Cell]]:
    out: list[list[Cell]] = []
    groups = list(dict.fromkeys(r.level for r in rows))
    for group in groups:
        for quantity in [*PANELS, *sorted({r.quantity for r in rows} - set(PANELS))]:
            mine = [r for r in rows if r.quantity == quantity and r.level == group]
            if _says_nothing(quantity, mine):
                continue
            if mine:
                heading = PANELS.get(quantity, quantity)
                out.append([words(f"{heading} ({group})" if len(groups) > 1 and group else heading)])
                out += [_line(book, r, std.get((r.term, r.level))) for r in mine]
    return out


def _says_nothing(quantity: str, rows: list[Row]) -> bool:
    """Whether a panel holds conventions alone: scales that nothing estimates, intercepts fixed at zero."""
    if any(r.std_error for r in rows):
        return False
    return quantity == "scaling" or (quantity == "intercept" and all(r.estimate == 0 for r in rows))


def _line(book: Book, row: Row, std: Row | None) -> list[Cell]:
    d = book.decimals
    return [
        words(book.parameter(row.term)),
        cell_of(row, "estimate", "number", decimals=d),
        *_uncertainty(row, d),
        cell_of(std, "estimate", "bounded", decimals=d),
    ]


def _uncertainty(row: Row, decimals: int) -> list[Cell]:
    """Return SE, z, p and interval; a parameter fixed by the model has none, and nothing is missing."""
    if row.estimate is not None and not row.std_error:
        return [Cell()] * 4
    return [
        cell_of(row, "std_error", "number", decimals=decimals),
        cell_of(row, "statistic", "number", decimals=2),
        cell_of(row, "p_value", "p", decimals=3),
        interval_of(row, decimals=decimals),
    ]


def fit_tables(book: Book) -> list[TableSpec]:
    """Return one table of fit: a line for each model."""
    lines, source = [], []
    for question in book.questions:
        if question.kind not in SEM_TYPES:
            continue
        for analysis in book.analyses_of(question):
            rows = book.select(analysis, block="fit")
            source += rows
            if rows:
                lines.append(_fit_line(book.name_of(analysis), shown_indices(rows)))
    if not lines:
        return []
    columns = headers("Model", "N", "χ²", "df", "p", "CFI", "TLI", "RMSEA", "RMSEA CI", "SRMR", "AIC", "BIC")
    levels = any(r.quantity == "srmr_between" for r in source)
    return [
        make_table(
            book,
            name="sem-fit",
            title="Fit of the structural equation models",
            columns=columns,
            rows=lines,
            note=" ".join([_rmsea_note(source), *([SRMR_OF_LEVELS] if levels else [])]),
            source=source,
        )
    ]


def shown_indices(rows: list[Row]) -> dict[str, Row]:
    """Return rows by index; a scaled test and robust indices take the place of the plain ones."""
    found = {r.quantity: r for r in rows}
    for name in REPLACED:
        for kind in ("robust", "scaled"):
            better = found.get(f"{name}.{kind}")
            if better is not None and better.estimate is not None:
                found[name] = better
                break
    return found


def _fit_line(name: str, found: dict[str, Row]) -> list[Cell]:
    def number(quantity: str, kind: str = "number", decimals: int = 2) -> Cell:
        return cell_of(found.get(quantity), "estimate", kind, decimals=decimals)  # type: ignore[arg-type]

    any_row = next(iter(found.values()))
    return [
        words(name),
        cell_of(any_row, "n_obs", "integer", decimals=0),
        number("chisq"),
        number("df", decimals=0),
        number("pvalue", "p"),
        number("cfi", "bounded", 3),
        number("tli", "bounded", 3),
        number("rmsea", "bounded", 3),
        interval_of(found.get("rmsea"), decimals=3, leading_zero=False),
        _srmr_cell(found),
        number("aic", decimals=1),
        number("bic", decimals=1),
    ]


def _srmr_cell(found: dict[str, Row]) -> Cell:
    """SRMR of the model, or within / between clusters for a model of two levels."""
    within, between = found.get("srmr_within"), found.get("srmr_between")
    if within is None or between is None or within.estimate is None or between.estimate is None:
        return cell_of(found.get("srmr"), "estimate", "bounded", decimals=3)
    inner, outer = (bounded(r.estimate or 0.0, decimals=3) for r in (within, between))
    return words(f"{inner} / {outer}")


def _rmsea_note(rows: list[Row]) -> str:
    levels = sorted({r.conf_level for r in rows if r.quantity == "rmsea" and r.conf_level is not None})
    parts = [f"RMSEA CI: {', '.join(f'{100 * level:g}%' for level in levels)}."] if levels else []
    if any(r.quantity == "chisq.scaled" and r.estimate is not None for r in rows):
        parts.append("χ² scaled, CFI, TLI and RMSEA robust (or scaled) where the estimator has them.")
    return " ".join(parts)
