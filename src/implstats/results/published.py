"""Ours against the published numbers, at the precision in which they were printed.

A printed number with ``d`` decimals stands for every value that rounds to it, so ours agrees when

    |ours - printed| <= 10**-d / 2

with a hair of slack for the binary representation of the printed decimal. Programs sometimes print more
digits than their optimiser found; such a number carries a tolerance of its own, with the reason for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from implstats.errors import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

# The printed decimal itself is not a binary number; 1e-9 of a printed unit is far below any real difference.
REPRESENTATION_SLACK = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedNumber:
    """A number in print: the address of a row, which of its fields, and the digits as printed."""

    analysis: str
    quantity: str
    value: str
    citation: str
    block: str = ""
    term: str = ""
    level: str = ""
    field: str = "estimate"
    tolerance: float | None = None
    tolerance_reason: str = ""

    def allowed(self) -> float:
        """Return the largest difference at which ours agrees."""
        return max(half_unit(self.value), self.tolerance or 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One published number beside ours; ``ours`` is ``None`` with a reason when there is no such row."""

    analysis: str
    block: str
    term: str
    level: str
    quantity: str
    field: str
    printed: str
    ours: float | None
    agrees: bool
    reason: str
    citation: str

    def to_dict(self) -> dict[str, object]:
        """Return the comparison as a plain dictionary."""
        return asdict(self)


def half_unit(printed: str) -> float:
    """Return half a unit of the last printed digit.

    >>> half_unit("0.0433")
    5e-05
    """
    exponent = Decimal(printed).as_tuple().exponent
    return 0.5 * 10.0 ** int(exponent)


def agrees(ours: float | None, printed: str, *, allowed: float | None = None) -> bool:
    """Tell whether ours rounds to the printed number, or lies within the difference allowed.

    >>> agrees(0.04337922, "0.0434"), agrees(0.04345, "0.0433"), agrees(None, "1")
    (True, False, False)
    """
    if ours is None or not math.isfinite(ours):
        return False
    most = half_unit(printed) if allowed is None else allowed
    return abs(ours - float(printed)) <= most * (1 + REPRESENTATION_SLACK)


def compare_published(rows: pd.DataFrame, published: Sequence[PublishedNumber]) -> list[Comparison]:
    """Return one :class:`Comparison` for each published number.

    Parameters
    ----------
    rows : DataFrame
        The results data set's rows, columns :data:`implstats.results.COLUMNS`.
    published : sequence of PublishedNumber
    """
    return [_compare_one(rows, item) for item in published]


def _compare_one(rows: pd.DataFrame, item: PublishedNumber) -> Comparison:
    ours, reason = _find(rows, item)
    same = agrees(ours, item.value, allowed=item.allowed())
    if ours is not None:
        reason = _judged(abs(ours - float(item.value)), item, same)
    return Comparison(
        analysis=item.analysis, block=item.block, term=item.term, level=item.level, quantity=item.quantity,
        field=item.field, printed=item.value, ours=ours, agrees=same, reason=reason, citation=item.citation,
    )  # fmt: skip


def _judged(difference: float, item: PublishedNumber, same: bool) -> str:
    """Say what the comparison rests on; nothing when ours simply rounds to the printed number."""
    if same and difference <= half_unit(item.value) * (1 + REPRESENTATION_SLACK):
        return ""
    basis = f"half a printed unit is {half_unit(item.value):.3g}"
    if item.tolerance is not None:
        basis = f"allowed is {item.allowed():.3g}: {item.tolerance_reason}"
    return f"differs by {difference:.3g}; {basis}"


def _find(rows: pd.DataFrame, item: PublishedNumber) -> tuple[float | None, str]:
    found = rows
    for column in ("analysis", "block", "term", "level", "quantity"):
        wanted = getattr(item, column)
        left = found[found[column] == wanted]
        if left.empty:
            hint = did_you_mean(wanted, found[column].unique())
            return None, f"the results have no row with {column} '{wanted}'{hint}"
        found = left
    if len(found) > 1:
        return None, f"{len(found)} rows have this address; the address must name one"
    row = found.iloc[0]
    value = row[item.field]
    if value is None or value != value:
        return None, f"our {item.field} is missing: {row['reason'] or 'no reason given'}"
    return float(value), ""
