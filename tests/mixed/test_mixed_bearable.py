"""Models that the clusters cannot bear are refused, with the alternative in the sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from implstats import mixed
from implstats.errors import ProblemsError, UsageError

Design = Callable[..., pd.DataFrame]


@pytest.fixture
def frame(design: Design) -> pd.DataFrame:
    """Return eight institutions with predictors that vary between them only."""
    made = design(1, institutions=8, sd_institution=0.4)
    between = np.random.default_rng(2).normal(size=(8, 7))[made["inst"]]
    return made.assign(**{f"b{k}": between[:, k] for k in range(7)}, flat=made["inst"] ** 2.0)


def test_fewer_than_five_clusters_are_refused_unless_asked_for(design: Design) -> None:
    frame = design(3, institutions=4, sd_institution=0.6)
    with pytest.raises(ProblemsError, match=r"4 clusters.*factor\(inst\).*few_clusters='fit'"):
        mixed.fit("y ~ x + (1 | inst)", frame)
    result = mixed.fit("y ~ x + (1 | inst)", frame, few_clusters="fit")
    assert next(c.status for c in result.checks if c.name == "few_clusters") == "warn"
    assert result.verdict == "caution"
    instead = mixed.fit("y ~ x + factor(inst) + (1 | person)", frame)
    assert instead.verdict == "ok"
    with pytest.raises(UsageError, match="did you mean 'fit'"):
        mixed.fit("y ~ x + (1 | inst)", frame, few_clusters="fitt")


def test_the_option_reaches_the_command_line(design: Design, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from implstats.cli.mixed import mixed as command

    path = tmp_path / "survey.csv"
    design(3, institutions=4, sd_institution=0.6)[["y", "x", "inst"]].to_csv(path, index=False)
    call = ["y ~ x + (1 | inst)", str(path)]
    with pytest.raises(ProblemsError):
        CliRunner().invoke(command, call, catch_exceptions=False)
    shown = CliRunner().invoke(command, [*call, "--few-clusters", "fit"], catch_exceptions=False)
    assert shown.exit_code == 0
    assert "Fixed effects" in shown.output


@pytest.mark.parametrize(("many", "df"), [(4, 3), (5, 2), (6, 1), (7, 0)])
def test_predictors_between_clusters_are_counted(frame: pd.DataFrame, many: int, df: int) -> None:
    formula = "y ~ x + " + " + ".join(f"b{k}" for k in range(many)) + " + (1 | inst) + (1 | person)"
    if df == 0:
        with pytest.raises(
            ProblemsError, match=r"7 predictor\(s\) vary between the 8 clusters of 'inst' only"
        ):
            mixed.fit(formula, frame)
        return
    checks = {c.name: c for c in mixed.fit(formula, frame, df="none").checks}
    assert ("cluster_predictors" in checks) == (df < 3)
    if df < 3:
        assert f"inst has 8 clusters and {df} df" in checks["cluster_predictors"].message


def test_collinear_predictors_are_counted_once(frame: pd.DataFrame) -> None:
    copies = frame.assign(**{f"c{k}": frame["b0"] * (k + 2) for k in range(8)})
    formula = "y ~ x + b0 + " + " + ".join(f"c{k}" for k in range(8)) + " + (1 | inst)"
    result = mixed.fit(formula, copies)
    assert result.terms == ("(Intercept)", "x", "b0")
    assert all(c.name != "cluster_predictors" for c in result.checks)


def test_categories_of_the_cluster_itself_leave_nothing(frame: pd.DataFrame) -> None:
    with pytest.raises(ProblemsError, match="describe these perfectly"):
        mixed.fit("y ~ factor(inst) + x + (1 | inst)", frame)
    mixed.fit("y ~ factor(inst) + x + (1 | person)", frame)


@pytest.mark.parametrize("term", ["(b0 | inst)", "(b0 || inst)", "(1 | inst) + (0 + b0 | inst)"])
def test_a_slope_that_no_cluster_shows_is_refused(frame: pd.DataFrame, term: str) -> None:
    with pytest.raises(ProblemsError, match=r"'b0' has one value within each 'inst'.*\(1 \| inst\)"):
        mixed.fit(f"y ~ x + b0 + {term}", frame)


def test_a_variance_in_one_arm_only_is_fitted_and_said(frame: pd.DataFrame) -> None:
    result = mixed.fit("y ~ x + arm + (0 + arm | inst) + (1 | person)", frame)
    assert "'arm' in 'inst'" in next(c.message for c in result.checks if c.name == "slope_within")


def test_a_slope_that_some_clusters_show_is_fitted(frame: pd.DataFrame) -> None:
    some = frame.assign(z=np.where(frame["inst"] < 4, frame["x"], 1.0))
    assert mixed.fit("y ~ z + (z | inst)", some, df="none").verdict != "failed"


def test_an_outcome_that_does_not_vary_within_clusters_is_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(ProblemsError, match=r"one value within each 'inst'.*one row for each of the 8"):
        mixed.fit("flat ~ x + (1 | inst) + (1 | person)", frame)
    with pytest.raises(ProblemsError, match="one value within each 'person'"):
        mixed.fit("x ~ wave + (1 | inst) + (1 | person)", frame)


def test_all_reasons_are_listed_together(design: Design) -> None:
    frame = design(3, institutions=4, sd_institution=0.6)
    with pytest.raises(ProblemsError, match="2 problems"):
        mixed.fit("y ~ x + (arm | inst)", frame)
    with pytest.raises(ProblemsError, match="1 problem"):
        mixed.fit("y ~ x + (arm | inst)", frame, few_clusters="fit")
