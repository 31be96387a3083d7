"""Unrotated factors of a correlation matrix R (p, p) = L L' + diag(psi), by minres or maximum likelihood.

Both are minimised over the uniquenesses alone; the loadings L (p, m) that are best for given psi follow from
an eigenproblem (Joreskog 1967, Psychometrika 32; Harman & Jones 1966, Psychometrika 31).

    ML       f(psi) = sum over k > m of (t_k - log t_k - 1),   t the eigenvalues of psi^-1/2 R psi^-1/2
             df/dpsi_i = -sum over k > m of w_ik^2 (t_k - 1) / psi_i        (w the eigenvectors)
    minres   f(psi) = 1/2 sum over k > m of t_k^2,             t the eigenvalues of R - diag(psi)
             df/dpsi_i = -sum over k > m of w_ik^2 t_k

Uniquenesses stay at or above a bound; one that rests on it (a Heywood case) is reported by the caller.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Criterion = Callable[[Array, Array, int], tuple[float, Array]]

BOUND = 0.005  # the smallest uniqueness that R's factanal and psych allow too
FLAT = 1e-9  # of the gradient, for uniquenesses off the bound
STEPS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """Unrotated solution.

    Attributes
    ----------
    loadings : ndarray, (p, m)
    uniqueness : ndarray, (p,)
    at_bound : ndarray of bool, (p,)
    converged : bool
        The gradient is zero off the bound and not negative on it.
    """

    loadings: Array
    uniqueness: Array
    at_bound: NDArray[np.bool_]
    converged: bool


def extract(R: Array, n_factors: int, *, method: str) -> Extracted:
    """Return the factors of a positive definite correlation matrix; method ``minres`` or ``ml``."""
    from scipy.optimize import minimize

    criterion, loadings = (_ml, _ml_loadings) if method == "ml" else (_minres, _minres_loadings)
    psi = np.clip((1.0 - 0.5 * n_factors / len(R)) / np.diag(np.linalg.inv(R)), BOUND, 1.0)
    found = minimize(
        lambda at: criterion(at, R, n_factors), psi, jac=True, method="L-BFGS-B",
        bounds=[(BOUND, None)] * len(R), options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 1000},
    )  # fmt: skip
    psi = _polish(found.x, R, n_factors, criterion)
    gradient = criterion(psi, R, n_factors)[1]
    bound = psi <= BOUND * (1.0 + 1e-9)
    flat = bool(np.all(np.abs(gradient[~bound]) < FLAT) and np.all(gradient[bound] > -FLAT))
    return Extracted(
        loadings=_signed(loadings(psi, R, n_factors)), uniqueness=psi, at_bound=bound, converged=flat
    )


def _polish(psi: Array, R: Array, m: int, criterion: Criterion) -> Array:
    """Return the uniquenesses after Newton steps with a Hessian from differences of the exact gradient."""
    for _ in range(STEPS):
        value, gradient = criterion(psi, R, m)
        free = np.flatnonzero((psi > BOUND * (1.0 + 1e-9)) | (gradient < 0.0))
        if len(free) == 0 or np.abs(gradient[free]).max() < 1e-14:
            break
        hessian = np.empty((len(free), len(free)))
        for row, i in zip(hessian, free, strict=True):
            size = 1e-5 * psi[i]
            moved = psi.copy()
            moved[i] += size
            after = criterion(moved, R, m)[1][free]
            moved[i] -= 2.0 * size
            row[:] = (after - criterion(moved, R, m)[1][free]) / (2.0 * size)
        step = np.linalg.lstsq(0.5 * (hessian + hessian.T), gradient[free], rcond=None)[0]
        new = psi.copy()
        new[free] = np.maximum(psi[free] - step, BOUND)
        if criterion(new, R, m)[0] > value + 1e-13 * max(1.0, abs(value)):
            break
        psi = new
        if np.abs(step).max() < 1e-13:
            break
    return psi


def _ml(psi: Array, R: Array, m: int) -> tuple[float, Array]:
    root = np.sqrt(psi)
    t, w = np.linalg.eigh(R / np.outer(root, root))
    rest, vectors = t[: len(R) - m], w[:, : len(R) - m]
    return float(np.sum(rest - np.log(rest) - 1.0)), -(vectors**2 @ (rest - 1.0)) / psi


def _ml_loadings(psi: Array, R: Array, m: int) -> Array:
    root = np.sqrt(psi)
    t, w = np.linalg.eigh(R / np.outer(root, root))
    size = np.sqrt(np.maximum(t[::-1][:m] - 1.0, 0.0))
    return root[:, None] * w[:, ::-1][:, :m] * size


def _minres(psi: Array, R: Array, m: int) -> tuple[float, Array]:
    t, w = np.linalg.eigh(R - np.diag(psi))
    rest, vectors = t[: len(R) - m], w[:, : len(R) - m]
    return 0.5 * float(rest @ rest), -(vectors**2 @ rest)


def _minres_loadings(psi: Array, R: Array, m: int) -> Array:
    t, w = np.linalg.eigh(R - np.diag(psi))
    return w[:, ::-1][:, :m] * np.sqrt(np.maximum(t[::-1][:m], 0.0))


def _signed(loadings: Array) -> Array:
    """Return loadings with each factor's sum not negative."""
    return loadings * np.where(loadings.sum(axis=0) < 0.0, -1.0, 1.0)
