"""Bad input is refused in one clear sentence, and no formula runs code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from implstats import mixed
from implstats.errors import (
    DataError,
    ImplstatsError,
    ModelError,
    NotSupportedError,
    ProblemsError,
    UsageError,
)

Design = Callable[..., pd.DataFrame]


@pytest.fixture
def frame(design: Design) -> pd.DataFrame:
    made = design(1, institutions=8, sd_institution=0.4)
    return made.assign(
        text=np.where(np.arange(len(made)) % 2, "no", "yes"), flat=1.0, one=1,
        infinite=np.where(np.arange(len(made)) == 3, np.inf, made["x"]),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("formula", "error", "words"),
    [
        ("y ~ wav + (1 | inst)", ProblemsError, "did you mean 'wave'"),
        ("y ~ q1 + q2 + (1 | instt)", ProblemsError, "3 problems"),
        ("y ~ infinite + (1 | inst)", ProblemsError, "infinite in 1 row"),
        ("y ~ flat + (1 | inst)", ProblemsError, "same value"),
        ("flat ~ x + (1 | inst)", ProblemsError, "does not vary"),
        ("text ~ x + (1 | inst)", ProblemsError, "needs numbers"),
        ("y ~ I(text * 2) + (1 | inst)", DataError, "text or categories"),
        ("y ~ x + (1 | one)", ModelError, "at least 2"),
        ("y ~ x + (wave | inst) + (1 | inst)", UsageError, "two random terms"),
        ("y ~ x", UsageError, "no random term"),
        ("y ~ x + (1 | inst", UsageError, "not closed"),
        ("y x + (1 | inst)", UsageError, "needs a response"),
        ("y ~ x + ( | inst)", UsageError, "needs effects"),
        ("y ~ log(wave) + (1 | inst)", DataError, "log of zero"),
        ("y ~ __import__('os').getcwd() + (1 | inst)", UsageError, "cannot be read"),
        ("y ~ I(open('x')) + (1 | inst)", ImplstatsError, "not a function"),
        ("y ~ eval(x) + (1 | inst)", NotSupportedError, "not a function"),
        ("y ~ I(x.__class__) + (1 | inst)", ProblemsError, "not a column"),
        ("y ~ I([k for k in x]) + (1 | inst)", ImplstatsError, "formula|names"),
    ],
)
def test_refused_with_a_reason(frame: pd.DataFrame, formula: str, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        mixed.fit(formula, frame)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"family": "binomial", "robust": "CR2"}, NotSupportedError),
        ({"family": "normal"}, UsageError),
        ({"link": "log"}, NotSupportedError),
        ({"agq": 7}, NotSupportedError),
        ({"residual": "ar1(wave | person)", "weights": "x"}, NotSupportedError),
        ({"residual": "ar1(wave | person)", "robust": "CR2"}, NotSupportedError),
        ({"residual": "ar2(wave | person)"}, UsageError),
        ({"df": "z"}, UsageError),
        ({"df": "kenward-roger", "reml": False}, UsageError),
        ({"ci_level": 95}, UsageError),
        ({"weights": "nothing"}, ProblemsError),
    ],
)
def test_options_refused(frame: pd.DataFrame, options: dict, error: type) -> None:
    with pytest.raises(error):
        mixed.fit("y ~ x + (1 | inst)", frame, **options)


def test_empty_frame_and_too_many_predictors(frame: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="no rows"):
        mixed.fit("y ~ x + (1 | inst)", frame.iloc[:0])
    with pytest.raises(DataError, match="No row"):
        mixed.fit("y ~ x + (1 | inst)", frame.assign(x=np.nan))
    values = np.random.default_rng(1).normal(size=6)
    small = frame.iloc[:6].assign(x=values, inst=np.arange(6) % 2)
    with pytest.raises(ModelError, match="coefficients for 6 rows"):
        mixed.fit("y ~ poly(x, 5) + (1 | inst)", small, few_clusters="fit")


def test_missing_rows_are_counted_and_the_frame_is_left_alone(frame: pd.DataFrame) -> None:
    holed = frame.copy()
    holed.loc[[0, 4], "x"] = np.nan
    holed.loc[[4, 9, 11], "y"] = np.nan
    holed["inst"] = holed["inst"].astype(float)
    holed.loc[20, "inst"] = np.nan
    before = holed.copy()
    result = mixed.fit("y ~ x + (1 | inst)", holed)
    pd.testing.assert_frame_equal(holed, before)
    assert result.n_dropped == 5
    assert result.missing == {"y": 3, "x": 2, "inst": 1}
    assert result.n_obs == len(frame) - 5
    assert "y 3, x 2, inst 1" in next(c.message for c in result.checks if c.name == "missing_rows")


def test_collinear_terms_are_dropped_by_name(frame: pd.DataFrame) -> None:
    twice = frame.assign(x2=2 * frame["x"] - 1)
    result = mixed.fit("y ~ x + x2 + wave + (1 | inst)", twice)
    plain = mixed.fit("y ~ x + wave + (1 | inst)", frame)
    assert result.terms == ("(Intercept)", "x", "wave")
    assert result.criterion == pytest.approx(plain.criterion, abs=1e-8)
    assert "x2" in next(c.message for c in result.checks if c.name == "collinear")


def test_names_are_those_of_r(frame: pd.DataFrame) -> None:
    frame = frame.assign(
        **{"G.x": frame["x"] ** 2, "odd name": frame["x"] ** 3},
        arm=pd.Categorical(frame["text"], categories=["yes", "no"]),
    )
    result = mixed.fit("y ~ wave * arm + G.x + `odd name` + I(wave**2) + (1 | inst/person)", frame)
    assert result.terms == ("(Intercept)", "wave", "armno", "G.x", "odd name", "I(wave**2)", "wave:armno")
    assert result.n_clusters.keys() == {"person:inst", "inst"}
    within = mixed.fit("y ~ within(x, inst) + between(x, inst) + text + (1 | inst)", frame)
    assert within.terms == ("(Intercept)", "within(x, inst)", "between(x, inst)", "textyes")


def test_nested_notations_agree(frame: pd.DataFrame) -> None:
    local = frame.assign(local=frame.groupby("inst")["person"].transform(lambda p: p - p.min()))
    one = mixed.fit("y ~ x + (1 | inst) + (1 | person)", frame)
    two = mixed.fit("y ~ x + (1 | inst/local)", local)
    three = mixed.fit("y ~ x + (1 | inst) + (1 | inst:local)", local)
    assert two.criterion == pytest.approx(one.criterion, abs=1e-9)
    assert three.criterion == pytest.approx(one.criterion, abs=1e-9)
    crossed = mixed.fit("y ~ x + (1 | inst) + (1 | local)", local)
    assert "inst/local" in next(c.message for c in crossed.checks if c.name == "crossed")


def test_few_clusters_and_second_opinion(design: Design) -> None:
    result = mixed.fit(
        "y ~ x + (1 | inst)", design(3, institutions=4, sd_institution=0.6), second_opinion=True,
        few_clusters="fit",
    )  # fmt: skip
    status = {c.name: c.status for c in result.checks}
    assert status["few_clusters"] == "warn"
    assert status["second_opinion"] == "ok"
    assert result.verdict == "caution"


def test_a_covariance_that_no_cluster_informs_is_told(frame: pd.DataFrame) -> None:
    # No institution has both arms, so the covariance of the two arm effects is arbitrary.
    arms = frame.assign(arm=np.where(frame["inst"] % 2, "B", "A"))
    result = mixed.fit("y ~ 0 + arm + (0 + arm | inst)", arms)
    assert result.verdict == "caution"
    assert next(c.status for c in result.checks if c.name == "identified") == "warn"
    plain = mixed.fit("y ~ x + (1 | inst)", frame)
    assert next(c.status for c in plain.checks if c.name == "identified") == "ok"


def test_no_df_no_p(frame: pd.DataFrame) -> None:
    effect = mixed.fit("y ~ x + (1 | inst)", frame, df="none").fixed[1]
    assert (effect.df, effect.p_value, effect.conf_low, effect.df_method) == (None, None, None, "none")


def test_command_line(frame: pd.DataFrame, tmp_path: Path) -> None:
    import json

    from click.testing import CliRunner

    from implstats.cli.mixed import mixed as command
    from implstats.mixed.results import JSON_KEYS

    path = tmp_path / "survey.csv"
    frame[["y", "x", "inst"]].to_csv(path, index=False)
    runner = CliRunner()
    shown = runner.invoke(command, ["y ~ x + (1 | inst)", str(path), "--json"], catch_exceptions=False)
    assert tuple(json.loads(shown.output)) == JSON_KEYS
    text = runner.invoke(command, ["y ~ x + (1 | inst)", str(path)], catch_exceptions=False)
    assert "Fixed effects" in text.output
    with pytest.raises(UsageError) as caught:
        runner.invoke(command, ["y ~ x + (1 | inst", str(path)], catch_exceptions=False)
    assert caught.value.exit_code == 2
    assert runner.invoke(command, ["y ~ x + (1 | inst)", str(path), "--df", "z"]).exit_code == 2


def test_a_large_mean_is_not_taken_for_an_outcome_that_never_varies_within_clusters() -> None:
    rng = np.random.default_rng(4)
    ward = np.repeat(np.arange(8), 12)
    frame = pd.DataFrame({"ward": ward, "y": 1e11 + rng.normal(size=8)[ward] + rng.normal(size=96)})
    assert mixed.fit("y ~ 1 + (1 | ward)", frame).verdict in ("ok", "caution")


def test_a_yes_or_no_outcome_is_sent_to_its_family() -> None:
    frame = pd.DataFrame({"ward": np.repeat(np.arange(8), 4), "y": np.tile([True, False], 16)})
    with pytest.raises(ProblemsError, match="family='binomial'"):
        mixed.fit("y ~ 1 + (1 | ward)", frame)
