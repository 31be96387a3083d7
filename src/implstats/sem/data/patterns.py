"""Persons grouped by which answers they gave: all that a normal likelihood with gaps needs.

Persons with the same gaps share one sub-matrix of Sigma. A pattern k with n_k persons who answered the
variables o enters the likelihood through its own mean m_k and covariance S_k (divisor n_k) alone, so that the
work grows with the K patterns and not with the n persons. All patterns are held in one batch: the unobserved
variables of a pattern have mean and covariance zero, and its Sigma has a unit diagonal there, which adds
nothing to the determinant. Arbuckle (1996); Enders (2010), chapter 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patterns:
    """The data of n persons on p variables, in K patterns.

    Attributes
    ----------
    n : int
    seen : ndarray of bool, shape (K, p)
        Which variables a pattern holds.
    share : ndarray, shape (K,)
        n_k / n.
    mean, cov : ndarray, shapes (K, p) and (K, p, p)
        m_k and S_k, zero outside the pattern.
    rows : ndarray, shape (n, p)
        The persons, pattern by pattern, NaN where there is no answer.
    bounds : ndarray of int, shape (K + 1,)
        Pattern k holds the rows ``bounds[k]`` to ``bounds[k + 1]``.
    constant : float
        -2 log L of one person is F plus this: log(2 pi) times the answers a person gave on average.
    cluster : ndarray of int, shape (n,), or None
        Whose scores are summed before they are squared, in the order of ``rows``.
    """

    n: int
    seen: Mask
    share: Array
    mean: Array
    cov: Array
    rows: Array
    bounds: NDArray[np.intp]
    constant: float
    cluster: NDArray[np.intp] | None = None

    @property
    def both(self) -> Mask:
        """Pairs that a pattern holds, shape (K, p, p)."""
        both: Mask = self.seen[:, :, None] & self.seen[:, None, :]
        return both


def group_patterns(values: Array) -> Patterns:
    """Return the patterns of an (n, p) array with NaN for missing answers; no row may be all NaN.

    >>> group_patterns(np.array([[1.0, np.nan], [2.0, 3.0], [4.0, np.nan]])).share.tolist()
    [0.6666666666666666, 0.3333333333333333]
    """
    n, p = values.shape
    seen = ~np.isnan(values)
    keys, which = np.unique(np.packbits(seen, axis=1), axis=0, return_inverse=True)
    which = which.reshape(-1)
    order = np.argsort(which, kind="stable")
    counts = np.bincount(which, minlength=len(keys))
    bounds = np.concatenate([[0], np.cumsum(counts)]).astype(np.intp)
    rows = values[order]
    held = seen[order][bounds[:-1]]
    mean, cov = np.zeros((len(keys), p)), np.zeros((len(keys), p, p))
    for k, mask in enumerate(held):
        block = rows[bounds[k] : bounds[k + 1]][:, mask]
        mean[k, mask] = block.mean(axis=0)
        centred = block - mean[k, mask]
        cov[k][np.ix_(mask, mask)] = centred.T @ centred / len(block)
    return Patterns(
        n=n, seen=held, share=counts / n, mean=mean, cov=cov, rows=rows, bounds=bounds,
        constant=float(seen.sum()) / n * float(np.log(2 * np.pi)),
    )  # fmt: skip
