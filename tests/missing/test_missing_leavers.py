"""Leavers against stayers: Hedges' g, its interval and Welch's t are those of base R."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from implstats.errors import DataError, UsageError
from implstats.missing import compare_leavers
from implstats.missing.leavers import hedges_g, welch_t

ROOT = Path(__file__).parents[2]
REFERENCE = json.loads((ROOT / "tests" / "reference" / "missing" / "missing.json").read_text())
# R's uniroot was asked for 1e-12 and pt is exact to about 1e-10 for these noncentralities.
NONCENTRAL_T = 1e-7
CLOSED_FORM = 1e-11


@pytest.fixture
def univbct():
    data = pd.read_csv(ROOT / "data" / "raw" / "readiness-waves" / "univbct.csv")
    return data.rename(columns={"SUBNUM": "person", "TIME": "wave"})


@pytest.fixture
def panel():
    """Six persons: three stay, two leave after wave 1, one skips wave 2."""
    waves = {1: (1, 2, 3), 2: (1, 2, 3), 3: (1, 2, 3), 4: (1,), 5: (1,), 6: (1, 3)}
    rows = [(p, w) for p, seen in waves.items() for w in seen]
    frame = pd.DataFrame(rows, columns=["person", "wave"])
    return frame.assign(x=frame["person"].astype(float), word="w")


@pytest.mark.parametrize("variable", ["JSAT", "AGE"])
def test_univbct_is_base_rs(univbct, variable):
    wanted = REFERENCE[variable]
    (ours,) = compare_leavers(univbct, [variable], 0, seen_by=["JSAT"])
    assert (ours.n_leavers, ours.n_stayers) == (wanted["n_leavers"], wanted["n_stayers"])
    assert ours.estimate == pytest.approx(wanted["g"], abs=CLOSED_FORM)
    assert ours.conf_low == pytest.approx(wanted["low"], abs=NONCENTRAL_T)
    assert ours.conf_high == pytest.approx(wanted["high"], abs=NONCENTRAL_T)
    assert ours.statistic == pytest.approx(wanted["t"], abs=CLOSED_FORM)
    assert ours.df == pytest.approx(wanted["df"], rel=CLOSED_FORM)
    assert ours.p_value == pytest.approx(wanted["p"], rel=1e-9)


def test_who_is_a_leaver_is_the_callers_choice(panel):
    found = {how: compare_leavers(panel, ["x"], 1, stayed=how)[0] for how in ("last", "all", "any")}
    sizes = {how: (record.n_leavers, record.n_stayers) for how, record in found.items()}
    assert sizes == {"last": (2, 4), "all": (3, 3), "any": (2, 4)}
    late = compare_leavers(panel, ["x"], 2)[0]
    assert (late.n_leavers, late.n_stayers) == (0, 3)
    assert late.estimate is None
    assert "each needs at least 2" in late.reason


def test_the_sign_is_leavers_minus_stayers(panel):
    found = compare_leavers(panel, ["x"], 1)[0]
    assert found.mean_leavers == 4.5
    assert found.mean_stayers == 3.0
    assert found.estimate > 0
    assert found.conf_low < found.estimate < found.conf_high


def test_a_constant_variable_has_a_reason(panel):
    found = compare_leavers(panel.assign(x=1.0), ["x"], 1)[0]
    assert found.estimate is None
    assert "constant" in found.reason


def test_a_person_with_two_rows_at_the_first_wave_is_refused(panel):
    with pytest.raises(DataError, match="1 person\\(s\\) have several rows at wave '1'"):
        compare_leavers(pd.concat([panel, panel.iloc[[0]]]), ["x"], 1)


@pytest.mark.parametrize(
    ("call", "error", "wanted"),
    [
        ({"variables": ["y"], "first_wave": 1}, UsageError, "no column 'y'"),
        ({"variables": ["word"], "first_wave": 1}, DataError, "word"),
        ({"variables": ["x"], "first_wave": 9}, UsageError, "waves are 1, 2, 3"),
        ({"variables": ["x"], "first_wave": 3}, DataError, "is the last one"),
        ({"variables": ["x"], "first_wave": 1, "stayed": "most"}, UsageError, "'last', 'all' or 'any'"),
    ],
)
def test_bad_requests(panel, call, error, wanted):
    with pytest.raises(error, match=wanted):
        compare_leavers(panel, call.pop("variables"), call.pop("first_wave"), **call)


samples = st.lists(st.integers(0, 20), min_size=3, max_size=25).map(lambda v: np.array([*v, 3.0, 9.0]))


@settings(max_examples=60, deadline=None)
@given(samples, samples, st.floats(-5, 5), st.floats(0.1, 10))
def test_swapping_groups_turns_the_sign_and_linear_coding_does_nothing(one, two, shift, factor):
    g, low, high = hedges_g(one, two, conf_level=0.95)
    assert low < g < high
    # The noncentral t is inverted numerically; beyond 1e-6 its own error shows.
    assert hedges_g(two, one, conf_level=0.95) == pytest.approx((-g, -high, -low), abs=1e-5)
    assert hedges_g(one * factor + shift, two * factor + shift, conf_level=0.95) == pytest.approx(
        (g, low, high), abs=1e-5
    )
    t, df, p_value = welch_t(one, two)
    assert welch_t(two, one) == pytest.approx((-t, df, p_value))
    assert min(len(one), len(two)) - 1 <= df + 1e-9
    assert df <= len(one) + len(two) - 2 + 1e-9
