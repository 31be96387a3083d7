"""Shares of variance: R's parts, hand formulas, and what must add up."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from implstats import mixed
from implstats.errors import NotSupportedError

FOLDER = Path(__file__).parents[2] / "reference" / "mixed"
# Variances are known to about six digits where the criterion is flat; see the reference tests.
VARIANCE = 3e-6
SHARE = 1e-6
EXACT = 1e-12


@pytest.mark.parametrize("name", ["waves_by_arm", "polynomial_slope", "growth_ml"])
def test_r2_and_icc_follow_from_rs_parts(name: str, after: Callable, fitted: Callable) -> None:
    theirs, _ = after(name)
    result = fitted(name)
    between = sum(theirs["mean_random"].values())
    total = theirs["var_fixed"] + between + theirs["sigma2"]
    found = mixed.r2(result)
    assert found.variances.fixed == pytest.approx(theirs["var_fixed"], rel=SHARE)
    assert found.marginal == pytest.approx(theirs["var_fixed"] / total, abs=SHARE)
    assert found.conditional == pytest.approx((theirs["var_fixed"] + between) / total, abs=SHARE)
    levels = mixed.icc(result).levels
    by_name = {key.split(" | ")[1]: value for key, value in theirs["mean_random"].items()}
    for level in levels:
        assert level.icc == pytest.approx(by_name[level.cluster] / (between + theirs["sigma2"]), abs=SHARE)
        assert level.icc_unadjusted == pytest.approx(by_name[level.cluster] / total, abs=SHARE)
    assert levels[0].correlation == pytest.approx(between / (between + theirs["sigma2"]), abs=SHARE)


def test_prior_weights_take_the_mean_residual_variance(after: Callable, fitted: Callable) -> None:
    theirs, frame = after("sleep_weights")
    found = mixed.r2(fitted("sleep_weights")).variances.residual
    assert found == pytest.approx(theirs["sigma2"] * np.mean(1 / frame["w"]), rel=VARIANCE)


@pytest.mark.parametrize("name", ["two_levels", "three_levels"])
def test_reductions_equal_rs_variances(name: str) -> None:
    found = json.loads((FOLDER / "after" / "reductions.json").read_text(encoding="utf-8"))[name]
    frame = pd.read_csv(FOLDER / "data" / f"{found['data']}.csv")
    ours = mixed.r2_by_level(mixed.fit(found["formula"], frame))
    size = sum(found["null"].values())
    for level in ours.reductions:
        assert level.null_variance == pytest.approx(found["null"][level.level], abs=VARIANCE * size)
        assert level.variance == pytest.approx(found["full"][level.level], abs=VARIANCE * size)
        assert level.explained == pytest.approx(1 - level.variance / level.null_variance)
    assert ours.total_explained == pytest.approx(1 - sum(found["full"].values()) / size, abs=SHARE)


def test_a_slope_model_is_compared_with_intercepts_only(fitted: Callable, after: Callable) -> None:
    frame = after("polynomial_slope")[1]
    ours = mixed.r2_by_level(fitted("polynomial_slope"))
    plain = mixed.fit("y ~ poly(wave, 2) + scale(x) * arm + (1 | inst) + (1 | person)", frame, df="none")
    expected = {e.cluster: e.covariance for e in plain.random} | {"residual": plain.residual_variance}
    for level in ours.reductions:
        assert level.variance == pytest.approx(expected[level.level], rel=1e-5, abs=1e-8)
    assert any(check.name == "intercepts_only" for check in ours.checks)


def test_decomposition_equals_rights_and_sterbas_formulas() -> None:
    rng = np.random.default_rng(2)
    g = np.repeat(np.arange(40), rng.integers(4, 12, size=40))
    x = rng.normal(size=len(g)) + rng.normal(size=40)[g]
    mean = pd.Series(x).groupby(g).transform("mean").to_numpy()
    u = rng.multivariate_normal([0, 0], [[0.5, 0.1], [0.1, 0.3]], size=40)
    y = 1 + 0.4 * (x - mean) + 0.8 * mean + u[g, 0] + u[g, 1] * (x - mean) + rng.normal(size=len(g))
    frame = pd.DataFrame({"y": y, "cwc": x - mean, "mean": mean, "g": g})
    result = mixed.fit("y ~ cwc + mean + (1 + cwc | g)", frame)
    parts = {(p.level, p.source): p.variance for p in mixed.r2_by_level(result).parts}
    b = [f.estimate for f in result.fixed]
    tau = {(e.term, e.term2): e.covariance for e in result.random}
    n = len(y)
    assert parts["within g", "fixed"] == pytest.approx(b[1] ** 2 * np.sum((x - mean) ** 2) / (n - 1))
    assert parts["g", "fixed"] == pytest.approx(b[2] ** 2 * np.var(mean, ddof=1))
    assert parts["within g", "slopes of g"] == pytest.approx(tau["cwc", "cwc"] * np.mean((x - mean) ** 2))
    assert parts["g", "intercepts of g"] == pytest.approx(tau["(Intercept)", "(Intercept)"])
    assert parts["within g", "residual"] == pytest.approx(result.residual_variance)


@pytest.mark.parametrize("name", ["waves_by_arm", "polynomial_slope", "growth_ml", "sleep_weights"])
def test_the_decomposition_adds_up_to_r2(name: str, fitted: Callable) -> None:
    result = fitted(name)
    whole, parts = mixed.r2(result), mixed.r2_by_level(result).parts
    fixed = sum(p.share for p in parts if p.source == "fixed")
    assert sum(p.variance for p in parts) == pytest.approx(whole.variances.total, rel=EXACT)
    assert fixed == pytest.approx(whole.marginal, rel=EXACT)
    assert 1 - sum(p.share for p in parts if p.source == "residual") == pytest.approx(
        whole.conditional, rel=EXACT
    )
    for level in {p.level for p in parts}:
        assert sum(p.share_of_level for p in parts if p.level == level) == pytest.approx(1)


def test_shares_do_not_depend_on_the_outcomes_unit(after: Callable, fitted: Callable) -> None:
    frame = after("waves_by_arm")[1]
    scaled = mixed.fit(
        "z ~ w * a + x + (1 | inst) + (1 | person)", frame.assign(z=lambda d: 100 * d["y"] - 7)
    )
    assert mixed.r2(scaled).marginal == pytest.approx(mixed.r2(fitted("waves_by_arm")).marginal, rel=1e-8)
    assert mixed.icc(scaled).levels[0].icc == pytest.approx(
        mixed.icc(fitted("waves_by_arm")).levels[0].icc, rel=1e-6
    )


def test_a_level_without_variance_is_not_divided_by() -> None:
    rng = np.random.default_rng(3)
    x = np.tile(np.array([-1.0, 0.0, 1.0]), 10)
    y = x + 0.01 * rng.normal(size=30)
    frame = pd.DataFrame({"y": y, "x": x, "g": np.repeat(np.arange(10), 3)})
    found = mixed.r2_by_level(mixed.fit("y ~ x + (1 | g)", frame))
    assert found.reductions[1].null_variance == 0.0
    assert found.reductions[1].explained is None
    assert any(check.name == "nothing_to_explain" for check in found.checks)


def test_crossed_levels_share_their_own_variance_only() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 12, 300), rng.integers(0, 15, 300)
    y = rng.normal(size=12)[a] + rng.normal(size=15)[b] + rng.normal(size=300)
    result = mixed.fit("y ~ 1 + (1 | a) + (1 | b)", pd.DataFrame({"y": y, "a": a, "b": b}))
    for level in mixed.icc(result).levels:
        assert level.correlation == level.icc
    with pytest.raises(NotSupportedError, match="are crossed"):
        mixed.r2_by_level(result)
