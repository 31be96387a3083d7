"""Estimates, standard errors and degrees of freedom of any linear combinations of the coefficients.

For rows L, (k, p), the estimates are L b with covariance L Var(b) L'. Var(b) and the df are those that the
fit used for its coefficients: Kenward-Roger (adjusted covariance), Satterthwaite, the cluster-robust
covariance with its own df, or between-within, where a combination gets the smallest df of the coefficients
in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from implstats.errors import ModelError, UsageError
from implstats.mixed.fitted import Fitted
from implstats.mixed.inference.df_kenward_roger import kenward_roger
from implstats.mixed.inference.df_satterthwaite import satterthwaite_df
from implstats.mixed.inference.robust import Robust, sandwich
from implstats.mixed.inference.robust_inference import robust_scores
from implstats.mixed.results import MixedResult

ROUNDING = 1e-12  # share of the largest weight of a combination that counts as no weight


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """Linear combinations: ``estimate``, ``std_error`` and ``df``, (k,) with NaN where there is none."""

    estimate: np.ndarray
    std_error: np.ndarray
    df: np.ndarray
    df_method: str


def fitted_model(result: MixedResult) -> Fitted:
    """Return what the fit kept.

    Raises
    ------
    ModelError
        The fit failed, so nothing follows from it.
    """
    if result.model is None:
        raise ModelError(f"The fit of '{result.formula}' failed, so nothing follows from it. {result.reason}")
    return result.model


def coefficients(model: Fitted) -> np.ndarray:
    """Return b in the outcome's own unit, (p,)."""
    at, scaled = model.optimum.search.at, model.scaled
    return scaled.M @ (scaled.scale * at.beta + scaled.shift)


def linear(result: MixedResult, L: np.ndarray) -> Linear:
    """Return the combinations L b; rows of L with NaN give NaN.

    Parameters
    ----------
    result : MixedResult
    L : ndarray, (k, p)
        In the coefficients of ``result.terms``.
    """
    model = fitted_model(result)
    known = np.isfinite(L).all(axis=1)
    rows = L[known]
    variance, df = np.full(len(L), np.nan), np.full(len(L), np.nan)
    if known.any():
        variance[known], df[known] = _variance_df(result, model, rows)
    return Linear(
        estimate=L @ coefficients(model), std_error=np.sqrt(np.maximum(variance, 0.0)), df=df,
        df_method=result.fixed[0].df_method,
    )  # fmt: skip


def _variance_df(result: MixedResult, model: Fitted, L: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return variances and df of known rows of L."""
    method, at, rows = result.fixed[0].df_method, model.optimum.search.at, L @ model.scaled.M
    if method.startswith("CR"):
        found = robust_linear(model, rows, kind=method.split()[0])
        return model.scaled.scale**2 * np.diag(found.covariance), found.df
    if model.robust is not None:
        found = robust_linear(model, rows, kind=model.robust)
        return model.scaled.scale**2 * np.diag(found.covariance), np.full(len(L), np.nan)
    if result.covariance is None:
        raise ModelError("The fit has no covariance matrix of its coefficients.")
    variance = np.sum((L @ result.covariance) * L, axis=1)
    if method == "kenward-roger":
        problem = model.problem
        kr = kenward_roger(at, rows, n=problem.moments.n, pairs=problem.shape.pairs)
        return variance, kr.df
    if method == "satterthwaite":
        df = satterthwaite_df(at, rows)
        return variance, np.full(len(L), np.nan) if df is None else df
    if method == "between-within":
        own = np.array([np.nan if f.df is None else f.df for f in result.fixed])
        part = np.abs(L) > ROUNDING * np.abs(L).max(axis=1, keepdims=True)
        return variance, np.min(np.where(part, own, np.inf), axis=1)
    return variance, np.full(len(L), np.nan)


def robust_linear(model: Fitted, rows: np.ndarray, *, kind: str) -> Robust:
    """Return the cluster-robust covariance and df of rows in the coordinates of the fit, (k, p)."""
    at, scaled, levels = model.optimum.search.at, model.scaled, model.design.levels
    scores = robust_scores(
        scaled.Q, scaled.y - scaled.Q @ at.beta, Z=scaled.Z, G=at.G, clusters=levels[-1].clusters.codes,
        M=at.C, kind=kind, codes=[level.clusters.codes for level in levels],
    )  # fmt: skip
    return sandwich(scores, M=at.C, contrasts=rows, kind=kind)


def covariance_of(result: MixedResult, L: np.ndarray) -> np.ndarray:
    """Return L Var(b) L', (k, k), of rows without NaN."""
    model = fitted_model(result)
    if model.robust is not None:
        found = robust_linear(model, L @ model.scaled.M, kind=model.robust)
        return model.scaled.scale**2 * found.covariance
    if result.covariance is None:
        raise ModelError("The fit has no covariance matrix of its coefficients.")
    return L @ result.covariance @ L.T


def half_width(std_error: np.ndarray, df: np.ndarray, *, level: float) -> np.ndarray:
    """Return t quantile times standard error, NaN without a df."""
    return stdtrit(df, 0.5 + 0.5 * level) * std_error


def two_sided(statistic: np.ndarray, df: np.ndarray) -> np.ndarray:
    """Return p of t tests, NaN without a df."""
    return 2.0 * stdtr(df, -np.abs(statistic))


def check_level(ci_level: float | None, result: MixedResult) -> float:
    """Return the level of an interval, the fit's own unless another is given."""
    level = result.ci_level if ci_level is None else ci_level
    if isinstance(level, bool) or not 0.0 < level < 1.0:
        raise UsageError(f"ci_level lies between 0 and 1, such as 0.95; got {level}.")
    return float(level)


def number(value: float) -> float | None:
    """Return a float, or None where it is not finite."""
    return float(value) if np.isfinite(value) else None
