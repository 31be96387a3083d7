"""Responses made of a fit's own effects and residuals: the residual bootstrap.

The conditional modes u of each level and the residuals e are centred and reflated, since shrinkage makes them
less spread than the fitted covariances say, then drawn with replacement, each level for itself:

    U* = U S^(-1/2) Psi^(1/2),   S = U'U / n_l       so that the empirical covariance of U* is Psi

Skewness and outliers of the effects survive; what is assumed is that effects are alike over clusters.
Reference: Carpenter, Goldstein & Rasbash (2003), Appl. Stat. 52, 431-443.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from implstats.mixed.design.build import Design
from implstats.mixed.resampling.simulate import Truth

ZERO = 1e-12  # share of the largest eigenvalue below which a direction has no spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Pools:
    """What is drawn from: effects of each level, (n_l, q_l), and residuals times root weights, (n,)."""

    effects: tuple[np.ndarray, ...]
    residuals: np.ndarray


def reflated(U: np.ndarray, Psi: np.ndarray) -> np.ndarray:
    """Return U, (n, q), centred and stretched to the covariance Psi, (q, q).

    >>> U = reflated(np.array([[1.0], [2.0], [6.0]]), np.eye(1))
    >>> float(U.mean().round(12)), float((U**2).mean().round(12))
    (0.0, 1.0)
    """
    centred = U - U.mean(axis=0)
    w, V = np.linalg.eigh(centred.T @ centred / len(U))
    spread = w > ZERO * max(w[-1], np.finfo(float).tiny)
    inverse_root = (V[:, spread] / np.sqrt(w[spread])) @ V[:, spread].T
    w, V = np.linalg.eigh(Psi)
    return np.asarray(centred @ inverse_root @ ((V * np.sqrt(np.maximum(w, 0.0))) @ V.T))


def pools(design: Design, truth: Truth, modes: Sequence[np.ndarray]) -> Pools:
    """Return the reflated effects and residuals of a fit; modes are (n_l, q_l), lowest level first."""
    e = design.y - truth.mean
    for part, u in zip(design.levels, modes, strict=True):
        e = e - np.sum(part.Z * u[part.clusters.codes], axis=1)
    if design.weights is not None:
        e = e * np.sqrt(design.weights)
    return Pools(
        effects=tuple(reflated(u, Psi) for u, Psi in zip(modes, truth.covariances, strict=True)),
        residuals=reflated(e[:, None], np.array([[truth.sigma2]]))[:, 0],
    )


def draw_from(design: Design, truth: Truth, pool: Pools, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Return responses, (n, draws)."""
    n = len(design.y)
    e = pool.residuals[rng.integers(0, n, size=(n, draws))]
    if design.weights is not None:
        e = e / np.sqrt(design.weights)[:, None]
    Y = truth.mean[:, None] + e
    for part, U in zip(design.levels, pool.effects, strict=True):
        picked = rng.integers(0, len(U), size=(len(U), draws))[part.clusters.codes]
        for k in range(U.shape[1]):
            Y += part.Z[:, [k]] * U[picked, k]
    return Y
