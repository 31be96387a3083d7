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
    P, ld = _inverse(np.eye(level.q) + G @ S)
    H = (S @ P)[:, rows, cols]
    W = P[:, rows[:, None], rows] * P[:, cols[:, None], cols]
    W += (P[:, rows[:, None], cols] * P[:, cols[:, None], rows]) * (rows != cols)
    own = len(level.entries[0])
    core = level.core
    T = core.shape[1]
    C = H @ core.reshape(len(core), -1)
    weight = np.where(rows == cols, 1.0, 2.0)
    Hw = H * weight
    count = moments.count
    C = C.reshape(len(S), T, -1)
    second = 0.5 * ((C @ Hw[:, :, None])[:, :, 0])
    small = np.concatenate([[count @ ld], count @ Hw[:, level.place], count @ second])
    packed = np.empty((1 + own + T, *H.shape))
    packed[0] = (P @ G)[:, rows, cols]
    packed[1 : own + 1] = W[:, :, level.place].transpose(2, 0, 1)
    packed[own + 1 :] = (C @ W.swapaxes(1, 2)).transpose(1, 0, 2)
    return small, packed


def _inverse(M: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return inverses and log-determinants of stacked matrices with positive determinants."""
    if M.shape[-1] > 2:
        return np.linalg.inv(M), np.linalg.slogdet(M)[1]
    det = M[:, 0, 0] * M[:, 1, 1] - M[:, 0, 1] * M[:, 1, 0]
    P = np.empty_like(M)
    P[:, 0, 0], P[:, 1, 1] = M[:, 1, 1], M[:, 0, 0]
    P[:, 0, 1], P[:, 1, 0] = -M[:, 0, 1], -M[:, 1, 0]
    P /= det[:, None, None]
    return P, np.log(det)
