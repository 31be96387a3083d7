"""The results data set as files: written once by a run, read by everything that shows a number.

A folder ``results/<study>/`` holds ``results.parquet`` and ``results.csv`` (the same rows, one a number),
``checks.csv``, ``dictionary.csv``, ``published.csv`` and ``provenance.json``. All files are written under
temporary names first and put in place together at the end, so that an interrupted run leaves the former
data set untouched.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from implstats.errors import ProblemsError
from implstats.results.files import replacing
from implstats.results.rows import COLUMNS, NUMBERS, Row, rows_to_frame

if TYPE_CHECKING:
    import pandas as pd

CHECK_COLUMNS = ("analysis", "name", "status", "message")
DICTIONARY_COLUMNS = ("kind", "name", "label", "detail")
PUBLISHED_COLUMNS = (
    "analysis", "block", "term", "level", "quantity", "field", "printed", "ours", "agrees", "reason",
    "citation",
)  # fmt: skip
OPTIONAL = frozenset({"reason"})  # an empty text when a record has none
FILES = ("results.parquet", "results.csv", "checks.csv", "dictionary.csv", "published.csv", "provenance.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsDataset:
    """Everything a report may know of a study.

    Attributes
    ----------
    folder : Path
        Where the data set lies.
    rows : DataFrame, (numbers, 22)
        One row a number; columns are :data:`implstats.results.COLUMNS`, documented on
        :class:`implstats.results.Row`. Missing numbers are NaN, counts nullable integers.
    checks : DataFrame, (checks, 4)
        ``analysis, name, status, message``; all text.
    dictionary : DataFrame, (names, 4)
        ``kind, name, label, detail``; all text. ``kind`` is table, scale, variable, item, cluster, wave or
        question.
    provenance : dict
        Study, inputs with SHA-256, software versions, seed and output settings.
    published : DataFrame, (published numbers, 11)
        Ours against the numbers in print. ``printed`` is text, because its decimals set the precision
        asked for; ``ours`` a float; ``agrees`` a nullable boolean; ``reason`` says why they differ.
    """

    folder: Path
    rows: pd.DataFrame
    checks: pd.DataFrame
    dictionary: pd.DataFrame
    provenance: dict[str, Any]
    published: pd.DataFrame


def read_dataset(folder: Path) -> ResultsDataset:
    """Read the results data set of a study.

    Raises
    ------
    ProblemsError
        With one line for each file that is missing, damaged or lacks columns.
    """
    import pandas as pd

    problems = [f"{name}: not there" for name in FILES if not (folder / name).is_file()]
    if problems:
        raise ProblemsError(f"The results data set {folder}", [*problems, _REMEDY])
    rows = pd.read_parquet(folder / "results.parquet")
    checks = _read_text_csv(folder / "checks.csv")
    dictionary = _read_text_csv(folder / "dictionary.csv")
    published = _read_text_csv(folder / "published.csv")
    expected = {
        "results.parquet": (rows, COLUMNS),
        "checks.csv": (checks, CHECK_COLUMNS),
        "dictionary.csv": (dictionary, DICTIONARY_COLUMNS),
        "published.csv": (published, PUBLISHED_COLUMNS),
    }
    problems = [
        f"{name}: the column '{column}' is missing"
        for name, (frame, columns) in expected.items()
        for column in columns
        if column not in frame.columns
    ]
    provenance = _read_provenance(folder / "provenance.json", problems)
    if problems:
        raise ProblemsError(f"The results data set {folder}", [*problems, _REMEDY])
    return ResultsDataset(
        folder=folder,
        rows=rows[list(COLUMNS)],
        checks=checks[list(CHECK_COLUMNS)],
        dictionary=dictionary[list(DICTIONARY_COLUMNS)],
        provenance=provenance,
        published=_typed_published(published[list(PUBLISHED_COLUMNS)]),
    )


def write_dataset(
    folder: Path,
    *,
    rows: Sequence[Row],
    checks: Sequence[Mapping[str, Any]],
    dictionary: Sequence[Mapping[str, Any]],
    provenance: Mapping[str, Any],
    published: Sequence[Mapping[str, Any]],
) -> list[Path]:
    """Write a results data set into ``folder`` (made if needed) and return the files' paths.

    Parameters
    ----------
    rows : sequence of Row
        Every number of the study. A suppressed row that still carries a number is refused.
    checks, dictionary, published : sequence of mappings
        With exactly the keys of ``CHECK_COLUMNS``, ``DICTIONARY_COLUMNS`` and ``PUBLISHED_COLUMNS``
        (``reason`` may be left out).
    provenance : mapping
        Written as JSON; missing and infinite numbers become ``null``.

    Raises
    ------
    ProblemsError
        If a suppressed number would be written, or a record has missing or unknown keys.
    """
    frame = rows_to_frame(rows)
    tables = {
        "checks.csv": (checks, CHECK_COLUMNS),
        "dictionary.csv": (dictionary, DICTIONARY_COLUMNS),
        "published.csv": (published, PUBLISHED_COLUMNS),
    }
    problems = _leaks(frame)
    for name, (records, columns) in tables.items():
        problems += _key_problems(name, records, columns)
    if problems:
        raise ProblemsError(f"The results data set for {folder.name}", problems)
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        # Every file is complete under a temporary name before the first one is put in place.
        place = {name: stack.enter_context(replacing(folder / name)) for name in FILES}
        frame.to_parquet(place["results.parquet"], index=False)
        frame.to_csv(place["results.csv"], index=False, lineterminator="\n")
        for name, (records, columns) in tables.items():
            _records_frame(records, columns).to_csv(place[name], index=False, lineterminator="\n")
        text = json.dumps(_plain(provenance), ensure_ascii=False, indent=2) + "\n"
        place["provenance.json"].write_text(text, encoding="utf-8", newline="\n")
    return [folder / name for name in FILES]


_REMEDY = "run the study again to write it: implstats run"


def _read_text_csv(path: Path) -> pd.DataFrame:
    """Return a CSV file as text; empty cells are empty strings, and the word NA stays a word."""
    import pandas as pd

    return pd.read_csv(path, dtype=str, keep_default_na=False)


def _read_provenance(path: Path, problems: list[str]) -> dict[str, Any]:
    """Return the provenance, noting in ``problems`` what is wrong with it."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        problems.append(f"{path.name}: not valid JSON (line {error.lineno})")
        return {}
    if not isinstance(found, dict) or not isinstance(found.get("study"), dict):
        problems.append(f"{path.name}: has no 'study'")
        return {}
    return found


