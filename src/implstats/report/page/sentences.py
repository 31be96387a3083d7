"""Plain sentences of what each question found, written from its rows.

Nothing here says that one thing causes another. A sentence gives the effect, its interval and how sure the
degrees of freedom are; whether an effect matters is left to the reader.
"""

from __future__ import annotations

from implstats.report.book import MIXED_TYPES, SEM_TYPES, Book, Question
from implstats.report.numbers import bounded, counted, fixed, interval_text, listed, p_clause, percent
from implstats.report.tables.invariance import STEPS
from implstats.report.tables.mixed import DF_NAMES, level_name
from implstats.report.tables.sem import shown_indices
from implstats.results.rows import Row

MOST_SENTENCES = 8
NO_BREAK = "\N{NO-BREAK SPACE}"


def question_sentences(book: Book, question: Question) -> list[str]:
    """Return the findings of a question; none when its fit failed."""
    found: list[str] = []
    for analysis in book.analyses_of(question):
        if analysis in book.failures():
            continue
        if question.kind == "null_model":
            found += _levels(book, analysis)
        elif question.kind in MIXED_TYPES:
            found += _coefficients(book, analysis)
        elif question.kind in SEM_TYPES:
            found += _structure(book, analysis)
        elif question.kind == "invariance":
            found += _ladder(book, analysis)
        elif question.kind == "attrition":
            found += _attrition(book, analysis)
    return found


def ci_text(row: Row, *, decimals: int, leading_zero: bool = True) -> str:
    """Return ``95% CI [0.01, 0.09]``, or an empty string without an interval."""
    if row.conf_low is None or row.conf_high is None or row.conf_level is None:
        return ""
    ends = interval_text(row.conf_low, row.conf_high, decimals=decimals, leading_zero=leading_zero)
    return f"{100 * row.conf_level:g}% CI {ends}"


def _levels(book: Book, analysis: str) -> list[str]:
    """Return what share of the variance lies at each level."""
    rows = book.select(analysis, block="icc", quantity="icc")
    outcome = next((r.unit for r in book.select(analysis, block="fixed") if r.unit), "the outcome")
    out = []
    for row in rows:
        if row.estimate is None:
            continue
        out.append(
            f"{percent(row.estimate)} of the variance of {outcome} lies at the level "
            f"'{level_name(book, row.level)}' (ICC = {bounded(row.estimate, decimals=3)})."
        )
    return [*out, *_basis(rows)]


def _basis(rows: list[Row]) -> list[str]:
    """Return on how much the numbers rest."""
    n_obs = max((r.n_obs for r in rows if r.n_obs is not None), default=None)
    clusters = max((r.n_clusters for r in rows if r.n_clusters is not None), default=None)
    methods = [DF_NAMES.get(m, m) for m in sorted({r.df_method for r in rows if r.df_method})]
    parts = [] if n_obs is None else [counted(n_obs, "observation")]
    if clusters is not None:
        parts.append(f"{counted(clusters, 'cluster')} of the highest level")
    if not parts:
        return []
    tail = f"; degrees of freedom: {listed(methods)}" if methods else ""
    return [f"Based on {listed(parts)}{tail}."]


def _coefficients(book: Book, analysis: str) -> list[str]:
    rows = [
        r for r in book.select(analysis, block="fixed") if r.term != "(Intercept)" and r.estimate is not None
    ]
    out = [_coefficient(book, row) for row in rows[:MOST_SENTENCES]]
    if len(rows) > MOST_SENTENCES:
        out.append(f"{len(rows) - MOST_SENTENCES} more coefficients stand in the table.")
    return [*out, *_basis(rows)]


def _coefficient(book: Book, row: Row) -> str:
    """Return one coefficient as a sentence with its test."""
    outcome, size = row.unit or "the outcome", row.estimate or 0.0
    amount = fixed(abs(size), decimals=book.decimals)
    term = book.term(row.term)
    if ":" in row.term:
        first, *others = (book.term(part) for part in row.term.split(":"))
        text = (
            f"The coefficient of {first} changes by {fixed(size, decimals=book.decimals)} for each unit more "
            f"of {listed(others)}"
        )
    elif row.term == "time":
        text = f"{outcome} {'rose' if size > 0 else 'fell'} by {amount} for each {_time_unit(book, row)}"
    elif book.category(row.term) is not None:
        text = (
            f"{outcome} is {'higher' if size > 0 else 'lower'} by {amount} for {term} than for the reference"
        )
    else:
        change = "higher" if size > 0 else "lower"
        text = f"{outcome} is {change} by {amount} where {term} is one unit higher"
    return f"{text[:1].upper() + text[1:]} ({_test(book, row)}){_openness(row)}."


