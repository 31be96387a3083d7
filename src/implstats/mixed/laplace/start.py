"""The model without random effects, fitted by Newton's method: where the search starts, and whether it can.

A maximum of this likelihood exists if and only if the data are not separated. So a fit that converges with
moderate linear predictors proves that they are not (the score along a separating direction would stay
positive), and only a doubtful one needs the linear programme of `separation`.
Reference: Albert & Anderson (1984), Biometrika 71, 1-10.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from implstats.mixed.laplace.families import Family

LIMIT = 60
CONVERGED = 1e-14  # squared Newton decrement per row
MODERATE = 10.0  # size of a linear predictor, in logits, where a score of zero is not yet rounding
DIFFERENCE = 1e-5


@dataclass(frozen=True, slots=True)
class PlainFit:
    """Coefficients (p,), extra parameters (E,), log likelihood with its constant, whether it is a proper
    maximum."""

    b: np.ndarray
    extra: np.ndarray
    log_likelihood: float
    proper: bool


def fit_without_random(
    family: Family, X: np.ndarray, offset: np.ndarray, b: np.ndarray, extra: np.ndarray
) -> PlainFit:
    """Return the fit with all variances zero, from a start; X is (p, n)."""
    p = len(b)
    psi = np.concatenate([b, extra])
    proper = False
    with np.errstate(all="ignore"):
        value = _value(family, X, offset, psi, p)
        for _ in range(LIMIT):
            slope, bend = _derivatives(family, X, offset, psi, p)
            try:
                step = np.linalg.solve(bend, slope)
            except np.linalg.LinAlgError:
                break
            decrement = float(slope @ step)
            if not np.isfinite(decrement) or decrement < 0.0:
                break
            if decrement < CONVERGED * X.shape[1]:
                proper = bool(np.abs(psi[:p] @ X + offset).max() < MODERATE)
                break
            moved = _descend(family, X, offset, psi, step, value, p)
            if moved is None:
                break
            psi, value = moved
    return PlainFit(psi[:p], psi[p:], value + family.constant, proper)


def _value(family: Family, X: np.ndarray, offset: np.ndarray, psi: np.ndarray, p: int) -> float:
    return float(np.sum(family.density(psi[:p] @ X + offset, psi[p:])[0]))


def _descend(
    family: Family, X: np.ndarray, offset: np.ndarray, psi: np.ndarray, step: np.ndarray, value: float, p: int
) -> tuple[np.ndarray, float] | None:
    """Return the point after the step, halved until the likelihood does not fall."""
    for _ in range(40):
        trial = _value(family, X, offset, psi + step, p)
        if trial >= value - 1e-12 * abs(value):
            return psi + step, trial
        step = 0.5 * step
    return None


def _derivatives(
    family: Family, X: np.ndarray, offset: np.ndarray, psi: np.ndarray, p: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the gradient of the log likelihood and minus its Hessian, in coefficients and extra
    parameters."""
    eta, extra = psi[:p] @ X + offset, psi[p:]
    rows = family.rows(eta, extra)
    slope, bend = X @ rows.score, (X * rows.weight) @ X.T
    if not len(extra):
        return slope, bend
    one, zero, E = np.ones_like(eta), np.zeros_like(eta), len(extra)
    full = np.zeros((len(psi),) * 2)
    full[:p, :p] = bend
    full[:p, p:] = -family.extra_slope(eta, np.tile(extra, (p, 1)), on_l=zero, on_score=X)
    full[p:, :p] = full[:p, p:].T
    unit = np.eye(E) * DIFFERENCE
    slopes = family.extra_slope(eta, extra + np.concatenate([unit, -unit, 0.0 * unit[:1]]), on_l=one)
    change = (slopes[:E] - slopes[E : 2 * E]) / (2.0 * DIFFERENCE)
    full[p:, p:] = -0.5 * (change + change.T)
    return np.concatenate([slope, slopes[-1]]), full
