"""Comparison of two generalised or ordinal models of the same rows: likelihood-ratio test, AIC and BIC.

    T = -2 log L (smaller) + 2 log L (larger),   compared with chi2, or at a boundary with `chi_bar`'s mixture

The log-likelihoods must be of one kind: same family, link and integration (Laplace, or as many quadrature
points). A Poisson model is the negative binomial one with 1 / theta at its boundary, zero, so that step
counts as a variance. Reference: Self & Liang (1987), JASA 82, 605-610.
"""

from __future__ import annotations

import numpy as np

from implstats.errors import DataError, ModelError, NotSupportedError
from implstats.mixed.inference.chi_bar import ZERO, ChiBar, chi_bar_square
from implstats.mixed.inference.likelihood_ratio import WORSE, ComparedModel, Comparison
from implstats.mixed.inference.nested import Nesting, mixture_checks, random_inside, within_span
from implstats.mixed.laplace.generalised import Generalised
from implstats.mixed.results import MixedResult
from implstats.results import Check

SAME = 1e-12  # relative difference of outcomes that is rounding
OFFSET = 1e-9  # difference of offsets, on the scale of the link, that is rounding


def compare_generalised(a: MixedResult, b: MixedResult) -> Comparison:
    """Compare two fits of one family and link, in any order.

    Raises
    ------
    DataError
        Different rows, outcomes or trials.
    ModelError
        A failed fit.
    NotSupportedError
        Log-likelihoods of different families, links or quadrature rules.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import mixed
    >>> rng = np.random.default_rng(1)
    >>> ward, x = np.repeat(np.arange(20), 10), rng.normal(size=200)
    >>> y = (x + rng.normal(size=20)[ward] + rng.logistic(size=200) > 0).astype(int)
    >>> frame = pd.DataFrame({"ward": ward, "x": x, "y": y})
    >>> fits = [mixed.fit(f"y ~ {part} + (1 | ward)", frame, family="binomial") for part in ("1", "x")]
    >>> found = compare_generalised(*fits)
    >>> found.method, found.df, found.mixture
    ('ML', 1, 'chi2(1)')
    """
    _check_kind(a, b)
    one, two = _kept(a), _kept(b)
    if _size(a) > _size(b) or (_size(a) == _size(b) and a.family == "nbinom"):
        a, b, one, two = b, a, two, one
    _check_same_data(one, two)
    lies = _nesting(a, b, one, two)
    df = _size(b) - _size(a)
    reason = _why_not(lies, df)
    statistic = None if reason else _number(a.criterion) - _number(b.criterion)
    if statistic is not None and statistic < -WORSE:
        reason, statistic = "the larger model fits worse, so one of the two is not at its optimum", None
    found = ChiBar(p_chisq=None, p_mixture=None, mixture="")
    if statistic is not None:
        statistic = 0.0 if statistic <= ZERO else statistic
        found = chi_bar_square(statistic, df=df, variances=lies.variances)
    return Comparison(
        method="ML", smaller=_compared(a), larger=_compared(b), statistic=statistic,
        df=df if statistic is not None else None, p_chisq=found.p_chisq, p_mixture=found.p_mixture,
        mixture=found.mixture, reason=reason, checks=_checks(a, lies),
    )  # fmt: skip


def _kept(result: MixedResult) -> Generalised:
    if result.generalised is None:
        raise ModelError(f"'compare' needs fits of one kind that succeeded. {result.reason}".rstrip())
    return result.generalised


def _number(value: float | None) -> float:
    if value is None:
        raise ModelError("A model has no log-likelihood, so it cannot be compared.")
    return value


def _size(result: MixedResult) -> int:
    """Return the number of parameters, as AIC counts them."""
    return round((_number(result.aic) - _number(result.criterion)) / 2.0)


def _compared(result: MixedResult) -> ComparedModel:
    return ComparedModel(
        formula=result.formula, n_parameters=_size(result), log_likelihood=_number(result.log_likelihood),
        aic=_number(result.aic), bic=_number(result.bic),
    )  # fmt: skip


def _check_kind(a: MixedResult, b: MixedResult) -> None:
    """Refuse log-likelihoods that are not of one kind."""
    counts = {a.family, b.family} == {"poisson", "nbinom"}
    if a.link != b.link or (a.family != b.family and not counts):
        raise NotSupportedError(
            f"A likelihood-ratio test needs one family and link; these are {a.family} ({a.link}) and "
            f"{b.family} ({b.link}). Fit both with the same; their AIC stand in the results."
        )
    if a.agq != b.agq:
        raise NotSupportedError(
            f"The log-likelihoods were integrated in different ways (agq={a.agq} and agq={b.agq}); fit both "
            "with the same agq."
        )


def _check_same_data(one: Generalised, two: Generalised) -> None:
    values = [m.outcome.values[m.design.rows] for m in (one, two)]
    if len(values[0]) != len(values[1]):
        raise DataError(
            f"The models use different rows ({len(values[0])} and {len(values[1])}), so their likelihoods "
            "cannot be compared. Fit both to the rows that have the variables of both."
        )
    trials = [
        np.ones(len(v)) if m.outcome.trials is None else m.outcome.trials[m.design.rows]
        for m, v in zip((one, two), values, strict=True)
    ]  # fmt: skip
    same = [np.allclose(a, b, rtol=SAME, atol=0.0) for a, b in (values, trials)]
    if not all(same) or one.levels != two.levels:
        raise DataError(
            "The models have different outcomes, trials or rows, so their likelihoods cannot be compared. "
            "Fit both to the same outcome and rows, in the same order."
        )


def _offset(model: Generalised) -> np.ndarray:
    return np.zeros(len(model.design.y)) if model.design.offset is None else model.design.offset


def _nesting(a: MixedResult, b: MixedResult, one: Generalised, two: Generalised) -> Nesting:
    """Return whether the smaller model is a special case of the larger."""
    ordinal = a.family == "ordinal"
    small, large = _columns(one, ordinal), np.linalg.qr(_columns(two, ordinal))[0]
    between = (_offset(one) - _offset(two))[:, None]
    same_offset = float(np.abs(between).max()) <= OFFSET
    inside = within_span(small, large) and (same_offset or within_span(between, large))
    random, variances = random_inside(one.design, two.design)
    theta = a.family != b.family
    return Nesting(
        nested=inside and random and (a.family == b.family or a.family == "poisson"),
        same_fixed=inside and small.shape[1] == large.shape[1], variances=variances + int(theta),
    )  # fmt: skip


def _columns(model: Generalised, ordinal: bool) -> np.ndarray:
    """Return columns that span the fixed part; thresholds stand for an intercept."""
    Q = model.scaled.Q
    return np.column_stack([np.ones(len(Q)), Q]) if ordinal else Q


def _why_not(lies: Nesting, df: int) -> str:
    if not lies.nested:
        return "the smaller model is not a special case of the larger; compare AIC or BIC"
    return "both models have the same number of parameters" if df == 0 else ""


def _checks(smaller: MixedResult, lies: Nesting) -> tuple[Check, ...]:
    how = "Laplace's method" if smaller.agq == 1 else f"quadrature with {smaller.agq} points"
    made = Check(name="refit", status="ok", message=f"Both models are compared by ML fits, by {how}.")
    return (made, *mixture_checks(lies))
