"""Kenward and Roger's covariance matrix and degrees of freedom, for REML fits.

With V = sum_i gamma_i V_i linear in its parameters gamma = (s2 g, s2), Phi = (X'V^-1X)^-1 and

    P_i = d(X'V^-1X)/d gamma_i                 Q_ij = half the second derivative of X'V^-1X (symmetrised)
    tr(V^-1 V_i V^-1 V_j) = -d2 log|V| / d gamma_i d gamma_j
    I_ij = (tr(V^-1 V_i V^-1 V_j) - 2 tr(Phi Q_ij) + tr(Phi P_i Phi P_j)) / 2,     W = I^-1

    Phi_A = Phi + 2 Phi (sum_ij W_ij (Q_ij - P_i Phi P_j)) Phi
    df of a single contrast m = 2 / A,  A = sum_ij W_ij (m'Phi P_i Phi m)(m'Phi P_j Phi m) / (m'Phi m)^2

(for one contrast Kenward and Roger's scaled F reduces to exactly this, with scale one). The information I is
expected, not observed, so it stays meaningful where a variance is estimated as zero. All derivatives come
exactly from the elimination; no matrix of the size of the data is formed.

Where a residual structure makes V non-linear in a parameter (the correlation of an AR(1)), the same formulas
are taken with V linear at the estimate: Kenward and Roger's term with the second derivatives of V is left
out. That term depends on how the parameter is written (rho or atanh rho, a covariance or its Cholesky
factor); what is left does not. (``Kenward-Roger-Linear`` of the R package mmrm leaves it out as well.)
References: Kenward & Roger (1997), Biometrics 53, 983-997; Halekoh & Hoejsgaard (2014), J. Stat. Softw.
59(9).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from implstats.mixed.gaussian.criterion import Evaluation
from implstats.mixed.gaussian.eliminate import Eliminated

TINY = np.finfo(float).tiny
SINGULAR = 1e-10  # reciprocal condition (after scaling) below which I has directions without information


@dataclass(frozen=True, slots=True, kw_only=True)
class KenwardRoger:
    """Kenward and Roger's quantities in the coordinates of ``beta``.

    Attributes
    ----------
    covariance : ndarray, (p, p)
        Phi_A, the adjusted covariance matrix.
    df : ndarray, (k,)
        Of each contrast.
    plain : ndarray, (p, p)
        Phi, not adjusted.
    P : ndarray, (R + 1, p, p)
        Derivatives of X'V^-1X in gamma.
    W : ndarray, (R + 1, R + 1)
        Covariance matrix of gamma's estimate.
    """

    covariance: np.ndarray
    df: np.ndarray
    plain: np.ndarray
    P: np.ndarray
    W: np.ndarray

    def df_of(self, contrasts: np.ndarray) -> np.ndarray:
        """Return the df of each row of ``contrasts``, (k, p), as a single contrast."""
        return _single_df(contrasts, self.plain, self.P, self.W)


def kenward_roger(
    at: Evaluation, M: np.ndarray, *, n: int, pairs: tuple[np.ndarray, np.ndarray]
) -> KenwardRoger:
    """Return the Kenward-Roger adjustment of a REML fit.

    Parameters
    ----------
    at : Evaluation
    M : ndarray, (k, p)
        Contrasts in the coordinates of ``at.beta``.
    n : int
        Rows.
    pairs : tuple of ndarray
        Index pairs of the second derivatives.
    """
    g = at.g
    log_v2 = _linear_log_determinant(at, g, pairs, n)
    P, second = _linear_information(at, g, pairs)
    Phi = at.sigma2 * at.C
    Q = 0.5 * second
    PhiP = Phi @ P
    k, p = len(P), len(Phi)
    flat = Q.reshape(k * k, p * p)
    turned = PhiP.swapaxes(1, 2).reshape(k, -1)
    # Phi and all matrices are symmetric, so traces are sums over elements.
    information = 0.5 * (
        -log_v2 - 2.0 * (flat @ Phi.reshape(-1)).reshape(k, k) + PhiP.reshape(k, -1) @ turned.T
    )
    W = _inverse_information(information)
    weighted = (W @ P.reshape(k, -1)).reshape(k, p, p)
    excess = (W.reshape(-1) @ flat).reshape(p, p) - (weighted @ PhiP).sum(axis=0)
    adjusted = Phi + 2.0 * Phi @ (0.5 * (excess + excess.T)) @ Phi
    df = _single_df(M, Phi, P, W)
    return KenwardRoger(covariance=adjusted, df=df, plain=Phi, P=P, W=W)


def _single_df(M: np.ndarray, Phi: np.ndarray, P: np.ndarray, W: np.ndarray) -> np.ndarray:
    """Return the df of each row of M as a single contrast."""
    MP = M @ Phi
    change = ((MP @ P) * MP).sum(axis=2)
    variance = (MP * M).sum(axis=1)
    share = ((W @ change) * change).sum(axis=0) / variance**2
    return 2.0 / share


def _square(flat: np.ndarray, pairs: tuple[np.ndarray, np.ndarray], R: int) -> np.ndarray:
    """Return second derivatives by pairs as a symmetric (R, R, ...) array."""
    full = np.empty((R, R, *flat.shape[1:]))
    full[pairs[0], pairs[1]] = flat
    full[pairs[1], pairs[0]] = flat
    return full


def _linear_parts(at: Evaluation) -> Eliminated:
    """Return the elimination with V linear in its parameters at this point."""
    return at.parts if at.parts.linear is None else at.parts.linear


def _linear_log_determinant(
    at: Evaluation, g: np.ndarray, pairs: tuple[np.ndarray, np.ndarray], n: int
) -> np.ndarray:
    """Return the second derivatives of log|V| in gamma, (R + 1, R + 1), residual variance last."""
    R, s2 = len(g), at.sigma2
    logdet = _linear_parts(at).logdet
    first, second = logdet.first, _square(logdet.second, pairs, len(g))
    out = np.empty((R + 1, R + 1))
    out[:R, :R] = second
    out[:R, R] = out[R, :R] = -(first + second @ g)
    out[R, R] = -n + 2.0 * g @ first + g @ second @ g
    return out / s2**2


def _linear_information(
    at: Evaluation, g: np.ndarray, pairs: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the first (R + 1, p, p) and second derivatives of X'V^-1X in gamma, residual variance last."""
    R, p, s2 = len(g), len(at.beta), at.sigma2
    jet = _linear_parts(at).N
    N = jet.value[:p, :p]
    N1 = jet.first[:, :p, :p]
    N2 = _square(jet.second[:, :p, :p], pairs, R)
    gN1 = (g @ N1.reshape(R, -1)).reshape(p, p)
    gN2 = (g @ N2.reshape(R, -1)).reshape(R, p, p)
    P = np.empty((R + 1, p, p))
    P[:R] = N1
    P[R] = -(N + gN1)
    P /= s2**2
    second = np.empty((R + 1, R + 1, p, p))
    second[:R, :R] = N2
    second[:R, R] = second[R, :R] = -(2.0 * N1 + gN2)
    second[R, R] = 2.0 * N + 4.0 * gN1 + (g @ gN2.reshape(R, -1)).reshape(p, p)
    return P, second / s2**3


def _inverse_information(information: np.ndarray) -> np.ndarray:
    """Return W; directions that the data do not inform (a perfectly confounded variance) carry nothing."""
    unit = 1.0 / np.sqrt(np.maximum(np.abs(information.diagonal()), TINY))
    both = unit[:, None] * unit
    w, U = np.linalg.eigh(information * both)
    kept = w > SINGULAR * w[-1]
    if not kept.all():
        w, U = w[kept], U[:, kept]
    return np.asarray(((U / w) @ U.T) * both)
