"""Maximum likelihood of two-level models from sufficient statistics.

    N F = (N - J) [log|Sigma_w| + tr(Sigma_w^-1 S_pw)] + sum_s J_s [log|V_s| + tr(V_s^-1 T_s)]
    V_s = E_w Sigma_w E_w' + D_s E_b Sigma_b E_b' D_s,   T_s = D_s (C_s + d_s d_s') D_s,   d_s = m_s - mu

with E_w and E_b putting each level's variables among all P, and D_s = diag(sqrt(s)) but 1 for variables of
level 2 alone, so that -2 log L = N F + (number of answers) log 2 pi. Every dSigma is a b' + b a' with the
stacks of each level, hence dV_s has the stacks [E_w A_w, D_s E_b A_b], [E_w B_w, D_s E_b B_b], and gradient
and exact Hessian follow as for one level (McDonald & Goldstein 1989). Entries of both levels stand one
behind the other; ``spread`` sums those that share a parameter, also over levels. All sizes are handled in
one batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from implstats.sem.data.two_level import TwoLevelSample
from implstats.sem.estimators.ml import Curvature, Evaluation, inverse_and_log_det
from implstats.sem.model.matrices import Structure
from implstats.sem.model.moments import (
    Moments,
    Stacks,
    derivative_stacks,
    implied_moments,
    second_derivatives,
)

Array = NDArray[np.float64]
Criterion = Callable[[Array, Curvature], Evaluation]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The likelihood at one (Sigma_w, Sigma_b, mu).

    Attributes
    ----------
    value : float
        F.
    inverse_within : ndarray, shape (p_w, p_w)
        Sigma_w^-1.
    inverse : ndarray, shape (S, P, P)
        V_s^-1.
    products : ndarray, shape (S, P, P)
        V_s^-1 T_s V_s^-1.
    shift : ndarray, shape (S, P)
        D_s d_s.
    """

    value: float
    inverse_within: Array
    inverse: Array
    products: Array
    shift: Array


def state_of(sample: TwoLevelSample, within: Array, between: Array, mean: Array) -> State | None:
    """Return the likelihood's parts, ``None`` where a matrix is not positive definite."""
    inverted = inverse_and_log_det(within) if np.all(np.isfinite(within)) else None
    if inverted is None or not (np.all(np.isfinite(between)) and np.all(np.isfinite(mean))):
        return None
    w, b, scale = sample.at_within, sample.at_between, sample.scale
    S, P = scale.shape
    V = np.zeros((S, P, P))
    V[:, w[:, None], w] = within
    V[:, b[:, None], b] += between * scale[:, b, None] * scale[:, None, b]
    try:
        roots = np.linalg.cholesky(V)
        inverse = np.linalg.inv(V)
    except np.linalg.LinAlgError:
        return None
    inverse = 0.5 * (inverse + inverse.transpose(0, 2, 1))
    log_det = 2.0 * np.log(np.diagonal(roots, axis1=1, axis2=2)).sum(axis=1)
    shift = scale * (sample.means - mean)
    T = sample.covs * scale[:, :, None] * scale[:, None, :] + shift[:, :, None] * shift[:, None, :]
    left = sample.n - sample.n_clusters
    total = left * (inverted[1] + float((inverted[0] * sample.within).sum()))
    total += float(sample.counts @ (log_det + (inverse * T).sum(axis=(1, 2))))
    return State(
        value=total / sample.n, inverse_within=inverted[0], inverse=inverse,
        products=inverse @ T @ inverse, shift=shift,
    )  # fmt: skip


def slopes(sample: TwoLevelSample, state: State) -> tuple[Array, Array, Array]:
    """Return N dF / dSigma_w, N dF / dSigma_b (elements free of symmetry) and N dF / dmu."""
    w, b, scale = sample.at_within, sample.at_between, sample.scale
    W, left = state.inverse_within, sample.n - sample.n_clusters
    G = sample.counts[:, None, None] * (state.inverse - state.products)
    of_w = left * (W - W @ sample.within @ W) + G[:, w[:, None], w].sum(axis=0)
    of_b = (G[:, b[:, None], b] * scale[:, b, None] * scale[:, None, b]).sum(axis=0)
    Wd = np.einsum("sij,sj->si", state.inverse, state.shift)
    return of_w, of_b, -2.0 * (sample.counts[:, None] * scale * Wd).sum(axis=0)


