"""Log-likelihoods and information criteria, k free parameters, n persons.

    aic = -2 logl + 2 k      bic = -2 logl + k log n      bic2: n replaced by (n + 2) / 24

Akaike (1974); Schwarz (1978); Sclove (1987).
"""

from __future__ import annotations

from math import log

from implstats.sem.fit_indices.record import FitRecord, Index


def information_criteria(fit: FitRecord) -> Index:
    """Return logl, unrestricted.logl, aic, bic, ntotal and bic2."""
    deviance, k = -2.0 * fit.logl, fit.n_free
    return {
        "logl": fit.logl, "unrestricted.logl": fit.logl_saturated, "aic": deviance + 2 * k,
        "bic": deviance + k * log(fit.n), "ntotal": fit.n, "bic2": deviance + k * log((fit.n + 2) / 24),
    }  # fmt: skip
