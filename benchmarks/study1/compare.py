"""Our numbers beside R's: matched by their address in the results data set."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ADDRESS = ("analysis", "block", "term", "level", "quantity")
# Below this size a relative difference says nothing: both numbers are zero to working precision.
TINY = 1e-8


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One number in both programs; ``relative`` is |ours - R| / max(|R|, TINY)."""

    address: str
    field: str
    ours: float
    theirs: float
    absolute: float
    relative: float


def read_results(path: Path) -> dict[tuple[str, ...], Mapping[str, str]]:
    """Return the rows of ``results.csv`` by address."""
    with path.open(encoding="utf-8", newline="") as handle:
        return {_address(row): row for row in csv.DictReader(handle)}


def _address(record: Mapping[str, Any]) -> tuple[str, ...]:
    # lavaan writes 'a*b' where the model says 'a * b'; the order of '~~' has no meaning.
    term = "".join(str(record["term"]).split())
    if "~~" in term:
        term = "~~".join(sorted(term.split("~~")))
    return tuple(term if part == "term" else str(record[part]) for part in ADDRESS)


def compare(
    ours: Mapping[tuple[str, ...], Mapping[str, str]], records: Sequence[Mapping[str, Any]]
) -> tuple[list[Difference], list[str]]:
    """Return the differences, largest relative one first, and R's numbers that ours lacks."""
    found, lacking = [], []
    for record in records:
        if record["value"] is None:
            continue
        address = _address(record)
        name = " / ".join(part for part in (*address, record["field"]) if part)
        text = ours[address][record["field"]] if address in ours else ""
        if text == "":
            lacking.append(name)
            continue
        found.append(_difference(name, record, float(text)))
    return sorted(found, key=lambda d: (-d.relative, d.address)), lacking


def _difference(name: str, record: Mapping[str, Any], ours: float) -> Difference:
    theirs = float(record["value"])
    absolute = math.fabs(ours - theirs)
    return Difference(
        address=name, field=record["field"], ours=ours, theirs=theirs, absolute=absolute,
        relative=absolute / max(math.fabs(theirs), TINY),
    )  # fmt: skip


def share_within(differences: Sequence[Difference], *, relative: float) -> float:
    """Return the share of numbers whose relative difference is at most ``relative``."""
    return sum(d.relative <= relative for d in differences) / len(differences)
