"""Fit indices of two-level models, with SRMR within and between: Ryu & West (2009).

A model whose Sigma_b is not positive semidefinite lies outside the saturated model, whose Sigma_b is. Its
chi-square is then too small and may be negative; a negative one, and all that rests on it, is ``None``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from implstats.sem.data.two_level import TwoLevelSample
from implstats.sem.fit_indices.chi_square import upper_tail
from implstats.sem.fit_indices.incremental import incremental
from implstats.sem.fit_indices.record import Index
from implstats.sem.fit_indices.rmsea import rmsea

Array = NDArray[np.float64]
# A chi-square this far below zero is no rounding of two searches that each end within 1e-6.
NEGATIVE = -1e-5


def two_level_indices(sample: TwoLevelSample, value: float, h1: float, base: float | None, q: int) -> Index:
    """Return lavaan's names; ``value``, ``h1`` and ``base``: F of model, saturated model and baseline."""
    n, p = sample.n, len(sample.mean)
    df = p * (p + 1) + p - q
    gap = float(n * (value - h1)) if df else 0.0
    chisq = max(gap, 0.0)
    tests: Index = {"chisq": chisq, "pvalue": upper_tail(chisq, df), **rmsea(chisq, df, n)}
    base_tests: Index = {}
    if base is not None:
        chisq0, df0 = float(n * (base - h1)), p * (p - 1)
        tests |= incremental(chisq, df, chisq0, df0)
        base_tests = {"baseline.chisq": chisq0, "baseline.df": df0}
    if gap < NEGATIVE:
        tests = dict.fromkeys(tests)
    logl = float(-0.5 * n * (value + p * np.log(2 * np.pi)))
    return {
        "npar": q, "df": df, "ntotal": n, **tests, **base_tests,
        "logl": logl, "unrestricted.logl": logl + 0.5 * gap, "aic": -2 * logl + 2 * q,
        "bic": float(-2 * logl + q * np.log(n)),
    }  # fmt: skip


def srmr_of(saturated: Array, implied: Array) -> float | None:
    """Root mean square difference of correlations; None where a variance is not positive."""
    if min(np.diag(saturated).min(), np.diag(implied).min()) <= 0:
        return None
    sd, own = np.sqrt(np.diag(saturated)), np.sqrt(np.diag(implied))
    gap = saturated / np.outer(sd, sd) - implied / np.outer(own, own)
    i, j = np.tril_indices(len(sd))
    return float(np.sqrt((gap[i, j] ** 2).mean()))
