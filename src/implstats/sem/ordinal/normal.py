"""The bivariate normal distribution over the cells of a table, exactly and for many tables at once.

With cut points h_0 < .. < h_A and k_0 < .. < k_B (the outer ones may be infinite), F the distribution
function and f the density of two standard normal variables with correlation r,

    p_ab        = F(h_a+1, k_b+1) - F(h_a, k_b+1) - F(h_a+1, k_b) + F(h_a, k_b)
    dF/dr       = f,        df/dr = f [r/(1 - r^2) + ((1 + r^2) h k - r (h^2 + k^2)) / (1 - r^2)^2]
    dF/dh       = phi(h) Phi((k - r h) / sqrt(1 - r^2))

F comes from Owen's T function, which keeps its digits for every correlation. Many corners of tables whose
correlations are not extreme come faster from

    F = Phi(h) Phi(k) + 1 / (2 pi) int_0^asin(r) exp[(h k sin t - (h^2 + k^2) / 2) / cos(t)^2] dt

by Gauss and Legendre's nodes, exactly but for rounding (Drezner & Wesolowsky 1990).
References: Owen (1956), Annals of Mathematical Statistics 27, 1075-1090; Olsson (1979), Psychometrika 44;
Drezner & Wesolowsky (1990), Journal of Statistical Computation and Simulation 35, 101-107.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, owens_t

Array = NDArray[np.float64]

# Nodes and weights of the integral by the correlations up to which they leave rounding only.
RULES = {limit: np.polynomial.legendre.leggauss(count) for limit, count in ((0.6, 10), (0.8, 14), (0.9, 20))}
EXTREME = 0.9
# Fewer corners than this are as fast by Owen's function.
MANY = 200

TINY = 1e-100  # a cell that cannot happen; its square must not overflow


def density(h: Array) -> Array:
    """Standard normal density; zero at infinity."""
    with np.errstate(over="ignore"):
        return np.exp(-0.5 * h * h) / np.sqrt(2.0 * np.pi)


def bivariate_cdf(h: Array, k: Array, r: Array) -> Array:
    """F(h, k; r) of broadcast arrays, |r| < 1; infinite limits allowed.

    >>> round(float(bivariate_cdf(np.array(0.0), np.array(0.0), np.array(0.5))), 12)  # 1/4 + asin(r) / 2 pi
    0.333333333333
    """
    h, k, r = np.broadcast_arrays(h, k, r)
    finite = np.isfinite(h) & np.isfinite(k)
    a, b = np.where(finite, h, 1.0), np.where(finite, k, 1.0)
    root = np.sqrt((1.0 - r) * (1.0 + r))
    with np.errstate(divide="ignore", invalid="ignore"):
        slope_a, slope_b = (b - r * a) / (a * root), (a - r * b) / (b * root)
    both = (a == 0.0) & (b == 0.0)
    corner = np.sqrt((1.0 - r) / (1.0 + r))
    slope_a, slope_b = np.where(both, corner, slope_a), np.where(both, corner, slope_b)
    # At h = 0 alone the slope is infinite with k's sign, and T(0, +-inf) = +-1/4.
    slope_a = np.where((a == 0.0) & ~both, np.copysign(np.inf, b), slope_a)
    slope_b = np.where((b == 0.0) & ~both, np.copysign(np.inf, a), slope_b)
    other_side = (a * b < 0.0) | ((a * b == 0.0) & (a + b < 0.0))
    inside = 0.5 * (ndtr(a) + ndtr(b)) - owens_t(a, slope_a) - owens_t(b, slope_b) - 0.5 * other_side
    edge = np.where((h == -np.inf) | (k == -np.inf), 0.0, np.where(h == np.inf, ndtr(k), ndtr(h)))
    return np.where(finite, inside, edge)


def bivariate_cdf_by_nodes(h: Array, k: Array, r: Array) -> Array:
    """F(h, k; r) at finite h (K, A, 1) and k (K, 1, B) for r (K,) within :data:`EXTREME`.

    >>> at = np.zeros((1, 1, 1))
    >>> bivariate_cdf_by_nodes(at, at, np.array([0.5])).round(12).tolist()  # 1/4 + asin(r) / 2 pi
    [[[0.333333333333]]]
    """
    largest = float(np.abs(r).max(initial=0.0))
    nodes, weights = next(rule for limit, rule in RULES.items() if largest <= limit or limit == EXTREME)
    angle = np.arcsin(r)
    sine = np.sin(0.5 * angle[:, None] * (nodes + 1.0))
    one = 1.0 / ((1.0 - sine) * (1.0 + sine))
    weight = weights * angle[:, None] / (4.0 * np.pi)
    product, half = h * k, 0.5 * (h * h + k * k)
    out = ndtr(h) * ndtr(k)
    for j in range(len(nodes)):
        inner = product * (sine[:, j] * one[:, j])[:, None, None]
        inner -= half * one[:, j][:, None, None]
        np.exp(inner, out=inner)
        inner *= weight[:, j][:, None, None]
        out += inner
    return np.asarray(out)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Cells of K tables.

    Attributes
    ----------
    p, dp, ddp : ndarray, (K, A, B)
        Probability and its first and second derivative in the correlation.
    h, k : ndarray, (K, A + 1, B), (K, A, B + 1)
        Derivative of a cell in its upper cut point of the rows (columns); minus that in its lower one.
    """

    p: Array
    dp: Array
    ddp: Array
    h: Array
    k: Array


