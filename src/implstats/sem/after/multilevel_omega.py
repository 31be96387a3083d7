"""Arithmetic of reliability in two-level models: Lai (2021), Psychological Methods 26, 90-102.

For the sum of k items with y_ij = mu + b_j + w_ij, cov(w) = Sigma_w, cov(b) = Sigma_b, a factor with loadings
l_w and variance phi_w within, l_b and phi_b between, and h the mean of 1/n_j over clusters (one over their
harmonic mean size):

    omega_within      (1'l_w)^2 phi_w / 1'Sigma_w 1                     of y_ij minus the cluster's mean
    omega_between     (1'l_b)^2 phi_b / (1'Sigma_b 1 + h 1'Sigma_w 1)   of the cluster's observed mean
    omega_two_level   [(1'l_w)^2 phi_w + (1'l_b)^2 phi_b] / 1'(Sigma_w + Sigma_b) 1      of y_ij as it is
    irr               1'Sigma_b 1 / (1'Sigma_b 1 + h 1'Sigma_w 1)       agreement of a cluster's persons

The cluster's observed mean has the variance 1'Sigma_b 1 + 1'Sigma_w 1 / n_j: few persons blur it, which a
share of 1'Sigma_b 1 alone would hide. Each alpha has the same denominator over k/(k - 1) times the
covariances of different items in the numerator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtri

Array = NDArray[np.float64]
Places = NDArray[np.intp]
OMEGAS = ("omega_within", "omega_between", "omega_two_level")
ALPHAS = ("alpha_within", "alpha_between", "alpha_two_level", "irr")


@dataclass(frozen=True, slots=True, kw_only=True)
class Composite:
    """Where one sum score's parts stand; None where a construct has no factor at a level.

    Attributes
    ----------
    construct : str
    items : tuple of str
        The k items.
    within, between : ndarray of int or None
        Places of the items in the matrices of each level; within those that vary within clusters.
    factor_within, factor_between : int or None
        Column of the factor at each level.
    """

    construct: str
    items: tuple[str, ...]
    within: Places
    between: Places
    factor_within: int | None
    factor_between: int | None

    @property
    def places(self) -> tuple[Places, Places]:
        """Places of the items within and between."""
        return self.within, self.between


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelPart:
    """What a level's model implies.

    Attributes
    ----------
    effects : ndarray, shape (p, m)
        Of the factors on the items: loadings, or the total effects of a factor of factors.
    direct : ndarray of bool, shape (m,)
        Whether a factor has loadings of its own.
    phi, cov : ndarray, shapes (m, m) and (p, p)
    """

    effects: Array
    direct: NDArray[np.bool_]
    phi: Array
    cov: Array

    def with_cov(self, cov: Array) -> LevelPart:
        """Return the part with another covariance matrix of the items, such as the saturated one."""
        return replace(self, cov=cov)


def omegas(composite: Composite, within: LevelPart, between: LevelPart, *, h: float) -> Array:
    """Return the three omegas, shape (3,), in the order of :data:`OMEGAS`; NaN where there is none."""
    inner, outer = _sum_of(within.cov, composite.within), _sum_of(between.cov, composite.between)
    true_w = _explained(within, composite.within, composite.factor_within)
    true_b = _explained(between, composite.between, composite.factor_between)
    same = len(composite.within) == len(composite.between) == len(composite.items)
    return np.array([
        true_w / inner if composite.factor_within is not None else np.nan,
        true_b / (outer + h * inner),
        (true_w + true_b) / (inner + outer) if same else np.nan,
    ])  # fmt: skip


def alphas(composite: Composite, within: Array, between: Array, *, h: float) -> Array:
    """Return the three alphas and the IRR, shape (4,), in the order of :data:`ALPHAS`."""
    inner, outer = _sum_of(within, composite.within), _sum_of(between, composite.between)
    shared_w = inner - float(np.diag(within)[composite.within].sum())
    shared_b = outer - float(np.diag(between)[composite.between].sum())
    k = len(composite.items)
    scale = k / (k - 1)
    whole = len(composite.within) == k
    here = len(composite.between) == k
    both = whole and here and composite.factor_within is not None and composite.factor_between is not None
    average = outer + h * inner
    return np.array([
        scale * shared_w / inner if whole and composite.factor_within is not None else np.nan,
        scale * shared_b / average if here and composite.factor_between is not None else np.nan,
        scale * (shared_w + shared_b) / (inner + outer) if both else np.nan,
        outer / average if whole and here and composite.factor_between is not None else np.nan,
    ])  # fmt: skip


def _sum_of(cov: Array, places: Places) -> float:
    return float(cov[np.ix_(places, places)].sum())


def _explained(part: LevelPart, places: Places, factor: int | None) -> float:
    if factor is None:
        return np.nan
    return float(part.effects[places, factor].sum()) ** 2 * float(part.phi[factor, factor])


def slopes(function: Callable[[Array], Array], at: Array, *, scale: Array) -> Array:
    """Return the derivatives of a smooth function, shape (values, q), by differences of order four.

    The coefficients are ratios of polynomials, so that steps of a thousandth of each parameter's ``scale``
    leave an error near 1e-11 of the derivative.
    """
    columns = []
    for k, size in enumerate(scale):
        step = np.zeros_like(at)
        step[k] = 1e-3 * size
        near = function(at + step) - function(at - step)
        far = function(at + 2 * step) - function(at - 2 * step)
        columns.append((8.0 * near - far) / (12.0 * step[k]))
    return np.array(columns).T


def logit_interval(estimate: float, std_error: float, *, level: float) -> tuple[float, float]:
    """Return the limits of a share on the scale of its logit; NaN where it is not between 0 and 1.

    >>> [round(limit, 3) for limit in logit_interval(0.8, 0.04, level=0.95)]
    [0.71, 0.867]
    """
    if not 0.0 < estimate < 1.0 or not np.isfinite(std_error):
        return np.nan, np.nan
    half = float(ndtri((1.0 + level) / 2.0)) * std_error / (estimate * (1.0 - estimate))
    return float(expit(logit(estimate) - half)), float(expit(logit(estimate) + half))


def saturated_covariance(within: Array, between: Array, sizes: Array, counts: Array) -> Array:
    """Return the covariance matrix of the saturated estimates [vech Sigma_w, vech Sigma_b], shape (2v, 2v).

    The inverse of the expected information of complete answers: with V_s = Sigma_w + s Sigma_b of the J_s
    clusters of size s and K(V) = D'(V^-1 x V^-1)D / 2, D the duplication matrix, the information is
    sum_s J_s [K(V_s), s K(V_s); s K(V_s), s^2 K(V_s)], and (N - J) K(Sigma_w) more within.
    """
    i, j = np.tril_indices(len(within))
    v = len(i)
    total = np.zeros((2 * v, 2 * v))
    spare = float(((sizes - 1.0) * counts).sum())
    total[:v, :v] = spare * _normal_information(within, i, j)
    for s, count in zip(sizes, counts, strict=True):
        K = count * _normal_information(within + s * between, i, j)
        total += np.block([[K, s * K], [s * K, s * s * K]])
    return np.asarray(np.linalg.inv(total))


def _normal_information(cov: Array, i: Places, j: Places) -> Array:
    """Return D'(V^-1 x V^-1)D / 2: element (a, b) is that of the elements (i, j) of two lower triangles."""
    W = np.linalg.inv(cov)
    a, b, c, d = i[:, None], j[:, None], i[None, :], j[None, :]
    twice = np.where(i == j, 0.5, 1.0)
    full = W[a, c] * W[b, d] + W[a, d] * W[b, c]
    return np.asarray(full * twice[:, None] * twice[None, :])
