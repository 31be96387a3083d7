"""Parametric bootstrap of a likelihood-ratio test (as pbkrtest's PBmodcomp).

Responses are drawn from the smaller model and both models are refitted to each, all at once. With T the
observed likelihood ratio and T*_b those of B draws,

    p = (1 + #{T*_b >= T}) / (1 + B)

which holds the level but for the estimates that stand in for the truth, also at the boundary where chi-square
is wrong. A draw in which a fit failed counts as one that reaches T. Bartlett's correction refers
T df / mean(T*) to chi-square with df degrees of freedom; it is not given where variances are tested.
Reference: Halekoh & Hoejsgaard (2014), J. Stat. Softw. 59(9), section 5.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.special import chdtrc

from implstats.errors import ModelError
from implstats.mixed.fitted import Fitted
from implstats.mixed.inference.likelihood_ratio import compare
from implstats.mixed.inference.nested import nesting
from implstats.mixed.resampling.bootstrap import FEWEST_DRAWS, _sizes, check_draws
from implstats.mixed.resampling.refit import Refitter, prepare, refit_many
from implstats.mixed.resampling.simulate import draw_responses, truth_of
from implstats.mixed.results import MixedResult
from implstats.results import Check


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapComparison:
    """A bootstrapped likelihood-ratio test.

    Attributes
    ----------
    method : str
        ``ML`` or ``REML``; REML where the fixed parts are the same and both fits are REML.
    smaller, larger : str
        Formulas.
    statistic : float
        Observed likelihood ratio, deviance units.
    df : int
    p_value, p_bartlett : float; float or None
    p_chisq : float
        What chi-square without the bootstrap says.
    draws, n_reaching, n_failed : int
        Failed draws are among those that reach the statistic.
    seed : int
    std_error : float
        Monte Carlo standard error of p_value.
    ratios : ndarray, (draws,)
        NaN in failed draws.
    checks : tuple of Check
    """

    method: str
    smaller: str
    larger: str
    statistic: float
    df: int
    p_value: float
    p_bartlett: float | None
    p_chisq: float
    draws: int
    n_reaching: int
    n_failed: int
    seed: int
    std_error: float
    ratios: np.ndarray = field(repr=False)
    checks: tuple[Check, ...]


def bootstrap_compare(a: MixedResult, b: MixedResult, *, draws: int = 999, seed: int) -> BootstrapComparison:
    """Compare two nested linear mixed models of the same rows by a parametric bootstrap.

    Parameters
    ----------
    a, b : MixedResult
        In any order.
    draws : int
    seed : int

    Raises
    ------
    ModelError, DataError, NotSupportedError, UsageError
        The models are not nested, not of the same rows, or not served.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import mixed
    >>> rng = np.random.default_rng(1)
    >>> ward, x = np.repeat(np.arange(12), 10), rng.normal(size=120)
    >>> y = x + rng.normal(size=12)[ward] + rng.normal(size=120)
    >>> frame = pd.DataFrame({"ward": ward, "x": x, "y": y})
    >>> small, large = mixed.fit("y ~ 1 + (1 | ward)", frame), mixed.fit("y ~ x + (1 | ward)", frame)
    >>> mixed.bootstrap_compare(small, large, draws=199, seed=1).p_value
    0.005
    """
    check_draws(draws, seed, fewest=FEWEST_DRAWS)
    one, two = prepare(a), prepare(b)
    plain = compare(a, b)
    if plain.statistic is None or plain.df is None or plain.p_chisq is None:
        raise ModelError(f"The models cannot be compared by a likelihood-ratio test: {plain.reason}.")
    if _size(one.model) > _size(two.model):
        one, two = two, one
    reml = plain.method == "REML"
    one, two = (prepare_as(ready, reml=reml) for ready in (one, two))
    ratios = _ratios(one, two, draws=draws, seed=seed)
    failed = int(np.isnan(ratios[1:]).sum())
    if np.isnan(ratios[0]):
        raise ModelError("A model refitted by ML has no verified optimum; simplify its random part.")
    T, drawn = float(ratios[0]), ratios[1:]
    # Two optima agree to a billionth of a deviance unit; a draw that equals T to that counts as reaching it.
    reaching = int(np.sum(~(drawn < T - 1e-8)))
    p = (1 + reaching) / (1 + draws)
    same_random = nesting(one.model, two.model).variances == 0
    mean = float(np.nanmean(drawn))
    bartlett = float(chdtrc(plain.df, T * plain.df / mean)) if same_random and mean > 0.0 else None
    return BootstrapComparison(
        method=plain.method, smaller=plain.smaller.formula, larger=plain.larger.formula, statistic=T,
        df=plain.df, p_value=p, p_bartlett=bartlett, p_chisq=plain.p_chisq, draws=draws,
        n_reaching=reaching, n_failed=failed, seed=seed, std_error=float(np.sqrt(p * (1 - p) / draws)),
        ratios=drawn, checks=(*plain.checks, _check(failed, draws)),
    )  # fmt: skip


def prepare_as(ready: Refitter, *, reml: bool) -> Refitter:
    """Return the refitter by ML or REML."""
    from dataclasses import replace

    return replace(ready, shared=replace(ready.shared, reml=reml))


def _size(model: Fitted) -> int:
    return len(model.scaled.kept) + model.problem.shape.size


def _ratios(one: Refitter, two: Refitter, *, draws: int, seed: int) -> np.ndarray:
    """Return the likelihood ratio of the data, then of responses drawn from the smaller model."""
    rng = np.random.default_rng(seed)
    design = one.model.design
    y = design.y[:, None]
    observed = refit_many(one, y, df="none")
    truth = truth_of(design, one.model.scaled.kept, observed, 0)
    coding = _coding(one) - _coding(two) if one.shared.reml else 0.0
    out = [observed.criterion - refit_many(two, y, df="none").criterion - coding]
    for size in _sizes(draws, len(y)):
        Y = draw_responses(design, truth, size, rng)
        out.append(refit_many(one, Y, df="none").criterion - refit_many(two, Y, df="none").criterion - coding)
    return np.concatenate(out)


def _coding(ready: Refitter) -> float:
    """Return what a REML criterion owes to the coding of X."""
    return ready.model.scaled.constant_reml - ready.model.scaled.constant_ml


def _check(failed: int, draws: int) -> Check:
    return Check(
        name="bootstrap_draws", status="warn" if failed > 0.01 * draws else "info" if failed else "ok",
        message=f"{draws} draws from the smaller model; {failed} without two verified fits, counted as "
        "reaching the observed ratio.",
    )  # fmt: skip
