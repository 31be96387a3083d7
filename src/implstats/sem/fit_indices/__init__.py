"""Fit indices, one family a file, under lavaan's names; contract names with underscores beside them."""

from __future__ import annotations

from implstats.sem.fit_indices.chi_square import chi_square
from implstats.sem.fit_indices.goodness import goodness_indices
from implstats.sem.fit_indices.incremental import incremental
from implstats.sem.fit_indices.information import information_criteria
from implstats.sem.fit_indices.record import FitRecord, GroupMoments, Index
from implstats.sem.fit_indices.residual import residual_indices
from implstats.sem.fit_indices.rmsea import rmsea
from implstats.sem.fit_indices.scaled import robust_indices, scaled_indices

__all__ = ["NAMES", "FitRecord", "GroupMoments", "Index", "fit_indices", "robust_indices", "scaled_indices"]


def fit_indices(fit: FitRecord) -> Index:
    """Return every fit index of the complete-data normal theory test by name."""
    out = chi_square(fit)
    out |= incremental(fit.chisq, fit.df, fit.baseline_chisq, fit.baseline_df)
    out |= information_criteria(fit)
    out |= rmsea(fit.chisq, fit.df, fit.n_per_group)
    out |= residual_indices(fit) | goodness_indices(fit)
    return out | {"rmsea_ci_lower": out["rmsea.ci.lower"], "rmsea_ci_upper": out["rmsea.ci.upper"]}


# What a failed fit still names, each without a value.
NAMES = (
    "npar", "fmin", "chisq", "df", "pvalue", "baseline.chisq", "baseline.df", "baseline.pvalue",
    "cfi", "tli", "nnfi", "rfi", "nfi", "pnfi", "ifi", "rni", "logl", "unrestricted.logl", "aic",
    "bic", "ntotal", "bic2", "rmsea", "rmsea.ci.lower", "rmsea.ci.upper", "rmsea.ci.level",
    "rmsea.pvalue", "rmsea.close.h0", "rmsea.notclose.pvalue", "rmsea.notclose.h0", "rmr",
    "rmr_nomean", "srmr", "srmr_bentler", "srmr_bentler_nomean", "crmr", "crmr_nomean",
    "srmr_mplus", "srmr_mplus_nomean", "cn_05", "cn_01", "gfi", "agfi", "pgfi", "mfi", "ecvi",
    "rmsea_ci_lower", "rmsea_ci_upper",
)  # fmt: skip
