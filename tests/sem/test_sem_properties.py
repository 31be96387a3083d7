"""What must not matter does not matter; what must collapse collapses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from implstats import sem

MODEL = "f =~ a + b + c\ng =~ d + e + f1\ng ~ f"
# Reordering sums changes their last bits; a well-conditioned fit passes on a few hundred of those.
ROUNDING = 1e-9


@pytest.fixture
def frame(two_factor_frame):
    return two_factor_frame.rename(columns={"f": "f1"})


def by_name(result, field="estimate"):
    return {p.name: getattr(p, field) for p in result.parameters}


def same(one, other, field="estimate", tolerance=ROUNDING):
    left, right = by_name(one, field), by_name(other, field)
    assert set(left) == set(right)
    for name, value in left.items():
        assert right[name] == (None if value is None else pytest.approx(value, abs=tolerance)), name


def test_order_of_rows_and_columns(frame):
    first = sem.fit(MODEL, frame)
    shuffled = frame.sample(frac=1, random_state=1)[list(frame.columns[::-1])]
    second = sem.fit(MODEL, shuffled)
    same(first, second)
    same(first, second, "std_error")
    assert second.fit["chisq"] == pytest.approx(first.fit["chisq"], abs=ROUNDING)


def test_order_of_indicators_under_unit_variance(frame):
    first = sem.fit(MODEL, frame, std_lv=True)
    second = sem.fit("g =~ f1 + e + d\nf =~ c + a + b\ng ~ f", frame, std_lv=True)
    same(first, second)


def test_marker_or_unit_variance_fit_alike(frame):
    marker, unit = sem.fit(MODEL, frame), sem.fit(MODEL, frame, std_lv=True)
    assert unit.fit["chisq"] == pytest.approx(marker.fit["chisq"], abs=ROUNDING)
    same(marker, unit, "std_all", 1e-8)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scales=st.lists(st.floats(0.01, 100), min_size=6, max_size=6), shift=st.floats(-50, 50))
def test_units_of_the_variables_do_not_matter(frame, scales, shift):
    first = sem.fit(MODEL, frame)
    second = sem.fit(MODEL, frame * scales + shift)
    # Units over four orders of magnitude cost a few digits of the inverse of S.
    assert second.fit["chisq"] == pytest.approx(first.fit["chisq"], abs=1e-6)
    assert second.fit["cfi"] == pytest.approx(first.fit["cfi"], abs=1e-7)
    same(first, second, "std_all", 1e-6)
    assert second.verdict == first.verdict


def test_a_path_model_is_least_squares(mediation):
    result = sem.fit("Y ~ M1 + X + C\nM1 ~ X", mediation)
    X = np.column_stack([mediation[["M1", "X", "C"]], np.ones(len(mediation))])
    beta, *_ = np.linalg.lstsq(X, mediation["Y"], rcond=None)
    found = by_name(result)
    np.testing.assert_allclose([found["Y ~ M1"], found["Y ~ X"], found["Y ~ C"]], beta[:3], atol=ROUNDING)


def test_saturated_covariances_are_the_samples(frame):
    names = list(frame.columns)
    model = "\n".join(f"{a} ~~ {b}" for i, a in enumerate(names) for b in names[i:])
    result = sem.fit(model, frame)
    np.testing.assert_allclose(result.moments.implied_cov, np.cov(frame.T, bias=True), atol=ROUNDING)
    assert (result.fit["df"], result.fit["chisq"], result.fit["pvalue"]) == (0, 0.0, None)
    assert any(c.name == "saturated" for c in result.checks)


def test_equal_labels_give_one_number_and_one_degree_of_freedom(frame):
    free = sem.fit("f =~ a + b + c\ng =~ d + e + f1", frame)
    equal = sem.fit("f =~ a + k*b + k*c\ng =~ d + e + f1", frame)
    found = by_name(equal)
    assert found["f =~ b"] == found["f =~ c"]
    assert equal.fit["df"] == free.fit["df"] + 1
    assert equal.fit["chisq"] > free.fit["chisq"]
    assert equal.n_free == free.n_free - 1


def test_start_values_do_not_move_the_optimum(frame):
    first = sem.fit(MODEL, frame)
    second = sem.fit(MODEL.replace("+ b", "+ start(0.2)*b").replace("+ e", "+ 2?e"), frame)
    same(first, second, tolerance=1e-8)


def test_defined_parameters_follow_the_delta_method(mediation):
    result = sem.fit("M1 ~ a*X\nY ~ b*M1 + c*X\nind := a*b\nshare := ind/(c + ind)", mediation)
    found = {p.lhs: p for p in result.parameters if p.op == ":="}
    at = {p.label: p for p in result.parameters if p.label and p.op == "~"}
    # a and b come from two regressions with independent residuals.
    variance = (at["a"].std_error * at["b"].estimate) ** 2 + (at["b"].std_error * at["a"].estimate) ** 2
    assert found["ind"].std_error == pytest.approx(np.sqrt(variance), rel=1e-9)
    assert found["ind"].estimate == pytest.approx(at["a"].estimate * at["b"].estimate)
    assert 0 < found["share"].estimate < 1


def test_the_callers_frame_is_untouched(frame):
    before = frame.copy(deep=True)
    sem.fit(MODEL, frame)
    pd.testing.assert_frame_equal(frame, before)


def test_wider_intervals_for_more_confidence(frame):
    usual, wide = sem.fit(MODEL, frame), sem.fit(MODEL, frame, ci_level=0.99)
    for a, b in zip(usual.parameters, wide.parameters, strict=True):
        if a.std_error is not None:
            assert b.conf_low < a.conf_low < a.conf_high < b.conf_high


def test_estimates_recover_the_truth_and_intervals_cover_it():
    rng = np.random.default_rng(2024)
    loading, covered = 0.8, 0
    runs = 200
    for _ in range(runs):
        factor = rng.normal(size=200)
        items = factor[:, None] * np.array([1.0, loading, 1.2, 0.6]) + rng.normal(size=(200, 4))
        result = sem.fit("f =~ a + b + c + d", pd.DataFrame(items, columns=list("abcd")))
        parameter = result.parameters[1]
        covered += parameter.conf_low <= loading <= parameter.conf_high
    # 95 % coverage over 200 runs has a standard error of 1.5 points; four of them on either side.
    assert 0.89 <= covered / runs <= 1.0
