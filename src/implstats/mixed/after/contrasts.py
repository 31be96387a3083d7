"""Contrasts of estimated marginal means, with adjustment for their number.

    pairwise       each mean minus each later one
    trt.vs.ctrl    each later mean minus the first
    consec         each mean minus the one before
    poly           orthogonal polynomials over equally spaced means, in smallest whole numbers
    custom         {label: weights}, one weight a mean of the family

A contrast of means is a combination c'(L b); its t test has the df of that combination. ``by`` of the means
splits them into families; tests are adjusted within a family. (`mixed.contrast`, without an s, tests
combinations of coefficients.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from implstats.errors import NotSupportedError, UsageError, did_you_mean
from implstats.mixed.after.adjust import (
    ADJUSTMENTS,
    OF_INTERVALS,
    adjusted_p,
    factors,
    mvt_p,
    sample,
    tukey_p,
)
from implstats.mixed.after.contrast_weights import contrast_weights
from implstats.mixed.after.linear import check_level, covariance_of, linear, number, two_sided
from implstats.mixed.after.means import MarginalMeans
from implstats.mixed.after.response import check_ratios
from implstats.mixed.results import MixedResult
from implstats.results import Check

if TYPE_CHECKING:
    import pandas as pd

ROUNDING = 1e-13  # of a sum, relative to its parts


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanContrast:
    """One contrast.

    Attributes
    ----------
    label : str
        Such as ``w0 - w1``.
    by : dict
        The family.
    weights : tuple of float
        Of the family's means.
    estimate, std_error, df, statistic : float or None
        In units of the outcome; on the scale of the link in a generalised fit, and its exponential, an
        odds or rate ratio, of means on the scale of the response. ``statistic`` is always of the difference.
    p_value, p_unadjusted : float or None
    conf_low, conf_high : float or None
        Simultaneous where ``interval_adjust`` of the contrasts is not ``none``.
    reason : str
        Why there is no number.
    """

    label: str
    by: dict[str, object]
    weights: tuple[float, ...]
    estimate: float | None
    std_error: float | None
    df: float | None
    statistic: float | None
    p_value: float | None
    p_unadjusted: float | None
    conf_low: float | None
    conf_high: float | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanContrasts:
    """Contrasts of marginal means.

    Attributes
    ----------
    contrasts : tuple of MeanContrast
    L : ndarray, (m, p)
        In the coefficients.
    method, adjust, interval_adjust : str
    df_method : str
    ci_level : float
    error : float or None
        Standard error of the adjusted p-values where they were sampled (``mvt``).
    checks : tuple of Check
    result : MixedResult
    """

    contrasts: tuple[MeanContrast, ...]
    L: np.ndarray = field(repr=False)
    method: str
    adjust: str
    interval_adjust: str
    df_method: str
    ci_level: float
    error: float | None
    checks: tuple[Check, ...]
    result: MixedResult = field(repr=False)

    @property
    def frame(self) -> pd.DataFrame:
        """One row a contrast: contrast, by, estimate, std_error, df, statistic, p_value, interval."""
        import pandas as pd

        names = ("estimate", "std_error", "df", "statistic", "p_value", "conf_low", "conf_high")
        return pd.DataFrame(
            [{"contrast": c.label, **c.by, **{n: getattr(c, n) for n in names}} for c in self.contrasts]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Family:
    """Contrasts of one family, (m,) each; NaN where there is none."""

    estimate: np.ndarray
    std_error: np.ndarray
    df: np.ndarray
    statistic: np.ndarray
    plain: np.ndarray
    adjusted: np.ndarray
    factor: np.ndarray
    error: float | None


def contrasts(
    means: MarginalMeans, *, method: str | Mapping[str, Sequence[float]] = "pairwise", adjust: str = "holm",
    ci_level: float | None = None, seed: int = 1,
) -> MeanContrasts:  # fmt: skip
    """Return contrasts of marginal means.

    Parameters
    ----------
    means : MarginalMeans
    method : {"pairwise", "trt.vs.ctrl", "consec", "poly"} or dict of str to weights
        The first mean is the control; weights of a contrast add up to zero.
    adjust : {"holm", "tukey", "bonferroni", "sidak", "mvt", "fdr", "none"}
    ci_level : float, optional
        The means' own if left out.
    seed : int
        Of the sampling of ``mvt``.

    Raises
    ------
    UsageError
        A method, adjustment or weight is wrong.
    NotSupportedError
        ``tukey`` for contrasts that are not all pairwise differences; ``poly`` over unequal steps.

    Notes
    -----
    R: ``emmeans::contrast(means, "pairwise", adjust = "tukey")``; ``infer = TRUE`` gives the intervals.
    emmeans adjusts by tukey unless told otherwise, and turns tukey into sidak where it does not apply; here
    Holm is the default, and tukey is refused there.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import mixed
    >>> rng = np.random.default_rng(1)
    >>> ward, wave = np.repeat(np.arange(12), 9), np.tile(["t0", "t1", "t2"], 36)
    >>> y = (wave == "t2") + rng.normal(size=12)[ward] + rng.normal(size=108)
    >>> result = mixed.fit("y ~ wave + (1 | ward)", pd.DataFrame({"ward": ward, "wave": wave, "y": y}))
    >>> found = contrasts(mixed.emmeans(result, "wave"), method="consec")
    >>> [c.label for c in found.contrasts]
    ['t1 - t0', 't2 - t1']
    """
    if adjust not in ADJUSTMENTS:
        raise UsageError(
            f"adjust is one of {', '.join(ADJUSTMENTS)}; got '{adjust}'{did_you_mean(adjust, ADJUSTMENTS)}"
        )
    level = check_level(ci_level, means.result) if ci_level is not None else means.ci_level
    ratio = check_ratios(means.result, means.scale)
    families = _families(means)
    size = len(families[0])
    labels = [_label(means, i) for i in families[0]]
    weights = contrast_weights(method, labels, means)
    if adjust == "tukey" and method != "pairwise":
        raise NotSupportedError(
            "Tukey's adjustment is for all pairwise differences. Use adjust='mvt', which is as sharp for any "
            "contrasts, or 'holm'."
        )
    C = np.array(list(weights.values()))
    found: list[MeanContrast] = []
    rows, errors = [], []
    for members in families:
        L = _combined(C, means.L[members])
        family = _test(means.result, L, adjust=adjust, level=level, k=size, seed=seed)
        rows.append(L)
        errors.append(family.error)
        by = {name: means.means[members[0]].at[name] for name in means.by}
        found += _records(family, L, list(weights.items()), by, ratio=ratio)
    known = [e for e in errors if e is not None]
    interval = OF_INTERVALS.get(adjust, adjust)
    error = max(known) if known else None
    name = method if isinstance(method, str) else "custom"
    return MeanContrasts(
        contrasts=tuple(found), L=np.concatenate(rows), method=name, adjust=adjust,
        interval_adjust=interval, df_method=means.df_method, ci_level=level, error=error,
        checks=_checks(adjust, interval, error, len(weights), len(families), found), result=means.result,
    )  # fmt: skip


def _families(means: MarginalMeans) -> list[list[int]]:
    """Return the numbers of the means of each family, in order."""
    out: dict[tuple[object, ...], list[int]] = {}
    for i, mean in enumerate(means.means):
        out.setdefault(tuple(mean.at[name] for name in means.by), []).append(i)
    return list(out.values())


def _combined(C: np.ndarray, L: np.ndarray) -> np.ndarray:
    """Return C L, rounding taken for zero; NaN where a row of L with NaN has a weight."""
    known = np.nan_to_num(L)
    out = C @ known
    out[np.abs(out) <= ROUNDING * (np.abs(C) @ np.abs(known))] = 0.0
    out[(C != 0.0) @ np.isnan(L).any(axis=1)] = np.nan
    return out


def _label(means: MarginalMeans, i: int) -> str:
    at = means.means[i].at
    return " ".join(_short(name, at[name]) for name in means.specs)


def _short(name: str, value: object) -> str:
    return f"{name}{value:g}" if isinstance(value, float) else str(value)


def _test(result: MixedResult, L: np.ndarray, *, adjust: str, level: float, k: int, seed: int) -> _Family:
    """Return the tests of one family."""
    found = linear(result, L)
    t = found.estimate / np.where(found.std_error > 0.0, found.std_error, np.nan)
    plain = two_sided(t, found.df)
    usable = np.isfinite(plain)
    adjusted, factor, error = np.full(len(L), np.nan), np.full(len(L), np.nan), None
    if usable.any():
        df, own = found.df[usable], t[usable]
        drawn = None
        if adjust == "mvt":
            V = covariance_of(result, L[usable])
            sd = np.sqrt(np.diag(V))
            drawn = sample(V / np.outer(sd, sd), seed=seed)
            adjusted[usable], error = mvt_p(own, df, drawn)
        elif adjust == "tukey":
            adjusted[usable] = tukey_p(own, df, k=k)
        else:
            adjusted[usable] = adjusted_p(plain[usable], method=adjust)
        factor[usable] = factors(df, method=adjust, level=level, k=k, drawn=drawn)
    return _Family(
        estimate=found.estimate, std_error=found.std_error, df=found.df, statistic=t, plain=plain,
        adjusted=adjusted, factor=factor, error=error,
    )  # fmt: skip


def _records(
    family: _Family,
    L: np.ndarray,
    weights: list[tuple[str, np.ndarray]],
    by: dict[str, object],
    *,
    ratio: bool,
) -> list[MeanContrast]:
    half = family.factor * family.std_error
    low, high = family.estimate - half, family.estimate + half
    estimate, std_error = family.estimate, family.std_error
    if ratio:
        estimate, low, high = np.exp(estimate), np.exp(low), np.exp(high)
        std_error = estimate * std_error
    out = []
    for i, (label, row) in enumerate(weights):
        reason = ""
        if not np.isfinite(L[i]).all():
            reason = "a mean in it cannot be told from the data (a coefficient was dropped)"
        elif not L[i].any():
            reason = "the model makes it zero whatever the data (a polynomial of too high a degree)"
        elif not np.isfinite(family.std_error[i]):
            reason = "one cluster alone determines it, so it has no robust standard error"
        elif not np.isfinite(family.plain[i]):
            reason = "there are no degrees of freedom"
        out.append(
            MeanContrast(
                label=label, by=by, weights=tuple(float(w) for w in row),
                estimate=number(estimate[i]), std_error=number(std_error[i]),
                df=number(family.df[i]), statistic=number(family.statistic[i]),
                p_value=number(family.adjusted[i]), p_unadjusted=number(family.plain[i]),
                conf_low=number(low[i]), conf_high=number(high[i]),
                reason=reason,
            )
        )  # fmt: skip
    return out


def _checks(
    adjust: str, interval: str, error: float | None, tests: int, families: int, found: list[MeanContrast]
) -> tuple[Check, ...]:
    words = f"{tests} test(s)" + (f" in each of {families} families" if families > 1 else "")
    said = f"P-values are adjusted for {words} by {adjust}" if adjust != "none" else (
        f"P-values are not adjusted for the number of tests, {words}"
    )  # fmt: skip
    if interval != adjust:
        said += f"; {adjust} has no intervals of its own, so they are {interval}'s"
    if error is not None:
        said += f"; they were sampled, with a standard error of at most {error:.1e}"
    loose = adjust == "none" and tests > 1
    checks = [Check(name="multiplicity", status="info" if loose else "ok", message=f"{said}.")]
    lost = [c for c in found if c.reason]
    if lost:
        checks.append(
            Check(
                name="no_test", status="warn",
                message=f"{len(lost)} contrast(s) have no test: {lost[0].reason}.",
            )
        )  # fmt: skip
    return tuple(checks)