def cells(h: Array, k: Array, r: Array) -> Cells:
    """Return the cells of tables with cut points (K, A + 1), (K, B + 1) and correlations (K,)."""
    p, dp, ddp = masses(h, k, r)
    return Cells(p=p, dp=dp, ddp=ddp, h=_edge(h, k, r), k=np.swapaxes(_edge(k, h, r), 1, 2))


def masses(h: Array, k: Array, r: Array) -> tuple[Array, Array, Array]:
    """Return the probabilities of :func:`cells` with their first and second derivative in the correlation."""
    row, column, at = h[:, :, None], k[:, None, :], r[:, None, None]
    one = (1.0 - at) * (1.0 + at)
    F = _corners(h, k, r)
    finite = np.isfinite(row) & np.isfinite(column)
    a, b = np.where(finite, row, 0.0), np.where(finite, column, 0.0)
    f = np.exp(-(a * a - 2.0 * at * a * b + b * b) / (2.0 * one)) / (2.0 * np.pi * np.sqrt(one))
    f = np.where(finite, f, 0.0)
    df = f * (at / one + ((1.0 + at * at) * a * b - at * (a * a + b * b)) / one**2)
    return np.maximum(_difference(F), TINY), _difference(f), _difference(df)


def _corners(h: Array, k: Array, r: Array) -> Array:
    """The distribution function at all corners, (K, A + 1, B + 1); outer ones are margins where infinite."""
    whole = all(np.all(cut[:, 0] == -np.inf) and np.all(cut[:, -1] == np.inf) for cut in (h, k))
    if not whole:
        return bivariate_cdf(h[:, :, None], k[:, None, :], r[:, None, None])
    F = np.zeros((len(r), h.shape[1], k.shape[1]))
    F[:, -1, :], F[:, :, -1] = ndtr(k), ndtr(h)
    inner, one, two = F[:, 1:-1, 1:-1], h[:, 1:-1, None], k[:, None, 1:-1]
    extreme = np.abs(r) > EXTREME
    if inner.size < MANY or not (np.isfinite(one).all() and np.isfinite(two).all()):
        extreme[:] = True
    if extreme.any():
        inner[extreme] = bivariate_cdf(one[extreme], two[extreme], r[extreme, None, None])
    if not extreme.all():
        inner[~extreme] = bivariate_cdf_by_nodes(one[~extreme], two[~extreme], r[~extreme])
    return F


def _difference(F: Array) -> Array:
    """Mass of each cell from the distribution function at its corners."""
    return F[:, 1:, 1:] - F[:, :-1, 1:] - F[:, 1:, :-1] + F[:, :-1, :-1]


def _edge(h: Array, k: Array, r: Array) -> Array:
    """phi(h) times the probability of each column's interval given h, (K, A + 1, B)."""
    finite = np.isfinite(h)
    known = np.where(finite, h, 0.0)
    root = np.sqrt((1.0 - r) * (1.0 + r))[:, None, None]
    inner = ndtr((k[:, None, :] - r[:, None, None] * known[:, :, None]) / root)
    return np.where(finite, density(known), 0.0)[:, :, None] * np.diff(inner, axis=2)
