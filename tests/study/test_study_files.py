"""Where a project's files are found, and the files that are made from the models."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from implstats.cli.new import new, write_all
from implstats.errors import UsageError
from implstats.study import instruments_folder, load_study, project_root
from implstats.study.schema import json_schema, schema_text, write_schema


@pytest.mark.parametrize(
    ("file", "root"),
    [
        ("/p/config/x.yaml", "/p"),
        ("/p/config/studies/x.yaml", "/p"),
        ("/p/x.yaml", "/p"),
        ("/p/config/a/b/x.yaml", "/p/config/a/b"),
    ],
)
def test_project_root(file, root):
    assert project_root(Path(file)) == Path(root)


def test_a_projects_own_instruments_come_first(tmp_path, repository):
    shipped = instruments_folder(tmp_path)
    assert shipped != tmp_path / "config" / "instruments"
    own = tmp_path / "config" / "instruments"
    own.mkdir(parents=True)
    assert instruments_folder(tmp_path) == own


def test_the_committed_schema_is_the_models(repository):
    committed = (repository / "config" / "study.schema.json").read_text(encoding="utf-8")
    assert committed == schema_text(), "run: python -m implstats.study.schema"


def test_the_schema_knows_every_question_and_refuses_unknown_fields(tmp_path):
    schema = json_schema()
    assert schema["additionalProperties"] is False
    kinds = schema["properties"]["questions"]["items"]["discriminator"]["mapping"]
    known = {"null_model", "growth", "contextual", "mixed", "cfa", "path", "invariance", "attrition"}
    assert set(kinds) == known
    write_schema(tmp_path / "s.json")
    assert json.loads((tmp_path / "s.json").read_text(encoding="utf-8")) == schema


def test_new_writes_a_study_that_loads_and_asks_every_kind_of_question(tmp_path):
    folder = tmp_path / "Min studie 2"
    result = CliRunner().invoke(new, [str(folder)])
    assert result.exit_code == 0
    assert "implstats check" in result.output
    study = load_study(folder / "config" / "config.yaml")
    assert study.study.name == "min-studie-2"
    kinds = json_schema()["properties"]["questions"]["items"]["discriminator"]["mapping"]
    assert {question.type for question in study.questions} == set(kinds)
    made = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert made == [
        ".gitignore",
        "README.md",
        "config/config.yaml",
        "config/study.schema.json",
        "data/raw/README.md",
    ]


def test_new_refuses_a_folder_that_holds_anything(tmp_path):
    (tmp_path / "note.txt").write_text("mine", encoding="utf-8")
    result = CliRunner().invoke(new, [str(tmp_path)])
    assert isinstance(result.exception, UsageError)
    assert result.exception.exit_code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]
    result = CliRunner().invoke(new, [str(tmp_path / "note.txt")])
    assert "is a file" in str(result.exception)


def test_new_fills_an_empty_folder_and_one_that_is_a_repository(tmp_path):
    (tmp_path / ".git").mkdir()
    assert CliRunner().invoke(new, [str(tmp_path)]).exit_code == 0
    assert (tmp_path / "config" / "config.yaml").is_file()
    assert not list(tmp_path.glob(".new-*"))


def test_a_write_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(UsageError, match="nothing was created"):
        write_all(tmp_path / "study", {"a": "1", "a/b": "a file cannot hold a file"})
    assert list(tmp_path.iterdir()) == []


def test_new_as_a_process_exits_2_with_one_clear_line(tmp_path):
    (tmp_path / "x").write_text("", encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-c", "from implstats.cli import main; main()", "new", str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 2
    assert run.stderr.startswith("implstats: ")
    assert "not empty" in run.stderr
    assert "Traceback" not in run.stderr


def test_the_package_loads_neither_pydantic_nor_yaml_before_it_is_used():
    heavy = "{'pydantic', 'yaml', 'pandas'}"
    code = f"import sys, implstats.study, implstats.ingest; print(sorted({heavy} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
