"""What ``implstats sem`` reads: a model's text, a printed matrix, a printed list of means."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from implstats.errors import DataError, UsageError

if TYPE_CHECKING:
    import pandas as pd

# A printed diagonal of a correlation matrix is one; anything else is a covariance.
UNIT = 1e-8
LEVELS = re.compile(r"^\s*level\s*:", re.IGNORECASE | re.MULTILINE)


def read_model(model: str) -> str:
    """Return the model's text: the file's content where the argument names a file, else the argument itself.

    >>> read_model("f =~ x1 + x2")
    'f =~ x1 + x2'
    """
    if any(mark in model for mark in ("~", "\n", ":=", "=")):
        return model
    path = Path(model)
    if not path.is_file():
        raise UsageError(
            f"'{model}' is neither a file nor a model. Give a model's path, or its text such as 'f =~ x1 "
            "+ x2 + x3'."
        )
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(
            f"'{model}' is not a text in UTF-8. Save the model as plain text in UTF-8."
        ) from None


def has_levels(text: str) -> bool:
    """Whether a model's text has ``level:`` blocks.

    >>> has_levels("level: 1\\nf =~ x"), has_levels("f =~ level")
    (True, False)
    """
    return LEVELS.search(text) is not None


def read_matrix(path: Path, *, sd: Path | None = None) -> pd.DataFrame:
    """Return a square table with names on both sides; without a column of names rows follow the header.

    Where ``sd`` names a file with standard deviations, rows and columns are multiplied by them.
    """
    from implstats.ingest import read_frame

    frame = read_frame(path)
    first = frame.columns[0]
    if frame[first].dtype.kind not in "iuf" and len(frame.columns) == len(frame) + 1:
        frame = frame.set_index(first)
    elif len(frame) == len(frame.columns):
        frame = frame.set_axis(list(frame.columns), axis=0)
    else:
        raise DataError(
            f"{path}: a matrix should be square, with the variables' names in the first line (and, if "
            f"wanted, in the first column); this one has {len(frame)} rows and {len(frame.columns)} columns."
        )
    words = [str(name) for name in frame.columns if frame[name].dtype.kind not in "iuf"]
    if words:
        raise DataError(f"{path}: {', '.join(words)} hold(s) something that is not a number. Correct it.")
    return frame if sd is None else _scaled(frame, read_values(sd), sd)


def _scaled(frame: pd.DataFrame, sds: dict[str, float], path: Path) -> pd.DataFrame:
    """Covariances of a correlation matrix."""
    absent = [str(name) for name in frame.columns if str(name) not in sds]
    if absent:
        raise DataError(f"{path}: no standard deviation for {', '.join(absent)}. Add it.")
    if any(not sds[str(name)] > 0 for name in frame.columns):
        raise DataError(f"{path}: every standard deviation should be above zero. Correct it.")
    if abs(frame.to_numpy(dtype=float).diagonal() - 1.0).max() > UNIT:
        raise UsageError("--sd turns correlations into covariances, but the diagonal of --cov is not one.")
    rows = frame.index.map(lambda name: sds[str(name)]).to_numpy(dtype=float)
    columns = frame.columns.map(lambda name: sds[str(name)]).to_numpy(dtype=float)
    return frame * rows[:, None] * columns


def read_values(path: Path) -> dict[str, float]:
    """Return a number by name: one row below the names, or one name and number a line."""
    from implstats.ingest import read_frame

    frame = read_frame(path)
    if len(frame) == 1 and all(dtype.kind in "iuf" for dtype in frame.dtypes):
        found: dict[Any, Any] = frame.iloc[0].to_dict()
    elif len(frame.columns) == 2 and frame.dtypes.iloc[1].kind in "iuf":
        found = dict(zip(frame.iloc[:, 0], frame.iloc[:, 1], strict=True))
    else:
        raise DataError(
            f"{path}: expected the names in the first line and one row of numbers, or two columns with a "
            "heading, the name and the number."
        )
    return {str(name): float(value) for name, value in found.items()}
