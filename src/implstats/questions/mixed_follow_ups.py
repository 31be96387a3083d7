"""What a study says of a fitted mixed model beyond its coefficients, as fields of rows.

F tests of the terms with several coefficients; R2; profile intervals of the variances (the squares of the
standard deviations', by the criterion of the fit); estimated marginal means and their contrasts. A follow-up
that the model cannot bear costs a sentence, not the question.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from implstats.errors import ImplstatsError
from implstats.questions.tasks import MixedTask
from implstats.results import Check, finite_or_none

if TYPE_CHECKING:
    from implstats.mixed import MeanContrasts, MixedResult

Fields = dict[str, Any]
Intervals = dict[tuple[str, str], Fields]


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUps:
    """Fields of further rows, intervals of the variances by (level, effect), and checks."""

    rows: tuple[Fields, ...] = ()
    intervals: Intervals = field(default_factory=dict)
    checks: tuple[Check, ...] = ()


def follow_ups(task: MixedTask, fit: MixedResult) -> FollowUps:
    """Return everything that the question asks for beyond the fit."""
    problems: list[Check] = []
    intervals: Intervals = {}
    rows: list[Fields] = []
    if fit.family == "gaussian" and fit.residual is None:
        intervals = _attempt("intervals of the variances", lambda: _intervals(fit), problems) or {}
        if len(fit.terms) > 1:
            rows += _attempt("R2", lambda: _shares(fit), problems) or []
    if fit.family == "gaussian":
        rows += _attempt("F tests", lambda: _f_tests(fit), problems) or []
    if task.marginal_means:
        rows += _attempt("marginal means", lambda: _means(task, fit), problems) or []
    return FollowUps(rows=tuple(rows), intervals=intervals, checks=tuple(problems))


def unit_of(task: MixedTask, fit: MixedResult) -> str:
    """Return the scale of the coefficients in words."""
    scale = {"logit": "log-odds", "probit": "probit", "log": "log rate"}.get(fit.link)
    return f"{scale} of {task.outcome_label}" if scale else task.outcome_label


def _attempt(what: str, ask: Callable[[], Any], problems: list[Check]) -> Any:
    """Return the answer, or None with a sentence among the problems."""
    try:
        return ask()
    except ImplstatsError as error:
        problems.append(Check(name=what.replace(" ", "_"), status="info", message=f"No {what}: {error}"))
        return None


def _intervals(fit: MixedResult) -> Intervals:
    from implstats import mixed

    found = mixed.profile(fit, "random", criterion="REML" if fit.reml else "ML")
    out: Intervals = {}
    for one in found.intervals:
        if one.kind in ("sd", "residual_sd"):
            low, high = finite_or_none(one.conf_low), finite_or_none(one.conf_high)
            out[one.cluster or "residual", one.term if one.kind == "sd" else ""] = {
                "conf_low": None if low is None else low**2,
                "conf_high": None if high is None else high**2,
                "conf_level": found.ci_level,
            }
    return out


def _shares(fit: MixedResult) -> list[Fields]:
    from implstats import mixed

    found = mixed.r2(fit)
    return [
        {"block": "fit", "quantity": name, "estimate": finite_or_none(value), "unit": "share of variance"}
        for name, value in (("r2_marginal", found.marginal), ("r2_conditional", found.conditional))
    ]


def _f_tests(fit: MixedResult) -> list[Fields]:
    """Return the tests of terms with several coefficients; a single one has its t test already."""
    from implstats import mixed

    assert fit.model is not None  # a fit that did not fail keeps its steps
    owner = fit.model.design.owner
    if len(owner) == len(set(owner)):
        return []
    return [
        {
            "block": "f_tests", "term": test.term, "level": str(test.df_num), "quantity": "F",
            "estimate": finite_or_none(test.statistic), "statistic": finite_or_none(test.statistic),
            "df": finite_or_none(test.df_den), "df_method": test.df_method,
            "p_value": finite_or_none(test.p_value),
        }
        for test in mixed.f_tests(fit).tests if test.df_num > 1
    ]  # fmt: skip


def _means(task: MixedTask, fit: MixedResult) -> list[Fields]:
    from implstats import mixed

    means = mixed.emmeans(fit, list(task.marginal_means))
    rows: list[Fields] = [
        {
            "block": "means", "term": ":".join(means.specs), "level": ":".join(str(v) for v in m.at.values()),
            "quantity": "marginal_mean", "estimate": finite_or_none(m.estimate),
            "std_error": finite_or_none(m.std_error), "df": finite_or_none(m.df),
            "df_method": means.df_method, "conf_low": finite_or_none(m.conf_low),
            "conf_high": finite_or_none(m.conf_high), "conf_level": means.ci_level,
            "unit": unit_of(task, fit),
        }
        for m in means.means
    ]  # fmt: skip
    if task.contrasts == "none":
        return rows
    return rows + _contrasts(
        mixed.contrasts(means, method=task.contrasts, adjust=task.adjust), unit_of(task, fit)
    )


def _contrasts(found: MeanContrasts, unit: str) -> list[Fields]:
    return [
        {
            "block": "contrasts", "term": c.label, "level": found.adjust, "quantity": "difference",
            "estimate": finite_or_none(c.estimate), "std_error": finite_or_none(c.std_error),
            "statistic": finite_or_none(c.statistic), "df": finite_or_none(c.df),
            "df_method": found.df_method, "p_value": finite_or_none(c.p_value),
            "conf_low": finite_or_none(c.conf_low), "conf_high": finite_or_none(c.conf_high),
            "conf_level": found.ci_level, "unit": unit,
        }
        for c in found.contrasts
    ]  # fmt: skip
