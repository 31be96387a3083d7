"""Rows to predict for: their columns, and the path of clusters that each belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from implstats.errors import DataError, ProblemsError, did_you_mean
from implstats.mixed.after.basis import columns_kept, fixed_basis, fixed_matrix, random_matrices
from implstats.mixed.after.kept import Kept
from implstats.mixed.design.build import RandomPart
from implstats.mixed.design.offset import offset_values

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRows:
    """Rows in the model's terms, in the outcome's own unit.

    Attributes
    ----------
    X : ndarray, (n, p)
        NaN in rows that lack a variable or are not estimable.
    Z : list of ndarray, (n, q_l)
        Empty if no random part was asked for.
    codes : list of ndarray, (n,)
        Cluster numbers by level, -1 for a cluster that was not in the fit; empty as Z.
    weights : ndarray, (n,)
        Prior weights; one on new data.
    offset : ndarray, (n,)
        Each row's own; zero without one.
    notes : list of str
    """

    X: np.ndarray
    Z: list[np.ndarray]
    codes: list[np.ndarray]
    weights: np.ndarray
    offset: np.ndarray
    notes: list[str]


def rows_of_fit(model: Kept) -> NewRows:
    """Return the rows of the fit itself."""
    design = model.design
    weights = np.ones(len(design.y)) if design.weights is None else design.weights
    return NewRows(
        X=design.X[:, list(model.scaled.kept)], Z=[level.Z for level in design.levels],
        codes=[level.clusters.codes for level in design.levels], weights=weights, notes=[],
        offset=np.zeros(len(design.y)) if design.offset is None else design.offset,
    )  # fmt: skip


def new_rows(model: Kept, new: pd.DataFrame, *, used: tuple[int, ...], effects: bool) -> NewRows:
    """Return new rows.

    Parameters
    ----------
    model : Kept
    new : DataFrame
    used : tuple of int
        Levels whose clusters the new rows name; at the others every cluster counts as new.
    effects : bool
        Whether the random part's columns are needed.

    Raises
    ------
    ProblemsError
        A variable is not a column of the new data.
    DataError
        An unknown category, or a known cluster in another upper cluster than in the fit.
    """
    if not (hasattr(new, "columns") and hasattr(new, "iloc")):
        raise DataError(f"The new data are a pandas DataFrame; got {type(new).__name__}.")
    basis = fixed_basis(model)
    X = columns_kept(model, fixed_matrix(basis, new))
    Z = random_matrices(basis, new) if effects else []
    codes = _codes(model, new, used)
    notes = list(basis.notes)
    offset = offset_values(model.formula, new)
    if offset is None:
        offset = np.zeros(len(X))
    lost = int(np.sum(~np.isfinite(X).all(axis=1) | ~np.isfinite(offset)))
    if lost:
        notes.append(
            f"{lost} row(s) have no prediction: a variable is missing, or the model cannot estimate them"
        )
    if model.design.weights is not None and effects:
        notes.append("a new row counts as one of weight one")
    return NewRows(X=X, Z=Z, codes=codes, weights=np.ones(len(new)), offset=offset, notes=notes)


def _codes(model: Kept, new: pd.DataFrame, used: tuple[int, ...]) -> list[np.ndarray]:
    """Return the cluster number of each new row at each level, -1 where it was not in the fit."""
    known, levels = [str(c) for c in new.columns], model.design.levels
    wanted = dict.fromkeys(c for k in used for c in levels[k].clusters.columns)
    problems = [
        f"the cluster '{c}' is not a column of the new data{did_you_mean(c, known)}"
        for c in wanted
        if c not in known
    ]
    if problems:
        raise ProblemsError(
            f"The new data for '{model.formula.text}' (random='none' needs no clusters)", problems
        )
    codes = [np.full(len(new), -1) for _ in levels]
    for k in used:
        codes[k] = _level_codes(model, levels[k], new)
    _refuse_moved(model, codes, used)
    return codes


def _refuse_moved(model: Kept, codes: list[np.ndarray], used: tuple[int, ...]) -> None:
    levels = model.design.levels
    for lower in used:
        for upper in used[used.index(lower) + 1 :]:
            parent = levels[upper].clusters.codes[levels[lower].clusters.first]
            if not _nested(model, lower, upper, parent):
                continue
            inside = codes[lower] >= 0
            wrong = int(np.sum(parent[codes[lower][inside]] != codes[upper][inside]))
            if wrong:
                names = [levels[k].clusters.name for k in (lower, upper)]
                raise DataError(
                    f"{wrong} new row(s) put a known '{names[0]}' in another '{names[1]}' than in the fit. "
                    "Correct the ids, or give the moved ones new ids."
                )


def _nested(model: Kept, lower: int, upper: int, parent: np.ndarray) -> bool:
    levels = model.design.levels
    return bool(np.array_equal(parent[levels[lower].clusters.codes], levels[upper].clusters.codes))


def _level_codes(model: Kept, level: RandomPart, new: pd.DataFrame) -> np.ndarray:
    import pandas as pd

    clusters, rows = level.clusters, model.design.rows
    kinds = [
        (c, pd.api.types.is_numeric_dtype(model.frame[c]), pd.api.types.is_numeric_dtype(new[c]))
        for c in clusters.columns
    ]
    mixed_up = [c for c, before, now in kinds if before != now and len(new)]
    if mixed_up:
        raise DataError(
            f"The ids in '{mixed_up[0]}' are numbers in one of the two data sets and text in the other, so "
            "no cluster would be recognised. Give both the same type."
        )
    ids = [model.frame[c].iloc[rows[clusters.first]].to_numpy() for c in clusters.columns]
    if len(ids) == 1:
        return pd.Index(ids[0]).get_indexer(new[clusters.columns[0]].to_numpy())
    index = pd.MultiIndex.from_arrays(ids)
    return index.get_indexer(pd.MultiIndex.from_arrays([new[c].to_numpy() for c in clusters.columns]))
