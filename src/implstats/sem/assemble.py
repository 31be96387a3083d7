"""Put a judged optimum, or a failure, into a :class:`SemResult`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from implstats.results import Check, finite_or_none, verdict_of
from implstats.sem.data.groups import GroupedSample
from implstats.sem.data.sample import Sample
from implstats.sem.estimators.fiml import Incomplete
from implstats.sem.estimators.ml import SampleMoments
from implstats.sem.estimators.weights import RECIPES
from implstats.sem.fit_indices import (
    NAMES,
    FitRecord,
    GroupMoments,
    Index,
    fit_indices,
    robust_indices,
    scaled_indices,
)
from implstats.sem.fitted import Estimated
from implstats.sem.inference.fiml_corrected import corrected_tests
from implstats.sem.inference.fiml_fit import Deviances, fiml_deviances, fiml_robust
from implstats.sem.inference.least_squares_fit import (
    least_squares_record,
    weighed,
    weighed_checks,
    weighed_indices,
)
from implstats.sem.inference.robust import Fitted, Kind, Robust, robust_inference
from implstats.sem.inference.two_stage import two_stage_inference
from implstats.sem.inference.wald import Wald, duals, wald
from implstats.sem.language.table import ParameterTable
from implstats.sem.model.standardise import explained_variance, row_values, standardised
from implstats.sem.options import Options
from implstats.sem.results import GroupSolution, ModelMoments, OptimiserRecord, Parameter, SemResult

Array = NDArray[np.float64]
WALD_NAMES = ("estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high")


def failed_result(
    table: ParameterTable,
    sample: GroupedSample,
    options: Options,
    checks: Sequence[Check],
    *,
    converged: bool = False,
    optimiser: OptimiserRecord | None = None,
) -> SemResult:
    """Return a result without estimates and fit indices; the checks hold the reasons."""
    rows = [
        Parameter(
            lhs=r.lhs, op=r.op, rhs=r.rhs, group=r.group, group_label=table.groups[r.group - 1],
            label=r.label, free=bool(r.free),
        )
        for r in table.rows
    ]  # fmt: skip
    rows += [Parameter(lhs=d.name, op=":=", rhs=d.text, label=d.name) for d in table.definitions]
    return SemResult(
        verdict="failed",
        converged=converged,
        admissible=False,
        n_obs=sample.n,
        n_free=table.n_free,
        parameters=tuple(rows),
        fit=dict.fromkeys(NAMES),
        checks=tuple(checks),
        estimator=options.estimator,
        kind=options.kind,
        n_dropped=sample.n_dropped,
        covariance=None,
        free_names=tuple(table.free_names()),
        optimiser=optimiser,
    )


def successful_result(estimated: Estimated, *, checks: Sequence[Check], admissible: bool) -> SemResult:
    """Return the result of a proper optimum."""
    options, sample = estimated.options, estimated.sample
    record = fit_record(estimated)
    if options.estimator in RECIPES:
        return _weighed_result(estimated, record, checks=checks, admissible=admissible)
    robust = None if options.estimator == "ML" and not options.two_stage else robust_of(estimated, record)
    if robust:
        covariance = robust.covariance
    else:
        wanted = estimated.observed if options.information == "observed" else estimated.information
        covariance = estimated.inverse(wanted) / sample.n
    indices = fit_indices(record)
    if robust:
        indices |= scaled_indices(record, robust.scale, robust.baseline_scale) | robust.extra
    indices |= _corrected(estimated, record)
    return _result(estimated, covariance, indices, checks=checks, admissible=admissible)


def _weighed_result(
    estimated: Estimated, record: FitRecord, *, checks: Sequence[Check], admissible: bool
) -> SemResult:
    """Return the result of an estimator of least squares, or of ML with a shifted or adjusted test."""
    recipe = RECIPES[estimated.options.estimator]
    found = weighed(estimated, record)
    indices = weighed_indices(estimated, record, found)
    checks = [*checks, *weighed_checks(estimated, recipe)]
    return _result(estimated, found.covariance, indices, checks=checks, admissible=admissible)


def _result(
    estimated: Estimated, covariance: Array, indices: Index, *, checks: Sequence[Check], admissible: bool
) -> SemResult:
    table, options, sample = estimated.table, estimated.options, estimated.sample
    parameters = _parameters(estimated, covariance)
    checks = [*checks, *_undefined(parameters)]
    return SemResult(
        verdict=verdict_of(checks),
        converged=True,
        admissible=admissible,
        n_obs=sample.n,
        n_free=estimated.n_free,
        parameters=parameters,
        fit=_clean(indices),
        checks=tuple(checks),
        estimator=options.estimator,
        kind=options.kind,
        n_dropped=sample.n_dropped,
        covariance=covariance,
        free_names=tuple(table.free_names()),
        optimiser=estimated.record,
        groups=_group_solutions(estimated),
        fitted=estimated,
    )


def _undefined(parameters: Sequence[Parameter]) -> list[Check]:
    missing = [p.lhs for p in parameters if p.op == ":=" and p.estimate is None]
    if not missing:
        return []
    return [
        Check(
            name="defined",
            status="warn",
            message=f"{', '.join(missing)} has no value at the estimates (a division by zero, or a root or "
            "logarithm of a negative number). Correct the definition.",
        )
    ]


def with_checks(result: SemResult, checks: Sequence[Check]) -> SemResult:
    """Return the result with more checks and the verdict that follows from them."""
    everything = (*result.checks, *checks)
    return replace(result, checks=everything, verdict=verdict_of(everything))


def _clean(indices: Index) -> Index:
    return {
        name: value if isinstance(value, int) else finite_or_none(value) for name, value in indices.items()
    }


def _numbers(w: Wald, std_lv: float, std_all: float) -> dict[str, Any]:
    """The numbers of one parameter, by their names in the result."""
    numbers = {name: getattr(w, name) for name in WALD_NAMES}
    return {**numbers, "std_lv": finite_or_none(std_lv), "std_all": finite_or_none(std_all)}


def _parameters(estimated: Estimated, covariance: Array) -> tuple[Parameter, ...]:
    table, structures, theta = estimated.table, estimated.structures, estimated.optimum.theta
    level, moments = estimated.options.ci_level, estimated.moments
    values = row_values(table, structures, theta)
    lv = standardised(table, structures, theta, moments, values, observed=False)
    every = standardised(table, structures, theta, moments, values, observed=True)
    variances = np.diag(covariance)
    rows = []
    for k, row in enumerate(table.rows):
        w = wald(values[k], float(variances[row.free - 1]) if row.free else None, ci_level=level)
        rows.append(
            Parameter(
                lhs=row.lhs, op=row.op, rhs=row.rhs, group=row.group, level=row.level, label=row.label,
                group_label=table.groups[row.group - 1], free=bool(row.free), **_numbers(w, lv[k], every[k]),
            )
        )  # fmt: skip
    if not table.definitions:
        return tuple(rows)
    exo = {row.label: value for row, value in zip(table.rows, values, strict=True) if row.exo and row.label}
    by_name = duals(table, theta, exo)
    for k, definition in enumerate(table.definitions, start=len(table.rows)):
        dual = by_name[definition.name]
        w = wald(dual.value, float(dual.gradient @ covariance @ dual.gradient), ci_level=level)
        rows.append(
            Parameter(
                lhs=definition.name, op=":=", rhs=definition.text, label=definition.name,
                **_numbers(w, lv[k], every[k]),
            )
        )  # fmt: skip
    return tuple(rows)


def _group_solutions(estimated: Estimated) -> tuple[GroupSolution, ...]:
    found = []
    for k, (structure, moments) in enumerate(zip(estimated.structures, estimated.moments, strict=True)):
        sample, m = estimated.sample.groups[k].moments, structure.n_latent
        explained = explained_variance(structure, estimated.optimum.theta, moments)
        found.append(
            GroupSolution(
                label=estimated.sample.labels[k],
                n_obs=sample.n,
                moments=ModelMoments(
                    observed=structure.observed,
                    latent=structure.eta[:m],
                    sample_cov=sample.cov,
                    implied_cov=moments.cov,
                    sample_mean=sample.mean,
                    implied_mean=moments.mean if structure.means else sample.mean,
                    latent_cov=moments.phi[:m, :m],
                ),
                r_squared={name: finite_or_none(value) for name, value in explained.items()},
            )
        )
    return tuple(found)


def _deviances(block: float, sample: Sample, x: list[int]) -> Deviances:
    """Tests and log-likelihoods of a group whose criterion is ``block``, with those of fixed predictors."""
    if sample.incomplete is not None:
        return fiml_deviances(sample.incomplete, block, x)
    of = sample.moments
    n, p = of.n, len(of.cov)
    others = [i for i in range(p) if i not in x]
    independent = float(np.log(np.diag(of.cov)[others]).sum()) + _log_det(of.cov, x)
    per_variable = p * np.log(2 * np.pi)
    return Deviances(
        chisq=n * (block - of.log_det - p),
        baseline_chisq=n * (independent - of.log_det),
        logl=-0.5 * n * (block + per_variable),
        logl_saturated=-0.5 * n * (of.log_det + p + per_variable),
    )


def fit_record(estimated: Estimated) -> FitRecord:
    """Return what the fit indices need of a fitted model."""
    if estimated.options.least_squares:
        return least_squares_record(estimated)
    samples, x = estimated.sample.groups, estimated.x
    p, means, n_groups = len(estimated.structures[0].observed), estimated.table.means, len(samples)
    found = [
        _deviances(block.value, sample, x) for block, sample in zip(estimated.blocks, samples, strict=True)
    ]
    of_x = 0.0
    if estimated.options.fixed_x:
        of_x = sum(_log_likelihood_of(sample.moments, x) for sample in samples)
    chisq = sum(d.chisq for d in found)
    return FitRecord(
        n=estimated.sample.n,
        n_free=estimated.n_free,
        df=estimated.df,
        # A saturated model's chi-square is zero; what is left is rounding, of either sign.
        chisq=max(chisq, 0.0) if estimated.df else 0.0,
        baseline_chisq=sum(d.baseline_chisq for d in found),
        baseline_df=n_groups * (p * (p - 1) // 2 - len(x) * (len(x) - 1) // 2 - _of_auxiliary(estimated)),
        logl=sum(d.logl for d in found) - of_x,
        logl_saturated=sum(d.logl_saturated for d in found) - of_x,
        means=means,
        n_moments=n_groups * (p * (p + 1) // 2 + (p if means else 0)),
        groups=tuple(_group_moments(estimated, k) for k in range(n_groups)),
    )


def _of_auxiliary(estimated: Estimated) -> int:
    """Covariances of auxiliary variables, which the baseline keeps."""
    a, p = len(estimated.options.auxiliary), len(estimated.structures[0].observed)
    return a * (p - a) + a * (a - 1) // 2


def _group_moments(estimated: Estimated, k: int) -> GroupMoments:
    sample, moments = estimated.sample.groups[k].moments, estimated.moments[k]
    return GroupMoments(
        n=sample.n,
        sample_cov=sample.cov,
        cov=moments.cov,
        weight=estimated.weights[k],
        sample_mean=sample.mean,
        mean=moments.mean if estimated.table.means else sample.mean,
    )


def _log_det(cov: Array, which: list[int]) -> float:
    return float(np.linalg.slogdet(cov[np.ix_(which, which)])[1]) if which else 0.0


def _log_likelihood_of(sample: SampleMoments, which: list[int]) -> float:
    """Saturated log-likelihood of some variables by themselves."""
    return -0.5 * sample.n * (_log_det(sample.cov, which) + len(which) * (1 + np.log(2 * np.pi)))


def _incomplete(estimated: Estimated) -> list[Incomplete]:
    """The groups' patterns of answers; none for complete data."""
    return [s.incomplete for s in estimated.sample.groups if s.incomplete is not None]


