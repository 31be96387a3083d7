"""One door to every kind of raw file: chosen by suffix, renamed to the study's names, codes blanked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from implstats.errors import IngestError, did_you_mean
from implstats.ingest.codes import blank_user_missing, declared_codes
from implstats.ingest.records import RawFile, VariableRecord

if TYPE_CHECKING:
    import pandas as pd

    from implstats.study.models import Source

SUFFIXES = (".sav", ".zsav", ".por", ".dta", ".sas7bdat", ".xlsx", ".csv", ".tsv", ".txt", ".parquet")


def read_frame(path: Path) -> pd.DataFrame:
    """Return a raw file as a frame, ready for an estimator.

    User-missing codes are missing. ``frame.attrs["value_labels"]`` holds ``{variable: {code: label}}`` and
    ``frame.attrs["variable_labels"]`` ``{variable: label}`` of files that carry labels.

    Parameters
    ----------
    path : Path
        Suffix one of .sav .zsav .por .dta .sas7bdat .xlsx .csv .tsv .txt .parquet.

    Raises
    ------
    IngestError
        The file is missing, of an unknown kind, empty or damaged.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "answers.csv"
    ...     _ = path.write_text("id;mood\\n01;3,5\\n02;NA\\n", encoding="utf-8")
    ...     frame = read_frame(path)
    >>> frame["id"].tolist(), frame["mood"].tolist()
    (['01', '02'], [3.5, nan])
    """
    raw = read_raw(Path(path), place=str(path))
    frame = raw.frame
    frame.attrs["value_labels"] = {r.name: dict(r.value_labels) for r in raw.codebook if r.value_labels}
    frame.attrs["variable_labels"] = {r.name: r.label for r in raw.codebook if r.label}
    return frame


def read_source(root: Path, source: Source, *, id_columns: Collection[str] = ()) -> RawFile:
    """Return one raw file of the study under the study's names.

    Parameters
    ----------
    root : Path
        Project folder; ``source.file`` is relative to it.
    source : Source
    id_columns : collection of str
        Identifiers, by raw or study name: kept as text where the file is text, and untouched by
        ``user_missing: {'*': ...}``.

    Raises
    ------
    IngestError
        Everything that is wrong with this file, its ``rename`` and its ``user_missing``.
    """
    protected = frozenset(id_columns)
    as_text = [*protected, *(old for old, new in source.rename.items() if new in protected)]
    raw = read_raw(
        root / source.file, place=source.file, delimiter=source.delimiter, encoding=source.encoding,
        decimal=source.decimal, sheet=source.sheet, text_columns=as_text,
    )  # fmt: skip
    _check_names(raw, source)
    return _renamed(_blanked(raw, source, protected=protected), source)


def read_raw(
    path: Path,
    *,
    place: str,
    delimiter: str | None = None,
    encoding: str | None = None,
    decimal: str | None = None,
    sheet: str | None = None,
    text_columns: Sequence[str] = (),
) -> RawFile:
    """Return a raw file as it stands, user-missing codes declared in the file already missing."""
    from implstats.ingest import labelled, sheets, text

    suffix = _checked_suffix(path, place=place)
    if suffix in labelled.SUFFIXES:
        return labelled.read_labelled(path, place=place, encoding=encoding)
    if suffix == ".xlsx":
        return sheets.read_excel(path, place=place, sheet=sheet, text_columns=text_columns)
    if suffix == ".parquet":
        return sheets.read_parquet(path, place=place)
    return text.read_text_table(
        path, place=place, delimiter=delimiter, encoding=encoding, decimal=decimal, text_columns=text_columns
    )


def _checked_suffix(path: Path, *, place: str) -> str:
    from implstats.study.paths import near_names

    suffix = path.suffix.lower()
    if not path.exists():
        raise IngestError(place, [f"there is no such file{near_names(path)}"])
    if path.is_dir():
        raise IngestError(place, ["is a folder; name a file in it"])
    if suffix == ".xls":
        raise IngestError(place, [".xls is not read; save the workbook as .xlsx or .csv"])
    if suffix not in SUFFIXES:
        problem = f"files ending in '{suffix or 'nothing'}' are not read; use one of {' '.join(SUFFIXES)}"
        raise IngestError(place, [problem])
    try:
        with path.open("rb") as handle:
            empty = not handle.read(1)
    except OSError as error:
        raise IngestError(place, [f"the file cannot be opened: {error.strerror}"]) from error
    if empty:
        raise IngestError(place, ["the file is empty"])
    return suffix


def _check_names(raw: RawFile, source: Source) -> None:
    columns = [str(name) for name in raw.frame.columns]
    after = [source.rename.get(name, name) for name in columns]
    problems = [
        f"rename: there is no column '{name}'{did_you_mean(name, columns)}"
        for name in source.rename
        if name not in columns
    ]
    problems += [
        f"rename: '{name}' would be the name of two columns; rename the other one too"
        for name in sorted({name for name in after if after.count(name) > 1})
    ]
    known = {*columns, *after, "*"}
    problems += [
        f"user_missing: there is no column '{name}'{did_you_mean(name, known)}"
        for name in source.user_missing
        if name not in known
    ]
    if problems:
        raise IngestError(source.file, problems)


def _blanked(raw: RawFile, source: Source, *, protected: frozenset[str]) -> RawFile:
    """Make the codes missing that the study file declares; the codebook keeps them and their counts."""
    if not source.user_missing:
        return raw
    columns = {}
    records = []
    for record in raw.codebook:
        names = (record.name, source.rename.get(record.name, record.name))
        codes = declared_codes(source.user_missing, names=names, protected=protected)
        columns[record.name], updated = _blank_one(raw.frame[record.name], record, codes=codes)
        records.append(updated)
    return replace(raw, frame=raw.frame.assign(**columns), codebook=tuple(records))


def _blank_one(
    values: pd.Series, record: VariableRecord, *, codes: tuple[int | float | str, ...]
) -> tuple[pd.Series, VariableRecord]:
    if not codes:
        return values, record
    clean, counts = blank_user_missing(values, codes=codes, ranges=())
    return clean, replace(
        record,
        missing_codes=tuple(dict.fromkeys([*record.missing_codes, *codes])),
        n_user_missing={**record.n_user_missing, **counts},
    )


def _renamed(raw: RawFile, source: Source) -> RawFile:
    if not source.rename:
        return raw
    codebook = tuple(replace(r, name=source.rename.get(r.name, r.name)) for r in raw.codebook)
    return replace(raw, frame=raw.frame.rename(columns=source.rename), codebook=codebook)
