"""The rows that describe a table: small groups are withheld, and what is shown is right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from implstats.questions.correlation_rows import correlation_interval
from implstats.questions.distribution_rows import withheld
from implstats.questions.means import describe_mean


@given(st.lists(st.integers(0, 40), min_size=1, max_size=15), st.integers(2, 6))
def test_no_withheld_cell_can_be_found_by_subtraction(counts: list[int], min_cell: int) -> None:
    counts_array = np.array(counts)
    hidden = withheld(counts_array, min_cell)
    small = (counts_array > 0) & (counts_array < min_cell)
    assert (hidden | ~small).all()  # every small cell is hidden
    others = (counts_array > 0).sum() > 1
    assert hidden.sum() != 1 or not others  # a single hidden cell would be the total minus the rest


def test_an_interval_of_a_mean_is_students() -> None:
    # By hand: n = 4, mean 2.5, sd sqrt(5/3), t(.975, 3) = 3.182446305 (any t table to nine digits).
    found = describe_mean(np.array([1.0, 2.0, 3.0, 4.0, np.nan]))
    half = 3.182446305284263 * np.sqrt(5 / 3) / 2
    assert found.n == 4
    assert found.conf_low == pytest.approx(2.5 - half, rel=1e-9)  # the quantile's digits above
    assert found.conf_high == pytest.approx(2.5 + half, rel=1e-9)


@pytest.mark.parametrize("values", [[], [np.nan], [3.0]])
def test_too_few_values_have_no_interval(values: list[float]) -> None:
    found = describe_mean(np.array(values, dtype=float))
    assert found.std_error is None
    assert found.conf_low is None


def test_fishers_interval_agrees_with_pingouin() -> None:
    import pingouin

    x = np.random.default_rng(3).normal(size=(60, 2))
    theirs = (
        pingouin.corr(x[:, 0], x[:, 1])["CI95"].iloc[0]
        if "CI95" in pingouin.corr(x[:, 0], x[:, 1])
        else pingouin.corr(x[:, 0], x[:, 1])["CI95%"].iloc[0]
    )
    ours = correlation_interval(np.corrcoef(x.T)[0, 1], 60)
    # pingouin prints two or more decimals of the same formula.
    np.testing.assert_allclose(ours, theirs, atol=0.006)
