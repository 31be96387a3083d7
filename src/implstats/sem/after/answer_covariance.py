"""Covariances of ordered answers from the normal variables behind them (Green & Yang 2009).

An answer is a first value plus a step w_c for each threshold t_c that its normal variable y* (variance one)
passes, so that for two items whose normal variables correlate r

    cov(Y, Z) = sum_c sum_d w_c w_d [Phi2(t_c, t_d; r) - Phi(t_c) Phi(t_d)]
    cov(Y, z) = sum_c w_c phi(t_c) cov(y*, z)                              z a continuous item

With r the whole correlation this is the covariance of the answers. With r the part that the factors explain,
the communality on the diagonal, it is the covariance of what the factors let expect of the answers, because
two answers given the factors are like one person's answers on two independent occasions.
Green & Yang (2009), Psychometrika 74, 155-167.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from implstats.sem.ordinal.normal import bivariate_cdf, density

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """How normal variables turn into answers, k items with up to c thresholds.

    Attributes
    ----------
    thresholds, weights : ndarray, shape (k, c)
        t, infinite beyond an item's last one, and w, zero there; a continuous item has none.
    ordered : ndarray of bool, shape (k,)
    """

    thresholds: Array
    weights: Array
    ordered: NDArray[np.bool_]

    def take(self, items: NDArray[np.intp]) -> Steps:
        """Return some of the items."""
        return Steps(
            thresholds=self.thresholds[items], weights=self.weights[items], ordered=self.ordered[items]
        )


def steps_of(thresholds: Sequence[Array], values: Sequence[Array]) -> Steps:
    """Return the steps of items with thresholds (c_i,) and answers (c_i + 1,); none for a continuous item."""
    width = max((len(t) for t in thresholds), default=0)
    t, w = np.full((len(thresholds), width), np.inf), np.zeros((len(thresholds), width))
    for i, (own, answers) in enumerate(zip(thresholds, values, strict=True)):
        t[i, : len(own)], w[i, : len(own)] = own, np.diff(answers) if len(own) else 0.0
    return Steps(thresholds=t, weights=w, ordered=np.array([len(own) > 0 for own in thresholds]))


def answer_covariance(steps: Steps, cov: Array) -> Array | None:
    """Return the covariances of answers whose normal variables have covariances ``cov``, shape (k, k).

    On the diagonal of an ordered item ``cov`` is one, or the communality. ``None`` for correlations beyond
    one.

    Examples
    --------
    >>> binary = steps_of([np.zeros(1), np.zeros(1)], [np.array([0.0, 1.0])] * 2)
    >>> answer_covariance(binary, np.array([[1.0, 0.5], [0.5, 1.0]])).round(6)  # 1/3 - 1/4 beside 1/4
    array([[0.25    , 0.083333],
           [0.083333, 0.25    ]])
    """
    both = steps.ordered[:, None] & steps.ordered
    same = np.eye(len(cov), dtype=bool)
    if np.any(np.abs(cov[both & ~same]) >= 1.0) or np.any(np.diag(cov)[steps.ordered] > 1.0 + 1e-12):
        return None
    t, w, r = steps.thresholds, steps.weights, np.where(both & (np.abs(cov) < 1.0), cov, 0.0)
    one, two = t[:, None, :, None], t[None, :, None, :]
    joint = bivariate_cdf(one, two, r[:, :, None, None])
    whole = np.diag(cov) >= 1.0
    joint[whole & same] = ndtr(np.minimum(t[whole][:, :, None], t[whole][:, None, :]))
    apart = ndtr(one) * ndtr(two)
    out = np.einsum("ic,jd,ijcd->ij", w, w, joint - apart)
    slope = np.where(steps.ordered, (w * density(t)).sum(axis=1), 1.0)
    return np.where(both, out, cov * np.outer(slope, slope))
