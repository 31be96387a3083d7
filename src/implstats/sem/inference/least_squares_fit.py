"""Standard errors, tests and fit indices of a least-squares fit, and the shifted tests of MLMV and MLMVS."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from implstats.results import Check
from implstats.sem.data.sample import Sample
from implstats.sem.estimators.least_squares import LeastSquares
from implstats.sem.estimators.weights import (
    RECIPES,
    Recipe,
    fourth_moments,
    normal_weight,
    predicted_values,
    vech_order,
)
from implstats.sem.fit_indices import fit_indices
from implstats.sem.fit_indices.record import FitRecord, GroupMoments, Index
from implstats.sem.fit_indices.weighted import (
    corrected_indices,
    least_squares_indices,
    robust_of_corrected,
)
from implstats.sem.fitted import Estimated
from implstats.sem.inference.catml import catml_indices
from implstats.sem.inference.quadratic import (
    Form,
    ScaledTest,
    baseline_traces,
    corrected,
    information,
    sandwich,
    traces,
    zero_form,
)
from implstats.sem.inference.robust import baseline_stacks
from implstats.sem.model.matrices import columns_to_free
from implstats.sem.model.moments import Stacks

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """What an estimator of :data:`RECIPES` concludes.

    Attributes
    ----------
    covariance : ndarray, shape (q, q)
        Of the estimates.
    inverse : ndarray, shape (q, q)
        Of the information A within the constraints.
    test, baseline : ScaledTest or None
        Corrected tests of the model and of its baseline; ``None`` for a standard test.
    """

    covariance: Array
    inverse: Array
    test: ScaledTest | None
    baseline: ScaledTest | None


def forms_of(estimated: Estimated) -> list[Form]:
    """Return each group's quadratic form at the optimum; under ML that of the normal-theory weights."""
    found = []
    for k, (sample, share) in enumerate(zip(estimated.sample.groups, estimated.sample.share, strict=True)):
        block = estimated.blocks[k]
        ls = sample.least_squares
        if ls is None or block.jacobian is None:
            found.append(_normal_form(estimated, k, share))
            continue
        found.append(Form(jacobian=block.jacobian, weight=ls.weight, gamma=ls.gamma, share=share))
    return found


def _normal_form(estimated: Estimated, k: int, share: float) -> Form:
    means, sample = estimated.table.means, estimated.sample.groups[k]
    given = estimated.options.fixed_x and estimated.x
    predicted = predicted_values(sample.centred, estimated.x) if given else None
    return Form(
        jacobian=columns_to_free(estimated.structures[k], _vech(estimated.stacks[k], means=means)),
        weight=normal_weight(estimated.weights[k], means=means),
        gamma=fourth_moments(sample.centred, means=means, predicted=predicted),
        share=share,
    )


def _vech(stacks: Stacks, *, means: bool) -> Array:
    row, col = vech_order(len(stacks.a))
    cov = stacks.a[row] * stacks.b[col] + stacks.a[col] * stacks.b[row]
    return np.vstack([stacks.m, cov]) if means else cov


def weighed(estimated: Estimated, record: FitRecord) -> Weighed:
    """Return covariance matrix and corrected tests of an estimator of :data:`RECIPES`."""
    recipe = RECIPES[estimated.options.estimator]
    forms = forms_of(estimated)
    inverse = estimated.inverse(information(forms))
    n = estimated.sample.n
    divisor = n if recipe.weighting == "ML" else n - len(forms)
    covariance = (sandwich(forms, inverse) if recipe.sandwich else inverse) / divisor
    if recipe.test == "standard":
        return Weighed(covariance=covariance, inverse=inverse, test=None, baseline=None)
    first = second = 0.0
    for k, form in enumerate(forms):
        t1, t2 = _baseline(estimated, k, form)
        first, second = first + t1, second + t2
    return Weighed(
        covariance=covariance,
        inverse=inverse,
        test=corrected(recipe.test, record.chisq, record.df, *traces(forms, inverse)),
        baseline=corrected(recipe.test, record.baseline_chisq, record.baseline_df, first, second),
    )


def _baseline(estimated: Estimated, k: int, form: Form) -> tuple[float, float]:
    sample = estimated.sample.groups[k]
    zero = held_at_zero(estimated, k)
    if sample.least_squares is not None:
        return baseline_traces(form.weight, form.gamma, zero)
    means = estimated.table.means
    inverse, _ = baseline_stacks(sample.moments, estimated.x, means=means)
    return baseline_traces(normal_weight(inverse, means=means), form.gamma, zero)


