"""Likelihood-ratio tests of models and of random terms: agreement with lme4, boundary mixture, refusals."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

from implstats import mixed
from implstats.errors import DataError, ModelError, NotSupportedError, UsageError
from implstats.mixed.inference.chi_bar import chi_bar_square

FOLDER = Path(__file__).parents[1] / "reference" / "mixed"
STATISTIC = 2e-8  # the difference of two criteria, each known to 1e-8
Design = Callable[..., pd.DataFrame]


def _load(name: str) -> tuple[dict[str, Any], pd.DataFrame]:
    found = json.loads((FOLDER / "inference" / f"{name}.json").read_text(encoding="utf-8"))
    frame = pd.read_csv(FOLDER / found["data"])
    if "TIME" in frame:
        frame["TIME2"] = frame["TIME"] ** 2
    return found, frame


@pytest.mark.parametrize("name", ["lrt_sim3_12inst", "lrt_univbct_growth"])
def test_sequences_equal_anova_of_lme4(name: str) -> None:
    found, frame = _load(name)
    fits = [mixed.fit(text, frame, reml=False) for text in found["formulas"]]
    for k in range(1, len(fits)):
        ours = mixed.compare(fits[k], fits[k - 1])
        assert ours.method == "ML"
        assert ours.statistic == pytest.approx(found["Chisq"][k], abs=STATISTIC)
        assert ours.df == found["Df"][k]
        assert ours.p_chisq == pytest.approx(found["p"][k], rel=1e-7)
        assert ours.larger.n_parameters == found["npar"][k]
        assert ours.larger.aic == pytest.approx(found["AIC"][k], abs=STATISTIC)
        assert ours.smaller.bic == pytest.approx(found["BIC"][k - 1], abs=STATISTIC)


def test_reml_fits_of_different_fixed_parts_are_refitted_by_ml_and_say_so() -> None:
    found, frame = _load("lrt_sim3_12inst")
    fits = [mixed.fit(text, frame) for text in found["formulas"]]
    for k in (1, 2, 3):
        ours = mixed.compare(fits[k - 1], fits[k])
        assert ours.method == "ML"
        assert ours.checks[0].status == "info"
        assert "refitted by ML" in ours.checks[0].message
        assert ours.statistic == pytest.approx(found["Chisq"][k], abs=STATISTIC)
    assert mixed.compare(fits[3], fits[4]).method == "REML"


@pytest.mark.parametrize(
    ("name", "pick"),
    [
        ("ranova_sleepstudy", {("Subject", "Days"): 0}),
        ("ranova_sim3_12inst", {("person", "wave"): 0, ("inst", "(Intercept)"): 1}),
        ("ranova_Penicillin", {("sample", "(Intercept)"): 0, ("plate", "(Intercept)"): 1}),
        ("ranova_univbct_3level", {("BTN", "(Intercept)"): 0, ("SUBNUM", "(Intercept)"): 1}),
    ],
)
def test_random_terms_equal_ranova(name: str, pick: dict[tuple[str, str], int]) -> None:
    found, frame = _load(name)
    ours = mixed.random_tests(mixed.fit(found["full"], frame))
    assert {(t.cluster, t.term) for t in ours.tests} == set(pick)
    assert -2 * ours.log_likelihood == pytest.approx(found["full_minus2"], abs=STATISTIC)
    for test in ours.tests:
        theirs = found["tests"][pick[test.cluster, test.term]]
        assert test.statistic == pytest.approx(theirs["chisq"], abs=STATISTIC)
        assert test.df == theirs["df"]
        assert -2 * test.log_likelihood == pytest.approx(theirs["reduced_minus2"], abs=STATISTIC)
        assert test.p_chisq == pytest.approx(theirs["p_chisq"], rel=1e-6)
        assert test.p_mixture == pytest.approx(theirs["p_boundary_mixture"], rel=1e-6)


def test_the_whole_block_is_compared_with_a_regression() -> None:
    found, frame = _load("ranova_sleepstudy")
    test = mixed.random_tests(mixed.fit(found["full"], frame), by="block").tests[0]
    theirs = found["tests"][1]
    assert test.term == "1 + Days"
    assert test.left == ""
    assert test.statistic == pytest.approx(theirs["chisq"], abs=STATISTIC)
    assert (test.df, test.p_mixture) == (3, None)
    assert test.p_chisq == pytest.approx(theirs["p_chisq"], rel=1e-6)
    assert "conservative" in test.mixture


@pytest.mark.parametrize("reml", [True, False])
def test_removing_terms_equals_fitting_the_smaller_formula(design: Design, reml: bool) -> None:
    frame = design(7, institutions=10, sd_institution=0.5, sd_slope=0.3)
    formula = "y ~ wave + x + (1 + wave + x | inst) + (1 | person)"
    result = mixed.fit(formula, frame, reml=reml)
    by_hand = {
        ("inst", "wave"): "y ~ wave + x + (1 + x | inst) + (1 | person)",
        ("inst", "x"): "y ~ wave + x + (1 + wave | inst) + (1 | person)",
        ("person", "(Intercept)"): "y ~ wave + x + (1 + wave + x | inst)",
    }
    ours = mixed.random_tests(result)
    assert ours.method == ("REML" if reml else "ML")
    assert {(t.cluster, t.term) for t in ours.tests} == set(by_hand)
    for test in ours.tests:
        smaller = mixed.fit(by_hand[test.cluster, test.term], frame, reml=reml)
        assert test.log_likelihood == pytest.approx(smaller.log_likelihood, abs=1e-8)
        assert test.aic == pytest.approx(smaller.aic, abs=1e-8)
        pair = mixed.compare(smaller, result)
        assert pair.statistic == pytest.approx(test.statistic, abs=STATISTIC)
        assert (pair.df, pair.mixture) == (test.df, test.mixture)


def test_categorical_slope_leaves_as_a_whole(design: Design) -> None:
    frame = design(8, institutions=12, sd_institution=0.5).assign(w=lambda d: "w" + d["wave"].astype(str))
    tests = mixed.random_tests(mixed.fit("y ~ w + (1 + w | inst)", frame)).tests
    assert [(t.term, t.df, t.left, t.p_mixture) for t in tests] == [("w", 5, "(1 | inst)", None)]


def test_a_zero_variance_has_p_one(design: Design) -> None:
    frame = design(5, institutions=10, sd_institution=0.0)
    result = mixed.fit("y ~ wave + (1 | inst) + (1 | person)", frame)
    assert result.boundary
    test = next(t for t in mixed.random_tests(result).tests if t.cluster == "inst")
    assert test.statistic == 0.0
    assert (test.p_chisq, test.p_mixture) == (1.0, 1.0)


def test_mixture_holds_its_level() -> None:
    """A zero variance is rejected in about 5 % of samples by the mixture, in half as many by chi2(1)."""
    rng = np.random.default_rng(20)
    ward = np.repeat(np.arange(30), 8)
    found = []
    for _ in range(400):
        frame = pd.DataFrame({"ward": ward, "y": rng.normal(size=240)})
        found.append(mixed.random_tests(mixed.fit("y ~ 1 + (1 | ward)", frame, df="none")).tests[0])
    mixture = np.mean([t.p_mixture < 0.05 for t in found])
    naive = np.mean([t.p_chisq < 0.05 for t in found])
    # Monte Carlo standard error of 400 draws at .05 is .011; the asymptotic level is .05 and .025.
    assert 0.02 < mixture < 0.085
    assert naive < mixture


def test_mixtures_are_those_of_self_liang_and_stram_lee() -> None:
    for df in (2, 3, 5):
        found = chi_bar_square(4.2, df=df, variances=1)
        assert found.p_mixture == pytest.approx(
            0.5 * chi2.sf(4.2, df - 1) + 0.5 * chi2.sf(4.2, df), rel=1e-13
        )
        assert found.p_chisq == pytest.approx(chi2.sf(4.2, df), rel=1e-13)
    assert chi_bar_square(4.2, df=2, variances=0).p_mixture == pytest.approx(chi2.sf(4.2, 2), rel=1e-13)
    assert chi_bar_square(4.2, df=2, variances=2).p_mixture is None


def test_recoded_predictors_are_the_same_model(design: Design) -> None:
    """REML criteria depend on the coding of X; the comparison does not."""
    frame = design(9, institutions=10, sd_institution=0.5).assign(x10=lambda d: 10 * d["x"] + d["wave"])
    larger = mixed.fit("y ~ wave + x + (1 | inst) + (1 | person)", frame)
    plain = mixed.compare(mixed.fit("y ~ wave + x + (1 | person)", frame), larger)
    recoded = mixed.compare(mixed.fit("y ~ wave + x10 + (1 | person)", frame), larger)
    assert plain.method == recoded.method == "REML"
    assert recoded.statistic == pytest.approx(plain.statistic, abs=1e-7)


def test_models_that_are_not_nested_get_no_test(design: Design) -> None:
    frame = design(9, institutions=10, sd_institution=0.5)
    one = mixed.fit("y ~ wave + (1 | inst)", frame)
    for other in ("y ~ x + arm + (1 | inst)", "y ~ wave + x + (1 | person)", "y ~ x + (1 | inst)"):
        found = mixed.compare(one, mixed.fit(other, frame))
        assert found.statistic is None
        assert found.p_chisq is None
        assert "special case" in found.reason
    shifted = frame.assign(late=frame["wave"] - 2.0)
    plain = mixed.fit("y ~ wave + (wave || inst)", shifted)
    moved = mixed.fit("y ~ wave + x + (late || inst)", shifted)
    assert "special case" in mixed.compare(plain, moved).reason
    assert mixed.compare(plain, mixed.fit("y ~ wave + (late | inst)", shifted)).df == 1


def test_different_rows_outcomes_and_failed_fits_are_refused(design: Design) -> None:
    frame = design(9, institutions=10, sd_institution=0.5)
    one = mixed.fit("y ~ wave + (1 | inst)", frame)
    with pytest.raises(DataError, match="different rows"):
        mixed.compare(one, mixed.fit("y ~ 1 + (1 | inst)", frame.iloc[:-1]))
    with pytest.raises(DataError, match="different outcomes"):
        mixed.compare(one, mixed.fit("log(abs(y)) ~ 1 + (1 | inst)", frame))
    with pytest.raises(DataError, match="prior weights"):
        mixed.compare(
            one, mixed.fit("y ~ 1 + (1 | inst)", frame.assign(w=2.0 + frame["x"] ** 2), weights="w")
        )
    from dataclasses import replace

    with pytest.raises(ModelError, match="needs a fit that succeeded"):
        mixed.random_tests(replace(one, model=None, verdict="failed"))
    with pytest.raises(UsageError, match="'term' or 'block'"):
        mixed.random_tests(one, by="level")  # type: ignore[arg-type]


def test_frames_show_both_p_values(design: Design) -> None:
    frame = design(9, institutions=10, sd_institution=0.5)
    one, two = (mixed.fit(f"y ~ {x} + (1 | inst)", frame) for x in ("1", "wave"))
    assert {"p_chisq", "p_mixture", "aic"} <= set(mixed.compare(one, two).frame.columns)
    assert {"p_chisq", "p_mixture", "mixture"} <= set(mixed.random_tests(two).frame.columns)


def test_residual_structures_are_compared_without_a_boundary() -> None:
    found, frame = _load("lrt_sim3_12inst")
    plain = mixed.fit("y ~ wave + (1 | inst) + (1 | person)", frame, reml=False)
    ar1 = mixed.fit("y ~ wave + (1 | inst) + (1 | person)", frame, reml=False, residual="ar1(wave | person)")
    ours = mixed.compare(ar1, plain)
    assert (ours.df, ours.mixture) == (1, "chi2(1)")
    assert ours.statistic == pytest.approx(plain.criterion - ar1.criterion, abs=1e-9)
    assert found["npar"][1] == ours.smaller.n_parameters
    with pytest.raises(NotSupportedError, match="'compare'"):
        mixed.random_tests(ar1)


def test_offsets_are_part_of_the_fixed_part() -> None:
    """An offset of x is its coefficient held at one: nested in the model that estimates it."""
    found, frame = _load("lrt_sim3_12inst")
    held = mixed.fit("y ~ wave + offset(x) + (1 | inst)", frame, reml=False)
    free = mixed.fit("y ~ wave + x + (1 | inst)", frame, reml=False)
    ours = mixed.compare(held, free)
    assert (ours.df, ours.mixture) == (1, "chi2(1)")
    assert ours.statistic == pytest.approx(held.criterion - free.criterion, abs=1e-9)
    without = mixed.fit("y ~ wave + (1 | inst)", frame, reml=False)
    other = mixed.fit("y ~ wave + arm + offset(x) + (1 | inst)", frame, reml=False)
    assert "special case" in mixed.compare(without, other).reason
    assert found["formulas"]
