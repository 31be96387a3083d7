"""What the data say of each cluster's random effects: modes, their spread, and what b's uncertainty adds.

With s2, G and b known, the effects of a cluster given those of the clusters above it are, with K and B of the
elimination (`gaussian.eliminate`; B_k: columns of the level k above),

    u = K (B_y - B_X b - sum_k B_k u_k) + N(0, s2 K)

so, from the top level down, the joint covariance of a path (a cluster and those that hold it) is

    J_top = K           J_l = [ K + H J H'   -H J ]      H = K [B_k]_k,  J that of the path above
                              [ -J H'           J ]

and s2 J is Var(u | y) with b known. An estimate of b moves the modes by -D (b - b*), where D obeys the same
recursion with B_X in place of B_y, D = K (B_X - sum_k B_k D_k). Hence, C being (X'V^-1X)^-1,

    Var(u_hat - u) = s2 (J + D C D')                                    (Henderson 1975: the full equations)
    Var(x'b_hat + z'u_hat - x'b - z'u) = s2 (z'J z + (x - D'z)'C (x - D'z))

All of it is exact given the variances, and costs a few small products a cluster: no matrix of the size of the
data exists. Everything here is in the coordinates of the fit.
References: Henderson (1975), Biometrics 31, 423-447; Robinson (1991), Statistical Science 6, 15-32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from implstats.mixed.gaussian.reduce import ClusterSums, sum_by


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """Random effects along each path from a cluster up; Q_l = q_l + ... + q_L.

    Attributes
    ----------
    modes : tuple of ndarray, (n_l, Q_l)
        Own effects first, then those of the clusters above, lowest first.
    J : tuple of ndarray, (n_l, Q_l, Q_l)
        Covariance given y and b, in residual variances.
    D : tuple of ndarray, (n_l, Q_l, p)
        Minus the derivative of the modes in b.
    beta : ndarray, (p,)
    C : ndarray, (p, p)
        (X'V^-1X)^-1.
    """

    modes: tuple[np.ndarray, ...]
    J: tuple[np.ndarray, ...]
    D: tuple[np.ndarray, ...]
    beta: np.ndarray
    C: np.ndarray

    def own(self, level: int) -> tuple[np.ndarray, np.ndarray]:
        """Return J (n_l, q, q) and D (n_l, q, p) of each cluster of a level itself."""
        above = self.J[level + 1].shape[1] if level + 1 < len(self.J) else 0
        q = self.J[level].shape[1] - above
        return self.J[level][:, :q, :q], self.D[level][:, :q]


def paths(sums: ClusterSums, parents: Sequence[Sequence[np.ndarray]], G: Sequence[np.ndarray]) -> Paths:
    """Return the paths of nested levels.

    Parameters
    ----------
    sums : ClusterSums
    parents : sequence of sequences of ndarray
        Cluster numbers at the levels above, as `clusters.ancestors`.
    G : sequence of ndarray, (q_l, q_l)
        Relative covariance of each level; any symmetric matrix for which I + G S can be inverted.
    """
    K, B, N = eliminated(sums, parents, G)
    p = len(N) - 1
    C = np.linalg.inv(N[:p, :p])
    C = 0.5 * (C + C.T)
    beta = C @ N[:p, p]
    right = np.column_stack([np.eye(p + 1)[:, :p], np.append(-beta, 1.0)])
    J: list[np.ndarray] = []
    both: list[np.ndarray] = []  # D and the modes side by side, (n_l, Q_l, p + 1)
    for level in reversed(range(len(K))):
        k, b = K[level], B[level]
        own = k @ (b[:, :, -(p + 1) :] @ right)
        if level == len(K) - 1:
            J.append(k)
            both.append(own)
            continue
        parent = parents[level][0]
        up, above = J[-1][parent], both[-1][parent]
        H = k @ b[:, :, : -(p + 1)]
        HJ = H @ up
        top = np.concatenate([k + HJ @ _t(H), -HJ], axis=2)
        J.append(np.concatenate([top, np.concatenate([-_t(HJ), up], axis=2)], axis=1))
        both.append(np.concatenate([own - H @ above, above], axis=1))
    both.reverse()
    return Paths(
        modes=tuple(part[:, :, p] for part in both), J=tuple(reversed(J)),
        D=tuple(part[:, :, :p] for part in both), beta=beta, C=C,
    )  # fmt: skip


def eliminated(
    sums: ClusterSums, parents: Sequence[Sequence[np.ndarray]], G: Sequence[np.ndarray]
) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """Return K (n_l, q_l, q_l) and B (n_l, q_l, m) of each level, and [X, y]'V^-1[X, y]; lowest level first.

    B holds the columns of the levels above, lowest first, then X and y, after the levels below are taken out.
    """
    N, upper = sums.XX.copy(), [A.copy() for A in sums.upper]
    p1 = len(N)
    K, B = [], []
    for level, g in enumerate(G):
        q = len(g)
        S, b = (sums.ZZ, sums.ZW) if level == 0 else (upper[level - 1][:, :, :q], upper[level - 1][:, :, q:])
        k = np.linalg.solve(np.eye(q) + g @ S, np.broadcast_to(g, S.shape))
        k = 0.5 * (k + _t(k))
        kb = k @ b
        N = N - np.tensordot(b[:, :, -p1:], kb[:, :, -p1:], axes=([0, 1], [0, 1]))
        start = 0
        for above in range(level + 1, len(G)):
            width = len(G[above])
            part = _t(b[:, :, start : start + width]) @ kb[:, :, start:]
            size = len(upper[above - 1])
            total = sum_by(parents[level][above - level - 1], part.reshape(len(part), -1), size=size)
            upper[above - 1] = upper[above - 1] - total.reshape(upper[above - 1].shape)
            start += width
        K.append(k)
        B.append(b)
    return K, B, N


def _t(a: np.ndarray) -> np.ndarray:
    return np.swapaxes(a, -1, -2)


def error_variance(J: np.ndarray, D: np.ndarray, C: np.ndarray) -> np.ndarray:
    """Return J + D C D', the covariance of u_hat - u, stacked, in residual variances."""
    return J + D @ C @ _t(D)


def prediction_error(x: np.ndarray, z: np.ndarray, J: np.ndarray, D: np.ndarray, C: np.ndarray) -> np.ndarray:
    """Return the error variance of x'b + z'u in residual variances, (n,).

    Parameters
    ----------
    x, z : ndarray, (n, p), (n, Q)
    J, D : ndarray, (n, Q, Q), (n, Q, p)
        Of each row's path.
    C : ndarray, (p, p)
    """
    rest = x - np.einsum("iq,iqp->ip", z, D)
    own = np.einsum("iq,iqr,ir->i", z, J, z)
    return own + np.einsum("ip,pq,iq->i", rest, C, rest)
