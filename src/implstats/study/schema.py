"""The study file's JSON Schema, which gives editors completion and marks unknown fields while typing.

``python -m implstats.study.schema`` writes ``config/study.schema.json``; a study file uses it with a first
line such as ``# yaml-language-server: $schema=../study.schema.json``.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from implstats.study.models import Study

DEFAULT = Path("config/study.schema.json")


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a study file, generated from :class:`implstats.study.models.Study`."""
    schema = Study.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "implstats study file",
    }


def schema_text() -> str:
    """Return the schema as it is written to a file."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def write_schema(path: Path = DEFAULT) -> None:
    """Write the schema, whole or not at all."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(schema_text(), encoding="utf-8")
    os.replace(temporary, path)


if __name__ == "__main__":
    write_schema(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT)
