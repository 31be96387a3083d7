"""The text of a two-level model as one parameter table and one set of matrices a level.

A variable of both blocks has a part within and a part between clusters; one that stands in the level-1 block
alone has no between part, one that stands in the level-2 block alone has no within part. Rows, order
and defaults are lavaan's: means belong to level 2, but for variables of level 1 alone.

Predictors of one level keep their sample moments, as in one level. The parts of a predictor at both levels
are not observed, so that its moments are parameters; lavaan fixes them at rough estimates instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from implstats.errors import ModelError, NotSupportedError, UsageError
from implstats.sem.language.constraints import read_constraints
from implstats.sem.language.modifiers import share_labels
from implstats.sem.language.rows import Row
from implstats.sem.language.syntax import ModelText, ModelTextError, parse_model
from implstats.sem.language.table import ParameterTable, build_table, number_rows, read_definitions
from implstats.sem.model.matrices import Structure, build_structure
from implstats.sem.model.moments import Moments, implied_moments
from implstats.sem.options import Options, check_options

Array = NDArray[np.float64]
Index = NDArray[np.intp]
SPELLINGS = {"level: 1": 1, "level: 2": 2, "level: within": 1, "level: between": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """A two-level model.

    Attributes
    ----------
    table : ParameterTable
        Rows of level 1, then of level 2; the q free parameters are numbered over both.
    by_level : tuple of ParameterTable
        Each level's rows, numbered by themselves.
    places : tuple of ndarray
        Each level's free parameters in the common vector, from 0.
    within, between : Structure
        Both levels' matrices, whose entries point to the common vector.
    names : tuple of str
        All P observed variables: of level 1 in its order, then of level 2 alone.
    rows : tuple of ndarray
        Positions among ``names`` of each level's variables.
    x : tuple of tuple of str
        Each level's predictors whose sample moments are kept.
    x_random : tuple of str
        Predictors at both levels, whose moments are parameters.
    n_moments : int
        Means and (co)variances of both levels that the model explains.
    """

    table: ParameterTable
    by_level: tuple[ParameterTable, ParameterTable]
    places: tuple[Index, Index]
    within: Structure
    between: Structure
    names: tuple[str, ...]
    rows: tuple[Index, Index]
    x: tuple[tuple[str, ...], tuple[str, ...]]
    x_random: tuple[str, ...]
    n_moments: int

    @property
    def structures(self) -> tuple[Structure, Structure]:
        """Both levels' matrices."""
        return self.within, self.between

    @property
    def both(self) -> tuple[str, ...]:
        """Variables with a part at each level."""
        return tuple(n for n in self.within.observed if n in self.between.observed)


def read_two_level(model: str) -> tuple[ModelText, ModelText, ModelText]:
    """Return the terms of level 1 and of level 2, and the expressions.

    Raises
    ------
    UsageError
        Blocks other than the two levels, or terms outside them.
    """
    text = parse_model(model)
    level_of = {
        block: SPELLINGS.get(block.lower()) for block in {*text.blocks, *(t.block for t in text.terms)}
    }
    if sorted(level_of.values(), key=str) != [1, 2] or len(text.blocks) != 2:
        raise UsageError(
            "A two-level model has one block 'level: 1' and one 'level: 2', and no line before them."
        )
    blocks = [
        ModelText(tuple(replace(t, block="") for t in text.terms if level_of[t.block] == k), (), ())
        for k in (1, 2)
    ]
    if not all(block.terms for block in blocks):
        raise UsageError("Each level of a two-level model needs at least one line, such as 'y ~~ y'.")
    return blocks[0], blocks[1], ModelText((), text.expressions, ())


def two_level_model(
    model: str, *, kind: str = "sem", std_lv: bool = False, orthogonal: bool = False, ci_level: float = 0.95
) -> Levels:
    """Return the tables and matrices of a two-level text.

    Raises
    ------
    UsageError, NotSupportedError
        What cannot be read or is not fitted.
    ModelError
        Every parameter is fixed.
    """
    *texts, expressions = read_two_level(model)
    options = check_options(
        kind=kind, estimator="ML", missing="listwise", group=None, group_equal=(), cluster=None, ordered=(),
        parameterization="delta", orthogonal=orthogonal, std_lv=std_lv, meanstructure=True, ci_level=ci_level,
    )  # fmt: skip
    first, second = (build_table(text, options) for text in texts)
    shared = set(first.names.observed) & set(second.names.observed)
    _refuse_one_level_latent(first, second)
    _means_and_predictors(first, shared, level=1)
    _means_and_predictors(second, shared, level=2)
    table = _joined((first, second), expressions)
    return _levels(table, (first, second), shared, options)


