"""Category variables: labelled codes become names, the reference category comes first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from implstats.errors import did_you_mean
from implstats.ingest.codes import code_text
from implstats.ingest.records import Issue

if TYPE_CHECKING:
    import pandas as pd

# A message names a category only if it is labelled in the file or this many rows have it: rarer words may be
# one person's answer.
FEWEST_TOLD = 5


def to_category(
    values: pd.Series, *, labels: Mapping[Any, str], reference: int | float | str | None, place: str
) -> tuple[pd.Series, list[Issue]]:
    """Return a categorical column whose first category is the reference.

    Parameters
    ----------
    values : Series
        Codes or texts.
    labels : mapping of code to str
        Names of codes; a code without one is named by itself, and of two codes with one name both carry
        their code.
    reference : code, label or None
        The first category; the lowest code where ``None``.
    place : str
        What issues name.
    """
    import pandas as pd

    codes = sorted(values.dropna().unique(), key=_order)
    named = {code_text(code): text.strip() for code, text in labels.items() if text.strip()}
    names = [named.get(code_text(code), code_text(code)) for code in codes]
    repeated = {name for name, n in Counter(names).items() if n > 1}
    names = [
        f"{name} ({code_text(code)})" if name in repeated else name
        for code, name in zip(codes, names, strict=True)
    ]
    mapped = values.map(dict(zip(codes, names, strict=True)))
    counts = mapped.value_counts()
    told = [name for name in names if name in named.values() or counts[name] >= FEWEST_TOLD]
    order, issues = _reference_first(codes, names, reference=reference, told=told, place=place)
    return pd.Series(pd.Categorical(mapped, categories=order), index=values.index, name=values.name), issues


def _order(code: Any) -> tuple[bool, float, str]:
    """Numbers by size, then everything else by letters; dates written year first sort in time."""
    number = isinstance(code, int | float) or hasattr(code, "__float__")
    return not number, float(code) if number else 0.0, str(code)


def _reference_first(
    codes: list[Any],
    names: list[str],
    *,
    reference: int | float | str | None,
    told: list[str],
    place: str,
) -> tuple[list[str], list[Issue]]:
    if reference is None:
        return names, []
    wanted = code_text(reference)
    by_code = {code_text(code): name for code, name in zip(codes, names, strict=True)}
    first = wanted if wanted in names else by_code.get(wanted)
    if first is None:
        hint = did_you_mean(wanted, told) or (f"; there is {', '.join(told[:10])}" if told else "")
        message = f"the reference '{wanted}' is no category of this variable{hint}"
        return names, [Issue(status="stop", place=place, message=message)]
    return [first, *(name for name in names if name != first)], []
