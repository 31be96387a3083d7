"""Data and models that cannot bear an analysis: a clear word instead of a number."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from implstats import sem
from implstats.errors import DataError, ModelError, NotSupportedError, UsageError

ONE = "f =~ a + b + c + d"


@pytest.fixture
def frame(two_factor_frame):
    return two_factor_frame.rename(columns={"f": "f1"})


def test_an_unknown_variable_is_named_with_a_guess(frame):
    with pytest.raises(DataError, match=r"'job_sat' is not a column; did you mean 'jobsat'\?") as caught:
        sem.fit("f =~ job_sat + b + nosuch", frame.rename(columns={"a": "jobsat"}))
    assert "nosuch" in str(caught.value), "all unknown variables at once"


def test_a_constant_indicator_is_named(frame):
    with pytest.raises(DataError, match="same answer on b"):
        sem.fit(ONE, frame.assign(b=0.1))


def test_a_duplicated_indicator_is_named(frame):
    with pytest.raises(DataError, match="Perfectly correlated variables: a and b"):
        sem.fit(ONE, frame.assign(b=-2 * frame["a"] + 5))


def test_a_total_beside_its_items_is_named(frame):
    with pytest.raises(DataError, match="depend on each other") as caught:
        sem.fit("f =~ a + b + c + d + t", frame.assign(t=frame["a"] + frame["b"]))
    message = str(caught.value)
    assert all(f"{name}" in message.split("The variables")[1] for name in "abt")


def test_fewer_persons_than_variables(frame):
    with pytest.raises(DataError, match="4 complete persons for 4 variables"):
        sem.fit(ONE, frame.head(4))


def test_no_rows_at_all(frame):
    with pytest.raises(DataError, match="0 complete persons"):
        sem.fit(ONE, frame.head(0))


def test_text_columns_are_refused_by_name(frame):
    with pytest.raises(DataError, match="column 'a' holds") as caught:
        sem.fit(ONE, frame.assign(a="yes", b=pd.Categorical(["x"] * len(frame))))
    assert "column 'b'" in str(caught.value)
    assert "yes" not in str(caught.value), "no person's answer in a message"


def test_dates_and_infinite_values_are_refused(frame):
    with pytest.raises(DataError, match="column 'a' holds"):
        sem.fit(ONE, frame.assign(a=pd.Timestamp("2024-01-01")))
    with pytest.raises(DataError, match="Infinite values in b"):
        sem.fit(ONE, frame.assign(b=np.where(frame.index == 3, np.inf, frame["b"])))


def test_empty_rows_are_dropped_and_counted(frame):
    wide = frame.reindex(range(len(frame) + 7))
    wide.loc[0, "a"] = np.nan
    result = sem.fit(ONE, wide)
    assert (result.n_obs, result.n_dropped) == (len(frame) - 1, 8)
    message = next(c.message for c in result.checks if c.name == "listwise")
    assert "8 were left out, 7 of them without any answer" in message


def test_nullable_integers_and_booleans_are_numbers(frame):
    rounded = (frame * 2).round().astype("Int64")
    rounded.loc[0, "a"] = pd.NA
    assert sem.fit(ONE, rounded).n_obs == len(frame) - 1
    assert sem.fit("b ~ a", frame.assign(a=frame["a"] > 0)).verdict == "ok"


def test_a_latent_name_that_is_a_column(frame):
    with pytest.raises(DataError, match="'e' is latent in the model but also a column"):
        sem.fit("e =~ a + b + c", frame)


def assert_failed(result, *words):
    assert result.verdict == "failed"
    assert all(p.estimate is None and p.std_error is None and p.std_all is None for p in result.parameters)
    assert result.fit
    assert all(value is None for value in result.fit.values())
    assert result.covariance is None
    for word in words:
        assert word in result.reason


def test_one_indicator_with_a_free_residual_is_not_identified(frame):
    model = "f =~ a\na ~~ a\ng =~ b + c + d\nf ~~ g"
    assert_failed(sem.fit(model, frame), "Not identified", "f ~~ f", "a ~~ a")


def test_more_parameters_than_moments(frame):
    assert_failed(sem.fit("f =~ a + b", frame), "Not identified", "4 free parameters but only 3 moment")


def test_a_factor_without_a_scale_is_not_identified(frame):
    assert_failed(sem.fit("f =~ NA*a + b + c + d", frame), "Not identified", "f ~~ f", "f =~ a")


def test_a_model_without_variances_has_no_start(frame):
    assert_failed(sem.fit("f =~ 1*a + b + c", frame, kind="lavaan"), "No start values")


def test_a_negative_variance_is_a_caution_with_the_name():
    # A correlation matrix whose triad implies more common than total variance of a.
    target = np.array([[1, 0.8, 0.8], [0.8, 1, 0.4], [0.8, 0.4, 1]])
    raw = np.random.default_rng(5).normal(size=(300, 3))
    raw -= raw.mean(axis=0)
    white = raw @ np.linalg.inv(np.linalg.cholesky(raw.T @ raw / 300)).T
    data = pd.DataFrame(white @ np.linalg.cholesky(target).T, columns=list("abc"))
    result = sem.fit("f =~ a + b + c", data)
    assert (result.verdict, result.admissible, result.converged) == ("caution", False, True)
    assert "a ~~ a" in result.reason
    value = next(p.estimate for p in result.parameters if p.name == "a ~~ a")
    # The just-identified solution by hand: s_aa - s_ab s_ac / s_bc = 1 - 1.6.
    assert value == pytest.approx(-0.6, abs=1e-9)


def test_small_samples_and_few_categories_are_said(frame):
    result = sem.fit(ONE, frame.head(30))
    assert any(c.name == "small_sample" and c.status == "warn" for c in result.checks)
    coarse = sem.fit(ONE, frame.clip(-1, 1).round())
    assert any(c.name == "few_categories" and c.status == "info" for c in coarse.checks)
    assert not any(c.name == "few_categories" for c in result.checks)


REFUSED = [
    {"missing": "fiml", "estimator": "MLM"},
    {"missing": "pairwise"},
    {"cluster": "a", "estimator": "MLM"},
]


@pytest.mark.parametrize("call", REFUSED)
def test_what_is_not_done_yet_is_refused_in_a_sentence(frame, call):
    with pytest.raises(NotSupportedError, match="Not done by this version") as caught:
        sem.fit(ONE, frame, **call)
    assert caught.value.exit_code == 2


WRONG = [
    ({"estimator": "WLSMVV"}, "did you mean 'WLSMV'"),
    ({"kind": "cfaa"}, "did you mean 'cfa'"),
    ({"missing": "fimll"}, "fiml"),
    ({"ci_level": 95}, "between 0 and 1"),
    ({"parameterization": "x"}, "delta"),
    ({"group_equal": ["loading"]}, "did you mean 'loadings'"),
]


@pytest.mark.parametrize(("call", "words"), WRONG)
def test_unknown_option_values(frame, call, words):
    with pytest.raises(UsageError, match=words):
        sem.fit(ONE, frame, **call)


def test_not_a_frame_and_not_a_text():
    with pytest.raises(UsageError, match="DataFrame"):
        sem.fit(ONE, [[1, 2]])
    with pytest.raises(UsageError, match="text"):
        sem.fit(3, pd.DataFrame({"a": [1.0]}))


def test_a_column_that_stands_twice(frame):
    doubled = pd.concat([frame, frame[["a"]]], axis=1)
    with pytest.raises(DataError, match="'a' stands twice"):
        sem.fit(ONE, doubled)
    # A double column that the model does not use does no harm.
    assert sem.fit("g =~ b + c + d", doubled).converged


def test_a_model_with_nothing_to_estimate(frame):
    with pytest.raises(ModelError, match="nothing to estimate"):
        sem.fit("a ~~ 1*a", frame)


def test_a_definition_without_a_value_is_said(frame):
    result = sem.fit("b ~ k*a\nnone := k/0\nfine := k^2", frame)
    values = {p.lhs: p.estimate for p in result.parameters if p.op == ":="}
    assert values["none"] is None
    assert values["fine"] > 0
    assert "none has no value" in result.reason


def test_ordered_answers_that_determine_each_other_given_predictors(frame):
    """An empty cell given x leaves a likelihood flat to rounding; it must not become a correlation."""
    x = frame["a"].to_numpy()
    rng = np.random.default_rng(3)
    low = (frame["b"] > -1.0).to_numpy()
    high = low & (frame["c"] > 0.9).to_numpy()
    data = pd.DataFrame({"x": x, "p": low + 1, "q": high + 1, "r": (frame["d"] > 0) + 1})
    data["s"] = (frame["b"] + rng.normal(size=len(x)) > 0) + 1
    with pytest.raises(DataError, match="'q' and 'p' determine each other"):
        sem.fit("f =~ p + q + r + s\nf ~ x", data, ordered=["p", "q", "r", "s"])
