"""A model of ordered items without its thresholds, where they fit exactly.

A threshold that is a parameter of its own meets its statistic whatever the other parameters are,

    tau = s / v + mu

so that only the correlations are left to be fitted: the criterion, its optimum and its curvature in the other
parameters are the same, with a fifth of the parameters and half of the statistics.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from implstats.sem.estimators.least_squares import LeastSquares
from implstats.sem.fitted import Estimated
from implstats.sem.model.matrices import ORDER, Cells, Structure
from implstats.sem.resampling.many import implied_many
from implstats.sem.resampling.many_least_squares import scales_many

Array = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiled:
    """The rest of a model.

    Attributes
    ----------
    structures : tuple of Structure
        Of each group, without thresholds.
    ls : tuple of LeastSquares
        Their statistics: correlations only.
    kept : ndarray of int
        The parameters that are left.
    """

    structures: tuple[Structure, ...]
    ls: tuple[LeastSquares, ...]
    kept: Index


def without_thresholds(estimated: Estimated) -> Profiled | None:
    """Return the model without thresholds; ``None`` where they are shared, fixed or bound to others."""
    if estimated.table.constraints:
        return None
    groups = [sample.least_squares for sample in estimated.sample.groups]
    own = [structure.cells["tau"].free for structure in estimated.structures]
    taken = np.concatenate(own)
    ids = np.concatenate([structure.ids for structure in estimated.structures])
    if len(np.unique(taken)) < len(taken) or int(np.isin(ids, taken).sum()) != len(taken):
        return None
    found = []
    for ls, mine in zip(groups, own, strict=True):
        if (
            ls is None
            or len(ls.x)
            or not ls.ordered.all()
            or len(mine) != len(ls.item)
            or ls.weight.ndim == 2
        ):
            return None
        nothing, pairs = np.zeros(0, dtype=np.intp), slice(ls.n_before_pairs, None)
        found.append(
            replace(ls, statistics=ls.statistics[pairs], weight=ls.weight[pairs], item=nothing, tau=nothing)
        )
    kept = np.setdiff1d(np.arange(estimated.table.n_free), taken)
    structures = tuple(_without(structure, kept) for structure in estimated.structures)
    return Profiled(structures=structures, ls=tuple(found), kept=kept)


def _without(structure: Structure, kept: Index) -> Structure:
    place = np.full(structure.n_free, -1, dtype=np.intp)
    place[kept] = np.arange(len(kept))
    nothing = np.zeros(0, dtype=np.intp)
    cells, slices, at = {}, {}, 0
    for matrix in ORDER:
        own = structure.cells[matrix]
        cells[matrix] = (
            Cells(row=nothing, col=nothing, free=nothing)
            if matrix == "tau"
            else Cells(row=own.row, col=own.col, free=place[own.free])
        )
        count = len(cells[matrix].free)
        slices[matrix] = slice(at, at + count)
        at += count
    ids = np.concatenate([cells[matrix].free for matrix in ORDER])
    return replace(
        structure, cells=cells, slices=slices, ids=ids, n_free=len(kept),
        one_to_one=ids.tolist() == list(range(len(kept))), distinct=len(set(ids.tolist())) == len(ids),
    )  # fmt: skip


def with_thresholds(estimated: Estimated, profiled: Profiled, inner: Array, statistics: list[Array]) -> Array:
    """Return all parameters, shape (R, q), from those that are left and each group's sample thresholds.

    Parameters
    ----------
    inner : ndarray, shape (R, kept)
    statistics : list of ndarray, shape (R, S)
    """
    out = np.empty((len(inner), estimated.table.n_free))
    out[:, profiled.kept] = inner
    p = len(estimated.table.names.observed)
    nothing = np.zeros((len(inner), p, p))
    groups = zip(estimated.structures, profiled.structures, estimated.sample.groups, statistics, strict=True)
    for structure, rest, sample, own in groups:
        ls = sample.least_squares
        if ls is None:
            raise AssertionError("an ordered fit has its statistics")
        at = implied_many(rest, inner, nothing, nothing[:, 0])
        v = scales_many(ls, at)
        tau = np.empty((len(inner), len(ls.item)))
        tau[:, ls.tau] = own[:, : len(ls.item)] / v[:, ls.item] + at.mean[:, ls.y][:, ls.item]
        cells = structure.cells["tau"]
        out[:, cells.free] = tau[:, cells.row]
    return out
