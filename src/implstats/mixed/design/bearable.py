"""What the clusters of a design can bear: refusals and cautions, each a sentence with the alternative.

- A variance between fewer than 5 clusters is hardly more than a guess: refused, unless asked for.
- At a level of m clusters with a random intercept, the columns of X that are constant within its clusters
  (the intercept among them; rank r of their cluster means) leave m - r degrees of freedom for the variance
  between clusters. With none left the fixed part describes the clusters perfectly and that variance does
  not exist: refused. With one or two left: a caution.
- A slope of x in a cluster shows where x varies inside the cluster. If x never does, a slope beside the
  intercept is a second intercept: refused. Alone, (0 + x | g) is a variance between clusters that differs
  with x, as in a trial in which one arm only is clustered: fitted, and said.
- An outcome that never varies within clusters leaves no residual: refused.
- Robust standard errors need clusters that are independent of each other: one level that holds all others.

References: Snijders & Bosker (2012), Multilevel Analysis, 2nd ed., sections 3.3 and 5.1;
Roberts & Roberts (2005), Clinical Trials 2, 152-162, for partly nested trials.
"""

from __future__ import annotations

import numpy as np

from implstats.errors import NotSupportedError, ProblemsError, UsageError, did_you_mean
from implstats.mixed.design.build import Design, RandomPart
from implstats.mixed.design.clusters import Clusters, nested
from implstats.results import Check

FEW = 5  # clusters below which a variance between them is hardly more than a guess
FEW_DF = 3  # degrees of freedom between clusters below which tests of cluster-level predictors are weak
FEW_CLUSTERS = ("refuse", "fit")
SAME = 1e-13  # spread within a cluster, as a share of the column's size, that is rounding
LOOKED_AT = 2000  # rows
INTERCEPT = "(Intercept)"


def refuse_unbearable(design: Design, *, text: str, few_clusters: str) -> None:
    """Refuse a model that the clusters cannot bear; all reasons are listed.

    Parameters
    ----------
    design : Design
    text : str
        The formula.
    few_clusters : {"refuse", "fit"}

    Raises
    ------
    UsageError
        ``few_clusters`` is neither.
    ProblemsError
    """
    if few_clusters not in FEW_CLUSTERS:
        raise UsageError(
            f"few_clusters is one of {', '.join(FEW_CLUSTERS)}; got '{few_clusters}'"
            f"{did_you_mean(str(few_clusters), FEW_CLUSTERS)}"
        )
    problems = [_few(level.clusters) for level in design.levels if level.clusters.size < FEW]
    if few_clusters == "fit":
        problems = []
    problems += [_saturated(design, level) for level in design.levels if _df_between(design, level) < 1]
    problems += [
        _constant_slope(level, name)
        for level in design.levels
        for name in slopes_constant_within(level)
        if INTERCEPT in level.names
    ]
    problems += _flat_outcome(design)
    if problems:
        raise ProblemsError(f"The model '{text}'", problems)


def bearable_checks(design: Design) -> list[Check]:
    """Return the cautions: hardly any degrees of freedom between clusters, and slopes that are variances."""
    weak = [(level.clusters, _df_between(design, level)) for level in design.levels]
    low = [f"{c.name} has {c.size} clusters and {df} df between them" for c, df in weak if df < FEW_DF]
    checks = []
    if low:
        checks.append(
            Check(
                name="cluster_predictors", status="warn",
                message=f"Predictors that vary between clusters only leave little to judge them by: "
                f"{'; '.join(low)}. Leave out some of these predictors.",
            )
        )  # fmt: skip
    odd = [
        f"'{n}' in '{level.clusters.name}'" for level in design.levels for n in slopes_constant_within(level)
    ]
    if odd:
        checks.append(
            Check(
                name="slope_within", status="info",
                message=f"No cluster shows a slope of {', '.join(odd)}, which has one value in each: the "
                "variance is that of clusters with such a value, not of a slope.",
            )
        )  # fmt: skip
    return checks


def _few(clusters: Clusters) -> str:
    return (
        f"'{clusters.name}' has {clusters.size} clusters, fewer than {FEW}, so the variance between them "
        f"would be a guess. Put the clusters into the fixed part, factor({clusters.name}), instead of the "
        "random term, unless a predictor varies between them only; or choose few_clusters='fit' to fit all "
        "the same"
    )


