"""Scores follow the key: reverse keying, rules, prorating, fewest answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from implstats.errors import DataError
from implstats.scales import score_answers, score_table
from implstats.scales.scoring import prorated, reverse_items
from implstats.study.keys import ScaleKey

KEY = ScaleKey(
    name="s", label="S", table="t", items=("a", "b", "c", "d"),
    subscales=(("one", ("a", "b")), ("two", ("c", "d"))), reverse=frozenset(), reverse_total=frozenset(),
    minimum=1, maximum=5, score="mean", subscale_score="mean", min_valid=2, min_valid_subscale=None,
    verified=True, citation="", aggregate=(), instrument="",
)  # fmt: skip
NAN = np.nan
answers = arrays(
    np.float64,
    st.tuples(st.integers(1, 20), st.just(4)),
    elements=st.sampled_from([1.0, 2.0, 3.0, 4.0, 5.0, NAN]),
)


def one(values, key=KEY):
    return {name: column[0] for name, column in score_answers(np.array([values], dtype=float), key).items()}


def test_the_stored_scores_of_lq2002_are_reproduced(lq2002):
    """The data set carries its own item means, stored with nine decimals."""
    items = {
        "LEAD": [f"LEAD{j:02d}" for j in range(1, 12)],
        "TSIG": [f"TSIG{j:02d}" for j in range(1, 4)],
        "HOSTILE": [f"HOSTIL{j:02d}" for j in range(1, 6)],
    }
    keys = [
        replace(KEY, name=f"my_{name}", subscales=(), items=tuple(columns), minimum=0)
        for name, columns in items.items()
    ]
    before = lq2002.copy()
    scores = score_table(lq2002, keys)
    for name in items:
        assert np.abs(scores[f"my_{name}"] - lq2002[name]).max() < 5e-10
    pd.testing.assert_frame_equal(lq2002, before)
    assert list(scores) == ["my_LEAD", "my_TSIG", "my_HOSTILE"]
    assert scores.index.equals(lq2002.index)


def test_mean_and_prorated_sum_with_skipped_items():
    assert one([1, 3, NAN, NAN]) == {"s": 2.0, "s.one": 2.0, "s.two": pytest.approx(NAN, nan_ok=True)}
    summed = one([1, 3, NAN, 5], replace(KEY, score="sum", subscale_score="sum"))
    assert summed == {"s": 12.0, "s.one": 4.0, "s.two": 10.0}


def test_fewest_answers():
    assert np.isnan(one([NAN, NAN, NAN, 4])["s"])
    assert one([NAN, NAN, NAN, 4])["s.two"] == 4, "one of two is half, which is enough for the subscale"
    strict = replace(KEY, min_valid=4, min_valid_subscale=2)
    assert np.isnan(one([1, 2, 3, NAN], strict)["s"])
    assert one([1, 2, 3, NAN], strict)["s.one"] == 1.5
    assert np.isnan(one([1, 2, 3, NAN], strict)["s.two"])
    larger = replace(KEY, min_valid_subscale=11)
    assert one([1, 2, 3, 4], larger)["s.one"] == 1.5, "a subscale never needs more answers than it has items"


def test_mean_of_subscales_weighs_subscales_not_items():
    key = replace(
        KEY, score="mean_of_subscales", subscales=(("one", ("a",)), ("two", ("b", "c", "d"))), min_valid=2
    )
    assert one([1, 5, 5, 5], key)["s"] == 3.0
    assert one([1, 5, 5, NAN], key)["s"] == 3.0
    assert np.isnan(one([NAN, 5, 5, 5], key)["s"]), "a total without one of its subscales is another scale"
    assert np.isnan(one([1, 5, 5, NAN], replace(key, min_valid=4))["s"])


def test_reversed_for_the_total_only_keeps_its_direction_in_the_subscale():
    key = replace(KEY, reverse_total=frozenset({"c", "d"}))
    assert one([2, 2, 1, 2], key) == {"s": (2 + 2 + 5 + 4) / 4, "s.one": 2.0, "s.two": 1.5}
    of_subscales = replace(key, score="mean_of_subscales")
    assert one([2, 2, 1, 2], of_subscales) == {"s": (2 + 4.5) / 2, "s.one": 2.0, "s.two": 1.5}
    both = replace(key, reverse=frozenset({"c", "d"}))
    assert one([2, 2, 1, 2], both) == {"s": (2 + 2 + 5 + 4) / 4, "s.one": 2.0, "s.two": 4.5}


@settings(max_examples=60, deadline=None)
@given(answers, st.sets(st.sampled_from(KEY.items)))
def test_reversing_twice_is_identity_and_once_mirrors_the_score(values, reverse):
    turn = {"items": KEY.items, "reverse": frozenset(reverse), "minimum": 1, "maximum": 5}
    np.testing.assert_array_equal(reverse_items(reverse_items(values, **turn), **turn), values)
    key = replace(KEY, reverse=frozenset(KEY.items))
    np.testing.assert_allclose(
        score_answers(values, key)["s"], 6 - score_answers(values, KEY)["s"], atol=1e-12
    )


@settings(max_examples=60, deadline=None)
@given(answers, st.permutations(range(4)), st.floats(-10, 10))
def test_order_of_items_persons_and_a_constant(values, order, shift):
    mean = prorated(values, rule="mean", min_valid=2)
    np.testing.assert_allclose(prorated(values[:, order], rule="mean", min_valid=2), mean, atol=1e-12)
    np.testing.assert_array_equal(prorated(values[::-1], rule="mean", min_valid=2), mean[::-1])
    np.testing.assert_allclose(prorated(values + shift, rule="mean", min_valid=2), mean + shift, atol=1e-12)
    np.testing.assert_allclose(prorated(values, rule="sum", min_valid=2), 4 * mean, atol=1e-12)


def test_every_problem_of_every_scale_is_named_without_a_persons_value():
    frame = pd.DataFrame({"a": [1, 99], "b": ["x", "y"], "c": [1.0, 2.0], "dd": [1, 2]})
    second = replace(KEY, name="other", items=("a", "b"), subscales=())
    with pytest.raises(DataError) as caught:
        score_table(frame, [KEY, second])
    message = str(caught.value)
    assert "s: there is no column 'd'; did you mean 'dd'?" in message
    assert "other: column 'a' has 1 answer(s) outside 1 to 5" in message
    assert "other: column 'b' holds text" in message
    assert "99" not in message


def test_nullable_and_boolean_columns_are_numbers():
    frame = pd.DataFrame({
        "a": pd.array([1, None], dtype="Int64"), "b": pd.array([2.0, 3.0], dtype="Float64"),
        "c": np.array([1, 2], dtype="int8"), "d": pd.array([3, 3], dtype="Int64"),
    })  # fmt: skip
    assert score_table(frame, [KEY])["s"].tolist() == [1.75, pytest.approx(8 / 3)]


def test_mixed_and_empty_columns_are_numbers_too():
    frame = pd.DataFrame({
        "a": pd.Series([1, None, pd.NA], dtype=object), "b": pd.Series([None] * 3, dtype="string"),
        "c": pd.Series([None] * 3, dtype=object), "d": [3, 3, 3],
    })  # fmt: skip
    scores = score_table(frame, [KEY])
    assert scores["s"].tolist() == [2.0, pytest.approx(NAN, nan_ok=True), pytest.approx(NAN, nan_ok=True)]
    frame["a"] = pd.Categorical([1, 2, 3])
    assert score_table(frame, [KEY])["s.one"].tolist() == [1.0, 2.0, 3.0]


def test_an_empty_table_has_empty_scores():
    frame = pd.DataFrame({name: pd.Series(dtype=float) for name in KEY.items})
    assert score_table(frame, [KEY]).shape == (0, 3)
