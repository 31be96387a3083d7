"""How categories become columns, where R's rule and a plausible other one differ."""

import numpy as np
import pandas as pd
import pytest

from implstats import mixed

ROUNDING = 1e-8  # the same fit in other coordinates


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    d = pd.DataFrame({"g": np.repeat(np.arange(10), 12)})
    d["phase"], d["f"] = rng.choice(["post", "pre"], 120), rng.choice(["a", "b", "c"], 120)
    d["y"] = rng.normal(size=10)[d["g"]] + rng.normal(size=120) + (d["f"] == "b")
    return d


def test_only_the_first_factor_is_complete_without_an_intercept(frame: pd.DataFrame) -> None:
    # lme4 names phasepost, phasepre, fb, fc; the reference of f stays its first level.
    without = mixed.fit("y ~ 0 + phase + f + (1 | g)", frame)
    whole = mixed.fit("y ~ phase + f + (1 | g)", frame)
    assert [row.term for row in without.fixed] == ["phasepost", "phasepre", "fb", "fc"]
    assert not [check for check in without.checks if "collinear" in check.message or "drop" in check.message]
    estimates = {row.term: row.estimate for row in without.fixed}
    expected = {row.term: row.estimate for row in whole.fixed}
    assert estimates["fb"] == pytest.approx(expected["fb"], abs=ROUNDING)
    assert estimates["fc"] == pytest.approx(expected["fc"], abs=ROUNDING)
    assert estimates["phasepost"] == pytest.approx(expected["(Intercept)"], abs=ROUNDING)


def test_random_part_follows_the_same_rule(frame: pd.DataFrame) -> None:
    fit = mixed.fit("y ~ 1 + (0 + phase + f | g)", frame)
    assert [row.term for row in fit.random if row.term == row.term2] == ["phasepost", "phasepre", "fb", "fc"]
