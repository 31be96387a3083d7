"""Bad input is refused with the place and the remedy; numbers that cannot be are None with a reason."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from implstats.cli.output import plain
from implstats.errors import DataError, UsageError
from implstats.scales import analyse, analyse_scale
from implstats.study.keys import resolve_scale
from implstats.study.models import Study

JSON_KEYS = (
    "n_obs", "n_items", "alpha", "alpha_low", "alpha_high", "omega_total", "items", "n_clusters", "icc1",
    "icc2", "f_statistic", "f_df1", "f_df2", "f_p_value", "rwgj_mean", "rwgj_median", "rwgj", "reasons",
    "checks",
)  # fmt: skip


@pytest.fixture
def data():
    rng = np.random.default_rng(5)
    common = rng.normal(size=60)
    items = {name: np.clip(np.round(3 + common + rng.normal(size=60)), 1, 5) for name in "abcdef"}
    return pd.DataFrame(items | {"team": np.repeat([1, 2, 3], 20), "name": "x"})


def test_everything_wrong_with_the_request_is_said_at_once(data):
    with pytest.raises(UsageError) as caught:
        analyse(
            data.rename(columns={"a": "item_a"}),
            items=["item_b", "b", "b"],
            reverse=["c"],
            minimum=5,
            maximum=1,
            cluster="tem",
            ci_level=95,
        )
    for wanted in (
        "there is no column 'item_b'; did you mean 'item_a'?",
        "item 'b' is listed 2 times",
        "reverse: 'c' is not one of the items",
        "minimum (5) should be below maximum (1)",
        "cluster: there is no column 'tem'; did you mean 'team'?",
        "ci_level should be between 0 and 1",
    ):
        assert wanted in str(caught.value)


@pytest.mark.parametrize(
    ("request_", "wanted"),
    [
        ({"items": []}, "no items are given"),
        ({"items": "a,b", "minimum": 1}, "give both minimum and maximum"),
        ({"items": "a,b", "minimum": 1, "maximum": np.inf}, "both finite"),
        ({"items": "a,b", "cluster": "a"}, "'a' is also listed as an item"),
        ({"items": "a,b", "scores": np.zeros(3)}, "one value a row"),
    ],
)
def test_impossible_requests(data, request_, wanted):
    with pytest.raises(UsageError, match=wanted):
        analyse(data, **request_)


def test_text_and_answers_out_of_range_are_named_with_counts_only(data):
    data.loc[[3, 4], "b"] = 77
    with pytest.raises(DataError) as caught:
        analyse(data, items="a,b,name", minimum=1, maximum=5)
    assert "column 'b' has 2 answer(s) outside 1 to 5" in str(caught.value)
    assert "column 'name' holds text" in str(caught.value)
    assert "77" not in str(caught.value)


def test_two_columns_of_one_name_are_refused(data):
    twice = pd.concat([data, data[["a"]]], axis=1)
    with pytest.raises(UsageError, match="several columns called 'a'"):
        analyse(twice, items=["a", "b"])


def test_one_item_has_no_reliability_but_agreement(data):
    ours = analyse(data, items=["a"], minimum=1, maximum=5, cluster="team")
    assert ours.alpha is None
    assert ours.reasons["alpha"] == "reliability needs at least two items"
    assert ours.icc1 is not None
    assert len(ours.rwgj) == 3


def test_two_items_have_alpha_but_no_omega(data):
    ours = analyse(data, items=["a", "b"])
    assert ours.alpha is not None
    assert ours.omega_total is None
    assert "not identified" in ours.reasons["omega_total"]
    assert "alpha_if_dropped" in ours.reasons


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_persons(data, n):
    ours = analyse(data.iloc[:n], items="a:d", minimum=1, maximum=5, cluster="team")
    assert ours.alpha is None
    assert f"{n} person(s) answered every item" in ours.reasons["alpha"]
    assert ours.icc1 is None
    assert ours.rwgj_mean is None


def test_fewer_persons_than_items_have_no_omega(data):
    ours = analyse(data.iloc[:4], items="a:d")
    assert ours.omega_total is None
    assert "singular" in ours.reasons["omega_total"]


def test_a_constant_item_is_named(data):
    ours = analyse(data.assign(c=3.0), items="a:d")
    assert ours.alpha is not None
    assert ours.omega_total is None
    assert ours.alpha_standardised is None
    assert ours.items[2].item_rest_correlation is None
    assert " c:" in next(c.message for c in ours.checks if c.name == "constant_item")


def test_only_constant_items_have_no_alpha(data):
    ours = analyse(data.assign(a=1.0, b=2.0), items=["a", "b"])
    assert ours.alpha is None
    assert "constant" in ours.reasons["alpha"]


def test_an_item_nobody_answered_is_named(data):
    ours = analyse(data.assign(c=np.nan), items="a:d")
    assert ours.n_obs == 0
    assert any(check.name == "empty_item" and " c." in check.message for check in ours.checks)


def test_a_reverse_keyed_item_left_alone_is_suspected(data):
    ours = analyse(data.assign(c=6 - data["c"]), items="a:f", minimum=1, maximum=5)
    assert [check.name for check in ours.checks] == ["item_direction"]
    assert ": c." in ours.checks[0].message
    assert ours.verdict == "caution"
    mended = analyse(data.assign(c=6 - data["c"]), items="a:f", reverse="c", minimum=1, maximum=5)
    assert mended == analyse(data, items="a:f", minimum=1, maximum=5)


def test_negative_alpha_names_the_items_that_work_against_the_rest(data):
    ours = analyse(data.assign(b=6 - data["b"], d=6 - data["d"]), items="a:d")
    assert ours.alpha < 0
    assert any(check.name == "negative_alpha" and "reverse-keyed" in check.message for check in ours.checks)


def test_reversing_without_a_range_says_what_it_did(data):
    ours = analyse(data.assign(c=6 - data["c"]), items="a:d", reverse="c")
    assert ours.alpha == pytest.approx(analyse(data, items="a:d").alpha, abs=1e-12)
    assert any(check.name == "reverse_range" and check.status == "warn" for check in ours.checks)


def test_ranges_follow_the_order_of_the_file(data):
    assert [item.item for item in analyse(data, items="b:d").items] == ["b", "c", "d"]
    with pytest.raises(UsageError, match="no column 'b:z'"):
        analyse(data, items="b:z")
    with pytest.raises(UsageError, match="'d' stands after 'b' in the file; write 'b:d'"):
        analyse(data, items="d:b")


def test_the_dictionary_is_json_and_has_the_promised_keys(data):
    ours = analyse(data, items="a:d", minimum=1, maximum=5, cluster="team").to_dict()
    assert set(JSON_KEYS) <= set(ours)
    again = json.loads(json.dumps(plain(ours)))
    assert again["rwgj"][0]["cluster"] == "1"
    assert again["rwgj"][0]["n"] == 20


def test_without_a_cluster_every_number_of_agreement_has_its_reason(data):
    ours = analyse(data, items="a:d")
    for name in ("n_clusters", "icc1", "icc2", "f_statistic", "rwgj_mean", "rwgj_median"):
        assert getattr(ours, name) is None
        assert ours.reasons[name] == "no cluster was given"


def test_every_none_has_a_reason(data):
    for items in ("a", "a,b", "a:d"):
        ours = analyse(data.iloc[:3], items=items, cluster="team")
        for name, value in ours.to_dict().items():
            if value is None:
                assert ours.reasons[name], name


def test_the_frame_is_not_changed(data):
    before = data.copy()
    analyse(data, items="a:d", reverse="a,b", minimum=1, maximum=5, cluster="team")
    pd.testing.assert_frame_equal(data, before)


def test_a_scale_by_its_key_uses_the_keys_own_score(data):
    study = Study.model_validate({
        "study": {"name": "s", "title": "S"}, "tables": {"t": {"sources": [{"file": "a.csv"}]}},
        "scales": {"x": {"subscales": {"p": ["a"], "q": ["b", "c", "d"]}, "score": "mean_of_subscales",
                         "reverse": ["b"], "minimum": 1, "maximum": 5}},
    })  # fmt: skip
    key = resolve_scale(study, "x", {})
    ours = analyse_scale(data, key, cluster="team")
    score = (data["a"] + (6 - data["b"] + data["c"] + data["d"]) / 3) / 2
    by_hand = analyse(
        data, items="a:d", reverse="b", minimum=1, maximum=5, cluster="team", scores=score.to_numpy()
    )
    assert ours.icc1 == pytest.approx(by_hand.icc1, abs=1e-12)
    assert ours.alpha == by_hand.alpha
    assert ours.icc1 != pytest.approx(
        analyse(data, items="a:d", reverse="b", minimum=1, maximum=5, cluster="team").icc1, abs=1e-6
    )
