"""Scaled F tests of L b = r with several rows of L, for a Gaussian model.

Kenward and Roger. With Phi, P_i, W and Phi_A as in `df_kenward_roger`, q the rank of L, d = L b - r and
Theta = L'(L Phi L')^-1 L,

    A1 = sum_ij W_ij tr(Theta Phi P_i Phi) tr(Theta Phi P_j Phi)
    A2 = sum_ij W_ij tr(Theta Phi P_i Phi Theta Phi P_j Phi)
    B = (A1 + 6 A2) / 2q             g = ((q + 1) A1 - (q + 4) A2) / ((q + 2) A2)
    c1 = g / e      c2 = (q - g) / e      c3 = (q + 2 - g) / e      e = 3q + 2 (1 - g)
    E = 1 / (1 - A2/q)               V = (2/q) (1 + c1 B) / ((1 - c2 B)^2 (1 - c3 B))
    rho = V / 2E^2                   m = 4 + (q + 2) / (q rho - 1)           lambda = m / (E (m - 2))

and lambda d'(L Phi_A L')^-1 d / q is compared with F(q, m). For q = 1, lambda is 1 and m is that of the t
test. lambda is taken as 1 where m is within .01 of 2, as pbkrtest does: its formula has a pole there.

Satterthwaite (Fai and Cornelius). With P the eigenvectors of L C L' (C the covariance of b) and nu_k the df
of each contrast P_k'L, F = d'(L C L')^-1 d / q and

    E = sum over nu_k > 2 of nu_k / (nu_k - 2)        df = 2 E / (E - q)        (2 if any nu_k <= 2)

which depends a little on the scale of L's rows; nothing in theory prefers one (lmerTest has the same).

Cluster-robust (Pustejovsky and Tipton's AHT, with Zhang's df; `test = "HTZ"` of clubSandwich). Under the
working model let B_st[j, k] = [j = k] t_st,j - b_s,j'M b_t,k for contrasts that are scaled so that the
expectation of the robust covariance is the identity (symbols as in `robust`). Then

    eta = q (q + 1) / sum_st sum_jk (B_st[j,k] B_ts[j,k] + B_ss[j,k] B_tt[j,k])
    F = (eta - q + 1) / eta * d'(L V L')^-1 d / q      compared with F(q, eta - q + 1)

References: Kenward & Roger (1997), Biometrics 53, 983-997; Halekoh & Hoejsgaard (2014), J. Stat. Softw.
59(9); Fai & Cornelius (1996), J. Stat. Comput. Simul. 54, 363-378; Pustejovsky & Tipton (2018), J. Bus.
Econ. Stat. 36, 672-683; Zhang (2012), Comput. Stat. Data Anal. 56.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from implstats.mixed.inference.df_kenward_roger import KenwardRoger
from implstats.mixed.inference.robust import Scores

POLE = 0.01  # distance of m from 2 within which lambda is set to 1 (pbkrtest's choice)
ZERO_NUMERATOR = 1e-10  # of 1 + c1 B and of 1 - c2 B against 1 - A2/q: below, rounding of a true zero


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaledF:
    """``value`` = ``scale`` * d'Var^-1 d / q, to compare with F(q, ``df``); df NaN if there is none."""

    value: float
    scale: float
    df: float


def kenward_roger_f(parts: KenwardRoger, L: np.ndarray, d: np.ndarray) -> ScaledF:
    """Return Kenward and Roger's scaled F.

    Parameters
    ----------
    parts : KenwardRoger
    L : ndarray, (q, p)
        Of full row rank, in the coordinates of ``parts``.
    d : ndarray, (q,)
        L b - r.
    """
    q, Phi = len(L), parts.plain
    LPhi = L @ Phi
    root = np.linalg.inv(np.linalg.cholesky(LPhi @ L.T))
    half = root @ LPhi
    # tr(Theta Phi P_i Phi) is the trace of these small matrices, (R + 1, q, q).
    small = half @ parts.P @ half.T
    traces = np.trace(small, axis1=1, axis2=2)
    A1 = float(traces @ parts.W @ traces)
    A2 = float(np.sum(parts.W * np.einsum("iab,jba->ij", small, small)))
    scale, m = _kenward_roger_scale(A1, A2, q)
    plain = float(d @ np.linalg.solve(L @ parts.covariance @ L.T, d)) / q
    return ScaledF(value=scale * plain, scale=scale, df=m)


