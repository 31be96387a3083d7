"""Each silently wrong result measured in semopy 2.3.11, and the right one here. Numbers are lavaan's."""

from __future__ import annotations

import numpy as np
import pytest

from implstats import sem

# The right values were written down with this many digits.
FOUR_DIGITS = 5e-5
TWO_DECIMALS = 0.005

DEMOCRACY = """
ind60 =~ x1 + x2 + x3
dem60 =~ y1 + y2 + y3 + y4
dem65 =~ y5 + y6 + y7 + y8
dem60 ~ ind60
dem65 ~ ind60 + dem60
y1 ~~ y5
y2 ~~ y4 + y6
y3 ~~ y7
y4 ~~ y8
y6 ~~ y8
"""


def test_the_log_likelihood_is_not_the_criterion(hs, three_factors):
    fit = sem.fit(three_factors, hs, kind="cfa").fit
    assert fit["logl"] == pytest.approx(-3737.74, abs=TWO_DECIMALS)
    assert fit["aic"] == pytest.approx(7517.49, abs=TWO_DECIMALS)
    assert fit["bic"] == pytest.approx(7595.34, abs=TWO_DECIMALS)


def test_aic_ranks_the_worse_of_two_equally_long_models_worse(hs, three_factors):
    right = sem.fit(three_factors, hs, kind="cfa").fit
    shuffled = "visual =~ x1 + x4 + x7\ntextual =~ x2 + x5 + x8\nspeed =~ x3 + x6 + x9"
    wrong = sem.fit(shuffled, hs, kind="cfa").fit
    assert wrong["npar"] == right["npar"]
    assert wrong["chisq"] == pytest.approx(306.7, abs=0.05)
    assert wrong["aic"] - right["aic"] == pytest.approx(wrong["chisq"] - right["chisq"])


def test_means_leave_the_test_of_fit_alone(hs, three_factors):
    fit = sem.fit(three_factors, hs, kind="cfa", meanstructure=True).fit
    assert fit["chisq"] == pytest.approx(85.31, abs=TWO_DECIMALS)
    assert fit["df"] == 24
    assert fit["pvalue"] == pytest.approx(8.5e-9, rel=0.01)


def test_observed_predictors_make_no_degrees_of_freedom(mediation):
    fit = sem.fit("M1 ~ X + C\nY ~ M1 + X + C", mediation).fit
    assert (fit["df"], fit["cfi"], fit["pvalue"]) == (0, 1.0, None)


def test_serial_mediation_and_a_truncated_cfi(mediation):
    model = (
        "M1 ~ a1*X + C\nM2 ~ a2*X + d*M1\nY ~ b1*M1 + b2*M2 + cp*X + C\nserial := a1*d*b2\ntotal := "
        "cp + serial"
    )
    result = sem.fit(model, mediation)
    assert result.fit["chisq"] == pytest.approx(0.34577, abs=FOUR_DIGITS)
    assert result.fit["df"] == 1
    assert result.fit["pvalue"] == pytest.approx(0.557, abs=5e-4)
    assert result.fit["cfi"] == 1.0
    assert result.fit["tli"] > 1, "the Tucker-Lewis index is not truncated"
    # With recursive equations each is least squares, so the product can be formed by hand.
    data = mediation - mediation.mean()

    def slopes(outcome, predictors):
        return np.linalg.lstsq(data[predictors].to_numpy(), data[outcome].to_numpy(), rcond=None)[0]

    product = (
        slopes("M1", ["X", "C"])[0] * slopes("M2", ["X", "M1"])[1] * slopes("Y", ["M1", "M2", "X", "C"])[1]
    )
    assert next(p.estimate for p in result.parameters if p.lhs == "serial") == pytest.approx(
        product, abs=1e-8
    )


def test_a_residual_covariance_standardises_to_the_residual_correlation():
    examples = pytest.importorskip("semopy.examples.political_democracy", reason="its data come with semopy")
    result = sem.fit(DEMOCRACY, examples.get_data())
    assert result.fit["chisq"] == pytest.approx(38.1252, abs=FOUR_DIGITS)
    assert result.fit["df"] == 35
    standardised = {p.name: p.std_all for p in result.parameters}
    assert standardised["y1 ~~ y5"] == pytest.approx(0.2958, abs=FOUR_DIGITS)


def test_gfi_is_not_nfi(hs, three_factors):
    fit = sem.fit(three_factors, hs, kind="cfa").fit
    assert fit["gfi"] == pytest.approx(0.9433, abs=FOUR_DIGITS)
    assert fit["agfi"] == pytest.approx(0.894, abs=5e-4)
    assert fit["nfi"] == pytest.approx(0.9072, abs=FOUR_DIGITS)


def test_the_bifactor_model_reaches_its_optimum(hs, three_factors):
    model = "g =~ " + " + ".join(f"x{i}" for i in range(1, 10)) + "\n" + three_factors
    for changes in ({"std_lv": True}, {}):
        result = sem.fit(model, hs, kind="cfa", orthogonal=True, **changes)
        assert result.fit["chisq"] == pytest.approx(34.88, abs=TWO_DECIMALS)
        assert not result.admissible


def test_rmsea_divides_by_n(hs, three_factors):
    assert sem.fit(three_factors, hs, kind="cfa").fit["rmsea"] == pytest.approx(0.09212, abs=5e-6)
