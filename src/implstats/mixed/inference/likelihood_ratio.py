"""Comparison of two models of the same rows: likelihood-ratio test, AIC and BIC.

    T = criterion of the smaller - criterion of the larger,    criterion = -2 log-likelihood (ML or REML)

REML criteria of different fixed parts are not comparable; such models are refitted by ML, and the result says
so. With the same fixed part REML is kept. It is then compared in coordinates that do not depend on the
coding of X, since log|X'V^-1X| does. `chi_bar` gives the p-values.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from implstats.errors import DataError
from implstats.mixed.fitted import Fitted
from implstats.mixed.inference.chi_bar import ZERO, ChiBar, chi_bar_square
from implstats.mixed.inference.nested import Nesting, mixture_checks, nesting, outcome
from implstats.mixed.inference.reduced import criterion_of, information, refit, require_gaussian
from implstats.mixed.results import MixedResult
from implstats.results import Check

if TYPE_CHECKING:
    import pandas as pd

SAME = 1e-12  # relative difference of outcomes that is rounding
WORSE = 1e-6  # deviance units by which a smaller model may win: the rounding of two optima


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedModel:
    """One of two models: formula, parameters (coefficients and s2 counted), log-likelihood, AIC and BIC."""

    formula: str
    n_parameters: int
    log_likelihood: float
    aic: float
    bic: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two models compared.

    Attributes
    ----------
    method : str
        ``ML`` or ``REML``: by which criterion.
    smaller, larger : ComparedModel
        By number of parameters.
    statistic : float or None
        Likelihood ratio; None if the models are not nested.
    df : int or None
    p_chisq : float or None
        By chi2 with ``df`` degrees of freedom.
    p_mixture : float or None
        By the boundary mixture where variances are tested; else p_chisq.
    mixture : str
        The distribution behind p_mixture.
    reason : str
        Why there is no test; empty otherwise.
    checks : tuple of Check
        ``refit`` says whether models were refitted by ML.
    """

    method: str
    smaller: ComparedModel
    larger: ComparedModel
    statistic: float | None
    df: int | None
    p_chisq: float | None
    p_mixture: float | None
    mixture: str
    reason: str
    checks: tuple[Check, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """Return one row a model, the smaller first."""
        import pandas as pd

        frame = pd.DataFrame([asdict(self.smaller), asdict(self.larger)])
        for name in ("statistic", "df", "p_chisq", "p_mixture"):
            frame[name] = [None, getattr(self, name)]
        return frame


def compare(a: MixedResult, b: MixedResult) -> Comparison:
    """Compare two models of the same rows, in any order; both Gaussian or of one other family and link.

    Parameters
    ----------
    a, b : MixedResult

    Returns
    -------
    Comparison

    Raises
    ------
    DataError
        Different rows, outcomes or prior weights.
    ModelError, NotSupportedError
        A failed fit, or models of different families, links or quadrature.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import mixed
    >>> rng = np.random.default_rng(1)
    >>> ward, x = np.repeat(np.arange(12), 10), rng.normal(size=120)
    >>> y = x + rng.normal(size=12)[ward] + rng.normal(size=120)
    >>> frame = pd.DataFrame({"ward": ward, "x": x, "y": y})
    >>> found = mixed.compare(mixed.fit("y ~ 1 + (1 | ward)", frame), mixed.fit("y ~ x + (1 | ward)", frame))
    >>> found.method, found.df, found.mixture, found.checks[0].status
    ('ML', 1, 'chi2(1)', 'info')
    """
    if a.family != "gaussian" or b.family != "gaussian":
        from implstats.mixed.inference.generalised_compare import compare_generalised

        return compare_generalised(a, b)
    one, two = require_gaussian(a, "compare"), require_gaussian(b, "compare")
    _check_same_data(one, two)
    if _size(one) > _size(two):
        one, two = two, one
    lies = nesting(one, two)
    by_reml = one.problem.reml and two.problem.reml and lies.same_fixed
    criteria = [_criterion(model, reml=by_reml) for model in (one, two)]
    df = _size(two) - _size(one)
    reason = _why_not(lies, df)
    statistic = None if reason else criteria[0] - criteria[1]
    if by_reml and statistic is not None:
        statistic -= _coding(one) - _coding(two)
    if statistic is not None and statistic < -WORSE:
        reason, statistic = "the larger model fits worse, so one of the two is not at its optimum", None
    found = ChiBar(p_chisq=None, p_mixture=None, mixture="")
    if statistic is not None:
        statistic = 0.0 if statistic <= ZERO else statistic
        found = chi_bar_square(statistic, df=df, variances=lies.variances)
    smaller, larger = (_compared(model, value) for model, value in zip((one, two), criteria, strict=True))
    return Comparison(
        method="REML" if by_reml else "ML", smaller=smaller, larger=larger, statistic=statistic,
        df=df if statistic is not None else None, p_chisq=found.p_chisq, p_mixture=found.p_mixture,
        mixture=found.mixture, reason=reason, checks=_checks(one, two, lies, by_reml),
    )  # fmt: skip


def _size(fitted: Fitted) -> int:
    return len(fitted.scaled.kept) + fitted.problem.shape.size + 1


def _criterion(fitted: Fitted, *, reml: bool) -> float:
    if fitted.problem.reml == reml:
        return criterion_of(fitted)
    theta = fitted.optimum.search.at.theta
    return refit(fitted.problem, fitted.scaled, reml=reml, near=theta).criterion


def _coding(fitted: Fitted) -> float:
    """Return what the REML criterion owes to the coding of X."""
    return fitted.scaled.constant_reml - fitted.scaled.constant_ml


def _compared(fitted: Fitted, criterion: float) -> ComparedModel:
    k = _size(fitted)
    log_likelihood, aic, bic = information(criterion, k, len(fitted.design.y))
    return ComparedModel(
        formula=fitted.formula.text, n_parameters=k, log_likelihood=log_likelihood, aic=aic, bic=bic
    )


def _check_same_data(one: Fitted, two: Fitted) -> None:
    """Refuse models of different rows, outcomes or weights: their likelihoods are not comparable."""
    n = [len(model.design.y) for model in (one, two)]
    if n[0] != n[1]:
        raise DataError(
            f"The models use different rows ({n[0]} and {n[1]}), so their likelihoods cannot be compared. "
            "Fit both to the rows that have the variables of both."
        )
    y = [outcome(model.design) for model in (one, two)]
    if not np.allclose(y[0], y[1], rtol=SAME, atol=0.0):
        raise DataError(
            "The models have different outcomes or rows (the outcome's values differ), so their likelihoods "
            "cannot be compared. Fit both to the same outcome and rows, in the same order."
        )
    weights = [np.ones(n[0]) if m.design.weights is None else m.design.weights for m in (one, two)]
    if not np.allclose(weights[0], weights[1], rtol=SAME, atol=0.0):
        raise DataError("The models have different prior weights; fit both with the same.")


def _why_not(lies: Nesting, df: int) -> str:
    if not lies.nested:
        return "the smaller model is not a special case of the larger; compare AIC or BIC"
    if df == 0:
        return "both models have the same number of parameters"
    return ""


def _checks(one: Fitted, two: Fitted, lies: Nesting, by_reml: bool) -> tuple[Check, ...]:
    again = [m for m in (one, two) if m.problem.reml and not by_reml]
    if by_reml:
        message = "Both models are compared by their REML fits; their fixed parts are the same."
    elif not again:
        message = "Both models are compared by their ML fits."
    else:
        why = "the fixed parts differ" if not lies.same_fixed else "the other was fitted by ML"
        message = f"{len(again)} of the 2 models was fitted by REML and refitted by ML, because {why}."
    checks = [Check(name="refit", status="info" if again else "ok", message=message)]
    return (*checks, *mixture_checks(lies))
