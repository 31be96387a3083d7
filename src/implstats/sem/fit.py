"""Fit a structural equation model: the steps in order, arithmetic elsewhere.

1 options  2 model text -> parameter table -> matrices  3 data -> moments  4 starts, optimum  5 verdict
6 inference, standardised solution, definitions  7 fit indices  8 second opinion, if asked
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from implstats.results import Check, verdict_of
from implstats.sem import checks as check
from implstats.sem.assemble import failed_result, successful_result
from implstats.sem.checks import listed
from implstats.sem.data.clusters import check_clusters
from implstats.sem.data.columns import as_frame
from implstats.sem.estimators.search import (
    Problem,
    search_optimum,
    unidentified_at_start,
    with_derived,
)
from implstats.sem.fitted import Estimated
from implstats.sem.inference.scaled_test import with_test
from implstats.sem.options import check_options
from implstats.sem.prepare import degrees_of_freedom, prepare, refuse_mixed_sources
from implstats.sem.results import OptimiserRecord, SemResult

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]


def fit(
    model: str,
    data: pd.DataFrame | Mapping[str, ArrayLike] | None = None,
    *,
    kind: str = "sem",
    estimator: str | None = None,
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
    cov: pd.DataFrame | None = None,
    n: int | None = None,
    means: Mapping[str, float] | None = None,
    auxiliary: Sequence[str] = (),
    test: str | None = None,
) -> SemResult:
    """Fit a model in lavaan's language to a frame of persons.

    Parameters
    ----------
    model : str
        Such as ``"f =~ x1 + x2 + x3"``.
    data : DataFrame, or mapping of names to columns
        One row a person; never changed. A fit to arrays by name does not load pandas, unless there are groups
        or clusters.
    kind : {"sem", "cfa", "growth", "lavaan"}
        Whose defaults to take.
    estimator : str, optional
        ``ML`` (the default); ML with robust standard errors and a scaled test: ``MLR`` (Yuan-Bentler),
        ``MLM`` (Satorra-Bentler), ``MLMV`` (scaled and shifted), ``MLMVS`` (mean and variance adjusted);
        least squares ``GLS``, ``WLS`` (asymptotically distribution free), ``DWLS``, ``ULS``. For ordered
        items ``WLSMV`` (the default then), ``WLSM``, ``WLSMVS``, ``ULSM``, ``ULSMV``, ``ULSMVS``, ``WLS``,
        ``DWLS``, ``ULS``.
    missing : {"listwise", "fiml", "pairwise", "two.stage", "robust.two.stage"}
        Persons with a missing answer are left out; or every answer given is used (full information, ML and
        MLR), which switches means on and leaves out only persons without any answer or without a predictor;
        or, with ordered items, every pair of variables uses those who answered both; or (ML) the model is
        fitted to the saturated moments of all answers given, in two stages, with errors and a scaled test
        that allow for both, under the last name robust to non-normal answers.
    group : str, optional
        Column that tells groups apart; the model is fitted to all groups at once, in the order in which they
        appear in the data. Means are then modelled unless switched off.
    group_equal : sequence of str
        What is equal across groups: ``loadings``, ``intercepts``, ``means``, ``regressions``, ``residuals``,
        ``residual.covariances``, ``lv.variances``, ``lv.covariances``. Equal intercepts free the latent means
        from the second group on, as in lavaan.
    group_partial : sequence of str
        Single parameters that stay free all the same, such as ``"x3~1"`` or ``"f=~x2"``.
    cov, n, means
        Instead of ``data``: a labelled covariance matrix (divisor n - 1), the persons it rests on and, if the
        model holds means, the means by name. ML only.
    ordered : sequence of str
        Items whose answers are ordered categories: cut points of normal variables.
    parameterization : {"delta", "theta"}
        Of ordered items: their scales are parameters and residual variances follow, or the reverse.
    cluster : str, optional
        Column that tells clusters apart: standard errors and the scaled test are those of ``MLR`` with the
        scores summed within clusters. With ``ML`` or ``MLR``, complete or ``fiml``; at least ten clusters.
        The two differ in the test's scaling factor, whose information has second derivatives under ``MLR``
        alone, as in lavaan. Means are modelled unless switched off.
    orthogonal, std_lv : bool
        Latent covariances zero; latent variances one.
    meanstructure : bool, optional
        Model means; by default only if the model or its kind asks for it.
    ci_level : float
    auxiliary : sequence of str
        Under full information: variables outside the model that tell about missing answers. They are
        correlated with everything observed (saturated correlates) and stand in the parameters.
    second_opinion : bool
        Refit from other start values and with semopy and compare.
    information : {"expected", "observed"}, optional
        For the standard errors of ML; by default expected, under full information observed.
    test : {"yuan.bentler.mplus", "satorra.bentler", "scaled.shifted", "mean.var.adjusted"}, optional
        The scaled test under ``MLR`` with complete answers; the first is its own. Below about a thousand
        persons the others hold their level better.

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
    refuse_mixed_sources(
        cov, estimator=estimator, missing=missing, group=group, cluster=cluster, ordered=ordered
    )
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
    options = with_test(options, test)
    if means is not None and options.meanstructure is None:
        options = replace(options, meanstructure=True)
    problem = prepare(model, options, data=data, cov=cov, n=n, means=means, auxiliary=tuple(auxiliary))
    result = fit_problem(problem)
    if second_opinion and result.verdict != "failed":
        from implstats.sem.second_opinion import with_second_opinion

        result = with_second_opinion(result, None if data is None else as_frame(data), problem)
    return result


def fit_problem(problem: Problem, *, start: Array | None = None) -> SemResult:
    """Return the judged result of a problem, searched from ``start`` first where one is given."""
    table, sample, options = problem.table, problem.sample, problem.options
    df, moments = degrees_of_freedom(table, options)
    asked = 0 if problem.space is None else table.n_free - problem.space.basis.shape[1]
    asked += sum(c.equality and not c.linear for c in table.constraints)
    found = [Check(name=name, status="info", message=message) for name, message in table.notes]
    found += check.check_sample(sample, table.n_free - asked)
    if options.cluster is not None:
        found += check_clusters(sample, column=options.cluster, n_free=table.n_free - asked)
    counted = check.check_degrees_of_freedom(df + asked, moments, table.n_free - asked)
    if df + asked < 0:
        return failed_result(table, sample, options, [*found, _with_names(counted, problem)])
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
        optimum=with_derived(problem, search.optimum),
        information=search.information,
        record=record,
        tangent=search.tangent,
        n_equal=search.n_equal,
    )
    admissible, more = check.check_admissible(
        problem.structures, search.optimum.theta, estimated.moments, sample.labels
    )
    return successful_result(estimated, checks=[*found, *more], admissible=admissible)


def _with_names(counted: Check, problem: Problem) -> Check:
    """The counting rule's check with the parameters that the data cannot tell apart at the start."""
    names = unidentified_at_start(problem)
    if not names:
        return counted
    return replace(counted, message=f"{counted.message} These cannot be told apart: {listed(names)}.")


def _no_start() -> Check:
    return Check(
        name="start",
        status="fail",
        message="No start values give a proper covariance matrix. Look for variables without a variance in "
        "the model (kind 'lavaan' adds none), or give start() values.",
    )
