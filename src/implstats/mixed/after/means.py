"""Estimated marginal means: the outcome's mean at chosen values of some predictors, the others averaged.

Each mean is a linear combination of the coefficients, averaged over the reference grid (`grid`), with the
standard error, df and interval of any linear combination (`linear`). Random effects are at their mean, zero;
an offset is at its mean over the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Literal

import numpy as np

from implstats.errors import UsageError
from implstats.mixed.after.basis import fixed_basis
from implstats.mixed.after.grid import Axis, frequencies, grid_columns, read_axes
from implstats.mixed.after.linear import check_level, half_width, kept_of, linear, number
from implstats.mixed.after.response import check_scale, response, with_thresholds
from implstats.mixed.results import MixedResult
from implstats.results import Check

if TYPE_CHECKING:
    import pandas as pd

WEIGHTS = ("equal", "proportional")


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginalMean:
    """One mean.

    Attributes
    ----------
    at : dict
        Values of ``specs`` and ``by``.
    estimate, std_error, df : float or None
        In units of the outcome; None where the model cannot tell (see ``reason``).
    conf_low, conf_high : float or None
    reason : str
    """

    at: dict[str, object]
    estimate: float | None
    std_error: float | None
    df: float | None
    conf_low: float | None
    conf_high: float | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginalMeans:
    """Estimated marginal means.

    Attributes
    ----------
    means : tuple of MarginalMean
        First predictor of ``specs`` varies fastest, then the others, then ``by``.
    specs, by : tuple of str
    L : ndarray, (k, p)
        The combinations of the coefficients; NaN rows are not estimable.
    df_method : str
    ci_level : float
    weights : str
    fixed_at : dict of str to float
        Covariates that are not shown, and where they are held.
    averaged : tuple of str
        Predictors averaged over.
    checks : tuple of Check
    result : MixedResult
    scale : str
        ``link``, or ``response``: probabilities or rates, with standard errors by the delta method.
    """

    means: tuple[MarginalMean, ...]
    specs: tuple[str, ...]
    by: tuple[str, ...]
    L: np.ndarray = field(repr=False)
    df_method: str
    ci_level: float
    weights: str
    fixed_at: dict[str, object]
    averaged: tuple[str, ...]
    checks: tuple[Check, ...]
    result: MixedResult = field(repr=False)
    scale: str = "link"

    @property
    def frame(self) -> pd.DataFrame:
        """One row a mean: specs, by, estimate, std_error, df, conf_low, conf_high."""
        import pandas as pd

        names = ("estimate", "std_error", "df", "conf_low", "conf_high")
        return pd.DataFrame([{**m.at, **{n: getattr(m, n) for n in names}} for m in self.means])


def emmeans(
    result: MixedResult, specs: str | Sequence[str], *, by: str | Sequence[str] | None = None,
    at: Mapping[str, object] | None = None, weights: Literal["equal", "proportional"] = "equal",
    ci_level: float | None = None, scale: Literal["link", "response"] = "link",
) -> MarginalMeans:  # fmt: skip
    """Return estimated marginal means over the reference grid.

    Parameters
    ----------
    result : MixedResult
    specs : str or sequence of str
        Predictors to show, such as ``["wave", "arm"]``: columns, or calls such as ``"between(x, g)"``.
    by : str or sequence of str, optional
        Predictors that split the means into families, which contrasts do not cross.
    at : dict, optional
        Values of predictors: ``{"age": 40}``, ``{"wave": [0, 6, 12]}``.
    weights : {"equal", "proportional"}
        How predictors that are not shown are averaged over.
    ci_level : float, optional
        The fit's own if left out.
    scale : {"link", "response"}
        Of a generalised fit; the two are one in a Gaussian fit. An ordinal fit has ``link`` only: the latent
        mean less the mean threshold.

    Raises
    ------
    UsageError
        A name, value or option is wrong.
    ModelError
        The fit failed.
    NotSupportedError
        ``response`` of an ordinal fit.

    Notes
    -----
    R: ``emmeans::emmeans(m, ~ wave | arm, lmer.df = "kenward-roger")``. One difference: a covariate in
    ``specs`` without ``at`` is shown at its distinct values (up to ten), not at its mean.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import mixed
    >>> rng = np.random.default_rng(1)
    >>> ward = np.repeat(np.arange(12), 10)
    >>> arm = np.where(ward % 2 == 1, "trained", "usual")
    >>> y = (arm == "trained") + rng.normal(size=12)[ward] + rng.normal(size=120)
    >>> result = mixed.fit("y ~ arm + (1 | ward)", pd.DataFrame({"ward": ward, "arm": arm, "y": y}))
    >>> found = emmeans(result, "arm")
    >>> [m.at["arm"] for m in found.means], round(found.means[0].df, 6)
    (['trained', 'usual'], 10.0)
    """
    model, level = kept_of(result), check_level(ci_level, result)
    check_scale(result, scale)
    if weights not in WEIGHTS:
        raise UsageError(f"weights is 'equal' or 'proportional'; got '{weights}'.")
    shown, families = _names(specs), _names(by)
    if not shown:
        raise UsageError("specs names at least one predictor.")
    basis = fixed_basis(model)
    axes = read_axes(basis, [*shown, *families], at or {})
    k = len(shown) + len(families)
    X = grid_columns(basis, axes)
    over = axes[k:]
    share = frequencies(basis, over) if weights == "proportional" else _equal(over)
    # A combination of weight zero must not spoil the mean where the model cannot tell it.
    seen = np.where(share[..., None] > 0.0, X, 0.0)
    averaged = np.tensordot(seen, share, axes=(range(k, k + len(over)), range(len(over)))) if over else X
    if over:
        averaged = np.moveaxis(averaged, -1, k) if averaged.ndim > k else averaged
    order = tuple(reversed(range(k)))
    L = averaged.transpose(*order, k).reshape(-1, X.shape[-1])
    L = with_thresholds(result, L)
    found = linear(result, L)
    estimates = found.estimate + (0.0 if model.design.offset is None else float(model.design.offset.mean()))
    half = half_width(found.std_error, found.df, level=level)
    low, high, std_error = estimates - half, estimates + half, found.std_error
    if scale == "response":
        estimates, std_error, low, high = response(result, estimates, std_error, low, high)
    cells = [
        dict(zip((a.name for a in axes[:k]), reversed(cell), strict=True))
        for cell in product(*(axis.labels for axis in reversed(axes[:k])))
    ]
    means = tuple(
        MarginalMean(
            at=cell, estimate=number(estimates[i]), std_error=number(std_error[i]),
            df=number(found.df[i]), conf_low=number(low[i]),
            conf_high=number(high[i]), reason=_reason(L[i], found.std_error[i]),
        )
        for i, cell in enumerate(cells)
    )  # fmt: skip
    held = {axis.name: axis.labels[0] for axis in over if len(axis.values) == 1}
    names = tuple(axis.name for axis in over if len(axis.values) > 1)
    return MarginalMeans(
        means=means, specs=tuple(a.name for a in axes[: len(shown)]),
        by=tuple(a.name for a in axes[len(shown) : k]), L=L, df_method=found.df_method, ci_level=level,
        weights=weights, fixed_at=held, averaged=names, result=result,
        checks=_checks(means, result, shown, families, names), scale=scale,
    )  # fmt: skip


def _names(given: str | Sequence[str] | None) -> tuple[str, ...]:
    if given is None:
        return ()
    return (given,) if isinstance(given, str) else tuple(str(name) for name in given)


def _equal(axes: Sequence[Axis]) -> np.ndarray:
    shape = tuple(len(axis.values) for axis in axes)
    return np.full(shape, 1.0 / np.prod(shape)) if shape else np.ones(())


def _reason(row: np.ndarray, std_error: float) -> str:
    if not np.isfinite(row).all():
        return "the data have no row that tells this combination of predictors (a coefficient was dropped)"
    if not np.isfinite(std_error):
        return "one cluster alone determines it, so it has no robust standard error"
    return ""


def _checks(
    means: tuple[MarginalMean, ...], result: MixedResult, shown: tuple[str, ...], by: tuple[str, ...],
    averaged: tuple[str, ...],
) -> tuple[Check, ...]:  # fmt: skip
    checks = []
    lost = sum(m.reason != "" for m in means)
    if lost:
        checks.append(
            Check(
                name="estimable", status="warn",
                message=f"{lost} of {len(means)} means or their standard errors do not exist: "
                f"{next(m.reason for m in means if m.reason)}.",
            )
        )  # fmt: skip
    design = kept_of(result).design
    crossed = [
        term for term, factors in zip(design.terms, design.factors, strict=True)
        if set(factors) & set(averaged) and set(factors) & {*shown, *by}
    ]  # fmt: skip
    if crossed:
        checks.append(
            Check(
                name="interaction", status="info",
                message=f"The means average over {', '.join(averaged)}, which interact with what is shown "
                f"({', '.join(crossed)}): the differences are averages of differences that are not equal.",
            )
        )  # fmt: skip
    return tuple(checks)
