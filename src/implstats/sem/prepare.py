"""From an asked model and its data to the problem that is solved: text, parameter table, sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from implstats.errors import ModelError, UsageError
from implstats.sem.data.auxiliary import take_sample_with_auxiliary, with_auxiliary
from implstats.sem.data.clusters import read_clusters, require_clusters, taking_clusters
from implstats.sem.data.columns import as_frame
from implstats.sem.data.fiml_sample import take_incomplete_sample, take_two_stage_sample
from implstats.sem.data.groups import GroupedSample, Grouping, TakeSample, group_rows, take_groups
from implstats.sem.data.moment_sample import take_moment_sample
from implstats.sem.data.sample import read_columns, take_sample
from implstats.sem.data.summary import refuse_without_persons, summary_sample
from implstats.sem.estimators.search import Problem, build_problem
from implstats.sem.language.names import find_names
from implstats.sem.language.ordered import check_group_equal
from implstats.sem.language.syntax import ModelText, parse_model
from implstats.sem.language.table import ParameterTable, build_table
from implstats.sem.options import Options, with_auxiliary_option

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
Answers: TypeAlias = "pd.DataFrame | Mapping[str, ArrayLike]"


def refuse_mixed_sources(
    cov: pd.DataFrame | None,
    *,
    estimator: str | None,
    missing: str,
    group: str | None,
    cluster: str | None,
    ordered: Sequence[str],
) -> None:
    """Raise where a list is a text, or a covariance matrix stands beside what needs persons."""
    if isinstance(ordered, str):
        raise UsageError("ordered should be a list of items, such as ['a', 'b'].")
    if cov is not None:
        refuse_without_persons(
            estimator=estimator or "ML", missing=missing, group=group, cluster=cluster,
            ordered=tuple(ordered),
        )  # fmt: skip


def prepare(
    model: str,
    options: Options,
    *,
    data: Answers | None,
    cov: pd.DataFrame | None = None,
    n: int | None = None,
    means: Mapping[str, float] | None = None,
    auxiliary: tuple[str, ...] = (),
) -> Problem:
    """Return the problem of a model's text and either persons or a covariance matrix."""
    text = parse_model(model)
    if auxiliary:
        options = with_auxiliary_option(options, auxiliary)
        text = with_auxiliary(model, text, options.auxiliary)
    if cov is not None or data is None:
        table, sample = _from_summary(text, options, data, cov, n, means)
    else:
        options = with_thresholds(text, data, options)
        table, sample = _from_persons(text, options, data, n, means)
    return build_problem(text, table, sample, options)


def _from_persons(
    text: ModelText,
    options: Options,
    data: Answers,
    n: int | None,
    means: Mapping[str, float] | None,
) -> tuple[ParameterTable, GroupedSample]:
    if not hasattr(data, "columns") and not isinstance(data, Mapping):
        raise UsageError(
            f"The data should be a pandas DataFrame or columns by name; this is a {type(data).__name__}."
        )
    if n is not None or means is not None:
        raise UsageError("n and means go with cov; a data frame holds them already. Leave them out.")
    grouping = None if options.group is None else group_rows(as_frame(data), options.group)
    table = build_table(text, options, groups=grouping.labels if grouping else ("",))
    refuse_nothing_free(table)
    return table, take_all(data, table, options, grouping)


def _from_summary(
    text: ModelText,
    options: Options,
    data: Answers | None,
    cov: pd.DataFrame | None,
    n: int | None,
    means: Mapping[str, float] | None,
) -> tuple[ParameterTable, GroupedSample]:
    if cov is None or data is not None:
        raise UsageError("Give either data, a frame of persons, or cov, a covariance matrix, and not both.")
    table = build_table(text, options)
    refuse_nothing_free(table)
    sample = summary_sample(
        cov, n=n, means=means, names=table.names.observed, latent=table.names.latent, needs_means=table.means
    )
    return table, GroupedSample(groups=(sample,))


def refuse_nothing_free(table: ParameterTable) -> None:
    """Raise :class:`ModelError` for a model without free parameters."""
    if table.n_free == 0:
        raise ModelError(
            "Every parameter of the model is fixed, so there is nothing to estimate. Free at least one."
        )


def take_all(
    data: Answers, table: ParameterTable, options: Options, grouping: Grouping | None
) -> GroupedSample:
    """Return the sample of a table's observed variables, group by group."""
    values = read_columns(data, table.names.observed, table.names.latent)
    take = _taking(values, table, options)
    if options.cluster is not None:
        values = np.column_stack([values, read_clusters(as_frame(data), options.cluster)])
        take = taking_clusters(take)
    if grouping is None:
        sample = GroupedSample(groups=(take(values, table.names.observed, table.names.x),))
    else:
        sample = take_groups(values, table.names.observed, table.names.x, take=take, grouping=grouping)
    if options.cluster is not None:
        require_clusters(sample, options.cluster)
    return sample


def with_thresholds(text: ModelText, data: Answers, options: Options) -> Options:
    """Return the options with the number of thresholds that the data give to ordered items."""
    if not options.ordered or not (hasattr(data, "columns") or isinstance(data, Mapping)):
        return options
    from implstats.sem.data.ordinal_sample import find_categories

    names = find_names(text.terms)
    values = read_columns(data, names.observed, names.latent)
    found = find_categories(values, names.observed, options.ordered)
    options = replace(options, thresholds=found.thresholds)
    check_group_equal(options)
    return options


def _taking(values: Array, table: ParameterTable, options: Options) -> TakeSample:
    """What takes the sample of a group, as the options ask."""
    if options.ordered:
        from implstats.sem.data.ordinal_sample import find_categories, take_ordinal_sample

        categories = find_categories(values, table.names.observed, options.ordered)
        return partial(take_ordinal_sample, options=options, categories=categories)
    if options.least_squares:
        return partial(take_moment_sample, estimator=options.estimator, means=table.means)
    if options.two_stage:
        return take_two_stage_sample
    if options.auxiliary:
        return partial(take_sample_with_auxiliary, auxiliary=options.auxiliary)
    return take_incomplete_sample if options.missing == "fiml" else take_sample


def degrees_of_freedom(table: ParameterTable, options: Options) -> tuple[int, int]:
    """Return the degrees of freedom and the number of modelled moments."""
    if options.ordered:
        moments = len(table.groups) * _ordinal_moments(table, options)
        return moments - table.n_free, moments
    p, x = len(table.names.observed), len(table.names.x) if options.fixed_x else 0
    moments = p * (p + 1) // 2 - x * (x + 1) // 2 + (p - x if table.means else 0)
    moments *= len(table.groups)
    return moments - table.n_free, moments


def _ordinal_moments(table: ParameterTable, options: Options) -> int:
    """Thresholds, means and variances of continuous variables, slopes and covariances of one group."""
    k = len(table.names.x)
    p = len(table.names.observed) - k
    continuous = p - len(options.thresholds)
    return sum(count for _, count in options.thresholds) + 2 * continuous + p * k + p * (p - 1) // 2
