"""Least squares: a model's statistics sigma(theta) brought near the sample's, s.

    F(theta) = (s - sigma)' W (s - sigma)

GLS, WLS, DWLS, ULS and, for ordered items, WLSMV and its kin differ in s and W only. The statistics of a
group stand in the order of :mod:`implstats.sem.ordinal.sample`; with Sigma, mu and Pi (slopes on predictors
x) of the underlying variables given x, and v their scales (one for a continuous variable),

    threshold  v_i (tau - mu_i)    mean  mu_i    slope  v_i Pi_ix    variance  Sigma_ii
    covariance  v_i v_j Sigma_ij

Ordered items: v is the parameter delta, and the residual variance follows; or (theta parameterisation) the
residual variance is a parameter and v_i = Sigma_ii^-1/2 (Muthen & Asparouhov 2002). With J = dsigma/dtheta
and g = W (s - sigma), the gradient is -2 J'g, half the Hessian J'WJ less the sum of g_s d2 sigma_s, all
analytic. Browne (1984); Muthen (1984).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from implstats.sem.estimators.ml import Curvature, Evaluation
from implstats.sem.model.matrices import Structure, columns_to_free, filled, to_free
from implstats.sem.model.moments import (
    Moments,
    Stacks,
    derivative_stacks,
    implied_moments,
    second_derivatives,
)

Array = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeastSquares:
    """Sample statistics of one group, S of them, of p modelled variables given k predictors.

    Attributes
    ----------
    statistics : ndarray, shape (S,)
    weight : ndarray, shape (S,) or (S, S)
        W, or its diagonal.
    gamma : ndarray, shape (S, S)
        Covariance matrix of sqrt(n) times the statistics.
    y, x : ndarray of int, shapes (p,) and (k,)
        Positions of variables and predictors among the observed variables.
    ordered : ndarray of bool, shape (p,)
    item, tau : ndarray of int, shape (L,)
        Variable of each threshold or mean, and the threshold's place in tau; -1 for a mean.
    variance : ndarray of int
        Variables with a variance among the statistics.
    row, col : ndarray of int
        Pairs of variables, in the order of their covariances.
    theta : bool
        Theta parameterisation of the scales.
    """

    statistics: Array
    weight: Array
    gamma: Array
    y: Index
    x: Index
    ordered: NDArray[np.bool_]
    item: Index
    tau: Index
    variance: Index
    row: Index
    col: Index
    theta: bool

    def weighted(self, columns: Array) -> Array:
        """Return W times a vector (S,) or the columns of a matrix (S, m)."""
        if self.weight.ndim == 2:
            return np.asarray(self.weight @ columns)
        return self.weight * columns if columns.ndim == 1 else self.weight[:, None] * columns

    @property
    def n_location(self) -> int:
        """How many statistics are thresholds and means; they come first."""
        return len(self.item)

    @property
    def n_before_pairs(self) -> int:
        """How many statistics stand before the covariances."""
        return len(self.statistics) - len(self.row)


@dataclass(frozen=True, slots=True)
class _State:
    """The model's statistics at one theta, and what they are made of."""

    moments: Moments
    cov: Array
    mean: Array
    tau: Array
    slopes: Array
    v: Array
    sigma: Array


@dataclass(frozen=True, slots=True)
class _Slopes:
    """Derivatives in entry space: of locations (L, K), slopes (k, p, K), covariances (S', K), "
    "scales (p, K)."""

    location: Array
    slopes: Array
    variance: Array
    pairs: Array
    v: Array


def given_predictors(structure: Structure, ls: LeastSquares) -> Structure:
    """Return the structure with the moments of fixed predictors at zero: the model given x."""
    if not len(ls.x):
        return structure
    template = dict(structure.template)
    for name in ("psi", "alpha"):
        template[name] = template[name].copy()
    for matrix, i, j, *_ in structure.exo:
        if matrix == "alpha":
            template[matrix][i] = 0.0
        elif matrix == "psi":
            template[matrix][i, j] = template[matrix][j, i] = 0.0
    return replace(structure, template=template)


def _predictors(structure: Structure, ls: LeastSquares) -> Index:
    """Positions of the predictors in eta."""
    return np.array([structure.eta.index(structure.observed[i]) for i in ls.x], dtype=np.intp)


