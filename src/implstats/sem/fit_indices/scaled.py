"""Indices of a scaled test. c and c0 are the scaling factors of the model and of the baseline.

X.scaled = X / c;   the incremental ".scaled" indices use scaled chi-squares in their formulas
rmsea.scaled        X against a noncentral chi-square with c d degrees of freedom, the sum of the weights of
                    the true distribution                               Satorra & Bentler (1994)
cfi.robust = 1 - max(X - c d, 0) / max(X - c d, X0 - c0 d0, 0)           Brosseau-Liard & Savalei (2014)
rmsea.robust = sqrt(max(X - c d, 0) / (n d)), interval sqrt(c) times that of X.scaled with d
                                                                         Brosseau-Liard, Savalei & Li (2012)
"""

from __future__ import annotations

from math import sqrt

from scipy.special import chndtr

from implstats.sem.fit_indices.chi_square import upper_tail
from implstats.sem.fit_indices.incremental import cfi, incremental
from implstats.sem.fit_indices.record import FitRecord, Index
from implstats.sem.fit_indices.rmsea import CLOSE, NOT_CLOSE, rmsea

RMSEA_NAMES = ("rmsea", "rmsea.ci.lower", "rmsea.ci.upper", "rmsea.pvalue", "rmsea.notclose.pvalue")


def scaled_indices(fit: FitRecord, scale: float | None, baseline_scale: float) -> Index:
    """Return the scaled and robust indices; a saturated model has no scale (``None``) and keeps X = 0."""
    X0, d0 = fit.baseline_chisq, fit.baseline_df
    X = fit.chisq / scale if scale else fit.chisq
    out: Index = {
        "chisq.scaled": X, "df.scaled": fit.df, "pvalue.scaled": upper_tail(X, fit.df),
        "chisq.scaling.factor": scale, "baseline.chisq.scaled": X0 / baseline_scale, "baseline.df.scaled": d0,
        "baseline.pvalue.scaled": upper_tail(X0 / baseline_scale, d0),
        "baseline.chisq.scaling.factor": baseline_scale,
    }  # fmt: skip
    out |= {f"{k}.scaled": v for k, v in incremental(X, fit.df, X0 / baseline_scale, d0).items()}
    return out | _robust_incremental(fit, scale, baseline_scale) | _rmsea(fit, scale)


def robust_indices(fit: FitRecord, scale: float | None, baseline_scale: float) -> Index:
    """Return the ".robust" indices alone."""
    found = _robust_incremental(fit, scale, baseline_scale) | _rmsea(fit, scale)
    return {name: value for name, value in found.items() if name.endswith(".robust")}


def _robust_incremental(fit: FitRecord, scale: float | None, baseline_scale: float) -> Index:
    names = ("cfi.robust", "tli.robust", "nnfi.robust", "rni.robust")
    excess0 = fit.baseline_chisq - baseline_scale * fit.baseline_df
    if scale is None or excess0 == 0:
        return dict.fromkeys(names)
    excess = fit.chisq - scale * fit.df
    tli = 1.0 - excess * fit.baseline_df / (excess0 * fit.df)
    return dict(zip(names, (cfi(excess, 0, excess0, 0), tli, tli, 1.0 - excess / excess0), strict=True))


def _rmsea(fit: FitRecord, scale: float | None) -> Index:
    if scale is None or scale <= 0:
        none: Index = dict.fromkeys(f"{name}.scaled" for name in RMSEA_NAMES)
        return none | {f"{name}.robust": None if "pvalue" in name else 0.0 for name in RMSEA_NAMES}
    n, d, X = fit.n_per_group, fit.df, fit.chisq / scale
    by_sum, by_scale = rmsea(fit.chisq, scale * d, n), rmsea(X, d, n)
    out: Index = {f"{name}.scaled": by_sum[name] for name in RMSEA_NAMES}
    for name in RMSEA_NAMES[:3]:
        value = by_scale[name]
        out[f"{name}.robust"] = None if value is None else sqrt(scale) * value
    out["rmsea.pvalue.robust"] = 1.0 - float(chndtr(X, d, n * d * CLOSE**2 / scale))
    out["rmsea.notclose.pvalue.robust"] = float(chndtr(X, d, n * d * NOT_CLOSE**2 / scale))
    return out
