"""User-missing codes: 8 for "don't know", 99 for "not asked", ranges such as 97 to the highest.

A code x of a variable is "no answer" if it equals a declared code or lies in a declared range [low, high],
ends included. It becomes a missing value in the frame, so that a 99 never enters a mean; which codes stood
there, and how often, is kept in the codebook.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from implstats.ingest.records import Scalar

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def code_text(value: Any) -> str:
    """Return a code as people write it: whole numbers without a decimal point.

    >>> code_text(9.0), code_text(1.5), code_text("Z")
    ('9', '1.5', 'Z')
    """
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def is_user_missing(
    values: pd.Series, *, codes: Sequence[Scalar], ranges: Sequence[tuple[float, float]]
) -> np.ndarray:
    """Return a boolean mask, one entry a value, of the values that are declared to mean "no answer".

    A code matches by number and, in text columns, by its text, so that 99 also finds "99".
    """
    import numpy as np
    import pandas as pd

    if values.dtype.kind in "iuf" and isinstance(values.dtype, np.dtype):
        numbers = values.to_numpy()
        wanted = [number for number in map(_number, codes) if number is not None]
        found = np.zeros(len(numbers), dtype=bool)
        for low, high in [*zip(wanted, wanted, strict=True), *ranges]:
            found |= (numbers >= low) & (numbers <= high)
        return found
    texts = {code_text(code) for code in codes}
    matched = values.map(lambda value: code_text(value) in texts, na_action="ignore")
    found = matched.eq(True).fillna(False).to_numpy(bool)
    if ranges:
        numeric = pd.to_numeric(values, errors="coerce").to_numpy(float)
        for low, high in ranges:
            found |= (numeric >= low) & (numeric <= high)
    return found


def _number(code: Scalar) -> float | None:
    try:
        return float(code)
    except ValueError:
        return None


def blank_user_missing(
    values: pd.Series, *, codes: Sequence[Scalar], ranges: Sequence[tuple[float, float]]
) -> tuple[pd.Series, dict[str, int]]:
    """Return the values with user-missing codes made missing, and how often each code stood there.

    >>> import pandas as pd
    >>> values, counts = blank_user_missing(pd.Series([1, 9, 9, 2]), codes=[9], ranges=[])
    >>> values.tolist(), counts
    ([1.0, nan, nan, 2.0], {'9': 2})
    """
    import numpy as np

    mask = is_user_missing(values, codes=codes, ranges=ranges)
    if not mask.any():
        return values, {}
    if values.dtype.kind == "f":
        found, counts = np.unique(values.to_numpy()[mask], return_counts=True)
        tally = {code_text(float(code)): int(n) for code, n in zip(found, counts, strict=True)}
    else:
        tally = dict(Counter(values[mask].map(code_text)))
    return values.mask(mask), dict(sorted(tally.items()))


def declared_codes(
    declared: Mapping[str, Sequence[Scalar]], *, names: Sequence[str], protected: frozenset[str]
) -> tuple[Scalar, ...]:
    """Return the codes that a source declares for a variable known under ``names``.

    ``'*'`` means every variable but identifiers: a person whose number is 99 did answer.
    """
    own = [code for name in dict.fromkeys(names) for code in declared.get(name, ())]
    shared = [] if protected.intersection(names) else list(declared.get("*", ()))
    return tuple(dict.fromkeys([*own, *shared]))
