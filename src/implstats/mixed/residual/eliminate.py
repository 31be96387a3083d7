"""log|V| and [X, y]'V^-1[X, y] with a residual structure: the person first, then the levels above.

For each pattern V = Z G Z' + R(psi), with derivatives V_r and V_rs in the person's parameters (g, psi):

    W = V^-1,   W_r = -W V_r W,   W_rs = W V_r W V_s W + W V_s W V_r W - W V_rs W
    log|V|_r = tr(W V_r),         log|V|_rs = tr(W V_rs) - tr(W V_r W V_s)

A wave that a pattern lacks has a one on V's diagonal and zero rows in the data, so it adds nothing. Sums over
persons are made beforehand (`patterns`); the levels above go as in `gaussian.eliminate`. With
``linear=True`` the second derivatives V_rs are left out: V is then taken as linear at this point, which is
what Kenward and Roger's formulas without second derivatives ask for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from implstats.mixed.gaussian.eliminate import Eliminated, eliminate_above
from implstats.mixed.gaussian.pool import Moments
from implstats.mixed.residual.shape import ResidualShape


@dataclass(frozen=True, slots=True, kw_only=True)
class Patterns:
    """Distinct patterns: ``present`` (patterns, W) of bool and ``Z`` (patterns, W, q)."""

    present: np.ndarray
    Z: np.ndarray


def pattern_covariance(
    patterns: Patterns, shape: ResidualShape, G: np.ndarray, psi: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return V (patterns, W, W), V_r (patterns, own, W, W) and the residual's V_rs (patterns, S, S, W, W)."""
    R, R1, R2 = shape.structure.matrix(psi)
    both = patterns.present[:, :, None] & patterns.present[:, None, :]
    Z = patterns.Z
    absent = np.eye(R.shape[0]) * ~patterns.present[:, None, :]
    V = Z @ G @ np.swapaxes(Z, 1, 2) + both * R + absent
    random = np.einsum("kai,rij,kbj->krab", Z, shape.levels[0].basis, Z)
    first = np.concatenate([random, both[:, None] * R1], axis=1)
    return V, first, both[:, None, None] * R2


def eliminate_residual(
    moments: Moments, patterns: Patterns, shape: ResidualShape, G: list[np.ndarray], psi: np.ndarray, *,
    linear: bool = False,
) -> Eliminated:  # fmt: skip
    """Return log|V| and [X, y]'V^-1[X, y] at (G, psi) with first and second derivatives.

    ``K[0]`` of the result is -W of each pattern, (patterns, W, W).
    """
    logdet, packed, minus_w = _persons(moments, patterns, shape, G[0], psi, linear=linear)
    return eliminate_above(moments, shape, G, logdet, packed, minus_w)


def _persons(
    moments: Moments, patterns: Patterns, shape: ResidualShape, G: np.ndarray, psi: np.ndarray, *,
    linear: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Return log|V|, (jets,), and -W's lower triangles, (jets, patterns, tri), with derivatives, and -W."""
    V, V1, V2 = pattern_covariance(patterns, shape, G, psi)
    own = V1.shape[1]
    r, s = (index[: own * (own + 1) // 2] for index in shape.pairs)
    W = np.linalg.inv(V)
    WV = W[:, None] @ V1
    W1 = -WV @ W[:, None]
    half = -WV[:, r] @ W1[:, s]
    W2 = half + np.swapaxes(half, -1, -2)
    log2 = -np.sum(WV[:, r] * np.swapaxes(WV[:, s], -1, -2), axis=(-1, -2))
    if not (linear or shape.structure.linear):
        curved = np.flatnonzero(r >= shape.residual.start)
        a, b = r[curved] - shape.residual.start, s[curved] - shape.residual.start
        WVrs = W[:, None] @ V2[:, a, b]
        W2[:, curved] -= WVrs @ W[:, None]
        log2[:, curved] += np.trace(WVrs, axis1=-2, axis2=-1)
    count = moments.count
    log0 = count @ np.linalg.slogdet(V)[1]
    log1 = count @ np.trace(WV, axis1=-2, axis2=-1)
    rows, cols = np.tril_indices(V.shape[-1])
    packed = -np.concatenate([W[:, None], W1, W2], axis=1)[:, :, rows, cols].transpose(1, 0, 2)
    return np.concatenate([[log0], log1, count @ log2]), packed, -W
