"""Put a judged optimum, or a failure, into a :class:`SemResult`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from implstats.results import Check, finite_or_none, verdict_of
from implstats.sem.data.groups import GroupedSample
from implstats.sem.estimators.weights import RECIPES
from implstats.sem.fit_indices import (
    NAMES,
    FitRecord,
    Index,
    fit_indices,
    scaled_indices,
)
from implstats.sem.fitted import Estimated
from implstats.sem.inference.least_squares_fit import (
    weighed,
    weighed_checks,
    weighed_indices,
)
from implstats.sem.inference.scaled_test import as_tested, rejects_too_often
from implstats.sem.inference.wald import Wald, duals, wald
from implstats.sem.language.table import ParameterTable
from implstats.sem.model.standardise import explained_variance, row_values, standardised
from implstats.sem.model_fit import corrected_indices, fit_record, robust_of
from implstats.sem.options import Options
from implstats.sem.results import GroupSolution, ModelMoments, OptimiserRecord, Parameter, SemResult

Array = NDArray[np.float64]


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
    record = fit_record(estimated)
    covariance, indices = _inference(estimated, record)
    if estimated.options.test is not None:  # errors of MLR beside the test of another estimator
        indices = _inference(as_tested(estimated), record)[1]
    recipe = RECIPES.get(estimated.options.estimator)
    more = weighed_checks(estimated, recipe) if recipe else []
    factor = finite_or_none(indices.get("chisq.scaling.factor"))
    more += rejects_too_often(estimated.options, factor, estimated.sample.n)
    return _result(estimated, covariance, indices, checks=[*checks, *more], admissible=admissible)


def _inference(estimated: Estimated, record: FitRecord) -> tuple[Array, Index]:
    """Return the covariance matrix of the estimates, shape (q, q), and every fit index."""
    options = estimated.options
    if options.estimator in RECIPES:
        found = weighed(estimated, record)
        return found.covariance, weighed_indices(estimated, record, found)
    indices = fit_indices(record)
    if options.estimator == "ML" and not options.two_stage:
        wanted = estimated.observed if options.information == "observed" else estimated.information
        covariance = estimated.inverse(wanted) / estimated.sample.n
    else:
        robust = robust_of(estimated, record)
        covariance = robust.covariance
        indices |= scaled_indices(record, robust.scale, robust.baseline_scale) | robust.extra
    return covariance, indices | corrected_indices(estimated, record)


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
    return {
        "estimate": w.estimate, "std_error": w.std_error, "statistic": w.statistic, "p_value": w.p_value,
        "conf_low": w.conf_low, "conf_high": w.conf_high, "std_lv": finite_or_none(std_lv),
        "std_all": finite_or_none(std_all),
    }  # fmt: skip


def _parameters(estimated: Estimated, covariance: Array) -> tuple[Parameter, ...]:
    table, structures, theta = estimated.table, estimated.structures, estimated.optimum.theta
    level, moments = estimated.options.ci_level, estimated.moments
    values = row_values(table, structures, theta)
    lv = standardised(table, structures, theta, moments, values, observed=False)
    every = standardised(table, structures, theta, moments, values, observed=True)
    variances = np.diag(covariance).tolist()
    rows = []
    for k, row in enumerate(table.rows):
        w = wald(values[k], variances[row.free - 1] if row.free else None, ci_level=level)
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