def _kenward_roger_scale(A1: float, A2: float, q: int) -> tuple[float, float]:
    """Return lambda and m."""
    B = (A1 + 6.0 * A2) / (2.0 * q)
    g = ((q + 1) * A1 - (q + 4) * A2) / ((q + 2) * A2)
    e = 3.0 * q + 2.0 * (1.0 - g)
    c1, c2, c3 = g / e, (q - g) / e, (q + 2 - g) / e
    top = 1.0 + c1 * B
    top = 0.0 if abs(top) < ZERO_NUMERATOR else top
    shrink, bottom = 1.0 - A2 / q, 1.0 - c2 * B
    # Both vanish together where the df are 2; their ratio is then 1.
    ratio = 1.0 if abs(shrink) < ZERO_NUMERATOR and abs(bottom) < ZERO_NUMERATOR else shrink / bottom
    rho = ratio**2 * top / (1.0 - c3 * B) / q
    m = 4.0 + (q + 2) / (q * rho - 1.0)
    return (1.0 if abs(m - 2.0) < POLE else m * shrink / (m - 2.0)), m


def pooled_df(nu: np.ndarray) -> float:
    """Return Fai and Cornelius' df of an F statistic from the df of its independent parts, (q,).

    >>> pooled_df(np.array([10.0, 10.0]))
    10.0
    """
    if np.ptp(nu) < 1e-8:
        return float(nu.mean())
    if np.any(nu <= 2.0):
        return 2.0
    E = float(np.sum(nu / (nu - 2.0)))
    return 2.0 * E / (E - len(nu))


def independent_contrasts(
    L: np.ndarray, covariance: np.ndarray, d: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return P'L, (k, p), whose estimates do not correlate, their variances (largest first) and P'd."""
    w, P = np.linalg.eigh(L @ covariance @ L.T)
    return (P.T @ L)[::-1], w[::-1], (P.T @ d)[::-1]


def hotelling_f(
    scores: Scores, *, M: np.ndarray, L: np.ndarray, d: np.ndarray, covariance: np.ndarray
) -> ScaledF:
    """Return the approximate Hotelling T^2 test with cluster-robust covariance, as an F.

    Parameters
    ----------
    scores : Scores
    M : ndarray, (p, p)
        As in `robust.sandwich`.
    L, d : ndarray, (q, p), (q,)
    covariance : ndarray, (q, q)
        Robust covariance of L b, in the squared units of d.
    """
    q, half = len(L), L @ M
    t = np.einsum("sp,jpr,ur->jsu", half, scores.T, half)
    b = np.einsum("sp,jpr->jsr", half, scores.B)
    inner = np.einsum("jsp,pr,jur->jsu", b, M, b)
    w, U = np.linalg.eigh(t.sum(axis=0) - inner.sum(axis=0))
    unit = (U / np.sqrt(w)) @ U.T
    t, inner = unit @ t @ unit, unit @ inner @ unit
    b = np.einsum("su,jur->jsr", unit, b)
    eta = q * (q + 1) / _total_variance(t, inner, b, M)
    df = eta - q + 1.0
    scale = max(df / eta, 0.0)
    return ScaledF(
        value=scale * float(d @ np.linalg.solve(covariance, d)) / q, scale=scale,
        df=df if df > 0.0 else float("nan"),
    )  # fmt: skip


def _total_variance(t: np.ndarray, inner: np.ndarray, b: np.ndarray, M: np.ndarray) -> float:
    """Return the sum over s, u and over pairs of clusters of B_su B_us + B_ss B_uu; t, inner (J, q, q)."""
    S = np.einsum("jsp,jur->supr", b, b) @ M  # sum_j b_s b_u' M, (q, q, p, p)
    crossed = np.sum(t * t) - 2.0 * np.sum(t * inner) + np.einsum("supr,surp->", S, S)
    own, cost = np.diagonal(t, axis1=1, axis2=2), np.diagonal(inner, axis1=1, axis2=2)
    total_t, total_c = own.sum(axis=1), cost.sum(axis=1)
    straight = np.sum(total_t**2) - 2.0 * np.sum(total_t * total_c) + np.einsum("supr,usrp->", S, S)
    return float(crossed + straight)
