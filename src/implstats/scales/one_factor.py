"""One-factor model by maximum likelihood, for omega.

Model. k items with correlation matrix R (maximum likelihood is scale invariant, so correlations suffice):

    Sigma = lambda lambda' + diag(psi)          lambda (k,), psi (k,), one factor of variance 1

minimises F = log|Sigma| + trace(R Sigma^-1) (Joreskog 1967). With W = Sigma^-1, a = W lambda,
c = lambda' a and G = W - W R W,

    dF/dlambda = 2 G lambda             dF/dpsi = diag(G)
    E H = [2 (a a' + c W)   2 W o (1 a')  ]       (rows lambda, columns lambda | psi;
          [ .               W o W         ]        o is the elementwise product)

Fisher scoring with step halving: each step solves E H d = -gradient and is halved until F falls and Sigma
stays positive definite. psi is not kept above zero: a negative residual variance (a Heywood case) is a
finding that the caller must hear of, not a boundary to hide it behind.

Reference
---------
Joreskog, K. G. (1967). Psychometrika 32, 443-482.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# On the correlation scale F is of order k, so this gradient leaves omega exact to about 1e-9.
# Smallest over largest eigenvalue of the Hessian; rounding leaves about 1e-15 where the rank is lost.
FULL_RANK = 1e-8
GRADIENT_TOLERANCE = 1e-9
# Of 1,500 simulated scales with a factor the slowest needed 219; without a factor none is worth more.
MAX_ITERATIONS = 300
# Below this, halving on only chases rounding error of F.
SMALLEST_STEP = 2.0**-30


@dataclass(frozen=True, slots=True, kw_only=True)
class OneFactor:
    """A fitted one-factor model.

    Attributes
    ----------
    loadings : ndarray, shape (k,)
        In answer points (per standard deviation of the factor); their sum is not negative.
    residual_variances : ndarray, shape (k,)
        In squared answer points.
    converged : bool
        The gradient is flat (largest element below 1e-9, correlation scale).
    gradient : float
        Largest absolute element of the gradient.
    iterations : int
    """

    loadings: np.ndarray
    residual_variances: np.ndarray
    converged: bool
    gradient: float
    iterations: int


def omega_total(loadings: np.ndarray, residual_variances: np.ndarray) -> float:
    """Return McDonald's omega: the factor's share of the modelled variance of the sum score.

    >>> omega_total(np.array([0.6, 0.6, 0.6]), np.array([0.64, 0.64, 0.64]))
    0.627906976744186
    """
    common = loadings.sum() ** 2
    return float(common / (common + residual_variances.sum()))


def fit_one_factor(S: np.ndarray) -> OneFactor:
    """Return the maximum likelihood one-factor model of a (k, k) covariance matrix, k >= 3.

    Raises
    ------
    numpy.linalg.LinAlgError
        If S is not positive definite; check with :func:`is_positive_definite` first.

    Examples
    --------
    >>> S = np.array([[1.0, 0.3, 0.4], [0.3, 1.0, 0.5], [0.4, 0.5, 1.0]])
    >>> fit_one_factor(S).loadings.round(3).tolist()
    [0.49, 0.612, 0.816]
    """
    sd = np.sqrt(np.diag(S))
    R = S / np.outer(sd, sd)
    np.linalg.cholesky(R)
    loadings, psi = _start(R)
    value = _discrepancy(R, loadings, psi)
    gradient, iterations = np.inf, 0
    for iterations in range(1, MAX_ITERATIONS + 1):  # noqa: B007
        slope, curvature = _derivatives(R, loadings, psi)
        gradient = float(np.abs(slope).max())
        if gradient < GRADIENT_TOLERANCE:
            break
        step = _scoring_step(slope, curvature)
        moved = _line_search(R, loadings, psi, value, step)
        if moved is None:
            break
        loadings, psi, value = moved
    sign = -1.0 if (loadings * sd).sum() < 0 else 1.0
    return OneFactor(
        loadings=sign * loadings * sd,
        residual_variances=psi * sd**2,
        converged=gradient < GRADIENT_TOLERANCE and _is_minimum(R, loadings, psi),
        gradient=gradient,
        iterations=iterations,
    )


def is_positive_definite(S: np.ndarray) -> bool:
    """Tell whether a covariance matrix has full rank, judged on its correlations.

    >>> is_positive_definite(np.array([[4.0, 2.0], [2.0, 1.0]]))
    False
    """
    variance = np.diag(S)
    if not (variance > 0).all():
        return False
    sd = np.sqrt(variance)
    smallest = np.linalg.eigvalsh(S / np.outer(sd, sd))[0]
    return bool(smallest > 1e-10 * len(S))


def _start(R: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Start from the first principal component, shrunk so that every residual variance is positive."""
    values, vectors = np.linalg.eigh(R)
    loadings = vectors[:, -1] * np.sqrt(values[-1])
    loadings = np.clip(loadings, -0.9, 0.9)
    return loadings, 1 - loadings**2


def _discrepancy(R: np.ndarray, loadings: np.ndarray, psi: np.ndarray) -> float:
    """Return F, or infinity where Sigma is not positive definite."""
    Sigma = np.outer(loadings, loadings) + np.diag(psi)
    try:
        root = np.linalg.cholesky(Sigma)
    except np.linalg.LinAlgError:
        return np.inf
    return float(2 * np.log(np.diag(root)).sum() + np.trace(np.linalg.solve(Sigma, R)))


def _derivatives(R: np.ndarray, loadings: np.ndarray, psi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the (2k,) gradient and the (2k, 2k) expected Hessian of F."""
    W = np.linalg.inv(np.outer(loadings, loadings) + np.diag(psi))
    G = W - W @ R @ W
    a = W @ loadings
    c = loadings @ a
    slope = np.concatenate([2 * G @ loadings, np.diag(G)])
    mixed = 2 * W * a[np.newaxis, :]
    curvature = np.block([[2 * (np.outer(a, a) + c * W), mixed], [mixed.T, W * W]])
    return slope, curvature


def _is_minimum(R: np.ndarray, loadings: np.ndarray, psi: np.ndarray) -> bool:
    """Tell a minimum from a saddle or a ridge: the expected Hessian must have full rank.

    Where all but one or two loadings vanish, the rest is not identified: the gradient is zero on the ridge
    and which point of it is reached depends on the order of the items.
    """
    _, curvature = _derivatives(R, loadings, psi)
    values = np.linalg.eigvalsh(curvature)
    return bool(values[0] > FULL_RANK * values[-1])


def _scoring_step(slope: np.ndarray, curvature: np.ndarray) -> np.ndarray:
    """Solve for the step; least squares where the curvature is singular (a loading path through zero)."""
    return -np.linalg.lstsq(curvature, slope, rcond=None)[0]


def _line_search(
    R: np.ndarray, loadings: np.ndarray, psi: np.ndarray, value: float, step: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float] | None:
    """Return the first point of the halved step at which F does not rise, or None."""
    k = len(loadings)
    # Near the minimum F is flat to rounding error: a rise of this size is no rise.
    slack = 1e-13 * max(abs(value), 1.0)
    length = 1.0
    while length > SMALLEST_STEP:
        trial_loadings, trial_psi = loadings + length * step[:k], psi + length * step[k:]
        trial = _discrepancy(R, trial_loadings, trial_psi)
        if trial <= value + slack:
            return trial_loadings, trial_psi, trial
        length /= 2
    return None
