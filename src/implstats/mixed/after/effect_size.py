"""Standardised mean differences of contrasts, by the model's own variances.

    d = c / sqrt(v)          c a contrast of marginal means, v a sum of variances of the model

| standardiser | v | |
|---|---|---|
| ``total`` | all levels and the residual | comparable with d of unclustered studies; Hedges (2007) delta_T |
| ``residual`` | the residual | within persons and waves; Hedges' delta_W with two levels |
| a level, or several names | those variances | such as ``("person", "residual")``: within institutions |

With random slopes a level's variance is its mean over the rows (`shares`). v is a linear function a'gamma of
the variance parameters, with Var(v) = a'W a (`uncertainty`), so v behaves like a chi-square variable with

    h = 2 v^2 / Var(v)

degrees of freedom. d is biased upwards by a factor of about 1 + 3 / (4 h); g = J(h) d takes it off, and

    Var(d) = Var(c) / v + d^2 / (2 h)                (delta method; c and v are asymptotically independent)
    J(h) = Gamma(h / 2) / (sqrt(h / 2) Gamma((h - 1) / 2))

The interval is d plus or minus a t quantile with the contrast's df. In balanced two-level designs with arms
of clusters, d is exactly Hedges' (2007) estimate of delta_T with the intraclass correlation of the ANOVA; his
h takes that correlation as known, and is larger.
References: Hedges (1981), J. Educ. Stat. 6, 107-128; Hedges (2007), J. Educ. Behav. Stat. 32, 341-370.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from implstats.errors import UsageError, did_you_mean
from implstats.mixed.after.change import CHANGES, Waves, change_effect
from implstats.mixed.after.contrasts import MeanContrast, MeanContrasts
from implstats.mixed.after.linear import check_level, fitted_model, half_width, plain_residuals
from implstats.mixed.after.records import EffectSize, EffectSizes
from implstats.mixed.after.uncertainty import variance_parameters
from implstats.mixed.fitted import Fitted
from implstats.mixed.results import MixedResult
from implstats.results import Check

RESIDUAL, TOTAL = "residual", "total"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standardiser:
    """v in squared units of the outcome, its df h (NaN where unknown), and its definition."""

    variance: float
    df: float
    words: str


def small_sample(h: float) -> float:
    """Return Hedges' J(h), NaN for h of one or less.

    >>> round(small_sample(10.0), 6)
    0.922746
    """
    if not h > 1.0:
        return float("nan")
    return float(np.exp(gammaln(0.5 * h) - gammaln(0.5 * (h - 1.0))) / np.sqrt(0.5 * h))


def effect_size(
    source: MeanContrasts | MixedResult, *, standardiser: str | Sequence[str] = TOTAL,
    wave: str | None = None, person: str | None = None, pre: object = None, post: object = None,
    ci_level: float | None = None,
) -> EffectSizes:  # fmt: skip
    """Return standardised effects: d of contrasts, or of the change between two waves.

    Parameters
    ----------
    source : MeanContrasts or MixedResult
        Contrasts for the model-based d; a fit for d of raw change.
    standardiser : str or sequence of str
        For contrasts ``total``, ``residual``, a level, or several of these names. For a fit ``dz``, ``drm``,
        ``dav`` or ``pretest``.
    wave, person : str, optional
        Columns of the wave and the person, for raw change.
    pre, post : optional
        Values of ``wave``.
    ci_level : float, optional
        The fit's own if left out.

    Raises
    ------
    UsageError
        A standardiser that does not fit the source.
    DataError
        A person with two answers in a wave, or too few persons with both waves.

    Notes
    -----
    Definitions, with references, in this module and in `change`.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import mixed
    >>> rng = np.random.default_rng(1)
    >>> ward = np.repeat(np.arange(12), 10)
    >>> arm = np.where(ward % 2 == 1, "trained", "usual")
    >>> y = (arm == "trained") + rng.normal(size=12)[ward] + rng.normal(size=120)
    >>> result = mixed.fit("y ~ arm + (1 | ward)", pd.DataFrame({"ward": ward, "arm": arm, "y": y}))
    >>> found = effect_size(mixed.contrasts(mixed.emmeans(result, "arm")), standardiser="total")
    >>> one = found.effects[0]
    >>> one.label, bool(abs(one.g) < abs(one.d)), one.interval_method
    ('trained - usual', True, 'delta')
    """
    names = (standardiser,) if isinstance(standardiser, str) else tuple(standardiser)
    if isinstance(source, MixedResult):
        if len(names) != 1 or names[0] not in CHANGES:
            raise UsageError(
                f"For a fit the standardiser is one of {', '.join(CHANGES)}; got "
                f"'{', '.join(map(str, names))}'. For '{TOTAL}', '{RESIDUAL}' or a level give contrasts: "
                "mixed.effect_size(mixed.contrasts(mixed.emmeans(result, ...)))."
            )
        if wave is None or person is None or pre is None or post is None:
            raise UsageError("d of change needs wave, person, pre and post: two columns and two waves.")
        level = check_level(ci_level, source)
        return change_effect(
            source, Waves(wave=wave, person=person, pre=pre, post=post), kind=names[0], level=level
        )
    if not isinstance(source, MeanContrasts):
        raise UsageError("effect_size takes contrasts of marginal means, or a fit for d of raw change.")
    level = check_level(ci_level, source.result) if ci_level is not None else source.ci_level
    unit = model_standardiser(source.result, names)
    effects = tuple(_effect(c, unit, level=level) for c in source.contrasts)
    return EffectSizes(
        effects=effects, standardiser="+".join(names), definition=unit.words, ci_level=level,
        checks=_checks(unit),
    )  # fmt: skip


def model_standardiser(result: MixedResult, names: tuple[str, ...]) -> Standardiser:
    """Return the sum of the variances named."""
    model = fitted_model(result)
    plain_residuals(model, "A model-based effect size")
    levels = [level.clusters.name for level in model.design.levels]
    known = [TOTAL, RESIDUAL, *levels]
    for name in names:
        if name not in known:
            hint = f" {name} is for raw change: give the fit itself." if name in CHANGES else ""
            raise UsageError(
                f"'{name}' is no variance of this model{did_you_mean(str(name), known) or '.'}{hint} "
                f"Standardisers: {', '.join(known)}."
            )
    used = [*levels, RESIDUAL] if TOTAL in names else [n for n in [*levels, RESIDUAL] if n in names]
    a = variance_weights(model, used)
    at = model.optimum.search.at
    v = float(a @ np.append(at.sigma2 * at.g, at.sigma2))
    W = variance_parameters(result)
    h = float("nan") if W is None or not v > 0.0 else float(2.0 * v**2 / (a @ W @ a))
    words = f"the contrast over the square root of the model's variance ({' + '.join(used)})"
    return Standardiser(variance=v, df=h, words=words)


def variance_weights(model: Fitted, names: Sequence[str]) -> np.ndarray:
    """Return a, (R + 1,), so that the sum of the variances named is a'(s2 g, s2)."""
    shape, scaled = model.problem.shape, model.scaled
    a = np.zeros(shape.size + 1)
    for part, level, where, B in zip(model.design.levels, shape.levels, shape.slices, scaled.B, strict=True):
        if part.clusters.name in names:
            z = part.Z @ B
            moment = z.T @ z / len(z)
            a[where] = np.einsum("rij,ij->r", level.basis, moment)
    if RESIDUAL in names:
        weights = model.design.weights
        a[-1] = 1.0 if weights is None else float(np.mean(1.0 / weights))
    return scaled.scale**2 * a


