"""Shares of variance: intraclass correlations, and R2 marginal and conditional.

    V_fixed      variance of x'b over the rows (n - 1), as lme4's users compute it; an offset is no part of it
    V_l          mean over the rows of z'G_l z, the variance that level l adds to a row (Johnson 2014); with
                 an intercept only, its variance
    V_residual   s2, with prior weights the mean of s2 / w

    icc_l = V_l / (sum_k V_k + V_residual)          share of what the predictors leave ("adjusted")
    correlation_l = sum of V_k over l and the levels that hold it, over the same: two rows of a cluster of l
    R2 marginal = V_fixed / (V_fixed + sum_l V_l + V_residual)
    R2 conditional = (V_fixed + sum_l V_l) / (the same)

With random slopes the share of a level differs between rows; V_l is then its mean over these rows.
References: Nakagawa & Schielzeth (2013), Methods Ecol. Evol. 4, 133-142; Johnson (2014), Methods Ecol. Evol.
5, 944-946; Nakagawa, Johnson & Schielzeth (2017), J. R. Soc. Interface 14, 20170213.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from implstats.mixed.after.kept import Kept
from implstats.mixed.after.linear import coefficients, fitted_model, plain_residuals
from implstats.mixed.fitted import Fitted
from implstats.mixed.results import MixedResult
from implstats.results import Check

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Variances:
    """Variances of a row, in squared units of the outcome: fixed part, random part by level, residual."""

    fixed: float
    random: dict[str, float]
    residual: float

    @property
    def total(self) -> float:
        """All of them."""
        return self.fixed + sum(self.random.values()) + self.residual


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelIcc:
    """One level's ICC.

    Attributes
    ----------
    cluster : str
    variance : float
        V_l, squared units of the outcome.
    icc : float
        Share of the variance that the predictors leave.
    icc_unadjusted : float
        Share of all variance, that of the fixed part included.
    correlation : float
        Of two rows of one cluster of this level given the predictors.
    """

    cluster: str
    variance: float
    icc: float
    icc_unadjusted: float
    correlation: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Iccs:
    """Intraclass correlations, lowest level first."""

    levels: tuple[LevelIcc, ...]
    checks: tuple[Check, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """One row a level."""
        import pandas as pd

        names = ("cluster", "variance", "icc", "icc_unadjusted", "correlation")
        return pd.DataFrame([{n: getattr(level, n) for n in names} for level in self.levels])


@dataclass(frozen=True, slots=True, kw_only=True)
class R2:
    """Shares of variance explained.

    Attributes
    ----------
    marginal, conditional : float
        By the fixed part; by the fixed and random part.
    variances : Variances
    checks : tuple of Check
    """

    marginal: float
    conditional: float
    variances: Variances
    checks: tuple[Check, ...]


def level_covariances(model: Fitted) -> list[np.ndarray]:
    """Return s2 G_l in the outcome's and the effects' own units, lowest level first."""
    at, scaled = model.optimum.search.at, model.scaled
    s2 = at.sigma2 * scaled.scale**2
    return [s2 * B @ G @ B.T for G, B in zip(at.G, scaled.B, strict=True)]


def residual_variance(model: Fitted) -> float:
    """Return the mean residual variance of a row."""
    s2 = model.optimum.search.at.sigma2 * model.scaled.scale**2
    weights = model.design.weights
    return float(s2 if weights is None else s2 * np.mean(1.0 / weights))


def row_variances(model: Fitted) -> Variances:
    """Return the variances that a fit gives its rows."""
    plain_residuals(model, "A share of variance")
    fitted = model.design.X[:, list(model.scaled.kept)] @ coefficients(model)
    random = {
        level.clusters.name: float(np.mean(np.einsum("iq,qr,ir->i", level.Z, S, level.Z)))
        for level, S in zip(model.design.levels, level_covariances(model), strict=True)
    }
    return Variances(fixed=float(np.var(fitted, ddof=1)), random=random, residual=residual_variance(model))


def _parts(result: MixedResult) -> tuple[Kept, Variances, tuple[Check, ...]]:
    """Return the model, its variances, of other families those of the link's scale, and what to say."""
    if result.family == "gaussian":
        model = fitted_model(result)
        return model, row_variances(model), _slopes(model)
    from implstats.mixed.after.generalised_predict import generalised_model
    from implstats.mixed.after.generalised_shares import link_variances

    fixed, random, row, check = link_variances(result)
    known = generalised_model(result)
    return known, Variances(fixed=fixed, random=random, residual=row), (*_slopes(known), check)


def icc(result: MixedResult) -> Iccs:
    """Return the intraclass correlation of each level.

    Raises
    ------
    ModelError
        The fit failed.

    Notes
    -----
    R: ``performance::icc(m, by_group = TRUE)`` gives ``icc``. ICC(1) of a scale's aggregation is another
    number when clusters differ in size; see `scales`.

    Examples
    --------
    >>> import pandas as pd
    >>> from implstats import mixed
    >>> frame = pd.DataFrame({"y": [1.0, 2, 4, 5, 8, 9, 3, 4, 6, 7], "g": [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]})
    >>> round(icc(mixed.fit("y ~ 1 + (1 | g)", frame)).levels[0].icc, 4)
    0.9338
    """
    model, parts, checks = _parts(result)
    left = parts.total - parts.fixed
    names = list(parts.random)
    levels = tuple(
        LevelIcc(
            cluster=name, variance=parts.random[name], icc=parts.random[name] / left,
            icc_unadjusted=parts.random[name] / parts.total,
            correlation=sum(parts.random[above] for above in shared) / left,
        )
        for name, shared in zip(names, _shared(model), strict=True)
    )  # fmt: skip
    return Iccs(levels=levels, checks=checks)


def _shared(model: Kept) -> list[list[str]]:
    """Return what two rows of a cluster share, for each level: the level and those that hold it."""
    levels = [level.clusters for level in model.design.levels]
    return [
        [o.name for o in levels if o is own or np.array_equal(o.codes[own.first][own.codes], o.codes)]
        for own in levels
    ]


def r2(result: MixedResult) -> R2:
    """Return R2 marginal and conditional.

    Raises
    ------
    ModelError
        The fit failed.

    Notes
    -----
    R: ``MuMIn::r.squaredGLMM(m)``, ``performance::r2_nakagawa(m)``. With prior weights these take s2 for the
    residual; here it is the mean of s2 / w.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import mixed
    >>> rng = np.random.default_rng(1)
    >>> ward = np.repeat(np.arange(12), 10)
    >>> x = rng.normal(size=120)
    >>> y = x + rng.normal(size=12)[ward] + rng.normal(size=120)
    >>> found = r2(mixed.fit("y ~ x + (1 | ward)", pd.DataFrame({"ward": ward, "x": x, "y": y})))
    >>> 0 < found.marginal < found.conditional < 1
    True
    """
    _, parts, checks = _parts(result)
    between = sum(parts.random.values())
    return R2(
        marginal=parts.fixed / parts.total, conditional=(parts.fixed + between) / parts.total,
        variances=parts, checks=checks,
    )  # fmt: skip


def _slopes(model: Kept) -> tuple[Check, ...]:
    sloped = [level.clusters.name for level in model.design.levels if tuple(level.names) != ("(Intercept)",)]
    if not sloped:
        return ()
    return (
        Check(
            name="random_slopes", status="info",
            message=f"{', '.join(sloped)} has random slopes, so its share of the variance depends on the "
            "predictors; the mean over the rows in use is shown.",
        ),
    )  # fmt: skip
