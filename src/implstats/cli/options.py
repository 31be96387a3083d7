"""Arguments that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

DEFAULT_STUDY = Path("config/config.yaml")


def study_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the STUDY argument: a study file, ``config/config.yaml`` when left out."""
    return click.argument(
        "study", type=click.Path(path_type=Path, dir_okay=False), default=DEFAULT_STUDY, required=False
    )(function)
