"""Put a judged two-level optimum, or a failure, into a :class:`TwoLevelResult`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from implstats.results import Check, finite_or_none, verdict_of
from implstats.sem.data.two_level import TwoLevelSample
from implstats.sem.estimators.search import Search
from implstats.sem.estimators.two_level_moments import moment_places
from implstats.sem.estimators.two_level_saturated import (
    Saturated,
    baseline_two_level,
    saturated_two_level,
    value_of_moments,
)
from implstats.sem.estimators.two_level_search import TwoLevelProblem, exogenous_values, values_of_rows
from implstats.sem.fit_indices import FitRecord, GroupMoments, Index, scaled_indices
from implstats.sem.fit_indices.two_level import srmr_by_level, two_level_indices
from implstats.sem.inference.robust import Robust
from implstats.sem.inference.two_level import two_level_robust
from implstats.sem.inference.wald import Wald, defined_from, duals, wald
from implstats.sem.model.moments import Moments
from implstats.sem.model.standardise import explained_variance, standardised
from implstats.sem.model.two_level import Levels, level_moments
from implstats.sem.results import OptimiserRecord, Parameter
from implstats.sem.two_level_checks import check_levels, check_nested, check_saturated, check_scaling
from implstats.sem.two_level_record import LevelSolution, TwoLevelEstimated, TwoLevelResult

Array = NDArray[np.float64]
LABELS = ("within", "between")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked for, with the rows that were left out."""

    kind: str
    estimator: str
    missing: str
    information: str
    h1: str
    ci_level: float
    n_dropped: int


def failed_two_level(
    levels: Levels,
    sample: TwoLevelSample,
    asked: Asked,
    checks: Sequence[Check],
    *,
    converged: bool = False,
    optimiser: OptimiserRecord | None = None,
) -> TwoLevelResult:
    """Return a result without estimates and fit indices; the checks hold the reasons."""
    table = levels.table
    rows = [
        Parameter(lhs=r.lhs, op=r.op, rhs=r.rhs, level=r.level, label=r.label, free=bool(r.free))
        for r in table.rows
    ]
    rows += [Parameter(lhs=d.name, op=":=", rhs=d.text, label=d.name) for d in table.definitions]
    blank = FitRecord(
        n=sample.n, n_free=1, df=1, chisq=1.0, baseline_chisq=1.0, baseline_df=1, logl=0.0,
        logl_saturated=0.0, means=True, n_moments=1, groups=(),
    )  # fmt: skip
    names = two_level_indices(blank, value=0.0, gap=0.0, has_baseline=False)
    return TwoLevelResult(
        verdict="failed", converged=converged, admissible=False, n_obs=sample.n, n_clusters=sample.n_clusters,
        n_dropped=asked.n_dropped, n_free=table.n_free, parameters=tuple(rows),
        fit=dict.fromkeys((*names, "srmr", "srmr_within", "srmr_between")), checks=tuple(checks),
        estimator=asked.estimator, kind=asked.kind, missing=asked.missing, h1=asked.h1, covariance=None,
        free_names=tuple(table.free_names()), optimiser=optimiser,
    )  # fmt: skip


def successful_two_level(
    problem: TwoLevelProblem,
    search: Search,
    asked: Asked,
    *,
    df: int,
    record: OptimiserRecord,
    checks: Sequence[Check],
) -> TwoLevelResult:
    """Return the result of a proper optimum."""
    levels, sample, theta = problem.levels, problem.sample, search.optimum.theta
    moments = level_moments(levels, theta)
    saturated = saturated_two_level(sample, asked.h1)  # type: ignore[arg-type]
    baseline, baseline_value = _baseline(levels, sample)
    gap = float(sample.n * (search.optimum.evaluation.value - saturated.value))
    of_fit = _record(levels, sample, search, saturated, baseline_value, df=df, gap=gap)
    covariance, robust = _inference(problem, search, asked, saturated, baseline, of_fit)
    fit = two_level_indices(
        of_fit, value=search.optimum.evaluation.value, gap=gap, has_baseline=baseline_value is not None
    )
    fit |= srmr_by_level((saturated.within, saturated.between), (moments[0].cov, moments[1].cov))
    admissible, more = check_levels(levels, theta, moments)
    checks = [*checks, *more, *check_saturated(saturated), *check_nested(saturated, moments[1].cov, gap, df)]
    if asked.estimator == "MLR":
        fit |= _scaled(of_fit, robust, negative=fit["chisq"] is None)
        checks += check_scaling(fit, df)
    return TwoLevelResult(
        verdict=verdict_of(checks), converged=True, admissible=admissible, n_obs=sample.n,
        n_clusters=sample.n_clusters, n_dropped=asked.n_dropped, n_free=of_fit.n_free,
        parameters=tuple(_parameters(levels, theta, moments, covariance, ci_level=asked.ci_level)),
        fit={k: v if isinstance(v, int) else finite_or_none(v) for k, v in fit.items()},
        checks=tuple(checks), estimator=asked.estimator, kind=asked.kind, missing=asked.missing, h1=asked.h1,
        covariance=covariance, free_names=tuple(levels.table.free_names()), optimiser=record,
        icc=_intraclass(levels, saturated), levels=_solutions(levels, theta, moments, saturated),
        fitted=TwoLevelEstimated(
            levels=levels, sample=sample, criterion=problem.criterion, search=search, saturated=saturated,
            ci_level=asked.ci_level,
        ),
    )  # fmt: skip


