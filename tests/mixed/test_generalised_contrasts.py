"""Wald tests of contrasts of generalised and ordinal fits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

from implstats import mixed
from implstats.errors import UsageError

REFERENCE = Path(__file__).parents[1] / "reference" / "mixed"
R = json.loads((REFERENCE / "generalised" / "comparisons.json").read_text(encoding="utf-8"))
ROUNDING = 1e-12
ESTIMATE = 1e-4  # standard errors: glmer stops by its own rule
STD_ERROR = 1e-4  # relative: glmer differences its deviance


@pytest.fixture(scope="module")
def cbpp() -> mixed.MixedResult:
    return mixed.fit(
        "cbind(incidence, fail) ~ factor(period) + (1 | herd)", pd.read_csv(REFERENCE / "data" / "cbpp.csv"),
        family="binomial",
    )  # fmt: skip


@pytest.fixture(scope="module")
def wine() -> mixed.MixedResult:
    return mixed.fit(
        "rating ~ temp + contact + (1 | judge)",
        pd.read_csv(REFERENCE / "data" / "wine.csv"),
        family="ordinal",
    )


def test_pairs_of_periods_against_emmeans(cbpp):
    L = np.array([[0, -1, 0, 0], [0, 0, -1, 0], [0, 0, 0, -1], [0, 1, -1, 0], [0, 1, 0, -1], [0, 0, 1, -1]])
    found, theirs = mixed.contrast(cbpp, L), R["pairs"]["cbpp_tukey"]
    se = np.array(theirs["SE"])
    gap = np.array([row.estimate for row in found.rows]) - np.array(theirs["estimate"])
    assert np.abs(gap / se).max() < ESTIMATE
    np.testing.assert_allclose([row.std_error for row in found.rows], se, rtol=STD_ERROR)
    assert all(row.df is None and row.df_method == "wald-z" for row in found.rows)
    # Six pairs of four periods hold three independent ones.
    assert found.joint.df == 3
    assert "left out" in found.joint.reason
    same = mixed.contrast(cbpp, L[:3]).joint
    assert found.joint.statistic == pytest.approx(same.statistic, rel=1e-9)
    assert same.p_value == pytest.approx(chi2.sf(same.statistic, 3), rel=1e-10)


def test_rows_are_the_coefficients_own_tests(wine):
    found = mixed.contrast(wine, np.eye(len(wine.terms)), names=wine.terms)
    for row, own in zip(found.rows, wine.fixed, strict=True):
        assert [row.estimate, row.std_error, row.p_value, row.conf_low, row.conf_high] == pytest.approx(
            [own.estimate, own.std_error, own.p_value, own.conf_low, own.conf_high], rel=ROUNDING
        )
    one = mixed.contrast(wine, {"contact": {"contactyes": 1}})
    assert one.joint.statistic == pytest.approx(one.rows[0].statistic ** 2, rel=1e-10)
    assert one.joint.p_value == pytest.approx(one.rows[0].p_value, rel=1e-9)


def test_a_hypothesis_at_the_estimate_is_not_rejected(wine):
    value = wine.fixed[-1].estimate
    row = mixed.contrast(wine, {"c": {"contactyes": 1}}, rhs=value).rows[0]
    assert (row.statistic, row.p_value) == (0.0, 1.0)


def test_degrees_of_freedom_are_refused(wine):
    with pytest.raises(UsageError, match="z tests only"):
        mixed.contrast(wine, {"c": {"contactyes": 1}}, df="satterthwaite")
    with pytest.raises(UsageError, match="one column a coefficient"):
        mixed.contrast(wine, [1.0])
