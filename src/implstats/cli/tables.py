"""Tables of follow-ups as aligned text for a terminal; rounding happens here and only for the eye.

A column keeps one number of decimals, p-values are written as papers write them, columns without any content
are left out, and a record of many fields stands upright. Programs take ``--json``, which has every digit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

MISSING = "-"
UPRIGHT = 9
"""From this many columns on, a single row is written field by field."""
DECIMALS = 3
BEYOND_COUNTING = 10**9
P_COLUMNS = ("p", "pvalue", "p_value", "p_chisq", "p_mixture", "p_adjusted")


def frame_text(frame: pd.DataFrame) -> str:
    """Return a table for the eye.

    Examples
    --------
    >>> import pandas as pd
    >>> print(frame_text(pd.DataFrame({"term": ["LEAD"], "df": [12.0], "p_value": [1e-9], "reason": [None]})))
      term  df  p_value
      LEAD  12   < .001
    """
    columns = _with_terms(frame)
    columns = {name: cells for name, cells in columns.items() if not all(_empty(c) for c in cells)}
    if not columns:
        return "  (nothing)"
    text = {name: column_text(name, cells) for name, cells in columns.items()}
    if len(frame) == 1 and len(text) >= UPRIGHT:
        width = max(len(name) for name in text)
        return "\n".join(f"  {name:<{width}}  {cells[0]}" for name, cells in text.items())
    aligned = [
        _aligned(name, cells, left=any(isinstance(v, str | tuple | list) for v in columns[name]))
        for name, cells in text.items()
    ]
    return "\n".join("  " + "  ".join(row).rstrip() for row in zip(*aligned, strict=True))


def column_text(name: str, cells: Sequence[Any]) -> list[str]:
    """Return the cells of one column as text, numbers with the same decimals.

    >>> column_text("estimate", [0.5, None, 12.34567]), column_text("p_value", [0.04321, 1e-12])
    (['0.500', '-', '12.346'], ['0.043', '< .001'])
    """
    if name in P_COLUMNS:
        return [_cell(c, DECIMALS, p_value=True) for c in cells]
    return [_cell(c, _decimals(cells), p_value=False) for c in cells]


def _with_terms(frame: pd.DataFrame) -> dict[str, list[Any]]:
    """Return columns by name, with a parameter's three parts as one term and a lone group left out."""
    columns = {str(name): frame[name].tolist() for name in frame.columns}
    if {"lhs", "op", "rhs"} <= columns.keys():
        parts = zip(columns.pop("lhs"), columns.pop("op"), columns.pop("rhs"), strict=True)
        columns = {"term": [_term(*part) for part in parts], **columns}
    if len(set(columns.get("group", ()))) == 1 and all(_empty(c) for c in columns.get("group_label", ())):
        del columns["group"]
    return columns


def _term(lhs: str, op: str, rhs: str) -> str:
    return f"{lhs} ~ 1" if op == "~1" else f"{lhs} {op} {rhs}"


def _empty(cell: object) -> bool:
    return cell is None or cell == "" or (isinstance(cell, float) and math.isnan(cell))


def _decimals(cells: Sequence[Any]) -> int:
    """Return decimals that show three digits of the largest number, and at least three decimals."""
    sizes = [abs(c) for c in cells if isinstance(c, float) and math.isfinite(c)]
    if all(size == int(size) for size in sizes):
        return 0
    largest = max(sizes)
    return max(DECIMALS, min(2 - math.floor(math.log10(largest)), 12))


def _cell(cell: object, decimals: int, *, p_value: bool) -> str:
    if _empty(cell):
        return MISSING
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return "< .001" if p_value and cell < 0.001 else f"{cell:.{decimals}f}"
    if isinstance(cell, tuple | list):
        return ", ".join(str(part) for part in cell)
    if isinstance(cell, int) and abs(cell) >= BEYOND_COUNTING:
        return f"{cell:.2e}"
    return str(cell)


def _aligned(name: str, cells: Sequence[str], *, left: bool) -> list[str]:
    width = max(len(name), *(len(c) for c in cells))
    return [f"{c:<{width}}" if left else f"{c:>{width}}" for c in (name, *cells)]