def _state(structure: Structure, ls: LeastSquares, theta: Array) -> _State | None:
    """The statistics at theta; ``None`` where they do not exist."""
    try:
        moments = implied_moments(structure, theta)
    except np.linalg.LinAlgError:  # I - B singular: no such model at this theta
        return None
    if not np.all(np.isfinite(moments.cov)):
        return None
    cov, mean = moments.cov[np.ix_(ls.y, ls.y)], moments.mean[ls.y]
    matrices = filled(structure, theta)
    tau, v = matrices["tau"][ls.tau] if len(matrices["tau"]) else np.zeros(len(ls.tau)), np.ones(len(ls.y))
    if ls.theta:
        total = np.diag(cov)[ls.ordered]
        if np.any(total <= 0.0):
            return None
        v[ls.ordered] = total**-0.5
    else:
        v[ls.ordered] = matrices["delta"][ls.y][ls.ordered]
    slopes = moments.total[np.ix_(ls.y, _predictors(structure, ls))]
    location = np.where(ls.tau >= 0, v[ls.item] * (tau - mean[ls.item]), mean[ls.item])
    sigma = np.concatenate([
        location, (v[:, None] * slopes).T.reshape(-1), np.diag(cov)[ls.variance],
        v[ls.row] * v[ls.col] * cov[ls.row, ls.col],
    ])  # fmt: skip
    return _State(moments, cov, mean, tau, slopes, v, sigma)


def _slopes(structure: Structure, ls: LeastSquares, state: _State, stacks: Stacks) -> _Slopes:
    a, b, k = stacks.a[ls.y], stacks.b[ls.y], len(structure.ids)
    entry = np.arange(k)
    location = stacks.m[ls.y][ls.item]
    thresholds = ls.tau >= 0
    location[thresholds] *= -1.0
    cells, at = structure.cells["tau"], structure.slices["tau"]
    location += (ls.tau[:, None] == cells.row[None, :]) @ np.eye(k)[at]
    v = np.zeros((len(ls.y), k))
    if ls.theta:
        scale = np.where(ls.ordered, -(state.v**3), 0.0)
        v = scale[:, None] * a * b
    else:
        cells, at = structure.cells["delta"], structure.slices["delta"]
        v = (ls.y[:, None] == cells.row[None, :]).astype(float) @ np.eye(k)[at]
    slopes = np.zeros((len(ls.x), len(ls.y), k))
    for number, x in enumerate(_predictors(structure, ls)):
        reach = state.moments.inverse[:, x]
        loading, regression = structure.cells["loading"], structure.cells["regression"]
        full = np.zeros((len(structure.observed), k))
        full[loading.row, entry[structure.slices["loading"]]] = reach[loading.col]
        full[:, structure.slices["regression"]] = (
            state.moments.total[:, regression.row] * reach[regression.col]
        )
        slopes[number] = full[ls.y]
    return _Slopes(
        location=location, slopes=slopes, v=v,
        variance=2.0 * a[ls.variance] * b[ls.variance],
        pairs=a[ls.row] * b[ls.col] + b[ls.row] * a[ls.col],
    )  # fmt: skip


def _jacobian(ls: LeastSquares, state: _State, d: _Slopes) -> Array:
    """dsigma in entry space, (S, K)."""
    v, thresholds = state.v, (ls.tau >= 0)[:, None]
    own = v[ls.item][:, None] * d.location + (state.tau - state.mean[ls.item])[:, None] * d.v[ls.item]
    location = np.where(thresholds, own, d.location)
    slopes = v[:, None] * d.slopes + state.slopes.T[:, :, None] * d.v
    cov = state.cov[ls.row, ls.col][:, None]
    pairs = (v[ls.row] * v[ls.col])[:, None] * d.pairs
    if np.any(d.v):
        pairs += cov * (v[ls.col][:, None] * d.v[ls.row] + v[ls.row][:, None] * d.v[ls.col])
    return np.vstack([location, slopes.reshape(-1, d.v.shape[1]), d.variance, pairs])


def evaluate_least_squares(
    structure: Structure, ls: LeastSquares, theta: Array, curvature: Curvature
) -> Evaluation:
    """Return F and, unless ``curvature="none"``, its gradient and half its Hessian at theta, shape (q,).

    The "expected" half Hessian is that of Gauss and Newton, J'WJ.
    """
    given = given_predictors(structure, ls)
    state = _state(given, ls, theta)
    if state is None:
        return Evaluation(value=np.inf)
    error = ls.statistics - state.sigma
    g = ls.weighted(error)
    if curvature == "none":
        return Evaluation(value=float(error @ g))
    stacks = derivative_stacks(given, state.moments)
    d = _slopes(given, ls, state, stacks)
    J = _jacobian(ls, state, d)
    information = J.T @ ls.weighted(J)
    if curvature == "observed":
        information = information - _bend(given, ls, state, d, g)
    return Evaluation(
        value=float(error @ g), gradient=to_free(structure, -2.0 * (J.T @ g)),
        information=to_free(structure, information), moments=state.moments, stacks=stacks,
        jacobian=columns_to_free(structure, J), error=error,
    )  # fmt: skip


