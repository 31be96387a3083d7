"""Two-level structural equation models of complete continuous answers, by maximum likelihood.

One model within clusters (``level: 1``) and one between them (``level: 2``), the same observed variables
in both, with random intercepts. A label used at both levels makes the parameter equal there. Means belong to
level 2.
Chi-square compares with saturated matrices at both levels, the between one positive semidefinite (as a
covariance matrix must be; lavaan, too, keeps it so); where the free maximum lies outside, that is said.
lavaan reaches this boundary by EM steps and may stop a little before it. Standard errors: exact
(observed) information.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from implstats.errors import DataError, ModelError, UsageError
from implstats.results import Check, finite_or_none, verdict_of
from implstats.sem.data.clusters import read_clusters
from implstats.sem.data.sample import named_list, read_columns, take_sample
from implstats.sem.data.two_level import TwoLevelSample, two_level_statistics
from implstats.sem.estimators.ml import SampleMoments
from implstats.sem.estimators.optimise import Optimum
from implstats.sem.estimators.two_level_saturated import (
    INDEFINITE,
    diagonal_two_level,
    saturated_two_level,
    two_level_optimum,
)
from implstats.sem.fit_indices.record import Index
from implstats.sem.fit_indices.two_level import srmr_of, two_level_indices
from implstats.sem.inference.wald import wald
from implstats.sem.language.table import ParameterTable
from implstats.sem.model.moments import Moments
from implstats.sem.model.standardise import explained_variance, row_values, standardised
from implstats.sem.model.starts import start_values
from implstats.sem.model.two_level import Levels, level_moments, number_parameters, two_level_tables
from implstats.sem.results import Parameter
from implstats.sem.two_level_record import TwoLevelResult

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]


def fit_two_level(
    model: str,
    data: pd.DataFrame,
    *,
    cluster: str,
    kind: str = "sem",
    std_lv: bool = False,
    ci_level: float = 0.95,
) -> TwoLevelResult:
    """Fit a model with ``level: 1`` and ``level: 2`` blocks.

    Parameters
    ----------
    model : str
        Both blocks, each with the same observed variables, none of them a mere predictor.
    data : DataFrame
        One row a person; rows with a missing answer or cluster are left out.
    cluster : str
        Column that tells clusters apart.
    kind, std_lv, ci_level
        As in :func:`implstats.sem.fit`.

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
    tables = two_level_tables(model, kind=kind, std_lv=std_lv, ci_level=ci_level)
    levels = number_parameters(tables)
    sample, checks = take_two_level(data, tables[1], cluster)
    free_between = len(np.unique(levels.places[1]))
    if free_between > sample.n_clusters:
        raise ModelError(
            f"{sample.n_clusters} clusters cannot bear {free_between} free parameters at level 2: there are "
            "fewer clusters than parameters. Fit one level with cluster=, whose standard errors allow for "
            "the clusters, or the within part by itself with the clusters as 0/1 predictors (fixed effects)."
        )
    names = tables[1].names.observed
    optimum = two_level_optimum(levels, sample, two_level_start(tables, levels, sample))
    if optimum is None:
        raise ModelError(
            "The two-level model reached no proper optimum; simplify level 2 or give start() values."
        )
    saturated, h1, boundary = saturated_two_level(names, sample)
    if boundary:
        checks.append(Check(
            name="between_boundary", status="info",
            message="The free saturated matrix between clusters is not a covariance matrix; chi-square "
                    "compares with the best positive semidefinite one. lavaan's stops near the same place.",
        ))  # fmt: skip
    return _result(tables, levels, sample, optimum, saturated, h1, checks, ci_level=ci_level)


def take_two_level(
    data: pd.DataFrame, table: ParameterTable, cluster: str
) -> tuple[TwoLevelSample, list[Check]]:
    """Return the statistics of the complete persons with a cluster, and what is to be said of them."""
    if not hasattr(data, "columns"):
        raise UsageError(f"The data should be a pandas DataFrame; this is a {type(data).__name__}.")
    values = read_columns(data, table.names.observed, table.names.latent)
    codes = read_clusters(data, cluster)
    used = ~np.isnan(values).any(axis=1) & ~np.isnan(codes)
    take_sample(values[used], table.names.observed, ())  # names constant and dependent variables
    kept = codes[used].astype(np.intp)
    n_clusters = len(np.unique(kept))
    p = values.shape[1]
    if n_clusters < 2 or used.sum() - n_clusters <= p:
        raise DataError(
            f"{used.sum()} persons in {n_clusters} cluster(s) of '{cluster}': a two-level model needs "
            f"at least two clusters and more than {p} persons beyond one a cluster."
        )
    sample = two_level_statistics(values[used], kept)
    lost = int((~used).sum())
    left = f" {lost} row(s) without an answer or a cluster were left out." if lost else ""
    checks = [Check(
        name="clusters", status="warn" if n_clusters < 50 else "info",
        message=f"{sample.n} persons in {n_clusters} clusters of {sample.sizes.min():.0f} to "
                f"{sample.sizes.max():.0f}.{left}" + (
                    " Fewer than 50 clusters: standard errors between clusters tend to be too small "
                    "(Maas & Hox 2005)." if n_clusters < 50 else ""),
    )]  # fmt: skip
    return sample, checks


