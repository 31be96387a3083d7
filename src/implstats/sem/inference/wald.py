"""Standard errors, tests, intervals, and the delta method for defined parameters.

    V = I^-1 / n,   z = estimate / se,   interval = estimate -+ z_(1 + level)/2 se

with I the expected information of one observation at the estimate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from implstats.results import finite_or_none
from implstats.sem.language.defined import Dual, evaluate
from implstats.sem.language.table import ParameterTable

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wald:
    """One estimate with its inference; everything but the estimate is ``None`` without a standard error."""

    estimate: float | None
    std_error: float | None = None
    statistic: float | None = None
    p_value: float | None = None
    conf_low: float | None = None
    conf_high: float | None = None


def wald(estimate: float, variance: float | None, *, ci_level: float) -> Wald:
    """Return the z-test and interval of an estimate.

    >>> wald(1.0, 0.25, ci_level=0.95).statistic
    2.0
    """
    value = finite_or_none(estimate)
    if value is None or variance is None or not 0 < variance < math.inf:
        return Wald(estimate=value)
    se = math.sqrt(variance)
    z, reach = value / se, _quantile(ci_level) * se
    return Wald(
        estimate=value, std_error=se, statistic=z, p_value=float(2 * ndtr(-abs(z))), conf_low=value - reach,
        conf_high=value + reach,
    )  # fmt: skip


@cache
def _quantile(ci_level: float) -> float:
    """The normal quantile of a two-sided interval."""
    return float(ndtri((1 + ci_level) / 2))


def duals(table: ParameterTable, theta: Array, exo: dict[str, float]) -> dict[str, Dual]:
    """Return label -> value and gradient, shape (q,), of every labelled or defined parameter, in table order.

    ``exo`` holds the sample values of labelled exogenous moments.
    """
    q = table.n_free
    values: dict[str, Dual] = {}
    for row in table.rows:
        if not row.label or row.label in values:
            continue
        gradient = np.zeros(q)
        if row.free:
            gradient[row.free - 1] = 1.0
            values[row.label] = Dual(float(theta[row.free - 1]), gradient)
        else:
            values[row.label] = Dual(exo.get(row.label, row.fixed or 0.0), gradient)
    for definition in table.definitions:
        values[definition.name] = evaluate(definition.tree, values, size=q)
    return values


def defined_from(table: ParameterTable, by_label: dict[str, float]) -> dict[str, float]:
    """Return the definitions evaluated at other values of the labels, such as standardised ones."""
    values = {label: Dual(value, np.zeros(0)) for label, value in by_label.items()}
    for definition in table.definitions:
        values[definition.name] = evaluate(definition.tree, values, size=0)
    return {definition.name: values[definition.name].value for definition in table.definitions}
