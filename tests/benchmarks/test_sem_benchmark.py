"""The benchmark of structural models shows no time whose numbers are not lavaan's, and names gaps."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks" / "sem"


def load(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import a file of the benchmark, which finds its neighbours by its own folder."""
    monkeypatch.syspath_prepend(str(FOLDER))
    for neighbour in ("cases", "page", "run"):
        monkeypatch.delitem(sys.modules, neighbour, raising=False)
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def engine(seconds: float, *, agrees: bool = True, peak: float = 100.0) -> dict[str, Any]:
    return {
        "seconds": {"fit": [seconds, 2 * seconds]}, "values": {}, "failed": {},
        "memory": {"loaded": 50.0, "peak": peak}, "agrees": {"fit": (1e-9 if agrees else 0.5, agrees)},
    }  # fmt: skip


def test_agreement_is_judged_by_the_largest_relative_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    run = load("run", monkeypatch)
    ours, lavaan = {"fit": {"chisq": 10.0, "se": 2.0}}, {"fit": {"chisq": 10.0, "se": 1.0}}
    assert run.agreement(ours, lavaan, 1e-5) == {"fit": (1.0, False)}
    assert run.agreement(lavaan, lavaan, 1e-5)["fit"] == (0.0, True)
    assert not run.agreement({"fit": {"other": 1.0}}, lavaan, 1e-5)["fit"][1]


def test_wrong_numbers_are_marked_and_wrong_peers_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    page = load("page", monkeypatch)
    cases = {
        "cfa9_300": {
            "ours": engine(0.010, agrees=False), "lavaan": engine(0.050),
            "semopy": engine(0.001, agrees=False), "seminr": engine(0.015),
        }
    }  # fmt: skip
    rows, misses = page.times(cases)
    assert "times mean nothing" in rows[0]
    assert "seminr 15.0" in rows[0]
    assert "semopy" not in rows[0]
    assert misses == {"lavaan": ["cfa9_300 fit"], "peer": ["cfa9_300 fit"]}


def test_what_we_do_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    page = load("page", monkeypatch)
    ours = engine(0.001)
    ours["seconds"] = {}
    rows, misses = page.times({"ord20": {"ours": ours, "lavaan": engine(0.050)}})
    assert "not done yet" in rows[0]
    assert misses["lavaan"] == ["ord20 fit"]


def test_every_case_says_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = load("cases", monkeypatch).CASES
    assert all(case.what and case.model for case in cases.values())
    assert cases["fiml500"].make().isna().drop_duplicates().shape == (500, 20)
