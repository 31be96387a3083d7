"""Conditional variances of crossed random effects, where no cluster lies on a single path.

All effects are taken together: u (Q,), Q the number of clusters times effects, G their covariance relative to
s2, block diagonal. With Z'Z (Q, Q) from the data, the quantities of `paths` are

    K = (I + G Z'Z)^-1 G        Var(u | y, b) = s2 K
    D = K Z'X                   C = (X'X - X'Z K Z'X)^-1

which is Henderson's system solved in G, so that variances of zero do no harm. It costs Q^3 whatever the
number of rows; models of more than ``MOST`` effects are refused.
Reference: Henderson (1975), Biometrics 31, 423-447.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from implstats.errors import NotSupportedError
from implstats.mixed.after.linear import plain_residuals
from implstats.mixed.fitted import Fitted

MOST = 2500


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Sums over the rows in the coordinates of the fit: ``ZZ`` (Q, Q), ``ZX`` (Q, p), ``XX`` (p, p).

    ``starts`` is the place of each level's first effect; cluster c of level l has ``q[l]`` from
    ``starts[l] + c q[l]`` on. ``sizes`` counts clusters.
    """

    ZZ: np.ndarray
    ZX: np.ndarray
    XX: np.ndarray
    starts: tuple[int, ...]
    sizes: tuple[int, ...]
    q: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Joint:
    """K (Q, Q), D (Q, p) and C (p, p) of all random effects together, and their places."""

    K: np.ndarray
    D: np.ndarray
    C: np.ndarray
    starts: tuple[int, ...]
    sizes: tuple[int, ...]
    q: tuple[int, ...]

    def places(self, level: int, codes: np.ndarray) -> np.ndarray:
        """Return the places of the effects of clusters of a level, (n, q)."""
        q = self.q[level]
        return self.starts[level] + codes[:, None] * q + np.arange(q)

    def own(self, level: int) -> tuple[np.ndarray, np.ndarray]:
        """Return K (n_l, q, q) and D (n_l, q, p) of each cluster of a level."""
        at = self.places(level, np.arange(self.sizes[level]))
        return self.K[at[:, :, None], at[:, None, :]], self.D[at]


def joint_moments(model: Fitted) -> Moments:
    """Return the sums over rows.

    Raises
    ------
    NotSupportedError
        Too many random effects, or a residual structure.
    """
    plain_residuals(model, "A standard deviation of a random effect or of a conditional prediction")
    levels, scaled = model.design.levels, model.scaled
    q = tuple(len(level.names) for level in levels)
    sizes = tuple(level.clusters.size for level in levels)
    ends = np.cumsum([0, *(a * b for a, b in zip(q, sizes, strict=True))])
    Q = int(ends[-1])
    if Q > MOST:
        raise NotSupportedError(
            f"The crossed levels have {Q} random effects; their standard deviations, and intervals with "
            f"them, are computed for at most {MOST}. `result.conditional_modes` has the modes themselves."
        )
    columns = [
        (int(start) + level.clusters.codes * n + k, z[:, k])
        for level, z, n, start in zip(levels, scaled.Z, q, ends, strict=False)
        for k in range(n)
    ]
    ZZ, ZX = np.zeros((Q, Q)), np.zeros((Q, scaled.Q.shape[1]))
    for i, (at, z) in enumerate(columns):
        for j in range(scaled.Q.shape[1]):
            ZX[:, j] += np.bincount(at, weights=z * scaled.Q[:, j], minlength=Q)
        for other, w in columns[: i + 1]:
            part = np.bincount(at * Q + other, weights=z * w, minlength=Q * Q).reshape(Q, Q)
            ZZ += part if other is at else part + part.T
    return Moments(
        ZZ=ZZ, ZX=ZX, XX=scaled.Q.T @ scaled.Q, starts=tuple(int(e) for e in ends[:-1]), sizes=sizes, q=q
    )


def joint(moments: Moments, G: Sequence[np.ndarray]) -> Joint:
    """Return the conditional variances at G, one matrix (q_l, q_l) a level."""
    full = np.zeros_like(moments.ZZ)
    for g, start, size in zip(G, moments.starts, moments.sizes, strict=True):
        end = start + size * len(g)
        full[start:end, start:end] = np.kron(np.eye(size), g)
    K = np.linalg.solve(np.eye(len(full)) + full @ moments.ZZ, full)
    K = 0.5 * (K + K.T)
    D = K @ moments.ZX
    C = np.linalg.inv(moments.XX - moments.ZX.T @ D)
    return Joint(K=K, D=D, C=0.5 * (C + C.T), starts=moments.starts, sizes=moments.sizes, q=moments.q)
