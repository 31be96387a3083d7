"""Shares of variance of generalised models by the formulas, from R's variances."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from implstats import mixed

REFERENCE = Path(__file__).parents[2] / "reference" / "mixed"
FOUND = json.loads((REFERENCE / "generalised" / "after.json").read_text(encoding="utf-8"))
R = 2e-6  # clmm ends its search 1.2e-6 away from ours; glmer and glmmTMB 3e-7
CASES = {
    "cbpp": ("cbind(incidence, fail) ~ factor(period) + (1 | herd)", "cbpp", "binomial"),
    "slope": ("yb ~ x + wave + arm + (1 + wave | person)", "sim_glmm_12inst", "binomial"),
    "count": ("yc ~ x + wave + arm + (1 | inst/person)", "sim_glmm_12inst", "poisson"),
    "nbinom": ("ynb ~ x + wave + arm + (1 | inst)", "sim_glmm_12inst", "nbinom"),
    "wine": ("rating ~ temp + contact + (1 | judge)", "wine", "ordinal"),
}


@pytest.mark.parametrize("name", list(CASES))
def test_shares_by_formula(name: str) -> None:
    formula, data, family = CASES[name]
    frame = pd.read_csv(REFERENCE / "data" / f"{data}.csv")
    result = mixed.fit(formula, frame, family=family)
    fixed, random = (np.array(FOUND[name]["variances"][part]) for part in ("fixed", "random"))
    row = np.pi**2 / 3.0
    if family == "poisson":
        row = np.log(1.0 + 1.0 / frame["yc"].mean())
    elif family == "nbinom":
        row = np.log(1.0 + 1.0 / frame["ynb"].mean() + 1.0 / FOUND[name]["theta"])
    total = fixed + random.sum() + row
    found, shares = mixed.r2(result), mixed.icc(result)
    assert found.marginal == pytest.approx(fixed / total, abs=R)
    assert found.conditional == pytest.approx((fixed + random.sum()) / total, abs=R)
    assert sorted(s.icc for s in shares.levels) == pytest.approx(sorted(random / (random.sum() + row)), abs=R)
    assert any(c.name == "row_variance" for c in shares.checks)


def test_probit_has_unit_variance() -> None:
    frame = pd.read_csv(REFERENCE / "data" / "wine.csv")
    result = mixed.fit("rating ~ temp + (1 | judge)", frame, family="ordinal", link="probit")
    variance = result.random[0].covariance
    assert mixed.icc(result).levels[0].icc == pytest.approx(variance / (variance + 1.0), rel=1e-12)
