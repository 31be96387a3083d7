"""Ordered answers over waves: the ladder of Wu and Estabrook in one group, against lavaan and semTools."""

from __future__ import annotations

import numpy as np
import pytest

from implstats import sem
from implstats.errors import DataError, UsageError

WAVES = [[f"{item}{w}" for item in "abcd"] for w in (1, 2, 3)]
STEPS = ("configural", "thresholds", "metric", "scalar", "strict", "means")
# lavaan stops at a gradient of about 1e-6; chi-square carries seven digits.
LAVAAN_STOPS = 1e-6


@pytest.fixture(scope="module")
def frame(load_data):
    """800 persons, four items of four categories, three waves; item c drifts at the third."""
    return load_data("waves_ordered")


@pytest.fixture(scope="module")
def ladder(frame):
    return sem.longitudinal_invariance(WAVES, frame, ordered=True, steps=STEPS)


@pytest.mark.parametrize("name", STEPS[:-1])
def test_each_step_is_the_model_of_semtools(ladder, load_reference, name):
    wanted = load_reference("longitudinal_ordered")["steps"][name]
    ours = ladder.step(name).fit
    assert ours.verdict == "ok"
    assert ours.fit["df"] == wanted["df"]
    for index in ("chisq", "chisq.scaled", "cfi.scaled"):
        assert ours.fit[index] == pytest.approx(wanted[index], rel=LAVAAN_STOPS)
    # Not least at the optimum, so that it moves with the estimates and not with their squares.
    assert ours.fit["srmr"] == pytest.approx(wanted["srmr"], rel=20 * LAVAAN_STOPS)


@pytest.mark.parametrize("name", STEPS[1:-1])
def test_each_difference_is_that_of_lavaan(ladder, load_reference, name):
    wanted = load_reference("longitudinal_ordered")["differences"][name]
    ours = ladder.step(name).difference
    assert (ladder.method, ours.df) == ("satorra.2000", wanted["df"])
    assert ours.chisq == pytest.approx(wanted["chisq"], rel=LAVAAN_STOPS)
    # p is a steep function of chi-square far out.
    assert ours.p_value == pytest.approx(wanted["p"], rel=20 * LAVAAN_STOPS)


@pytest.fixture(scope="module")
def partial(frame):
    """The ladder with the drifting item's intercept free at the third wave."""
    return sem.longitudinal_invariance(WAVES, frame, ordered=True, release=["c3~1"], steps=STEPS[:4])


def test_the_drifting_item_is_found_and_can_be_released(ladder, partial):
    assert ladder.step("scalar").difference.p_value < 0.001
    test = partial.step("scalar").difference
    assert test.df == ladder.step("scalar").difference.df - 1
    assert test.p_value > 0.05


def test_latent_means_are_those_of_the_simulation(partial):
    """In standard deviations of the first wave means rise by .3, then by .3 and .6 of the first rise."""
    rows = partial.step("scalar").fit.parameters
    found = {p.lhs: p for p in rows if p.op == "~1"}
    sd = next(p.estimate for p in rows if p.name == "f1 ~~ f1") ** 0.5
    for name, rise in (("f2", 0.3), ("f3", 0.3 + 0.6 * 0.3)):
        assert abs(found[name].estimate / sd - rise) < 3 * found[name].std_error / sd
    # The item was moved by .4, in units of a residual whose standard deviation is that of .4 u + .8 e.
    assert abs(found["c3"].estimate - 0.4 / np.hypot(0.4, 0.8)) < 3 * found["c3"].std_error


def test_the_order_of_persons_does_not_matter(frame, ladder):
    shuffled = frame.sample(frac=1.0, random_state=3)
    other = sem.longitudinal_invariance(WAVES, shuffled, ordered=True, steps=STEPS[:2])
    # Sums over persons in another order.
    assert other.steps[1].fit.fit["chisq"] == pytest.approx(ladder.steps[1].fit.fit["chisq"], rel=1e-9)


def test_three_categories_make_equal_thresholds_free(frame):
    three = frame.clip(upper=2)
    found = sem.longitudinal_invariance(WAVES[:2], three, ordered=True, steps=STEPS[:3])
    step = found.step("thresholds")
    assert step.difference.df == 0
    assert step.difference.chisq is None
    assert "restricts nothing" in step.difference.reason
    assert found.step("metric").difference.df == 3


def test_the_model_can_be_read():
    text = sem.longitudinal_model(
        [["a1", "b1"], ["a2", "b2"]], equal=["thresholds", "loadings"], thresholds=[2, 2]
    )
    for line in ("a1 | k1_1*t1 + k1_2*t2", "a2 | k1_1*t1 + k1_2*t2", "a2 ~ NA*1", "a2 ~~ NA*a2", "b1 ~~ b2"):
        assert line in text.splitlines()
    assert "a1 ~ NA*1" not in text


def test_what_cannot_be_compared_is_named(frame):
    with pytest.raises(DataError, match="a1 4, a2 3, a3 4"):
        sem.longitudinal_invariance(WAVES, frame.assign(a2=frame.a2.clip(upper=2)), ordered=True)
    with pytest.raises(DataError, match="three or more categories"):
        sem.longitudinal_invariance(WAVES, (frame > 1).astype(int), ordered=True)
    with pytest.raises(UsageError, match="all indicators as ordered or none; b1"):
        sem.longitudinal_invariance(WAVES, frame, ordered=["a1", "a2", "a3"])
    with pytest.raises(UsageError, match="thresholds need ordered answers"):
        sem.longitudinal_invariance(WAVES, frame.astype(float), steps=["configural", "thresholds"])


def test_pairs_of_answers_are_used_with_gaps(frame):
    gaps = frame.astype(float).mask(np.random.default_rng(2).uniform(size=frame.shape) < 0.05)
    found = sem.longitudinal_invariance(WAVES[:2], gaps, ordered=True, missing="pairwise", steps=STEPS[:3])
    assert found.step("metric").fit.verdict == "ok"
    assert found.step("metric").fit.n_obs > 700
