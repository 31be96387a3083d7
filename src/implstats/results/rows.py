"""The results data set: one row is one number, with everything that is needed to read it.

Each estimator and each question writes rows; nothing else is ever printed. Tables, figures, sentences,
disclosure control and the check against published numbers all read these rows. Nothing is rounded here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from implstats.results.checks import Verdict

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One number of a study.

    Attributes
    ----------
    study, analysis, block, term, level : str
        The number's address: study; question or stage (``"jsat-growth"``, ``"scales"``); part of the
        analysis (``"fixed"``, ``"random"``, ``"fit"``, ``"reliability"``); coefficient, item or variable;
        cluster level, group or wave. ``""`` where it does not apply.
    quantity : str
        What the number is: ``"coefficient"``, ``"variance"``, ``"alpha"``, ``"chisq"``, ...
    estimate, std_error, statistic, df, p_value, conf_low, conf_high : float or None
        ``None`` where the number does not exist or may not be trusted; then ``reason`` says why.
    df_method : str
        How ``df`` was found, such as ``"kenward-roger"``.
    conf_level : float or None
        Confidence level of the interval, between 0 and 1.
    n_obs, n_clusters : int or None
        Rows (or persons, see ``unit``) and clusters of the highest level behind the number.
    unit : str
        Unit of the estimate, such as ``"scale points"``, ``"share"`` or ``"persons"``.
    method : str
        Estimator, such as ``"REML"``.
    verdict : {"ok", "caution", "failed"}
        A failed fit has no estimate but a reason.
    reason : str
        Why a number is missing or needs caution.
    suppressed : bool
        True when the number was withheld to protect a small group; ``estimate`` is then ``None``.
    """

    study: str
    analysis: str
    block: str
    quantity: str
    term: str = ""
    level: str = ""
    estimate: float | None = None
    std_error: float | None = None
    statistic: float | None = None
    df: float | None = None
    df_method: str = ""
    p_value: float | None = None
    conf_low: float | None = None
    conf_high: float | None = None
    conf_level: float | None = None
    n_obs: int | None = None
    n_clusters: int | None = None
    unit: str = ""
    method: str = ""
    verdict: Verdict = "ok"
    reason: str = ""
    suppressed: bool = False


COLUMNS: tuple[str, ...] = (
    "study", "analysis", "block", "term", "level", "quantity", "estimate", "std_error", "statistic", "df",
    "df_method", "p_value", "conf_low", "conf_high", "conf_level", "n_obs", "n_clusters", "unit", "method",
    "verdict", "reason", "suppressed",
)  # fmt: skip
NUMBERS = ("estimate", "std_error", "statistic", "df", "p_value", "conf_low", "conf_high", "conf_level")
COUNTS = ("n_obs", "n_clusters")


def rows_to_frame(rows: Iterable[Row]) -> pd.DataFrame:
    """Return rows as a frame with exactly :data:`COLUMNS`; missing numbers are NaN, counts nullable integers.

    >>> rows_to_frame([Row(study="s", analysis="a", block="fit", quantity="aic", estimate=1.5)]).shape
    (1, 22)
    """
    import pandas as pd

    if {f.name for f in fields(Row)} != set(COLUMNS):
        raise AssertionError("Row and COLUMNS disagree")
    records = [[getattr(row, name) for name in COLUMNS] for row in rows]
    frame = pd.DataFrame(records, columns=list(COLUMNS))
    for name in NUMBERS:
        frame[name] = pd.to_numeric(frame[name]).astype("float64")
    for name in COUNTS:
        frame[name] = frame[name].astype("Int64")
    for name in set(COLUMNS) - set(NUMBERS) - set(COUNTS) - {"suppressed"}:
        frame[name] = frame[name].astype("str")
    frame["suppressed"] = frame["suppressed"].astype(bool)
    return frame


def finite_or_none(value: float | None) -> float | None:
    """Return a float, or ``None`` for a missing, infinite or undefined value.

    >>> finite_or_none(float("nan")) is None
    True
    """
    if value is None:
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def frame_to_rows(frame: pd.DataFrame) -> list[Row]:
    """Return the rows of a frame made by :func:`rows_to_frame`; NaN becomes ``None`` again.

    >>> row = Row(study="s", analysis="a", block="fit", quantity="aic", estimate=1.5)
    >>> frame_to_rows(rows_to_frame([row])) == [row]
    True
    """
    import pandas as pd

    plain = frame[list(COLUMNS)].astype(object).where(frame[list(COLUMNS)].notna(), None)
    records = plain.to_dict("records")
    for record in records:
        for name in COUNTS:
            record[name] = None if pd.isna(record[name]) else int(record[name])
    return [Row(**{str(k): v for k, v in record.items()}) for record in records]
