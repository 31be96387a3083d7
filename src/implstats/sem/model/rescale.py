"""A start for marker-scaled models from the same model with unit latent variances.

A marker whose true loading is near zero makes the marker-scaled criterion badly curved far from its optimum,
while the unit-variance form of the same model is easy. With c_f the marker's loading under unit variances,
f* = c_f f is f in the marker's metric, so that

    loading / c_f (times c of a latent indicator)     regression * c_outcome / c_predictor
    (co)variance * c_a c_b                            mean * c_f            (c = 1 for observed variables)

Only start values come from here; the optimum is searched and judged in the model's own metric.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from implstats.sem.language.rows import Row
from implstats.sem.language.table import ParameterTable

Array = NDArray[np.float64]


def marker_start(table: ParameterTable, unit: ParameterTable, unit_values: list[float]) -> Array | None:
    """Return a start vector, shape (q,), or ``None`` where the two forms do not correspond.

    Parameters
    ----------
    table, unit : ParameterTable
        The model as asked and with unit latent variances; their rows must be the same parameters.
    unit_values : list of float
        Estimates of the rows of ``unit``.
    """
    if [row.name for row in table.rows] != [row.name for row in unit.rows]:
        return None
    groups = range(1, len(table.groups) + 1)
    metric = {(latent, group): 1.0 for latent in table.names.latent for group in groups}
    for row, value in zip(table.rows, unit_values, strict=True):
        if row.op == "=~" and row.fixed == 1.0 and row.rhs in table.names.observed:
            metric[row.lhs, row.group] = value
    if any(abs(c) < 1e-6 for c in metric.values()):
        return None
    theta = np.zeros(table.n_free)
    for row, value in zip(table.rows, unit_values, strict=True):
        if row.free:
            theta[row.free - 1] = value * _factor(row, metric)
    return theta


def _factor(row: Row, metric: dict[tuple[str, int], float]) -> float:
    left, right = metric.get((row.lhs, row.group), 1.0), metric.get((row.rhs, row.group), 1.0)
    if row.op == "=~":
        return right / left
    if row.op == "~":
        return left / right
    return left if row.op == "~1" else left * right
