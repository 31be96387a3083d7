"""implstats: from raw staff-survey files to a paper's tables in one reproducible run.

The estimators work on any data frame, without a study file:

>>> from implstats import mixed, sem, scales
"""

from __future__ import annotations

import importlib
from types import ModuleType

__version__ = "0.1.0"

_ROOMS = ("errors", "ingest", "missing", "mixed", "questions", "report", "results", "scales", "sem", "study")


def __getattr__(name: str) -> ModuleType:
    """Import a room when it is first used, so that ``implstats --help`` loads none of them."""
    if name in _ROOMS:
        return importlib.import_module(f"implstats.{name}")
    raise AttributeError(f"module 'implstats' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_ROOMS])
