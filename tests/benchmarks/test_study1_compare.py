"""The benchmark matches numbers by address and hides no difference."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "study1" / "compare.py"


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("study1_compare", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def _record(term: str, value: float | None, field: str = "estimate") -> dict:
    return {
        "analysis": "q", "block": "parameters", "term": term, "level": "", "quantity": "covariance",
        "field": field, "value": value,
    }  # fmt: skip


def _results(path: Path, term: str, estimate: str, std_error: str = "") -> Path:
    path.write_text(
        "analysis,block,term,level,quantity,estimate,std_error\n"
        f"q,parameters,{term},,covariance,{estimate},{std_error}\n",
        encoding="utf-8",
    )
    return path


@pytest.mark.parametrize(("ours", "theirs"), [("a ~~ b", "b ~~ a"), ("i := a * b", "i := a*b")])
def test_spelling_and_order_do_not_hide_a_pair(tool, tmp_path, ours, theirs) -> None:
    rows = tool.read_results(_results(tmp_path / "r.csv", ours, "1.5"))
    found, lacking = tool.compare(rows, [_record(theirs, 1.2)])
    assert lacking == []
    assert found[0].absolute == pytest.approx(0.3)
    assert found[0].relative == pytest.approx(0.25)


def test_a_number_that_we_lack_is_named(tool, tmp_path) -> None:
    rows = tool.read_results(_results(tmp_path / "r.csv", "a ~~ b", "1.5"))
    found, lacking = tool.compare(rows, [_record("a ~~ b", 0.1, "std_error"), _record("a ~~ c", 0.2)])
    assert found == []
    assert len(lacking) == 2
    assert "std_error" in lacking[0]


def test_the_largest_difference_comes_first_and_shares_count(tool, tmp_path) -> None:
    rows = tool.read_results(_results(tmp_path / "r.csv", "a ~~ b", "1.0", "2.0"))
    found, _ = tool.compare(rows, [_record("a ~~ b", 1.0), _record("a ~~ b", 2.2, "std_error")])
    assert [d.field for d in found] == ["std_error", "estimate"]
    assert tool.share_within(found, relative=1e-6) == 0.5
