"""Means, variances and covariances of complete persons with the weights of a least-squares estimator.

S has divisor n - 1, which makes least squares unbiased for the moments (Browne 1974) and is lavaan's choice;
Gamma has divisor n.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from implstats.errors import DataError
from implstats.sem.data.sample import Sample, take_sample
from implstats.sem.estimators.least_squares import LeastSquares
from implstats.sem.estimators.ml import SampleMoments
from implstats.sem.estimators.weights import RECIPES, fourth_moments, normal_weight, vech_order

Array = NDArray[np.float64]


def take_moment_sample(
    values: Array, names: Sequence[str], x: Sequence[str], *, estimator: str, means: bool
) -> Sample:
    """Return complete persons' moments with Gamma and W.

    Parameters
    ----------
    values : ndarray, shape (rows, p)
    estimator : str
        A name of :data:`implstats.sem.estimators.weights.LEAST_SQUARES`.
    means : bool
        Whether means are among the statistics.

    Raises
    ------
    DataError
        As :func:`implstats.sem.data.sample.take_sample`; too few persons for a full weight matrix.
    """
    sample = take_sample(values, names, x)
    n = sample.moments.n
    S, m = sample.moments.cov * n / (n - 1), sample.moments.mean
    gamma = fourth_moments(sample.centred, means=means)
    row, col = vech_order(len(S))
    statistics = S[row, col]
    if means:
        statistics = np.concatenate([m, statistics])
    p = len(S)
    log_det = sample.moments.log_det + p * float(np.log(n / (n - 1)))
    return replace(
        sample,
        moments=SampleMoments(cov=S, mean=m, n=n, log_det=log_det),
        least_squares=LeastSquares(
            statistics=statistics,
            weight=_weight(RECIPES[estimator].weighting, gamma, S, n, means=means),
            gamma=gamma, y=np.arange(p), x=np.arange(0), ordered=np.zeros(p, dtype=bool),
            item=np.arange(p if means else 0), tau=np.full(p if means else 0, -1), variance=np.arange(p),
            row=row[p:], col=col[p:], theta=False,
        ),
    )  # fmt: skip


def _weight(weighting: str, gamma: Array, S: Array, n: int, *, means: bool) -> Array:
    if weighting == "GLS":
        return normal_weight(np.asarray(np.linalg.inv(S)), means=means)
    return weight_of_gamma(weighting, gamma, n)


def weight_of_gamma(weighting: str, gamma: Array, n: int) -> Array:
    """Return W of WLS, DWLS or ULS.

    Raises
    ------
    DataError
        WLS with no more persons than statistics: Gamma has no inverse.
    """
    if weighting == "ULS":
        return np.ones(len(gamma))
    if weighting == "DWLS":
        return 1.0 / np.diag(gamma)
    if n <= len(gamma):
        raise DataError(
            f"{n} persons for {len(gamma)} sample statistics: the full weight matrix of WLS needs more "
            "persons than statistics, better ten times as many. Use the diagonal one (DWLS, WLSMV), or ML."
        )
    sd = np.sqrt(np.diag(gamma))
    scaled = gamma / np.outer(sd, sd)
    if np.linalg.eigvalsh(scaled)[0] < 1e-12:
        raise DataError(
            "The weight matrix of WLS does not exist: some sample statistics depend on each other. Use the "
            "diagonal one (DWLS, WLSMV)."
        )
    return np.asarray(np.linalg.inv(gamma))
