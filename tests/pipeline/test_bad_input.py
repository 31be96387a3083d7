"""Broken input stops the run with its message and exit status 1, before anything half-written can stay."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

_SPEC = importlib.util.spec_from_file_location("pipeline_conftest", Path(__file__).with_name("conftest.py"))
_CONFTEST = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_CONFTEST)
implstats = _CONFTEST.implstats


def _study(root: Path, change: Callable[[dict], None]) -> None:
    path = root / "config" / "config.yaml"
    study = yaml.safe_load(path.read_text())
    change(study)
    path.write_text(yaml.safe_dump(study, sort_keys=False))


def _csv(root: Path, name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    path = root / "data" / "raw" / name
    change(pd.read_csv(path)).to_csv(path, index=False)


def _misspelt_field(root: Path) -> None:
    _study(root, lambda s: s["scales"]["goal"].update(min_vald=2))


def _missing_file(root: Path) -> None:
    (root / "data/raw/w2.csv").rename(root / "data/raw/wave2.csv")


def _truncated_sav(root: Path) -> None:
    import pyreadstat

    frame = pd.read_csv(root / "data/raw/leaders.csv")
    path = root / "data/raw/leaders.sav"
    pyreadstat.write_sav(frame, path)
    path.write_bytes(path.read_bytes()[:300])
    _study(root, lambda s: s["tables"]["leaders"]["sources"][0].update(file="data/raw/leaders.sav"))


def _unknown_column(root: Path) -> None:
    _study(root, lambda s: s["scales"]["goal"].update(items=["g1", "g2", "goal3"]))


def _out_of_range(root: Path) -> None:
    _csv(root, "w1.csv", lambda d: d.assign(g2=d["g2"].where(d["id"] != 3, 55)))


def _duplicate(root: Path) -> None:
    _csv(root, "w1.csv", lambda d: pd.concat([d, d.head(1)]))


def _two_institutions(root: Path) -> None:
    _csv(root, "w1.csv", lambda d: pd.concat([d, d.head(1).assign(inst=5)]))


CASES = {
    "study file": (_misspelt_field, ["scales.goal.min_vald", "did you mean 'min_valid'"]),
    "missing raw file": (_missing_file, ["data/raw/w2.csv", "did you mean"]),
    "truncated .sav": (_truncated_sav, ["data/raw/leaders.sav", "export it anew"]),
    "unknown column": (_unknown_column, ["scales.goal", "no column 'goal3'", "did you mean"]),
    "value out of range": (
        _out_of_range,
        ["scales.goal", "g2 has 1 value(s) outside 1 to 5", "row 5", "user_missing"],
    ),
    "duplicate person-wave": (
        _duplicate,
        ["tables.staff.person", "repeat a person at one wave", "rows 2, 92"],
    ),
    "person in two institutions": (
        _two_institutions,
        ["institution: 1 person(s) stand in two of them at one wave"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_check_names_the_problem(project: Path, case: str) -> None:
    breaks, words = CASES[case]
    breaks(project)
    done = implstats(project, "check")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert [word for word in words if word not in done.stdout + done.stderr] == []


@pytest.mark.parametrize("case", ["missing raw file", "value out of range"])
def test_run_stops_with_the_same_words_and_leaves_no_results(project: Path, case: str) -> None:
    breaks, words = CASES[case]
    breaks(project)
    done = implstats(project, "run", "--cores", "1")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert [word for word in words if word not in done.stderr] == []
    assert not (project / "results" / "small").exists()


def test_no_message_repeats_an_answer_of_a_person(project: Path) -> None:
    _out_of_range(project)
    done = implstats(project, "check")
    assert "55" not in done.stdout + done.stderr


def test_a_study_file_that_is_not_there_is_named(project: Path) -> None:
    done = implstats(project, "run", "config/confg.yaml")
    assert done.returncode in (1, 2)
    assert "confg.yaml" in done.stderr
    assert "Traceback" not in done.stderr
