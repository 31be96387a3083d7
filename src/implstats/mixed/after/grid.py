"""The reference grid: at which values of the predictors marginal means are taken.

    category, factor(x)                its categories in the rows of the fit
    covariate                          its mean over these rows; both values where it has two (as emmeans);
                                       its distinct values where the means are asked for by it
    within(x, g), between(x, g)        their mean over the rows, as covariates of their own
    any of them in ``at``              the values given

Functions such as log(x) or poly(x, 2) are taken at the grid's x, with the fit's own statistics. The means
are averages of the grid's rows over the predictors not asked for: with equal weights, or in proportion to the
joint frequencies of the categories averaged over. Reference: Searle, Speed & Milliken (1980), Am. Stat. 34.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from implstats.errors import DataError, UsageError, did_you_mean
from implstats.mixed.after.basis import (
    Basis,
    columns_kept,
    derived_calls,
    derived_values,
    fixed_matrix,
)
from implstats.mixed.design.expressions import Categories, names_in, parse, read_column, unquote

if TYPE_CHECKING:
    import pandas as pd

DISTINCT = 10  # values of a covariate that are shown one by one
LARGEST = 200_000  # rows of a grid
KEPT = 2  # a covariate with this many values keeps them


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One predictor of the grid.

    Attributes
    ----------
    name : str
        A column, or a call such as ``between(x, g)``.
    values : tuple
        As the data hold them.
    labels : tuple
        Category names, or numbers.
    counted : bool
        Whether the values are the data's own, so that they have frequencies.
    call : str
        The call as `ast.unparse` writes it; empty for a column.
    """

    name: str
    values: tuple[object, ...]
    labels: tuple[object, ...]
    counted: bool
    call: str = ""


def read_axes(basis: Basis, wanted: Sequence[str], at: Mapping[str, object]) -> list[Axis]:
    """Return the grid's axes, those wanted first, in their order.

    Raises
    ------
    UsageError
        An unknown name, or a covariate of many values that is wanted without ``at``.
    """
    quoted = basis.model.formula.quoted
    calls = derived_calls(basis, basis.fixed)
    shown = {unquote(call, quoted): call for call in calls}
    columns = _columns(basis, calls)
    given = {_written(key, shown, quoted): value for key, value in at.items()}
    known = [*columns, *shown]
    asked = [_written(name, shown, quoted) for name in wanted]
    for name in [*asked, *given]:
        if name not in known:
            hint = did_you_mean(name, known) or "."
            inside = [call for call in shown if name in names_in(parse(shown[call], quoted), quoted)]
            if inside:
                hint = f"; it stands inside {inside[0]}, which is a predictor of its own here."
            raise UsageError(
                f"'{name}' is no predictor of '{basis.model.formula.text}'{hint} Predictors: "
                f"{', '.join(known)}."
            )
    if len(set(asked)) < len(asked):
        raise UsageError("A predictor is named twice in specs and by; name each once.")
    axes = {name: _column_axis(basis, name, name in asked, given.get(name)) for name in columns}
    axes |= {name: _call_axis(basis, name, call, given.get(name)) for name, call in shown.items()}
    return [axes[name] for name in [*asked, *(n for n in known if n not in asked)]]


def _written(name: str, shown: Mapping[str, str], quoted: tuple[str, ...]) -> str:
    """Return a call as the axes name it, whatever its spaces."""
    squeezed = "".join(str(name).split())
    for call in shown:
        if squeezed == "".join(call.split()):
            return call
    return str(name)


def _columns(basis: Basis, calls: Sequence[str]) -> dict[str, bool]:
    """Return the columns of the fixed part that stand outside within() and between(), in order."""
    quoted = basis.model.formula.quoted
    names: dict[str, bool] = {}
    for factor in basis.fixed.variables:
        for name in _outside(parse(factor, quoted), calls, quoted):
            names[name] = True
    return names


def _outside(tree: ast.AST, calls: Sequence[str], quoted: tuple[str, ...]) -> list[str]:
    if ast.unparse(tree) in calls:
        return []
    if isinstance(tree, ast.Name | ast.Attribute):
        return names_in(tree, quoted)
    children = tree.args if isinstance(tree, ast.Call) else list(ast.iter_child_nodes(tree))
    return [name for child in children for name in _outside(child, calls, quoted)]


def _as_categories(basis: Basis, name: str) -> bool:
    """Return whether a column stands in factor() or C()."""
    quoted = basis.model.formula.quoted
    trees = [parse(f, quoted) for f in basis.fixed.variables]
    return any(
        isinstance(t, ast.Call) and isinstance(t.func, ast.Name) and t.func.id in ("factor", "C")
        and name in names_in(t, quoted)
        for t in trees
    )  # fmt: skip


