"""Standard errors of standardised values, by the delta method with exact derivatives.

A standardised value is theta_r times powers of standard deviations,

    r = theta_r s_a^u s_b^v,   dr / r = dtheta_r / theta_r + u ds_a / s_a + v ds_b / s_b,   var(r) = dr' V dr

with V (q, q) the covariance matrix of the estimates (robust under robust estimators) and the variances s^2
and their derivatives those of :mod:`implstats.sem.after.deviations`, so that a value that standardising
fixes, such as a total variance of one, has no standard error. Fixed parameters get one where the standard
deviations are estimated. The moments of fixed predictors, which the model conditions on, are constants here
too, as in lavaan; mention a predictor's variance in the model for errors that let them vary. Definitions are
worked out from the standardised labels, as in lavaan. Kind "nox" leaves predictors in their units. Rao
(1973), 6a.2; Bollen (1989), 8; Rosseel (2012).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from implstats.errors import UsageError, did_you_mean
from implstats.results import Check, finite_or_none
from implstats.sem.after.deviations import Yardsticks, deviations
from implstats.sem.after.extended import Extended, extend
from implstats.sem.after.proper_fit import proper_fit
from implstats.sem.estimators.least_squares import LeastSquares, derived_values
from implstats.sem.inference.wald import Wald, wald
from implstats.sem.language.defined import Dual, evaluate
from implstats.sem.language.rows import Row
from implstats.sem.model.standardise import row_values
from implstats.sem.results import SemResult

if TYPE_CHECKING:
    import pandas as pd

    from implstats.sem.two_level_record import TwoLevelResult

Array = NDArray[np.float64]
Kind = Literal["all", "lv", "nox"]
# Standardised values are of order one: a spread below this is rounding of a value that cannot vary.
NO_SPREAD = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class StandardisedParameter:
    """One standardised parameter.

    Attributes
    ----------
    lhs, op, rhs, group_label, label : str
    group, level : int
        From 1.
    value : float or None
        In standard deviations; ``None`` where a variance is not positive.
    std_error, statistic, p_value, conf_low, conf_high : float or None
        ``None`` for values that cannot vary. ``statistic`` is z.
    """

    lhs: str
    op: str
    rhs: str
    group: int
    group_label: str
    label: str
    value: float | None
    std_error: float | None
    statistic: float | None
    p_value: float | None
    conf_low: float | None
    conf_high: float | None
    level: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StandardisedSolution:
    """All standardised parameters, in the order of the fit's.

    Attributes
    ----------
    kind : {"all", "lv", "nox"}
        By the standard deviations of all variables, of the latent ones, or of all but observed predictors.
    ci_level : float
    parameters : tuple of StandardisedParameter
    checks : tuple of Check
    """

    kind: str
    ci_level: float
    parameters: tuple[StandardisedParameter, ...]
    checks: tuple[Check, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """One row a parameter."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.parameters])


def standardised(
    result: SemResult | TwoLevelResult, kind: Kind = "all", ci_level: float | None = None
) -> StandardisedSolution:
    """Return standardised values with standard errors, z tests and intervals.

    Parameters
    ----------
    result : SemResult or TwoLevelResult
        A fit by any estimator that did not fail.
    kind : {"all", "lv", "nox"}
        ``nox`` leaves observed predictors in their units, which suits those of two values.
    ci_level : float, optional
        By default the fit's.

    Raises
    ------
    UsageError
        An unknown kind, a level outside 0 to 1.
    ModelError
        The fit failed.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import sem
    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(size=400)
    >>> frame = pd.DataFrame({"x": x, "y": x + rng.normal(size=400)})
    >>> row = standardised(sem.fit("y ~ x", frame)).parameters[0]
    >>> row.conf_low < 2**-0.5 < row.conf_high
    True
    """
    if kind not in get_args(Kind):
        raise UsageError(
            f"kind '{kind}' is not known{did_you_mean(kind, get_args(Kind)) or '.'} Choose all, lv or nox."
        )
    if ci_level is not None and not 0 < ci_level < 1:
        raise UsageError(f"ci_level should lie between 0 and 1 (got {ci_level}); 0.95 is usual.")
    if not isinstance(result, SemResult):
        from implstats.sem.after.two_level_standardised import standardised_levels

        return standardised_levels(result, kind, ci_level)
    estimated = proper_fit(result, what="Standardised values")
    level = estimated.options.ci_level if ci_level is None else ci_level
    if result.covariance is None:
        raise AssertionError("a proper fit has a covariance matrix")
    model = extend(estimated, free=lambda row: False)
    for structure, sample in zip(model.structures, estimated.sample.groups, strict=True):
        if sample.least_squares is not None:
            derived_values(structure, sample.least_squares, model.theta)
    statistics = [sample.least_squares for sample in estimated.sample.groups]
    found = standardised_duals(model, statistics, kind=kind)
    rows = []
    for parameter, dual in zip(result.parameters, found, strict=True):
        w = wald_of(dual, result.covariance, level)
        rows.append(
            StandardisedParameter(
                lhs=parameter.lhs, op=parameter.op, rhs=parameter.rhs, group=parameter.group,
                group_label=parameter.group_label, label=parameter.label, value=w.estimate,
                std_error=w.std_error,
                statistic=w.statistic, p_value=w.p_value, conf_low=w.conf_low, conf_high=w.conf_high,
            )
        )  # fmt: skip
    return StandardisedSolution(
        kind=kind, ci_level=level, parameters=tuple(rows), checks=(check_values(rows),)
    )


