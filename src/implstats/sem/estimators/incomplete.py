"""The normal likelihood of incomplete data as a function of Sigma and mu, with its derivatives.

    F(Sigma, mu) = sum_k share_k [ log|Sigma_k| + tr(W_k T_k) ],   W_k = Sigma_k^-1,   T_k = S_k + d_k d_k'

with d_k = m_k - mu and everything restricted to the variables that pattern k holds, so that
-2 log L = n (F + constant). In G = sum share (W - W T W) and g = -2 sum share W d,

    dF = tr(G dSigma) + g' dmu

Half the Hessian in the distinct elements of Sigma (i >= j) and in mu, with U = 2 W T W - W (expected: W) and
c = 1/2 on i = j, else 1:

    cov-cov    1/2 c_ij c_mn sum_k share_k [W_jm U_in + W_jn U_im + W_im U_jn + W_in U_jm]
    mean-cov   c_ij sum_k share_k [W_li (W d)_j + W_lj (W d)_i]          (expected: none)
    mean-mean  sum_k share_k W_k

The sums over patterns are one product of matrices with a column for each pair of variables; a model's
information is Delta' H Delta with Delta the derivatives of the moments. Observed information is right when
answers are missing at random, expected information only when they are missing completely at random
(Kenward & Molenberghs 1998; Savalei 2010).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from implstats.sem.data.patterns import Patterns
from implstats.sem.model.moments import Stacks

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """F at one (Sigma, mu) with what its derivatives share.

    Attributes
    ----------
    value : float
    weight : ndarray, shape (K, p, p)
        W_k, zero outside the pattern.
    shift : ndarray, shape (K, p)
        d_k, zero outside the pattern.
    """

    value: float
    weight: Array
    shift: Array


def evaluate_moments(patterns: Patterns, cov: Array, mean: Array) -> State | None:
    """Return F at Sigma, shape (p, p), and mu, shape (p,); ``None`` where Sigma is not positive definite."""
    both = patterns.both
    filled = np.where(both, cov, np.eye(len(cov)))
    try:
        np.linalg.cholesky(cov)
        factor = np.linalg.cholesky(filled)
        weight = np.linalg.inv(filled)
    except np.linalg.LinAlgError:
        return None
    log_det = 2.0 * np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
    weight = 0.5 * (weight + weight.transpose(0, 2, 1)) * both
    shift = (patterns.mean - mean) * patterns.seen
    distance = np.einsum("ki,kij,kj->k", shift, weight, shift)
    trace = (weight * patterns.cov).sum(axis=(1, 2))
    return State(value=float(patterns.share @ (log_det + trace + distance)), weight=weight, shift=shift)


def _weighted_totals(patterns: Patterns, state: State) -> tuple[Array, Array]:
    """W T W, shape (K, p, p), and W d, shape (K, p)."""
    wd = np.einsum("kij,kj->ki", state.weight, state.shift)
    wtw = state.weight @ patterns.cov @ state.weight + wd[:, :, None] * wd[:, None, :]
    return wtw, wd


def gradient_weights(patterns: Patterns, state: State) -> tuple[Array, Array]:
    """Return G, shape (p, p), and g, shape (p,)."""
    wtw, wd = _weighted_totals(patterns, state)
    return np.tensordot(patterns.share, state.weight - wtw, axes=1), -2.0 * patterns.share @ wd


@cache
def pair_index(p: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return rows i and columns j of the distinct pairs, and the read-only (p, p) table of positions."""
    i, j = np.tril_indices(p)
    table = np.zeros((p, p), dtype=np.intp)
    table[i, j] = table[j, i] = np.arange(len(i))
    for shared in (i, j, table):
        shared.flags.writeable = False
    return i, j, table


def moment_gradient(G: Array, g: Array) -> Array:
    """Return dF in the distinct elements of Sigma, then in mu, shape (p (p + 1) / 2 + p,)."""
    i, j, _ = pair_index(len(g))
    return np.concatenate([np.where(i == j, 1.0, 2.0) * G[i, j], g])


