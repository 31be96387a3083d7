"""From a frame to the moments that a model needs, with every problem of the data said at once.

Persons with a missing answer on any variable of the model are left out (listwise) and counted; full
information takes its sample in :mod:`implstats.sem.data.fiml_sample`. Messages name variables and counts,
never a person's answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from implstats.errors import DataError, did_you_mean
from implstats.sem.data.columns import stack_columns
from implstats.sem.estimators.fiml import Incomplete
from implstats.sem.estimators.least_squares import LeastSquares
from implstats.sem.estimators.ml import SampleMoments, inverse_and_log_det

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
# Correlations this close to one leave fewer than three digits in the inverse of S.
PERFECT = 1.0 - 1e-12
# Eigenvalues of a correlation matrix below this are zero for a computer with 16 digits.
SINGULAR = 1e-11
SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Data of the model's variables: of complete persons, or under full information of all.

    Attributes
    ----------
    moments : SampleMoments
        Under full information the saturated maximum likelihood moments.
    centred : ndarray, shape (n, p)
        Answers minus their means; without rows under full information.
    n_rows, n_dropped, n_empty : int
        Rows of the frame; rows left out for a missing answer; those of them without any answer.
    few_categories : tuple of str
        Variables with five or fewer different answers, exogenous ones apart.
    incomplete : Incomplete or None
        The patterns of answers under full information.
    two_stage : Incomplete or None
        Under two-stage estimation the answers behind the moments, which are the saturated ones.
    cluster : ndarray of int, shape (n,), or None
        Each person's cluster, in the order of ``centred`` or of the patterns.
    n_no_cluster : int
        Rows left out because their cluster is missing.
    least_squares : LeastSquares or None
        The statistics and weights of a least-squares estimator.
    answers : ndarray, shape (n, p), or None
        With ordered items the answers of the persons used, NaN where missing.
    summary : str
        ``covariance`` or ``correlation`` where only such a matrix was given; empty with persons' answers.
    """

    moments: SampleMoments
    centred: Array
    n_rows: int
    n_dropped: int
    n_empty: int
    few_categories: tuple[str, ...]
    incomplete: Incomplete | None = None
    summary: str = ""
    two_stage: Incomplete | None = None
    least_squares: LeastSquares | None = None
    cluster: NDArray[np.intp] | None = None
    n_no_cluster: int = 0
    answers: Array | None = None


