"""``implstats check`` as a person or a program calls it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
STUDY = """\
study: {name: small, title: A small study}
tables:
  staff:
    person: id
    clusters: [{name: ward, variable: w}]
    sources: [{file: data/raw/a.csv}]
scales:
  mood: {items: [q1, q2], minimum: 1, maximum: 5}
questions:
  - {name: q, type: null_model, outcome: mood, clusters: [ward]}
"""


def call(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    code = "from implstats.cli import main; main()"
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(
        [sys.executable, "-c", code, "check", *args], capture_output=True, text=True, check=False, cwd=cwd,
        env=environment, encoding="utf-8",
    )  # fmt: skip


@pytest.fixture
def project(tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "data" / "raw").mkdir(parents=True)
    (tmp_path / "config" / "config.yaml").write_text(STUDY, encoding="utf-8")
    (tmp_path / "data" / "raw" / "a.csv").write_text(
        "id,w,q1,q2\n1,A,1,2\n2,A,3,4\n3,B,5,5\n", encoding="utf-8"
    )
    return tmp_path


def test_a_good_study_is_summed_up(project):
    run = call(cwd=project)
    assert run.returncode == 0, run.stderr
    assert "config.yaml: no problems; A small study" in run.stdout
    assert "table staff, 1 file: 3 rows, 3 persons, ward: 2" in run.stdout
    assert "warning: tables.staff: ward: there are only 2 of them" in run.stdout


def test_json_is_for_programs(project):
    run = call("--json", cwd=project)
    assert run.returncode == 0
    answer = json.loads(run.stdout)
    assert answer["ok"] is True
    assert answer["tables"][0]["n_clusters"] == {"ward": 2}
    assert {issue["status"] for issue in answer["issues"]} == {"warn", "info"}


def test_problems_of_study_file_and_raw_files_come_together(project):
    path = project / "config" / "config.yaml"
    path.write_text(STUDY.replace("clusters: [ward]}", "clusters: [wrad]}"), encoding="utf-8")
    (project / "data" / "raw" / "a.csv").write_text("id,w,q1,q_2\n1,A,1,2\n", encoding="utf-8")
    run = call(cwd=project)
    assert run.returncode == 1
    assert run.stdout == ""
    assert "has 2 problems" in run.stderr
    assert (
        "questions[0].clusters: there is no cluster level 'wrad'; did you mean 'ward'? (line 10)"
        in run.stderr
    )
    assert "there is no column 'q2' in data/raw/a.csv; did you mean 'q_2'? (line 8)" in run.stderr
    assert "Traceback" not in run.stderr
    answer = json.loads(call("--json", cwd=project).stdout)
    assert answer["ok"] is False
    assert len(answer["problems"]) == 2


def test_every_kind_of_bad_file_exits_1_without_a_traceback(project):
    raw = project / "data" / "raw" / "a.csv"
    for content in (b"", b"\x00\x01\x02\x03", b"id,w,q1,q2\n1\n", b"id,id\n1,2\n"):
        raw.write_bytes(content)
        run = call(cwd=project)
        assert run.returncode == 1
        assert "data/raw/a.csv" in run.stderr
        assert "Traceback" not in run.stderr
    raw.unlink()
    assert "there is no such file" in call(cwd=project).stderr


def test_a_missing_study_names_itself(tmp_path):
    run = call(cwd=tmp_path)
    assert run.returncode == 1
    assert "there is no such file" in run.stderr


def test_help_shows_an_example(tmp_path):
    run = call("--help", cwd=tmp_path)
    assert run.returncode == 0
    assert "Example: implstats check" in run.stdout


@pytest.mark.parametrize("name", ["leadership-climate", "readiness-waves", "work-hours"])
def test_shipped_studies_have_no_problem(name):
    run = call(f"config/studies/{name}.yaml", cwd=REPOSITORY)
    assert run.returncode == 0, run.stderr
    assert "no problems" in run.stdout
