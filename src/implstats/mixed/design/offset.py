"""Offsets: a part of the linear predictor whose coefficient is known to be one.

    y = offset + X b + Z u + e      is the model of y - offset without an offset

so a Gaussian fit is that of y - offset, and a prediction adds the offset of its own row. ``offset(x)`` stands
in the formula, or a column is named beside it; several are added. An offset holds names and arithmetic; what
depends on the other rows, such as center(x), would mean something else in new data and is refused.
"""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from implstats.errors import NotSupportedError, ProblemsError, UsageError, did_you_mean
from implstats.mixed.design.expressions import UNARY, Categories, evaluate, names_in, parse, unquote
from implstats.mixed.design.formula import Formula

if TYPE_CHECKING:
    import pandas as pd

ALLOWED = (*UNARY, "I")


def with_offset(formula: Formula, column: str | None) -> Formula:
    """Return the formula with one more offset, the column of that name.

    >>> from implstats.mixed.design.formula import read_formula
    >>> with_offset(read_formula("y ~ x + offset(a) + (1 | g)"), "odd name").offsets
    ('a', '_quoted_0_')
    """
    if column is None:
        return formula
    if not isinstance(column, str):
        raise UsageError(f"offset is the name of a column; got {type(column).__name__}.")
    stand_in = f"_quoted_{len(formula.quoted)}_"
    return replace(formula, offsets=(*formula.offsets, stand_in), quoted=(*formula.quoted, column))


def offset_names(formula: Formula) -> list[str]:
    """Return the columns that the offsets use; refuse functions of other rows.

    Raises
    ------
    NotSupportedError
    """
    names = []
    for text in formula.offsets:
        tree = parse(text, formula.quoted)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id not in ALLOWED:
                raise NotSupportedError(
                    f"'{node.func.id}' depends on the other rows, so it cannot stand in an offset; compute "
                    "the offset as a column of the data first."
                )
        names += names_in(tree, formula.quoted)
    return list(dict.fromkeys(names))


def offset_values(formula: Formula, frame: pd.DataFrame) -> np.ndarray | None:
    """Return the sum of the offsets, (n,), NaN where a variable is missing; None without an offset.

    Raises
    ------
    ProblemsError
        A column is not in the frame, or is no finite number; every problem is listed.
    """
    if not formula.offsets:
        return None
    known = [str(c) for c in frame.columns]
    problems = [
        f"'{name}' of the offset is not a column of the data{did_you_mean(name, known)}"
        for name in offset_names(formula)
        if name not in known
    ]
    total = np.zeros(len(frame))
    for text in () if problems else formula.offsets:
        column, label = evaluate(text, frame, formula.quoted), unquote(text, formula.quoted)
        if isinstance(column, Categories):
            problems.append(f"the offset '{label}' holds text or categories; it is a number")
        elif np.isinf(column.values).any():
            infinite = int(np.sum(np.isinf(column.values)))
            problems.append(f"the offset '{label}' is infinite in {infinite} row(s); correct or blank them")
        else:
            total = total + column.values[:, 0]
    if problems:
        raise ProblemsError(f"The model '{formula.text}'", problems)
    return total
