"""Implied moments and their derivatives.

    Sigma = Lambda Phi Lambda' + Theta      mu = nu + Lambda E alpha
    E = (I - B)^-1                          Phi = E Psi E'

Every first derivative of Sigma has rank two,

    dSigma / dtheta_k = a_k b_k' + b_k a_k'

with, for Lambda_ij: a = e_i, b = (Lambda Phi)_.j; for B_ij: a = (Lambda E)_.i, b = (Lambda Phi)_.j; for
Psi_ij: a = (Lambda E)_.i, b = (Lambda E)_.j; for Theta_ij: a = e_i, b = e_j (halved on the diagonal). So
gradient and information need the stacks A = [a_k] and B = [b_k], shape (p, k), and nothing of size p^2 x k.
Neudecker & Satorra (1991) give the second derivatives in matrix form; here they are written entry by entry.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from implstats.sem.model.matrices import Structure, filled

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Implied moments at one theta.

    Attributes
    ----------
    cov : ndarray, shape (p, p)
        Sigma.
    mean : ndarray, shape (p,)
        mu; zeros without a mean structure.
    loading, inverse, total, phi, loading_phi : ndarray
        Lambda (p, m), E (m, m), Lambda E (p, m), Phi (m, m) and Lambda Phi (p, m).
    eta_mean : ndarray, shape (m,)
        E alpha.
    """

    cov: Array
    mean: Array
    loading: Array
    inverse: Array
    total: Array
    phi: Array
    loading_phi: Array
    eta_mean: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Stacks:
    """First derivatives: A and B with dSigma_k = a_k b_k' + b_k a_k', and M = dmu; each of shape (p, k)."""

    a: Array
    b: Array
    m: Array


def implied_moments(structure: Structure, theta: Array) -> Moments:
    """Return Sigma and mu at theta, shape (q,), with the products that the derivatives reuse."""
    matrices = filled(structure, theta)
    loading, psi, alpha = matrices["loading"], matrices["psi"], matrices["alpha"]
    identity = np.eye(len(structure.eta))
    if structure.has_regressions:
        inverse: Array = np.linalg.inv(identity - matrices["regression"]).astype(float, copy=False)
        total, phi, eta_mean = loading @ inverse, inverse @ psi @ inverse.T, inverse @ alpha
    else:
        inverse, total, phi, eta_mean = identity, loading, psi, alpha
    loading_phi = loading @ phi
    return Moments(
        cov=loading_phi @ loading.T + matrices["theta"], mean=matrices["nu"] + loading @ eta_mean,
        loading=loading, inverse=inverse, total=total, phi=phi, loading_phi=loading_phi, eta_mean=eta_mean,
    )  # fmt: skip


def derivative_stacks(structure: Structure, moments: Moments) -> Stacks:
    """Return the rank-two factors of dSigma and the derivatives of mu."""
    p, k = len(structure.observed), len(structure.ids)
    a, b, m = np.zeros((p, k)), np.zeros((p, k)), np.zeros((p, k))
    cells, slices = structure.cells, structure.slices
    entry = np.arange(k)
    loading, regression, psi, theta = (cells[name] for name in ("loading", "regression", "psi", "theta"))
    a[loading.row, entry[slices["loading"]]] = 1.0
    b[:, slices["loading"]] = moments.loading_phi[:, loading.col]
    a[:, slices["regression"]] = moments.total[:, regression.row]
    b[:, slices["regression"]] = moments.loading_phi[:, regression.col]
    a[:, slices["psi"]] = moments.total[:, psi.row]
    b[:, slices["psi"]] = moments.total[:, psi.col] * _half_on_diagonal(psi.row, psi.col)
    a[theta.row, entry[slices["theta"]]] = 1.0
    b[theta.col, entry[slices["theta"]]] = _half_on_diagonal(theta.row, theta.col)
    if structure.means:
        m[loading.row, entry[slices["loading"]]] = moments.eta_mean[loading.col]
        m[:, slices["regression"]] = moments.total[:, regression.row] * moments.eta_mean[regression.col]
        m[cells["nu"].row, entry[slices["nu"]]] = 1.0
        m[:, slices["alpha"]] = moments.total[:, cells["alpha"].row]
    return Stacks(a=a, b=b, m=m)


