"""Two-level structural equation models, by maximum likelihood.

One model within clusters (``level: 1``) and one between them (``level: 2``), with random intercepts. A label
used at both levels makes the parameter equal there. Means belong to level 2, but for variables of level 1
alone. Standard errors: exact (observed) information, or the sandwich of clusters' scores.

1 text -> tables, matrices  2 data -> statistics  3 optimum, judged  4 saturated model, baseline  5 inference
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, get_args

import numpy as np
from numpy.typing import NDArray

from implstats.errors import ModelError, NotSupportedError, UsageError, did_you_mean
from implstats.results import Check, verdict_of
from implstats.sem import checks as check
from implstats.sem.data.two_level import TwoLevelSample
from implstats.sem.data.two_level_take import take_two_level
from implstats.sem.estimators.two_level import two_level_criterion
from implstats.sem.estimators.two_level_fiml import fiml_criterion
from implstats.sem.estimators.two_level_saturated import SaturatedKind
from implstats.sem.estimators.two_level_search import (
    Criterion,
    search_two_level,
    two_level_problem,
    with_exact_information,
)
from implstats.sem.language.syntax import ModelTextError
from implstats.sem.model.two_level import Levels, two_level_model
from implstats.sem.results import OptimiserRecord
from implstats.sem.two_level_assemble import Asked, failed_two_level, successful_two_level
from implstats.sem.two_level_checks import (
    check_at_zero,
    check_level_2,
    check_little_between,
    check_predictors,
)
from implstats.sem.two_level_record import TwoLevelResult

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
ESTIMATORS, INFORMATION, FEW = ("ML", "MLR"), ("observed", "expected"), ("refuse", "fit")


def fit_two_level(
    model: str,
    data: pd.DataFrame,
    *,
    cluster: str,
    kind: str = "sem",
    estimator: str = "ML",
    missing: str = "listwise",
    std_lv: bool = False,
    orthogonal: bool = False,
    information: str | None = None,
    h1: str = "psd",
    few_clusters: str = "refuse",
    group: str | None = None,
    ci_level: float = 0.95,
) -> TwoLevelResult:
    """Fit a model with ``level: 1`` and ``level: 2`` blocks.

    Parameters
    ----------
    model : str
        Both blocks. A variable that stands in one block alone has a part at that level only; those of level
        2 alone must be constant in a cluster. Definitions and constraints may use the labels of both levels.
    data : DataFrame
        One row a person; rows without a cluster are left out and counted.
    cluster : str
        Column that tells clusters apart.
    kind, std_lv, orthogonal, ci_level
        As in :func:`implstats.sem.fit`.
    estimator : {"ML", "MLR"}
        MLR: standard errors and a scaled test from the scores of clusters.
    missing : {"listwise", "fiml"}
        Rows with a missing answer are left out; or every answer given is used (full information), and only
        rows without any answer of level 1 or without a predictor are left out.
    information : {"observed", "expected"}, optional
        For the standard errors of ML; by default observed.
    h1 : {"psd", "lavaan", "unconstrained"}
        The saturated model that chi-square, SRMR and intraclass correlations come from: Sigma_b the best
        covariance matrix; where lavaan's EM stops; or free, though it be indefinite.
    few_clusters : {"refuse", "fit"}
        Whether fewer than 20 clusters, or no more clusters than variables at level 2, are fitted all the
        same.
    group : str, optional
        Several groups are not done.

    Returns
    -------
    TwoLevelResult
        With a verdict; a failed fit has no estimates but reasons.

    Raises
    ------
    UsageError, DataError, ModelError, NotSupportedError
        The text, the data, too few clusters for the between part, or what this version does not fit.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> draw = np.random.default_rng(1)
    >>> team = np.repeat(np.arange(60), 5)
    >>> level = draw.normal(size=60)[team]
    >>> frame = pd.DataFrame({c: level + draw.normal(size=300) for c in ("x", "y")}).assign(team=team)
    >>> blocks = "level: 1\\nx ~~ y\\nlevel: 2\\nx ~~ y"
    >>> found = fit_two_level(blocks, frame, cluster="team")
    >>> found.n_clusters, found.fit["df"], [0.3 < icc < 0.7 for icc in found.icc.values()]
    (60, 0, [True, True])

    References
    ----------
    McDonald, R. P., & Goldstein, H. (1989). Br. J. Math. Stat. Psychol. 42.
    Muthen, B. (1994). Sociol. Methods Res. 22.
    """
    _check_words(estimator, missing, information, h1, few_clusters)
    if group is not None:
        raise NotSupportedError(
            "Two-level models of several groups are not done by this version of implstats. Fit each group "
            "by itself, or take one level with group= and cluster=."
        )
    levels = two_level_model(model, kind=kind, std_lv=std_lv, orthogonal=orthogonal, ci_level=ci_level)
    taken = take_two_level(data, levels, cluster, few_clusters=few_clusters, missing=missing)
    asked = Asked(
        kind=kind, estimator=estimator, missing=missing, information=information or "observed",
        h1=h1, ci_level=ci_level, n_dropped=taken.n_dropped,
    )  # fmt: skip

    def unit() -> Levels | None:
        plain = std_lv or kind == "lavaan"
        return None if plain else _with_unit_variances(model, levels, kind, orthogonal)

    return _fitted(levels, taken.sample, asked, unit, list(taken.checks))


def _check_words(estimator: str, missing: str, information: str | None, h1: str, few_clusters: str) -> None:
    for name, value, known in (
        ("estimator", estimator, ESTIMATORS),
        ("missing", missing, ("listwise", "fiml")),
        ("information", information or "observed", INFORMATION),
        ("h1", h1, get_args(SaturatedKind)),
        ("few_clusters", few_clusters, FEW),
    ):
        if value not in known:
            raise UsageError(
                f"{name} '{value}' is not done in two-level models{did_you_mean(str(value), known) or '.'} "
                f"Choose one of {', '.join(known)}."
            )
    if estimator == "MLR" and information is not None:
        raise UsageError(
            "information goes with estimator 'ML'; MLR has its own in the sandwich. Leave it out."
        )
    if missing == "fiml" and h1 == "lavaan":
        raise UsageError(
            "lavaan's saturated model of missing answers is that of h1='psd'; EM is for complete ones."
        )
    if missing == "fiml" and information == "expected":
        raise UsageError("information='expected' needs complete answers; with missing='fiml' leave it out.")


def _with_unit_variances(model: str, levels: Levels, kind: str, orthogonal: bool) -> Levels | None:
    """The same model with unit latent variances, for another start; ``None`` where it is another model."""
    if levels.table.constraints:
        return None
    try:
        unit = two_level_model(model, kind=kind, std_lv=True, orthogonal=orthogonal)
    except (ModelTextError, ModelError):  # the labels or fixed values of the model contradict unit variances
        return None
    return unit if unit.table.n_free == levels.table.n_free else None


def _criterion_of(sample: TwoLevelSample) -> Callable[[Levels], Criterion]:
    def of(levels: Levels) -> Criterion:
        if sample.incomplete is not None:
            return fiml_criterion(levels, sample)
        return two_level_criterion(levels.within, levels.between, sample, levels.table.n_free)

    return of


def _fitted(
    levels: Levels,
    sample: TwoLevelSample,
    asked: Asked,
    unit: Callable[[], Levels | None],
    checks: list[Check],
) -> TwoLevelResult:
    """Return the judged result of a model and its statistics."""
    table = levels.table
    problem = two_level_problem(levels, sample, _criterion_of(sample))
    checks += [Check(name=name, status="info", message=message) for name, message in table.notes]
    checks += check_level_2(sample, levels) + check_predictors(levels)
    equal = 0 if problem.space is None else table.n_free - problem.space.basis.shape[1]
    equal += sum(c.equality and not c.linear for c in table.constraints)
    df = levels.n_moments - table.n_free
    if df + equal < 0:
        checks.append(check.check_degrees_of_freedom(df + equal, levels.n_moments, table.n_free - equal))
        return failed_two_level(levels, sample, asked, checks)
    found = search_two_level(problem, unit)
    if found is None:
        checks.append(_no_start())
        return failed_two_level(levels, sample, asked, checks)
    search = found.search
    if sample.incomplete is not None and search.proper:
        search = with_exact_information(problem, search)
    df += search.n_equal
    checks += [
        check.check_degrees_of_freedom(df, levels.n_moments, table.n_free - search.n_equal),
        *search.checks,
    ]
    checks += check_at_zero(found.at_zero)
    record = OptimiserRecord(
        iterations=search.optimum.iterations, max_gradient=search.optimum.max_gradient,
        decrement=search.optimum.decrement, smallest_information=search.smallest, start=search.start,
    )  # fmt: skip
    if verdict_of(checks) == "failed":
        checks += check_little_between(sample, levels)
        return failed_two_level(levels, sample, asked, checks, converged=search.converged, optimiser=record)
    return successful_two_level(problem, search, asked, df=df, record=record, checks=checks)


def _no_start() -> Check:
    return Check(
        name="start", status="fail",
        message="No start values give proper covariance matrices at both levels. Look for variables without "
                "a variance in a block (kind 'lavaan' adds none), or give start() values.",
    )  # fmt: skip
