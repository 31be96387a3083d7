"""A check is a sentence about how far a number may be trusted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

Status = Literal["ok", "info", "warn", "fail"]
Verdict = Literal["ok", "caution", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check and its outcome.

    Attributes
    ----------
    name : str
        Short stable name, such as ``"gradient"`` or ``"boundary"``.
    status : {"ok", "info", "warn", "fail"}
        ``warn`` asks the reader for caution; ``fail`` withdraws the numbers.
    message : str
        A full sentence: what was found and what to do about it.
    """

    name: str
    status: Status
    message: str

    def to_dict(self) -> dict[str, str]:
        """Return the check as a plain dictionary, as the command line's JSON shows it."""
        return asdict(self)


def verdict_of(checks: Iterable[Check]) -> Verdict:
    """Return ``failed`` if any check failed, ``caution`` if any warned, else ``ok``.

    >>> verdict_of([Check(name="gradient", status="ok", message="Flat.")])
    'ok'
    """
    found = {check.status for check in checks}
    if "fail" in found:
        return "failed"
    return "caution" if "warn" in found else "ok"
