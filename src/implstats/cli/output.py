"""Print results for programs: JSON in which a missing number is ``null``, never NaN."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import click


def plain(value: Any) -> Any:
    """Return a value made of JSON's own types; NaN and infinities become ``None``.

    >>> plain({"a": (1, float("nan"))})
    {'a': [1, None]}
    """
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if hasattr(value, "item") and not isinstance(value, str):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def print_json(value: Mapping[str, Any]) -> None:
    """Write one JSON object to stdout, full precision."""
    click.echo(json.dumps(plain(value), ensure_ascii=False, indent=2))
