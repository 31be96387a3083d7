"""Elimination of the lowest level, where S = Z'Z is data and only G moves.

    P = (I + G S)^-1,   H = S P (symmetric),   K = P G,   C_rs = -(G_r H G_s + G_s H G_r)
    K_r = P G_r P'                             log|I + G S|_r  = tr(H G_r)
    K_rs = P C_rs P'                           log|I + G S|_rs = tr(H C_rs) / 2

Symmetric matrices are kept as lower triangles, v(.): v(P C P') = W v(C), W (tri, tri) a pattern, and C_rs is
linear in H, so a pattern costs two small products. With one effect all of it is a number a pattern.
"""

from __future__ import annotations

import numpy as np

from implstats.mixed.gaussian.covariance import CovarianceShape, LevelShape
from implstats.mixed.gaussian.pool import Moments

ADJUGATE, SIGNS = np.array([3, 1, 2, 0]), np.array([1.0, -1.0, -1.0, 1.0])  # inverse of a 2 x 2 matrix


def eliminate_lowest(
    moments: Moments, shape: CovarianceShape, G: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return log|V| of this level, (jets,), v(K), (jets, patterns, tri), and K, (patterns, q, q)."""
    level = shape.levels[0]
    if level.q == 1:
        logdet, packed = _one_effect(moments, float(G[0, 0]))
        return logdet, packed, packed[0, :, :, None]
    logdet, packed = _several_effects(moments, level, G)
    rows, cols = level.triangle
    K = np.empty((packed.shape[1], level.q, level.q))
    K[:, rows, cols] = packed[0]
    K[:, cols, rows] = packed[0]
    return logdet, packed, K


def _one_effect(moments: Moments, g: float) -> tuple[np.ndarray, np.ndarray]:
    """Return log|I + gS| summed over clusters, (3,), and K, (3, patterns, 1), with derivatives."""
    S = moments.S[:, 0, 0]
    gS = g * S
    d = 1.0 / (1.0 + gS)
    K, logs = np.empty((3, len(S))), np.empty((3, len(S)))
    Sd = np.multiply(S, d, out=logs[1])
    np.log1p(gS, out=logs[0])
    np.multiply(Sd, -Sd, out=logs[2])
    np.multiply(d, g, out=K[0])
    square = np.multiply(d, d, out=K[1])
    np.multiply(-2.0 * square, Sd, out=K[2])
    return logs @ moments.count, K[:, :, None]


def _several_effects(moments: Moments, level: LevelShape, G: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return log|I + GS| summed over clusters, (jets,), and v(K), (jets, patterns, tri), with derivatives."""
    S = moments.S
    rows, cols = level.triangle
    q, tri, place = level.q, len(rows), level.place
    P, ld = _inverse(level.unit + G @ S)
    flat, lower = P.reshape(len(S), -1), rows * q + cols
    H = (S @ P).reshape(len(S), -1).take(lower, axis=1)
    rr, cc, rc, cr = level.products
    W = flat.take(rr, axis=1) * flat.take(cc, axis=1)
    W += flat.take(rc, axis=1) * flat.take(cr, axis=1)
    W = W.reshape(len(S), tri, tri)
    W[:, :, level.diagonal] *= 0.5
    own, core = len(place), level.core
    T = core.shape[1]
    C = (H @ core.reshape(tri, -1)).reshape(len(S), T, tri)
    Hw = H * level.weight
    count = moments.count
    small = np.empty(1 + own + T)
    small[0] = count @ ld
    small[1 : own + 1] = (count @ Hw)[place]
    small[own + 1 :] = 0.5 * (level.core_by_pairs @ (H.T @ (Hw * count[:, None])).reshape(-1))
    packed = np.empty((1 + own + T, *H.shape))
    packed[0] = (P @ G).reshape(len(S), -1).take(lower, axis=1)
    packed[1 : own + 1] = W.take(place, axis=2).transpose(2, 0, 1)
    packed[own + 1 :] = (C @ W.swapaxes(1, 2)).transpose(1, 0, 2)
    return small, packed


def _inverse(M: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return inverses and log-determinants of stacked matrices with positive determinants."""
    if M.shape[-1] > 2:
        return np.linalg.inv(M), np.linalg.slogdet(M)[1]
    if M.shape[-1] == 1:
        return 1.0 / M, np.log(M[:, 0, 0])
    flat = M.reshape(len(M), 4)
    det = flat[:, 0] * flat[:, 3] - flat[:, 1] * flat[:, 2]
    P = flat.take(ADJUGATE, axis=1)
    P *= SIGNS / det[:, None]
    return P.reshape(M.shape), np.log(det)
