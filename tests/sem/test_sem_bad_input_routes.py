"""Each kind of bad input by all routes: library, command line and study file.

Clear words with the names, exit status 1 (the data or the model cannot bear it) or 2 (wrong usage), nothing
written, and in a study no number but the reason.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest

from implstats import sem
from implstats.cli import main
from implstats.errors import ImplstatsError
from implstats.questions.answer import answer_question
from implstats.questions.base import Scored
from implstats.study.keys import resolve_scales
from implstats.study.models import Study

ITEMS = list("abcd")
MODEL = "q =~ a + b + c + d"
LABELLED = "q =~ a + u*b + v*c + d\n"
# In tests of ordered answers the lowest and highest of three.
CUTS = [-99.0, -0.6, 0.6, 99.0]


@dataclass(frozen=True)
class Bad:
    """Bad input: a model, what is done to good data, options, words to be found, and the exit status."""

    words: tuple[str, ...]
    code: int = 1
    model: str = MODEL
    change: Callable[[pd.DataFrame], pd.DataFrame] = lambda data: data
    options: dict[str, Any] = field(default_factory=dict)


def _new_arm(data: pd.DataFrame) -> np.ndarray:
    return (data["arm"] == "new").to_numpy()


def _three_answers(data: pd.DataFrame) -> pd.DataFrame:
    return data.assign(**{item: pd.cut(data[item], CUTS, labels=False) + 1 for item in ITEMS})


def _empty_category(data: pd.DataFrame) -> pd.DataFrame:
    ordered = _three_answers(data)
    return ordered.assign(a=ordered["a"].where(~_new_arm(data) | (ordered["a"] < 3), 2))


def _never_both(data: pd.DataFrame) -> pd.DataFrame:
    first = data.index < 60
    return data.assign(a=data["a"].where(first), b=data["b"].where(~first))


ORDERED = {"ordered": ITEMS}
GROUPS = {"group": "arm"}
FIML = {"missing": "fiml"}
CASES = {
    "unknown variable": Bad(
        ("'jobsat_1' is not a column; did you mean 'job_sat_1'?", "'nosuch' is not a column"),
        model="q =~ jobsat_1 + b + nosuch", change=lambda d: d.rename(columns={"a": "job_sat_1"}),
    ),
    "zero variance": Bad(("same answer on b",), change=lambda d: d.assign(b=3.0)),
    "zero variance, gaps": Bad(("same answer on b",), change=lambda d: d.assign(b=3.0), options=FIML),
    "duplicated indicator": Bad(("a and b", "Keep one"), change=lambda d: d.assign(b=d["a"])),
    "perfectly correlated": Bad(("a and b", "Perfectly"), change=lambda d: d.assign(b=5 - 2 * d["a"])),
    "perfectly correlated, gaps": Bad(
        ("a and b", "Perfectly"), change=lambda d: d.assign(b=5 - 2 * d["a"]), options=FIML
    ),
    "duplicated ordered item": Bad(
        ("'b' and 'a' determine each other",), options=ORDERED,
        change=lambda d: (o := _three_answers(d)).assign(b=o["a"]),
    ),
    "fewer persons than variables": Bad(("4 complete persons for 4 variables",), change=lambda d: d.head(4)),
    "fewer persons than parameters": Bad(("6 persons for 8 free parameters",), change=lambda d: d.head(6)),
    "empty category in one group": Bad(
        ("group 'new'", "nobody used 'a': category 3 of 3", "Join it"), change=_empty_category,
        options=ORDERED | GROUPS,
    ),
    "constant within a group": Bad(
        ("group 'new'", "same answer on b"), options=GROUPS,
        change=lambda d: d.assign(b=np.where(_new_arm(d), 2.0, d["b"])),
    ),
    "one indicator, free residual": Bad(
        ("Not identified", "p ~~ p", "a ~~ a"), model="p =~ a\na ~~ a\nq =~ b + c + d\np ~~ q"
    ),
    "circle of definitions": Bad(
        ("'x' uses 'y'", "defined on line 3", "circle"), 2, LABELLED + "x := y + 1\ny := x*u"
    ),
    "contradictory equalities": Bad(("'u == 2' contradicts 'u == 1'",), 2, LABELLED + "u == 1\nu == 2"),
    "equalities in a circle": Bad(
        ("'v == u + 1' contradicts 'u == v + 1'",), 2, LABELLED + "u == v + 1\nv == u + 1"
    ),
    "two labels of one covariance": Bad(
        ("'a ~~ b' is given two labels, 'r' and 's'",), 2, MODEL + "\na ~~ r*b\nb ~~ s*a"
    ),
    "contradictory inequalities": Bad(
        ("no values meet 'u > 2' and 'u < 1'",), 2, LABELLED + "u > 2\nv > 0\nu < 1"
    ),
    "inequality against equality": Bad(
        ("no values meet 'u > 2' beside 'u == 1'",), 2, LABELLED + "u > 2\nu == 1"
    ),
    "curved and impossible": Bad(("No estimate meets all constraints",), 1, LABELLED + "u^2 == -1"),
    "text columns": Bad(
        ("column 'a' holds", "column 'b' holds", "recode"), change=lambda d: d.assign(a="secret", b="no")
    ),
    "nobody answered an item": Bad(
        ("0 complete persons", "120 of 120 rows", "a (120)"), change=lambda d: d.assign(a=np.nan)
    ),
    "nobody answered an item, gaps": Bad(
        ("Nobody answered a",), change=lambda d: d.assign(a=np.nan), options=FIML
    ),
    "two items never answered together": Bad(
        ("0 complete persons", "a (60), b (60)"), change=_never_both
    ),
}  # fmt: skip


@pytest.fixture
def good():
    """120 persons in two arms, one factor with four items, seeded."""
    rng = np.random.default_rng(7)
    factor = rng.normal(size=(120, 1))
    items = pd.DataFrame(0.8 * factor + 0.6 * rng.normal(size=(120, 4)), columns=ITEMS)
    return items.assign(arm=np.where(np.arange(120) < 60, "old", "new"))


@pytest.mark.parametrize("name", CASES)
def test_by_the_library(good, name):
    case = CASES[name]
    data = case.change(good)
    before = data.copy()
    try:
        result = sem.fit(case.model, data, **case.options)
    except ImplstatsError as error:
        message, code = str(error), error.exit_code
    else:
        message, code = result.reason, 1
        assert result.verdict == "failed"
        assert all(p.estimate is None for p in result.parameters), "a failed fit yields no estimate"
        assert not any(result.fit.values()), "and no index"
    assert all(words in message for words in case.words), message
    assert code == case.code
    assert "secret" not in message, "no person's answer in a message"
    pd.testing.assert_frame_equal(data, before)


@pytest.mark.parametrize("name", CASES)
def test_by_the_command_line(good, name, tmp_path, monkeypatch, capsys):
    case = CASES[name]
    case.change(good).to_csv(tmp_path / "data.csv", index=False)
    out = tmp_path / "out.json"
    asked = [part for key, value in case.options.items()
             for part in (f"--{key}", ",".join(value) if isinstance(value, list) else value)]  # fmt: skip
    command = ["implstats", "sem", case.model, str(tmp_path / "data.csv"), *asked, "--out", str(out)]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as ended:
        main()
    shown = capsys.readouterr()
    assert ended.value.code == case.code
    assert all(words in shown.err for words in case.words), shown.err
    assert shown.out == ""
    assert "Traceback" not in shown.err
    assert "secret" not in shown.err
    assert [path.name for path in tmp_path.iterdir()] == ["data.csv"], "nothing is written"


def _question(case: Bad) -> dict[str, Any]:
    """Return the case as a question; groups are asked for by the ladder of invariance."""
    if "group" in case.options:
        return {"type": "invariance", "scales": ["q"], "over": "arm", "ordered": "ordered" in case.options,
                "missing": "listwise"}  # fmt: skip
    return {"type": "path", "model": case.model, **case.options}


@pytest.mark.parametrize("name", CASES)
def test_by_a_study_file(good, name):
    case = CASES[name]
    data = case.change(good).assign(person=lambda d: np.arange(len(d)))
    study = Study.model_validate(
        {
            "study": {"name": "s", "title": "S"},
            "tables": {
                "staff": {
                    "person": "id",
                    "variables": {"arm": {"type": "category"}},
                    "sources": [{"file": "a.csv"}],
                }
            },
            "scales": {"q": {"items": ITEMS, "minimum": -9, "maximum": 9}},
            "questions": [{"name": "asked", **_question(case)}],
        }
    )
    scored = Scored(study=study, keys=resolve_scales(study, {}), tables={"staff": data})
    answer = answer_question(study.questions[0], scored)
    assert answer.rows
    assert all(row.estimate is None and row.verdict == "failed" for row in answer.rows), "no number"
    reasons = " ".join(row.reason for row in answer.rows)
    assert all(words in reasons for words in case.words), reasons
    assert "secret" not in reasons
    assert any(named.check.status == "fail" for named in answer.checks)


def test_rows_without_any_answer_are_dropped_and_counted(good):
    more = good.reindex(range(127))
    for options, name in ((FIML, "full_information"), ({}, "listwise")):
        result = sem.fit(MODEL, more, **options)
        assert (result.n_obs, result.n_dropped) == (120, 7)
        message = next(c.message for c in result.checks if c.name == name)
        assert "7" in message
        assert "without any answer" in message


INDEFINITE = pd.DataFrame([[1, 0.9, 0.1], [0.9, 1, 0.9], [0.1, 0.9, 1]], list("abc"), list("abc"))


def test_an_indefinite_matrix_is_refused_by_the_library_and_the_command_line(tmp_path, monkeypatch, capsys):
    with pytest.raises(ImplstatsError, match=r"not positive definite.*a, b, c") as caught:
        sem.fit("q =~ a + b + c", cov=INDEFINITE, n=200)
    assert caught.value.exit_code == 1
    INDEFINITE.to_csv(tmp_path / "cov.csv")
    command = ["implstats", "sem", "q =~ a + b + c", "--cov", str(tmp_path / "cov.csv"), "--n", "200",
               "--out", str(tmp_path / "out.json")]  # fmt: skip
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as ended:
        main()
    shown = capsys.readouterr()
    assert ended.value.code == 1
    assert "not positive definite" in shown.err
    assert "a, b, c" in shown.err
    assert not (tmp_path / "out.json").exists()


def test_as_many_persons_as_parameters_are_needed(good):
    def said(n, model=MODEL, **options):
        checks = sem.fit(model, good.head(n), **options).checks
        return next(c.status for c in checks if c.name == "small_sample")

    assert (said(8), said(7)) == ("warn", "fail")
    assert (said(12, meanstructure=True), said(11, meanstructure=True)) == ("warn", "fail")
    # Equality constraints take parameters away.
    assert said(6, "q =~ a + u*b + u*c + u*d") == "warn"
