"""The results data set: rows, checks and provenance; where every number lives."""

from implstats.results.checks import Check, Status, Verdict, verdict_of
from implstats.results.rows import COLUMNS, Row, finite_or_none, frame_to_rows, rows_to_frame

__all__ = [
    "COLUMNS",
    "Check",
    "Row",
    "Status",
    "Verdict",
    "finite_or_none",
    "frame_to_rows",
    "rows_to_frame",
    "verdict_of",
]
