"""A fitted structural equation model as rows of the results data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from implstats.questions.base import Answer, NamedCheck
from implstats.questions.mixed_follow_ups import FollowUps
from implstats.questions.tasks import SemTask
from implstats.results import Check, Row, finite_or_none

if TYPE_CHECKING:
    from implstats.sem import SemResult, TwoLevelResult

QUANTITY = {
    "=~": "loading",
    "~": "regression",
    "~~": "covariance",
    "~1": "intercept",
    ":=": "defined",
    "|": "threshold",
    "~*~": "scaling",
}
LEVEL_NAMES = {0: "", 1: "within", 2: "between"}
# Without degrees of freedom these are 1 or 0 whatever the data; a reader would take that for good fit.
UNTESTED = {
    "cfi", "tli", "nnfi", "rfi", "nfi", "pnfi", "ifi", "rni", "rmsea", "rmsea_ci_lower", "rmsea_ci_upper",
    "rmr", "rmr_nomean", "srmr", "srmr_bentler", "srmr_bentler_nomean", "srmr_mplus", "srmr_mplus_nomean",
    "crmr", "crmr_nomean", "srmr_within", "srmr_between", "gfi", "agfi", "pgfi", "mfi",
}  # fmt: skip
# Bounds of the RMSEA's interval stand in the row of the RMSEA itself.
INTERVAL_NAMES = {
    "rmsea_ci_lower", "rmsea_ci_upper", "rmsea.ci.level",
    *(f"rmsea.ci.{end}{kind}" for end in ("lower", "upper") for kind in ("", ".scaled", ".robust")),
}  # fmt: skip


def sem_answer(
    task: SemTask, fit: SemResult | TwoLevelResult, *, study: str, more: FollowUps | None = None
) -> Answer:
    """Return the rows and checks of a fitted structural equation model, of one level or two."""
    more = more or FollowUps()
    checks = [*fit.checks, *nesting_check(task.nested_in), *more.checks]
    verdict = "caution" if fit.verdict == "ok" and any(c.status == "warn" for c in checks) else fit.verdict
    common: dict[str, Any] = {
        "study": study,
        "analysis": task.analysis,
        "n_obs": fit.n_obs,
        "n_clusters": getattr(fit, "n_clusters", None),
        "method": task.options.get("estimator", "ML"),
        "verdict": verdict,
        "reason": _reason(checks, verdict),
    }
    if fit.verdict == "failed":
        rows = [Row(**common, block="parameters", quantity="loading")]
    else:
        ci_level = task.options["ci_level"]
        rows = [
            row
            for p in fit.parameters
            for row in _parameter_rows(p, common, ci_level=ci_level, two_level=task.levels)
        ]
        rows += _fit_rows(fit, common)
        rows += _icc_rows(task, fit, common)
        rows += [Row(**{**common, **fields}) for fields in more.rows]
    named = tuple(NamedCheck(analysis=task.analysis, check=check) for check in checks)
    return Answer(rows=tuple(rows), checks=named, entries=task.entries)


def nesting_check(nested_in: str) -> list[Check]:
    """Say that the standard errors take persons as independent although they are nested."""
    if not nested_in:
        return []
    return [
        Check(
            name="nesting",
            status="warn",
            message=f"Persons are nested in {nested_in}; this model takes them as independent, so its "
            "standard errors and chi-square are too optimistic when answers within a cluster are alike "
            "(see the ICC). The question's 'cluster' makes them allow for it.",
        )
    ]


def _reason(checks: list[Check], verdict: str) -> str:
    wanted = {"failed": "fail", "caution": "warn"}.get(verdict)
    return " ".join(check.message for check in checks if check.status == wanted)


def term_of(parameter: Any) -> str:
    """Return a parameter's name in the results data set, such as ``f =~ x``."""
    if parameter.op == "~1":
        return f"{parameter.lhs} ~1"
    return f"{parameter.lhs} {parameter.op} {parameter.rhs}"


def quantity_of(parameter: Any) -> str:
    """Return what a parameter is, in the words of the results data set."""
    variance = parameter.op == "~~" and parameter.lhs == parameter.rhs
    return "variance" if variance else QUANTITY.get(parameter.op, "parameter")


def _parameter_rows(parameter: Any, common: dict[str, Any], *, ci_level: float, two_level: bool) -> list[Row]:
    quantity = quantity_of(parameter)
    level = parameter.group_label or ""
    if two_level and parameter.op != ":=":
        level = LEVEL_NAMES[parameter.level]
    rows = [
        Row(
            **common, block="parameters", term=term_of(parameter), level=level, quantity=quantity,
            estimate=finite_or_none(parameter.estimate), std_error=finite_or_none(parameter.std_error),
            statistic=finite_or_none(parameter.statistic), p_value=finite_or_none(parameter.p_value),
            conf_low=finite_or_none(parameter.conf_low), conf_high=finite_or_none(parameter.conf_high),
            conf_level=ci_level,
        )
    ]  # fmt: skip
    if parameter.std_all is not None:
        rows.append(
            Row(**common, block="standardised", term=term_of(parameter), level=level, quantity="std_all",
                estimate=finite_or_none(parameter.std_all))
        )  # fmt: skip
    return rows


def _icc_rows(task: SemTask, fit: SemResult | TwoLevelResult, common: dict[str, Any]) -> list[Row]:
    """Return the share of each variable's variance that lies between clusters."""
    if not task.levels:
        return []
    level = str(task.options["cluster"])
    return [
        Row(**common, block="icc", term=name, level=level, quantity="icc", estimate=finite_or_none(share))
        for name, share in getattr(fit, "icc", {}).items()
    ]


def _fit_rows(fit: SemResult | TwoLevelResult, common: dict[str, Any]) -> list[Row]:
    rows = []
    saturated = fit.fit.get("df") == 0
    for name, value in fit.fit.items():
        untested = saturated and name.removesuffix(".scaled").removesuffix(".robust") in UNTESTED
        if name in INTERVAL_NAMES:
            continue
        extra: dict[str, Any] = {}
        if name in ("rmsea", "rmsea.scaled", "rmsea.robust") and not untested:
            kind = name.removeprefix("rmsea")
            extra = {
                "conf_low": finite_or_none(fit.fit.get(f"rmsea.ci.lower{kind}")),
                "conf_high": finite_or_none(fit.fit.get(f"rmsea.ci.upper{kind}")),
                "conf_level": 0.90,  # lavaan's and the literature's interval of the RMSEA
            }
        estimate = None if untested else finite_or_none(value)
        if estimate is None:
            extra["reason"] = _why_no_index(fit)
        rows.append(Row(**{**common, **extra}, block="fit", quantity=name, estimate=estimate))
    return rows


def _why_no_index(fit: SemResult | TwoLevelResult) -> str:
    if fit.fit.get("df") == 0:
        return "not defined without degrees of freedom: the model fits any data of these variables"
    return "not defined for this estimator"
