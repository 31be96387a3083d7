"""The errors of MLR beside another scaled test: lavaan's numbers, whose test it is, and its level."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from implstats import sem
from implstats.errors import NotSupportedError, UsageError
from implstats.sem.inference.scaled_test import OWN, TEST_OF

# lavaan's fits of one group are polished, their baselines are not; fits of two groups stop about 1e-6 beside.
POLISHED = 1e-7
BASELINE = 2e-6
NLMINB = 2e-5
# A rate of .05 in 400 samples has a standard error of .011; three of them.
BAND = 0.033


def compare(ours, theirs, tolerance):
    """Every name of lavaan's, missing in both or equal."""
    for name, value in theirs.items():
        if value is None:
            assert ours.get(name) is None, name
            continue
        assert ours[name] == pytest.approx(value, rel=tolerance, abs=tolerance), name


@pytest.mark.parametrize("test", TEST_OF)
def test_errors_and_fit_measures_are_lavaans(test, load_reference, hs, three_factors):
    theirs = load_reference("cluster_more")["tests"][test]
    ours = sem.fit(three_factors, hs, kind="cfa", estimator="MLR", test=test)
    errors = [p.std_error for p in ours.parameters if p.free]
    assert errors == pytest.approx(theirs["se"], rel=POLISHED)
    compare(ours.fit, theirs["fit"], BASELINE)


@pytest.mark.parametrize("test", TEST_OF)
def test_groups(test, load_reference, load_data, three_factors):
    theirs = load_reference("cluster_more")["tests"][test]["groups"]
    ours = sem.fit(three_factors, load_data("hs1939"), kind="cfa", estimator="MLR", test=test, group="school")
    compare(ours.fit, theirs, NLMINB)


@pytest.mark.parametrize(("test", "estimator"), TEST_OF.items())
def test_test_of_one_estimator_and_errors_of_the_other(test, estimator, hs, three_factors):
    chosen = sem.fit(three_factors, hs, kind="cfa", estimator="MLR", test=test)
    own, other = (sem.fit(three_factors, hs, kind="cfa", estimator=e) for e in ("MLR", estimator))
    assert np.array_equal(chosen.covariance, own.covariance)
    assert chosen.fit == other.fit


@pytest.mark.parametrize(("test", "estimator"), TEST_OF.items())
def test_predictors_are_those_of_the_test(test, estimator, mediation):
    model = "M1 ~ X + C\nM2 ~ X\nY ~ M1 + M2 + C"
    chosen, other = (
        sem.fit(model, mediation, **call)
        for call in ({"estimator": "MLR", "test": test}, {"estimator": estimator})
    )
    assert chosen.fit == other.fit
    fixed = sem.fit(model, mediation, estimator="MLR")
    assert [p.std_error for p in chosen.parameters[:6]] == pytest.approx(
        [p.std_error for p in fixed.parameters[:6]], rel=1e-8
    )


@pytest.mark.parametrize(("test", "estimator"), TEST_OF.items())
def test_fits_are_compared_by_that_test(test, estimator, hs, three_factors):
    models = (three_factors, three_factors + "\nvisual ~~ 0*speed")
    chosen = sem.compare(*(sem.fit(m, hs, kind="cfa", estimator="MLR", test=test) for m in models))
    other = sem.compare(*(sem.fit(m, hs, kind="cfa", estimator=estimator) for m in models))
    assert (chosen.chisq, chosen.method) == (other.chisq, other.method)
    with pytest.raises(UsageError, match="test is"):
        sem.compare(
            sem.fit(models[0], hs, estimator="MLR", test=test), sem.fit(models[1], hs, estimator="MLR")
        )


def test_its_own_test_is_the_default(hs, three_factors):
    plain = sem.fit(three_factors, hs, estimator="MLR")
    assert sem.fit(three_factors, hs, estimator="MLR", test=OWN).fit == plain.fit


@pytest.mark.parametrize(("call", "error", "words"), [
    ({"estimator": "MLR", "test": "scaled.shift"}, UsageError, "did you mean 'scaled.shifted'"),
    ({"estimator": "ML", "test": "scaled.shifted"}, UsageError, "goes with estimator 'MLR'"),
    ({"estimator": "MLR", "test": "scaled.shifted", "missing": "fiml"}, NotSupportedError, "missing 'fiml'"),
    ({"estimator": "MLR", "test": "scaled.shifted", "cluster": "school"}, NotSupportedError, "persons in cl"),
])  # fmt: skip
def test_what_does_not_go_together(call, error, words, load_data, three_factors):
    with pytest.raises(error, match=words):
        sem.fit(three_factors, load_data("hs1939"), **call)


def heavy_tails(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Six items of two factors; a person's values share a random scale, which makes excess kurtosis one."""
    f = rng.normal(size=(n, 2)) @ np.array([[1.0, 0.5], [0.0, np.sqrt(0.75)]])
    y = np.repeat(f, 3, axis=1) * np.tile([1.0, 0.8, 0.9], 2) + 0.8 * rng.normal(size=(n, 6))
    y = y / np.sqrt(rng.chisquare(10, size=(n, 1)) / 10)
    return pd.DataFrame(y, columns=[f"x{k}" for k in range(1, 7)])


@pytest.mark.slow
def test_they_hold_their_level_where_yuan_bentler_does_not():
    """300 persons with heavy tails: the same samples reject less often, and near five percent."""
    rng = np.random.default_rng(20261125)
    model, tests = "f =~ x1 + x2 + x3\ng =~ x4 + x5 + x6", (OWN, *TEST_OF)
    rejected = np.zeros(len(tests))
    for _ in range(400):
        frame = heavy_tails(rng, 300)
        fits = [sem.fit(model, frame, estimator="MLR", test=test).fit for test in tests]
        rejected += [(fit["pvalue.scaled"] or 0.0) < 0.05 for fit in fits]
    rates = rejected / 400
    assert rates[1:] == pytest.approx(0.05, abs=BAND)
    assert rates[0] > rates[1:].max() + 0.01


def check_names(result):
    return [check.name for check in result.checks]


def five_items(n):
    rng = np.random.default_rng(31)
    scale = rng.chisquare(5, size=(n, 1)) / 5
    answers = (rng.normal(size=(n, 1)) + rng.normal(size=(n, 5))) / np.sqrt(scale)
    return pd.DataFrame(answers, columns=list("abcde"))


def test_a_liberal_test_says_so_and_names_the_other():
    model = "f =~ a + b + c + d + e"
    (said,) = [c for c in sem.fit(model, five_items(300), estimator="MLR").checks if c.name == "scaled_test"]
    assert "satorra.bentler" in said.message
    assert said.status == "info"
    for n, call in (
        (300, {"estimator": "MLR", "test": "scaled.shifted"}),
        (300, {}),
        (1000, {"estimator": "MLR"}),
    ):
        assert "scaled_test" not in check_names(sem.fit(model, five_items(n), **call))


def test_answers_near_normal_are_not_warned_about():
    rng = np.random.default_rng(32)
    normal = pd.DataFrame(rng.normal(size=(300, 1)) + rng.normal(size=(300, 5)), columns=list("abcde"))
    assert "scaled_test" not in check_names(sem.fit("f =~ a + b + c + d + e", normal, estimator="MLR"))