def _corrected(estimated: Estimated, record: FitRecord) -> Index:
    """Robust indices of incomplete data; complete data keep theirs."""
    groups = _incomplete(estimated)
    if not any(g.share_missing for g in groups):
        return {}
    tests = corrected_tests(
        estimated.structures,
        groups,
        moments=estimated.moments,
        stacks=estimated.stacks,
        tangent=estimated.tangent,
        x=estimated.x,
        df=record.df,
        baseline_df=record.baseline_df,
        robust=estimated.options.estimator == "MLR",
    )
    as_complete = replace(record, chisq=tests.chisq, baseline_chisq=tests.baseline_chisq)
    return robust_indices(as_complete, tests.scale, tests.baseline_scale)


def robust_of(estimated: Estimated, record: FitRecord) -> Robust:
    """Return the sandwich and the scaling factors of MLR or MLM at the optimum."""
    stages = [s.two_stage for s in estimated.sample.groups if s.two_stage is not None]
    if stages:
        return two_stage_inference(
            estimated.structures,
            stages,
            stacks=estimated.stacks,
            tangent=estimated.tangent,
            x=estimated.x,
            df=estimated.df,
            baseline_df=record.baseline_df,
            robust=estimated.options.missing == "robust.two.stage",
        )
    kind: Kind = "MLM" if estimated.options.estimator == "MLM" else "MLR"
    information = estimated.information if kind == "MLM" else estimated.observed
    bread = estimated.inverse(information) / estimated.sample.n
    incomplete = _incomplete(estimated)
    if incomplete:
        return fiml_robust(
            estimated.structures,
            incomplete,
            moments=estimated.moments,
            stacks=estimated.stacks,
            bread=bread,
            n_free=estimated.n_free,
            df=estimated.df,
            x=estimated.x,
            baseline_df=record.baseline_df,
        )
    return robust_inference(
        estimated.structures,
        fitted_groups(estimated),
        kind=kind,
        bread=bread,
        n_free=estimated.n_free,
        df=estimated.df,
        x=estimated.x,
        baseline_df=record.baseline_df,
    )


def fitted_groups(estimated: Estimated) -> list[Fitted]:
    """Return what the robust formulas need of each group's complete data."""
    return [
        Fitted(
            weight=estimated.weights[k],
            mean=estimated.moments[k].mean if estimated.table.means else sample.moments.mean,
            stacks=estimated.stacks[k],
            centred=sample.centred,
            sample=sample.moments,
            means=estimated.table.means,
            cluster=sample.cluster,
        )
        for k, sample in enumerate(estimated.sample.groups)
    ]
