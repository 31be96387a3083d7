"""Ours against the published numbers, at the precision in which they were printed.

A printed number with ``d`` decimals stands for every value that rounds to it, so ours agrees when

    |ours - printed| <= 10**-d / 2

with a hair of slack for the binary representation of the printed decimal.
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


def agrees(ours: float | None, printed: str) -> bool:
    """Tell whether ours rounds to the printed number.

    >>> agrees(0.04337922, "0.0434"), agrees(0.04345, "0.0433"), agrees(None, "1")
    (True, False, False)
    """
    if ours is None or not math.isfinite(ours):
        return False
    half = half_unit(printed)
    return abs(ours - float(printed)) <= half * (1 + REPRESENTATION_SLACK)


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
    same = agrees(ours, item.value)
    if ours is not None and not same:
        difference = abs(ours - float(item.value))
        reason = f"differs by {difference:.3g}; half a printed unit is {half_unit(item.value):.3g}"
    return Comparison(
        analysis=item.analysis, block=item.block, term=item.term, level=item.level, quantity=item.quantity,
        field=item.field, printed=item.value, ours=ours, agrees=same, reason=reason, citation=item.citation,
    )  # fmt: skip


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