def _time_unit(book: Book, row: Row) -> str:
    """Return the study's own word for a unit of time."""
    unit = book.label("time_unit", row.analysis)
    return unit if unit != row.analysis else "unit of time"


def _test(book: Book, row: Row) -> str:
    parts = [f"b = {fixed(row.estimate or 0.0, decimals=book.decimals)}"]
    ci = ci_text(row, decimals=book.decimals)
    if ci:
        parts.append(ci)
    if row.statistic is not None and row.df is not None:
        parts.append(f"t({fixed(row.df, decimals=1)}) = {fixed(row.statistic, decimals=2)}")
    elif row.statistic is not None:
        parts.append(f"z = {fixed(row.statistic, decimals=2)}")
    if row.p_value is not None:
        parts.append(p_clause(row.p_value))
    return ", ".join(together(part) for part in parts)


def together(text: str) -> str:
    """Return text that no line break may divide."""
    return text.replace(" ", NO_BREAK)


def _openness(row: Row) -> str:
    """Say when the interval leaves the direction open."""
    if row.conf_low is None or row.conf_high is None:
        return ", without an interval"
    return "; the interval includes zero" if row.conf_low <= 0 <= row.conf_high else ""


def _structure(book: Book, analysis: str) -> list[str]:
    """Return fit, loadings or paths of a structural equation model."""
    rows = book.select(analysis, block="parameters")
    out = _fit(book, analysis)
    std = [
        abs(r.estimate)
        for r in book.select(analysis, block="standardised")
        if "=~" in r.term and r.estimate is not None
    ]
    if std:
        low, high = (bounded(v, decimals=2) for v in (min(std), max(std)))
        out.append(f"Standardised loadings run from {low} to {high} in size.")
    out += _shares_between(book, analysis)
    drawn = {
        (r.term, r.level): r for r in book.select(analysis, block="bootstrap") if r.quantity != "std_all"
    }
    paths = [r for r in rows if r.quantity in ("regression", "defined") and r.estimate is not None]
    for row in paths[:MOST_SENTENCES]:
        again = _bootstrapped(book, drawn.get((row.term, row.level)))
        place = f" ({row.level} clusters)" if row.level in ("within", "between") else ""
        out.append(f"{book.parameter(row.term)}{place}: {_test(book, row)}{again}{_openness(row)}.")
    if len(paths) > MOST_SENTENCES:
        out.append(f"{len(paths) - MOST_SENTENCES} more paths stand in the table.")
    return out


def _bootstrapped(book: Book, row: Row | None) -> str:
    """The bootstrap's interval beside the test."""
    ci = "" if row is None else ci_text(row, decimals=book.decimals)
    return f", bootstrap {together(ci)}" if ci else ""


def _shares_between(book: Book, analysis: str) -> list[str]:
    """How much of the variables' variance lies between clusters, for a model of two levels."""
    rows = [r for r in book.select(analysis, block="icc") if r.estimate is not None]
    if not rows:
        return []
    low, high = (percent(value) for value in (min(r.estimate or 0 for r in rows),
                                              max(r.estimate or 0 for r in rows)))  # fmt: skip
    clusters = max((r.n_clusters for r in rows if r.n_clusters is not None), default=None)
    based = "" if clusters is None else f" ({counted(clusters, 'cluster')})"
    return [f"Of the variables' variance {low} to {high} lies between clusters{based}."]


