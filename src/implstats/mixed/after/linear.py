"""Estimates, standard errors and degrees of freedom of any linear combinations of the coefficients.

For rows L, (k, p), the estimates are L b with covariance L Var(b) L'. Var(b) and the df are those that the
fit used for its coefficients: Kenward-Roger (adjusted covariance), Satterthwaite, the cluster-robust
covariance with its own df, or between-within, where a combination gets the smallest df of the coefficients
in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from implstats.errors import ModelError, NotSupportedError, UsageError
from implstats.mixed.after.kept import Kept
from implstats.mixed.fitted import Fitted
from implstats.mixed.inference.tester import make_tester
from implstats.mixed.results import MixedResult

TOGETHER = 1000  # rows taken at once: their covariance matrix is formed under a robust method


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
    NotSupportedError
        The model is not Gaussian.
    """
    if result.verdict == "failed":
        raise ModelError(f"The fit of '{result.formula}' failed, so nothing follows from it. {result.reason}")
    # Fits of other families keep another record of their steps, or none.
    if not isinstance(result.model, Fitted):
        raise NotSupportedError(
            "This is computed for Gaussian models only. For other families the coefficients with their "
            "intervals answer on the scale of the link."
        )
    return result.model


def kept_of(result: MixedResult) -> Kept:
    """Return what a fit of any family kept of its data; ModelError where the fit failed."""
    return fitted_model(result) if result.generalised is None else result.generalised


def plain_residuals(model: Fitted, what: str) -> None:
    """Refuse a model whose residuals follow a structure over waves, for what rests on one variance."""
    if getattr(model, "residual", None) is not None:
        raise NotSupportedError(
            f"{what} rests on one residual variance, and this model has a structure over waves. Use "
            "random='none' for predictions, marginal means for contrasts, or fit without residual."
        )


def coefficients(model: Fitted) -> np.ndarray:
    """Return b in the outcome's own unit, (p,)."""
    at, scaled = model.optimum.search.at, model.scaled
    return scaled.M @ (scaled.scale * at.beta + scaled.shift)


def linear(result: MixedResult, L: np.ndarray) -> Linear:
    """Return the combinations L b; rows of L with NaN give NaN, rows of zeros zero with no df.

    Parameters
    ----------
    result : MixedResult
    L : ndarray, (k, p)
        In the coefficients of ``result.terms``.
    """
    if result.generalised is not None:
        return _wald(result, L)
    model = fitted_model(result)
    known = np.flatnonzero(np.isfinite(L).all(axis=1) & L.any(axis=1))
    std_error, df = np.where(L.any(axis=1), np.nan, 0.0), np.full(len(L), np.nan)
    tester = None if result.fixed[0].df_method == "none" else make_tester(result, df=_method(result))
    for start in range(0, len(known), TOGETHER):
        part = known[start : start + TOGETHER]
        if tester is None:
            std_error[part] = np.sqrt(np.maximum(np.diag(covariance_of(result, L[part])), 0.0))
        else:
            _, std_error[part], df[part] = tester.rows(L[part])
    return Linear(
        estimate=L @ coefficients(model), std_error=std_error, df=df, df_method=result.fixed[0].df_method
    )


def _wald(result: MixedResult, L: np.ndarray) -> Linear:
    """Return the combinations of a generalised or ordinal fit: z tests, so the df are infinite."""
    method = result.fixed[0].df_method
    known = np.isfinite(L).all(axis=1)
    std_error = np.full(len(L), np.nan)
    std_error[known] = np.sqrt(np.maximum(np.diag(covariance_of(result, L[known])), 0.0))
    tested = known & L.any(axis=1) & (method != "none")
    b = np.array([row.estimate for row in result.fixed], dtype=float)
    return Linear(estimate=L @ b, std_error=std_error, df=np.where(tested, np.inf, np.nan), df_method=method)


def _method(result: MixedResult) -> str:
    """Return the request that gives a test the df method of the fit."""
    method = result.fixed[0].df_method
    if method.startswith("CR"):
        return "auto"
    return "kenward-roger" if method == "kenward-roger" else "satterthwaite"


def covariance_of(result: MixedResult, L: np.ndarray) -> np.ndarray:
    """Return L Var(b) L', (k, k), of rows without NaN; Var(b) as the fit used it."""
    if result.covariance is None:
        raise ModelError("The fit has no covariance matrix of its coefficients.")
    return L @ result.covariance @ L.T


def half_width(std_error: np.ndarray, df: np.ndarray, *, level: float) -> np.ndarray:
    """Return t quantile times standard error (normal where df is infinite), NaN without a df."""
    return np.where(np.isinf(df), ndtri(0.5 + 0.5 * level), stdtrit(df, 0.5 + 0.5 * level)) * std_error


def two_sided(statistic: np.ndarray, df: np.ndarray) -> np.ndarray:
    """Return p of t tests (z tests where df is infinite), NaN without a df."""
    size = -np.abs(statistic)
    return 2.0 * np.where(np.isinf(df), ndtr(size), stdtr(df, size))


def check_level(ci_level: float | None, result: MixedResult) -> float:
    """Return the level of an interval, the fit's own unless another is given."""
    level = result.ci_level if ci_level is None else ci_level
    if isinstance(level, bool) or not 0.0 < level < 1.0:
        raise UsageError(f"ci_level lies between 0 and 1, such as 0.95; got {level}.")
    return float(level)


def number(value: float) -> float | None:
    """Return a float, or None where it is not finite."""
    return float(value) if np.isfinite(value) else None
