"""The text of a two-level model as one table and one set of matrices a level, with common parameters."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from implstats.errors import NotSupportedError, UsageError
from implstats.sem.data.sample import named_list
from implstats.sem.language.syntax import ModelText, parse_model
from implstats.sem.language.table import ParameterTable, build_table
from implstats.sem.model.matrices import Structure, build_structure
from implstats.sem.model.moments import Moments, implied_moments
from implstats.sem.options import check_options

Array = NDArray[np.float64]
LEVELS = ("level: 1", "level: 2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """Both levels' matrices; ``places``: each level's free parameters in the common vector of length q."""

    within: Structure
    between: Structure
    places: tuple[NDArray[np.intp], NDArray[np.intp]]
    q: int

    @property
    def spread(self) -> Array:
        """Entry by parameter, shape (k_w + k_b, q)."""
        ids = np.concatenate([self.places[0][self.within.ids], self.places[1][self.between.ids]])
        out = np.zeros((len(ids), self.q))
        out[np.arange(len(ids)), ids] = 1.0
        return out


def two_level_tables(
    model: str, *, kind: str, std_lv: bool, ci_level: float
) -> tuple[ParameterTable, ParameterTable]:
    """Return the table within and the table between, each numbered by itself.

    Raises
    ------
    UsageError, NotSupportedError
        Blocks other than the two levels, definitions, variables of one level only, observed predictors.
    """
    text = parse_model(model)
    if sorted(text.blocks) != list(LEVELS) or any(t.block not in LEVELS for t in text.terms):
        raise UsageError(
            "A two-level model has one block 'level: 1' and one 'level: 2', and no line before them."
        )
    if text.expressions:
        raise NotSupportedError(
            "Definitions and constraints are not done in two-level models; use shared labels."
        )
    tables = []
    for block, means in zip(LEVELS, (False, True), strict=True):
        options = check_options(
            kind=kind, estimator="ML", missing="listwise", group=None, group_equal=(), cluster=None,
            ordered=(), parameterization="delta", orthogonal=False, std_lv=std_lv, meanstructure=means,
            ci_level=ci_level,
        )  # fmt: skip
        terms = tuple(replace(t, block="") for t in text.terms if t.block == block)
        tables.append(build_table(ModelText(terms, (), ()), options))
    first, second = (set(t.names.observed) for t in tables)
    if first != second:
        raise NotSupportedError(
            "Variables of one level only are not done by this version: "
            f"{named_list(sorted(first ^ second))}. "
            "Name each observed variable at both levels (a saturated part will do), or use a mixed model."
        )
    x = sorted({*tables[0].names.x, *tables[1].names.x})
    if x:
        raise NotSupportedError(
            f"Observed predictors are not done in two-level models: {named_list(x)}. "
            "Use a mixed model of scores."
        )
    return tables[0], tables[1]


def number_parameters(tables: tuple[ParameterTable, ParameterTable]) -> Levels:
    """Number the free parameters of both levels; one label is one parameter."""
    labels: dict[str, int] = {}
    places, q = [], 0
    for table in tables:
        mine = np.zeros(table.n_free, dtype=np.intp)
        done: set[int] = set()
        for row in table.rows:
            if not row.free or row.free in done:
                continue
            done.add(row.free)
            if row.label and row.label in labels:
                mine[row.free - 1] = labels[row.label]
                continue
            mine[row.free - 1] = q
            if row.label:
                labels[row.label] = q
            q += 1
        places.append(mine)
    within, between = _same_order(tables)
    return Levels(within=within, between=between, places=(places[0], places[1]), q=q)


def _same_order(tables: tuple[ParameterTable, ParameterTable]) -> tuple[Structure, Structure]:
    first, second = tables[0].names.observed, tables[1].names.observed
    if first != second:
        raise NotSupportedError("Name the observed variables in the same order at both levels.")
    return build_structure(tables[0]), build_structure(tables[1])


def level_moments(levels: Levels, theta: Array) -> tuple[Moments, Moments]:
    """Return the implied moments within and between at theta, shape (q,)."""
    return (
        implied_moments(levels.within, theta[levels.places[0]]),
        implied_moments(levels.between, theta[levels.places[1]]),
    )
