"""A fitted model with more parameters free, at the same estimate: for score tests and some standard errors.

The old parameters keep their numbers 1 to q; freed and added ones are numbered behind them and stand at the
value that they had: a fixed value, zero, or a sample moment.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from implstats.sem.fitted import Estimated
from implstats.sem.language.rows import Row
from implstats.sem.language.table import ParameterTable
from implstats.sem.model.matrices import Structure, build_structures, fill_sample_moments
from implstats.sem.model.standardise import row_values

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extended:
    """The wider model.

    Attributes
    ----------
    table : ParameterTable
        Group by group: the model's rows, then the added ones.
    structures : tuple of Structure
    theta : ndarray, shape (q + r,)
        The estimate, then the values at which the r new parameters stand.
    new : tuple of Row
        The rows of the new parameters in their order: moments of fixed predictors, other freed ones of all
        groups, added ones.
    n_exo : int
        How many of them are moments of fixed predictors.
    """

    table: ParameterTable
    structures: tuple[Structure, ...]
    theta: Array
    new: tuple[Row, ...]
    n_exo: int


def extend(estimated: Estimated, *, free: Callable[[Row], bool], add: Sequence[Row] = ()) -> Extended:
    """Return the model with rows freed and added.

    Parameters
    ----------
    free : callable
        Which of the rows that are not free become so.
    add : sequence of Row
        Parameters that the model lacks, the same ones in every group.
    """
    table = estimated.table
    values = row_values(table, estimated.structures, estimated.optimum.theta)
    rows = [replace(row) for row in table.rows]
    freed = [(row, value) for row, value in zip(rows, values, strict=True) if not row.free and free(row)]
    freed.sort(key=lambda pair: not pair[0].exo)
    n_exo = sum(row.exo for row, _ in freed)
    added = [replace(row, fixed=None, group=g) for g in range(1, len(table.groups) + 1) for row in add]
    new = [row for row, _ in freed] + added
    for number, row in enumerate(new, start=table.n_free + 1):
        row.free, row.exo, row.fixed = number, False, None
    everything = [
        row
        for group in range(1, len(table.groups) + 1)
        for row in (*(r for r in rows if r.group == group), *(r for r in added if r.group == group))
    ]
    wider = replace(table, rows=tuple(everything), n_free=table.n_free + len(new))
    structures = build_structures(wider)
    for structure, sample in zip(structures, estimated.sample.groups, strict=True):
        fill_sample_moments(structure, sample.moments.cov, sample.moments.mean)
    start = [value for _, value in freed] + [0.0] * len(added)
    theta = np.concatenate([estimated.optimum.theta, start])
    return Extended(table=wider, structures=structures, theta=theta, new=tuple(new), n_exo=n_exo)


def wider_tangent(estimated: Estimated, n_exo: int) -> Array:
    """Return the directions in which the q parameters and the moments of fixed predictors can move.

    A matrix of shape (q + n_exo, t): the constraints bind the parameters, nothing the moments.
    """
    q = estimated.table.n_free
    K = np.eye(q) if estimated.tangent is None else estimated.tangent
    out = np.zeros((q + n_exo, K.shape[1] + n_exo))
    out[:q, : K.shape[1]], out[q:, K.shape[1] :] = K, np.eye(n_exo)
    return out