def _baseline(levels: Levels, sample: TwoLevelSample) -> tuple[Array | None, float | None]:
    at = {name: i for i, name in enumerate(levels.names)}
    first, second = (
        np.array([at[name] for name in table.names.x], dtype=np.intp) for table in levels.by_level
    )
    vector = baseline_two_level(sample, (first, second))
    if vector is None:
        return None, None
    return vector, finite_or_none(value_of_moments(sample, vector))


def _record(
    levels: Levels,
    sample: TwoLevelSample,
    search: Search,
    saturated: Saturated,
    baseline: float | None,
    *,
    df: int,
    gap: float,
) -> FitRecord:
    n, x = sample.n, log_likelihood_of_predictors(levels, sample)
    constant = 0.5 * sample.n_answers * np.log(2 * np.pi)
    logl = float(-0.5 * n * search.optimum.evaluation.value - constant - x)
    n_x = [len(table.names.x) for table in levels.by_level]
    sizes = [len(structure.observed) for structure in levels.structures]
    pairs = [m * (m - 1) // 2 for m in sizes], [m * (m - 1) // 2 for m in n_x]
    return FitRecord(
        n=n, n_free=levels.table.n_free - search.n_equal, df=df, chisq=max(gap, 0.0) if df else 0.0,
        baseline_chisq=np.nan if baseline is None else float(n * (baseline - saturated.value)),
        baseline_df=sum(pairs[0]) - sum(pairs[1]), logl=logl, logl_saturated=logl + 0.5 * gap, means=True,
        n_moments=levels.n_moments, groups=(_persons(n, saturated),),
    )  # fmt: skip


def _persons(n: int, saturated: Saturated) -> GroupMoments:
    """All persons as one group, over whom RMSEA is counted; its moments are those within clusters."""
    within, mean = saturated.within, np.zeros(len(saturated.within))
    return GroupMoments(
        n=n,
        sample_cov=within,
        cov=within,
        weight=np.linalg.inv(within).astype(float),
        sample_mean=mean,
        mean=mean,
    )


def log_likelihood_of_predictors(levels: Levels, sample: TwoLevelSample) -> float:
    """Return the log-likelihood of the fixed predictors, of persons and of clusters, by themselves."""
    total = 0.0
    for x, cov, n in (
        (levels.x[0], sample.cov, sample.n),
        (levels.x[1], sample.cov_clusters, sample.n_clusters),
    ):
        at = [levels.names.index(name) for name in x]
        if at:
            log_det = float(np.linalg.slogdet(cov[np.ix_(at, at)])[1])
            total -= 0.5 * n * (log_det + len(at) * (1 + np.log(2 * np.pi)))
    return total


def _inference(
    problem: TwoLevelProblem,
    search: Search,
    asked: Asked,
    saturated: Saturated,
    baseline: Array | None,
    record: FitRecord,
) -> tuple[Array, Robust | None]:
    """Return the covariance matrix of the estimates, shape (q, q), and the scaling under MLR."""
    sample, exact = problem.sample, search.optimum.evaluation.information
    if exact is None:
        raise AssertionError("an optimum has derivatives")
    wanted = search.information if asked.information == "expected" else exact
    bread = inverse_within(wanted, search.tangent) / sample.n
    if asked.estimator == "ML":
        return bread, None
    vector = moment_places(sample).joined(saturated.within, saturated.between, saturated.mean)
    return two_level_robust(
        problem.levels, sample, search.optimum.theta, bread=bread, saturated=vector, baseline=baseline,
        n_free=record.n_free, df=record.df, baseline_df=record.baseline_df,
    )  # fmt: skip


def inverse_within(information: Array, tangent: Array | None) -> Array:
    """Return the inverse information within the constraints, K (K' I K)^-1 K' (Aitchison & Silvey 1958)."""
    if tangent is None:
        return np.linalg.inv(information).astype(float, copy=False)
    return np.asarray(tangent @ np.linalg.solve(tangent.T @ information @ tangent, tangent.T))


def _scaled(record: FitRecord, robust: Robust | None, *, negative: bool) -> Index:
    if robust is None or negative or (record.df and robust.scale is None):
        return {
            "chisq.scaled": None,
            "df.scaled": record.df,
            "pvalue.scaled": None,
            "chisq.scaling.factor": None,
        }
    return scaled_indices(record, robust.scale, robust.baseline_scale) | robust.extra


def _intraclass(levels: Levels, saturated: Saturated) -> dict[str, float | None]:
    inner = dict(zip(levels.within.observed, np.diag(saturated.within), strict=True))
    outer = dict(zip(levels.between.observed, np.diag(saturated.between), strict=True))
    return {name: finite_or_none(outer[name] / (inner[name] + outer[name])) for name in levels.both}


def _solutions(
    levels: Levels, theta: Array, moments: Sequence[Moments], saturated: Saturated
) -> tuple[LevelSolution, ...]:
    found = []
    both = np.isin(levels.rows[0], levels.rows[1])
    means = (np.where(both, 0.0, saturated.mean[levels.rows[0]]), saturated.mean[levels.rows[1]])
    covs = (saturated.within, saturated.between)
    for k, structure in enumerate(levels.structures):
        m = structure.n_latent
        explained = explained_variance(structure, theta, moments[k])
        found.append(LevelSolution(
            level=k + 1, label=LABELS[k], observed=structure.observed, latent=structure.eta[:m],
            saturated_cov=covs[k], implied_cov=moments[k].cov, saturated_mean=means[k],
            implied_mean=moments[k].mean, latent_cov=moments[k].phi[:m, :m],
            r_squared={name: finite_or_none(value) for name, value in explained.items()},
        ))  # fmt: skip
    return tuple(found)


def _parameters(
    levels: Levels, theta: Array, moments: Sequence[Moments], covariance: Array, *, ci_level: float
) -> list[Parameter]:
    """Return each row with its inference, then the definitions."""
    table = levels.table
    values = values_of_rows(levels, theta)
    lv = _standardised(levels, theta, moments, values, observed=False)
    every = _standardised(levels, theta, moments, values, observed=True)
    variance = np.diag(covariance)
    rows = []
    for k, row in enumerate(table.rows):
        w = wald(values[k], float(variance[row.free - 1]) if row.free else None, ci_level=ci_level)
        rows.append(Parameter(
            lhs=row.lhs, op=row.op, rhs=row.rhs, level=row.level, label=row.label, free=bool(row.free),
            std_lv=finite_or_none(lv[k]), std_all=finite_or_none(every[k]), **_numbers(w),
        ))  # fmt: skip
    if not table.definitions:
        return rows
    by_name = duals(table, theta, exogenous_values(levels))
    for k, definition in enumerate(table.definitions, start=len(table.rows)):
        dual = by_name[definition.name]
        w = wald(dual.value, float(dual.gradient @ covariance @ dual.gradient), ci_level=ci_level)
        rows.append(Parameter(
            lhs=definition.name, op=":=", rhs=definition.text, label=definition.name,
            std_lv=finite_or_none(lv[k]), std_all=finite_or_none(every[k]), **_numbers(w),
        ))  # fmt: skip
    return rows


def _numbers(w: Wald) -> dict[str, Any]:
    names = ("estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high")
    return {name: getattr(w, name) for name in names}


def _standardised(
    levels: Levels, theta: Array, moments: Sequence[Moments], values: list[float], *, observed: bool
) -> list[float]:
    """The standardised value of each row, then of each definition, by its labels' first rows."""
    table, out = levels.table, list[float]()
    for k, structure in enumerate(levels.structures, start=1):
        rows = tuple(row for row in table.rows if row.level == k)
        own = replace(table, rows=rows, names=levels.by_level[k - 1].names, definitions=())
        mine = values[len(out) : len(out) + len(rows)]
        out += standardised(own, (structure,), theta, moments[k - 1 : k], mine, observed=observed)
    by_label: dict[str, float] = {}
    for row, value in zip(table.rows, out, strict=True):
        if row.label:
            by_label.setdefault(row.label, value)
    return out + list(defined_from(table, by_label).values())
