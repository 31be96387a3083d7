"""A fitted mixed model as rows of the results data set.

ICC of a level   rho_l = var_l / (sum of all variances)                          (random intercepts only)
Reliability of the observed mean of cluster j with n_j rows, two levels only:
    lambda_j = var_cluster / (var_cluster + var_residual / n_j)          (Raudenbush & Bryk 2002, eq. 3.46)
its mean over clusters is what R's ``multilevel::gmeanrel`` averages to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from implstats.questions.base import Answer, NamedCheck
from implstats.questions.mixed_follow_ups import FollowUps, Intervals, follow_ups, unit_of
from implstats.questions.tasks import MixedTask
from implstats.results import Check, Row, finite_or_none

if TYPE_CHECKING:
    from implstats.mixed import MixedResult


def mixed_answer(task: MixedTask, fit: MixedResult, *, study: str) -> Answer:
    """Return the rows and checks of a fitted mixed model."""
    asked = follow_ups(task, fit) if fit.verdict != "failed" else FollowUps()
    found = [*fit.checks, *_repeated_persons(task, fit), *asked.checks]
    verdict = "caution" if fit.verdict == "ok" and any(c.status == "warn" for c in found) else fit.verdict
    common: dict[str, Any] = {
        "study": study,
        "analysis": task.analysis,
        "n_obs": fit.n_obs,
        "n_clusters": min(fit.n_clusters.values(), default=None),
        "method": _method(fit),
        "verdict": verdict,
        "reason": _reason(found, verdict),
    }
    if fit.verdict == "failed":
        rows = [Row(**common, block="fixed", quantity="coefficient")]
    else:
        rows = [
            *_fixed_rows(fit, common, unit=unit_of(task, fit), ci_level=task.options["ci_level"]),
            *_random_rows(fit, common, asked.intervals),
            *_residual_rows(fit, common),
            *_icc_rows(task, fit, common),
            *_fit_rows(fit, common),
            *(Row(**common | own) for own in asked.rows),
        ]
    checks = tuple(NamedCheck(analysis=task.analysis, check=check) for check in found)
    return Answer(rows=tuple(rows), checks=checks, entries=task.entries)


def _method(fit: MixedResult) -> str:
    if fit.family == "gaussian":
        return "REML" if fit.reml else "ML"
    return "ML (Laplace)" if fit.agq == 1 else f"ML (adaptive quadrature, {fit.agq} points)"


def _repeated_persons(task: MixedTask, fit: MixedResult) -> list[Check]:
    """Warn when persons stand in several rows and the model has no person level."""
    levels = {part for name in fit.n_clusters for part in name.split(":")}
    if not task.persons_repeat or "person" in levels:
        return []
    return [
        Check(
            name="repeated_persons",
            status="warn",
            message="Persons answered at several waves, but the model has no level 'person': their answers "
            "are taken as independent, so standard errors may be too small. Add 'person' to the question's "
            "clusters (or (1 | person) to its formula), or keep one wave.",
        )
    ]


def failed_answer(analysis: str, message: str, *, study: str, block: str, quantity: str) -> Answer:
    """Return the answer of a question whose model could not be fitted: no number, but the reason."""
    row = Row(
        study=study, analysis=analysis, block=block, quantity=quantity, verdict="failed", reason=message
    )
    check = Check(name="fit", status="fail", message=message)
    return Answer(rows=(row,), checks=(NamedCheck(analysis=analysis, check=check),))


def _reason(checks: list[Check], verdict: str) -> str:
    wanted = {"failed": "fail", "caution": "warn"}.get(verdict)
    return " ".join(check.message for check in checks if check.status == wanted)


def _fixed_rows(fit: MixedResult, common: dict[str, Any], *, unit: str, ci_level: float) -> list[Row]:
    return [
        Row(
            **common, block="fixed", term=f.term, quantity="coefficient",
            estimate=finite_or_none(f.estimate), std_error=finite_or_none(f.std_error),
            statistic=finite_or_none(f.statistic), df=finite_or_none(f.df), df_method=f.df_method or "",
            p_value=finite_or_none(f.p_value), conf_low=finite_or_none(f.conf_low),
            conf_high=finite_or_none(f.conf_high), conf_level=ci_level, unit=unit,
        )
        for f in fit.fixed
    ]  # fmt: skip


def _random_rows(fit: MixedResult, common: dict[str, Any], intervals: Intervals) -> list[Row]:
    """Return variances with profile intervals (the squares of the SDs'), covariances and correlations."""
    rows = []
    for effect in fit.random:
        same = effect.term == effect.term2
        term = effect.term if same else f"{effect.term} ~~ {effect.term2}"
        quantity = "variance" if same else "covariance"
        rows.append(
            Row(**common, block="random", term=term, level=effect.cluster, quantity=quantity,
                estimate=finite_or_none(effect.covariance),
                **(intervals.get((effect.cluster, effect.term), {}) if same else {}))
        )  # fmt: skip
        if not same:
            rows.append(
                Row(**common, block="random", term=term, level=effect.cluster, quantity="correlation",
                    estimate=finite_or_none(effect.corr))
            )  # fmt: skip
    if fit.residual_variance is None:
        return rows
    residual = Row(**common, block="random", level="residual", quantity="variance",
                   estimate=finite_or_none(fit.residual_variance),
                   **intervals.get(("residual", ""), {}))  # fmt: skip
    return [*rows, residual]


def _residual_rows(fit: MixedResult, common: dict[str, Any]) -> list[Row]:
    """Return the residual structure over waves: SD of each wave, and rho."""
    found = fit.residual
    if found is None:
        return []
    level: dict[str, Any] = {"conf_level": fit.ci_level}
    rows = [
        Row(**common, **level, block="residual", term=wave, quantity="sd", estimate=finite_or_none(sd),
            conf_low=finite_or_none(low), conf_high=finite_or_none(high))
        for wave, sd, low, high in zip(found.waves, found.sd, found.sd_low, found.sd_high, strict=True)
    ]  # fmt: skip
    if found.rho is not None:
        rows.append(
            Row(**common, **level, block="residual", quantity="rho", estimate=finite_or_none(found.rho),
                conf_low=finite_or_none(found.rho_low), conf_high=finite_or_none(found.rho_high))
        )  # fmt: skip
    return rows


def _icc_rows(task: MixedTask, fit: MixedResult, common: dict[str, Any]) -> list[Row]:
    if fit.family != "gaussian" or fit.residual is not None:
        return []
    if any(effect.term != "(Intercept)" or effect.term2 != "(Intercept)" for effect in fit.random):
        return []
    variances = [_known(effect.covariance) for effect in fit.random]
    residual = _known(fit.residual_variance)
    total = sum(variances) + residual
    rows = [
        Row(**common, block="icc", level=effect.cluster, quantity="icc",
            estimate=finite_or_none(variance / total), unit="share of variance")
        for effect, variance in zip(fit.random, variances, strict=True)
    ]  # fmt: skip
    if len(variances) == 1:
        reliability = np.mean(variances[0] / (variances[0] + residual / _cluster_sizes(task, fit)))
        rows.append(
            Row(**common, block="icc", level=fit.random[0].cluster, quantity="group_mean_reliability",
                estimate=finite_or_none(float(reliability)))
        )  # fmt: skip
    return rows


def _known(value: float | None) -> float:
    """A variance of a fit that did not fail; only failed fits have none, and those have no ICC rows."""
    if value is None:
        raise ValueError("a fit that did not fail has every variance")
    return value


def _cluster_sizes(task: MixedTask, fit: MixedResult) -> np.ndarray:
    """Rows in the model of each cluster, (J,): those that lack any of its variables are not in it."""
    used = task.frame.dropna(subset=list(fit.missing))
    if len(used) != fit.n_obs:
        raise ValueError("the rows counted for the reliability are not the rows of the model")
    columns = fit.random[0].cluster.split(":")
    return used.groupby(columns, observed=True).size().to_numpy(dtype=float)


def _fit_rows(fit: MixedResult, common: dict[str, Any]) -> list[Row]:
    return [
        Row(**common, block="fit", quantity=name, estimate=finite_or_none(getattr(fit, name)))
        for name in ("log_likelihood", "criterion", "aic", "bic")
    ] + ([Row(**common, block="fit", quantity="dispersion", estimate=finite_or_none(fit.dispersion))]
         if fit.dispersion is not None else [])  # fmt: skip
