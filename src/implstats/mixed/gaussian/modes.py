"""Conditional modes of the random effects (best linear unbiased predictions), from the top level down.

With K and the moments of each level after the levels below it are eliminated, and rows B of a cluster:

    u = K (B_y - B_X b - sum over the levels above of B_k u_k)
Reference: Robinson (1991), Statistical Science 6, 15-32.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from implstats.mixed.gaussian.criterion import Evaluation


def conditional_modes(
    at: Evaluation, ZW: np.ndarray, pattern: np.ndarray, parents: Sequence[Sequence[np.ndarray]]
) -> list[np.ndarray]:
    """Return the modes of each level, (n_l, q_l), lowest level first, in the coordinates of the fit.

    Parameters
    ----------
    at : Evaluation
    ZW : ndarray, (n_1, q_1, m)
        Sums of the lowest level.
    pattern : ndarray, (n_1,)
        Pattern number of each lowest cluster.
    parents : sequence of sequences of ndarray
        Cluster numbers at the levels above, as `clusters.ancestors`.
    """
    p = len(at.beta)
    sizes = [len(G) for G in at.G]
    a = np.append(-at.beta, 1.0)
    modes: list[np.ndarray] = [np.empty(0)] * len(sizes)
    for level in reversed(range(len(sizes))):
        rows = ZW if level == 0 else at.parts.A[level - 1][:, :, sizes[level] :]
        rest = rows[:, :, -(p + 1) :] @ a
        start = 0
        for above in range(level + 1, len(sizes)):
            block = rows[:, :, start : start + sizes[above]]
            rest = rest - np.einsum("nij,nj->ni", block, modes[above][parents[level][above - level - 1]])
            start += sizes[above]
        K = at.parts.K[level][pattern] if level == 0 else at.parts.K[level]
        modes[level] = np.einsum("nij,nj->ni", K, rest)
    return modes