def _effect(contrast: MeanContrast, unit: Standardiser, *, level: float) -> EffectSize:
    if contrast.estimate is None or contrast.std_error is None or not unit.variance > 0.0:
        reason = contrast.reason or "the variance to divide by is estimated as zero"
        return EffectSize(
            label=contrast.label, by=contrast.by, d=None, g=None, std_error=None, df=None, conf_low=None,
            conf_high=None, interval_method="none", reason=reason,
        )  # fmt: skip
    d = contrast.estimate / float(np.sqrt(unit.variance))
    if not np.isfinite(unit.df):
        return EffectSize(
            label=contrast.label, by=contrast.by, d=d, g=None, std_error=None, df=None, conf_low=None,
            conf_high=None, interval_method="none",
            reason="the uncertainty of the variance is not known (a boundary of an ML fit); fit by REML",
        )  # fmt: skip
    J = small_sample(unit.df)
    se = float(np.sqrt(contrast.std_error**2 / unit.variance + d**2 / (2.0 * unit.df)))
    df = contrast.df
    half = None if df is None else float(half_width(np.array(se), np.array(df), level=level))
    return EffectSize(
        label=contrast.label, by=contrast.by, d=d, g=J * d if np.isfinite(J) else None, std_error=se,
        df=unit.df, conf_low=None if half is None else d - half, conf_high=None if half is None else d + half,
        interval_method="none" if half is None else "delta",
        reason="" if half is not None else "there are no degrees of freedom",
    )  # fmt: skip


def _checks(unit: Standardiser) -> tuple[Check, ...]:
    checks = [Check(name="standardiser", status="info", message=f"d is {unit.words}.")]
    if np.isfinite(unit.df) and unit.df < 10.0:
        checks.append(
            Check(
                name="few_df", status="warn",
                message=f"The variance that d divides by has {unit.df:.1f} degrees of freedom only, so d is "
                "uncertain and biased; report g, or divide by a variance that more clusters inform.",
            )
        )  # fmt: skip
    return tuple(checks)
