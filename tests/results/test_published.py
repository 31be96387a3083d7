"""A published number agrees when ours rounds to it, and says why when it does not."""

from __future__ import annotations

import pytest

from implstats.results import Row, rows_to_frame
from implstats.results.published import PublishedNumber, agrees, compare_published, half_unit

ROWS = rows_to_frame(
    [
        Row(
            study="s",
            analysis="null",
            block="random",
            term="(Intercept)",
            level="person",
            quantity="variance",
            estimate=0.43377289,
        ),
        Row(
            study="s",
            analysis="null",
            block="random",
            level="residual",
            quantity="variance",
            estimate=None,
            reason="failed to converge",
        ),
        Row(
            study="s",
            analysis="null",
            block="fixed",
            term="x",
            quantity="coefficient",
            estimate=1.0,
            std_error=0.25,
        ),
        Row(study="s", analysis="null", block="fixed", term="y", quantity="coefficient", estimate=1.0),
        Row(study="s", analysis="null", block="fixed", term="y", quantity="coefficient", estimate=2.0),
    ]
)


def _one(**address: str):
    item = PublishedNumber(**{"analysis": "null", "citation": "c", **address})
    return compare_published(ROWS, [item])[0]


@pytest.mark.parametrize(
    ("ours", "printed", "same"),
    [
        (0.04337922, "0.04337922", True),
        (0.043379224, "0.04337922", True),
        (0.043379226, "0.04337922", False),
        (0.5, ".50", True),
        (0.5051, ".50", False),
        (-0.1632064, "-0.1632064", True),
        (12.4, "12", True),
        (12.6, "12", False),
    ],
)
def test_half_a_unit_of_the_last_printed_digit_decides(ours: float, printed: str, same: bool) -> None:
    assert agrees(ours, printed) is same


def test_precision_is_read_from_the_printed_decimals() -> None:
    assert half_unit("0.100") == pytest.approx(0.0005)
    assert half_unit("7") == pytest.approx(0.5)


def test_the_right_row_and_field_are_compared() -> None:
    found = _one(block="random", term="(Intercept)", level="person", quantity="variance", value="0.4337729")
    assert found.agrees
    assert _one(block="fixed", term="x", quantity="coefficient", field="std_error", value="0.25").agrees


def test_a_tolerance_counts_and_is_told() -> None:
    address = {"block": "random", "term": "(Intercept)", "level": "person", "quantity": "variance"}
    told = {"tolerance": 2e-6, "tolerance_reason": "optimiser"}
    found = _one(value="0.4337719", **address, **told)
    assert found.agrees
    assert found.reason == "differs by 9.9e-07; allowed is 2e-06: optimiser"
    assert not _one(value="0.4337759", **address, **told).agrees


def test_an_altered_number_differs_and_says_by_how_much() -> None:
    found = _one(block="random", term="(Intercept)", level="person", quantity="variance", value="0.4337739")
    assert not found.agrees
    assert "differs by 1.01e-06" in found.reason


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ({"block": "radnom", "quantity": "variance"}, "did you mean 'random'"),
        ({"block": "random", "level": "residual", "quantity": "variance"}, "failed to converge"),
        ({"block": "fixed", "term": "y", "quantity": "coefficient"}, "2 rows have this address"),
    ],
)
def test_a_number_that_cannot_be_compared_never_agrees(address: dict[str, str], words: str) -> None:
    found = _one(value="1", **address)
    assert not found.agrees
    assert words in found.reason
