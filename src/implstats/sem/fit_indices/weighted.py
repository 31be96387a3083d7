"""Indices of least-squares fits, and of shifted and adjusted tests.

Chi-square is (n - G) F; n - G takes the place of n in RMSEA, critical n, MFI and ECVI, as in lavaan. The gfi
is 1 - e'We / s'Ws (Tanaka & Huba 1985). Residual indices of ordered items (raw and standardised alike) count
p (p + 1) / 2 covariances, their diagonal being exact, the predictors given which they hold, and every
threshold; "srmr" leaves the thresholds out. wrmr = sqrt(X / number of statistics).

Corrected tests: the ".scaled" indices use corrected chi-squares; rmsea.scaled of a shifted test uses it with
d degrees of freedom, of the others X with t1, the mean of its true distribution. The ".robust" ones of MLMV
use c = t1 / d (Brosseau-Liard & Savalei 2014), and the interval of the shifted test.
"""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import chndtr

from implstats.sem.estimators.least_squares import LeastSquares
from implstats.sem.fit_indices.chi_square import chi_square, upper_tail
from implstats.sem.fit_indices.goodness import goodness_indices
from implstats.sem.fit_indices.incremental import cfi, incremental
from implstats.sem.fit_indices.record import FitRecord, Index
from implstats.sem.fit_indices.residual import residual_indices
from implstats.sem.fit_indices.rmsea import CLOSE, NOT_CLOSE, rmsea
from implstats.sem.fit_indices.scaled import RMSEA_NAMES
from implstats.sem.inference.quadratic import ScaledTest

Array = NDArray[np.float64]
LIKELIHOOD = ("logl", "unrestricted.logl", "aic", "bic", "bic2")


def least_squares_indices(
    fit: FitRecord, groups: list[tuple[LeastSquares, Array]], *, n_total: int, ordered: bool, tested: bool
) -> Index:
    """Return every index of a least-squares fit.

    Parameters
    ----------
    fit : FitRecord
        Its n is that of all persons less the number of groups.
    groups : list of (LeastSquares, ndarray)
        Statistics and residuals of each group.
    n_total : int
        All persons.
    ordered : bool
    tested : bool
        False for ULS, whose n F has no chi-square distribution.
    """
    out = chi_square(fit) | {"fmin": fit.chisq / (2 * n_total), "ntotal": n_total}
    if not tested:
        out |= {"pvalue": None, "baseline.pvalue": None}
    out |= incremental(fit.chisq, fit.df, fit.baseline_chisq, fit.baseline_df)
    out |= dict.fromkeys(LIKELIHOOD) | rmsea(fit.chisq, fit.df, fit.n_per_group)
    out |= _goodness(fit, groups)
    sizes = [group.n / n_total for group in fit.groups]
    if ordered:
        out |= ordinal_residuals(groups, sizes) | {"wrmr": sqrt(fit.chisq / fit.n_moments), "ecvi": None}
    else:
        out |= residual_indices(replace(fit, n=n_total))
    return out | {"rmsea_ci_lower": out["rmsea.ci.lower"], "rmsea_ci_upper": out["rmsea.ci.upper"]}


def _goodness(fit: FitRecord, groups: list[tuple[LeastSquares, Array]]) -> Index:
    found = goodness_indices(fit)
    total = sum(group.n for group in fit.groups)
    gfi = 0.0
    for (ls, error), group in zip(groups, fit.groups, strict=True):
        s = ls.statistics
        gfi += group.n / total * (1.0 - float(error @ ls.weighted(error)) / float(s @ ls.weighted(s)))
    return found | {
        "gfi": gfi,
        "agfi": 1.0 - fit.n_moments / fit.df * (1.0 - gfi) if fit.df else 1.0,
        "pgfi": fit.df / fit.n_moments * gfi,
    }


def ordinal_residuals(groups: list[tuple[LeastSquares, Array]], sizes: list[float]) -> Index:
    """Return rmr, srmr and crmr of ordered (and continuous) items."""
    out: Index = {}
    for (ls, error), size in zip(groups, sizes, strict=True):
        for name, value in _residuals_of(ls, error).items():
            out[name] = (out.get(name) or 0.0) + size * value
    out["srmr"] = out["srmr_bentler_nomean"]
    return out | {"srmr_mplus": None, "srmr_mplus_nomean": None}


