"""The normal likelihood of many resamples with missing answers at once, with gradient and exact Hessian.

The formulas are those of :mod:`implstats.sem.estimators.incomplete` with the R samples as one more axis in
front of the K patterns of answers: what a resample changes is how many persons a pattern holds, their mean
and their covariances. Parameters are either the distinct moments themselves (stage one) or those of a model,
whose derivatives are Delta' H Delta + 1/2 sum G d2 Sigma + 1/2 g' d2 mu.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from implstats.sem.estimators.incomplete import pair_index
from implstats.sem.model.matrices import Structure
from implstats.sem.resampling.many import (
    ManyEvaluations,
    Places,
    implied_many,
    positive_definite,
    second_of_cov,
    second_of_mean,
)
from implstats.sem.resampling.many_least_squares import stacks_many

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class ManyPatterns:
    """One group's patterns in R resamples.

    Attributes
    ----------
    seen : ndarray of bool, shape (K, p)
    share : ndarray, shape (R, K)
        Of the persons of the resample.
    mean, cov : ndarray, shapes (R, K, p) and (R, K, p, p)
        Zero outside the pattern.
    n : ndarray, shape (R,)
    """

    seen: Flags
    share: Array
    mean: Array
    cov: Array
    n: Array

    def take(self, which: Index) -> ManyPatterns:
        """Return some of the resamples."""
        return ManyPatterns(
            seen=self.seen,
            share=self.share[which],
            mean=self.mean[which],
            cov=self.cov[which],
            n=self.n[which],
        )


def resampled_patterns(values: Array, frequencies: Array) -> ManyPatterns:
    """Return the patterns of resamples of persons (n, p), NaN where missing, with frequencies (R, n)."""
    seen = np.isfinite(values)
    keys, which = np.unique(seen, axis=0, return_inverse=True)
    R, K, p = len(frequencies), len(keys), values.shape[1]
    center = np.nanmean(values, axis=0)
    filled = np.where(seen, values - center, 0.0)
    n = frequencies.sum(axis=1)
    share, mean, cov = np.zeros((R, K)), np.zeros((R, K, p)), np.zeros((R, K, p, p))
    for k, mask in enumerate(keys):
        mine = which.reshape(-1) == k
        F, y = frequencies[:, mine], filled[mine]
        count = F.sum(axis=1)
        safe = np.where(count > 0.0, count, 1.0)
        shift = F @ y / safe[:, None]
        products = (y[:, :, None] * y[:, None, :]).reshape(len(y), -1)
        cov[:, k] = (F @ products / safe[:, None]).reshape(R, p, p) - shift[:, :, None] * shift[:, None, :]
        share[:, k] = count / n
        mean[:, k] = np.where(mask & (count > 0.0)[:, None], shift + center, 0.0)
    return ManyPatterns(seen=keys, share=share, mean=mean, cov=cov, n=n)


@dataclass(frozen=True, slots=True)
class _Parts:
    """F (R,), whether it exists, and what derivatives need: W, W T W (R, K, p, p) and W d (R, K, p)."""

    value: Array
    fine: Flags
    weight: Array
    totals: Array
    pull: Array


def _parts(patterns: ManyPatterns, cov: Array, mean: Array) -> _Parts:
    fine = positive_definite(cov)
    eye = np.eye(cov.shape[1])
    cov = np.where(fine[:, None, None], cov, eye)
    both = patterns.seen[:, :, None] & patterns.seen[:, None, :]
    filled = np.where(both, cov[:, None], eye)
    log_det = np.linalg.slogdet(filled)[1]
    W = np.linalg.inv(filled) * both
    shift = (patterns.mean - mean[:, None]) * patterns.seen
    pull = (W @ shift[:, :, :, None])[:, :, :, 0]
    distance = (shift * pull).sum(axis=2) + (W * patterns.cov).sum(axis=(2, 3))
    value = (patterns.share * (log_det + distance)).sum(axis=1)
    totals = W @ patterns.cov @ W + pull[:, :, :, None] * pull[:, :, None, :]
    return _Parts(np.where(fine, value, np.inf), fine, W, totals, pull)


def _gradient_weights(patterns: ManyPatterns, parts: _Parts) -> tuple[Array, Array]:
    """G, shape (R, p, p), and sum share W d, shape (R, p)."""
    share = patterns.share
    R, K, p, _ = parts.weight.shape
    G = (share[:, None] @ (parts.weight - parts.totals).reshape(R, K, p * p)).reshape(R, p, p)
    return G, (share[:, None] @ parts.pull)[:, 0]


def _information(patterns: ManyPatterns, parts: _Parts) -> Array:
    """Half the Hessian in the distinct elements of Sigma, then in mu, shape (R, P + p, P + p)."""
    W, share = parts.weight, patterns.share
    R, K, p, _ = W.shape
    i, j, at = pair_index(p)
    half = np.where(i == j, 0.5, 1.0)
    U = 2.0 * parts.totals - W
    weighted = W * share[:, :, None, None]
    sums = weighted[:, :, i, j].swapaxes(1, 2) @ U[:, :, i, j]
    four = sums[:, at[j][:, j], at[i][:, i]] + sums[:, at[j][:, i], at[i][:, j]]
    four += sums[:, at[i][:, j], at[j][:, i]]
    four += sums[:, at[i][:, i], at[j][:, j]]
    block = 0.5 * four * half[:, None] * half
    P = len(i)
    out = np.empty((R, P + p, P + p))
    out[:, :P, :P] = 0.5 * (block + block.swapaxes(1, 2))
    out[:, P:, P:] = weighted.sum(axis=1)
    third = (weighted.reshape(R, K, p * p).swapaxes(1, 2) @ parts.pull).reshape(R, p, p, p)
    cross = half * (third[:, :, i, j] + third[:, :, j, i])
    out[:, P:, :P], out[:, :P, P:] = cross, cross.swapaxes(1, 2)
    return out


def evaluate_many_moments(patterns: ManyPatterns, points: Array, *, hessian: bool) -> ManyEvaluations:
    """Return F of resamples at distinct moments, shape (R, P + p): covariances by row, then means."""
    p = patterns.seen.shape[1]
    i, j, at = pair_index(p)
    parts = _parts(patterns, points[:, :-p][:, at], points[:, -p:])
    G, pull = _gradient_weights(patterns, parts)
    gradient = np.hstack([np.where(i == j, 1.0, 2.0) * G[:, i, j], -2.0 * pull])
    half = _information(patterns, parts) if hessian else None
    return ManyEvaluations(value=parts.value, gradient=gradient, hessian=half)


def evaluate_many_fiml(
    structure: Structure, places: Places, patterns: ManyPatterns, thetas: Array, cov: Array, mean: Array, *,
    hessian: bool,
) -> ManyEvaluations:  # fmt: skip
    """Return F of resamples at a model's parameters, shape (R, q).

    Parameters
    ----------
    cov, mean : ndarray, shapes (R, p, p) and (R, p)
        Moments of fixed predictors.
    """
    at = implied_many(structure, thetas, cov, mean)
    parts = _parts(patterns, at.cov, at.mean)
    G, pull = _gradient_weights(patterns, parts)
    stacks = stacks_many(structure, places, at)
    gradient = 2.0 * (stacks.a * (G @ stacks.b)).sum(axis=1) - 2.0 * (pull[:, None] @ stacks.m)[:, 0]
    half = None
    if hessian:
        i, j, _ = pair_index(at.cov.shape[1])
        pairs = stacks.a[:, i] * stacks.b[:, j] + stacks.a[:, j] * stacks.b[:, i]
        delta = np.concatenate([pairs, stacks.m], axis=1)
        half = delta.swapaxes(1, 2) @ (_information(patterns, parts) @ delta)
        D = at.basis.swapaxes(1, 2)
        second_of_cov(structure, at, D @ G @ at.basis, half)
        second_of_mean(structure, at, (D @ pull[:, :, None])[:, :, 0], half)
        half = half if structure.one_to_one else places.spread.T @ half @ places.spread
    return ManyEvaluations(value=parts.value, gradient=gradient @ places.spread, hessian=half)
