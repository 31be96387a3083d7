"""Small matrices, many at a time: the matrix axes come first, the responses last.

An array (i, j, ..., r) holds an i x j matrix for each of the remaining positions, the last of which runs over
responses and is contiguous. A product of small matrices is then a few passes over long vectors, instead of
one library call for each matrix.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(slots=True)
class Stack:
    """A quantity with derivatives: ``value`` (..., r), ``first`` (..., R, r), ``second`` (..., T, r)."""

    value: np.ndarray
    first: np.ndarray
    second: np.ndarray


def times(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the products of (i, k, ...) and (k, j, ...).

    >>> times(np.full((1, 1, 3), 2.0), np.full((1, 1, 3), 4.0)).ravel()
    array([8., 8., 8.])
    """
    out: np.ndarray = a[:, 0, None] * b[None, 0]
    for k in range(1, a.shape[1]):
        out += a[:, k, None] * b[None, k]
    return out


def turned(a: np.ndarray) -> np.ndarray:
    """Return the transposed matrices."""
    return a.swapaxes(0, 1)


def trace_of(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return tr(ab), (...)."""
    out: np.ndarray = np.einsum("ij...,ji...->...", a, b)
    return out


def inverse(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return inverses and log-determinants; the determinants are positive."""
    if len(a) == 1:
        return 1.0 / a, np.log(a[0, 0])
    if len(a) == 2:
        det = a[0, 0] * a[1, 1] - a[0, 1] * a[1, 0]
        return np.array([[a[1, 1], -a[0, 1]], [-a[1, 0], a[0, 0]]]) / det, np.log(det)
    last = np.moveaxis(a, (0, 1), (-2, -1))
    return np.moveaxis(np.linalg.inv(last), (-2, -1), (0, 1)), np.linalg.slogdet(last)[1]


def definite_inverse(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return inverse (p, p, r) and log-determinant (r,) of symmetric positive definite matrices.

    Symmetric Gauss-Jordan elimination; a matrix that is not numerically positive definite gives NaN.
    """
    work, logdet = a.copy(), np.zeros(a.shape[2:])
    for k in range(len(a)):
        pivot = np.where(work[k, k] > 0.0, work[k, k], np.nan)
        logdet += np.log(pivot)
        row = work[k] / pivot
        work -= work[:, k, None] * row[None]
        work[k] = row
        work[:, k] = row
        work[k, k] = -1.0 / pivot
    return -work, logdet
