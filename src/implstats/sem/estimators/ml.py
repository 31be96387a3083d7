"""Maximum likelihood of multivariate normal data from their moments.

    F(theta) = log|Sigma| + tr(Sigma^-1 T),     T = S + (m - mu)(m - mu)'

with S and m the sample moments (divisor n), so that -2 log L = n (F + p log 2 pi). With W = Sigma^-1,
G = W - W T W and the stacks A, B, M of :mod:`implstats.sem.model.moments`:

    gradient               2 colsum(A * (G B)) - 2 M' W (m - mu)
    expected information   (A'WA)*(B'WB) + (A'WB)*(A'WB)' + M'WM          (half the Hessian's expectation)
    exact Hessian          the same with U = 2 W T W - W in one factor of each pair, plus second derivatives

Jöreskog (1969); Magnus & Neudecker (1999). Standard errors come from the inverse information over n.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf

from implstats.sem.model.matrices import Structure, to_free
from implstats.sem.model.moments import (
    Moments,
    Stacks,
    derivative_stacks,
    implied_moments,
    second_derivatives,
)

Array = NDArray[np.float64]
Curvature = Literal["none", "expected", "observed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleMoments:
    """Moments of n complete persons on p variables.

    Attributes
    ----------
    cov : ndarray, shape (p, p)
        Covariances, divisor n.
    mean : ndarray, shape (p,)
    n : int
    log_det : float
        log|S|.
    """

    cov: Array
    mean: Array
    n: int
    log_det: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The criterion at one theta.

    Attributes
    ----------
    value : float
        F; infinite where Sigma is not positive definite.
    gradient : ndarray, shape (q,)
    information : ndarray, shape (q, q)
        Half the Hessian of F, expected or exact.
    weight : ndarray, shape (p, p)
        W = Sigma^-1.
    moments, stacks
        What the value was computed from.
    jacobian, error : ndarray, shapes (S, q) and (S,)
        Under least squares: derivatives of the S model statistics, and sample less model.
    blocks : tuple of Evaluation
        Of several groups: each group's own, to which ``weight``, ``moments`` and ``stacks`` belong.
    """

    value: float
    gradient: Array | None = None
    information: Array | None = None
    weight: Array | None = None
    moments: Moments | None = None
    stacks: Stacks | None = None
    jacobian: Array | None = None
    error: Array | None = None
    blocks: tuple[Evaluation, ...] = ()


def inverse_and_log_det(matrix: Array) -> tuple[Array, float] | None:
    """Return the inverse and the log determinant of a positive definite matrix, else ``None``."""
    factor, info = dpotrf(matrix, lower=1)
    if info:
        return None
    log_det = 2.0 * float(np.log(factor.diagonal()).sum())
    # Not LAPACK's potri: threaded OpenBLAS wakes all threads for it even at p = 9, which on a busy machine
    # costs milliseconds; the general inverse of small matrices stays on one thread.
    try:
        inverse = np.linalg.inv(matrix)
    except np.linalg.LinAlgError:  # singular to the last bit although the factor just exists
        return None
    return 0.5 * (inverse + inverse.T), log_det


def evaluate_ml(
    structure: Structure, sample: SampleMoments, theta: Array, curvature: Curvature
) -> Evaluation:
    """Return F and, unless ``curvature="none"``, its gradient and half its Hessian at theta, shape (q,)."""
    try:
        moments = implied_moments(structure, theta)
    except np.linalg.LinAlgError:  # I - B singular: no such model at this theta
        return Evaluation(value=np.inf)
    inverted = inverse_and_log_det(moments.cov) if np.all(np.isfinite(moments.cov)) else None
    if inverted is None:
        return Evaluation(value=np.inf)
    W, log_det = inverted
    delta = sample.mean - moments.mean if structure.means else np.zeros_like(sample.mean)
    T = sample.cov + delta[:, None] * delta if structure.means else sample.cov
    value = log_det + float((W * T).sum())
    if curvature == "none":
        return Evaluation(value=value)
    stacks = derivative_stacks(structure, moments)
    WTW = W @ T @ W
    G, Wd = W - WTW, W @ delta
    gradient = 2.0 * (stacks.a * (G @ stacks.b)).sum(axis=0)
    if structure.means:
        gradient -= 2.0 * Wd @ stacks.m
    if curvature == "expected":
        information = expected_information(W, stacks, means=structure.means)
    else:
        information = _exact(structure, moments, stacks, W, WTW, G, Wd)
    return Evaluation(
        value=value, gradient=to_free(structure, gradient), information=to_free(structure, information),
        weight=W, moments=moments, stacks=stacks,
    )  # fmt: skip


def expected_information(W: Array, stacks: Stacks, *, means: bool) -> Array:
    """Return the expected information of one observation in entry space, shape (k, k)."""
    WB = W @ stacks.b
    AWB = stacks.a.T @ WB
    information = (stacks.a.T @ (W @ stacks.a)) * (stacks.b.T @ WB) + AWB * AWB.T
    return information + stacks.m.T @ (W @ stacks.m) if means else information


def _exact(
    structure: Structure, moments: Moments, stacks: Stacks, W: Array, WTW: Array, G: Array, Wd: Array
) -> Array:
    half = _exact_in_moments(stacks, W, WTW, Wd, means=structure.means)
    return half + 0.5 * second_derivatives(structure, moments, G, -2.0 * Wd)


def exact_without_curvature(
    stacks: Stacks, sample: SampleMoments, W: Array, moments: Moments, *, means: bool
) -> Array:
    """Return half the Hessian in entry space, (k, k), without second derivatives of the moments in theta."""
    delta = sample.mean - moments.mean if means else np.zeros_like(sample.mean)
    T = sample.cov + np.outer(delta, delta)
    return _exact_in_moments(stacks, W, W @ T @ W, W @ delta, means=means)


def _exact_in_moments(stacks: Stacks, W: Array, WTW: Array, Wd: Array, *, means: bool) -> Array:
    A, B, M = stacks.a, stacks.b, stacks.m
    U = 2.0 * WTW - W
    WA, WB, UA, UB = W @ A, W @ B, U @ A, U @ B
    AWB, AUB = A.T @ WB, A.T @ UB
    half = 0.5 * ((A.T @ WA) * (B.T @ UB) + (B.T @ WB) * (A.T @ UA) + AWB * AUB.T + AWB.T * AUB)
    if means:
        cross = (M.T @ WA) * (B.T @ Wd) + (M.T @ WB) * (A.T @ Wd)
        half += M.T @ (W @ M) + cross + cross.T
    return half
