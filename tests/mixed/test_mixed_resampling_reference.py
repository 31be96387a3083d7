"""Refits and a bootstrapped likelihood ratio against lme4 and pbkrtest (tests/reference/mixed/resampling)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from implstats import mixed

FOLDER = Path(__file__).parents[1] / "reference" / "mixed"
CRITERION = 1e-8  # deviance units; both are converged to rounding
SE = 1e-6  # relative; lme4's optimiser stops within 1e-7 of its parameters
FORMULA = "y ~ wave * arm + x + (1 | inst) + (1 | person)"


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / "resampling" / "refit.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "data" / "sim3_12inst.csv")


def test_refits_are_fresh_lmer_fits_one_of_them_singular(
    reference: dict[str, Any], frame: pd.DataFrame
) -> None:
    rows = reference["refits"]
    refits = mixed.refit(mixed.fit(FORMULA, frame), np.array([row["y"] for row in rows]).T)
    for j, row in enumerate(rows):
        assert refits.criterion[j] == pytest.approx(row["fresh_criterion"], abs=CRITERION)
        np.testing.assert_allclose(refits.beta[j], row["fresh_beta"], atol=1e-6 * min(row["fresh_se"]))
        np.testing.assert_allclose(refits.std_error[j], row["fresh_se"], rtol=SE)
        np.testing.assert_allclose(refits.covariances[j], row["fresh_var"], atol=1e-6)
        assert refits.sigma2[j] == pytest.approx(row["fresh_sigma2"], rel=SE)
        assert bool(refits.boundary[j]) == (min(row["fresh_var"]) == 0.0)
    assert refits.boundary.sum() == 1


def test_lme4s_refit_differs_from_lme4s_fresh_fit(reference: dict[str, Any], frame: pd.DataFrame) -> None:
    # With n - 1 degrees in place of n - p the residual variance is smaller, by less than (p - 1) / (n - 1),
    # which it would lose if the variance ratios did not move.
    n, p = len(frame), 5
    for row in reference["refits"]:
        assert abs(row["refit_criterion"] - row["fresh_criterion"]) > 1.0
        loss = 1.0 - row["refit_sigma2"] / row["fresh_sigma2"]
        assert 0.5 * (p - 1) / (n - 1) < loss < (p - 1) / (n - 1)


def test_a_bootstrapped_ratio_is_that_of_pbkrtest(reference: dict[str, Any], frame: pd.DataFrame) -> None:
    part = frame[frame["person"].isin(frame["person"].unique()[:400:3])]
    small, large = (mixed.fit(f"y ~ wave + x{t} + (1 | inst)", part) for t in ("", " + arm"))
    found = mixed.bootstrap_compare(small, large, draws=1999, seed=1)
    theirs = reference["pb"]
    assert found.statistic == pytest.approx(theirs["statistic"], abs=1e-7)
    assert found.p_chisq == pytest.approx(theirs["p_chisq"], abs=1e-8)
    # pbkrtest leaves out draws with a ratio that is not positive; its p has the denominator 530, which gives
    # its Monte Carlo error. Three standard errors of the difference.
    error = np.hypot(found.std_error, np.sqrt(theirs["p_bootstrap"] * (1 - theirs["p_bootstrap"]) / 529))
    assert theirs["p_bootstrap"] == pytest.approx(99 / 530)
    assert abs(found.p_value - theirs["p_bootstrap"]) < 3 * error