def two_level_start(
    tables: tuple[ParameterTable, ParameterTable], levels: Levels, sample: TwoLevelSample
) -> Array:
    """Return start values of the common parameters, shape (q,), from moment estimates of each level."""
    theta = np.zeros(levels.q)
    parts = ((tables[1], levels.between, sample.between, 1), (tables[0], levels.within, sample.within, 0))
    for table, structure, cov, k in parts:
        moments = SampleMoments(
            cov=cov, mean=sample.mean, n=sample.n, log_det=float(np.linalg.slogdet(cov)[1])
        )
        found = next(iter(start_values(table, (structure,), [moments])), None)
        if found is None:
            raise ModelError(
                f"No start values give a proper covariance matrix at level {k + 1}; give start()."
            )
        theta[levels.places[k]] = found
    return theta


def _result(
    tables: tuple[ParameterTable, ParameterTable],
    levels: Levels,
    sample: TwoLevelSample,
    optimum: Optimum,
    saturated: tuple[Moments, Moments],
    h1: float,
    checks: list[Check],
    *,
    ci_level: float,
) -> TwoLevelResult:
    names = tables[1].names.observed
    moments = level_moments(levels, optimum.theta)
    if optimum.evaluation.information is None:
        raise AssertionError("an optimum has derivatives")
    covariance: Array = np.linalg.inv(optimum.evaluation.information) / sample.n
    fit = two_level_indices(sample, optimum.evaluation.value, h1, diagonal_two_level(names, sample), levels.q)
    fit["srmr_within"] = srmr_of(saturated[0].cov, moments[0].cov)
    fit["srmr_between"] = srmr_of(saturated[1].cov, moments[1].cov)
    rows, explained = _parameters(tables, levels, optimum.theta, moments, covariance, ci_level=ci_level)
    checks = [*checks, *_negative(rows), *_outside(checks, moments[1].cov, fit)]
    inner, outer = np.diag(saturated[0].cov), np.diag(saturated[1].cov)
    return TwoLevelResult(
        verdict=verdict_of(checks), n_obs=sample.n, n_clusters=sample.n_clusters,
        parameters=tuple(rows), fit=fit,
        icc={v: finite_or_none(s) for v, s in zip(names, outer / (inner + outer), strict=True)},
        r2=tuple(explained),
        covariance=covariance, implied=(moments[0].cov, moments[1].cov),
        saturated=(saturated[0].cov, saturated[1].cov), checks=tuple(checks),
    )  # fmt: skip


def _parameters(
    tables: tuple[ParameterTable, ParameterTable],
    levels: Levels,
    whole: Array,
    moments: tuple[Moments, Moments],
    covariance: Array,
    *,
    ci_level: float,
) -> tuple[list[Parameter], list[dict[str, float | None]]]:
    """Return each row with its inference and, level by level, the explained variances."""
    rows: list[Parameter] = []
    explained = []
    for k, (table, structure) in enumerate(zip(tables, (levels.within, levels.between), strict=True)):
        theta = whole[levels.places[k]]
        values = row_values(table, (structure,), theta)
        lv = standardised(table, (structure,), theta, moments[k : k + 1], values, observed=False)
        every = standardised(table, (structure,), theta, moments[k : k + 1], values, observed=True)
        variance = np.diag(covariance)[levels.places[k]]
        for row, value, one, two in zip(table.rows, values, lv, every, strict=True):
            w = wald(value, float(variance[row.free - 1]) if row.free else None, ci_level=ci_level)
            rows.append(Parameter(
                lhs=row.lhs, op=row.op, rhs=row.rhs, level=k + 1, label=row.label, free=bool(row.free),
                estimate=w.estimate, std_error=w.std_error, statistic=w.statistic, p_value=w.p_value,
                conf_low=w.conf_low, conf_high=w.conf_high, std_lv=finite_or_none(one),
                std_all=finite_or_none(two),
            ))  # fmt: skip
        explained.append(
            {v: finite_or_none(r) for v, r in explained_variance(structure, theta, moments[k]).items()}
        )
    return rows, explained


def _negative(rows: list[Parameter]) -> list[Check]:
    negative = [
        f"{r.lhs} (level {r.level})"
        for r in rows
        if r.op == "~~" and r.lhs == r.rhs and (r.estimate or 0) < 0
    ]
    if not negative:
        return []
    return [Check(
        name="admissible", status="warn",
        message=f"Negative variance of {named_list(negative)}: too little varies there. Fix it at zero "
                "with '0*', or simplify that level.",
    )]  # fmt: skip


def _outside(checks: list[Check], between: Array, fit: Index) -> list[Check]:
    """Say that the model's Sigma_b lies outside a saturated model that ends at the boundary."""
    bounded = any(c.name == "between_boundary" for c in checks)
    sd = np.sqrt(np.maximum(np.diag(between), 1e-300))
    inside = np.diag(between).min() > 0 and np.linalg.eigvalsh(between / np.outer(sd, sd))[0] > INDEFINITE
    if not bounded or inside or not fit["df"]:
        return []
    lost = (
        "; it came out negative, so it and the indices from it are left out" if fit["chisq"] is None else ""
    )
    return [Check(
        name="not_nested", status="warn",
        message="The model's covariance matrix between clusters is not positive semidefinite, while the "
                f"saturated one is, so chi-square is too small{lost}. Simplify level 2 until its variances "
                "are positive, or take AIC and BIC.",
    )]  # fmt: skip
