"""Indices of the residuals s_ij - sigma_ij (and m_i - mu_i).

    rmr     raw residuals
    srmr    divided by the sample standard deviations (Bentler 1995); "_bentler" is the same number
    crmr    sample correlations minus implied correlations; the diagonal counts nothing (Bollen 1989)
    srmr_mplus   as crmr, but with the diagonal (s_ii - sigma_ii) / s_ii, and means each divided by their own
            standard deviation before the difference (Mplus technical appendix 5)

each the root of the mean square over the lower triangle, and over the means where there are any; "_nomean"
leaves the means out. Several groups are averaged over persons.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from implstats.sem.fit_indices.record import FitRecord, GroupMoments, Index

Array = NDArray[np.float64]


def residual_indices(fit: FitRecord) -> Index:
    """Return rmr, srmr, crmr and srmr_mplus, with and without means."""
    out: Index = {}
    for group in fit.groups:
        for name, value in _of_group(group, means=fit.means).items():
            before = out.get(name, 0.0)
            out[name] = None if value is None or before is None else before + group.n / fit.n * value
    return out


def _of_group(fit: GroupMoments, *, means: bool) -> Index:
    p = len(fit.cov)
    sd_sample, sd = np.sqrt(np.diag(fit.sample_cov)), np.sqrt(np.diag(fit.cov))
    lower = np.tril_indices(p)
    raw = fit.sample_cov - fit.cov
    bentler = raw / np.outer(sd_sample, sd_sample)
    correlation = fit.sample_cov / np.outer(sd_sample, sd_sample) - fit.cov / np.outer(sd, sd)
    mplus = correlation + np.diag(np.diag(bentler))
    shift = fit.sample_mean - fit.mean
    own = fit.sample_mean / sd_sample - fit.mean / sd
    moments, off_diagonal = p * (p + 1) / 2, p * (p - 1) / 2
    out: Index = {}
    for name, matrix, mean, count in (
        ("rmr", raw, shift, moments),
        ("srmr", bentler, shift / sd_sample, moments),
        ("crmr", correlation, shift / sd_sample, off_diagonal),
        ("srmr_mplus", mplus, own, moments),
    ):
        squares = float((matrix[lower] ** 2).sum())
        with_means = squares + float((mean**2).sum()) if means else squares
        total = count + p if means else count
        out[name] = float(np.sqrt(with_means / total)) if total else None
        out[f"{name}_nomean"] = float(np.sqrt(squares / count)) if count else None
    out["srmr_bentler"], out["srmr_bentler_nomean"] = out["srmr"], out.pop("srmr_nomean")
    return out
