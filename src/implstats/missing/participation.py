"""Participation over waves: who is seen again, who drops out, who skips a wave and comes back.

With waves w = 1..W in order and a person *seen* at w when there is a row for it (with at least one answer to
the variables asked for):

    dropout at w        last seen at an earlier wave: a person lost for good (monotone)
    intermittent at w   not seen at w, but seen before and after
    joined at w         seen at w for the first time, w > 1

At every wave the persons ever seen are seen, dropped out, intermittent, or not yet joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from implstats.errors import DataError
from implstats.missing.shares import check_columns

if TYPE_CHECKING:
    import pandas as pd


def participation(
    frame: pd.DataFrame,
    *,
    variables: Sequence[str] | None = None,
    waves: Sequence[Any] | None = None,
    person: str = "person",
    wave: str = "wave",
) -> pd.DataFrame:
    """Return persons by wave.

    Parameters
    ----------
    frame : DataFrame
        Long table, one row a person and wave.
    variables : sequence of str, optional
        A person is seen at a wave with an answer to at least one of these; with a row, when left out.
    waves : sequence, optional
        The waves in order; the sorted values of the column when left out.
    person, wave : str
        Columns.

    Returns
    -------
    DataFrame
        One row a wave: ``wave``, ``n_persons``; ``n_of_first`` and ``share_of_first`` (persons of the first
        wave seen at this one); ``n_joined``, ``n_dropout`` and ``n_intermittent``.

    Raises
    ------
    UsageError
        If columns are absent.
    DataError
        If the column holds a wave that is not in ``waves``, or there is no wave at all.

    Examples
    --------
    >>> import pandas as pd
    >>> long = pd.DataFrame({"person": [1, 2, 1], "wave": [1, 1, 2]})
    >>> participation(long)["share_of_first"].tolist()
    [1.0, 0.5]
    """
    import pandas as pd

    seen, ordered, _ = seen_matrix(frame, variables=variables, waves=waves, person=person, wave=wave)
    first_wave = seen[:, 0]
    n_first = int(first_wave.sum())
    before = np.cumsum(seen, axis=1) > 0
    later = np.cumsum(seen[:, ::-1], axis=1)[:, ::-1] > 0
    n_of_first = (seen & first_wave[:, np.newaxis]).sum(axis=0)
    joined = seen & (np.cumsum(seen, axis=1) == 1)
    joined[:, 0] = False
    return pd.DataFrame({
        "wave": ordered,
        "n_persons": seen.sum(axis=0),
        "n_of_first": n_of_first,
        "share_of_first": n_of_first / n_first if n_first else np.full(len(ordered), np.nan),
        "n_joined": joined.sum(axis=0),
        "n_dropout": (before & ~later).sum(axis=0),
        "n_intermittent": (before & later & ~seen).sum(axis=0),
    })  # fmt: skip


def seen_matrix(
    frame: pd.DataFrame,
    *,
    variables: Sequence[str] | None,
    waves: Sequence[Any] | None,
    person: str,
    wave: str,
) -> tuple[np.ndarray, list[Any], pd.Index]:
    """Return who was seen when: (N, W) booleans, the W waves in order, the N persons."""
    import pandas as pd

    check_columns(frame, [person, wave, *(variables or [])])
    kept = frame[person].notna() & frame[wave].notna()
    ordered = list(waves) if waves is not None else sorted(frame.loc[kept, wave].unique())
    if not ordered:
        raise DataError(f"No row has both a {person} and a {wave}, so participation cannot be counted.")
    place = pd.Index(ordered).get_indexer(pd.Index(frame.loc[kept, wave]))
    if (place < 0).any():
        unknown = sorted({str(value) for value in frame.loc[kept, wave][place < 0]})
        raise DataError(
            f"The column '{wave}' holds waves that are not among those given: {', '.join(unknown)}."
        )
    answered = frame.loc[kept, list(variables)].notna().any(axis=1).to_numpy() if variables else True
    codes, persons = pd.factorize(frame.loc[kept, person])
    seen = np.zeros((len(persons), len(ordered)), dtype=bool)
    rows = np.broadcast_to(answered, len(codes))
    seen[codes[rows], place[rows]] = True
    return seen, ordered, persons
