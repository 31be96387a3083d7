"""Where Newton's method starts: one step of Fisher scoring in the variances themselves.

V is linear in gamma = (s2 g, s2), so its expected information needs first and second derivatives of
h = log|V| + log|X'V^-1X| only. With A = -h_rs, c = h_r (both at s2 = 1) and P as in REML, the rows of

    tr(P V_i P V_j):    A                 c - A g                      y'P V_i P y:   -rss_r
                        (c - A g)'        nu - 2 g'c + g'A g                           rss + g'rss_r

are solved for gamma, and g = gamma_r / gamma_0. This is MIVQUE with the start as its guess: in balanced data
the answer does not depend on the guess and is the optimum, elsewhere it is close. Directions with a negative
variance are set to zero, which is where the optimum then usually lies; `boundary` judges that.
Reference: Searle, Casella & McCulloch (1992), Variance Components, chapter 11.
"""

from __future__ import annotations

import numpy as np

from implstats.mixed.gaussian.covariance import semidefinite_factor
from implstats.mixed.gaussian.criterion import Evaluation, Problem

LARGEST = 1e4  # relative variance: a start beyond it is not trusted
TINY = 1e-4  # relative variance below which a start is zero


def scored(at: Evaluation, problem: Problem) -> np.ndarray | None:
    """Return theta after one step of Fisher scoring from an evaluation, or None where it leads nowhere."""
    shape, g = problem.shape, at.g
    if sum(len(level.entries[0]) for level in shape.levels) != shape.size:
        return None  # parameters of another kind, in which V is not linear
    c, A = _information(at, problem)
    across = c - A @ g
    R = len(g)
    M = np.empty((R + 1, R + 1))
    M[:R, :R] = A
    M[:R, R] = M[R, :R] = across
    M[R, R] = at.nu - g @ (c + across)
    quadratic = np.append(-at.rss_slope, at.rss + g @ at.rss_slope)
    try:
        gamma = np.linalg.solve(M, quadratic)
    except np.linalg.LinAlgError:
        return None
    if not gamma[R] > 0.0:
        return None
    found = gamma[:R] / gamma[R]
    if not np.abs(found).max() < LARGEST:
        return None
    if all(level.q == 1 for level in shape.levels):
        return np.sqrt(np.where(found < TINY, 0.0, found))
    return shape.pack(
        [_factor(G, level.blocks) for G, level in zip(shape.matrices(found), shape.levels, strict=True)]
    )


def _information(at: Evaluation, problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Return h_r, (R,), and -h_rs, (R, R); under ML h is log|V| alone."""
    p, (r, s) = len(at.beta), problem.shape.pairs
    slope, bend = at.parts.logdet.first, at.parts.logdet.second
    R = len(slope)
    A = np.zeros((R, R))
    if problem.reml:
        CN = at.C @ at.parts.N.first[:, :p, :p]
        slope = slope + CN.trace(axis1=1, axis2=2)
        bend = bend + at.parts.N.second[:, :p, :p].reshape(len(r), -1) @ at.C.reshape(-1)
        A += CN.reshape(R, -1) @ CN.swapaxes(1, 2).reshape(R, -1).T
    full = np.empty((R, R))
    full[r, s] = full[s, r] = bend
    return slope, A - full


def _factor(G: np.ndarray, blocks: tuple[tuple[int, ...], ...]) -> np.ndarray:
    """Return Lambda of the nearest positive semidefinite matrix, block by block."""
    out = np.zeros_like(G)
    for block in blocks:
        own = np.ix_(block, block)
        w, U = np.linalg.eigh(G[own])
        kept = np.where(w < TINY, 0.0, w)
        out[own] = semidefinite_factor((U * kept) @ U.T)
    return out
