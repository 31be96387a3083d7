"""Responses drawn from a fit: y = X b + sum_l Z_l u_l + e, u_l ~ N(0, Psi_l), e_i ~ N(0, s2 / w_i)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from implstats.mixed.design.build import Design
from implstats.mixed.gaussian.covariance import semidefinite_factor
from implstats.mixed.resampling.records import Refits


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is drawn from: mean (n,), covariance matrices Psi_l (q_l, q_l) lowest level first, s2."""

    mean: np.ndarray
    covariances: tuple[np.ndarray, ...]
    sigma2: float


def truth_of(design: Design, kept: Sequence[int], refits: Refits, row: int) -> Truth:
    """Return one refit's estimates as a truth to draw from."""
    flat = iter(refits.covariances[row])
    matrices = []
    for part in design.levels:
        matrix = np.zeros((len(part.names),) * 2)
        for block in part.blocks:
            for i, one in enumerate(block):
                for other in block[: i + 1]:
                    matrix[one, other] = matrix[other, one] = next(flat)
        matrices.append(matrix)
    mean = design.X[:, list(kept)] @ refits.beta[row]
    return Truth(mean=mean, covariances=tuple(matrices), sigma2=float(refits.sigma2[row]))


def draw_responses(design: Design, truth: Truth, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Return responses, (n, draws)."""
    e = rng.standard_normal((len(design.y), draws))
    e *= np.sqrt(truth.sigma2)
    if design.weights is not None:
        e /= np.sqrt(design.weights)[:, None]
    Y = truth.mean[:, None] + e
    for part, Psi in zip(design.levels, truth.covariances, strict=True):
        factor = semidefinite_factor(Psi)
        u = rng.standard_normal((len(Psi), part.clusters.size, draws))
        effects = np.tensordot(factor, u, axes=1)
        for k in range(len(Psi)):
            z = part.Z[:, k]
            here = effects[k][part.clusters.codes]
            Y += here if np.all(z == 1.0) else z[:, None] * here
    return Y