def held_at_zero(estimated: Estimated, k: int) -> NDArray[np.intp]:
    """Return the statistics that the baseline holds at zero: covariances, those among predictors apart."""
    sample = estimated.sample.groups[k]
    ls = sample.least_squares
    if ls is not None:
        row, col, before = ls.y[ls.row], ls.y[ls.col], ls.n_before_pairs
    else:
        p = len(sample.moments.cov)
        row, col = (side[p:] for side in vech_order(p))
        before = p + (p if estimated.table.means else 0)
    among = np.isin(row, estimated.x) & np.isin(col, estimated.x)
    return before + np.nonzero(~among)[0]


def _baseline_value(ls: LeastSquares, zero: NDArray[np.intp]) -> float:
    s = ls.statistics[zero]
    if ls.weight.ndim == 1:
        return float(s @ (ls.weight[zero] * s))
    return float(s @ zero_form(ls.weight, zero) @ s)


def least_squares_record(estimated: Estimated) -> FitRecord:
    """Return the record of a least-squares fit; its n is n - G, which all its indices rest on."""
    chisq = baseline = 0.0
    baseline_df = 0
    for k, sample in enumerate(estimated.sample.groups):
        zero = held_at_zero(estimated, k)
        chisq += (sample.moments.n - 1) * estimated.blocks[k].value
        baseline += (sample.moments.n - 1) * _baseline_value(_of(sample), zero)
        baseline_df += len(zero)
    return FitRecord(
        n=estimated.sample.n - len(estimated.sample.groups),
        n_free=estimated.n_free,
        df=estimated.df,
        chisq=chisq if estimated.df else 0.0,
        baseline_chisq=baseline,
        baseline_df=baseline_df,
        logl=np.nan,
        logl_saturated=np.nan,
        means=estimated.table.means,
        n_moments=sum(len(_of(s).statistics) for s in estimated.sample.groups),
        groups=tuple(_moments(estimated, k) for k in range(len(estimated.sample.groups))),
    )


def _moments(estimated: Estimated, k: int) -> GroupMoments:
    sample, moments = estimated.sample.groups[k].moments, estimated.moments[k]
    return GroupMoments(
        n=sample.n,
        sample_cov=sample.cov,
        cov=moments.cov,
        weight=np.eye(len(moments.cov)),  # gfi of least squares has weights of its own
        sample_mean=sample.mean,
        mean=moments.mean if estimated.table.means else sample.mean,
    )


def weighed_indices(estimated: Estimated, record: FitRecord, found: Weighed) -> Index:
    """Return every fit index of an estimator of :data:`RECIPES`."""
    options = estimated.options
    recipe, ordered = RECIPES[options.estimator], bool(options.ordered)
    if options.least_squares:
        groups = [
            (_of(sample), block.error)
            for sample, block in zip(estimated.sample.groups, estimated.blocks, strict=True)
            if block.error is not None
        ]
        tested = recipe.weighting != "ULS"
        out = least_squares_indices(
            record, groups, n_total=estimated.sample.n, ordered=ordered, tested=tested
        )
    else:
        out = fit_indices(record)
    if recipe.test == "standard":
        return out
    out |= corrected_indices(record, found.test, found.baseline)
    if ordered and recipe.test != "variance":
        out |= catml_indices(estimated, record, found.inverse)
    elif recipe.test == "shifted":
        out |= robust_of_corrected(record, found.test, found.baseline)
    return out


def weighed_checks(estimated: Estimated, recipe: Recipe) -> list[Check]:
    """Say what the reader should know about an estimator's test."""
    checks = []
    if recipe.weighting == "ULS" and not recipe.sandwich:
        checks.append(Check(
            name="test", status="info",
            message="n F of unweighted least squares has no chi-square distribution, so there is no p-value. "
                    "Use ULSMV (ordered items) or MLMV for a test.",
        ))  # fmt: skip
    if recipe.weighting == "WLS" and estimated.sample.n < 10 * len(
        _of(estimated.sample.groups[0]).statistics
    ):
        checks.append(Check(
            name="weights", status="warn",
            message="The full weight matrix of WLS rests on fewer than ten persons a statistic: chi-square "
                    "is then too large and standard errors too small. Prefer DWLS, WLSMV or MLR.",
        ))  # fmt: skip
    return checks


def _of(sample: Sample) -> LeastSquares:
    if sample.least_squares is None:
        raise AssertionError("a least-squares estimator has its statistics")
    return sample.least_squares
