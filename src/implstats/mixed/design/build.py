"""From a formula and a frame to arrays: which rows, which columns, which clusters.

All problems that can be seen without fitting are found here and shown together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, isnan
from typing import TYPE_CHECKING

import numpy as np

from implstats.errors import DataError, ModelError, ProblemsError, UsageError, did_you_mean
from implstats.mixed.design.clusters import Clusters, NotNested, ancestors, number_clusters, order_levels
from implstats.mixed.design.coding import code_terms
from implstats.mixed.design.expressions import Categories, Column, Numeric, evaluate, names_in, parse, unquote
from implstats.mixed.design.formula import Bar, Formula
from implstats.mixed.design.offset import offset_names, offset_values
from implstats.mixed.design.terms import Terms, read_terms

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomPart:
    """Random effects of one level.

    Attributes
    ----------
    clusters : Clusters
    Z : ndarray, (n, q)
    names : tuple of str, (q,)
    blocks : tuple of tuple of int
        Effects that may correlate.
    terms : tuple of str, (q,)
        The term that each effect belongs to: its own name, or the category's variable.
    """

    clusters: Clusters
    Z: np.ndarray
    names: tuple[str, ...]
    blocks: tuple[tuple[int, ...], ...]
    terms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Rows in use.

    Attributes
    ----------
    y : ndarray, (n,)
        Outcome less the offset, in its own unit.
    X : ndarray, (n, p)
    names : tuple of str, (p,)
        Column names of X, as in R.
    owner : tuple of int, (p,)
        Number of each column's term, 0 for the intercept, k for ``terms[k - 1]``.
    terms : tuple of str
        Terms of the fixed part in R's order, factors joined by ``:``.
    factors : tuple of tuple of str
        Each term's factors.
    columns : dict of str to Column
        Values of each factor of the fixed part over the rows in use.
    intercept : bool
    levels : tuple of RandomPart
        Lowest level first.
    parents : list of list of ndarray
        Cluster numbers at the levels above, as `clusters.ancestors`; refuses to be read if crossed.
    weights : ndarray, (n,), or None
        Prior weights: Var(e_i) = s2 / w_i.
    n_dropped : int
        Rows left out because a variable of the model is missing.
    missing : dict
        Missing values by variable, before rows were left out.
    rows : ndarray, (n,)
        Positions in the caller's frame.
    offset : ndarray, (n,), or None
    """

    y: np.ndarray
    X: np.ndarray
    names: tuple[str, ...]
    owner: tuple[int, ...]
    terms: tuple[str, ...]
    factors: tuple[tuple[str, ...], ...]
    columns: dict[str, Column]
    intercept: bool
    levels: tuple[RandomPart, ...]
    parents: list[list[np.ndarray]]
    weights: np.ndarray | None
    n_dropped: int
    missing: dict[str, int]
    rows: np.ndarray
    offset: np.ndarray | None = None

    @property
    def crossed(self) -> bool:
        """Whether a level is not nested in the next."""
        return isinstance(self.parents, NotNested)


def build_design(
    formula: Formula, frame: pd.DataFrame, *, weights: str | None, also: tuple[str, ...] = (),
    residual: bool = True, crossed: bool = False,
) -> Design:  # fmt: skip
    """Return the arrays of a model; rows that lack one of the columns ``also`` are left out as well.

    Without a ``residual`` (counts) random effects may be as many as the rows. Crossed levels are refused
    unless ``crossed``.

    Raises
    ------
    ProblemsError
        Names that are not columns; every one is listed.
    UsageError, DataError, ModelError
        The formula asks for something that the data do not have.
    """
    fixed = read_terms(formula.fixed)
    sides = [read_terms(bar.left) for bar in formula.bars]
    factors = list(dict.fromkeys([*fixed.variables, *(f for side in sides for f in side.variables)]))
    used = list(dict.fromkeys([*_used_names(formula, factors, weights), *offset_names(formula), *also]))
    _require_columns(formula, frame, used)
    series = {name: frame[name] for name in used}
    known, missing = _known_rows(series, len(frame))
    columns = {f: evaluate(f, series, formula.quoted) for f in [formula.response, *factors]}
    n = int(known.sum())
    if missing:
        series = {name: values[known] for name, values in series.items()}
        columns = {f: _take(column, known) for f, column in columns.items()}
    if n == 0:
        raise DataError(_nothing_left(len(known), missing))
    problems = [p for f, column in columns.items() for p in _value_problems(f, column, formula)]
    y = _outcome(columns[formula.response], formula, problems)
    w = _weights(series, weights, problems)
    offset = None
    if formula.offsets:
        offset = offset_values(formula, frame[known] if missing else frame)
        y = y - offset
    if problems:
        raise ProblemsError(f"The model '{formula.text}'", problems)
    X, names, owner = code_terms(fixed, columns, n=n)
    if X.shape[1] == 0:
        raise UsageError("The fixed part is empty; keep the intercept: y ~ 1 + (1 | cluster).")
    levels = _random_parts(formula, sides, columns, series, n=n, crossed=crossed)
    if residual:
        _refuse_as_many(levels, n)
    return Design(
        y=y, X=X, names=tuple(unquote(name, formula.quoted) for name in names), owner=tuple(owner),
        terms=tuple(":".join(unquote(f, formula.quoted) for f in term) for term in fixed.factors),
        factors=fixed.factors, columns={f: columns[f] for f in fixed.variables}, intercept=fixed.intercept,
        levels=tuple(levels), parents=ancestors([level.clusters for level in levels]), weights=w,
        n_dropped=len(known) - n, missing=missing, rows=np.flatnonzero(known),
        offset=offset,
    )  # fmt: skip


