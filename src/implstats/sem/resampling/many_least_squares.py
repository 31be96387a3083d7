"""The least-squares criterion of many samples at once, with gradient and exact Hessian.

    F_r = (s_r - sigma(theta_r))' W_r (s_r - sigma(theta_r))

The formulas are those of :mod:`implstats.sem.estimators.least_squares` without predictors, with the samples
as one more axis in front: J'WJ - sum g_s d2 sigma_s is half the Hessian, g = W (s - sigma).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from implstats.sem.estimators.least_squares import LeastSquares, given_predictors
from implstats.sem.model.matrices import Structure
from implstats.sem.resampling.many import (
    Many,
    ManyEvaluations,
    Places,
    fill_many,
    implied_many,
    levels,
    many_of,
    second_of_cov,
    second_of_mean,
)

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Stacks:
    """Derivatives of R models in their K entries: dSigma = a b' + b a' and dmu, each of shape (R, p, K)."""

    a: Array
    b: Array
    m: Array


@dataclass(frozen=True, slots=True)
class _State:
    """Scales v and thresholds of R models, what sigma is made of, and sigma, shape (R, S)."""

    v: Array
    distance: Array
    sigma: Array
    fine: Flags


@dataclass(frozen=True, slots=True)
class _Slopes:
    """Derivatives of locations (R, L, K), variances, covariances (R, P, K) and scales (R, p, K) or none."""

    location: Array
    variance: Array
    pairs: Array
    v: Array | None


def stacks_many(structure: Structure, places: Places, at: Many) -> Stacks:
    """Return the derivatives of Sigma and mu of R models."""
    a = at.basis[:, :, places.a]
    b = at.basis[:, :, places.b] * places.scale
    if not structure.means:
        return Stacks(a, b, np.zeros_like(a))
    return Stacks(a, b, at.basis[:, :, places.m] * levels(places, at.eta_mean)[:, None, :])


def scales_many(ls: LeastSquares, at: Many) -> Array:
    """Return v, shape (R, p), of models given x; NaN where an ordered variance is not positive."""
    v = np.ones((len(at.cov), len(ls.y)))
    if ls.theta:
        total = np.diagonal(at.cov, axis1=1, axis2=2)[:, ls.y[ls.ordered]]
        with np.errstate(invalid="ignore", divide="ignore"):
            v[:, ls.ordered] = np.where(total > 0.0, total, np.nan) ** -0.5
    else:
        v[:, ls.ordered] = at.matrices["delta"][:, ls.y][:, ls.ordered]
    return v


def complete_many(
    structure: Structure, ls: LeastSquares | None, thetas: Array, cov: Array, mean: Array
) -> Many:
    """Return the model at thetas with what follows from them of ordered items: residual variances or scales.

    Parameters
    ----------
    cov, mean : ndarray, shapes (R, p, p) and (R, p)
        Where fixed predictors take their moments from.
    """
    matrices = fill_many(structure, thetas, cov, mean)
    if ls is None or not ls.ordered.any():
        return many_of(structure, matrices)
    given = replace(given_predictors(structure, ls), exo=())
    at = implied_many(given, thetas, cov, mean)
    v = scales_many(ls, at)
    for i in np.nonzero(ls.ordered)[0]:
        position = ls.y[i]
        if ls.theta:
            matrices["delta"][:, position] = v[:, i]
            continue
        name = structure.observed[position]
        inside = name in structure.eta
        k = structure.eta.index(name) if inside else position
        matrices["psi" if inside else "theta"][:, k, k] += v[:, i] ** -2.0 - at.cov[:, position, position]
    return many_of(structure, matrices)


def _state(ls: LeastSquares, at: Many) -> _State:
    v, tau = scales_many(ls, at), at.matrices["tau"]
    fine: Flags = np.asarray(np.isfinite(v).all(axis=1) & np.isfinite(at.cov).all(axis=(1, 2)))
    v = np.where(fine[:, None], v, 1.0)
    mean = at.mean[:, ls.y][:, ls.item]
    located = ls.tau >= 0
    own = tau[:, np.maximum(ls.tau, 0)] if tau.shape[1] else np.zeros_like(mean)
    distance = np.where(located, own - mean, 0.0)
    location = np.where(located, v[:, ls.item] * distance, mean)
    variance = at.cov[:, ls.y[ls.variance], ls.y[ls.variance]]
    pairs = v[:, ls.row] * v[:, ls.col] * at.cov[:, ls.y[ls.row], ls.y[ls.col]]
    return _State(v, distance, np.hstack([location, variance, pairs]), fine)


def _slopes(structure: Structure, ls: LeastSquares, state: _State, stacks: Stacks) -> _Slopes:
    a, b = stacks.a[:, ls.y], stacks.b[:, ls.y]
    K = a.shape[2]
    located = (ls.tau >= 0)[:, None]
    cells, where = structure.cells["tau"], structure.slices["tau"]
    own = (ls.tau[:, None] == cells.row[None, :]).astype(float) @ np.eye(K)[where]
    location = np.where(located, -1.0, 1.0) * stacks.m[:, ls.y][:, ls.item] + own
    v = None
    if ls.theta:
        v = np.where(ls.ordered, -(state.v**3), 0.0)[:, :, None] * a * b
    elif len(structure.cells["delta"].row):
        cells, where = structure.cells["delta"], structure.slices["delta"]
        fixed = (ls.y[:, None] == cells.row[None, :]).astype(float) @ np.eye(K)[where]
        v = np.broadcast_to(fixed, a.shape)
    pairs = a[:, ls.row] * b[:, ls.col]
    pairs += b[:, ls.row] * a[:, ls.col]
    return _Slopes(location, 2.0 * a[:, ls.variance] * b[:, ls.variance], pairs, v)


def _jacobian(ls: LeastSquares, at: Many, state: _State, d: _Slopes) -> Array:
    """dsigma in the entries, shape (R, S, K)."""
    v, located = state.v, (ls.tau >= 0)[:, None]
    location = np.where(located, v[:, ls.item, None] * d.location, d.location)
    pairs = (v[:, ls.row] * v[:, ls.col])[:, :, None] * d.pairs
    if d.v is not None:
        location += state.distance[:, :, None] * d.v[:, ls.item]
        cov = at.cov[:, ls.y[ls.row], ls.y[ls.col]][:, :, None]
        pairs += cov * (v[:, ls.col, None] * d.v[:, ls.row] + v[:, ls.row, None] * d.v[:, ls.col])
    return np.concatenate([location, d.variance, pairs], axis=1)


def evaluate_many_least_squares(
    structure: Structure, places: Places, ls: LeastSquares, thetas: Array, statistics: Array, weight: Array,
    *, hessian: bool,
) -> ManyEvaluations:  # fmt: skip
    """Return F of each sample at its own parameters, in the free parameters of the model.

    Parameters
    ----------
    ls : LeastSquares
        Which statistics; its own values are not used. No predictors.
    thetas : ndarray, shape (R, q)
    statistics : ndarray, shape (R, S)
    weight : ndarray, shape (R, S) or (R, S, S)
    """
    R, p = len(thetas), len(structure.observed)
    at = implied_many(structure, thetas, np.zeros((R, p, p)), np.zeros((R, p)))
    state = _state(ls, at)
    error = np.where(state.fine[:, None], statistics - state.sigma, 0.0)
    g = weight * error if weight.ndim == 2 else (weight @ error[:, :, None])[:, :, 0]
    d = _slopes(structure, ls, state, stacks_many(structure, places, at))
    J = _jacobian(ls, at, state, d)
    if not structure.one_to_one:
        J = J @ places.spread
    gradient = -2.0 * (g[:, None, :] @ J)[:, 0]
    half = None
    if hessian:
        WJ = weight[:, :, None] * J if weight.ndim == 2 else weight @ J
        bend = _bend(structure, ls, at, state, d, g)
        if not structure.one_to_one:
            bend = places.spread.T @ bend @ places.spread
        half = J.swapaxes(1, 2) @ WJ + bend
    value = np.where(state.fine, (error * g).sum(axis=1), np.inf)
    return ManyEvaluations(value=value, gradient=gradient, hessian=half)


def _bend(structure: Structure, ls: LeastSquares, at: Many, state: _State, d: _Slopes, g: Array) -> Array:
    """Minus the sum of g_s d2 sigma_s in the entries, shape (R, K, K)."""
    R, p, _ = at.cov.shape
    L, V = len(ls.item), len(ls.variance)
    g_location, g_variance, g_pairs = g[:, :L], g[:, L : L + V], g[:, L + V :]
    v, located = state.v, ls.tau >= 0
    G, m = np.zeros((R, p, p)), np.zeros((R, p))
    row, col = ls.y[ls.row], ls.y[ls.col]
    G[:, row, col] = G[:, col, row] = 0.5 * g_pairs * v[:, ls.row] * v[:, ls.col]
    G[:, ls.y[ls.variance], ls.y[ls.variance]] += g_variance
    to_item = (np.arange(p)[:, None] == ls.y[ls.item]).astype(float)
    m = np.where(located, -v[:, ls.item], 1.0) * g_location @ to_item.T
    out = np.zeros((R, len(structure.ids), len(structure.ids)))
    if d.v is not None:
        _add_scales(ls, at, state, d, g_location * located, g_pairs, G, out)
    second_of_cov(structure, at, at.basis.swapaxes(1, 2) @ (-2.0 * G) @ at.basis, out)
    if structure.means:
        second_of_mean(structure, at, (at.basis.swapaxes(1, 2) @ m[:, :, None])[:, :, 0], out)
    return out


def _add_scales(
    ls: LeastSquares,
    at: Many,
    state: _State,
    d: _Slopes,
    g_location: Array,
    g_pairs: Array,
    G: Array,
    out: Array,
) -> None:
    """Take the terms of the scales off ``out``, and add the scales' pull on variances to G (theta)."""
    if d.v is None:
        raise AssertionError("there are no scales")
    R, p = state.v.shape
    cov, P = at.cov[:, ls.y[ls.row], ls.y[ls.col]], len(ls.row)
    weight = np.zeros((R, p, P))
    weight[:, ls.row, np.arange(P)] = g_pairs * state.v[:, ls.col]
    weight[:, ls.col, np.arange(P)] += g_pairs * state.v[:, ls.row]
    of_item = np.zeros((R, p, len(ls.item)))
    of_item[:, ls.item, np.arange(len(ls.item))] = g_location
    C = weight @ d.pairs + of_item @ d.location
    pull = (weight @ cov[:, :, None] + of_item @ state.distance[:, :, None])[:, :, 0]
    mixed = np.zeros((R, p, p))
    mixed[:, ls.row, ls.col] = mixed[:, ls.col, ls.row] = g_pairs * cov
    dv = d.v.swapaxes(1, 2)
    cross = dv @ C
    out -= cross + cross.swapaxes(1, 2) + dv @ mixed @ d.v
    if ls.theta:
        pull = np.where(ls.ordered, pull, 0.0)
        G[:, ls.y, ls.y] += -0.5 * state.v**3 * pull
        out -= (dv * (3.0 * pull / state.v)[:, None, :]) @ d.v
