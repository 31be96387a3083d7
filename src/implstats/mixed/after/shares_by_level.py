"""How much of the variance is explained at each level.

Two answers to the same question:

**Proportional reduction** (Raudenbush & Bryk 2002, chapter 4): the variance of a level in a model without
predictors (intercepts at the same levels), V0, against the model's own V, 1 - V / V0. With random slopes V
depends on the predictors' zero, so both models are fitted with random intercepts only. The reduction can be
negative: a predictor that varies within clusters only makes the between variance of a fixed residual larger.
Summed over the levels it is Snijders and Bosker's (1994) R2 for a single row.

**Decomposition** (Rights & Sterba 2019, for any number of nested levels): the variance that the model gives a
row is split by level and source. Let m_k x be the mean of x in the row's cluster of level k (m_0 x = x, above
the top the grand mean) and x_k = m_k x - m_(k+1) x, its part at level k. Over the rows the parts are
uncorrelated, so with S_k the covariance matrix of z_k, and G_l the random effects' covariance of level l,

    fixed, level k         variance of (x'b)_k                               n - 1, as in V_fixed
    slopes of l, k < l     tr(G_l S_k)                                       n, as in V_l
    intercepts of l        zbar'G_l zbar + sum over k >= l of tr(G_l S_k)    at level l itself
    residual               s2                                                level 0: within the lowest

The sum is the total of `shares`, so the R2 there is a sum of these shares.
References: Raudenbush & Bryk (2002), Hierarchical Linear Models; Snijders & Bosker (1994), Sociol. Methods
Res. 22, 342-363; Rights & Sterba (2019), Psychol. Methods 24, 309-338.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from implstats.errors import ModelError, NotSupportedError
from implstats.mixed.after.linear import coefficients, fitted_model
from implstats.mixed.after.shares import level_covariances, residual_variance, row_variances
from implstats.mixed.fitted import Fitted
from implstats.mixed.results import MixedResult
from implstats.results import Check

if TYPE_CHECKING:
    import pandas as pd

RESIDUAL = "residual"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduction:
    """A level's variance with and without predictors.

    Attributes
    ----------
    level : str
        A cluster level, or ``residual``.
    null_variance, variance : float
        Squared units of the outcome.
    explained : float or None
        1 - variance / null_variance; None if there was nothing to explain.
    """

    level: str
    null_variance: float
    variance: float
    explained: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One source of variance at one level: ``fixed``, ``slopes of g``, ``intercepts of g`` or ``residual``.

    ``share`` is of the total, ``share_of_level`` of the variance at that level (None where it has none).
    """

    level: str
    source: str
    variance: float
    share: float
    share_of_level: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class R2ByLevel:
    """R2 by level.

    Attributes
    ----------
    reductions : tuple of Reduction
        Lowest first, the residual being the lowest.
    total_explained : float
        Snijders and Bosker's R2 of a row.
    parts : tuple of Part
    checks : tuple of Check
    """

    reductions: tuple[Reduction, ...]
    total_explained: float
    parts: tuple[Part, ...]
    checks: tuple[Check, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """The decomposition, one row a source."""
        import pandas as pd

        names = ("level", "source", "variance", "share", "share_of_level")
        return pd.DataFrame([{n: getattr(part, n) for n in names} for part in self.parts])


def r2_by_level(result: MixedResult) -> R2ByLevel:
    """Return the variance explained at each level.

    Raises
    ------
    ModelError
        The fit failed, or the model without predictors cannot be fitted.
    NotSupportedError
        The random part is not nested.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import mixed
    >>> rng = np.random.default_rng(1)
    >>> ward = np.repeat(np.arange(12), 10)
    >>> x = rng.normal(size=120)
    >>> y = x + rng.normal(size=12)[ward] + rng.normal(size=120)
    >>> result = mixed.fit("y ~ x + (1 | ward)", pd.DataFrame({"ward": ward, "x": x, "y": y}))
    >>> found = r2_by_level(result)
    >>> [r.level for r in found.reductions], round(sum(part.share for part in found.parts), 12)
    (['residual', 'ward'], 1.0)
    """
    model = fitted_model(result)
    _require_nested(model)
    sloped = any(tuple(level.names) != ("(Intercept)",) for level in model.design.levels)
    null = null_variances(result)
    own = _own_variances(model)
    if sloped:
        own = _intercepts_only(model, model.design.X[:, list(model.scaled.kept)], reml=result.reml)
    reductions = tuple(
        Reduction(level=name, null_variance=null[name], variance=own[name],
                  explained=1.0 - own[name] / null[name] if null[name] > 0.0 else None)
        for name in own
    )  # fmt: skip
    return R2ByLevel(
        reductions=reductions, total_explained=1.0 - sum(own.values()) / sum(null.values()),
        parts=decomposition(model), checks=_checks(reductions, sloped),
    )  # fmt: skip


def null_variances(result: MixedResult) -> dict[str, float]:
    """Return the variances of a model without predictors by level, the residual first."""
    model = fitted_model(result)
    return _intercepts_only(model, np.ones((len(model.design.y), 1)), reml=result.reml)


def _require_nested(model: Fitted) -> None:
    levels = [level.clusters for level in model.design.levels]
    for lower, upper in pairwise(levels):
        if not np.array_equal(upper.codes[lower.first][lower.codes], upper.codes):
            raise NotSupportedError(
                f"'{lower.name}' and '{upper.name}' are crossed, so no variance lies at one level only. "
                "mixed.r2(result) gives R2 marginal and conditional, mixed.icc(result) the shares."
            )


def _own_variances(model: Fitted) -> dict[str, float]:
    parts = row_variances(model)
    return {RESIDUAL: parts.residual, **parts.random}


def _intercepts_only(model: Fitted, X: np.ndarray, *, reml: bool) -> dict[str, float]:
    """Return the variances of a model with columns X and a random intercept at every level."""
    import pandas as pd

    from implstats.mixed.fit import fit

    design = model.design
    columns: dict[str, np.ndarray] = {"outcome": design.y}
    columns |= {f"x{j}": X[:, j] for j in range(X.shape[1]) if np.ptp(X[:, j]) > 0.0}
    fixed = [name for name in columns if name != "outcome"]
    has_intercept = len(fixed) < X.shape[1]
    columns |= {f"level{k}": level.clusters.codes for k, level in enumerate(design.levels)}
    weights = None
    if design.weights is not None:
        columns["weight"], weights = design.weights, "weight"
    bars = [f"(1 | level{k})" for k in range(len(design.levels))]
    text = " + ".join(["1" if has_intercept else "0", *fixed, *bars])
    found = fit(f"outcome ~ {text}", pd.DataFrame(columns), reml=reml, df="none", weights=weights,
                few_clusters="fit")  # fmt: skip
    if found.model is None:
        raise ModelError(
            f"The model to compare with (random intercepts only) has no verified optimum. {found.reason}"
        )
    names = [level.clusters.name for level in design.levels]
    variances = row_variances(found.model)
    return {RESIDUAL: variances.residual, **dict(zip(names, variances.random.values(), strict=True))}


def decomposition(model: Fitted) -> tuple[Part, ...]:
    """Return the variance of a row by level and source, lowest level first."""
    levels = model.design.levels
    n = len(model.design.y)
    fitted = model.design.X[:, list(model.scaled.kept)] @ coefficients(model)
    names = [f"within {levels[0].clusters.name}", *(level.clusters.name for level in levels)]
    found: list[tuple[str, str, float]] = []
    fixed = [float(np.sum(part**2)) / (n - 1) for part in _by_level(model, fitted[:, None])]
    spread = []  # tr(G_l S_k) of each random level l, by k
    intercepts = []
    for level, S in zip(levels, level_covariances(model), strict=True):
        spread.append([float(np.einsum("iq,qr,ir->", z, S, z)) / n for z in _by_level(model, level.Z)])
        mean = level.Z.mean(axis=0)
        intercepts.append(float(mean @ S @ mean))
    for k, name in enumerate(names):
        found.append((name, "fixed", fixed[k]))
        found += [
            (name, f"slopes of {names[m]}", spread[m - 1][k])
            for m in range(k + 1, len(names))
            if tuple(levels[m - 1].names) != ("(Intercept)",)
        ]
        if k > 0:
            found.append((name, f"intercepts of {name}", intercepts[k - 1] + sum(spread[k - 1][k:])))
        else:
            found.append((name, RESIDUAL, residual_variance(model)))
    total = sum(value for _, _, value in found)
    at_level = {name: sum(value for own, _, value in found if own == name) for name in names}
    return tuple(
        Part(level=level, source=source, variance=value, share=value / total,
             share_of_level=value / at_level[level] if at_level[level] > 0.0 else None)
        for level, source, value in found
    )  # fmt: skip


def _by_level(model: Fitted, x: np.ndarray) -> list[np.ndarray]:
    """Return x's part at each level, (n, k) each: within the lowest clusters first."""
    means = [x]
    for level in model.design.levels:
        codes, size = level.clusters.codes, level.clusters.size
        counts = np.bincount(codes, minlength=size)
        sums = np.stack([np.bincount(codes, weights=column, minlength=size) for column in x.T], axis=1)
        means.append((sums / counts[:, None])[codes])
    means.append(np.broadcast_to(x.mean(axis=0), x.shape))
    return [low - high for low, high in pairwise(means)]


def _checks(reductions: tuple[Reduction, ...], sloped: bool) -> tuple[Check, ...]:
    checks = []
    if sloped:
        checks.append(
            Check(
                name="intercepts_only", status="info",
                message="The reductions compare models with random intercepts only, because the variance "
                "of an intercept beside a random slope depends on where the predictor is zero.",
            )
        )  # fmt: skip
    negative = [r.level for r in reductions if r.explained is not None and r.explained < 0.0]
    if negative:
        checks.append(
            Check(
                name="negative_reduction", status="info",
                message=f"The variance of {', '.join(negative)} is larger with the predictors than without: "
                "a predictor that varies mostly within clusters does that. It explains nothing there.",
            )
        )  # fmt: skip
    nothing = [r.level for r in reductions if r.explained is None]
    if nothing:
        checks.append(
            Check(
                name="nothing_to_explain", status="warn",
                message=f"The variance of {', '.join(nothing)} is zero without predictors, so no share of "
                "it is given.",
            )
        )  # fmt: skip
    return tuple(checks)
