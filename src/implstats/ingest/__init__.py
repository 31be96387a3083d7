"""Raw files to one long table for each table of the study; labels and user-missing codes are kept."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from implstats.ingest.readers import read_frame, read_source
    from implstats.ingest.records import FlowStep, IngestedTable, Issue, RawFile, VariableRecord
    from implstats.ingest.tables import ingest_study, needed_columns

_HOMES = {
    "FlowStep": "implstats.ingest.records",
    "IngestedTable": "implstats.ingest.records",
    "Issue": "implstats.ingest.records",
    "RawFile": "implstats.ingest.records",
    "VariableRecord": "implstats.ingest.records",
    "ingest_study": "implstats.ingest.tables",
    "needed_columns": "implstats.ingest.tables",
    "read_frame": "implstats.ingest.readers",
    "read_source": "implstats.ingest.readers",
}

__all__ = [
    "FlowStep",
    "IngestedTable",
    "Issue",
    "RawFile",
    "VariableRecord",
    "ingest_study",
    "needed_columns",
    "read_frame",
    "read_source",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
