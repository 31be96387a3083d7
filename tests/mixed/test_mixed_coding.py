"""How categories become columns, where R's rule and a plausible other one differ."""

import numpy as np
import pandas as pd
import pytest

from implstats import mixed
from implstats.errors import DataError

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


@pytest.mark.parametrize("function", ["within", "between"])
@pytest.mark.parametrize("missing", [None, np.nan])
def test_a_missing_cluster_id_leaves_its_row_out(
    frame: pd.DataFrame, function: str, missing: float | None
) -> None:
    # The cluster's mean of such a row is unknown, not "undefined, such as the log of zero".
    frame["x"] = np.arange(len(frame)) % 7 + np.sqrt(np.arange(len(frame)))
    frame["g"] = frame["g"].map("g{}".format).astype(object)
    frame.loc[[3, 40], "g"] = missing
    formula = f"y ~ {function}(x, g) + (1 | g)"
    fit, known = mixed.fit(formula, frame), mixed.fit(formula, frame.dropna())
    assert (fit.n_obs, fit.n_dropped, fit.missing) == (118, 2, {"g": 2})
    assert [row.estimate for row in fit.fixed] == pytest.approx([row.estimate for row in known.fixed])


def test_durations_and_complex_numbers_are_no_categories(frame: pd.DataFrame) -> None:
    frame["lag"] = pd.to_timedelta(np.arange(len(frame)) % 5, unit="D")
    frame["z"] = np.arange(len(frame)) * 1j
    with pytest.raises(DataError, match="'lag' holds durations"):
        mixed.fit("y ~ lag + (1 | g)", frame)
    with pytest.raises(DataError, match="'z' holds complex numbers"):
        mixed.fit("y ~ z + (1 | g)", frame)