def _fit(book: Book, analysis: str) -> list[str]:
    rows = shown_indices([r for r in book.select(analysis, block="fit") if r.estimate is not None])
    n_obs = next((r.n_obs for r in rows.values() if r.n_obs is not None), None)
    based = f" in {counted(n_obs, 'person')}" if n_obs is not None else ""
    name = book.thing(analysis.partition(":")[2]) or "The model"
    if "df" in rows and rows["df"].estimate == 0:
        return [f"{name}{based} has no degrees of freedom: it fits any data, so its fit is not tested."]
    parts = []
    if "chisq" in rows and "df" in rows:
        chisq, df = rows["chisq"].estimate or 0.0, rows["df"].estimate or 0.0
        scaled = "scaled " if rows["chisq"].quantity == "chisq.scaled" else ""
        parts.append(f"{scaled}χ²({fixed(df, decimals=0)}) = {fixed(chisq, decimals=2)}")
    if "pvalue" in rows:
        parts.append(p_clause(rows["pvalue"].estimate or 0.0))
    levels = {"srmr_within", "srmr_between"} <= set(rows)
    for quantity in ("cfi", "tli", "rmsea", *(() if levels else ("srmr",))):
        if quantity in rows:
            row = rows[quantity]
            ci = ci_text(row, decimals=3, leading_zero=False)
            value = bounded(row.estimate or 0.0, decimals=3)
            kind = row.quantity.removeprefix(quantity).strip(".")
            parts.append(f"{kind} {quantity.upper()} = {value}".strip() + (f" ({ci})" if ci else ""))
    if levels:
        both = (bounded(rows[f"srmr_{level}"].estimate or 0.0, decimals=3) for level in ("within", "between"))
        parts.append("SRMR = {} within and {} between clusters".format(*both))
    shown = ", ".join(together(part) for part in parts)
    return [f"{name} fits{based} as follows: {shown}."] if parts else []


def _ladder(book: Book, analysis: str) -> list[str]:
    """Return what each equality costs, and the step's verdict as its check gives it."""
    name = book.thing(analysis.partition(":")[2])
    rows = book.select(analysis, block="differences")
    out = []
    for step in dict.fromkeys(r.term for r in rows):
        found = {r.quantity: r for r in rows if r.term == step}
        cfi, test = found.get("cfi_difference"), found.get("chisq_difference")
        if cfi is None or cfi.estimate is None:
            continue
        parts = [f"ΔCFI = {bounded(cfi.estimate, decimals=3)}"]
        rmsea = found.get("rmsea_difference")
        if rmsea is not None and rmsea.estimate is not None:
            parts.append(f"ΔRMSEA = {bounded(rmsea.estimate, decimals=3)}")
        if test is not None and test.statistic is not None and test.df is not None:
            chisq = f"Δχ²({test.df:.0f}) = {fixed(test.statistic, decimals=2)}"
            parts += [chisq] if test.p_value is None else [chisq, p_clause(test.p_value)]
        out.append(f"{name}, {STEPS.get(step, step).lower()}: {', '.join(together(p) for p in parts)}.")
    passed = [c.message for c in book.checks_of(analysis) if c.name == "comparable" and c.status == "ok"]
    return [*out, *passed]


def _wave(book: Book, level: str) -> str:
    """Return a wave's name within a sentence: a year stands alone, a mere number does not."""
    label = book.label("wave", level)
    is_year = label.isdigit() and len(label) == len("2011")
    return label if is_year or not label.replace(".", "", 1).isdigit() else f"wave {label}"


def _attrition(book: Book, analysis: str) -> list[str]:
    shares = [
        r
        for r in book.select(analysis, block="participation", quantity="share_of_first")
        if r.estimate is not None
    ]
    out = []
    if len(shares) > 1:
        last = shares[-1]
        out.append(
            f"Of the persons of {_wave(book, shares[0].level)}, {percent(last.estimate or 0.0)} took "
            f"part in {_wave(book, last.level)}."
        )
    compared = [r for r in book.select(analysis, block="comparison") if r.estimate is not None]
    for row in compared[:MOST_SENTENCES]:
        size = row.estimate or 0.0
        side = "higher" if size > 0 else "lower"
        numbers = [ci_text(row, decimals=book.decimals)]
        numbers += [] if row.p_value is None else [p_clause(row.p_value)]
        out.append(
            f"Leavers were {side} in {book.thing(row.term)} at the first wave by "
            f"{fixed(abs(size), decimals=book.decimals)} standard deviations "
            f"({', '.join(n for n in numbers if n)}){_openness(row)}."
        )
    return out
