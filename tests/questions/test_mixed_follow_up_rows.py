"""A mixed question's further rows are the estimator's own numbers, and what cannot be had is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from implstats import mixed
from implstats.questions.mixed_rows import mixed_answer
from implstats.questions.tasks import MixedTask
from implstats.study.asked import Growth, Mixed


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(7)
    ward, person = np.repeat(np.arange(12), 30), np.repeat(np.arange(120), 3)
    wave = np.tile([2011, 2012, 2013], 120)
    y = 0.3 * (wave - 2011) + rng.normal(size=12)[ward] * 0.5 + rng.normal(size=120)[person]
    y = y + rng.normal(size=360)
    return pd.DataFrame({"ward": ward, "person": person, "wave": pd.Categorical(wave.astype(str)), "y": y,
                         "count": rng.poisson(np.exp(0.2 * y)), "w": wave - 2011})  # fmt: skip


def answered(frame, formula, **options):
    task = MixedTask(
        analysis="q", formula=formula, frame=frame, options={"ci_level": 0.95, **options}, outcome_label="Y",
        persons_repeat=True,
    )  # fmt: skip
    task = replace(task, marginal_means=("wave",) if "wave" in formula else (), contrasts="consec")
    fit = mixed.fit(formula, frame, **task.options)
    return fit, mixed_answer(task, fit, study="s")


def rows(answer, **address):
    return [r for r in answer.rows if all(getattr(r, k) == v for k, v in address.items())]


@pytest.fixture(scope="module")
def waves(frame):
    return answered(frame, "y ~ wave + (1 | ward) + (1 | person)")


def test_a_term_of_several_coefficients_has_an_f_test(waves):
    fit, answer = waves
    (row,) = rows(answer, block="f_tests")
    (test,) = mixed.f_tests(fit).tests
    assert (row.term, row.level) == ("wave", "2")
    assert (row.statistic, row.df, row.p_value) == (test.statistic, test.df_den, test.p_value)


def test_variances_carry_the_squares_of_the_profile_intervals(waves):
    fit, answer = waves
    found = {i.cluster or "residual": i for i in mixed.profile(fit, "random", criterion="REML").intervals}
    for row in rows(answer, block="random", quantity="variance"):
        one = found[row.level]
        assert row.conf_low == pytest.approx(one.conf_low**2, rel=1e-12)
        assert row.conf_high == pytest.approx(one.conf_high**2, rel=1e-12)
        assert row.conf_low < row.estimate < row.conf_high


def test_means_and_differences_of_waves(waves):
    fit, answer = waves
    means = mixed.emmeans(fit, "wave")
    assert [r.estimate for r in rows(answer, block="means")] == [m.estimate for m in means.means]
    assert [r.level for r in rows(answer, block="means")] == ["2011", "2012", "2013"]
    contrasts = mixed.contrasts(means, method="consec", adjust="holm").contrasts
    assert [r.p_value for r in rows(answer, block="contrasts")] == [c.p_value for c in contrasts]


def test_r2_stands_with_the_fit_unless_there_is_nothing_to_explain(waves, frame):
    fit, answer = waves
    assert rows(answer, quantity="r2_marginal")[0].estimate == mixed.r2(fit).marginal
    _, empty = answered(frame, "y ~ 1 + (1 | ward) + (1 | person)")
    assert not rows(empty, quantity="r2_marginal")


def test_a_count_has_its_scale_in_words_and_no_gaussian_follow_up(frame):
    _, answer = answered(frame, "count ~ w + (1 | ward)", family="poisson")
    fixed = rows(answer, block="fixed")
    assert {r.unit for r in fixed} == {"log rate of Y"}
    assert {r.method for r in fixed} == {"ML (Laplace)"}
    assert not rows(answer, block="f_tests")
    assert not rows(answer, level="residual")


def test_residuals_over_waves_are_rows(frame):
    _, answer = answered(frame, "y ~ w + (1 | ward)", residual="ar1(w | person)")
    assert len(rows(answer, block="residual", quantity="rho")) == 1
    assert all(r.estimate > 0 for r in rows(answer, block="residual", quantity="sd"))


def test_a_mean_that_cannot_be_had_costs_a_sentence_not_the_question(frame):
    task = MixedTask(analysis="q", formula="y ~ w + (1 | ward)", frame=frame,
                     options={"ci_level": 0.95}, marginal_means=("wafe",))  # fmt: skip
    answer = mixed_answer(task, mixed.fit(task.formula, frame), study="s")
    assert rows(answer, block="fixed")[0].estimate is not None
    assert any("No marginal means" in named.check.message for named in answer.checks)


def test_contrasts_without_means_are_refused_in_the_study_file():
    with pytest.raises(ValueError, match="name their predictors in 'marginal_means'"):
        Growth(name="q", type="growth", outcome="y", contrasts="pairwise")
    assert Mixed(name="q", type="mixed", formula="y ~ 1 + (1 | g)", family="poisson").link is None


def test_means_of_a_count_are_on_the_scale_that_their_unit_names(frame):
    fit, answer = answered(frame, "count ~ wave + (1 | ward)", family="poisson")
    found = rows(answer, block="means")
    assert {r.unit for r in found} == {"log rate of Y"}
    assert {r.unit for r in rows(answer, block="contrasts")} == {"log rate of Y"}
    assert [r.estimate for r in found] == [m.estimate for m in mixed.emmeans(fit, "wave").means]
