"""The study file: typed, closed, every problem shown at once.

pydantic and yaml load only when a name of this package is used, so that the command line starts at once.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from implstats.study.load import load_study, problems_of
    from implstats.study.models import Study
    from implstats.study.paths import instruments_folder, project_root
    from implstats.study.references import check_references

_HOMES = {
    "Study": "implstats.study.models",
    "check_references": "implstats.study.references",
    "instruments_folder": "implstats.study.paths",
    "load_study": "implstats.study.load",
    "problems_of": "implstats.study.load",
    "project_root": "implstats.study.paths",
}

__all__ = [
    "Study",
    "check_references",
    "instruments_folder",
    "load_study",
    "problems_of",
    "project_root",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