def _used_names(formula: Formula, factors: list[str], weights: str | None) -> list[str]:
    names = [
        n for f in [formula.response, *factors] for n in names_in(parse(f, formula.quoted), formula.quoted)
    ]
    names += [unquote(name, formula.quoted) for bar in formula.bars for name in bar.cluster]
    return list(dict.fromkeys(names + ([weights] if weights else [])))


def _require_columns(formula: Formula, frame: pd.DataFrame, used: list[str]) -> None:
    if len(frame) == 0:
        raise DataError("The data have no rows.")
    if frame.columns.is_unique and all(name in frame.columns for name in used):
        return
    known = [str(c) for c in frame.columns]
    problems = [
        f"'{name}' is not a column of the data{did_you_mean(name, known)}"
        for name in used
        if name not in known
    ]
    problems += [
        f"'{name}' is the name of {known.count(name)} columns; rename them"
        for name in used
        if known.count(name) > 1
    ]
    if problems:
        raise ProblemsError(f"The model '{formula.text}'", problems)


def _known_rows(series: Mapping[str, pd.Series], n: int) -> tuple[np.ndarray, dict[str, int]]:
    """Return which rows have every variable, and the number missing by variable."""
    known, missing = np.ones(n, dtype=bool), {}
    for name, column in series.items():
        dtype = column.dtype
        kind = dtype.kind if isinstance(dtype, np.dtype) else "O"
        if kind in "iub":
            continue
        if kind == "f" and not isnan(column.to_numpy().min()):
            continue  # a minimum is missing if any value is: one quick pass
        gone = column.isna().to_numpy()
        if gone.any():
            missing[name] = int(gone.sum())
            known &= ~gone
    return known, missing


def _nothing_left(n: int, missing: dict[str, int]) -> str:
    listed = ", ".join(f"{name} {count}" for name, count in missing.items())
    return f"No row of {n} has every variable of the model. Missing values: {listed}."


def _take(column: Column, known: np.ndarray) -> Column:
    if isinstance(column, Categories):
        return Categories(codes=column.codes[known], levels=column.levels, name=column.name)
    return Numeric(values=column.values[known], names=column.names)


def _value_problems(factor: str, column: Column, formula: Formula) -> list[str]:
    """Return what is wrong with one factor's values."""
    name = unquote(factor, formula.quoted)
    if isinstance(column, Categories):
        one = factor != formula.response and len(np.unique(column.codes)) < 2
        return [f"'{name}' has one category only in the rows in use; drop it"] if one else []
    ranges = [(float(values.min()), float(values.max())) for values in column.values.T]
    if not all(isfinite(low) and isfinite(high) for low, high in ranges):
        infinite = int(np.sum(~np.isfinite(column.values).all(axis=1)))
        return [f"'{name}' is infinite in {infinite} row(s); correct or blank them"]
    if factor != formula.response and all(_constant(low, high) for low, high in ranges):
        return [f"'{name}' has the same value in all rows in use; drop it"]
    return []


def _constant(low: float, high: float) -> bool:
    """Return whether values do not vary, judged against rounding at their size, not against zero."""
    return high - low <= 1e-13 * max(abs(low), abs(high))


