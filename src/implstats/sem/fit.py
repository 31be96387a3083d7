"""Fit a structural equation model: the steps in order, arithmetic elsewhere.

1 options  2 model text -> parameter table -> matrices  3 data -> moments  4 starts, optimum  5 verdict
6 inference, standardised solution, definitions  7 fit indices  8 second opinion, if asked
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from implstats.errors import ModelError, UsageError
from implstats.results import Check, verdict_of
from implstats.sem import checks as check
from implstats.sem.assemble import failed_result, successful_result
from implstats.sem.data.fiml_sample import take_incomplete_sample
from implstats.sem.data.groups import GroupedSample, group_rows, take_groups
from implstats.sem.data.sample import read_columns, take_sample
from implstats.sem.estimators.search import Problem, build_problem, search_optimum
from implstats.sem.fitted import Estimated
from implstats.sem.language.syntax import parse_model
from implstats.sem.language.table import ParameterTable, build_table
from implstats.sem.options import Options, check_options
from implstats.sem.results import OptimiserRecord, SemResult

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]


def fit(
    model: str,
    data: pd.DataFrame,
    *,
    kind: str = "sem",
    estimator: str = "ML",
    missing: str = "listwise",
    group: str | None = None,
    group_equal: Sequence[str] = (),
    cluster: str | None = None,
    ordered: Sequence[str] = (),
    parameterization: str = "delta",
    orthogonal: bool = False,
    std_lv: bool = False,
    meanstructure: bool | None = None,
    ci_level: float = 0.95,
    second_opinion: bool = False,
    information: str | None = None,
    group_partial: Sequence[str] = (),
) -> SemResult:
    """Fit a model in lavaan's language to a frame of persons.

    Parameters
    ----------
    model : str
        Such as ``"f =~ x1 + x2 + x3"``.
    data : DataFrame
        One row a person; never changed.
    kind : {"sem", "cfa", "growth", "lavaan"}
        Whose defaults to take.
    estimator : {"ML", "MLR", "MLM"}
        ML; ML with robust standard errors and a scaled test (Yuan-Bentler, Satorra-Bentler). The other names
        of the interface are refused for now.
    missing : {"listwise", "fiml"}
        Persons with a missing answer are left out; or every answer given is used (full information, ML and
        MLR), which switches means on and leaves out only persons without any answer or without a predictor.
    group : str, optional
        Column that tells groups apart; the model is fitted to all groups at once, in the order in which they
        appear in the data. Means are then modelled unless switched off.
    group_equal : sequence of str
        What is equal across groups: ``loadings``, ``intercepts``, ``means``, ``regressions``, ``residuals``,
        ``residual.covariances``, ``lv.variances``, ``lv.covariances``. Equal intercepts free the latent means
        from the second group on, as in lavaan.
    group_partial : sequence of str
        Single parameters that stay free all the same, such as ``"x3~1"`` or ``"f=~x2"``.
    cluster, ordered, parameterization
        Settled places of the interface; only their defaults are fitted by this version.
    orthogonal, std_lv : bool
        Latent covariances zero; latent variances one.
    meanstructure : bool, optional
        Model means; by default only if the model or its kind asks for it.
    ci_level : float
    second_opinion : bool
        Refit from other start values and with semopy and compare.
    information : {"expected", "observed"}, optional
        For the standard errors of ML; by default expected, under full information observed.

    Returns
    -------
    SemResult
        With a verdict; a failed fit has no estimates but reasons.

    Raises
    ------
    UsageError
        The model cannot be read, an option is unknown or not supported.
    DataError
        The data cannot bear the model.
    ModelError
        Every parameter is fixed.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"x": [1.0, 2, 3, 4, 5, 6], "y": [1.0, 3, 2, 5, 4, 6]})
    >>> result = fit("y ~ x", frame)
    >>> round(result.parameters[0].estimate, 4), result.fit["df"]
    (0.8857, 0)

    References
    ----------
    Rosseel, Y. (2012). lavaan: An R package for structural equation modeling. J. Stat. Softw. 48(2).
    """
    options = check_options(
        kind=kind,
        estimator=estimator,
        missing=missing,
        group=group,
        group_equal=tuple(group_equal),
        cluster=cluster,
        ordered=tuple(ordered),
        parameterization=parameterization,
        orthogonal=orthogonal,
        std_lv=std_lv,
        meanstructure=meanstructure,
        ci_level=ci_level,
        information=information,
        group_partial=tuple(group_partial),
    )
    if not hasattr(data, "columns"):
        raise UsageError(f"The data should be a pandas DataFrame; this is a {type(data).__name__}.")
    text = parse_model(model)
    grouping = None if group is None else group_rows(data, group)
    table = build_table(text, options, groups=grouping.labels if grouping else ("",))
    if table.n_free == 0:
        raise ModelError(
            "Every parameter of the model is fixed, so there is nothing to estimate. Free at least one."
        )
    values = read_columns(data, table.names.observed, table.names.latent)
    take = take_incomplete_sample if options.missing == "fiml" else take_sample
    if grouping is None:
        sample = GroupedSample(groups=(take(values, table.names.observed, table.names.x),))
    else:
        sample = take_groups(values, table.names.observed, table.names.x, take=take, grouping=grouping)
    problem = build_problem(text, table, sample, options)
    result = fit_problem(problem)
    if second_opinion and result.verdict != "failed":
        from implstats.sem.second_opinion import with_second_opinion

        result = with_second_opinion(result, data, problem)
    return result


def degrees_of_freedom(table: ParameterTable, options: Options) -> tuple[int, int]:
    """Return the degrees of freedom and the number of modelled moments."""
    p, x = len(table.names.observed), len(table.names.x) if options.fixed_x else 0
    moments = p * (p + 1) // 2 - x * (x + 1) // 2 + (p - x if table.means else 0)
    moments *= len(table.groups)
    return moments - table.n_free, moments


def fit_problem(problem: Problem, *, start: Array | None = None) -> SemResult:
    """Return the judged result of a problem, searched from ``start`` first where one is given."""
    table, sample, options = problem.table, problem.sample, problem.options
    df, moments = degrees_of_freedom(table, options)
    asked = 0 if problem.space is None else table.n_free - problem.space.basis.shape[1]
    asked += sum(c.equality and not c.linear for c in table.constraints)
    found = [Check(name=name, status="info", message=message) for name, message in table.notes]
    found += check.check_sample(sample, table.n_free - asked)
    counted = check.check_degrees_of_freedom(df + asked, moments, table.n_free - asked)
    if df + asked < 0:
        return failed_result(table, sample, options, [*found, counted])
    search = search_optimum(problem, start=start)
    if search is None:
        return failed_result(table, sample, options, [*found, counted, _no_start()])
    df += search.n_equal
    found += [check.check_degrees_of_freedom(df, moments, table.n_free - search.n_equal), *search.checks]
    record = OptimiserRecord(
        iterations=search.optimum.iterations,
        max_gradient=search.optimum.max_gradient,
        decrement=search.optimum.decrement,
        smallest_information=search.smallest,
        start=search.start,
    )
    if verdict_of(found) == "failed":
        return failed_result(table, sample, options, found, converged=search.converged, optimiser=record)
    estimated = Estimated(
        problem=problem,
        df=df,
        optimum=search.optimum,
        information=search.information,
        record=record,
        tangent=search.tangent,
        n_equal=search.n_equal,
    )
    admissible, more = check.check_admissible(
        problem.structures, search.optimum.theta, estimated.moments, sample.labels
    )
    return successful_result(estimated, checks=[*found, *more], admissible=admissible)


def _no_start() -> Check:
    return Check(
        name="start",
        status="fail",
        message="No start values give a proper covariance matrix. Look for variables without a variance in "
        "the model (kind 'lavaan' adds none), or give start() values.",
    )
