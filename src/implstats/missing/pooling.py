"""Pooling the results of m imputed data sets by Rubin's rules.

For one parameter with estimates q_1..q_m and squared standard errors u_1..u_m:

    estimate        Q = mean(q)
    within          U = mean(u)
    between         B = variance(q), divisor m - 1
    total           T = U + (1 + 1 / m) B                                             Rubin (1987)
    r               (1 + 1 / m) B / U           relative increase in variance
    lambda          (1 + 1 / m) B / T           share of variance due to missingness
    df_m            (m - 1) / lambda^2
    df_obs          (df_c + 1) / (df_c + 3) * df_c * (1 - lambda)
    df              1 / (1 / df_m + 1 / df_obs)                                       Barnard & Rubin (1999)
    fmi             (r + 2 / (df + 3)) / (r + 1)

df_c is the degrees of freedom of the analysis of complete data; infinity gives Rubin's df_m.

References
----------
Rubin, D. B. (1987). Multiple Imputation for Nonresponse in Surveys. Wiley.
Barnard, J., & Rubin, D. B. (1999). Biometrika 86, 948-955.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from implstats.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooled:
    """Pooled results of p parameters; arrays have shape (p,), or () for one parameter.

    Attributes
    ----------
    estimate, std_error : ndarray
        In the parameter's unit.
    df : ndarray
        Degrees of freedom of the t reference distribution; may be infinite.
    statistic, p_value : ndarray
        Estimate over standard error, and its two-sided p-value; NaN where the standard error is 0.
    conf_low, conf_high : ndarray
    var_within, var_between, var_total : ndarray
        U, B and T.
    fmi : ndarray
        Fraction of missing information, between 0 and 1.
    n_imputations : int
    conf_level : float
    """

    estimate: np.ndarray
    std_error: np.ndarray
    df: np.ndarray
    statistic: np.ndarray
    p_value: np.ndarray
    conf_low: np.ndarray
    conf_high: np.ndarray
    var_within: np.ndarray
    var_between: np.ndarray
    var_total: np.ndarray
    fmi: np.ndarray
    n_imputations: int
    conf_level: float


def pool_rubin(
    estimates: ArrayLike,
    std_errors: ArrayLike,
    df_complete: ArrayLike = np.inf,
    *,
    conf_level: float = 0.95,
) -> Pooled:
    """Return the pooled estimates of m imputations.

    Parameters
    ----------
    estimates, std_errors : array_like, shape (m,) or (m, p)
        One row an imputation, m >= 2.
    df_complete : array_like, shape () or (p,)
        Degrees of freedom had the data been complete.
    conf_level : float

    Raises
    ------
    DataError
        If the shapes differ, m < 2, a value is not finite or a standard error is negative.

    Examples
    --------
    >>> pooled = pool_rubin([1.0, 1.2, 1.1], [0.5, 0.5, 0.5], df_complete=100)
    >>> float(pooled.estimate.round(3)), float(pooled.std_error.round(3))
    (1.1, 0.513)
    """
    from scipy.special import stdtr, stdtrit

    q, errors = np.asarray(estimates, dtype=float), np.asarray(std_errors, dtype=float)
    _check(q, errors, conf_level)
    m = len(q)
    within, between = (errors**2).mean(axis=0), q.var(axis=0, ddof=1)
    total = within + (1 + 1 / m) * between
    df = barnard_rubin_df(between, total, m=m, df_complete=np.asarray(df_complete, dtype=float))
    estimate, std_error = q.mean(axis=0), np.sqrt(total)
    statistic = np.divide(estimate, std_error, out=np.full_like(total, np.nan), where=std_error > 0)
    half = stdtrit(df, (1 + conf_level) / 2) * std_error
    return Pooled(
        estimate=estimate, std_error=std_error, df=df, statistic=statistic,
        p_value=2 * stdtr(df, -np.abs(statistic)), conf_low=estimate - half, conf_high=estimate + half,
        var_within=within, var_between=between, var_total=total,
        fmi=missing_information(within, between, df, m=m), n_imputations=m, conf_level=conf_level,
    )  # fmt: skip


def barnard_rubin_df(
    between: np.ndarray, total: np.ndarray, *, m: int, df_complete: np.ndarray
) -> np.ndarray:
    """Return the (p,) degrees of freedom; infinite without a limit on either side."""
    share = np.divide((1 + 1 / m) * between, total, out=np.zeros_like(total), where=total > 0)
    # 1 / df of each part adds up, which needs no case for an infinite one.
    inverse_m = share**2 / (m - 1)
    observed = (1 - share) / (1 + 2 / (df_complete + 1)) * df_complete
    inverse_observed = np.divide(1.0, observed, out=np.full_like(observed, np.inf), where=observed > 0)
    inverse = inverse_m + inverse_observed
    return np.divide(1.0, inverse, out=np.full_like(inverse, np.inf), where=inverse > 0)


def missing_information(within: np.ndarray, between: np.ndarray, df: np.ndarray, *, m: int) -> np.ndarray:
    """Return the (p,) fraction of missing information; NaN where the within variance is 0."""
    increase = np.divide((1 + 1 / m) * between, within, out=np.full_like(within, np.nan), where=within > 0)
    return (increase + 2 / (df + 3)) / (increase + 1)


def _check(q: np.ndarray, errors: np.ndarray, conf_level: float) -> None:
    problems = []
    if q.shape != errors.shape or q.ndim not in (1, 2):
        problems.append(
            f"estimates {q.shape} and std_errors {errors.shape} should have one shape, (m,) or (m, p)"
        )
    elif len(q) < 2:
        problems.append(f"pooling needs at least 2 imputations; there is {len(q)}")
    if not (np.isfinite(q).all() and np.isfinite(errors).all()):
        problems.append("an imputation has no estimate or no standard error; leave a failed fit out openly")
    if (errors < 0).any():
        problems.append("a standard error is negative")
    if not 0 < conf_level < 1:
        problems.append(f"conf_level should be between 0 and 1 (got {conf_level:g})")
    if problems:
        raise DataError("The imputations cannot be pooled: " + "; ".join(problems) + ".")
