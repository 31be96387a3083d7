"""Files that carry labels and user-missing codes: SPSS, Stata and SAS, through pyreadstat."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from implstats.errors import IngestError
from implstats.ingest.codes import blank_user_missing, code_text
from implstats.ingest.records import Issue, RawFile, Scalar, VariableRecord

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".sav", ".zsav", ".por", ".dta", ".sas7bdat")


def read_labelled(path: Path, *, place: str, encoding: str | None = None) -> RawFile:
    """Read an SPSS, Stata or SAS file.

    Parameters
    ----------
    path : Path
        Suffix one of :data:`SUFFIXES`.
    place : str
        What messages call the file.
    encoding : str or None
        Overrides the encoding that the file names (SPSS and Stata).

    Raises
    ------
    IngestError
        The file is damaged, or not what its suffix says.
    """
    frame, meta, issues = _read(path, place=place, encoding=encoding)
    records = []
    columns = {}
    for name in frame.columns:
        columns[name], record = _variable(frame[name], name=name, meta=meta)
        records.append(record)
    import pandas as pd

    return RawFile(
        frame=pd.DataFrame(columns, index=frame.index), codebook=tuple(records), issues=tuple(issues)
    )


def _reader(suffix: str) -> tuple[Callable[..., Any], dict[str, Any]]:
    import pyreadstat

    readers: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
        ".sav": (pyreadstat.read_sav, {"user_missing": True}),
        ".zsav": (pyreadstat.read_sav, {"user_missing": True}),
        ".por": (pyreadstat.read_por, {}),
        ".dta": (pyreadstat.read_dta, {"user_missing": True}),
        ".sas7bdat": (pyreadstat.read_sas7bdat, {"user_missing": True}),
    }
    return readers[suffix]


def _read(path: Path, *, place: str, encoding: str | None) -> tuple[pd.DataFrame, Any, list[Issue]]:
    read, options = _reader(path.suffix.lower())
    if encoding is not None and path.suffix.lower() != ".por":
        options = {**options, "encoding": encoding}
    try:
        frame, meta = read(str(path), **options)
    except OverflowError:
        return _read_without_dates(path, read=read, options=options, place=place)
    except Exception as error:
        raise _damaged(place, error) from error
    return frame, meta, []


def _read_without_dates(
    path: Path, *, read: Callable[..., Any], options: dict[str, Any], place: str
) -> tuple[pd.DataFrame, Any, list[Issue]]:
    """A date beyond the calendar stops pyreadstat; the numbers behind the dates can still be read."""
    try:
        frame, meta = read(str(path), disable_datetime_conversion=True, **options)
    except Exception as error:
        raise _damaged(place, error) from error
    message = (
        "holds a date that no calendar has, so its dates were read as plain numbers "
        "(seconds or days since the file format's first day)"
    )
    return frame, meta, [Issue(status="warn", place=place, message=message)]


def _damaged(place: str, error: Exception) -> IngestError:
    said = str(error).strip().rstrip(".") or type(error).__name__
    if isinstance(error, LookupError) and "encoding" in said.lower():
        return IngestError(place, [f"the encoding in the study file is not known ({said})"])
    kind = Path(place).suffix.lower()
    problem = f"cannot be read as {kind} ({said}); the file may be damaged or cut short: export it anew"
    return IngestError(place, [problem])


def _variable(values: pd.Series, *, name: str, meta: Any) -> tuple[pd.Series, VariableRecord]:
    codes, ranges = _missing_of(meta, name)
    tags = tuple(meta.missing_user_values.get(name, ()))
    clean, counts = _blank_tags(values, tags) if tags else _blank(values, codes=codes, ranges=ranges)
    record = VariableRecord(
        name=name,
        label=meta.column_names_to_labels.get(name) or "",
        value_labels=dict(meta.variable_value_labels.get(name, {})),
        missing_codes=(*codes, *(f".{tag}" for tag in tags)),
        missing_ranges=ranges,
        measure=_measure(meta.variable_measure.get(name, "")),
        n_user_missing=counts,
    )
    return clean, record


def _measure(word: str) -> str:
    return "" if word == "unknown" else word


def _missing_of(meta: Any, name: str) -> tuple[tuple[Scalar, ...], tuple[tuple[float, float], ...]]:
    """Return single codes and ranges; pyreadstat gives both as ``{"lo": , "hi": }``."""
    codes: list[Scalar] = []
    ranges: list[tuple[float, float]] = []
    for entry in meta.missing_ranges.get(name, ()):
        low, high = (entry["lo"], entry["hi"]) if isinstance(entry, dict) else (entry, entry)
        if low == high:
            codes.append(low.strip() if isinstance(low, str) else low)
        else:
            ranges.append((_end(low, -math.inf), _end(high, math.inf)))
    return tuple(codes), tuple(ranges)


def _end(value: Any, infinite: float) -> float:
    return infinite if value is None else float(value)


def _blank(
    values: pd.Series, *, codes: tuple[Scalar, ...], ranges: tuple[tuple[float, float], ...]
) -> tuple[pd.Series, dict[str, int]]:
    if codes or ranges:
        values, counts = blank_user_missing(values, codes=codes, ranges=ranges)
    else:
        counts = {}
    return _without_blanks(values), counts


def _without_blanks(values: pd.Series) -> pd.Series:
    """An empty text is SPSS's and Stata's missing text."""
    import pandas as pd

    if not pd.api.types.is_string_dtype(values.dtype):
        return values
    return values.mask(values.eq("").fillna(False))


def _blank_tags(values: pd.Series, tags: tuple[str, ...]) -> tuple[pd.Series, dict[str, int]]:
    """Stata's and SAS's tagged missing values .a to .z arrive as letters in a column of numbers."""
    import pandas as pd

    mask = values.isin(tags)
    counts = values[mask].map(lambda tag: f".{code_text(tag)}").value_counts(sort=False)
    numbers = pd.to_numeric(values.mask(mask))
    return numbers.astype("float64"), {str(code): int(n) for code, n in sorted(counts.items())}
