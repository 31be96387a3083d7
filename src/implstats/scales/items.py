"""Item answers as a numeric matrix, with every problem of the columns named at once.

Messages name columns and counts, never a person's answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from implstats.errors import did_you_mean

if TYPE_CHECKING:
    import pandas as pd


def expand_items(items: Sequence[str], columns: Sequence[str]) -> list[str]:
    """Return item names with every range ``first:last`` replaced by the columns from first to last.

    A range follows the order of the file. What is not a column is returned as it is, for
    :func:`value_matrix` to name.

    >>> expand_items(["q1:q3", "q9"], ["id", "q1", "q2", "q3", "q9"])
    ['q1', 'q2', 'q3', 'q9']
    """
    place = {column: j for j, column in enumerate(columns)}
    expanded: list[str] = []
    for item in items:
        first, colon, last = item.partition(":")
        if item in place or not colon or first not in place or last not in place:
            expanded.append(item)
        else:
            expanded.extend(columns[place[first] : place[last] + 1] or [item])
    return expanded


def name_problems(frame: pd.DataFrame, items: Sequence[str]) -> list[str]:
    """Return one sentence for each item that does not name exactly one column, or is listed twice."""
    columns = [str(column) for column in frame.columns]
    ambiguous = set(frame.columns[frame.columns.duplicated()])
    problems = []
    for item, times in Counter(items).items():
        if item not in frame.columns:
            problems.append(_unknown_item(item, columns))
        if item in ambiguous:
            problems.append(f"the data have several columns called '{item}'; rename all but one")
        if times > 1:
            problems.append(f"item '{item}' is listed {times} times")
    return problems


def _unknown_item(item: str, columns: Sequence[str]) -> str:
    """Return the sentence for an item that is no column: a range that runs backwards, or an unknown name."""
    first, _, last = item.partition(":")
    if first in columns and last in columns:
        return f"the range is empty: '{first}' stands after '{last}' in the file; write '{last}:{first}'"
    return f"there is no column '{item}'{did_you_mean(item, columns)}"


def value_matrix(
    frame: pd.DataFrame,
    items: Sequence[str],
    *,
    minimum: float | None = None,
    maximum: float | None = None,
) -> tuple[np.ndarray, list[str]]:
    """Return the answers and the problems of the item columns.

    Parameters
    ----------
    frame : DataFrame
    items : sequence of str
        J column names.
    minimum, maximum : float, optional
        Lowest and highest possible answer; not checked when left out.

    Returns
    -------
    answers : ndarray, shape (n, J)
        Floats, NaN for a missing answer; meaningless when there are problems.
    problems : list of str
        One sentence a column that cannot be used.
    """
    problems = name_problems(frame, items)
    answers = np.full((len(frame), len(items)), np.nan)
    if problems:
        return answers, problems
    for j, item in enumerate(items):
        column = _numbers(frame[item])
        if column is None:
            problems.append(
                f"column '{item}' holds text; an item needs numbers (code its answers as numbers)"
            )
        else:
            answers[:, j] = column
            problems.extend(_out_of_range(item, column, minimum, maximum))
    return answers, problems


def _numbers(column: pd.Series) -> np.ndarray | None:
    """Return a column as floats with NaN for missing, or None if it holds anything but numbers."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_complex_dtype(column):
        return column.to_numpy(dtype="float64", na_value=np.nan)
    if not all(isinstance(value, int | float | np.number) for value in column.dropna()):
        return None
    return pd.to_numeric(column.astype(object), errors="coerce").to_numpy(dtype="float64", na_value=np.nan)


def _out_of_range(item: str, column: np.ndarray, minimum: float | None, maximum: float | None) -> list[str]:
    infinite = int(np.isinf(column).sum())
    if infinite:
        return [f"column '{item}' has {infinite} infinite value(s); set them to missing"]
    low = -np.inf if minimum is None else minimum
    high = np.inf if maximum is None else maximum
    count = int(((column < low) | (column > high)).sum())
    if not count:
        return []
    return [
        f"column '{item}' has {count} answer(s) outside {low:g} to {high:g}; "
        "correct the range, or declare the codes that mean 'no answer' as missing"
    ]