def _typed_published(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the comparison with ``ours`` as a float and ``agrees`` as a nullable boolean."""
    import pandas as pd

    words = {"true": True, "false": False}
    return frame.assign(
        ours=pd.to_numeric(frame["ours"].replace("", None)).astype("float64"),
        agrees=frame["agrees"].str.lower().map(words).astype("boolean"),
    )


def _leaks(frame: pd.DataFrame) -> list[str]:
    """Return one line for each suppressed row that still carries a number (the number is not repeated)."""
    # n_obs may stay: in a distribution it counts the whole wave, not the small cell.
    held = [name for name in NUMBERS if name != "conf_level"]
    bad = frame[frame["suppressed"] & frame[held].notna().any(axis=1)]
    return [
        f"{row.analysis} / {row.block} / {row.term} / {row.level} / {row.quantity}: marked as suppressed but "
        "carries a number; leave every number of a suppressed row empty"
        for row in bad.itertuples()
    ]


def _key_problems(name: str, records: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> list[str]:
    """Return one line for each record whose keys are not exactly ``columns``."""
    problems = []
    for i, record in enumerate(records):
        missing, unknown = sorted(set(columns) - set(record) - OPTIONAL), sorted(set(record) - set(columns))
        if missing or unknown:
            problems.append(
                f"{name}, record {i + 1}: missing {missing}, unknown {unknown}; needed: {list(columns)}"
            )
    return problems


def _records_frame(records: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Return records as a frame of objects, so that 'agrees' stays True, False or empty."""
    import pandas as pd

    return pd.DataFrame(
        [[record.get(c, "") for c in columns] for record in records], columns=list(columns), dtype=object
    )


def _plain(value: Any) -> Any:
    """Return a value made of JSON's own types."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if hasattr(value, "item") and not isinstance(value, str):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value
