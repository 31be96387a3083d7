"""Means with their t intervals, and the mean of each small group withheld.

    mean +- t(1 - a/2, n - 1) * sd / sqrt(n)

These describe the people who answered; they take persons as independent. What may be said about change or
about differences between clusters comes from the mixed models.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """A mean in the variable's unit; ``None`` where it cannot be had.

    Attributes
    ----------
    n : int
        Values behind it.
    mean, sd, std_error, conf_low, conf_high : float or None
    """

    n: int
    mean: float | None
    sd: float | None
    std_error: float | None
    conf_low: float | None
    conf_high: float | None


def describe_mean(values: np.ndarray, *, ci_level: float = 0.95) -> Mean:
    """Return the mean of the values that are not NaN.

    >>> describe_mean(np.array([1.0, 2.0, 3.0, np.nan])).mean
    2.0
    """
    known = values[~np.isnan(values)]
    n = known.size
    if n == 0:
        return Mean(n=0, mean=None, sd=None, std_error=None, conf_low=None, conf_high=None)
    mean = float(known.mean())
    if n == 1:
        return Mean(n=1, mean=mean, sd=None, std_error=None, conf_low=None, conf_high=None)
    sd = float(known.std(ddof=1))
    std_error = sd / np.sqrt(n)
    half = float(stdtrit(n - 1, 0.5 + ci_level / 2)) * std_error
    return Mean(
        n=n, mean=mean, sd=sd, std_error=float(std_error), conf_low=mean - half, conf_high=mean + half
    )
