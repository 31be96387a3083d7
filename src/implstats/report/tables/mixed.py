"""Mixed models: fixed effects, variances, ICC and fit, one table a question."""

from __future__ import annotations

from implstats.report.book import Book, Question
from implstats.report.numbers import counted, listed
from implstats.report.tables.mixed_follow_ups import follow_up_tables
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

MODEL_BLOCKS = ("fixed", "random", "residual", "icc", "fit")
FIT_NAMES = {
    "log_likelihood": "Log-likelihood",
    "criterion": "Criterion",
    "aic": "AIC",
    "bic": "BIC",
    "r2_marginal": "R² marginal",
    "r2_conditional": "R² conditional",
    "dispersion": "Negative binomial theta",
}
DF_NAMES = {
    "kenward-roger": "Kenward-Roger",
    "satterthwaite": "Satterthwaite",
    "between-within": "between-within",
    "wald-z": "none (Wald z)",
}


def mixed_tables(book: Book, question: Question) -> list[TableSpec]:
    """Return a question's table; a failed fit gives a table that says why and holds no number."""
    rows = [r for r in book.select(question.name) if r.block in MODEL_BLOCKS]
    if not rows:
        return []
    fixed = [r for r in rows if r.block == "fixed"]
    statistic = "z" if any(r.df_method == "wald-z" for r in fixed) else "t"
    columns = headers("Term", "b", "SE", statistic, "df", "p", interval_header(rows))
    if all(r.estimate is None for r in rows):
        body = failed_body(book, question.name)
    else:
        body = [*_fixed_lines(book, fixed), *_random_lines(book, rows), *_fit_lines(book, rows)]
    return [
        make_table(
            book,
            name=f"mixed-{question.name}",
            title=question.title,
            columns=columns,
            rows=body,
            note=_note(book, rows),
            source=rows,
        ),
        *follow_up_tables(book, question),
    ]


def failed_body(book: Book, analysis: str) -> list[list[Cell]]:
    """Return the one line of a table whose fit failed."""
    reason = book.failures().get(analysis, "no number is available")
    return [[words(f"No numbers: {reason}")]]


def _fixed_lines(book: Book, rows: list[Row]) -> list[list[Cell]]:
    if not rows:
        return []
    d = book.decimals
    lines = [
        [
            words(book.term(r.term)),
            cell_of(r, "estimate", "number", decimals=d),
            cell_of(r, "std_error", "number", decimals=d),
            cell_of(r, "statistic", "number", decimals=2),
            cell_of(r, "df", "number", decimals=1),
            cell_of(r, "p_value", "p", decimals=3),
            interval_of(r, decimals=d),
        ]
        for r in rows
    ]
    return [[words("Fixed effects")], *lines]


def _random_lines(book: Book, rows: list[Row]) -> list[list[Cell]]:
    """Return variances, covariances and ICCs; the interval of a variance stands where there is one."""
    d = book.decimals
    random = [r for r in rows if r.block == "random"]
    icc = [r for r in rows if r.block == "icc"]
    residual = [r for r in rows if r.block == "residual"]
    out: list[list[Cell]] = []
    if random:
        out.append([words("Random effects")])
        out += [
            _estimate_line(random_name(book, r), r, bounded=r.quantity == "correlation", decimals=d)
            for r in random
        ]
    if residual:
        out.append([words("Residuals over waves")])
        out += [_estimate_line(_residual_name(book, r), r, bounded=r.quantity == "rho", decimals=d)
                for r in residual]  # fmt: skip
    if icc:
        out.append([words("Dependence within clusters")])
        out += [_estimate_line(_icc_name(book, r), r, bounded=True, decimals=d) for r in icc]
    return out


def _estimate_line(name: str, row: Row, *, bounded: bool, decimals: int) -> list[Cell]:
    number = cell_of(row, "estimate", "bounded" if bounded else "number", decimals=decimals)
    interval = interval_of(row, decimals=decimals, leading_zero=not bounded)
    error = cell_of(row, "std_error", "number", decimals=decimals) if row.std_error is not None else Cell()
    interval = interval if interval.value is not None else Cell()
    return [words(name), number, error, Cell(), Cell(), Cell(), interval]


def random_name(book: Book, row: Row) -> str:
    """Return the name of a variance component, such as ``Company: intercept variance``."""
    if row.level == "residual":
        return "Residual variance"
    level = level_name(book, row.level)
    parts = [book.term(part.strip()).lower() for part in row.term.split("~~")] if row.term else []
    what = " with ".join(parts) or "intercept"
    return f"{level}: {what} {row.quantity}"


def level_name(book: Book, level: str) -> str:
    """Return a level's label; persons are a level without an entry in the dictionary.

    A nested level such as ``company:person`` is named by its parts.
    """
    label = " in ".join(book.label("cluster", part) for part in reversed(level.split(":")))
    return label[:1].upper() + label[1:]


def _icc_name(book: Book, row: Row) -> str:
    name = {"icc": "ICC", "group_mean_reliability": "Reliability of cluster means"}
    return f"{level_name(book, row.level)}: {name.get(row.quantity, row.quantity)}"


def _residual_name(book: Book, row: Row) -> str:
    return "Autocorrelation of one wave" if row.quantity == "rho" else f"SD in {book.label('wave', row.term)}"


def _fit_lines(book: Book, rows: list[Row]) -> list[list[Cell]]:
    fit = [r for r in rows if r.block == "fit"]
    n_obs = max((r.n_obs for r in rows if r.n_obs is not None), default=None)
    n_clusters = max((r.n_clusters for r in rows if r.n_clusters is not None), default=None)
    empty = [Cell()] * 5
    out: list[list[Cell]] = [[words("Fit")]]
    out += [
        [
            words(FIT_NAMES.get(r.quantity, r.quantity)),
            cell_of(r, "estimate", "number", decimals=book.decimals),
            *empty,
        ]
        for r in fit
    ]
    out.append([words("Observations"), count(n_obs), *empty])
    if n_clusters is not None:
        out.append([words("Clusters of the highest level"), count(n_clusters), *empty])
    return out


def _note(book: Book, rows: list[Row]) -> str:
    methods = sorted({r.method for r in rows if r.method})
    df = sorted({r.df_method for r in rows if r.df_method})
    parts = []
    if methods:
        parts.append(f"Estimator: {listed(methods)}.")
    if df:
        named = [DF_NAMES.get(name, name) for name in df]
        parts.append(f"Degrees of freedom: {listed(named)}.")
    clusters = max((r.n_clusters for r in rows if r.n_clusters is not None), default=None)
    if clusters is not None and clusters < 20:
        parts.append(f"Only {counted(clusters, 'cluster')}: intervals rest on few degrees of freedom.")
    return " ".join(parts)
