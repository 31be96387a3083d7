"""Two-level fits keep other things than fits of one level: what does not serve them says so."""

from __future__ import annotations

from implstats.errors import NotSupportedError
from implstats.sem.results import SemResult


def require_one_level(result: object, *, what: str, instead: str) -> None:
    """Raise :class:`NotSupportedError` for a fit of two levels, with what to do ``instead``."""
    if not isinstance(result, SemResult):
        raise NotSupportedError(f"{what}: two-level fits are not served. {instead}")
