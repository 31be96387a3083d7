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

from implstats.mixed.gaussian.eliminate import (
    Eliminated,
    Jet,
    _subtract_cells,
    _subtract_pooled,
    _upper,
    lower_triangle,
)
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
    R, T, p1 = shape.size, len(shape.pairs[0]), moments.p + 1
    logdet = Jet(np.zeros(()), np.zeros(R), np.zeros(T))
    N = Jet(moments.XX.copy(), np.zeros((R, p1, p1)), np.zeros((T, p1, p1)))
    upper = [
        Jet(A, np.zeros((len(A), R, *A.shape[1:])), np.zeros((len(A), T, *A.shape[1:])))
        for A in moments.upper
    ]
    factors = [_persons(moments, patterns, shape, G[0], psi, logdet, N, upper, linear=linear)]
    for k in range(len(upper)):
        factors.append(_upper(moments, shape, k, G[k + 1], logdet, N, upper))
    return Eliminated(logdet=logdet, N=N, K=tuple(factors), A=tuple(jet.value for jet in upper))


def _persons(
    moments: Moments, patterns: Patterns, shape: ResidualShape, G: np.ndarray, psi: np.ndarray, logdet: Jet,
    N: Jet, upper: list[Jet], *, linear: bool,
) -> np.ndarray:  # fmt: skip
    """Add the persons' part of everything; return -W, (patterns, W, W)."""
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
    logdet.value = logdet.value + moments.count @ np.linalg.slogdet(V)[1]
    logdet.first[:own] += moments.count @ np.trace(WV, axis1=-2, axis2=-1)
    logdet.second[: len(r)] += moments.count @ log2
    low = lower_triangle(V.shape[-1])
    packed = -np.concatenate([W[:, None], W1, W2], axis=1)[:, :, low[0], low[1]]
    _subtract_pooled(moments, packed, own, N)
    for cells, jet in zip(moments.cells, upper, strict=True):
        _subtract_cells(cells, packed, own, jet)
    return -W
