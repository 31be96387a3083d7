"""The terminal's tables: what is written, what is left out, and that nothing is lost in rounding a column."""

from __future__ import annotations

import pandas as pd
import pytest

from implstats.cli.tables import column_text, frame_text


def test_p_values_are_written_as_papers_write_them() -> None:
    assert column_text("p_value", [0.0004, 0.0312, float("nan")]) == ["< .001", "0.031", "-"]
    assert column_text("share", [0.0004]) == ["0.000400"]


@pytest.mark.parametrize(
    ("cells", "written"),
    [
        ([1.0, 2.0], ["1", "2"]),
        ([12.34567, -0.5], ["12.346", "-0.500"]),
        ([0.00001234, None], ["0.0000123", "-"]),
        ([True, False], ["yes", "no"]),
        ([49**20, 3], ["6.37e+33", "3"]),
        ([float("inf"), 0.5], ["inf", "0.500"]),
        ([0.0, float("nan")], ["0", "-"]),
        ([("x1", "x2")], ["x1, x2"]),
    ],
)
def test_a_column_keeps_one_number_of_decimals(cells: list[object], written: list[str]) -> None:
    assert column_text("value", cells) == written


def test_empty_columns_and_a_lone_group_are_left_out() -> None:
    frame = pd.DataFrame({
        "lhs": ["f", "x"], "op": ["=~", "~1"], "rhs": ["x", ""], "group": [1, 1], "group_label": ["", ""],
        "value": [0.5, 1.25], "reason": [None, None],
    })  # fmt: skip
    assert frame_text(frame).splitlines() == ["  term    value", "  f =~ x  0.500", "  x ~ 1   1.250"]


def test_groups_stay_where_there_are_several() -> None:
    frame = pd.DataFrame({"group": [1, 2], "group_label": ["a", "b"], "value": [0.5, 0.25]})
    assert frame_text(frame).splitlines()[0].split() == ["group", "group_label", "value"]


def test_a_long_record_stands_upright_and_nothing_says_so() -> None:
    record = pd.DataFrame([{f"field{i}": i for i in range(9)}])
    assert len(frame_text(record).splitlines()) == 9
    assert frame_text(pd.DataFrame({"a": [None]})) == "  (nothing)"
