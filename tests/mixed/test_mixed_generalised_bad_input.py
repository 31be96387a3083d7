"""What a generalised or ordinal model cannot be asked: one clear message each, and the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from implstats import mixed
from implstats.cli.mixed import mixed as command
from implstats.errors import (
    ModelError,
    NotSupportedError,
    ProblemsError,
    UsageError,
)
from implstats.mixed.text import describe_fit


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(21)
    inst = np.repeat(np.arange(12), 15)
    x = rng.normal(size=180)
    eta = 0.5 * x + 0.8 * rng.normal(size=12)[inst] + rng.logistic(size=180)
    made = pd.DataFrame({"inst": inst, "person": np.arange(180) // 3, "x": x, "y": (eta > 0).astype(int)})
    made["grade"] = np.digitize(eta, [-1.0, 0.0, 1.5])
    made["count"] = rng.poisson(2.0, size=180)
    made["other"] = np.arange(180) % 7
    return made


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"family": "binomial", "reml": True}, UsageError, "REML is for Gaussian models"),
        ({"family": "binomial", "df": "satterthwaite"}, UsageError, "Wald z tests"),
        ({"family": "binomial", "link": "cloglog"}, NotSupportedError, "one of logit, probit"),
        ({"family": "poisson", "link": "logit"}, NotSupportedError, "one of log"),
        ({"family": "binomial", "robust": "CR2"}, NotSupportedError, "generalised estimating"),
        ({"family": "binomial", "residual": "ar1(wave | person)"}, NotSupportedError, "random slope"),
        ({"family": "poisson", "weights": "x"}, NotSupportedError, "Repeat the rows"),
        ({"family": "binomial", "agq": 0}, UsageError, "from 1 to"),
        ({"family": "binomal"}, UsageError, "did you mean 'binomial'"),
    ],
)
def test_options(frame: pd.DataFrame, options: dict[str, Any], error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        mixed.fit("y ~ x + (1 | inst)", frame, **options)


REFUSED = [
    ("grade ~ x", {"family": "binomial"}, ProblemsError, "below 0 or above 1 in"),
    ("x ~ y", {"family": "poisson"}, ProblemsError, "is not a whole number in 180 row"),
    ("x ~ y", {"family": "poisson"}, ProblemsError, "is negative in"),
    ("share ~ x", {"family": "binomial"}, ProblemsError, "name the column with the number of trials"),
    ("share ~ x", {"family": "binomial", "weights": "count1"}, ProblemsError, "number of successes"),
    ("word ~ x", {"family": "ordinal"}, ProblemsError, "whose order is unknown"),
    ("word ~ x", {"family": "binomial"}, ProblemsError, "has 3 categories; a binomial outcome"),
    ("word ~ x", {"family": "poisson"}, ProblemsError, "holds text or categories"),
    ("x ~ y", {"family": "ordinal"}, ProblemsError, "at most 30"),
    ("cbind(y, x) ~ 1", {"family": "binomial"}, ProblemsError, "'x' is negative"),
    ("cbind(y) ~ x", {"family": "binomial"}, UsageError, "two parts"),
    ("cbind(y, count) ~ x", {"family": "poisson"}, UsageError, "is a binomial outcome"),
    ("cbind(y, coutn) ~ x", {"family": "binomial"}, ProblemsError, "did you mean 'count'"),
    ("y ~ xx", {"family": "binomial"}, ProblemsError, "'xx' is not a column"),
    (
        "y ~ x",
        {"family": "binomial", "offset": "nothing"},
        ProblemsError,
        "'nothing' is not|'nothing' of the",
    ),
    ("count ~ x", {"family": "poisson", "offset": "word"}, ProblemsError, "holds text"),
    ("count ~ x", {"family": "poisson", "offset": "gap"}, ProblemsError, "infinite in 1 row"),
    ("zero ~ x", {"family": "binomial"}, ProblemsError, "does not vary"),
    ("grade ~ 0 + x", {"family": "ordinal"}, UsageError, "thresholds for an intercept"),
    ("y ~ x + (0 + x | inst)", {"family": "binomial", "agq": 9}, NotSupportedError, "one random effect"),
    ("y ~ x + (1 | person)", {"family": "binomial", "agq": 9}, NotSupportedError, "one random effect"),
    ("y ~ x + (1 | other)", {"family": "binomial"}, NotSupportedError, "nested"),
    ("y ~ x + (1 | row)", {"family": "binomial"}, ModelError, "as many as the 180 rows"),
]


@pytest.mark.parametrize(("formula", "options", "error", "words"), REFUSED)
def test_data(frame: pd.DataFrame, formula: str, options: dict[str, Any], error: type, words: str) -> None:
    frame["share"] = 0.3 + 0.1 * (frame.index % 3)
    frame["count1"] = frame["count"] + 1
    frame["word"] = np.array(["low", "middle", "high"])[frame.index % 3]
    frame["gap"] = np.where(frame.index == 7, -np.inf, 0.0)
    frame["zero"] = 0
    frame["row"] = frame.index
    with pytest.raises(error, match=words):
        mixed.fit(f"{formula} + (1 | inst)", frame, **options)


def _separated(frame: pd.DataFrame, kind: str) -> tuple[str, str, str]:
    """Return formula, family and the culprit's name; the frame gains what separates its outcome."""
    if kind == "complete":
        frame["sign"] = np.where(frame.y == 1, 1.0, -1.0) * (1.0 + frame.x**2)
        return "y ~ x + sign + (1 | inst)", "binomial", "'sign'"
    if kind == "category":
        frame["arm"] = np.where((frame.y == 1) & (frame.index % 3 == 0), "only yes", "both")
        return "y ~ x + arm + (1 | inst)", "binomial", "'armonly yes'"
    if kind == "combination":
        frame["z"] = np.where(frame.y == 1, 0.3, -0.3) - frame.x
        return "y ~ x + z + (1 | inst)", "binomial", "'x' and 'z' together"
    if kind == "counts":
        frame["closed"] = (frame.index % 4 == 0).astype(int)
        frame.loc[frame.closed == 1, "count"] = 0
        return "count ~ x + closed + (1 | inst)", "poisson", "'closed'"
    frame["top"] = (frame.grade == 3).astype(int) * (frame.index % 2)
    return "grade ~ x + top + (1 | inst)", "ordinal", "'top'"


