"""Maximum likelihood of an unrestricted Sigma and mu from incomplete data.

EM: given Sigma and mu, a person's missing answers are replaced by their regression on the answers given,

    E_k = Sigma W_k (m_k - mu),     C_k = Sigma W_k S_k W_k Sigma + E_k E_k' + Sigma - Sigma W_k Sigma
    mu_new = mu + sum share_k E_k,  Sigma_new = sum share_k C_k - (mu_new - mu)(mu_new - mu)'

with W_k zero outside the pattern. Each step raises the likelihood (Dempster, Laird & Rubin 1977; Little &
Rubin 2002, chapter 11). Two steps and an extrapolation from them (Varadhan & Roland 2008) come near the
maximum; exact Newton in the distinct moments finishes, so that the stop is judged by gradient and curvature
and not by the size of EM's last step. These moments are the saturated model of chi-square and the
sample of SRMR.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from implstats.sem.data.patterns import Patterns
from implstats.sem.estimators.incomplete import (
    State,
    evaluate_moments,
    gradient_weights,
    moment_gradient,
    moment_information,
    pair_index,
)
from implstats.sem.estimators.ml import Curvature, Evaluation
from implstats.sem.estimators.optimise import minimise

Array = NDArray[np.float64]
# EM hands over to Newton when a step changes moments by less than this share of a standard deviation.
HAND_OVER = 1e-5
MAX_EM = 2000
# What a further Newton step may still gain in n F.
LEFT = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Saturated:
    """Maximum likelihood moments of incomplete data.

    Attributes
    ----------
    cov, mean : ndarray, shapes (p, p) and (p,)
    state : State
        F and its parts there.
    em_steps, newton_steps : int
    """

    cov: Array
    mean: Array
    state: State
    em_steps: int
    newton_steps: int


def pack(cov: Array, mean: Array) -> Array:
    """Return the distinct elements of Sigma, then mu."""
    i, j, _ = pair_index(len(mean))
    return np.concatenate([cov[i, j], mean])


def unpack(vector: Array, p: int) -> tuple[Array, Array]:
    """Return (Sigma, mu) of :func:`pack`."""
    _, _, at = pair_index(p)
    return vector[:-p][at], vector[-p:]


def em_step(patterns: Patterns, cov: Array, mean: Array) -> tuple[Array, Array]:
    """Return Sigma and mu after one EM step.

    The sums over patterns come before Sigma is put around them: with d_k = m_k - mu, T_k = S_k + d_k d_k'
    and e = Sigma sum share_k W_k d_k,

        Sigma_new = Sigma + Sigma [sum share_k (W_k T_k W_k - W_k)] Sigma - e e'

    Raises
    ------
    numpy.linalg.LinAlgError
        Sigma is singular.
    """
    both = patterns.both
    weight = np.linalg.inv(np.where(both, cov, np.eye(len(cov)))) * both
    wd = np.einsum("kij,kj->ki", weight, (patterns.mean - mean) * patterns.seen)
    moved = cov @ (patterns.share @ wd)
    inner = np.tensordot(patterns.share, weight @ patterns.cov @ weight - weight, axes=1)
    inner += (patterns.share[:, None] * wd).T @ wd
    new = cov + cov @ inner @ cov - np.outer(moved, moved)
    return 0.5 * (new + new.T), mean + moved


def available_moments(patterns: Patterns) -> tuple[Array, Array]:
    """Return variances and means of the answers given, each variable by itself, shapes (p,) and (p,)."""
    weight = patterns.share[:, None] * patterns.seen
    total = weight.sum(axis=0)
    mean = (weight * patterns.mean).sum(axis=0) / total
    spread = np.diagonal(patterns.cov, axis1=1, axis2=2) + (patterns.mean - mean) ** 2
    return (weight * spread).sum(axis=0) / total, mean


def saturated_moments(patterns: Patterns) -> Saturated | None:
    """Return the maximum, or ``None`` where the likelihood has no proper one (singular Sigma)."""
    variance, mean = available_moments(patterns)
    p = len(mean)
    sd = np.sqrt(variance)
    scale = pack(np.outer(sd, sd), sd)
    try:
        start, em_steps = _accelerated_em(patterns, pack(np.diag(variance), mean), scale)
    except np.linalg.LinAlgError:
        return None
    criterion = saturated_criterion(patterns)
    if not np.isfinite(criterion(start, "none").value):
        return None
    optimum = minimise(criterion, start)
    state = evaluate_moments(patterns, *unpack(optimum.theta, p))
    if state is None or not patterns.n * optimum.decrement <= LEFT:
        return None
    cov, mean = unpack(optimum.theta, p)
    return Saturated(cov=cov, mean=mean, state=state, em_steps=em_steps, newton_steps=optimum.iterations)


def _accelerated_em(patterns: Patterns, point: Array, scale: Array) -> tuple[Array, int]:
    p = patterns.seen.shape[1]

    def step(vector: Array) -> Array:
        return pack(*em_step(patterns, *unpack(vector, p)))

    for count in range(2, MAX_EM + 1, 3):
        first = step(point)
        second = step(first)
        if np.abs((second - first) / scale).max() < HAND_OVER:
            return second, count
        point = _extrapolated(point, first, second, scale, step, p)
    return point, MAX_EM


def _extrapolated(
    point: Array, first: Array, second: Array, scale: Array, step: Callable[[Array], Array], p: int
) -> Array:
    """Jump along the path of two EM steps; where Sigma would not be positive definite, keep the second."""
    r, v = (first - point) / scale, (second - 2.0 * first + point) / scale
    length = max(float(np.sqrt(r @ r / max(float(v @ v), 1e-300))), 1.0)
    jumped = point + scale * (2.0 * length * r + length**2 * v)
    try:
        np.linalg.cholesky(unpack(jumped, p)[0])
        return step(jumped)
    except np.linalg.LinAlgError:
        return second


def saturated_criterion(patterns: Patterns) -> Callable[[Array, Curvature], Evaluation]:
    """Return F of incomplete data as a function of :func:`pack`'s vector."""
    p = patterns.seen.shape[1]

    def criterion(vector: Array, curvature: Curvature) -> Evaluation:
        state = evaluate_moments(patterns, *unpack(vector, p))
        if state is None:
            return Evaluation(value=np.inf)
        if curvature == "none":
            return Evaluation(value=state.value)
        return Evaluation(
            value=state.value,
            gradient=moment_gradient(*gradient_weights(patterns, state)),
            information=moment_information(patterns, state, observed=curvature == "observed"),
        )

    return criterion
