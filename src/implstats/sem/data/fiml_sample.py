"""From answers with gaps to what full information needs, with every problem of the data said at once.

Left out are persons without any answer on the model's variables and, as in lavaan, persons who lack an
exogenous predictor: nothing is assumed about the distribution of predictors. Everyone else is used. A pair of
variables that fewer than three persons answered together leaves their covariance without a maximum, because
the likelihood grows without bound when the two joint points lie on a line; such pairs are refused by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from implstats.errors import DataError
from implstats.sem.data.patterns import group_patterns
from implstats.sem.data.sample import PERFECT, SINGULAR, Sample, dependence_message, few_answers, named_list
from implstats.sem.data.saturated import saturated_moments
from implstats.sem.estimators.fiml import Incomplete
from implstats.sem.estimators.ml import SampleMoments

Array = NDArray[np.float64]
LEAST_TOGETHER = 3


def take_incomplete_sample(values: Array, names: Sequence[str], x: Sequence[str]) -> Sample:
    """Return the sample with its saturated maximum likelihood moments.

    Parameters
    ----------
    values : ndarray, shape (rows, p)
        Missing answers as NaN.
    names, x : sequence of str
        The p variables, and which of them are exogenous predictors.

    Raises
    ------
    DataError
        Too few persons, unanswered, constant or dependent variables, pairs that are never answered together.
    """
    seen = ~np.isnan(values)
    predictor = np.array([name in set(x) for name in names])
    empty = ~seen.any(axis=1)
    no_predictor = ~seen[:, predictor].all(axis=1) & ~empty
    kept = values[~(empty | no_predictor)]
    _refuse_shortage(kept, names, rows=len(values))
    _refuse_pairs(kept, names)
    patterns = group_patterns(kept)
    saturated = saturated_moments(patterns)
    if saturated is None:
        raise DataError(
            "The means and covariances of the incomplete data have no proper maximum: too few persons "
            "answered some variables together, or one variable is a sum of others. Leave out the variables "
            "that were seldom answered, or use missing 'listwise'."
        )
    cov = saturated.cov
    sd = np.sqrt(np.diag(cov))
    if np.linalg.eigvalsh(cov / np.outer(sd, sd))[0] < SINGULAR:
        raise DataError(dependence_message(cov, names))
    columns = [(name, kept[~np.isnan(kept[:, j]), j]) for j, name in enumerate(names) if not predictor[j]]
    return Sample(
        moments=SampleMoments(
            cov=cov, mean=saturated.mean, n=len(kept), log_det=float(np.linalg.slogdet(cov)[1])
        ),
        centred=np.empty((0, len(names))),
        n_rows=len(values),
        n_dropped=len(values) - len(kept),
        n_empty=int(empty.sum()),
        few_categories=tuple(name for name, column in columns if few_answers(column)),
        incomplete=Incomplete(
            patterns=patterns,
            saturated=saturated,
            n_no_predictor=int(no_predictor.sum()),
            share_missing=float(np.isnan(kept).mean()),
        ),
    )


def take_two_stage_sample(values: Array, names: Sequence[str], x: Sequence[str]) -> Sample:
    """Return the sample of two-stage estimation: stage one's moments; x are modelled like the rest."""
    sample = take_incomplete_sample(values, names, ())
    return replace(sample, incomplete=None, two_stage=sample.incomplete)


def _refuse_shortage(kept: Array, names: Sequence[str], *, rows: int) -> None:
    n, p = kept.shape
    if n <= p:
        raise DataError(
            f"{n} persons for {p} variables: a model of {p} variables needs more than {p} persons, better "
            f"several hundred. {rows - n} of {rows} rows were left out: they lack every variable or a "
            "predictor."
        )
    answers = (~np.isnan(kept)).sum(axis=0)
    never = [name for name, count in zip(names, answers, strict=True) if count == 0]
    if never:
        raise DataError(
            f"Nobody answered {named_list(never)}. Leave it out of the model, or check how it was read."
        )
    spread = np.nanmax(kept, axis=0) - np.nanmin(kept, axis=0)
    constant = [name for name, width in zip(names, spread, strict=True) if width == 0]
    if constant:
        raise DataError(
            f"Everyone gave the same answer on {named_list(constant)}. Leave it out of the model: it has no "
            "variance."
        )


def _refuse_pairs(kept: Array, names: Sequence[str]) -> None:
    seen = (~np.isnan(kept)).astype(float)
    together = seen.T @ seen
    few = _pairs(together < LEAST_TOGETHER, names)
    if few:
        raise DataError(
            f"Fewer than {LEAST_TOGETHER} persons answered both: {named_list(few)}. Their covariance cannot "
            "be estimated; leave one of each pair out of the model."
        )
    filled = np.nan_to_num(kept - np.nanmean(kept, axis=0))
    total, square = filled.T @ seen, (filled**2).T @ seen
    spread = square - total**2 / together
    shared = filled.T @ filled - total * total.T / together
    perfect = np.abs(shared) > PERFECT * np.sqrt(np.maximum(spread * spread.T, 0.0))
    same = _pairs(perfect, names)
    if same:
        raise DataError(
            f"Perfectly correlated where both were answered: {named_list(same)}. Keep one of each pair; the "
            "same column may have been read twice, or too few persons answered both."
        )


def _pairs(flag: NDArray[np.bool_], names: Sequence[str]) -> list[str]:
    row, col = np.nonzero(np.tril(flag, -1))
    return [f"{names[j]} and {names[i]}" for i, j in zip(row.tolist(), col.tolist(), strict=True)]