@pytest.mark.parametrize("kind", ["complete", "category", "combination", "counts", "ordinal"])
def test_separation_is_refused_by_name(frame: pd.DataFrame, kind: str) -> None:
    formula, family, culprit = _separated(frame, kind)
    with pytest.raises(ModelError, match=f"separated by {culprit}"):
        mixed.fit(formula, frame, family=family)


def test_nearly_separated_data_are_fitted(frame: pd.DataFrame) -> None:
    """One row on the other side is enough for a maximum to exist; the large coefficient is reported."""
    frame["arm"] = np.where((frame.y == 1) & (frame.index % 3 == 0), 1, 0)
    frame.loc[frame.index[frame.y == 0][0], "arm"] = 1
    result = mixed.fit("y ~ x + arm + (1 | inst)", frame, family="binomial")
    assert result.verdict != "failed"
    assert (result.fixed[2].estimate or 0.0) > 1.5


def test_an_unused_category_has_no_threshold(frame: pd.DataFrame) -> None:
    frame["grade"] = pd.Categorical(frame.grade.map(dict(enumerate("abde"))), list("abcde"), ordered=True)
    result = mixed.fit("grade ~ x + (1 | inst)", frame, family="ordinal")
    assert [f.term for f in result.fixed] == ["a|b", "b|d", "d|e", "x"]
    check = {c.name: c for c in result.checks}["outcome"]
    assert check.status == "warn"
    assert "No row in use has c" in check.message


def test_missing_values_are_counted_under_their_own_names(frame: pd.DataFrame) -> None:
    frame["fail"] = (1 - frame.y).astype(float)
    frame.loc[[3, 5], "fail"] = np.nan
    frame.loc[8, "x"] = np.nan
    result = mixed.fit("cbind(y, fail) ~ x + (1 | inst)", frame, family="binomial")
    assert result.n_obs == 177
    assert result.missing == {"x": 1, "fail": 2}
    rest = mixed.fit("y ~ x + (1 | inst)", frame.dropna(), family="binomial")
    assert result.log_likelihood == pytest.approx(rest.log_likelihood, abs=1e-9)


def test_the_callers_frame_is_not_changed(frame: pd.DataFrame) -> None:
    before = frame.copy()
    mixed.fit("grade ~ x + (1 | inst)", frame, family="ordinal")
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize(
    ("outcome", "family"), [("y", "binomial"), ("cbind(y, no)", "binomial"), ("y", "ordinal")]
)
def test_clusters_of_one_answer_throughout_are_refused(outcome: str, family: str) -> None:
    """Every cluster answers yes throughout or no throughout: the variance has no bound."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"inst": np.repeat(np.arange(20), 6), "x": rng.normal(size=120)})
    frame["y"], frame["no"] = frame.inst % 2, 1 - frame.inst % 2
    with pytest.raises(ProblemsError, match="one value within each 'inst'"):
        mixed.fit(f"{outcome} ~ x + (1 | inst)", frame, family=family)


@pytest.mark.parametrize("agq", [1, 15])
def test_nearly_one_answer_throughout_is_a_caution(agq: int) -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"inst": np.repeat(np.arange(20), 6), "x": rng.normal(size=120)})
    frame["y"] = np.where(frame.index == 3, 1, frame.inst % 2)
    result = mixed.fit("y ~ x + (1 | inst)", frame, family="binomial", agq=agq)
    checks = {c.name: c.status for c in result.checks}
    assert result.verdict == "failed" or (checks["wide"], checks["integration"]) == ("warn", "warn")


def test_text_and_json_name_the_family(frame: pd.DataFrame) -> None:
    result = mixed.fit("grade ~ x + (1 | inst)", frame, family="ordinal", agq=9, second_opinion=True)
    text = describe_fit(result)
    assert text.startswith("Mixed model, ordinal with logit link, by quadrature with 9 points")
    assert "residual" not in text
    assert "wald-z" in text
    shown = result.to_dict()
    assert (shown["family"], shown["link"], shown["agq"]) == ("ordinal", "logit", 9)
    assert shown["residual_variance"] is None
    assert {c.name: c.status for c in result.checks}["second_opinion"] == "ok"


def test_command_line(frame: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "survey.csv"
    frame.assign(size=2 + frame.index % 3, exposure=0.1).to_csv(path, index=False)
    run = CliRunner().invoke(
        command,
        ["count ~ x + (1 | inst)", str(path), "--family", "poisson", "--offset", "exposure", "--json"],
    )
    assert run.exit_code == 0, run.output
    assert json.loads(run.output)["family"] == "poisson"
    run = CliRunner().invoke(command, ["y ~ x + (1 | inst)", str(path), "--family", "binomial", "--agq", "7"])
    assert run.exit_code == 0, run.output
    assert "quadrature with 7 points" in run.output
    run = CliRunner().invoke(
        command, ["y ~ x + (1 | inst)", str(path), "--family", "binomial", "--link", "probit"]
    )
    assert "binomial with probit link" in run.output
    refused = CliRunner().invoke(
        command, ["y ~ x + (1 | inst)", str(path), "--family", "binomial", "--robust", "CR2"]
    )
    assert isinstance(refused.exception, NotSupportedError)
