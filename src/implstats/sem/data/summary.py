"""A sample known by its covariances alone, as a published table gives them.

A table holds covariances with divisor n - 1; the likelihood takes S = cov (n - 1) / n. A correlation matrix
is read as if all standard deviations were one: estimates are then standardised values, but their standard
errors and tests are those of covariances and right only for models that do not change with the scale of the
variables (Cudeck 1989).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from implstats.errors import DataError, NotSupportedError, UsageError, did_you_mean
from implstats.sem.data.sample import SINGULAR, Sample, dependence_message, named_list
from implstats.sem.estimators.ml import SampleMoments, inverse_and_log_det

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
# Tables are printed with few decimals; the two halves of a matrix should still be the same numbers.
SYMMETRIC = 1e-8


def refuse_without_persons(
    *, estimator: str, missing: str, group: str | None, cluster: str | None, ordered: Sequence[str]
) -> None:
    """Raise :class:`NotSupportedError` with everything asked for that needs persons' answers."""
    problems = []
    if estimator != "ML":
        problems.append(f"estimator '{estimator}' needs each person's answers; use 'ML'")
    if missing != "listwise":
        problems.append(f"missing '{missing}' needs each person's answers; leave it out")
    for what, value in (("group", group), ("cluster", cluster), ("ordered", ", ".join(ordered))):
        if value:
            problems.append(f"{what} '{value}' needs a data frame of persons; leave it out")
    if problems:
        raise NotSupportedError(f"A covariance matrix does not bear this: {'; '.join(problems)}.")


def summary_sample(
    cov: pd.DataFrame,
    *,
    n: int | None,
    means: Mapping[str, float] | None,
    names: Sequence[str],
    latent: Sequence[str],
    needs_means: bool,
) -> Sample:
    """Return the sample that a labelled covariance matrix stands for.

    Parameters
    ----------
    cov : DataFrame, shape (k, k)
        Covariances with divisor n - 1, labelled on both sides; the upper triangle may be empty (missing).
        Variables that the model does not hold are left out.
    n : int
        Persons.
    means : mapping of str to float, optional
    names, latent : sequence of str
        The model's p observed and its latent variables.
    needs_means : bool

    Raises
    ------
    UsageError, DataError
        A matrix that is not square, labelled, symmetric or positive definite, unknown variables, no n, no
        means for a model of means.
    """
    size = _checked_n(n, len(names))
    table = _checked_frame(cov, names, latent)
    matrix = _symmetric(table.loc[list(names), list(names)].to_numpy(dtype=float), names)
    center = _checked_means(means, names, needs_means=needs_means)
    S = matrix * (size - 1) / size
    inverted = inverse_and_log_det(S)
    sd = np.sqrt(np.diag(S))
    if inverted is None or np.linalg.eigvalsh(S / np.outer(sd, sd))[0] < SINGULAR:
        raise DataError(
            "The covariance matrix is not positive definite, so it does not come from complete answers of "
            "one sample (rounding, pairwise deletion or a misprint may do this). "
            + dependence_message(S, names)
        )
    return Sample(
        moments=SampleMoments(cov=S, mean=center, n=size, log_det=inverted[1]),
        centred=np.empty((0, len(names))),
        n_rows=size,
        n_dropped=0,
        n_empty=0,
        few_categories=(),
        summary="correlation" if np.all(np.abs(np.diag(matrix) - 1.0) < SYMMETRIC) else "covariance",
    )


def _checked_n(n: int | None, p: int) -> int:
    if n is None or isinstance(n, bool) or not isinstance(n, int | np.integer):
        raise UsageError("A covariance matrix needs n, the whole number of persons it rests on, as in n=301.")
    if n <= p:
        raise DataError(
            f"n is {n} for {p} variables: a model of {p} variables needs more than {p} persons, better "
            "several hundred."
        )
    return int(n)


def _checked_frame(cov: pd.DataFrame, names: Sequence[str], latent: Sequence[str]) -> pd.DataFrame:
    if not hasattr(cov, "columns"):
        raise UsageError(
            f"cov should be a pandas DataFrame with the variables' names on both sides; this is a "
            f"{type(cov).__name__}."
        )
    table = cov.rename(index=str, columns=str)
    if len(table) != len(table.columns) or set(table.index) != set(table.columns):
        raise UsageError(
            f"cov should be square with the same names on rows and columns; this one is {len(table)} by "
            f"{len(table.columns)}. Set its index to its columns."
        )
    if not table.columns.is_unique:
        raise UsageError("cov holds a variable twice. Leave one out.")
    problems = [
        f"the model's variable '{name}' is not in cov{did_you_mean(name, table.columns)}"
        for name in names
        if name not in table.columns
    ]
    problems += [
        f"'{name}' is latent in the model but also in cov" for name in latent if name in table.columns
    ]
    if problems:
        raise DataError("The matrix does not fit the model:\n" + "\n".join(f"  {p}" for p in problems))
    return table


def _symmetric(matrix: Array, names: Sequence[str]) -> Array:
    """The full matrix; where one half is missing it is the mirror of the other."""
    full = np.where(np.isnan(matrix), matrix.T, matrix)
    bad = ~np.isfinite(full)
    if bad.any():
        row, col = (int(k[0]) for k in np.nonzero(bad))
        raise DataError(f"cov has no number for {names[row]} and {names[col]}. Fill it in.")
    gap = np.abs(full - full.T)
    if gap.max(initial=0.0) > SYMMETRIC * np.abs(full).max():
        row, col = (int(k) for k in np.unravel_index(gap.argmax(), gap.shape))
        raise DataError(
            f"cov is not symmetric: {names[row]} and {names[col]} have two different values. Correct one."
        )
    zero = [name for name, variance in zip(names, np.diag(full), strict=True) if variance <= 0]
    if zero:
        raise DataError(f"cov gives {named_list(zero)} a variance that is not positive. Correct it.")
    return 0.5 * (full + full.T)


def _checked_means(means: Mapping[str, float] | None, names: Sequence[str], *, needs_means: bool) -> Array:
    if means is None:
        if needs_means:
            raise UsageError(
                "The model holds means, which a covariance matrix does not give. Give means, or leave "
                "intercepts and meanstructure out."
            )
        return np.zeros(len(names))
    known = {str(name): value for name, value in dict(means).items()}
    absent = [name for name in names if name not in known]
    if absent:
        raise DataError(f"means holds no value for {named_list(absent)}. Add it.")
    values = np.array([float(known[name]) for name in names])
    if not np.all(np.isfinite(values)):
        bad = [name for name, value in zip(names, values, strict=True) if not np.isfinite(value)]
        raise DataError(f"means holds no finite number for {named_list(bad)}. Correct it.")
    return values