def two_level_criterion(within: Structure, between: Structure, sample: TwoLevelSample, q: int) -> Criterion:
    """Return F with its derivatives as a function of theta, shape (q,), and the curvature asked for."""
    ids = np.concatenate([within.ids, between.ids])
    spread = np.zeros((len(ids), q))
    spread[np.arange(len(ids)), ids] = 1.0

    def criterion(theta: Array, curvature: Curvature) -> Evaluation:
        try:
            at_w, at_b = implied_moments(within, theta), implied_moments(between, theta)
        except np.linalg.LinAlgError:  # I - B singular
            return Evaluation(value=np.inf)
        state = state_of(sample, at_w.cov, at_b.cov, _mean(sample, at_w, at_b))
        if state is None:
            return Evaluation(value=np.inf)
        if curvature == "none":
            return Evaluation(value=state.value)
        of = slopes(sample, state)
        stacks = derivative_stacks(within, at_w), derivative_stacks(between, at_b)
        gradient = _gradient(sample, stacks, of)
        H = _curvature(sample, state, stacks, observed=curvature == "observed")
        if curvature == "observed":
            k = stacks[0].a.shape[1]
            H[:k, :k] += 0.5 * second_derivatives(within, at_w, of[0], of[2][sample.at_within])
            H[k:, k:] += 0.5 * second_derivatives(between, at_b, of[1], of[2][sample.at_between])
        return Evaluation(
            value=state.value, gradient=gradient @ spread / sample.n,
            information=spread.T @ H @ spread / sample.n,
        )  # fmt: skip

    return criterion


def _mean(sample: TwoLevelSample, at_w: Moments, at_b: Moments) -> Array:
    mean = np.zeros(sample.scale.shape[1])
    mean[sample.at_within] += at_w.mean
    mean[sample.at_between] += at_b.mean
    return mean


def _gradient(sample: TwoLevelSample, stacks: tuple[Stacks, Stacks], of: tuple[Array, Array, Array]) -> Array:
    parts = []
    for k, (G, which) in enumerate(((of[0], sample.at_within), (of[1], sample.at_between))):
        part = 2.0 * (stacks[k].a * (G @ stacks[k].b)).sum(axis=0) + of[2][which] @ stacks[k].m
        parts.append(part)
    return np.concatenate(parts)


def whole_stacks(sample: TwoLevelSample, stacks: tuple[Stacks, Stacks]) -> tuple[Array, Array, Array]:
    """Return A, B and M of V_s and of D_s mu among all P variables, each of shape (S, P, k_w + k_b)."""
    S, P = sample.scale.shape
    k = stacks[0].a.shape[1]
    A, B, M = (np.zeros((S, P, k + stacks[1].a.shape[1])) for _ in range(3))
    for level, which, part in ((0, sample.at_within, slice(k)), (1, sample.at_between, slice(k, None))):
        own = stacks[level]
        scale = sample.scale[:, which, None]
        A[:, which, part] = own.a * (scale if level else 1.0)
        B[:, which, part] = own.b * (scale if level else 1.0)
        M[:, which, part] = own.m * scale
    return A, B, M


def _curvature(
    sample: TwoLevelSample, state: State, stacks: tuple[Stacks, Stacks], *, observed: bool
) -> Array:
    """Half the Hessian of N F in entry space, without second derivatives of the moments."""
    counts = sample.counts[:, None, None]
    A, B, M = whole_stacks(sample, stacks)
    W = state.inverse
    U = 2.0 * state.products - W if observed else W
    H = (counts * _pairs(A, B, W, U, same=not observed)).sum(axis=0)
    WM = W @ M
    H += (counts * (M.transpose(0, 2, 1) @ WM)).sum(axis=0)
    if observed:
        Wd = np.einsum("sij,sj->si", W, state.shift)
        Ad, Bd = (np.einsum("spk,sp->sk", X, Wd)[:, None, :] for X in (A, B))
        MW = WM.transpose(0, 2, 1)
        cross = (counts * ((MW @ A) * Bd + (MW @ B) * Ad)).sum(axis=0)
        H += cross + cross.T
    k = stacks[0].a.shape[1]
    V = state.inverse_within
    left = sample.n - sample.n_clusters
    other = 2.0 * V @ sample.within @ V - V if observed else V
    H[:k, :k] += left * _pairs(stacks[0].a, stacks[0].b, V, other, same=not observed)
    return np.asarray(H)


def _pairs(A: Array, B: Array, W: Array, U: Array, *, same: bool) -> Array:
    """The information of pairs of entries of a covariance matrix, one of its inverses being U."""
    At, Bt = A.swapaxes(-1, -2), B.swapaxes(-1, -2)
    WA, WB = W @ A, W @ B
    AWB = At @ WB
    if same:
        return np.asarray((At @ WA) * (Bt @ WB) + AWB * AWB.swapaxes(-1, -2))
    UB = U @ B
    AUB = At @ UB
    first = (At @ WA) * (Bt @ UB) + (Bt @ WB) * (At @ (U @ A))
    return np.asarray(0.5 * (first + AWB * AUB.swapaxes(-1, -2) + AWB.swapaxes(-1, -2) * AUB))


def between_slope(sample: TwoLevelSample, within: Array, between: Array, mean: Array) -> Array:
    """Return dF / dSigma_b, shape (p_b, p_b), as if its elements were free of symmetry."""
    state = state_of(sample, within, between, mean)
    if state is None:
        raise ValueError("the matrices of a slope are positive definite")
    return slopes(sample, state)[1] / sample.n
