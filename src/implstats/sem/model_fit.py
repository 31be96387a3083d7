"""How well a fitted model reproduces its moments: what each index and robust test needs, by estimator."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from implstats.sem.data.sample import Sample
from implstats.sem.estimators.fiml import Incomplete
from implstats.sem.estimators.incomplete import moment_derivatives, moment_information
from implstats.sem.estimators.ml import SampleMoments, exact_without_curvature
from implstats.sem.estimators.weights import predicted_values
from implstats.sem.fit_indices import (
    FitRecord,
    GroupMoments,
    Index,
    robust_indices,
)
from implstats.sem.fitted import Estimated
from implstats.sem.inference.fiml_corrected import corrected_tests
from implstats.sem.inference.fiml_fit import Deviances, fiml_deviances, fiml_robust, proper_state
from implstats.sem.inference.least_squares_fit import (
    least_squares_record,
)
from implstats.sem.inference.robust import Fitted, Kind, Robust, robust_inference
from implstats.sem.inference.two_stage import two_stage_inference
from implstats.sem.model.matrices import columns_to_free, to_free

Array = NDArray[np.float64]


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
        given=tuple(estimated.x) if estimated.options.fixed_x else (),
    )


def _log_det(cov: Array, which: list[int]) -> float:
    return float(np.linalg.slogdet(cov[np.ix_(which, which)])[1]) if which else 0.0


def _log_likelihood_of(sample: SampleMoments, which: list[int]) -> float:
    """Saturated log-likelihood of some variables by themselves."""
    return -0.5 * sample.n * (_log_det(sample.cov, which) + len(which) * (1 + np.log(2 * np.pi)))


def _incomplete(estimated: Estimated) -> list[Incomplete]:
    """The groups' patterns of answers; none for complete data."""
    return [s.incomplete for s in estimated.sample.groups if s.incomplete is not None]


def corrected_indices(estimated: Estimated, record: FitRecord) -> Index:
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
    of_trace = bread
    if estimated.options.structured_trace:
        of_trace = estimated.inverse(moment_curvature(estimated)) / estimated.sample.n
    incomplete = _incomplete(estimated)
    given = estimated.x if estimated.options.fixed_x else []
    if incomplete:
        return fiml_robust(
            estimated.structures,
            incomplete,
            moments=estimated.moments,
            stacks=estimated.stacks,
            bread=bread,
            of_trace=of_trace,
            n_free=estimated.n_free,
            df=estimated.df,
            x=estimated.x,
            given=given,
            baseline_df=record.baseline_df,
        )
    return robust_inference(
        estimated.structures,
        fitted_groups(estimated),
        kind=kind,
        bread=bread,
        of_trace=of_trace,
        n_free=estimated.n_free,
        df=estimated.df,
        x=estimated.x,
        given=given,
        baseline_df=record.baseline_df,
    )


def moment_curvature(estimated: Estimated) -> Array:
    """Return the exact information of one person less what second derivatives of the moments add, (q, q)."""
    total = np.zeros((estimated.table.n_free,) * 2)
    for k, (sample, share) in enumerate(zip(estimated.sample.groups, estimated.sample.share, strict=True)):
        structure, stacks, at = estimated.structures[k], estimated.stacks[k], estimated.moments[k]
        if sample.incomplete is None:
            found = exact_without_curvature(
                stacks, sample.moments, estimated.weights[k], at, means=structure.means
            )
            total += share * to_free(structure, found)
            continue
        delta = columns_to_free(structure, moment_derivatives(stacks))
        state = proper_state(sample.incomplete.patterns, at.cov, at.mean)
        total += (
            share * delta.T @ moment_information(sample.incomplete.patterns, state, observed=True) @ delta
        )
    return total


def fitted_groups(estimated: Estimated) -> list[Fitted]:
    """Return what the robust formulas need of each group's complete data."""
    given = estimated.options.fixed_x and estimated.x
    return [
        Fitted(
            weight=estimated.weights[k],
            mean=estimated.moments[k].mean if estimated.table.means else sample.moments.mean,
            stacks=estimated.stacks[k],
            centred=sample.centred,
            sample=sample.moments,
            means=estimated.table.means,
            cluster=sample.cluster,
            predicted=predicted_values(sample.centred, estimated.x) if given else None,
        )
        for k, sample in enumerate(estimated.sample.groups)
    ]
