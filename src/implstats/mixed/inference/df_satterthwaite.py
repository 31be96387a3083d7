"""Satterthwaite's degrees of freedom of a coefficient.

For a contrast m, v = m' s2 C m is its estimated variance. With A the asymptotic covariance matrix of the
variance parameters (twice the inverse Hessian of the criterion, not profiled) and v' the derivative of v in
them,

    df = 2 v^2 / (v'^T A v')

The parameters are (g, s2); at an interior optimum the value does not depend on their choice. At the boundary
the Hessian says nothing about the sampling of a variance that cannot be negative, so no df is given there.
References: Satterthwaite (1946), Biometrics Bulletin 2, 110-114; Giesbrecht & Burns (1985), Biometrics 41;
Kuznetsova, Brockhoff & Christensen (2017), J. Stat. Softw. 82(13).
"""

from __future__ import annotations

import numpy as np

from implstats.mixed.gaussian.criterion import Evaluation


def satterthwaite_df(at: Evaluation, M: np.ndarray) -> np.ndarray | None:
    """Return the df of each row of M as a contrast, (k,), or None if the Hessian is not positive definite.

    Parameters
    ----------
    at : Evaluation
        At an interior optimum.
    M : ndarray, (k, p)
        Contrasts in the coordinates of ``at.beta``.
    """
    found = hessian_root(at)
    if found is None:
        return None
    root, unit = found
    s2, R, p = at.sigma2, len(at.slope), len(at.beta)
    MC = M @ at.C
    change = np.empty((len(M), R + 1))
    change[:, :R] = -s2 * ((MC @ at.parts.N.first[:, :p, :p]) * MC).sum(axis=2).T
    plain = (MC * M).sum(axis=1)
    change[:, R] = plain
    scaled = np.linalg.solve(root, (change * unit).T)
    return (s2 * plain) ** 2 / (scaled * scaled).sum(axis=0)


def hessian_root(at: Evaluation) -> tuple[np.ndarray, np.ndarray] | None:
    """Return L (R + 1, R + 1) and u (R + 1,): LL' is the Hessian in (g, s2), rows and columns times u.

    The criterion is not profiled over s2, which is last. None where the Hessian is not positive definite.
    """
    s2, R = at.sigma2, len(at.slope)
    H = np.empty((R + 1, R + 1))
    H[:R, :R] = at.bend + at.nu * (at.rss_slope[:, None] * at.rss_slope) / at.rss**2
    H[:R, R] = H[R, :R] = -at.rss_slope / s2**2
    H[R, R] = at.nu / s2**2
    unit = 1.0 / np.sqrt(np.abs(H.diagonal()))
    try:
        return np.linalg.cholesky(H * (unit[:, None] * unit)), unit
    except np.linalg.LinAlgError:
        return None
