"""Fit indices of two-level models, with SRMR within and between: Ryu & West (2009).

A model whose Sigma_b is not positive semidefinite lies outside the saturated model, whose Sigma_b is. Its
chi-square is then too small and may be negative; a negative one, and all that rests on it, is ``None``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from implstats.sem.fit_indices.chi_square import upper_tail
from implstats.sem.fit_indices.incremental import incremental
from implstats.sem.fit_indices.information import information_criteria
from implstats.sem.fit_indices.record import FitRecord, Index
from implstats.sem.fit_indices.rmsea import rmsea

Array = NDArray[np.float64]
# A chi-square this far below zero is no rounding of two searches that each end within 1e-6.
NEGATIVE = -1e-5
OF_CRITERIA = ("logl", "unrestricted.logl", "aic", "bic", "ntotal", "bic2")
SRMR = ("srmr", "srmr_within", "srmr_between")


def two_level_indices(record: FitRecord, *, value: float, gap: float, has_baseline: bool) -> Index:
    """Return lavaan's names.

    Parameters
    ----------
    record : FitRecord
        Chi-squares at zero or above.
    value : float
        F of the model; lavaan's ``fmin`` is half of it.
    gap : float
        Chi-square as it came out; may be negative.
    has_baseline : bool
        Whether the baseline reached an optimum.
    """
    X, d, n = record.chisq, record.df, record.n
    tests: Index = {"chisq": X, "df": d, "pvalue": upper_tail(X, d)}
    base: Index = dict.fromkeys(("baseline.chisq", "baseline.df", "baseline.pvalue"))
    indices: Index = dict.fromkeys(incremental(1.0, 1, 3.0, 2))
    if has_baseline:
        X0, d0 = record.baseline_chisq, record.baseline_df
        base = {"baseline.chisq": X0, "baseline.df": d0, "baseline.pvalue": upper_tail(X0, d0)}
        indices = incremental(X, d, X0, d0)
    close = rmsea(X, d, n)
    if gap < NEGATIVE and d:
        tests |= {"chisq": None, "pvalue": None}
        indices = dict.fromkeys(indices)
        close = {k: v if k.endswith((".h0", ".level")) else None for k, v in close.items()}
    return {
        "npar": record.n_free, "fmin": 0.5 * value, **tests, **base, **indices,
        **information_criteria(record), **close,
        "rmsea_ci_lower": close["rmsea.ci.lower"], "rmsea_ci_upper": close["rmsea.ci.upper"],
    }  # fmt: skip


def srmr_by_level(saturated: tuple[Array, Array], implied: tuple[Array, Array]) -> Index:
    """Return SRMR within, between and, as in lavaan, their sum."""
    within, between = (srmr_of(s, i) for s, i in zip(saturated, implied, strict=True))
    total = None if within is None or between is None else within + between
    return dict(zip(SRMR, (total, within, between), strict=True))


def srmr_of(saturated: Array, implied: Array) -> float | None:
    """Root mean square difference of correlations; None where a variance is not positive."""
    if not len(saturated) or min(np.diag(saturated).min(), np.diag(implied).min()) <= 0:
        return None
    sd, own = np.sqrt(np.diag(saturated)), np.sqrt(np.diag(implied))
    gap = saturated / np.outer(sd, sd) - implied / np.outer(own, own)
    i, j = np.tril_indices(len(sd))
    return float(np.sqrt((gap[i, j] ** 2).mean()))