def _outcome(column: Column, formula: Formula, problems: list[str]) -> np.ndarray:
    name = unquote(formula.response, formula.quoted)
    if isinstance(column, Categories):
        problems.append(
            f"the outcome '{name}' holds text or categories; a Gaussian model needs numbers. For two "
            "categories choose family='binomial', for ordered ones family='ordinal'"
        )
        return np.zeros(len(column.codes))
    if column.values.shape[1] != 1:
        problems.append(f"the outcome '{name}' has several columns; give one")
    y = column.values[:, 0]
    low, high = float(y.min()), float(y.max())
    if isfinite(low) and isfinite(high) and _constant(low, high):
        problems.append(f"the outcome '{name}' does not vary in the {len(y)} rows in use")
    return y


def _weights(frame: Mapping[str, pd.Series], weights: str | None, problems: list[str]) -> np.ndarray | None:
    if weights is None:
        return None
    try:
        w = frame[weights].to_numpy(dtype=float)
    except (TypeError, ValueError):
        problems.append(f"the weights '{weights}' hold text; prior weights are positive numbers")
        return None
    if not (np.all(np.isfinite(w)) and np.all(w > 0)):
        problems.append(f"the weights '{weights}' must all be positive and finite")
    return w


def _random_parts(
    formula: Formula, sides: list[Terms], columns: dict[str, Column], series: Mapping[str, pd.Series], *,
    n: int, crossed: bool,
) -> list[RandomPart]:  # fmt: skip
    """Return the random effects of each level, lowest first; bars with the same clusters are one level."""
    found: dict[frozenset[str], list[tuple[Bar, Terms]]] = {}
    for bar, side in zip(formula.bars, sides, strict=True):
        found.setdefault(frozenset(bar.cluster), []).append((bar, side))
    numbered: dict[str, list[tuple[Bar, Terms]]] = {}
    clusters = []
    for bars in found.values():
        columns_of = tuple(unquote(name, formula.quoted) for name in bars[0][0].cluster)
        level = number_clusters(series, columns_of)
        if level.size < 2:
            raise ModelError(
                f"'{level.name}' has {level.size} cluster in the rows in use; a variance between clusters "
                "needs at least 2. Drop this random term."
            )
        clusters.append(level)
        numbered[level.name] = bars
    return [
        _random_part(level, numbered[level.name], columns, n)
        for level in order_levels(clusters, crossed=crossed)
    ]


def _random_part(
    clusters: Clusters, bars: list[tuple[Bar, Terms]], columns: dict[str, Column], n: int
) -> RandomPart:
    matrices: list[np.ndarray] = []
    names: list[str] = []
    blocks: list[tuple[int, ...]] = []
    terms: list[str] = []
    for bar, side in bars:
        Z, own, owner = code_terms(side, columns, n=n)
        if not own:
            raise UsageError(
                f"The random term '({bar.left} | {clusters.name})' has no effects; write (1 | ...)."
            )
        if not bar.correlated and any(isinstance(columns[f], Categories) for f in side.variables):
            raise UsageError(
                f"'||' with the categories in '({bar.left} || {clusters.name})' has no single meaning; "
                "write one numeric indicator for each category."
            )
        at = range(len(names), len(names) + len(own))
        blocks += [tuple(at)] if bar.correlated else [(i,) for i in at]
        matrices.append(Z)
        names += own
        terms += ["(Intercept)" if k == 0 else ":".join(side.factors[k - 1]) for k in owner]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(
            f"The effect {twice[0]} of '{clusters.name}' stands in two random terms, so its variance is not "
            f"identified. Write (0 + x | {clusters.name}) for a slope beside (1 | {clusters.name})."
        )
    Z = matrices[0] if len(matrices) == 1 else np.concatenate(matrices, axis=1)
    return RandomPart(
        clusters=clusters, Z=Z, names=tuple(names), blocks=tuple(blocks),
        terms=tuple(terms),
    )  # fmt: skip


def _refuse_as_many(levels: list[RandomPart], n: int) -> None:
    for level in levels:
        if level.clusters.size * len(level.names) >= n:
            raise ModelError(
                f"'{level.clusters.name}' has {level.clusters.size} clusters with {len(level.names)} random "
                f"effect(s) each, as many as the {n} rows in use, so they cannot be told from the residual. "
                "Drop the term or its slope."
            )