def _df_between(design: Design, level: RandomPart) -> int:
    """Return m - r of a level, or a lower bound that is enough; m where it has no random intercept."""
    clusters = level.clusters
    if INTERCEPT not in level.names:
        return clusters.size
    if clusters.size - design.X.shape[1] >= FEW_DF:
        return clusters.size - design.X.shape[1]
    between = constant_within(design.X, clusters)
    means = design.X[clusters.first][:, between]
    size = np.sqrt(np.sum(means**2, axis=0))
    rank = np.linalg.matrix_rank(means / np.where(size > 0.0, size, 1.0)) if between.any() else 0
    return clusters.size - int(rank)


def _saturated(design: Design, level: RandomPart) -> str:
    clusters = level.clusters
    between = int(np.sum(constant_within(design.X, clusters))) - design.intercept
    return (
        f"{between} predictor(s) vary between the {clusters.size} clusters of '{clusters.name}' only and "
        "describe these perfectly, so no variance between them is left to estimate. Leave out predictors "
        f"(at most {max(clusters.size - 1 - FEW_DF, 0)} would leave {FEW_DF} degrees of freedom), or drop "
        f"the random intercept of '{clusters.name}' and do not generalise beyond these clusters"
    )


def slopes_constant_within(level: RandomPart) -> list[str]:
    """Return the random effects, intercept excepted, that have one value in each cluster."""
    slopes = [k for k, name in enumerate(level.names) if name != INTERCEPT]
    if not slopes:
        return []
    same = constant_within(level.Z[:, slopes], level.clusters)
    return [level.names[k] for k, yes in zip(slopes, same, strict=True) if yes]


def _constant_slope(level: RandomPart, name: str) -> str:
    cluster = level.clusters.name
    return (
        f"'{name}' has one value within each '{cluster}', so no '{cluster}' shows a slope of it. Write "
        f"(1 | {cluster}) and keep '{name}' as a fixed effect"
    )


def _flat_outcome(design: Design) -> list[str]:
    flat = [
        level.clusters
        for level in design.levels
        if level.clusters.size < len(design.y) and constant_within(design.y[:, None], level.clusters)[0]
    ]
    if not flat:
        return []
    clusters = flat[-1]
    return [
        f"the outcome has one value within each '{clusters.name}', so nothing is left for a residual. Take "
        f"one row for each of the {clusters.size} clusters and a model without the random term of "
        f"'{clusters.name}'"
    ]


def constant_within(columns: np.ndarray, clusters: Clusters) -> np.ndarray:
    """Return which columns, (n, k), have one value in each cluster, (k,) booleans.

    >>> rows = np.arange(4)
    >>> g = Clusters(name="g", columns=("g",), codes=rows // 2, first=np.array([0, 2]), size=2)
    >>> constant_within(np.column_stack([rows, rows // 2]), g).tolist()
    [False, True]
    """
    found = np.ones(columns.shape[1], dtype=bool)
    # Where a column varies inside a cluster, the first rows mostly show it, and the rest need not be read.
    for rows in (slice(LOOKED_AT), slice(None)) if len(columns) > LOOKED_AT else (slice(None),):
        for k in np.flatnonzero(found):
            x, first = columns[rows, k], columns[clusters.first, k][clusters.codes[rows]]
            found[k] = np.abs(x - first).max() <= SAME * max(np.abs(x).max(), np.abs(first).max())
    return found


def require_independent_top(design: Design, robust: str) -> None:
    """Refuse cluster-robust standard errors where no level holds all others.

    Raises
    ------
    NotSupportedError
    """
    top = design.levels[-1].clusters
    outside = [level.clusters.name for level in design.levels[:-1] if not nested(level.clusters, top)]
    if outside:
        raise NotSupportedError(
            f"robust '{robust}' needs clusters that are independent of each other, and {', '.join(outside)} "
            f"and {top.name} are crossed, so no level is. Leave out robust: Kenward-Roger "
            "(df='kenward-roger') trusts the model and serves here; or enter one of the crossed factors as "
            "fixed categories, factor(...)."
        )
