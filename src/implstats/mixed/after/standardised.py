"""Standardised coefficients.

    total     b sd(x) / sd(y), SDs over the rows (Hox, Moerbeek & van de Schoot 2018, equation 2.13)
    level     b sd_k(x) / sd_k(y), k the level at which x varies: sd_k(x) of x's deviations from the mean of
              the next higher cluster, sd_k(y) the root of the level's variance in a model without predictors
              ("pseudo-standardised", Hoffman 2015)

The SDs are taken as known, so that tests are those of the coefficients. The intercept has none. A predictor
that varies at several levels has one coefficient for all of them; ``level`` then takes the lowest, and a
check names it: enter within(x, g) and between(x, g) to tell them apart.
References: Hox, Moerbeek & van de Schoot (2018), Multilevel Analysis, chapter 2; Hoffman (2015), Longitudinal
Analysis, p. 342.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from implstats.errors import ModelError, UsageError
from implstats.mixed.after.linear import fitted_model, plain_residuals
from implstats.mixed.after.shares_by_level import RESIDUAL, null_variances
from implstats.mixed.fitted import Fitted
from implstats.mixed.results import MixedResult
from implstats.results import Check

if TYPE_CHECKING:
    import pandas as pd

SAME = 1e-10  # spread within a cluster, as a share of the column's, that is rounding
MIXED = 0.05  # share of a within predictor's variance between clusters that is no longer chance


@dataclass(frozen=True, slots=True, kw_only=True)
class StandardisedCoefficient:
    """One coefficient in SDs.

    Attributes
    ----------
    term : str
    level : str
        Where the predictor varies: ``residual`` (rows within the lowest clusters) or a cluster level; empty
        for ``total``.
    estimate, std_error, conf_low, conf_high : float or None
    sd_predictor, sd_outcome : float
    reason : str
    """

    term: str
    level: str
    estimate: float | None
    std_error: float | None
    conf_low: float | None
    conf_high: float | None
    sd_predictor: float
    sd_outcome: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StandardisedCoefficients:
    """Standardised coefficients, in the order of the fit's."""

    coefficients: tuple[StandardisedCoefficient, ...]
    method: str
    checks: tuple[Check, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """One row a coefficient."""
        import pandas as pd

        names = (
            "term",
            "level",
            "estimate",
            "std_error",
            "conf_low",
            "conf_high",
            "sd_predictor",
            "sd_outcome",
        )
        return pd.DataFrame([{n: getattr(c, n) for n in names} for c in self.coefficients])


def standardised_coefficients(
    result: MixedResult, *, method: Literal["total", "level"] = "total"
) -> StandardisedCoefficients:
    """Return the coefficients in standard deviations of predictor and outcome.

    Raises
    ------
    UsageError
        An unknown method.
    ModelError
        The fit failed, or the model without predictors cannot be fitted.

    Notes
    -----
    R: ``effectsize::standardize_parameters(m, method = "basic")`` for ``total``; ``"pseudo"`` is close to
    ``level``.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import mixed
    >>> rng = np.random.default_rng(1)
    >>> ward = np.repeat(np.arange(12), 10)
    >>> x = rng.normal(size=120)
    >>> y = x + rng.normal(size=12)[ward] + rng.normal(size=120)
    >>> result = mixed.fit("y ~ x + (1 | ward)", pd.DataFrame({"ward": ward, "x": x, "y": y}))
    >>> one = standardised_coefficients(result).coefficients[0]
    >>> bool(abs(one.estimate - result.fixed[1].estimate * x.std() / y.std()) < 1e-12)
    True
    """
    model = fitted_model(result)
    if method not in ("total", "level"):
        raise UsageError(f"method is 'total' or 'level'; got '{method}'.")
    if method == "level":
        plain_residuals(model, "Standardising by level")
    null = null_variances(result) if method == "level" else {}
    found, mixed_up = [], []
    for f, j in zip(result.fixed, model.scaled.kept, strict=True):
        x = model.design.X[:, j]
        if np.ptp(x) == 0.0:
            continue
        level, sd_x, several = ("", float(np.std(x, ddof=1)), False)
        sd_y = float(np.std(model.design.y, ddof=1))
        if method == "level":
            level, sd_x, several = level_of(model, x)
            sd_y = float(np.sqrt(null[level]))
        if several:
            mixed_up.append(f.term)
        if f.estimate is None:
            raise ModelError("The fit has no estimates.")
        found.append(_record(f, level, sd_x, sd_y))
    return StandardisedCoefficients(
        coefficients=tuple(found), method=method, checks=_checks(mixed_up, found, method)
    )


def level_of(model: Fitted, x: np.ndarray) -> tuple[str, float, bool]:
    """Return the level where a column varies, its SD there, and whether it varies above that level too."""
    chain = [(RESIDUAL, np.arange(len(x)))]
    chain += [(level.clusters.name, level.clusters.codes) for level in model.design.levels]
    size = float(np.ptp(x))
    for k, (name, codes) in enumerate(chain):
        first = np.unique(codes, return_index=True)[1]
        values = x[first]
        if k + 1 == len(chain):
            return name, float(np.std(values, ddof=1)), False
        upper = chain[k + 1][1][first]
        counts = np.bincount(upper)
        means = np.bincount(upper, weights=values) / np.maximum(counts, 1)
        rest = values - means[upper]
        if np.abs(rest).max() > SAME * size:
            df = len(values) - int(np.sum(counts > 0))
            between = float(np.var(means[upper]))
            return name, float(np.sqrt(rest @ rest / df)), between > MIXED * float(np.var(values))
    return RESIDUAL, float(np.std(x, ddof=1)), False


def _record(f: object, level: str, sd_x: float, sd_y: float) -> StandardisedCoefficient:
    unit = sd_x / sd_y if sd_y > 0.0 else None

    def times(name: str) -> float | None:
        value = getattr(f, name)
        return None if value is None or unit is None else float(value * unit)

    return StandardisedCoefficient(
        term=str(getattr(f, "term", "")), level=level, estimate=times("estimate"),
        std_error=times("std_error"), conf_low=times("conf_low"), conf_high=times("conf_high"),
        sd_predictor=sd_x, sd_outcome=sd_y,
        reason="" if unit is not None else f"the variance of '{level}' is zero without predictors",
    )  # fmt: skip


def _checks(mixed_up: list[str], found: list[StandardisedCoefficient], method: str) -> tuple[Check, ...]:
    checks = [
        Check(
            name="known_sds", status="info",
            message="The standard deviations are taken as known: the tests are those of the coefficients.",
        )
    ]  # fmt: skip
    if mixed_up:
        checks.append(
            Check(
                name="several_levels", status="warn",
                message=f"{', '.join(mixed_up)} varies at several levels, so one coefficient stands for all; "
                "it was standardised at the lowest. Enter within(x, g) and between(x, g) instead.",
            )
        )  # fmt: skip
    lost = [c.term for c in found if c.reason]
    if lost:
        checks.append(
            Check(
                name="no_variance", status="warn",
                message=f"{', '.join(lost)} cannot be standardised: the outcome does not vary there.",
            )
        )  # fmt: skip
    return tuple(checks)
