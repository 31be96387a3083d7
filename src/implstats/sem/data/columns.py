"""Columns of answers given by name, such as arrays in a dict: a fit from them never loads pandas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from implstats.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]


def stack_columns(data: Mapping[str, ArrayLike], names: Sequence[str]) -> tuple[Array, list[str]]:
    """Return named columns side by side, shape (n, p), and what is wrong with them; nothing stacked then.

    >>> stack_columns({"x": [1, 2], "y": [3.0, 4.0]}, ["y"])[0].tolist()
    [[3.0], [4.0]]
    """
    columns = [np.asarray(data[name]) for name in names]
    problems = [
        f"column '{name}' has {column.ndim} dimensions; give one number a person"
        for name, column in zip(names, columns, strict=True)
        if column.ndim != 1
    ]
    problems += [
        f"column '{name}' holds {column.dtype} values, not numbers; recode it to numbers, missing ones NaN"
        for name, column in zip(names, columns, strict=True)
        if column.dtype.kind not in "iufb"
    ]
    problems += _unequal(dict(zip(names, columns, strict=True)))
    if problems or not columns:
        return np.empty((0, len(names))), problems
    return np.column_stack(columns).astype(float, copy=False), []


def _unequal(columns: Mapping[str, Array]) -> list[str]:
    lengths = {name: len(column) for name, column in columns.items() if column.ndim == 1}
    if len(set(lengths.values())) <= 1:
        return []
    said = ", ".join(f"{name} {length}" for name, length in list(lengths.items())[:8])
    return [f"columns of different lengths ({said}); give every column one value a person"]


def as_frame(data: pd.DataFrame | Mapping[str, ArrayLike]) -> pd.DataFrame:
    """Return a frame as it is, columns by name as a frame: for what needs one.

    Raises
    ------
    DataError
        Columns of different lengths.
    """
    if not isinstance(data, Mapping):
        return data
    import pandas as pd

    problems = _unequal({name: np.asarray(column) for name, column in data.items()})
    if problems:
        raise DataError(f"The data cannot be put side by side: {problems[0]}.")
    return pd.DataFrame(dict(data))