def named_list(names: Sequence[str]) -> str:
    """Return names for a message, the first eight of a long list."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def read_columns(
    data: pd.DataFrame | Mapping[str, ArrayLike], names: Sequence[str], latent: Sequence[str]
) -> Array:
    """Return the model's observed variables as an (n, p) array, missing answers as NaN.

    Raises
    ------
    DataError
        Unknown variables (with the closest known ones), texts, infinite numbers, a latent name that is also a
        column: all of them together.
    """
    known = list(data) if isinstance(data, Mapping) else list(data.columns)
    place = {name: k for k, name in enumerate(known)}
    problems = [
        f"the model's variable '{name}' is not a column{did_you_mean(name, map(str, known))}"
        for name in names
        if name not in place
    ]
    problems += [
        f"'{name}' is latent in the model but also a column; rename one" for name in latent if name in place
    ]
    there = [name for name in names if name in place]
    if isinstance(data, Mapping):
        values, more = stack_columns(data, there)
    else:
        values, more = _from_frame(data, there, [place[name] for name in there])
    problems += more
    if problems:
        raise DataError("The data do not fit the model:\n" + "\n".join(f"  {p}" for p in problems))
    infinite = [names[j] for j in np.nonzero(np.isinf(values).any(axis=0))[0].tolist()]
    if infinite:
        raise DataError(f"Infinite values in {named_list(infinite)}. Set them to missing or correct them.")
    return values


def _from_frame(data: pd.DataFrame, names: Sequence[str], places: list[int]) -> tuple[Array, list[str]]:
    """Return columns of a frame by their places, and what is wrong with them; no values then."""
    twice = set() if data.columns.is_unique else set(data.columns[data.columns.duplicated()])
    frame = data.take(places, axis=1)
    problems = [f"column '{name}' stands twice in the data" for name in names if name in twice]
    problems += [] if twice else _type_problems(frame)
    if problems:
        return np.empty((0, len(names))), problems
    return frame.to_numpy(dtype=float, na_value=np.nan), []


def _type_problems(frame: pd.DataFrame) -> list[str]:
    return [
        f"column '{name}' holds {kind} values, not numbers; recode it to numbers (categories to 0/1 columns)"
        for name, kind in zip(frame.columns, frame.dtypes.to_numpy(), strict=True)
        if getattr(kind, "kind", "O") not in "iufb"
    ]


def take_sample(values: Array, names: Sequence[str], x: Sequence[str]) -> Sample:
    """Return complete persons' moments.

    Parameters
    ----------
    values : ndarray, shape (rows, p)
        Missing answers as NaN.
    names, x : sequence of str
        The p variables, and which of them are exogenous.

    Raises
    ------
    DataError
        Too few persons, constant or linearly dependent variables.
    """
    gaps = np.isnan(values)
    kept = values[~gaps.any(axis=1)] if gaps.any() else values
    n, p = kept.shape
    dropped = len(values) - n
    if n <= p:
        raise DataError(
            f"{n} complete persons for {p} variables: a model of {p} variables needs more than {p} complete "
            f"persons, better several hundred. {dropped} of {len(values)} rows were left out for missing "
            f"answers{_most_missing(gaps, names)}."
        )
    mean = kept.mean(axis=0)
    centred = kept - mean
    cov = centred.T @ centred / n
    _refuse_dependence(cov, mean, names)
    inverted = inverse_and_log_det(cov)
    if inverted is None:
        raise DataError(dependence_message(cov, names))
    few = tuple(names[j] for j in columns_of_few_answers(kept) if names[j] not in x)
    return Sample(
        moments=SampleMoments(cov=cov, mean=mean, n=n, log_det=inverted[1]),
        centred=centred,
        n_rows=len(values),
        n_dropped=dropped,
        n_empty=int(gaps.all(axis=1).sum()) if dropped else 0,
        few_categories=few,
    )


def _most_missing(gaps: NDArray[np.bool_], names: Sequence[str]) -> str:
    """Which variables lack most answers, in words."""
    counts = gaps.sum(axis=0)
    order = [j for j in np.argsort(-counts, kind="stable").tolist() if counts[j]][:3]
    return ", most of them on " + ", ".join(f"{names[j]} ({counts[j]})" for j in order) if order else ""


def few_answers(column: Array, most: int = 5) -> bool:
    """Whether a column has ``most`` or fewer different values; the first rows settle it for most columns."""
    if len(np.unique(column[:50])) > most:
        return False
    return len(np.unique(column)) <= most


def columns_of_few_answers(answers: Array, most: int = 5) -> list[int]:
    """Return the columns of :func:`few_answers`; none missing; the first rows settle most columns."""
    first = np.sort(answers[:50], axis=0)
    different = 1 + (first[1:] != first[:-1]).sum(axis=0)
    return [j for j in np.nonzero(different <= most)[0].tolist() if few_answers(answers[:, j], most)]


def _refuse_dependence(cov: Array, mean: Array, names: Sequence[str]) -> None:
    sd = np.sqrt(np.diag(cov))
    # Rounding of the mean leaves a spread of this size in a constant column.
    constant = sd <= 1e-12 * np.maximum(1.0, np.abs(mean))
    if constant.any():
        which = [name for name, bad in zip(names, constant, strict=True) if bad]
        raise DataError(
            f"Everyone gave the same answer on {named_list(which)}. Leave it out of the model: it has no "
            "variance."
        )
    correlation = cov / np.outer(sd, sd)
    row, col = np.nonzero(np.tril(np.abs(correlation) > PERFECT, -1))
    if len(row):
        pairs = [f"{names[j]} and {names[i]}" for i, j in zip(row.tolist(), col.tolist(), strict=True)]
        raise DataError(
            f"Perfectly correlated variables: {named_list(pairs)}. Keep one of each pair; the same column "
            "may have been read twice."
        )
    if np.linalg.eigvalsh(correlation)[0] < SINGULAR:
        raise DataError(dependence_message(cov, names))


def dependence_message(cov: Array, names: Sequence[str]) -> str:
    """Return the sentence about the variables of the smallest eigenvalue of a correlation matrix."""
    sd = np.sqrt(np.diag(cov))
    _, vectors = np.linalg.eigh(cov / np.outer(sd, sd))
    weight = np.abs(vectors[:, 0])
    part = [name for name, w in zip(names, weight, strict=True) if w > 0.05 * weight.max()]
    return (
        f"The variables {named_list(part)} depend on each other: one is a sum or difference of the others, "
        "such as a total beside its items. Leave one out."
    )
