"""Maximum likelihood of two-level models from sufficient statistics.

    N F = (N - J) [log|Sigma_w| + tr(Sigma_w^-1 S_pw)] + sum_s J_s [log|V_s| + tr(V_s^-1 T_s)]
    V_s = Sigma_w + s Sigma_b,   T_s = s (C_s + d_s d_s'),   d_s = m_s - mu

so that -2 log L = N (F + p log 2 pi). Every dSigma is a b' + b a' with the stacks of each level
(A_w, B_w, A_b, B_b), hence dV_s has the stacks [A_w A_b], [B_w sB_b], and gradient and
exact Hessian follow as for one level:
McDonald & Goldstein (1989). Entries of both levels stand one behind the other; ``spread`` sums those
that share a parameter, also over levels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from implstats.sem.data.two_level import TwoLevelSample
from implstats.sem.estimators.ml import Curvature, Evaluation, inverse_and_log_det
from implstats.sem.model.moments import derivative_stacks, implied_moments, second_derivatives
from implstats.sem.model.two_level import Levels

Array = NDArray[np.float64]


def _pair_information(A: Array, B: Array, W: Array, U: Array) -> Array:
    WA, WB, UA, UB = W @ A, W @ B, U @ A, U @ B
    AWB, AUB = A.T @ WB, A.T @ UB
    return np.asarray(0.5 * ((A.T @ WA) * (B.T @ UB) + (B.T @ WB) * (A.T @ UA) + AWB * AUB.T + AWB.T * AUB))


def evaluate_two_level(
    levels: Levels, sample: TwoLevelSample, theta: Array, curvature: Curvature
) -> Evaluation:
    """Return F and, unless ``curvature="none"``, its gradient and half its Hessian at theta, shape (q,)."""
    try:
        at_w = implied_moments(levels.within, theta[levels.places[0]])
        at_b = implied_moments(levels.between, theta[levels.places[1]])
    except np.linalg.LinAlgError:  # I - B singular
        return Evaluation(value=np.inf)
    V = [at_w.cov, *(at_w.cov + s * at_b.cov for s in sample.sizes)]
    if not all(np.all(np.isfinite(v)) for v in V):
        return Evaluation(value=np.inf)
    inverted = [inverse_and_log_det(v) for v in V]
    found = [pair for pair in inverted if pair is not None]
    if len(found) < len(V):
        return Evaluation(value=np.inf)
    n, shift = sample.n, sample.means - at_b.mean
    T = [sample.within] + [
        s * (C + np.outer(d, d)) for s, C, d in zip(sample.sizes, sample.covs, shift, strict=True)
    ]
    count = [n - sample.n_clusters, *sample.counts]
    value = sum(c * (ld + float((W * t).sum())) for c, (W, ld), t in zip(count, found, T, strict=True)) / n
    if curvature == "none":
        return Evaluation(value=value)
    of_w, of_b = derivative_stacks(levels.within, at_w), derivative_stacks(levels.between, at_b)
    kw, p = of_w.a.shape[1], len(sample.mean)
    A, M = np.hstack([of_w.a, of_b.a]), of_b.m
    H = np.zeros((A.shape[1],) * 2)
    Gw, Gb, g = np.zeros((p, p)), np.zeros((p, p)), np.zeros(p)
    for s, c, (W, _), t, d in zip([0.0, *sample.sizes], count, found, T, [np.zeros(p), *shift], strict=True):
        WTW = W @ t @ W
        B, U = np.hstack([of_w.b, s * of_b.b]), W if curvature == "expected" else 2.0 * WTW - W
        H += c * _pair_information(A, B, W, U)
        Gw += c * (W - WTW)
        Gb += c * s * (W - WTW)
        Wd = W @ d
        g -= 2.0 * c * s * Wd
        H[kw:, kw:] += c * s * (M.T @ W @ M)
        if curvature == "observed":
            cross = c * s * ((M.T @ W @ A) * (B.T @ Wd) + (M.T @ W @ B) * (A.T @ Wd))
            H[kw:, :] += cross
            H[:, kw:] += cross.T
    if curvature == "observed":
        H[:kw, :kw] += 0.5 * second_derivatives(levels.within, at_w, Gw, np.zeros(p))
        H[kw:, kw:] += 0.5 * second_derivatives(levels.between, at_b, Gb, g)
    by_w = 2.0 * (of_w.a * (Gw @ of_w.b)).sum(axis=0)
    by_b = 2.0 * (of_b.a * (Gb @ of_b.b)).sum(axis=0) + g @ M
    spread = levels.spread
    return Evaluation(
        value=value, gradient=np.concatenate([by_w, by_b]) @ spread / n, information=spread.T @ H @ spread / n
    )


def between_slope(sample: TwoLevelSample, within: Array, between: Array, mean: Array) -> Array:
    """Return dF / dSigma_b, shape (p, p), as if its elements were free of symmetry."""
    total = np.zeros_like(within)
    for s, c, m, C in zip(sample.sizes, sample.counts, sample.means, sample.covs, strict=True):
        W = np.linalg.inv(within + s * between)
        total += c * s * (W - W @ (s * (C + np.outer(m - mean, m - mean))) @ W)
    return total / sample.n
