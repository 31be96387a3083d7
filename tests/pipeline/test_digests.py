"""A stage's digest follows its imports: an edit touches the stages that can reach it, and no other."""

from __future__ import annotations

import pytest

from implstats.pipeline import digest
from implstats.pipeline.digest import SOURCE, code_digest, reachable_files, value_digest
from implstats.pipeline.workflow import STAGE_MODULES


def _reaches(stage: str, file: str) -> bool:
    return SOURCE / file in reachable_files(STAGE_MODULES[stage])


@pytest.mark.parametrize(
    ("file", "stages"),
    [
        ("ingest/readers.py", {"ingest"}),
        ("scales/scoring.py", {"score"}),
        ("questions/mixed_tasks.py", {"fit", "second-opinion"}),
        ("results/published.py", {"collect"}),
    ],
)
def test_a_file_reaches_the_stages_that_use_it(file: str, stages: set[str]) -> None:
    assert stages <= {stage for stage in STAGE_MODULES if _reaches(stage, file)}


@pytest.mark.parametrize(
    ("stage", "file"),
    [
        ("ingest", "mixed/__init__.py"),
        ("ingest", "report/__init__.py"),
        ("score", "mixed/__init__.py"),
        ("fit", "report/__init__.py"),
        ("tables", "mixed/__init__.py"),
        ("figures", "scales/scoring.py"),
    ],
)
def test_a_stage_does_not_depend_on_rooms_it_cannot_reach(stage: str, file: str) -> None:
    assert (SOURCE / file).is_file()
    assert not _reaches(stage, file)


def test_an_edit_changes_the_digest(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    package = tmp_path / "implstats"
    (package / "room").mkdir(parents=True)
    for name, text in {
        "__init__.py": "",
        "room/__init__.py": "",
        "room/a.py": "def f():\n    from implstats.room import b\n",
        "room/b.py": "X = 1\n",
        "room/c.py": "Y = 1\n",
    }.items():
        (package / name).write_text(text)
    monkeypatch.setattr(digest, "SOURCE", package)
    before = code_digest("implstats.room.a")
    (package / "room/c.py").write_text("Y = 2\n")
    assert code_digest("implstats.room.a") == before
    (package / "room/b.py").write_text("X = 2\n")
    assert code_digest("implstats.room.a") != before


def test_a_value_digest_sees_values_and_not_their_order() -> None:
    assert value_digest({"a": [1, 2], "b": None}) == value_digest({"b": None, "a": [1, 2]})
    assert value_digest({"a": [1, 2]}) != value_digest({"a": [2, 1]})


def test_every_import_of_the_package_is_of_the_form_that_digests_follow() -> None:
    import ast

    for path in SOURCE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        followed = set(digest._import_names(path, 0))
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                assert not any(alias.name.split(".")[0] == "implstats" for alias in node.names), path
            elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("implstats."):
                assert {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)} <= followed, (
                    path
                )
