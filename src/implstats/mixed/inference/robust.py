"""Cluster-robust covariance of the fixed effects, and the df of its t tests.

Clusters j = 1..J with rows X_j (n_j, p), residuals e_j and working covariance s2 Theta_j, the fitted one;
W_j = Theta_j^-1, N_j = X_j'W_jX_j, M = (sum_j N_j)^-1:

    V = M [ sum_j F_j e_j e_j' F_j' ] M,     F_j = X_j' W_j A_j                                   (p, n_j)

    CR0   A = I                          CR1   CR0 times J / (J - 1)
    CR2   A = D' B^(-1/2) D,  B = D (Theta_j - X_j M X_j') D',  D'D = Theta_j
    CR3   A = (I - X_j M X_j' W_j)^-1, so that F_j = (I - N_j M)^-1 X_j'W_j

CR2's A is the symmetric matrix with A (Theta_j - X_j M X_j') A = Theta_j, the same for every root D; V is
then unbiased if the working model holds. Where a cluster alone determines a direction of the coefficients
(I - M N_j is singular), B^(-1/2) is the root of the Moore-Penrose inverse. Such a direction leaves no
residual to learn a variance from, so coefficients that share in it get none.

t test of c'b. With t_j = c'M F_j Theta_j F_j' M c and b_j = X_j'F_j'M c (p,), the robust variance is a
quadratic form whose matrix has the elements Omega_ij = [i = j] t_i - b_i'M b_j under the working model, so

    E = tr Omega,      df = (tr Omega)^2 / tr Omega^2             (Satterthwaite, Bell-McCaffrey)

in units of s2; both traces are sums over clusters.

References: Liang & Zeger (1986), Biometrika 73, 13-22; Bell & McCaffrey (2002), Survey Methodology 28,
169-181; Pustejovsky & Tipton (2018), J. Bus. Econ. Stat. 36, 672-683, equations 8 to 11 and theorem 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SINGULAR = 1e-10  # 1 - leverage of a direction that one cluster alone determines; rounding is about 1e-13
LONE = 1e-8  # share of a coefficient's model variance in such directions that is rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    (
        """What the clusters contribute.

    Attributes
    ----------
    s : ndarray, (J, p)
        F_j e_j.
    T : ndarray, (J, p, p)
        F_j Theta_j F_j'.
    B : ndarray, (J, p, p)
        F_j X_j.
    alone : ndarray, (J,) integers
        Number of directions of the coefficients that the cluster alone determines.
    lone : ndarray, (J, p, p)
        The part of M in these directions.
    """
        ""
    )

    s: np.ndarray
    T: np.ndarray
    B: np.ndarray
    alone: np.ndarray
    lone: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class Robust:
    """Robust covariance (p, p) of c'b, c the contrasts; df and share (p,).

    Both are NaN for a contrast that one cluster alone determines, at least in part. ``share`` is the robust
    variance expected under the working model over the model's variance: 1 for CR2, less for CR0.
    """

    covariance: np.ndarray
    df: np.ndarray
    share: np.ndarray


def _t(a: np.ndarray) -> np.ndarray:
    return np.swapaxes(a, -1, -2)


def directions_alone(N: np.ndarray, M: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of eigenvalues of M N_j that are one, (J,), and M's part there; N is (J, p, p)."""
    root = np.linalg.cholesky(M)
    leverage, vectors = np.linalg.eigh(root.T @ N @ root)
    one = 1.0 - leverage <= SINGULAR
    directions = root @ vectors * one[:, None, :]
    return one.sum(axis=-1), directions @ _t(directions)


def adjustment_cr2(X: np.ndarray, Theta: np.ndarray, M: np.ndarray, alone: np.ndarray) -> np.ndarray:
    """Return A of CR2, (J, n, n), of clusters of n rows each: X (J, n, p), Theta (J, n, n), alone (J,)."""
    L = np.linalg.cholesky(Theta)
    values, vectors = np.linalg.eigh(_t(L) @ (Theta - X @ M @ _t(X)) @ L)
    # Eigenvalues ascend: the cluster's own directions are the first, and only rounding keeps them from zero.
    own = np.arange(values.shape[-1]) < alone[:, None]
    power = np.where(own, 0.0, 1.0 / np.sqrt(np.where(own, 1.0, values)))
    half = L @ vectors
    return (half * power[:, None, :]) @ _t(half)


def cluster_scores(X: np.ndarray, Theta: np.ndarray, e: np.ndarray, *, M: np.ndarray, kind: str) -> Scores:
    """Return the contributions of clusters with the same number of rows.

    Parameters
    ----------
    X : ndarray, (J, n, p)
    Theta : ndarray, (J, n, n)
        Covariance matrices relative to the residual variance.
    e : ndarray, (J, n)
    M : ndarray, (p, p)
        Inverse of the sum of X'Theta^-1 X over all clusters.
    kind : {"CR0", "CR1", "CR2", "CR3"}
        CR1's factor is not in the scores; see `sandwich`.
    """
    F = _t(np.linalg.solve(Theta, X))
    N = F @ X
    alone, lone = directions_alone(N, M)
    if kind == "CR2":
        F = F @ adjustment_cr2(X, Theta, M, alone)
    s = (F @ e[..., None])[..., 0]
    if kind == "CR2":
        return Scores(s=s, T=F @ Theta @ _t(F), B=F @ X, alone=alone, lone=lone)
    if kind == "CR3" and not alone.any():
        R = np.linalg.inv(np.eye(N.shape[-1]) - N @ M)
        return Scores(s=(R @ s[..., None])[..., 0], T=R @ N @ _t(R), B=R @ N, alone=alone, lone=lone)
    return Scores(s=s, T=N, B=N, alone=alone, lone=lone)


def sandwich(scores: Scores, *, M: np.ndarray, contrasts: np.ndarray, kind: str) -> Robust:
    """Return the robust covariance of the contrasts, (k, p), of the coefficients, and their df.

    >>> one = np.ones((4, 1, 1))  # four rows, each a cluster; a mean with variance 5 / 16
    >>> e = np.array([[-1.5], [-0.5], [0.5], [1.5]])
    >>> scores = cluster_scores(one, one, e, M=np.full((1, 1), 0.25), kind="CR0")
    >>> found = sandwich(scores, M=np.full((1, 1), 0.25), contrasts=np.eye(1), kind="CR0")
    >>> float(found.covariance[0, 0]), round(float(found.df[0]), 9)
    (0.3125, 3.0)
    """
    factor = len(scores.s) / (len(scores.s) - 1.0) if kind == "CR1" else 1.0
    half = contrasts @ M
    projected = scores.s @ half.T
    t = np.einsum("kp,jpq,kq->jk", half, scores.T, half)
    b = half @ scores.B  # b_j as rows, (J, k, p)
    Mb = b @ M
    own = np.sum(b * Mb, axis=-1)
    pooled = np.einsum("jkp,jkq->kpq", b, Mb)
    expected = t.sum(axis=0) - own.sum(axis=0)
    spread = np.sum(t * (t - 2.0 * own), axis=0) + np.sum(pooled * _t(pooled), axis=(-1, -2))
    model = np.einsum("kp,kp->k", half, contrasts)
    lone = np.einsum("kp,pq,kq->k", contrasts, scores.lone.sum(axis=0), contrasts) > LONE * model
    covariance = factor * projected.T @ projected
    covariance[lone], covariance[:, lone] = np.nan, np.nan
    df = np.full(len(model), np.nan)
    df[~lone] = expected[~lone] ** 2 / spread[~lone]
    return Robust(covariance=covariance, df=df, share=factor * expected / model)
