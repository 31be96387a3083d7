"""A fitted model as aligned text for a terminal; rounding happens here and only here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from implstats.sem.results import Parameter, SemResult

if TYPE_CHECKING:
    from implstats.sem.two_level_record import TwoLevelResult

SECTIONS = (
    ("=~", "Loadings"),
    ("~", "Regressions"),
    ("~~", "Covariances"),
    ("~1", "Means and intercepts"),
    ("|", "Thresholds"),
    ("~*~", "Response scales"),
)
WIDEST_TITLE = max(len(title) for _, title in SECTIONS)
HEAD = f"{'estimate':>10}{'std.err':>10}{'z':>9}{'p':>8}{'low':>10}{'high':>10}{'std.lv':>9}{'std.all':>9}"


def number(value: float | None, *, width: int, decimals: int = 3) -> str:
    """Return a number right-aligned, blank when missing.

    >>> number(1.23456, width=8)
    '   1.235'
    """
    return " " * width if value is None else f"{value:>{width}.{decimals}f}"


def result_text(result: SemResult) -> str:
    """Return the whole result: verdict, fit, parameters by kind, explained variance, checks."""
    lines = [
        f"Structural equation model ({result.kind}), {result.estimator}, {result.n_obs} persons, "
        f"{result.n_free} free parameters",
        verdict_line(result),
    ]
    if result.verdict != "failed":
        lines += ["", *fit_lines(result)]
        width = max((*(len(term_of(p)) for p in result.parameters), WIDEST_TITLE)) + 4
        for op, title in SECTIONS:
            part = [p for p in result.parameters if p.op == op and not (op == "~~" and p.lhs == p.rhs)]
            lines += section(title, part, width)
        lines += section(
            "Variances", [p for p in result.parameters if p.op == "~~" and p.lhs == p.rhs], width
        )
        lines += section("Defined", [p for p in result.parameters if p.op == ":="], width)
        for group in result.groups:
            if group.r_squared:
                lines += ["", f"Explained variance{f' [{group.label}]' if group.label else ''}"]
                lines += [
                    f"  {name:<{width - 2}}{number(value, width=10)}"
                    for name, value in group.r_squared.items()
                ]
    lines += ["", *check_lines(result)]
    return "\n".join(line.rstrip() for line in lines)


def _yes(flag: bool) -> str:
    return "yes" if flag else "no"


def verdict_line(result: SemResult | TwoLevelResult) -> str:
    """Return the verdict and what it rests on."""
    return (
        f"Verdict: {result.verdict} (converged: {_yes(result.converged)}, admissible: "
        f"{_yes(result.admissible)})"
    )


def check_lines(result: SemResult | TwoLevelResult) -> list[str]:
    """Return the checks, one sentence a line."""
    return ["Checks", *(f"  {check.status:<5} {check.name}: {check.message}" for check in result.checks)]


def term_of(parameter: Parameter) -> str:
    """Return a parameter in words with its label and group."""
    label = f" ({parameter.label})" if parameter.label and parameter.op != ":=" else ""
    label += f" [{parameter.group_label}]" if parameter.group_label else ""
    name = f"{parameter.lhs} := {parameter.rhs}" if parameter.op == ":=" else parameter.name
    return name + label


def section(title: str, parameters: list[Parameter], width: int) -> list[str]:
    """Return a heading and a line a parameter; nothing without parameters."""
    if not parameters:
        return []
    lines = ["", f"{title:<{width}}{HEAD}"]
    for p in parameters:
        p_value = "  < .001" if p.p_value is not None and p.p_value < 0.001 else number(p.p_value, width=8)
        lines.append(
            f"  {term_of(p):<{width - 2}}{number(p.estimate, width=10)}{number(p.std_error, width=10)}"
            f"{number(p.statistic, width=9)}{p_value}{number(p.conf_low, width=10)}"
            f"{number(p.conf_high, width=10)}"
            f"{number(p.std_lv, width=9)}{number(p.std_all, width=9)}"
        )
    return lines


def fit_lines(result: SemResult | TwoLevelResult) -> list[str]:
    """Return the tests and indices of fit; those of a two-level fit with an SRMR for each level."""
    fit = result.fit
    lines = ["Fit", _test_line("  chi-square", fit["chisq"], fit["df"], fit["pvalue"])]
    if "chisq.scaled" in fit:
        lines.append(_test_line("  scaled", fit["chisq.scaled"], fit["df.scaled"], fit["pvalue.scaled"]))
    srmr = f"SRMR {_plain(fit.get('srmr'))}"
    if fit.get("srmr_within") is not None and fit.get("srmr_between") is not None:
        srmr = f"SRMR {_plain(fit['srmr_within'])} within, {_plain(fit['srmr_between'])} between"
    lines.append(f"  CFI {_plain(fit['cfi'])}, TLI {_plain(fit['tli'])}, {srmr}")
    lines.append(
        f"  RMSEA {_plain(fit['rmsea'])}, 90 % interval {_plain(fit['rmsea.ci.lower'])} to "
        f"{_plain(fit['rmsea.ci.upper'])}"
    )
    if fit.get("cfi.robust") is not None:
        lines.append(
            f"  robust: CFI {_plain(fit['cfi.robust'])}, TLI {_plain(fit['tli.robust'])}, RMSEA "
            f"{_plain(fit['rmsea.robust'])}"
        )
    if fit["logl"] is not None:
        lines.append(
            f"  log-likelihood {_plain(fit['logl'])}, AIC {_plain(fit['aic'])}, BIC {_plain(fit['bic'])}"
        )
    return lines


def _plain(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.3f}"


def _test_line(name: str, chisq: float | None, df: float | None, p: float | None) -> str:
    tail = "" if p is None else ", p < .001" if p < 0.001 else f", p = {p:.3f}"
    return f"{name} {_plain(chisq)}, df {df:g}{tail}" if df is not None else name