def _residuals_of(ls: LeastSquares, error: Array) -> dict[str, float]:
    p, before, thresholds = len(ls.y), ls.n_before_pairs, ls.tau >= 0
    variance, own = np.ones(p), np.zeros(p)
    at = before - len(ls.variance)
    variance[ls.variance], own[ls.variance] = ls.statistics[at:before], error[at:before]
    sd, pairs = np.sqrt(variance), error[before:]
    location = error[: ls.n_location][thresholds]
    of_location, L = float(location @ location), len(location)
    outer = sd[ls.row] * sd[ls.col]
    sample = ls.statistics[before:]
    implied_sd = np.sqrt(np.maximum(variance - own, 1e-300))
    correlation = sample / outer - (sample - pairs) / (implied_sd[ls.row] * implied_sd[ls.col])
    n_cov, n_pairs = p * (p + 1) / 2 + len(ls.x), p * (p - 1) / 2
    raw = float(pairs @ pairs + own @ own)
    scaled = float(((pairs / outer) ** 2).sum() + ((own / variance) ** 2).sum())
    free = float(correlation @ correlation)
    return {
        "rmr": sqrt((raw + of_location) / (n_cov + L)), "rmr_nomean": sqrt(raw / n_cov),
        "srmr_bentler": sqrt((scaled + of_location) / (n_cov + L)),
        "srmr_bentler_nomean": sqrt(scaled / n_cov),
        "crmr": sqrt((free + of_location) / (n_pairs + L)) if n_pairs else 0.0,
        "crmr_nomean": sqrt(free / n_pairs) if n_pairs else 0.0,
    }  # fmt: skip


def corrected_indices(fit: FitRecord, test: ScaledTest | None, baseline: ScaledTest | None) -> Index:
    """Return the ".scaled" indices of a corrected test; a saturated model keeps X = 0."""
    X, d = (fit.chisq, float(fit.df)) if test is None else (test.chisq, test.df)
    X0, d0 = fit.baseline_chisq, float(fit.baseline_df)
    if baseline is not None:
        X0, d0 = baseline.chisq, baseline.df
    out: Index = {
        "chisq.scaled": X, "df.scaled": d, "pvalue.scaled": upper_tail(X, d),
        "chisq.scaling.factor": test.scale if test else None,
        "chisq.shift.parameter": test.shift if test else None,
        "baseline.chisq.scaled": X0, "baseline.df.scaled": d0, "baseline.pvalue.scaled": upper_tail(X0, d0),
        "baseline.chisq.scaling.factor": baseline.scale if baseline else None,
    }  # fmt: skip
    out |= {f"{k}.scaled": v for k, v in incremental(X, d, X0, d0).items()}  # type: ignore[arg-type]
    shifted = test is not None and test.shift != 0.0
    x, df = (X, d) if shifted or test is None else (fit.chisq, test.t1)
    found = rmsea(x, df, fit.n_per_group)
    return out | {f"{name}.scaled": found[name] for name in RMSEA_NAMES}


def robust_of_corrected(fit: FitRecord, test: ScaledTest | None, baseline: ScaledTest | None) -> Index:
    """Return the ".robust" indices of continuous items under a shifted test."""
    names = ("cfi.robust", "tli.robust", "nnfi.robust", "rni.robust")
    if test is None or baseline is None:
        return dict.fromkeys((*names, *(f"{name}.robust" for name in RMSEA_NAMES)))
    excess, excess0 = fit.chisq - test.t1, fit.baseline_chisq - baseline.t1
    tli = 1.0 - excess * fit.baseline_df / (excess0 * fit.df)
    out: Index = dict(zip(names, (cfi(excess, 0, excess0, 0), tli, tli, 1.0 - excess / excess0), strict=True))
    return out | robust_rmsea(
        fit.chisq, test.chisq, fit.df, point_scale=test.t1 / fit.df, scale=test.scale, n=fit.n_per_group
    )


def robust_rmsea(X: float, X_scaled: float, d: int, *, point_scale: float, scale: float, n: float) -> Index:
    """Return rmsea.robust with interval and tests from X and from its corrected value."""
    found = rmsea(X_scaled, d, n)
    out: Index = {"rmsea.robust": sqrt(max(X - point_scale * d, 0.0) / (n * d))}
    for name in RMSEA_NAMES[1:3]:
        value = found[name]
        out[f"{name}.robust"] = None if value is None else sqrt(scale) * value
    out["rmsea.pvalue.robust"] = 1.0 - float(chndtr(X_scaled, d, n * d * CLOSE**2 / scale))
    out["rmsea.notclose.pvalue.robust"] = float(chndtr(X_scaled, d, n * d * NOT_CLOSE**2 / scale))
    return out
