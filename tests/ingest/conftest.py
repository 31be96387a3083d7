"""A little project in a temporary folder: one study file, raw files written by the test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from implstats.errors import IngestError
from implstats.ingest import ingest_study
from implstats.study.load import parse_study
from implstats.study.models import Source

# Real files of other projects, used where they lie; the tests that read them skip where they are absent.
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"

HEAD = """\
study: {name: small, title: A small study}
tables:
  staff:
"""


@pytest.fixture
def shared() -> Callable[[str], Path]:
    def find(name: str) -> Path:
        path = SHARED / name
        if not path.exists():
            pytest.skip(f"the real file {name} is not on this machine")
        return path

    return find


@pytest.fixture
def source() -> Callable[..., Source]:
    return lambda file, **options: Source.model_validate({"file": file, **options})


@pytest.fixture
def ingest(tmp_path) -> Callable[..., object]:
    """Ingest a study given as the body of its table and what follows; files are {name: text}."""

    def run(body: str, files: dict[str, str | bytes], rest: str = ""):
        for name, content in files.items():
            raw = content if isinstance(content, bytes) else content.encode("utf-8")
            (tmp_path / name).write_bytes(raw)
        indented = "".join(f"    {line}\n" for line in body.strip().splitlines())
        study = parse_study(HEAD + indented + rest, where="study.yaml")
        return ingest_study(study, tmp_path)["staff"]

    return run


@pytest.fixture
def stops(ingest) -> Callable[..., list[str]]:
    """The problems that stop an ingest."""

    def run(*args, **options) -> list[str]:
        with pytest.raises(IngestError) as caught:
            ingest(*args, **options)
        return list(caught.value.problems)

    return run
