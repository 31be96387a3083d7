"""Monte Carlo intervals of defined parameters, such as indirect effects.

    theta* ~ N(theta, V),   interval of f(theta) = quantiles of f(theta*)

with V the estimated covariance matrix of the estimates (robust under MLR and MLM). The estimates are taken as
normal, their product is not: this is why the interval of an indirect effect need not be symmetric. No refit
and no person's answer is needed. MacKinnon, Lockwood & Williams (2004); Preacher & Selig (2012).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from implstats.errors import ModelError
from implstats.results import Check, finite_or_none
from implstats.sem.language.table import ParameterTable
from implstats.sem.model.standardise import row_values
from implstats.sem.resampling.guard import check_draws, proper_fit
from implstats.sem.resampling.intervals import bounds
from implstats.sem.resampling.quantities import defined_many
from implstats.sem.results import SemResult
from implstats.sem.two_level_record import TwoLevelResult

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class MonteCarloEffect:
    """A defined parameter with its Monte Carlo interval.

    Attributes
    ----------
    name, definition : str
    estimate : float or None
        Of the fit.
    std_error : float or None
        Standard deviation of the draws.
    conf_low, conf_high : float or None
    p_value : float or None
        Two-sided: the smallest level at which the interval still holds zero, twice the smaller share of
        draws on one side of zero; never below 2 / (draws + 1).
    n_draws : int
        Draws with a value.
    """

    name: str
    definition: str
    estimate: float | None
    std_error: float | None
    conf_low: float | None
    conf_high: float | None
    p_value: float | None
    n_draws: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MonteCarlo:
    """Monte Carlo intervals of all defined parameters of a fit, with ``checks``."""

    ci_level: float
    draws: int
    effects: tuple[MonteCarloEffect, ...]
    checks: tuple[Check, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """One row a defined parameter."""
        import pandas as pd

        return pd.DataFrame([asdict(effect) for effect in self.effects])


def monte_carlo(
    result: SemResult | TwoLevelResult, *, draws: int = 20000, seed: int, ci_level: float | None = None
) -> MonteCarlo:
    """Return Monte Carlo intervals of the defined parameters (``:=``) of a fit.

    Parameters
    ----------
    result : SemResult or TwoLevelResult
        Any fit with standard errors that did not fail.
    draws, seed : int
    ci_level : float, optional
        By default the fit's.

    Raises
    ------
    ModelError
        The fit failed or defines nothing.
    UsageError
        Draws, seed or level that make no sense.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import sem
    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(size=300); m = 0.5 * x + rng.normal(size=300)
    >>> frame = pd.DataFrame({"x": x, "m": m, "y": 0.4 * m + rng.normal(size=300)})
    >>> effect = monte_carlo(sem.fit("m ~ a*x\\ny ~ b*m\\nab := a*b", frame), seed=1).effects[0]
    >>> effect.conf_low < 0.2 < effect.conf_high
    True
    """
    table, center, values_of_rows, usual = _drawn_from(result)
    if not table.definitions:
        raise ModelError(
            "The model defines no parameter. Label the paths and add a line such as 'indirect := a*b'."
        )
    level = usual if ci_level is None else ci_level
    check_draws(draws, seed, level=level, least=100)
    if result.covariance is None:
        raise AssertionError("a proper fit has a covariance matrix")
    thetas = normal_draws(center, result.covariance, draws=draws, seed=seed)
    values = defined_many(table, _columns(table, values_of_rows, thetas))
    named = {p.lhs: p for p in result.parameters if p.op == ":="}
    effects = tuple(
        _effect(d.name, d.text, named[d.name].estimate, value, level)
        for d, value in zip(table.definitions, values, strict=True)
    )
    return MonteCarlo(ci_level=level, draws=draws, effects=effects, checks=(_check(effects, draws),))


def normal_draws(center: Array, covariance: Array, *, draws: int, seed: int) -> Array:
    """Return draws, shape (draws, q), from a normal distribution whose covariance matrix may be singular."""
    sd = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    scale = np.where(sd > 0, sd, 1.0)
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    z = np.random.default_rng(seed).standard_normal((draws, len(center)))
    return np.asarray(center + (z @ root.T) * scale)


def _drawn_from(result: SemResult | TwoLevelResult) -> tuple[ParameterTable, Array, Array, float]:
    """Return the table, the estimate, each row's value and the fit's ci_level, of one or two levels."""
    if isinstance(result, TwoLevelResult):
        if result.fitted is None:
            raise ModelError("A Monte Carlo interval needs a fit that did not fail; mend the model first.")
        rows = np.array([p.estimate for p in result.parameters if p.op != ":="], dtype=float)
        return result.fitted.levels.table, result.fitted.theta, rows, result.fitted.ci_level
    one = proper_fit(result, what="A Monte Carlo interval")
    theta = one.optimum.theta
    rows = np.asarray(row_values(one.table, one.structures, theta))
    return one.table, theta, rows, one.options.ci_level


def _columns(table: ParameterTable, fixed: Array, thetas: Array) -> list[Array]:
    """The value of each row in each draw; fixed rows and sample moments keep theirs."""
    return [
        thetas[:, row.free - 1] if row.free else np.full(len(thetas), value)
        for row, value in zip(table.rows, fixed, strict=True)
    ]


def _effect(name: str, text: str, estimate: float | None, drawn: Array, level: float) -> MonteCarloEffect:
    values = drawn[np.isfinite(drawn)]
    low = high = sd = p_value = np.nan
    if estimate is not None and len(values) > 1 and np.ptp(values) > 0:
        sd = float(np.std(values, ddof=1))
        low, high = bounds(values, estimate, kind="percentile", level=level, a=0.0)
        beyond = min(int((values <= 0).sum()), int((values >= 0).sum()))
        p_value = min(1.0, 2.0 * (beyond + 1) / (len(values) + 1))
    return MonteCarloEffect(
        name=name, definition=text, estimate=estimate, std_error=finite_or_none(sd),
        conf_low=finite_or_none(low), conf_high=finite_or_none(high), p_value=finite_or_none(p_value),
        n_draws=len(values),
    )  # fmt: skip


def _check(effects: tuple[MonteCarloEffect, ...], draws: int) -> Check:
    short = [f"{e.name} ({draws - e.n_draws})" for e in effects if e.n_draws < draws]
    if short:
        return Check(
            name="monte_carlo", status="warn",
            message="Draws without a value (a division by zero, a root of a negative number): "
                    f"{', '.join(short)}. They are left out, so these intervals are doubtful.",
        )  # fmt: skip
    return Check(
        name="monte_carlo", status="ok",
        message=f"{draws} draws from the estimated sampling distribution, all with a value.",
    )  # fmt: skip
