"""Rows survive the way into a frame and back, and a missing number stays missing."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from implstats.results import COLUMNS, Row, finite_or_none, frame_to_rows, rows_to_frame

NUMBER = st.none() | st.floats(allow_nan=False, allow_infinity=False, width=64)
ROW = st.builds(
    Row,
    study=st.just("s"),
    analysis=st.sampled_from(["a", "b"]),
    block=st.just("fixed"),
    quantity=st.just("coefficient"),
    term=st.text(max_size=5),
    estimate=NUMBER,
    p_value=NUMBER,
    n_obs=st.none() | st.integers(0, 10**9),
    verdict=st.sampled_from(["ok", "caution", "failed"]),
    suppressed=st.booleans(),
)


@given(st.lists(ROW, max_size=8))
def test_rows_come_back_as_they_went(rows: list[Row]) -> None:
    frame = rows_to_frame(rows)
    assert tuple(frame.columns) == COLUMNS
    assert frame_to_rows(frame) == rows


def test_rows_survive_parquet(tmp_path) -> None:
    import pandas as pd

    rows = [Row(study="s", analysis="a", block="fit", quantity="aic", estimate=1 / 3, n_obs=12)]
    rows_to_frame(rows).to_parquet(tmp_path / "rows.parquet")
    assert frame_to_rows(pd.read_parquet(tmp_path / "rows.parquet")) == rows


def test_nothing_that_is_not_a_number_passes_as_one() -> None:
    assert [finite_or_none(v) for v in (None, math.nan, math.inf, -math.inf, 0.0)] == [None] * 4 + [0.0]
