"""Put a judged optimum, or a failure, into a :class:`SemResult`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from implstats.results import Check, finite_or_none, verdict_of
from implstats.sem.data.sample import Sample
from implstats.sem.estimators.ml import SampleMoments
from implstats.sem.estimators.optimise import Optimum
from implstats.sem.fit_indices import NAMES, FitRecord, Index, fit_indices, robust_indices, scaled_indices
from implstats.sem.inference.fiml_corrected import corrected_tests
from implstats.sem.inference.fiml_fit import Deviances, fiml_deviances, fiml_robust
from implstats.sem.inference.robust import Fitted, Robust, baseline_stacks, robust_inference
from implstats.sem.inference.wald import Wald, duals, wald
from implstats.sem.language.table import ParameterTable
from implstats.sem.model.matrices import Structure
from implstats.sem.model.moments import Moments, Stacks
from implstats.sem.model.standardise import explained_variance, row_values, standardised
from implstats.sem.options import Options
from implstats.sem.results import ModelMoments, OptimiserRecord, Parameter, SemResult

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimated:
    """A proper optimum and all it was computed from; ``information`` is the expected one of one person."""

    table: ParameterTable
    structure: Structure
    sample: Sample
    options: Options
    df: int
    optimum: Optimum
    information: Array
    record: OptimiserRecord

    @property
    def moments(self) -> Moments:
        """Implied moments at the optimum."""
        if self.optimum.evaluation.moments is None:
            raise AssertionError("an optimum has moments")
        return self.optimum.evaluation.moments

    @property
    def derivatives(self) -> tuple[Array, Stacks, Array]:
        """Sigma^-1, stacks and exact information at the optimum."""
        e = self.optimum.evaluation
        if e.weight is None or e.stacks is None or e.information is None:
            raise AssertionError("an optimum has derivatives")
        return e.weight, e.stacks, e.information

    @property
    def information_for_errors(self) -> Array:
        """The information that standard errors come from, as asked."""
        return self.derivatives[2] if self.options.information == "observed" else self.information


def failed_result(
    table: ParameterTable,
    sample: Sample,
    options: Options,
    checks: Sequence[Check],
    *,
    converged: bool = False,
    optimiser: OptimiserRecord | None = None,
) -> SemResult:
    """Return a result without estimates and fit indices; the checks hold the reasons."""
    rows = [Parameter(lhs=r.lhs, op=r.op, rhs=r.rhs, label=r.label, free=bool(r.free)) for r in table.rows]
    rows += [Parameter(lhs=d.name, op=":=", rhs=d.text, label=d.name) for d in table.definitions]
    return SemResult(
        verdict="failed",
        converged=converged,
        admissible=False,
        n_obs=sample.moments.n,
        n_free=table.n_free,
        parameters=tuple(rows),
        fit=dict.fromkeys(NAMES),
        checks=tuple(checks),
        estimator=options.estimator,
        kind=options.kind,
        n_dropped=sample.n_dropped,
        moments=None,
        r_squared={},
        covariance=None,
        free_names=tuple(table.free_names()),
        optimiser=optimiser,
    )


def successful_result(estimated: Estimated, *, checks: Sequence[Check], admissible: bool) -> SemResult:
    """Return the result of a proper optimum."""
    table, structure, options = estimated.table, estimated.structure, estimated.options
    n = estimated.sample.moments.n
    record = _fit_record(estimated)
    robust = _robust(estimated, record) if options.estimator != "ML" else None
    covariance = robust.covariance if robust else np.linalg.inv(estimated.information_for_errors) / n
    indices = fit_indices(record)
    if robust:
        indices |= scaled_indices(record, robust.scale, robust.baseline_scale) | robust.extra
    indices |= _corrected(estimated, record)
    parameters = _parameters(estimated, covariance)
    checks = [*checks, *_undefined(parameters)]
    return SemResult(
        verdict=verdict_of(checks),
        converged=True,
        admissible=admissible,
        n_obs=n,
        n_free=table.n_free,
        parameters=parameters,
        fit=_clean(indices),
        checks=tuple(checks),
        estimator=options.estimator,
        kind=options.kind,
        n_dropped=estimated.sample.n_dropped,
        moments=_model_moments(estimated),
        covariance=covariance,
        free_names=tuple(table.free_names()),
        r_squared={
            name: finite_or_none(value)
            for name, value in explained_variance(
                structure, estimated.optimum.theta, estimated.moments
            ).items()
        },
        optimiser=estimated.record,
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
    return {**asdict(w), "std_lv": finite_or_none(std_lv), "std_all": finite_or_none(std_all)}


def _parameters(estimated: Estimated, covariance: Array) -> tuple[Parameter, ...]:
    table, structure, theta = estimated.table, estimated.structure, estimated.optimum.theta
    level, moments = estimated.options.ci_level, estimated.moments
    values = row_values(table, structure, theta)
    lv = standardised(table, structure, theta, moments, values, observed=False)
    every = standardised(table, structure, theta, moments, values, observed=True)
    variances = np.diag(covariance)
    rows = []
    for k, row in enumerate(table.rows):
        w = wald(values[k], float(variances[row.free - 1]) if row.free else None, ci_level=level)
        rows.append(
            Parameter(
                lhs=row.lhs,
                op=row.op,
                rhs=row.rhs,
                group=row.group,
                level=row.level,
                label=row.label,
                free=bool(row.free),
                **_numbers(w, lv[k], every[k]),
            )
        )
    if not table.definitions:
        return tuple(rows)
    exo = {row.label: value for row, value in zip(table.rows, values, strict=True) if row.exo and row.label}
    by_name = duals(table, theta, exo)
    for k, definition in enumerate(table.definitions, start=len(table.rows)):
        dual = by_name[definition.name]
        w = wald(dual.value, float(dual.gradient @ covariance @ dual.gradient), ci_level=level)
        rows.append(
            Parameter(
                lhs=definition.name,
                op=":=",
                rhs=definition.text,
                label=definition.name,
                **_numbers(w, lv[k], every[k]),
            )
        )
    return tuple(rows)


def _model_moments(estimated: Estimated) -> ModelMoments:
    sample, structure, moments = estimated.sample.moments, estimated.structure, estimated.moments
    m = structure.n_latent
    return ModelMoments(
        observed=structure.observed,
        latent=structure.eta[:m],
        sample_cov=sample.cov,
        implied_cov=moments.cov,
        sample_mean=sample.mean,
        implied_mean=moments.mean if structure.means else sample.mean,
        latent_cov=moments.phi[:m, :m],
    )


def _x_positions(estimated: Estimated) -> list[int]:
    return [estimated.structure.observed.index(name) for name in estimated.table.names.x]


def _deviances(estimated: Estimated, x: list[int]) -> Deviances:
    """Tests and log-likelihoods, those of fixed predictors still in."""
    value, sample = estimated.optimum.evaluation.value, estimated.sample.moments
    if estimated.sample.incomplete is not None:
        return fiml_deviances(estimated.sample.incomplete, value, x)
    n, p = sample.n, len(sample.cov)
    others = [i for i in range(p) if i not in x]
    independent = float(np.log(np.diag(sample.cov)[others]).sum()) + _log_det(sample.cov, x)
    per_variable = p * np.log(2 * np.pi)
    return Deviances(
        chisq=n * (value - sample.log_det - p),
        baseline_chisq=n * (independent - sample.log_det),
        logl=-0.5 * n * (value + per_variable),
        logl_saturated=-0.5 * n * (sample.log_det + p + per_variable),
    )


def _fit_record(estimated: Estimated) -> FitRecord:
    sample, structure, moments = estimated.sample.moments, estimated.structure, estimated.moments
    p = len(structure.observed)
    x = _x_positions(estimated)
    found = _deviances(estimated, x)
    of_x = _log_likelihood_of(sample, x) if estimated.options.fixed_x else 0.0
    return FitRecord(
        n=sample.n,
        n_free=estimated.table.n_free,
        df=estimated.df,
        # A saturated model's chi-square is zero; what is left is rounding, of either sign.
        chisq=max(found.chisq, 0.0) if estimated.df else 0.0,
        baseline_chisq=found.baseline_chisq,
        baseline_df=p * (p - 1) // 2 - len(x) * (len(x) - 1) // 2,
        logl=found.logl - of_x,
        logl_saturated=found.logl_saturated - of_x,
        means=structure.means,
        n_moments=p * (p + 1) // 2 + (p if structure.means else 0),
        sample_cov=sample.cov,
        cov=moments.cov,
        weight=estimated.derivatives[0],
        sample_mean=sample.mean,
        mean=moments.mean if structure.means else sample.mean,
    )


def _log_det(cov: Array, which: list[int]) -> float:
    return float(np.linalg.slogdet(cov[np.ix_(which, which)])[1]) if which else 0.0


def _log_likelihood_of(sample: SampleMoments, which: list[int]) -> float:
    """Saturated log-likelihood of some variables by themselves."""
    return -0.5 * sample.n * (_log_det(sample.cov, which) + len(which) * (1 + np.log(2 * np.pi)))


def _corrected(estimated: Estimated, record: FitRecord) -> Index:
    """Robust indices of incomplete data; complete data keep theirs."""
    incomplete = estimated.sample.incomplete
    if incomplete is None or not incomplete.share_missing:
        return {}
    tests = corrected_tests(
        estimated.structure,
        incomplete,
        moments=estimated.moments,
        stacks=estimated.derivatives[1],
        x=_x_positions(estimated),
        df=record.df,
        baseline_df=record.baseline_df,
        robust=estimated.options.estimator == "MLR",
    )
    as_complete = replace(record, chisq=tests.chisq, baseline_chisq=tests.baseline_chisq)
    return robust_indices(as_complete, tests.scale, tests.baseline_scale)


def _robust(estimated: Estimated, record: FitRecord) -> Robust:
    weight, stacks, observed = estimated.derivatives
    sample, structure = estimated.sample, estimated.structure
    if sample.incomplete is not None:
        return fiml_robust(
            structure,
            sample.incomplete,
            moments=estimated.moments,
            stacks=stacks,
            observed=observed,
            df=estimated.df,
            x=_x_positions(estimated),
            baseline_df=record.baseline_df,
        )
    fitted = Fitted(
        weight=weight,
        mean=record.mean,
        stacks=stacks,
        centred=sample.centred,
        sample=sample.moments,
        means=structure.means,
    )
    return robust_inference(
        structure,
        fitted,
        kind="MLM" if estimated.options.estimator == "MLM" else "MLR",
        expected=estimated.information,
        observed=observed,
        df=estimated.df,
        baseline=baseline_stacks(sample.moments, _x_positions(estimated), means=structure.means),
        baseline_df=record.baseline_df,
    )