def _refuse_one_level_latent(first: ParameterTable, second: ParameterTable) -> None:
    mixed = {*first.names.latent} & {*second.names.observed} | {*first.names.observed} & {
        *second.names.latent
    }
    if mixed:
        raise NotSupportedError(
            f"{', '.join(sorted(mixed))} is latent at one level and observed at the other; name the latent "
            "variable otherwise."
        )


def _means_and_predictors(table: ParameterTable, shared: set[str], *, level: int) -> None:
    """Put lavaan's defaults of two levels into a level's rows, which are changed in place."""
    latent = set(table.names.latent)
    for row in table.rows:
        row.level = level
        if row.exo and ({row.lhs, row.rhs or row.lhs} & shared):
            row.exo = False
        if level == 1 and row.op == "~1" and not row.user and (row.lhs in shared or row.lhs in latent):
            row.fixed = 0.0
    number_rows(table.rows)


def _joined(tables: Sequence[ParameterTable], expressions: ModelText) -> ParameterTable:
    rows = [replace(row) for table in tables for row in table.rows]
    problems: list[str] = []
    share_labels(rows, problems)
    definitions = read_definitions(expressions, rows, problems)
    others = (e for e in expressions.expressions if e.op != ":=")
    constraints = read_constraints(others, rows, definitions, problems)
    if problems:
        raise ModelTextError("The model", problems)
    n_free = number_rows(rows)
    if not n_free:
        raise ModelError(
            "Every parameter of the model is fixed, so there is nothing to estimate. Free at least one."
        )
    notes = tuple(dict.fromkeys(note for table in tables for note in table.notes))
    return ParameterTable(
        rows=tuple(rows), definitions=definitions, names=tables[1].names, means=True, n_free=n_free,
        notes=notes, constraints=constraints,
    )  # fmt: skip


def _levels(
    table: ParameterTable,
    by_level: tuple[ParameterTable, ParameterTable],
    shared: set[str],
    options: Options,
) -> Levels:
    structures, places, x = [], [], []
    for k, level in enumerate(by_level, start=1):
        mine = tuple(row for row in table.rows if row.level == k)
        structures.append(build_structure(replace(table, rows=mine, names=level.names)))
        own = replace(level, rows=_numbered(level.rows, mine), n_free=len({r.free for r in mine} - {0}))
        by_level = (own, by_level[1]) if k == 1 else (by_level[0], own)
        place = np.zeros(own.n_free, dtype=np.intp)
        for row, common in zip(own.rows, mine, strict=True):
            if common.free:
                place[row.free - 1] = common.free - 1
        places.append(place)
        x.append(tuple(n for n in level.names.x if n not in shared))
    names = (*structures[0].observed, *(n for n in structures[1].observed if n not in shared))
    at = {name: i for i, name in enumerate(names)}
    rows = [np.array([at[n] for n in s.observed], dtype=np.intp) for s in structures]
    sizes = [len(s.observed) for s in structures]
    kept = sum(m * (m + 1) // 2 + m for m in map(len, x))
    return Levels(
        table=table, by_level=by_level, places=(places[0], places[1]), within=structures[0],
        between=structures[1], names=names, rows=(rows[0], rows[1]), x=(x[0], x[1]),
        x_random=tuple(sorted({*by_level[0].names.x, *by_level[1].names.x} & shared)),
        n_moments=sum(m * (m + 1) // 2 for m in sizes) + len(names) - kept,
    )  # fmt: skip


def _numbered(own: Sequence[Row], common: Sequence[Row]) -> tuple[Row, ...]:
    """A level's rows with the values and labels of the whole table, numbered from 1 within the level."""
    order = {free: k for k, free in enumerate(dict.fromkeys(r.free for r in common if r.free), start=1)}
    pairs = zip(own, common, strict=True)
    return tuple(replace(r, fixed=c.fixed, free=order.get(c.free, 0)) for r, c in pairs)


def level_moments(levels: Levels, theta: Array) -> tuple[Moments, Moments]:
    """Return the implied moments within and between at theta, shape (q,)."""
    return implied_moments(levels.within, theta), implied_moments(levels.between, theta)


def whole_mean(levels: Levels, within: Array, between: Array) -> Array:
    """Return the means of all P variables, the sum of both levels'."""
    mean = np.zeros(len(levels.names))
    mean[levels.rows[0]] += within
    mean[levels.rows[1]] += between
    return mean
