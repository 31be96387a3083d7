"""Test of exact fit and its baseline.

    chisq = n (F(theta) - log|S| - p),   df = moments - free parameters,   fmin = chisq / (2 n)

Jöreskog (1969). The baseline model has uncorrelated variables; observed exogenous variables keep theirs.
"""

from __future__ import annotations

from scipy.special import chdtrc

from implstats.sem.fit_indices.record import FitRecord, Index


def upper_tail(chisq: float, df: float) -> float | None:
    """Return P(chi-square with df >= chisq), ``None`` without degrees of freedom."""
    return float(chdtrc(df, max(chisq, 0.0))) if df > 0 else None


def chi_square(fit: FitRecord) -> Index:
    """Return npar, fmin, chisq, df, pvalue and the baseline's."""
    return {
        "npar": fit.n_free, "fmin": fit.chisq / (2 * fit.n), "chisq": fit.chisq, "df": fit.df,
        "pvalue": upper_tail(fit.chisq, fit.df), "baseline.chisq": fit.baseline_chisq,
        "baseline.df": fit.baseline_df, "baseline.pvalue": upper_tail(fit.baseline_chisq, fit.baseline_df),
    }  # fmt: skip
