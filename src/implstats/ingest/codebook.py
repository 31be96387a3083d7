"""The codebook of a table: what each variable is called, what its codes mean and how often it is missing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from implstats.ingest.codes import code_text
from implstats.ingest.records import Issue, RawFile, VariableRecord

if TYPE_CHECKING:
    import pandas as pd

    from implstats.study.models import Variable

COLUMNS = (
    "variable", "label", "type", "measure", "value_labels", "missing_codes", "n_valid", "n_missing",
    "n_user_missing", "files",
)  # fmt: skip


def codebook_frame(
    frame: pd.DataFrame,
    raws: Sequence[tuple[str, RawFile]],
    *,
    variables: Mapping[str, Variable],
    renamed: Mapping[str, str],
) -> pd.DataFrame:
    """Return one row a raw variable, columns :data:`COLUMNS`.

    Parameters
    ----------
    frame : DataFrame
        The ingested table.
    raws : sequence of (file, RawFile)
        The table's sources; the first that says something about a variable is believed.
    variables : mapping
        Declarations of the study file; their labels go before the files'.
    renamed : mapping
        Raw columns that gave way to a column of the program.
    """
    import pandas as pd

    merged = merged_records(raws)
    rows = []
    for name, records in merged.items():
        column = renamed.get(name, name)
        if column in frame.columns:
            declared = variables.get(name)
            rows.append(_row(column, frame[column], records, declared=declared))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def merged_records(raws: Sequence[tuple[str, RawFile]]) -> dict[str, list[tuple[str, VariableRecord]]]:
    """Return the records of each variable over all files, in order of first appearance."""
    merged: dict[str, list[tuple[str, VariableRecord]]] = {}
    for file, raw in raws:
        for record in raw.codebook:
            merged.setdefault(record.name, []).append((file, record))
    return merged


def _row(
    name: str,
    values: pd.Series,
    records: Sequence[tuple[str, VariableRecord]],
    *,
    declared: Variable | None,
) -> dict[str, object]:
    label = next((record.label for _, record in records if record.label), "")
    counts: dict[str, int] = {}
    for _, record in records:
        for code, n in record.n_user_missing.items():
            counts[code] = counts.get(code, 0) + n
    return {
        "variable": name,
        "label": (declared.label if declared else "") or label,
        "type": _type(values, declared),
        "measure": next((record.measure for _, record in records if record.measure), ""),
        "value_labels": "; ".join(f"{code_text(c)} = {text}" for c, text in value_labels(records).items()),
        "missing_codes": "; ".join(_missing_texts(record for _, record in records)),
        "n_valid": int(values.notna().sum()),
        "n_missing": int(values.isna().sum()),
        "n_user_missing": "; ".join(f"{code}: {n}" for code, n in counts.items()),
        "files": "; ".join(dict.fromkeys(file for file, _ in records)),
    }


def _type(values: pd.Series, declared: Variable | None) -> str:
    import pandas as pd

    if declared is not None and declared.type == "category":
        return "category"
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return "date"
    return "number" if pd.api.types.is_numeric_dtype(values.dtype) else "text"


def value_labels(records: Sequence[tuple[str, VariableRecord]]) -> dict[int | float | str, str]:
    """Return the labels of codes; of two files the first is believed."""
    merged: dict[int | float | str, str] = {}
    for _, record in records:
        for code, text in record.value_labels.items():
            merged.setdefault(code, text)
    return merged


def _missing_texts(records: Iterable[VariableRecord]) -> list[str]:
    texts: dict[str, None] = {}
    for record in records:
        for low, high in record.missing_ranges:
            texts[f"{_end(low)} to {_end(high)}"] = None
        for code in record.missing_codes:
            texts[code_text(code)] = None
    return list(texts)


def _end(value: float) -> str:
    if math.isinf(value):
        return "lowest" if value < 0 else "highest"
    return code_text(value)


def label_conflicts(raws: Sequence[tuple[str, RawFile]], *, place: str, used: Iterable[str]) -> list[Issue]:
    """Warn where two files label one code of a variable differently: it may have changed its meaning."""
    merged = merged_records(raws)
    issues = []
    for name in used:
        seen: dict[object, str] = {}
        clash = [
            code_text(code)
            for _, record in merged.get(name, ())
            for code, text in record.value_labels.items()
            if seen.setdefault(code, text.strip()).casefold() != text.strip().casefold()
        ]
        if clash:
            message = (
                f"code(s) {', '.join(dict.fromkeys(clash))} have different labels in the files; "
                "the first file's are used: check that the codes mean the same"
            )
            issues.append(Issue(status="warn", place=f"{place}: {name}", message=message))
    return issues
