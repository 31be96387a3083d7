"""One number for a table of residuals, with its sampling error and an unbiased version.

For t residuals e (t,) with covariance matrix V:

    rms           sqrt(e'e / t)   SRMR of Bentler's, CRMR of correlation residuals, RMR of raw ones
    its error     sqrt(tr V^2 / (2 t tr V)) under exact fit, whose expectation is
                  sqrt(tr V / t) (4 (tr V)^2 - tr V^2) / (4 (tr V)^2)
    unbiased      sqrt(max(e'e - tr V, 0) / t) / k,   k = 1 - (tr V^2 + 2 e'Ve) / (4 (e'e)^2)
                  with error sqrt((tr V^2 + 2 e'Ve) / (2 t e'e)) / k
    close fit     (unbiased - .05) / error, normal: is the population's value above .05?

Maydeu-Olivares (2017), Psychometrika 82; Ogasawara (2001), Psychometrika 66. CRMR has no diagonal residuals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

Array = NDArray[np.float64]
LEVEL = 0.90
CLOSE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualSummary:
    """Size of a group's residuals.

    Attributes
    ----------
    name : {"rmr", "srmr", "crmr"}
    part : {"cov", "thresholds", "mean", "total"}
    group : str
    value : float
    std_error, exact_z, exact_p : float or None
        Test of exact fit; ``None`` where residuals cannot vary.
    unbiased, unbiased_se, conf_low, conf_high : float or None
        The estimate of the population's value with its 90 % interval, which may reach below zero.
    close_z, close_p : float or None
        Test of close fit: that the population's value is at most .05, against larger.
    """

    name: str
    part: str
    group: str
    value: float
    std_error: float | None
    exact_z: float | None
    exact_p: float | None
    unbiased: float | None
    unbiased_se: float | None
    conf_low: float | None
    conf_high: float | None
    close_z: float | None
    close_p: float | None


def summarise(e: Array, V: Array, *, count: int, name: str, part: str, group: str) -> ResidualSummary | None:
    """Return the summary of residuals e with covariance matrix V; ``None`` without any."""
    if not count:
        return None
    square, first, second = float(e @ e), float(np.trace(V)), float((V * V).sum())
    value = float(np.sqrt(square / count))
    if not (first > 0 and second / (first * 2 * count) > np.finfo(float).eps):
        return ResidualSummary(
            name=name, part=part, group=group, value=value, std_error=None, exact_z=None, exact_p=None,
            unbiased=None, unbiased_se=None, conf_low=None, conf_high=None, close_z=None, close_p=None,
        )  # fmt: skip
    se = float(np.sqrt(second / (first * 2 * count)))
    expected = float(np.sqrt(first / count)) * (4 * first**2 - second) / (4 * first**2)
    z = max(value - expected, 0.0) / se
    along = second + 2.0 * float(e @ V @ e)
    k = 1.0 - along / (4 * square**2)
    unbiased = float(np.sqrt(max(square - first, 0.0) / count)) / k
    own = float(np.sqrt(along / (2 * count * square))) / abs(k)
    close = (unbiased - CLOSE) / own
    reach = float(ndtri((1 + LEVEL) / 2)) * own
    return ResidualSummary(
        name=name, part=part, group=group, value=value, std_error=se, exact_z=z, exact_p=float(ndtr(-z)),
        unbiased=unbiased, unbiased_se=own, conf_low=unbiased - reach, conf_high=unbiased + reach,
        close_z=close, close_p=float(ndtr(-close)),
    )  # fmt: skip
