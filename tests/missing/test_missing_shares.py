"""Shares of missing values and participation count what a person would count by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from implstats.errors import DataError, UsageError
from implstats.missing import participation, share_missing

UNIVBCT = Path(__file__).parents[2] / "data" / "raw" / "readiness-waves" / "univbct.csv"


def long_table(pattern):
    """Return one row for each 'x' of patterns such as ``{"ann": "xx."}`` over waves 1, 2, 3."""
    rows = [(p, w + 1) for p, marks in pattern.items() for w, mark in enumerate(marks) if mark == "x"]
    return pd.DataFrame(rows, columns=["person", "wave"])


@pytest.fixture
def univbct():
    data = pd.read_csv(UNIVBCT)
    return data.rename(columns={"SUBNUM": "person", "TIME": "wave"})


def test_shares_of_univbct_are_the_documented_counts(univbct):
    """R's summary of the same data: 27, 30 and 32 of 495 soldiers lack a score at the three waves."""
    found = share_missing(univbct, ["JSAT"], by="wave")
    assert found["n_missing"].tolist() == [495 - 468, 495 - 465, 495 - 463]
    assert found["share_missing"].tolist() == pytest.approx([27 / 495, 30 / 495, 32 / 495], abs=1e-15)
    overall = share_missing(univbct, ["JSAT", "AGE"])
    assert list(overall) == ["variable", "n", "n_missing", "share_missing"]
    assert overall["share_missing"].tolist() == univbct[["JSAT", "AGE"]].isna().mean().tolist()


def test_shares_of_an_empty_table_are_missing():
    found = share_missing(pd.DataFrame({"x": []}), ["x"])
    assert found["n"].tolist() == [0]
    assert np.isnan(found["share_missing"][0])


def test_absent_columns_are_all_named():
    with pytest.raises(UsageError) as caught:
        share_missing(pd.DataFrame({"climate": [1]}), ["clmate", "zzz"], by="wave")
    assert "'clmate'; did you mean 'climate'?" in str(caught.value)
    assert "'zzz'" in str(caught.value)
    assert "'wave'" in str(caught.value)


def test_participation_by_hand():
    found = participation(
        long_table({"stays": "xxx", "drops": "x..", "late": ".xx", "skips": "x.x", "last": "..x"})
    )
    assert found["wave"].tolist() == [1, 2, 3]
    assert found["n_persons"].tolist() == [3, 2, 4]
    assert found["n_of_first"].tolist() == [3, 1, 2]
    assert found["share_of_first"].tolist() == pytest.approx([1, 1 / 3, 2 / 3])
    assert found["n_joined"].tolist() == [0, 1, 1]
    assert found["n_dropout"].tolist() == [0, 1, 1]
    assert found["n_intermittent"].tolist() == [0, 1, 0]


def test_a_row_without_an_answer_is_not_seen_when_variables_are_named(univbct):
    everyone = participation(univbct)
    assert everyone["n_persons"].tolist() == [495, 495, 495]
    answered = participation(univbct, variables=["JSAT"])
    assert answered["n_persons"].tolist() == [468, 465, 463]


def test_waves_may_be_given_in_their_order():
    frame = long_table({"a": "xx.", "b": "xxx"})
    frame["wave"] = frame["wave"].map({1: "spring", 2: "autumn", 3: "later"})
    found = participation(frame, waves=["spring", "autumn", "later"])
    assert found["share_of_first"].tolist() == [1.0, 1.0, 0.5]
    with pytest.raises(DataError, match="not among those given: later"):
        participation(frame, waves=["spring", "autumn"])


def test_no_usable_row_is_an_error():
    with pytest.raises(DataError, match="No row has both"):
        participation(pd.DataFrame({"person": [None], "wave": [1]}))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.text("x.", min_size=4, max_size=4), min_size=1, max_size=15), st.randoms())
def test_every_person_is_in_one_state_at_every_wave(patterns, random):
    frame = long_table(dict(enumerate(patterns)))
    if frame.empty:
        return
    ever = frame["person"].nunique()
    found = participation(frame, waves=[1, 2, 3, 4])
    joined = found["n_joined"].cumsum() + found["n_persons"].iloc[0]
    total = found["n_persons"] + found["n_dropout"] + found["n_intermittent"] + (ever - joined)
    assert (total == ever).all()
    assert found["n_dropout"].is_monotonic_increasing
    rows = list(range(len(frame)))
    random.shuffle(rows)
    again = participation(
        frame.iloc[rows].assign(person=lambda d: "p" + d["person"].astype(str)), waves=[1, 2, 3, 4]
    )
    pd.testing.assert_frame_equal(found, again)
