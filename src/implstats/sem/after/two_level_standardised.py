"""Standardised values of two-level fits with standard errors, level by level.

Within each level as in :mod:`implstats.sem.after.standardised`: a value is divided by standard deviations of
its own level, whose derivatives in the common parameters join the delta method, so that a parameter that is
equal across levels has a standardised value and a standard error at each. Moments of fixed predictors are
constants, as in lavaan. Definitions are worked out from the standardised labels where they first stand.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from implstats.errors import ModelError
from implstats.results import finite_or_none
from implstats.sem.after.deviations import Yardsticks, deviations
from implstats.sem.after.standardised import (
    Kind,
    StandardisedParameter,
    StandardisedSolution,
    check_values,
    standardise,
    wald_of,
)
from implstats.sem.estimators.two_level_search import values_of_rows
from implstats.sem.language.defined import Dual, evaluate
from implstats.sem.two_level_record import TwoLevelEstimated, TwoLevelResult

Array = NDArray[np.float64]


def standardised_levels(
    result: TwoLevelResult, kind: Kind = "all", ci_level: float | None = None
) -> StandardisedSolution:
    """Return standardised values with standard errors of a two-level fit, rows in the order of the fit's.

    Raises
    ------
    ModelError
        The fit failed.
    """
    if result.fitted is None or result.covariance is None:
        raise ModelError(f"Standardised values need a fit that did not fail. {result.reason}")
    level = result.fitted.ci_level if ci_level is None else ci_level
    rows = []
    for parameter, dual in zip(result.parameters, _duals(result.fitted, kind), strict=True):
        w = wald_of(dual, result.covariance, level)
        rows.append(StandardisedParameter(
            lhs=parameter.lhs, op=parameter.op, rhs=parameter.rhs, group=1, group_label="",
            label=parameter.label, level=parameter.level, value=w.estimate, std_error=w.std_error,
            statistic=w.statistic, p_value=w.p_value, conf_low=w.conf_low, conf_high=w.conf_high,
        ))  # fmt: skip
    return StandardisedSolution(
        kind=kind, ci_level=level, parameters=tuple(rows), checks=(check_values(rows),)
    )


def _duals(fitted: TwoLevelEstimated, kind: Kind) -> list[Dual]:
    """Value and gradient, shape (q,), of each row, then of each definition."""
    levels, theta = fitted.levels, fitted.theta
    table, q = levels.table, levels.table.n_free
    values = values_of_rows(levels, theta)
    found: list[Dual] = []
    for k, structure in enumerate(levels.structures, start=1):
        of = deviations(structure, theta, None)
        by = Yardsticks(of, kind=kind, x=levels.by_level[k - 1].names.x, q=q)
        for row in (row for row in table.rows if row.level == k):
            found.append(standardise(row, of.value(row, values[len(found)], q), by, scales=kind == "lv"))
    by_label: dict[str, Dual] = {}
    for row, dual in zip(table.rows, found, strict=True):
        if row.label:
            by_label.setdefault(row.label, dual)
    for definition in table.definitions:
        by_label[definition.name] = evaluate(definition.tree, by_label, size=q)
        found.append(by_label[definition.name])
    nothing = Dual(np.nan, np.zeros(q))
    return [dual if finite_or_none(dual.value) is not None else nothing for dual in found]
