"""Indices of the share of moments explained, and others that stand alone. W = Sigma^-1.

gfi  = 1 - tr[(W (S - Sigma))^2] / tr[(W S)^2], with means 2 d'Wd and 2 m'Wm added    Jöreskog & Sörbom (1984)
       moments of fixed predictors, which fit by definition, are zero in the second trace
agfi = 1 - (moments / df) (1 - gfi);   pgfi = df / moments * gfi                      Mulaik et al. (1989)
mfi  = exp(-(X - df) / (2 n))                                                         McDonald (1989)
ecvi = X / n + 2 k / n                                                                Browne & Cudeck (1992)
cn   = critical chi-square / (X / n) + 1                                              Hoelter (1983)
"""

from __future__ import annotations

from math import exp

import numpy as np
from scipy.special import chdtri

from implstats.sem.fit_indices.record import FitRecord, GroupMoments, Index


def _gfi(group: GroupMoments, *, means: bool) -> float:
    """The index of one group; several groups are averaged over persons."""
    S, m = group.sample_cov.copy(), group.sample_mean.copy()
    S[np.ix_(group.given, group.given)] = 0.0
    m[list(group.given)] = 0.0
    WS = group.weight @ S
    WR = group.weight @ (group.sample_cov - group.cov)
    left, whole = float((WR * WR.T).sum()), float((WS * WS.T).sum())
    if means:
        shift = group.sample_mean - group.mean
        left += 2.0 * float(shift @ group.weight @ shift)
        whole += 2.0 * float(m @ group.weight @ m)
    return 1.0 - left / whole


def goodness_indices(fit: FitRecord) -> Index:
    """Return cn_05, cn_01, gfi, agfi, pgfi, mfi and ecvi."""
    gfi = sum(group.n * _gfi(group, means=fit.means) for group in fit.groups) / fit.n
    per_person = fit.chisq / fit.n
    tested = fit.df > 0 and per_person > 0
    return {
        "cn_05": float(chdtri(fit.df, 0.05)) / per_person + 1 if tested else None,
        "cn_01": float(chdtri(fit.df, 0.01)) / per_person + 1 if tested else None,
        "gfi": gfi,
        "agfi": 1.0 - fit.n_moments / fit.df * (1.0 - gfi) if fit.df else 1.0,
        "pgfi": fit.df / fit.n_moments * gfi,
        "mfi": exp(-0.5 * (fit.chisq - fit.df) / fit.n),
        "ecvi": per_person + 2 * fit.n_free / fit.n,
    }
