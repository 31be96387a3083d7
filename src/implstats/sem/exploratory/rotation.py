"""Rotation of loadings L (p, m): orthogonal L T, or oblique L T'^-1 with factor correlations T'T.

    varimax       sum of the variances of squared loadings, rows brought to length one first (Kaiser 1958)
    promax        least squares to the fourth power of varimax loadings, signs kept (Hendrickson & White 1964)
    oblimin       sum over pairs of factors of  sum_i l_ij^2 l_ik^2   (quartimin; Jennrich & Sampson 1966)
    geomin        sum over rows of the geometric mean of l_ij^2 + 0.01 (Yates 1987)

Oblimin and geomin follow the gradient, projected (Jennrich 2002, Psychometrika 67, 7-19), from the unrotated
start and from random ones, since they may have several minima; the best is kept and their number is told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Criterion = Callable[[Array], tuple[float, Array]]

ROTATIONS = ("oblimin", "geomin", "promax", "varimax", "none")
GEOMIN = 0.01
POWER = 4
FLAT = 1e-10
STEPS = 5000
STARTS = 10
SAME = 1e-6  # of a criterion, by which two minima are one


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """Rotated pattern (p, m), factor correlations (m, m), distinct minima met, and whether it converged."""

    loadings: Array
    phi: Array
    minima: int
    converged: bool


def rotate(loadings: Array, rotation: str, *, seed: int = 1) -> Rotated:
    """Return rotated loadings, factors by size and with positive sums.

    >>> L = np.array([[0.8, 0.1], [0.7, 0.2], [0.1, 0.9], [0.2, 0.6]])
    >>> rotate(L, "varimax").phi.tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    m = loadings.shape[1]
    if m == 1 or rotation == "none":
        return _ordered(loadings, np.eye(m), 1, True, sort=rotation != "none")
    if rotation == "varimax":
        return _ordered(loadings @ _varimax(loadings), np.eye(m), 1, True)
    if rotation == "promax":
        return _promax(loadings)
    return _oblique(loadings, _quartimin if rotation == "oblimin" else _geomin, seed)


def _ordered(pattern: Array, phi: Array, minima: int, converged: bool, *, sort: bool = True) -> Rotated:
    """Return factors by their sum of squares, largest first, each with a positive sum of loadings."""
    size = np.diag(phi @ pattern.T @ pattern)
    order = np.argsort(-size, kind="stable") if sort else np.arange(len(phi))
    sign = np.where(pattern.sum(axis=0) < 0.0, -1.0, 1.0)[order]
    return Rotated(
        loadings=pattern[:, order] * sign, phi=phi[np.ix_(order, order)] * np.outer(sign, sign),
        minima=minima, converged=converged,
    )  # fmt: skip


def _varimax(loadings: Array) -> Array:
    """Return the orthogonal T by Kaiser's plane rotations on rows of length one."""
    length = np.sqrt(np.sum(loadings**2, axis=1))
    A = loadings / np.where(length > 0.0, length, 1.0)[:, None]
    p, m = A.shape
    T = np.eye(m)
    for _ in range(STEPS):
        largest = 0.0
        for j in range(m - 1):
            for k in range(j + 1, m):
                u, v = A[:, j] ** 2 - A[:, k] ** 2, 2.0 * A[:, j] * A[:, k]
                num = 2.0 * (u @ v - u.sum() * v.sum() / p)
                den = u @ u - v @ v - (u.sum() ** 2 - v.sum() ** 2) / p
                angle = 0.25 * np.arctan2(num, den)
                largest = max(largest, abs(float(angle)))
                c, s = np.cos(angle), np.sin(angle)
                G = np.array([[c, -s], [s, c]])
                A[:, [j, k]] = A[:, [j, k]] @ G
                T[:, [j, k]] = T[:, [j, k]] @ G
        if largest < 1e-14:
            break
    return T


def _promax(loadings: Array) -> Rotated:
    start = loadings @ _varimax(loadings)
    target = start * np.abs(start) ** (POWER - 1)
    U = np.linalg.lstsq(start, target, rcond=None)[0]
    U = U * np.sqrt(np.diag(np.linalg.inv(U.T @ U)))
    inverse = np.linalg.inv(U)
    return _ordered(start @ U, inverse @ inverse.T, 1, True)


def _quartimin(L: Array) -> tuple[float, Array]:
    squares = L**2
    others = squares.sum(axis=1, keepdims=True) - squares
    return 0.25 * float(np.sum(squares * others)), L * others


def _geomin(L: Array) -> tuple[float, Array]:
    m = L.shape[1]
    squares = L**2 + GEOMIN
    mean = np.exp(np.log(squares).mean(axis=1, keepdims=True))
    return float(mean.sum()), (2.0 / m) * L / squares * mean


def _oblique(loadings: Array, criterion: Criterion, seed: int) -> Rotated:
    """Return the best minimum from several starts."""
    m = loadings.shape[1]
    rng = np.random.default_rng(seed)
    starts = [np.eye(m), _varimax(loadings)]
    starts += [np.linalg.qr(rng.normal(size=(m, m)))[0] for _ in range(STARTS)]
    found = [_descend(loadings, criterion, T) for T in starts]
    flat = [f for f in found if f[2]]
    value, T, converged = min(flat or found, key=lambda f: f[0])
    values = np.sort([f[0] for f in flat])
    minima = 1 + int(np.sum(np.diff(values) > SAME * max(abs(value), 1e-12))) if len(values) else 0
    pattern = loadings @ np.linalg.inv(T).T
    return _ordered(pattern, T.T @ T, minima, converged)


def _descend(loadings: Array, criterion: Criterion, T: Array) -> tuple[float, Array, bool]:
    """Return value, T with columns of length one, and whether the projected gradient is zero."""
    step = 1.0
    inverse = np.linalg.inv(T)
    L = loadings @ inverse.T
    value, slope = criterion(L)
    for _ in range(STEPS):
        G = -(L.T @ slope @ inverse).T
        projected = G - T * np.sum(T * G, axis=0)
        size = float(np.sum(projected**2))
        if np.sqrt(size) < FLAT:
            return value, T, True
        step *= 2.0
        for _ in range(60):
            new = T - step * projected
            new = new / np.sqrt(np.sum(new**2, axis=0))
            inverse = np.linalg.inv(new)
            L = loadings @ inverse.T
            after, slope = criterion(L)
            if after < value - 0.5 * size * step:
                break
            step *= 0.5
        else:
            return value, T, bool(np.sqrt(size) < 1e-7)
        T, value = new, after
    return value, T, False