def _covariance_block(W: Array, U: Array, share: Array) -> Array:
    """1/2 c c' times the four sums over patterns, in the distinct elements of Sigma."""
    i, j, at = pair_index(W.shape[1])
    half = np.where(i == j, 0.5, 1.0)
    sums = (W[:, i, j] * share[:, None]).T @ U[:, i, j]
    four = sums[at[j][:, j], at[i][:, i]] + sums[at[j][:, i], at[i][:, j]]
    four += sums[at[i][:, j], at[j][:, i]] + sums[at[i][:, i], at[j][:, j]]
    block = 0.5 * four * half[:, None] * half
    return 0.5 * (block + block.T)


def _with_means(cov_block: Array, mean_block: Array) -> Array:
    pairs = len(cov_block)
    out = np.zeros((pairs + len(mean_block),) * 2)
    out[:pairs, :pairs], out[pairs:, pairs:] = cov_block, mean_block
    return out


def complete_information(cov: Array) -> Array:
    """Return the expected information of one complete person at Sigma, in the distinct moments."""
    W: Array = np.linalg.inv(cov).astype(float, copy=False)
    return _with_means(_covariance_block(W[None], W[None], np.ones(1)), W)


def moment_information(patterns: Patterns, state: State, *, observed: bool) -> Array:
    """Return half the Hessian of F in the distinct elements of Sigma, then in mu."""
    W, share = state.weight, patterns.share
    mean_block = np.tensordot(share, W, axes=1)
    if not observed:
        return _with_means(_covariance_block(W, W, share), mean_block)
    wtw, wd = _weighted_totals(patterns, state)
    out = _with_means(_covariance_block(W, 2.0 * wtw - W, share), mean_block)
    i, j, _ = pair_index(W.shape[1])
    third = np.tensordot(W * share[:, None, None], wd, axes=(0, 0))
    cross = np.where(i == j, 0.5, 1.0) * (third[:, i, j] + third[:, j, i])
    out[len(i) :, : len(i)], out[: len(i), len(i) :] = cross, cross.T
    return out


def moment_derivatives(stacks: Stacks) -> Array:
    """Return Delta, the derivatives of the distinct moments, shape (p (p + 1) / 2 + p, k)."""
    i, j, _ = pair_index(len(stacks.a))
    return np.vstack([stacks.a[i] * stacks.b[j] + stacks.a[j] * stacks.b[i], stacks.m])


def score_products(patterns: Patterns, state: State, mean: Array) -> Array:
    """Return sum_i s_i s_i' of persons' (or clusters') scores in the distinct moments.

    s of a person with u = W_k (x - mu): c_ij (u_i u_j - W_ij) and u.
    """
    p = len(mean)
    i, j, _ = pair_index(p)
    half = np.where(i == j, 0.5, 1.0)
    total, kept = np.zeros((len(i) + p,) * 2), []
    for k in range(len(patterns.share)):
        rows = np.nan_to_num(patterns.rows[patterns.bounds[k] : patterns.bounds[k + 1]] - mean)
        u = rows @ state.weight[k]
        scores = np.hstack([half * (u[:, i] * u[:, j] - state.weight[k][i, j]), u])
        if patterns.cluster is None:
            total += scores.T @ scores
        else:
            kept.append(scores)
    if patterns.cluster is None:
        return total
    sums = cluster_sums(np.vstack(kept), patterns.cluster)
    return np.asarray(sums.T @ sums)


def cluster_sums(rows: Array, cluster: NDArray[np.intp] | None) -> Array:
    """Return sqrt(J / (J - 1)) times the sums of an (n, k) array over J clusters; the rows without clusters.

    Scores sum to zero over all clusters, so their products need the divisor J - 1, as in lavaan and Mplus.

    >>> cluster_sums(np.array([[1.0], [2.0], [4.0]]), np.array([7, 3, 7])) ** 2
    array([[ 8.],
           [50.]])
    """
    if cluster is None:
        return rows
    order = np.argsort(cluster, kind="stable")
    first = np.concatenate([[0], np.nonzero(np.diff(cluster[order]))[0] + 1])
    factor = np.sqrt(len(first) / (len(first) - 1))
    return np.asarray(factor * np.add.reduceat(rows[order], first, axis=0))
