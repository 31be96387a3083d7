"""Thresholds, polychoric and polyserial correlations of a model's variables, and an estimator's weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from implstats.errors import DataError
from implstats.sem.data.moment_sample import weight_of_gamma
from implstats.sem.data.sample import Sample, few_answers, named_list
from implstats.sem.estimators.least_squares import LeastSquares
from implstats.sem.estimators.ml import SampleMoments
from implstats.sem.estimators.weights import RECIPES
from implstats.sem.ordinal.sample import OrdinalMoments, ordinal_moments

if TYPE_CHECKING:
    from implstats.sem.options import Options

Array = NDArray[np.float64]
Index = NDArray[np.intp]
# More categories than this are hardly an ordered item but a measurement.
MOST_CATEGORIES = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Categories:
    """The answers in use of each ordered item, over all groups."""

    values: dict[str, Array]

    @property
    def thresholds(self) -> tuple[tuple[str, int], ...]:
        """Number of thresholds by item."""
        return tuple((name, len(found) - 1) for name, found in self.values.items())


def find_categories(values: Array, names: Sequence[str], ordered: Sequence[str]) -> Categories:
    """Return the answers in use, items in the order of ``names``.

    Raises
    ------
    DataError
        Items with one answer or with too many to be ordered categories.
    """
    found, problems = {}, []
    for name, column in zip(names, values.T, strict=True):
        if name not in ordered:
            continue
        found[name] = np.unique(column[np.isfinite(column)])
        if len(found[name]) < 2:
            problems.append(
                f"'{name}' has {len(found[name])} category(ies); an ordered item needs two or more"
            )
        elif len(found[name]) > MOST_CATEGORIES:
            problems.append(
                f"'{name}' has {len(found[name])} different answers; treat it as continuous (leave it out of "
                "ordered)"
            )
    if problems:
        raise DataError("Ordered items cannot be fitted:\n" + "\n".join(f"  {p}" for p in problems))
    return Categories(values=found)


def take_ordinal_sample(
    values: Array, names: Sequence[str], x: Sequence[str], *, options: Options, categories: Categories
) -> Sample:
    """Return the sample statistics of ordered (and continuous) variables given the predictors ``x``.

    Parameters
    ----------
    values : ndarray, shape (rows, p)
        Missing answers as NaN. Listwise, persons with a gap are left out; pairwise, every pair of variables
        uses those who answered both, and only persons without any answer or without a predictor are left out.
    names, x : sequence of str

    Raises
    ------
    DataError
        Categories that nobody used in this group, too few persons, perfectly associated items.
    """
    at_x = np.array([names.index(name) for name in x], dtype=np.intp)
    at_y = np.array([i for i, name in enumerate(names) if name not in set(x)], dtype=np.intp)
    gaps = np.isnan(values)
    if options.missing == "pairwise":
        kept = ~(gaps[:, at_y].all(axis=1) | gaps[:, at_x].any(axis=1))
    else:
        kept = ~gaps.any(axis=1)
    used = values[kept]
    if len(used) <= len(names):
        raise DataError(
            f"{len(used)} persons for {len(names)} variables: too few; {len(values) - len(used)} row(s) were "
            "left out for missing answers."
        )
    y_names = [names[i] for i in at_y]
    _refuse_empty(used[:, at_y], y_names, categories)
    X = used[:, at_x] if len(at_x) else None
    found = ordinal_moments(used[:, at_y], y_names, ordered=options.ordered, x=X)
    few = [n for j, n in zip(at_y, y_names, strict=True) if n not in options.ordered and _few(used[:, j])]
    return Sample(
        moments=_joint(found, at_y, at_x, X),
        centred=np.empty((0, len(names))),
        n_rows=len(values),
        n_dropped=len(values) - len(used),
        n_empty=int(gaps.all(axis=1).sum()),
        few_categories=tuple(few),
        least_squares=_least_squares(found, at_y, at_x, options),
        answers=used,
    )


def _few(column: Array) -> bool:
    return few_answers(column[np.isfinite(column)])


def _refuse_empty(values: Array, names: Sequence[str], categories: Categories) -> None:
    problems = []
    for name, column in zip(names, values.T, strict=True):
        wanted = categories.values.get(name)
        if wanted is None:
            continue
        absent = [k + 1 for k, answer in enumerate(wanted) if not np.any(column == answer)]
        if absent:
            which = ", ".join(str(k) for k in absent)
            problems.append(f"'{name}': category {which} of {len(wanted)} (counted from the lowest)")
    if problems:
        raise DataError(
            f"nobody used {named_list(problems)}, so its threshold has no estimate. Join it with the "
            "category beside it in all groups."
        )


def _joint(found: OrdinalMoments, at_y: Index, at_x: Index, X: Array | None) -> SampleMoments:
    """Moments of variables and predictors together, for start values and for reporting."""
    p = len(at_y) + len(at_x)
    cov, mean = np.zeros((p, p)), np.zeros(p)
    means = [0.0 if m.ordered else float(m.location[0]) for m in found.margins]
    cov[np.ix_(at_y, at_y)], mean[at_y] = found.cov, means
    if X is not None:
        Sxx = np.cov(X.T).reshape(len(at_x), len(at_x))
        slopes = np.array([m.slopes for m in found.margins])
        cov[np.ix_(at_x, at_x)], mean[at_x] = Sxx, X.mean(axis=0)
        cov[np.ix_(at_y, at_x)] = slopes @ Sxx
        cov[np.ix_(at_x, at_y)] = Sxx @ slopes.T
        cov[np.ix_(at_y, at_y)] += slopes @ Sxx @ slopes.T
        mean[at_y] += slopes @ X.mean(axis=0)
    sign, log_det = np.linalg.slogdet(cov)
    return SampleMoments(cov=cov, mean=mean, n=found.n, log_det=float(log_det) if sign > 0 else np.nan)


def _least_squares(found: OrdinalMoments, at_y: Index, at_x: Index, options: Options) -> LeastSquares:
    ordered = np.array([m.ordered for m in found.margins])
    sizes = [len(m.location) for m in found.margins]
    item = np.repeat(np.arange(len(sizes)), sizes)
    tau = np.where(ordered[item], np.cumsum(ordered[item]) - 1, -1)
    col, row = np.triu_indices(len(sizes), 1)
    return LeastSquares(
        statistics=found.statistics,
        weight=weight_of_gamma(RECIPES[options.estimator].weighting, found.gamma, found.n),
        gamma=found.gamma,
        y=at_y,
        x=at_x,
        ordered=ordered,
        item=item,
        tau=tau,
        variance=np.nonzero(~ordered)[0],
        row=row,
        col=col,
        theta=options.parameterization == "theta",
    )
