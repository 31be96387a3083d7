"""Shares of missing values: the rows without a value over all rows, overall or by a grouping column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from implstats.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd


def share_missing(frame: pd.DataFrame, variables: Sequence[str], by: str | None = None) -> pd.DataFrame:
    """Return how much of each variable is missing.

    Parameters
    ----------
    frame : DataFrame
        One row a person (and wave).
    variables : sequence of str
        Columns.
    by : str, optional
        Column such as ``wave``; its missing values form no group.

    Returns
    -------
    DataFrame
        One row a variable (and value of ``by``, in sorted order) with ``variable``, the column ``by``, ``n``
        (rows), ``n_missing`` and ``share_missing`` (between 0 and 1).

    Raises
    ------
    UsageError
        If columns are absent; all of them are named.

    Examples
    --------
    >>> import pandas as pd
    >>> share_missing(pd.DataFrame({"x": [1.0, None]}), ["x"]).to_dict("records")
    [{'variable': 'x', 'n': 2, 'n_missing': 1, 'share_missing': 0.5}]
    """
    import pandas as pd

    check_columns(frame, [*variables, *([by] if by is not None else [])])
    groups = [(None, frame)] if by is None else list(frame.groupby(by, sort=True, observed=True))
    records = []
    for variable in variables:
        for value, part in groups:
            n, n_missing = len(part), int(part[variable].isna().sum())
            record = {"variable": variable, "n": n, "n_missing": n_missing}
            share = n_missing / n if n else float("nan")
            records.append(record | {"share_missing": share} | ({by: value} if by is not None else {}))
    columns = ["variable", *([by] if by is not None else []), "n", "n_missing", "share_missing"]
    return pd.DataFrame(records, columns=columns)


def check_columns(frame: pd.DataFrame, wanted: Sequence[str]) -> None:
    """Raise a UsageError that names every absent column."""
    known = [str(column) for column in frame.columns]
    absent = [f"'{name}'{did_you_mean(name, known)}" for name in wanted if name not in frame.columns]
    if absent:
        raise UsageError(f"The data have no column {', no column '.join(absent)}.")