def _half_on_diagonal(row: NDArray[np.intp], col: NDArray[np.intp]) -> Array:
    return np.where(row == col, 0.5, 1.0)


def second_derivatives(structure: Structure, moments: Moments, weight: Array, mean_weight: Array) -> Array:
    """Return sum_ij G_ij d2 Sigma_ij + sum_i g_i d2 mu_i in entry space.

    Parameters
    ----------
    weight : ndarray, shape (p, p)
        G, symmetric.
    mean_weight : ndarray, shape (p,)
        g.

    Returns
    -------
    ndarray, shape (k, k)
    """
    hessian = np.zeros((len(structure.ids),) * 2)
    _second_of_cov(structure, moments, weight, hessian)
    if structure.means:
        _second_of_mean(structure, moments, mean_weight, hessian)
    return hessian


def _second_of_cov(structure: Structure, moments: Moments, weight: Array, out: Array) -> None:
    E, Phi = moments.inverse, moments.phi
    GT, GLP = weight @ moments.total, weight @ moments.loading_phi
    TGT, TGLP = moments.total.T @ GT, moments.total.T @ GLP
    (r1, c1), (r2, c2), (r3, c3) = (
        (structure.cells[n].row, structure.cells[n].col) for n in ("loading", "regression", "psi")
    )
    S1, S2, S3 = (structure.slices[n] for n in ("loading", "regression", "psi"))
    half = 2.0 * _half_on_diagonal(r3, c3)
    out[S1, S1] = 2.0 * weight[r1[:, None], r1] * Phi[c1[:, None], c1]
    out[S1, S3] = half * (GT[r1[:, None], r3] * E[c1[:, None], c3] + GT[r1[:, None], c3] * E[c1[:, None], r3])
    out[S3, S1] = out[S1, S3].T
    if not len(r2):
        return
    out[S1, S2] = 2.0 * (
        GT[r1[:, None], r2] * Phi[c1[:, None], c2] + GLP[r1[:, None], c2] * E[c1[:, None], r2]
    )
    out[S2, S1] = out[S1, S2].T
    chain = E[c2[:, None], r2] * TGLP[r2[:, None], c2]
    out[S2, S2] = 2.0 * (chain + chain.T + TGT[r2[:, None], r2] * Phi[c2[:, None], c2])
    out[S2, S3] = half * (
        TGT[r2[:, None], r3] * E[c2[:, None], c3] + TGT[r2[:, None], c3] * E[c2[:, None], r3]
    )
    out[S3, S2] = out[S2, S3].T


def _second_of_mean(structure: Structure, moments: Moments, g: Array, out: Array) -> None:
    E, ea, gT = moments.inverse, moments.eta_mean, g @ moments.total
    (r1, c1), (r2, c2) = ((structure.cells[n].row, structure.cells[n].col) for n in ("loading", "regression"))
    ra = structure.cells["alpha"].row
    S1, S2, Sa = (structure.slices[n] for n in ("loading", "regression", "alpha"))
    block = g[r1][:, None] * E[c1[:, None], ra]
    out[S1, Sa] += block
    out[Sa, S1] += block.T
    if not len(r2):
        return
    block = g[r1][:, None] * E[c1[:, None], r2] * ea[c2]
    out[S1, S2] += block
    out[S2, S1] += block.T
    chain = gT[r2][:, None] * E[c2[:, None], r2] * ea[c2]
    out[S2, S2] += chain + chain.T
    block = gT[r2][:, None] * E[c2[:, None], ra]
    out[S2, Sa] += block
    out[Sa, S2] += block.T