def _column_axis(basis: Basis, name: str, wanted: bool, given: object) -> Axis:
    model = basis.model
    series = model.frame[name].iloc[model.design.rows]
    column = read_column(series, name)
    categories = isinstance(column, Categories)
    if given is not None:
        values = _listed(given)
        if not categories and not all(_is_number(v) for v in values):
            raise UsageError(f"at: '{name}' holds numbers, so give a number or a list of numbers.")
        return Axis(name=name, values=values, labels=tuple(_label(v) for v in values), counted=categories)
    if isinstance(column, Categories):
        used, first = np.unique(column.codes, return_index=True)
        values = tuple(series.iloc[int(i)] for i in first)
        return Axis(name=name, values=values, labels=tuple(column.levels[k] for k in used), counted=True)
    distinct = np.unique(column.values[:, 0])
    whole = _as_categories(basis, name) or len(distinct) <= KEPT
    if wanted and not whole:
        if len(distinct) > DISTINCT:
            raise UsageError(
                f"'{name}' has {len(distinct)} different values; say which ones to show: "
                f"at={{'{name}': [low, high]}}."
            )
        whole = True
    if whole:
        numbers = tuple(float(v) for v in distinct)
        return Axis(name=name, values=numbers, labels=numbers, counted=True)
    mean = float(np.mean(column.values[:, 0]))
    return Axis(name=name, values=(mean,), labels=(mean,), counted=False)


def _call_axis(basis: Basis, name: str, call: str, given: object) -> Axis:
    if given is None:
        mean = float(np.mean(derived_values(basis, call)))
        return Axis(name=name, values=(mean,), labels=(mean,), counted=False, call=call)
    values = _listed(given)
    if not all(_is_number(v) for v in values):
        raise UsageError(f"at: '{name}' is a number; give a number or a list of numbers.")
    return Axis(name=name, values=values, labels=values, counted=False, call=call)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def _listed(given: object) -> tuple[object, ...]:
    values = tuple(given) if isinstance(given, list | tuple | range | np.ndarray) else (given,)
    if not values:
        raise UsageError("at: an empty list of values; give at least one.")
    return values


def _label(value: object) -> object:
    return float(value) if _is_number(value) else str(value)  # type: ignore[arg-type]


def grid_columns(basis: Basis, axes: Sequence[Axis]) -> np.ndarray:
    """Return the model's columns over the whole grid, (size of each axis..., p), first axis first."""
    import pandas as pd

    shape = tuple(len(axis.values) for axis in axes)
    size = int(np.prod(shape, dtype=np.int64))
    if size > LARGEST:
        raise DataError(
            f"The grid of all combinations has {size} rows, more than {LARGEST}. Fix some predictors with at="
        )
    rows = list(product(*(axis.values for axis in axes)))
    frame = pd.DataFrame(
        {axis.name: [row[k] for row in rows] for k, axis in enumerate(axes) if not axis.call},
        index=range(size),
    )
    basis.derived.clear()
    for k, axis in enumerate(axes):
        if axis.call:
            basis.derived[axis.call] = np.array([float(row[k]) for row in rows])  # type: ignore[arg-type]
    X = columns_kept(basis.model, fixed_matrix(basis, frame))
    basis.derived.clear()
    return X.reshape(*shape, X.shape[1])


def frequencies(basis: Basis, axes: Sequence[Axis]) -> np.ndarray:
    """Return the share of the fit's rows in each combination of the axes' values, (size of each axis...).

    Axes whose values are not the data's own weigh each value the same.
    """
    model = basis.model
    shape = tuple(len(axis.values) for axis in axes)
    code = np.zeros(len(model.design.rows), dtype=np.int64)
    inside = np.ones(len(code), dtype=bool)
    counted = [axis for axis in axes if axis.counted]
    for axis in counted:
        own = _codes_of(model.frame[axis.name].iloc[model.design.rows], axis)
        inside &= own >= 0
        code = code * len(axis.values) + own
    sizes = tuple(len(axis.values) if axis.counted else 1 for axis in axes)
    counts = np.bincount(code[inside], minlength=int(np.prod(sizes, dtype=np.int64))).astype(float)
    if counts.sum() == 0.0:
        raise DataError("No row of the fit has any of the combinations averaged over; use weights='equal'.")
    spread = np.broadcast_to(counts.reshape(sizes), shape)
    return spread / spread.sum()


def _codes_of(series: pd.Series, axis: Axis) -> np.ndarray:
    column = read_column(series, axis.name)
    if isinstance(column, Categories):
        number = {str(label): k for k, label in enumerate(axis.labels)}
        return np.array([number.get(level, -1) for level in column.levels])[column.codes]
    values = np.array([float(v) for v in axis.values])  # type: ignore[arg-type]
    match = column.values[:, :1] == values[None, :]
    return np.where(match.any(axis=1), match.argmax(axis=1), -1)
