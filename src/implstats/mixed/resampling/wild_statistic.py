"""The studentised statistic of a wild cluster bootstrap, as matrices of the size of the clusters.

Clusters j = 1..J with rows X_j, working covariance s2 Theta_j (W_j its inverse; the identity for OLS),
C = (sum X_j'W_jX_j)^-1, estimate b, contrast h (p,), null h'b = r, delta = h'b - r. Restricted estimate
and residuals, and a bootstrap sample with a weight g_j a cluster:

    b~ = b - C h delta / h'Ch,     e~_j = y_j - X_j b~,     y*_j = X_j b~ + g_j e~_j

Then with scores s_j = X_j'W_j e~_j, f_j = F_j e~_j, B_j = F_j X_j (F_j of CR1 or CR2, see `inference.robust`)

    h'(b* - b~) = sum_j g_j u_j,              u_j = h'C s_j
    h'C F_j e*_j = g_j v_j - sum_k L_jk g_k,   v_j = h'C f_j,  L_jk = h'C B_j C s_k
    t* = h'(b* - b~) / sqrt(sum_j (h'C F_j e*_j)^2)

u, v and L are linear in delta, so all draws, for any null, are products of (draws, J) and (J, J) matrices; no
row is touched. Multiplying all scores by one number (CR1) changes t and t* alike.

References: Cameron, Gelbach & Miller (2008), Rev. Econ. Stat. 90, 414-427; MacKinnon, Nielsen & Webb (2023),
J. Econometrics 232, 272-299; Pustejovsky & Tipton (2018), J. Bus. Econ. Stat. 36, 672-683.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from implstats.mixed.inference.robust import Scores

TIE = 1e-9  # share of |t| by which equal statistics may differ through rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class WildMatrices:
    """u (2, J), v (2, J), L (2, J, J): at delta = 0, and slopes; observed ``variance`` and ``delta``."""

    u: np.ndarray
    v: np.ndarray
    L: np.ndarray
    variance: float
    delta: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Draws for any null: numerator n0 + n1 delta and squared denominator q0 + 2 q1 delta + q2 delta^2."""

    n0: np.ndarray
    n1: np.ndarray
    q0: np.ndarray
    q1: np.ndarray
    q2: np.ndarray

    def squares(self, delta: float) -> np.ndarray:
        """Return t*^2 of each draw where the estimate lies ``delta`` above the null."""
        spread = self.q0 + 2.0 * self.q1 * delta + self.q2 * delta**2
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(spread > 0.0, (self.n0 + self.n1 * delta) ** 2 / spread, np.inf))


def wild_matrices(
    plain: Scores, adjusted: Scores, *, C: np.ndarray, h: np.ndarray, delta: float
) -> WildMatrices:
    """Return what all draws share.

    Parameters
    ----------
    plain, adjusted : Scores
        Of the unrestricted residuals: without adjustment (CR0), and with that of the statistic.
    C : ndarray, (p, p)
    h : ndarray, (p,)
    delta : float
        Estimate less null.
    """
    Ch = C @ h
    toward = Ch / (h @ Ch)  # b - b~ for delta = 1
    s = np.stack([plain.s, plain.B @ toward])
    f = np.stack([adjusted.s, adjusted.B @ toward])
    hB = np.einsum("p,jpq->jq", Ch, adjusted.B) @ C
    scores = adjusted.s @ Ch
    return WildMatrices(
        u=s @ Ch, v=f @ Ch, L=np.einsum("jq,dkq->djk", hB, s), variance=float(scores @ scores), delta=delta
    )


def drawn(matrices: WildMatrices, g: np.ndarray) -> Drawn:
    """Return the draws of weights g, (draws, J)."""
    n0, n1 = g @ matrices.u[0], g @ matrices.u[1]
    one, slope = (g * matrices.v[d] - g @ matrices.L[d].T for d in (0, 1))
    return Drawn(
        n0=n0, n1=n1, q0=np.einsum("bj,bj->b", one, one), q1=np.einsum("bj,bj->b", one, slope),
        q2=np.einsum("bj,bj->b", slope, slope),
    )  # fmt: skip


def join_drawn(parts: list[Drawn]) -> Drawn:
    """Return several sets of draws as one."""
    return Drawn(
        **{
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in Drawn.__dataclass_fields__
        }
    )


def reaching(found: Drawn, *, delta: float, variance: float, imposed: bool) -> int:
    """Return how many draws reach the observed |t| when the estimate lies ``delta`` above the null."""
    observed = delta**2 / variance
    squares = found.squares(delta if imposed else 0.0)
    return int(np.sum(squares >= observed * (1.0 - 2.0 * TIE)))