def wald_of(dual: Dual, covariance: Array, level: float) -> Wald:
    """Return the test and interval of a value; none where it cannot vary."""
    variance = float(dual.gradient @ covariance @ dual.gradient)
    floor = NO_SPREAD * max(1.0, abs(dual.value))
    return wald(dual.value, variance if variance > floor**2 else None, ci_level=level)


def check_values(rows: list[StandardisedParameter]) -> Check:
    """Say which values do not exist."""
    missing = [f"{row.lhs} {row.op} {row.rhs}".strip() for row in rows if row.value is None]
    if not missing:
        return Check(name="standardised", status="ok", message="Every standardised value exists.")
    return Check(
        name="standardised", status="warn",
        message=f"No standardised value for {', '.join(missing)}: a variance that it is divided by is not "
        "positive.",
    )  # fmt: skip


def standardised_duals(
    model: Extended, statistics: Sequence[LeastSquares | None], *, kind: Kind
) -> list[Dual]:
    """Return value and gradient, shape (q,), of each row, then of each definition."""
    table, q = model.table, model.table.n_free
    values = row_values(table, model.structures, model.theta)
    found: list[Dual] = []
    for group, (structure, ls) in enumerate(zip(model.structures, statistics, strict=True), start=1):
        of = deviations(structure, model.theta, ls)
        by = Yardsticks(of, kind=kind, x=table.names.x, q=q)
        for row in table.of_group(group):
            value = of.value(row, values[len(found)], q)
            found.append(standardise(row, value, by, scales=kind == "lv"))
    by_label: dict[str, Dual] = {}
    for row, dual in zip(table.rows, found, strict=True):
        if row.label:
            by_label.setdefault(row.label, dual)
    for definition in table.definitions:
        by_label[definition.name] = evaluate(definition.tree, by_label, size=table.n_free)
        found.append(by_label[definition.name])
    return [dual if finite_or_none(dual.value) is not None else _nothing(table.n_free) for dual in found]


def _nothing(q: int) -> Dual:
    return Dual(np.nan, np.zeros(q))


def _times(x: Dual, y: Dual) -> Dual:
    return Dual(x.value * y.value, y.value * x.gradient + x.value * y.gradient)


def _over(x: Dual, y: Dual) -> Dual:
    ratio = x.value / y.value
    return Dual(ratio, (x.gradient - ratio * y.gradient) / y.value)


def standardise(row: Row, value: Dual, by: Yardsticks, *, scales: bool) -> Dual:
    """One row by its yardsticks; scales of ordered items are one unless ``scales`` keeps them."""
    if row.op == "~*~":
        return value if scales else Dual(1.0, np.zeros(len(value.gradient)))
    if row.op == "|":
        return _over(value, by.spread(row.lhs))
    if value.value == 0.0 and not np.any(value.gradient):
        return value  # a fixed zero stays zero, whatever the standard deviations
    if row.op == "=~":
        return _over(_times(value, by.spread(row.lhs)), by.spread(row.rhs))
    if row.op == "~":
        return _over(_times(value, by.kept(row.rhs)), by.spread(row.lhs))
    if row.op == "~1":
        return _over(value, by.kept(row.lhs))
    if row.lhs == row.rhs:
        return _over(_over(value, by.kept(row.lhs)), by.kept(row.lhs))
    return _over(_over(value, by.residual(row.lhs)), by.residual(row.rhs))