def _bend(structure: Structure, ls: LeastSquares, state: _State, d: _Slopes, g: Array) -> Array:
    """The sum of g_s d2 sigma_s in entry space, (K, K)."""
    v, p = state.v, len(structure.observed)
    parts = np.split(g, np.cumsum([len(ls.item), len(ls.x) * len(ls.y), len(ls.variance)]))
    g_location, g_slopes = parts[0], parts[1].reshape(len(ls.x), len(ls.y))
    g_variance, g_pairs = parts[2:]
    thresholds = ls.tau >= 0
    G, m = np.zeros((p, p)), np.zeros(p)
    weight = 0.5 * g_pairs * v[ls.row] * v[ls.col]
    G[ls.y[ls.row], ls.y[ls.col]] = G[ls.y[ls.col], ls.y[ls.row]] = weight
    G[ls.y[ls.variance], ls.y[ls.variance]] += g_variance
    np.add.at(m, ls.y[ls.item], np.where(thresholds, -v[ls.item], 1.0) * g_location)
    extra = np.zeros((d.v.shape[1],) * 2)
    if np.any(d.v):
        C, pull, mixed = _scale_terms(ls, state, d, g_location * thresholds, g_slopes, g_pairs)
        extra = d.v.T @ C + C.T @ d.v + d.v.T @ mixed @ d.v
        if ls.theta:
            pull = np.where(ls.ordered, pull, 0.0)
            G[ls.y, ls.y] += -0.5 * v**3 * pull
            extra += (d.v * (3.0 * pull / v)[:, None]).T @ d.v
    for number, x in enumerate(_predictors(structure, ls)):
        reach = np.zeros(p)
        reach[ls.y] = g_slopes[number] * v
        moved = replace(state.moments, eta_mean=state.moments.inverse[:, x])
        of_slopes = second_derivatives(replace(structure, means=True), moved, np.zeros((p, p)), reach)
        alpha = structure.slices["alpha"]
        of_slopes[alpha] = of_slopes[:, alpha] = 0.0
        extra += of_slopes
    return second_derivatives(structure, state.moments, G, m) + extra


def _scale_terms(
    ls: LeastSquares, state: _State, d: _Slopes, g_location: Array, g_slopes: Array, g_pairs: Array
) -> tuple[Array, Array, Array]:
    """With L the sum of g_s sigma_s: d2L/dv dtheta (p, K), dL/dv (p,) and d2L/dv dv (p, p)."""
    p, cov = len(ls.y), state.cov[ls.row, ls.col]
    number = np.arange(len(ls.row))
    to_row, to_col = np.zeros((p, len(ls.row))), np.zeros((p, len(ls.row)))
    to_row[ls.row, number] = g_pairs * state.v[ls.col]
    to_col[ls.col, number] = g_pairs * state.v[ls.row]
    of_item = np.zeros((p, len(ls.item)))
    of_item[ls.item, np.arange(len(ls.item))] = g_location
    C = (to_row + to_col) @ d.pairs + of_item @ d.location
    pull = (to_row + to_col) @ cov + of_item @ (state.tau - state.mean[ls.item])
    if len(ls.x):
        C += (g_slopes[:, :, None] * d.slopes).sum(axis=0)
        pull += (g_slopes * state.slopes.T).sum(axis=0)
    mixed = np.zeros((p, p))
    mixed[ls.row, ls.col] = mixed[ls.col, ls.row] = g_pairs * cov
    return C, pull, mixed


def derived_values(structure: Structure, ls: LeastSquares, theta: Array) -> None:
    """Write what follows from the estimate into the templates: residual variances (delta) or "
    "scales (theta)."""
    state = _state(given_predictors(structure, ls), ls, theta)
    if state is None:
        raise AssertionError("an optimum has moments")
    for i in np.nonzero(ls.ordered)[0]:
        at = ls.y[i]
        if ls.theta:
            structure.template["delta"][at] = state.v[i]
            continue
        name, total = structure.observed[at], state.v[i] ** -2.0
        matrix, k = ("psi", structure.eta.index(name)) if name in structure.eta else ("theta", at)
        structure.template[matrix][k, k] += total - state.cov[i, i]
