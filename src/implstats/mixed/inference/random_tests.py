"""Likelihood-ratio tests of the random terms, each removed in turn, as `lmerTest::ranova` does.

A slope leaves its correlated block with all its covariances; a term that is alone in its block takes the
block with it. The fixed part stays, so the REML criterion serves.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from implstats.errors import ModelError, NotSupportedError, UsageError
from implstats.mixed.design.build import RandomPart
from implstats.mixed.design.coding import INTERCEPT
from implstats.mixed.inference.chi_bar import ZERO, chi_bar_square
from implstats.mixed.inference.reduced import (
    Refit,
    criterion_of,
    information,
    require_gaussian,
    without_effects,
)
from implstats.mixed.results import MixedResult
from implstats.results import Check

if TYPE_CHECKING:
    import pandas as pd

WORSE = 1e-6  # deviance units by which a smaller model may win: the rounding of two optima


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomTest:
    """One random term removed.

    Attributes
    ----------
    cluster, term : str
        What was removed: ``(Intercept)``, ``wave``.
    left : str
        What is left of its block, as in a formula; empty if nothing.
    n_parameters : int
        Of the smaller model; coefficients and s2 counted.
    log_likelihood, aic, bic : float
        Of the smaller model (restricted log-likelihood under REML).
    statistic : float
        Twice the difference of the log-likelihoods.
    df : int
    p_chisq : float
        By chi2 with ``df`` degrees of freedom, conservative at the boundary.
    p_mixture : float or None
        By the boundary mixture; None if its weights are not known.
    mixture : str
        Its name: ``0.5 chi2(1) + 0.5 chi2(2)``.
    """

    cluster: str
    term: str
    left: str
    n_parameters: int
    log_likelihood: float
    aic: float
    bic: float
    statistic: float
    df: int
    p_chisq: float | None
    p_mixture: float | None
    mixture: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomTests:
    """Tests of the random terms: ``method`` REML or ML, the full model's numbers, ``tests``, ``checks``."""

    method: str
    n_parameters: int
    log_likelihood: float
    aic: float
    bic: float
    tests: tuple[RandomTest, ...]
    checks: tuple[Check, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """Return one row a removed term."""
        import pandas as pd

        return pd.DataFrame([asdict(test) for test in self.tests])


def random_tests(result: MixedResult, *, by: Literal["term", "block"] = "term") -> RandomTests:
    """Test each random term of a Gaussian model.

    Parameters
    ----------
    result : MixedResult
    by : {"term", "block"}
        What is removed: a slope from its block (`ranova(reduce.terms = TRUE)`), or whole blocks.

    Returns
    -------
    RandomTests

    Raises
    ------
    UsageError
        ``by`` is unknown.
    ModelError
        The fit failed, or a smaller model has no verified optimum.
    NotSupportedError
        The model is not Gaussian, or has a residual structure.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import mixed
    >>> rng = np.random.default_rng(1)
    >>> ward = np.repeat(np.arange(12), 10)
    >>> frame = pd.DataFrame({"ward": ward, "y": rng.normal(size=12)[ward] + rng.normal(size=120)})
    >>> test = mixed.random_tests(mixed.fit("y ~ 1 + (1 | ward)", frame)).tests[0]
    >>> test.term, test.df, test.mixture
    ('(Intercept)', 1, '0.5 chi2(0) + 0.5 chi2(1)')
    """
    if by not in ("term", "block"):
        raise UsageError(f"by is 'term' or 'block'; got '{by}'.")
    fitted = require_gaussian(result, "random_tests")
    if fitted.residual is not None:
        raise NotSupportedError(
            "'random_tests' does not take terms out of models with a residual structure in this version. Fit "
            "the smaller model and use 'compare'."
        )
    reml, design, scaled = fitted.problem.reml, fitted.design, fitted.scaled
    full = criterion_of(fitted)
    k = len(result.terms) + fitted.problem.shape.size + 1
    tests, null_boundary = [], []
    for level, part in enumerate(design.levels):
        for block in part.blocks:
            for term, gone in _removable(part, block, whole=by == "block"):
                smaller = without_effects(design, scaled, level, gone, reml=reml)
                left = [part.names[effect] for effect in block if effect not in gone]
                if smaller.boundary:
                    null_boundary.append(f"{term} of {part.clusters.name}")
                tests.append(_test(part.clusters.name, term, left, len(gone), smaller, full, k, result.n_obs))
    log_likelihood, aic, bic = information(full, k, result.n_obs)
    return RandomTests(
        method="REML" if reml else "ML", n_parameters=k, log_likelihood=log_likelihood, aic=aic, bic=bic,
        tests=tuple(tests), checks=(_check(tests, null_boundary),),
    )  # fmt: skip


def _removable(part: RandomPart, block: tuple[int, ...], *, whole: bool) -> list[tuple[str, set[int]]]:
    """Return the terms of a block that can be removed, with their effects."""
    if whole:
        return [(_as_formula([part.names[effect] for effect in block]), set(block))]
    terms = list(dict.fromkeys(part.terms[effect] for effect in block))
    if len(terms) > 1:
        terms = [term for term in terms if term != INTERCEPT]
    return [(term, {effect for effect in block if part.terms[effect] == term}) for term in terms]


def _test(
    cluster: str, term: str, left: list[str], variances: int, smaller: Refit, full: float, k: int, n: int
) -> RandomTest:
    n_smaller = k - full_covariances(variances, len(left))
    statistic = smaller.criterion - full
    if statistic < -WORSE:
        raise ModelError(
            f"The model without {term} of {cluster} has a lower criterion than the one with it, so the fit "
            "is not the optimum: standardise the predictors and fit again."
        )
    statistic = 0.0 if statistic <= ZERO else statistic
    found = chi_bar_square(statistic, df=k - n_smaller, variances=variances)
    log_likelihood, aic, bic = information(smaller.criterion, n_smaller, n)
    return RandomTest(
        cluster=cluster, term=term, left=f"({_as_formula(left)} | {cluster})" if left else "",
        n_parameters=n_smaller, log_likelihood=log_likelihood, aic=aic, bic=bic, statistic=statistic,
        df=k - n_smaller, p_chisq=found.p_chisq, p_mixture=found.p_mixture, mixture=found.mixture,
    )  # fmt: skip


def _as_formula(effects: list[str]) -> str:
    return " + ".join("1" if effect == INTERCEPT else effect for effect in effects)


def full_covariances(gone: int, left: int) -> int:
    """Return the parameters that a block loses with ``gone`` of its effects: variances and covariances.

    >>> full_covariances(1, 1)
    2
    """
    return gone * (gone + 1) // 2 + gone * left


def _check(tests: list[RandomTest], null_boundary: list[str]) -> Check:
    """Return what the p-values mean."""
    open_ones = [f"{test.term} of {test.cluster}" for test in tests if test.p_mixture is None]
    message = (
        "A variance cannot be negative, so p_chisq is too large; p_mixture takes the boundary into account, "
        "if the other variances are not zero."
    )
    if open_ones:
        message += f" Its weights are not known for {', '.join(open_ones)}, where p_chisq is conservative."
    if null_boundary:
        message += (
            f" Without {', '.join(null_boundary)} another variance is estimated as zero; both p-values are "
            "then conservative."
        )
    return Check(name="boundary_mixture", status="info", message=message)
