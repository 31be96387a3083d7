"""Degrees of freedom of many responses at once: Kenward-Roger and Satterthwaite.

Formulas as in `inference.df_kenward_roger` and `inference.df_satterthwaite`, the last axis over responses.
"""

from __future__ import annotations

import numpy as np

from implstats.mixed.inference.df_kenward_roger import SINGULAR
from implstats.mixed.resampling.criterion import Evaluations
from implstats.mixed.resampling.moments import Shared
from implstats.mixed.resampling.stacks import times


def kenward_roger_many(shared: Shared, at: Evaluations, M: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the adjusted covariance, (p, p, r), in the coordinates of ``beta``, and df of M's rows, (k, r).

    ``at`` keeps N and its derivatives.
    """
    s2 = at.rss / (shared.n - shared.p)
    g = _g(shared, at)
    P, Q = _information(shared, at, g, s2)
    Phi = s2 * at.C
    PhiP = times(Phi[:, :, None], P)
    expected = 0.5 * (
        -_log_determinant(shared, at, g, s2)
        - 2.0 * np.einsum("ijr,ijstr->str", Phi, Q)
        + np.einsum("ijsr,jitr->str", PhiP, PhiP)
    )
    W = _inverse(expected)
    WP = np.einsum("str,ijsr->ijtr", W, P)
    excess = np.einsum("str,ijstr->ijr", W, Q) - np.einsum("iktr,kjtr->ijr", WP, PhiP)
    excess = 0.5 * (excess + excess.swapaxes(0, 1))
    adjusted = Phi + 2.0 * times(Phi, times(excess, Phi))
    MP = np.einsum("ki,ijr->kjr", M, Phi)
    change = np.einsum("kjsr,kjr->ksr", np.einsum("kir,ijsr->kjsr", MP, P), MP)
    variance = np.einsum("kir,ki->kr", MP, M)
    share = np.einsum("ktr,ktr->kr", np.einsum("ksr,str->ktr", change, W), change) / variance**2
    return adjusted, 2.0 / share


def satterthwaite_many(shared: Shared, at: Evaluations, M: np.ndarray) -> np.ndarray:
    """Return the df of M's rows, (k, r); NaN where the Hessian is not positive definite."""
    nu = shared.n - shared.p if shared.reml else shared.n
    s2, R, r = at.rss / nu, len(at.slope), len(at.rss)
    H = np.empty((R + 1, R + 1, r))
    H[:R, :R] = at.bend + nu * at.rss_slope[:, None] * at.rss_slope[None] / at.rss**2
    H[:R, R] = H[R, :R] = -at.rss_slope / s2**2
    H[R, R] = nu / s2**2
    unit = 1.0 / np.sqrt(np.abs(np.einsum("iir->ir", H)))
    w, U = np.linalg.eigh((H * unit[:, None] * unit[None]).transpose(2, 0, 1))
    good = w[:, 0] > 0.0
    MC = np.einsum("ki,ijr->kjr", M, at.C)
    plain = np.einsum("kir,ki->kr", MC, M)
    change = np.empty((len(M), R + 1, r))
    change[:, :R] = -s2 * np.einsum("kjsr,kjr->ksr", np.einsum("kir,ijsr->kjsr", MC, at.N1), MC)
    change[:, R] = plain
    along = np.einsum("ksr,rst->ktr", change * unit, U)
    spread = np.einsum("ktr,rt->kr", along**2, 1.0 / np.where(good[:, None], w, np.nan))
    return (s2 * plain) ** 2 / spread


def _g(shared: Shared, at: Evaluations) -> np.ndarray:
    """Return g, (R, r): quadratic in theta, with the curvature as its second derivative."""
    half = 0.5 * np.einsum("gij,ir->gjr", shared.shape.curvature, at.theta)
    return np.einsum("gjr,jr->gr", half, at.theta)


def _log_determinant(shared: Shared, at: Evaluations, g: np.ndarray, s2: np.ndarray) -> np.ndarray:
    """Return the second derivatives of log|V| in (s2 g, s2), (R + 1, R + 1, r)."""
    R = len(g)
    r, s = shared.shape.pairs
    out = np.empty((R + 1, R + 1, len(s2)))
    out[r, s] = out[s, r] = at.log_v2
    inner = out[:R, :R]
    bent = np.einsum("ijr,jr->ir", inner, g)
    out[R, R] = -shared.n + 2.0 * np.sum(g * at.log_v1, axis=0) + np.sum(g * bent, axis=0)
    out[:R, R] = out[R, :R] = -(at.log_v1 + bent)
    return out / s2**2


def _information(
    shared: Shared, at: Evaluations, g: np.ndarray, s2: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return P (p, p, R + 1, r) and Q (p, p, R + 1, R + 1, r): derivatives of X'V^-1X in (s2 g, s2)."""
    R, p = len(g), shared.p
    r, s = shared.shape.pairs
    second = np.empty((p, p, R + 1, R + 1, len(s2)))
    second[:, :, r, s] = second[:, :, s, r] = at.N2
    gN1 = np.einsum("ijsr,sr->ijr", at.N1, g)
    gN2 = np.einsum("ijstr,tr->ijsr", second[:, :, :R, :R], g)
    second[:, :, :R, R] = second[:, :, R, :R] = -(2.0 * at.N1 + gN2)
    second[:, :, R, R] = 2.0 * at.N + 4.0 * gN1 + np.einsum("ijsr,sr->ijr", gN2, g)
    P = np.concatenate([at.N1, -(at.N + gN1)[:, :, None]], axis=2) / s2**2
    return P, 0.5 * second / s2**3


def _inverse(information: np.ndarray) -> np.ndarray:
    """Return W, (R + 1, R + 1, r); directions without information carry nothing."""
    unit = 1.0 / np.sqrt(np.maximum(np.abs(np.einsum("iir->ir", information)), np.finfo(float).tiny))
    w, U = np.linalg.eigh((information * unit[:, None] * unit[None]).transpose(2, 0, 1))
    kept = w > SINGULAR * w[:, -1:]
    found = np.einsum("rik,rk,rjk->ijr", U, np.where(kept, 1.0 / np.where(kept, w, 1.0), 0.0), U)
    return found * unit[:, None] * unit[None]
