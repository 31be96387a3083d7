"""What a stage leaves for the next: rows as Parquet; checks and dictionary entries as JSON beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from implstats.pipeline.files import write_json, write_parquet
from implstats.questions.base import Answer, Entry, NamedCheck
from implstats.results import Check, frame_to_rows, rows_to_frame


def write_answer(rows_path: Path, answer: Answer) -> None:
    """Write an answer's rows to ``rows_path`` and its checks and entries to the JSON file beside it."""
    write_parquet(rows_path, rows_to_frame(answer.rows))
    notes = {
        "checks": [check.to_dict() for check in answer.checks],
        "entries": [entry.to_dict() for entry in answer.entries],
    }
    write_json(rows_path.with_suffix(".json"), notes)


def read_answer(rows_path: Path) -> Answer:
    """Read what :func:`write_answer` wrote."""
    notes = json.loads(rows_path.with_suffix(".json").read_text(encoding="utf-8"))
    return Answer(
        rows=tuple(frame_to_rows(pd.read_parquet(rows_path))),
        checks=tuple(_check(record) for record in notes["checks"]),
        entries=tuple(Entry(**record) for record in notes["entries"]),
    )


def _check(record: dict[str, Any]) -> NamedCheck:
    values = dict(record)
    return NamedCheck(analysis=values.pop("analysis"), check=Check(**values))
