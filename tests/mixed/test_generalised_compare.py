"""Likelihood-ratio tests of generalised and ordinal fits against R's anova()."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

from implstats import mixed
from implstats.errors import DataError, NotSupportedError

REFERENCE = Path(__file__).parents[1] / "reference" / "mixed"
STATISTIC = 1e-5  # deviance units: glmer and clmm stop within this of their optimum
R = json.loads((REFERENCE / "generalised" / "comparisons.json").read_text(encoding="utf-8"))
FITS = {
    "cbpp": ("cbpp", "cbind(incidence, fail) ~ {} + (1 | herd)", "binomial", "1", "factor(period)"),
    "sim": ("sim_glmm_12inst", "yc ~ wave + arm + x + {}", "poisson", "(1 | person)",
            "(1 | inst) + (1 | person)"),
    "wine": ("wine", "rating ~ {} + (1 | judge)", "ordinal", "temp", "temp + contact"),
}  # fmt: skip


@cache
def _fit(data: str, formula: str, family: str, agq: int = 1) -> mixed.MixedResult:
    return mixed.fit(formula, pd.read_csv(REFERENCE / "data" / f"{data}.csv"), family=family, agq=agq)


def _pair(name: str) -> tuple[mixed.MixedResult, mixed.MixedResult]:
    data, formula, family, small, large = FITS[name]
    return _fit(data, formula.format(small), family), _fit(data, formula.format(large), family)


@pytest.mark.parametrize("name", FITS)
def test_against_anova(name):
    small, large = _pair(name)
    found = mixed.compare(large, small)
    assert found.smaller.formula == small.formula
    assert found.statistic == pytest.approx(R[name]["statistic"], abs=STATISTIC)
    assert found.df == R[name]["df"]
    assert found.p_chisq == pytest.approx(R[name]["p"], rel=STATISTIC)
    assert mixed.compare(small, large) == found
    if name == "cbpp":
        assert [found.larger.aic, found.larger.bic] == pytest.approx(
            [R[name]["aic"], R[name]["bic"]], abs=1e-5
        )


def test_a_variance_is_halved():
    found = mixed.compare(*_pair("sim"))
    assert found.mixture == "0.5 chi2(0) + 0.5 chi2(1)"
    assert found.p_mixture == pytest.approx(0.5 * chi2.sf(found.statistic, 1), rel=1e-9)
    assert found.checks[-1].name == "boundary_mixture"


def test_other_names_of_the_same_columns_are_nested():
    a = _fit("sim_glmm_12inst", "yb ~ I(5 - 2 * x) + (1 | inst)", "binomial")
    b = _fit("sim_glmm_12inst", "yb ~ x + wave + (1 | inst)", "binomial")
    assert mixed.compare(a, b).df == 1


def test_poisson_is_the_boundary_of_the_negative_binomial():
    formula = "ynb ~ wave + arm + (1 | inst)"
    a, b = (_fit("sim_glmm_12inst", formula, family) for family in ("nbinom", "poisson"))
    found = mixed.compare(a, b)
    assert (found.df, found.mixture) == (1, "0.5 chi2(0) + 0.5 chi2(1)")
    assert found.statistic == pytest.approx(b.criterion - a.criterion, abs=1e-12)


def test_not_nested_is_said():
    a = _fit("sim_glmm_12inst", "yb ~ x + (1 | inst)", "binomial")
    b = _fit("sim_glmm_12inst", "yb ~ wave + arm + (1 | inst)", "binomial")
    found = mixed.compare(a, b)
    assert found.statistic is None
    assert "not a special case" in found.reason


def test_refusals():
    a = _fit("sim_glmm_12inst", "yb ~ x + (1 | inst)", "binomial")
    with pytest.raises(NotSupportedError, match="agq"):
        mixed.compare(a, _fit("sim_glmm_12inst", "yb ~ x + (1 | inst)", "binomial", 5))
    with pytest.raises(NotSupportedError, match="one family"):
        mixed.compare(a, _fit("sim_glmm_12inst", "yc ~ x + (1 | inst)", "poisson"))
    gaussian = mixed.fit("x ~ wave + (1 | inst)", pd.read_csv(REFERENCE / "data" / "sim_glmm_12inst.csv"))
    with pytest.raises(NotSupportedError, match="one family"):
        mixed.compare(gaussian, a)
    frame = pd.read_csv(REFERENCE / "data" / "sim_glmm_12inst.csv")
    frame["yb"] = np.roll(frame["yb"], 1)
    with pytest.raises(DataError, match="different outcomes"):
        mixed.compare(a, mixed.fit("yb ~ x + (1 | inst)", frame, family="binomial"))
