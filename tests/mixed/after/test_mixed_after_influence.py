"""Influence of clusters, collinearity and data for plots: against R, refits from scratch, and definitions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from implstats import mixed
from implstats.errors import ModelError, NotSupportedError, UsageError

FOLDER = Path(__file__).parents[2] / "reference" / "mixed"
SAME_FIT = 1e-8  # share; both are run to convergence, from different starts
VARIANCE = 1e-6  # the criterion is flat in the variances: half the digits of the criterion are left
R_FIT, R_VARIANCE = 1e-6, 1e-5  # lme4's optimiser stops earlier than Newton's method
Design = Callable[..., pd.DataFrame]


def _reference() -> dict[str, Any]:
    return json.loads((FOLDER / "influence" / "influence.json").read_text(encoding="utf-8"))


def _frame(seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    inst = np.repeat(np.arange(8), 24)
    person, wave = np.repeat(np.arange(64), 3), np.tile(np.arange(3.0), 64)
    x, arm = rng.normal(size=64)[person], (inst % 2).astype(float)
    y = (1 + 0.2 * wave + 0.4 * x + 0.7 * rng.normal(size=8)[inst] + 0.8 * rng.normal(size=64)[person]
         + 0.4 * rng.normal(size=64)[person] * wave + 0.6 * rng.normal(size=192))  # fmt: skip
    made = pd.DataFrame({"y": y, "wave": wave, "x": x, "arm": arm, "person": person, "inst": inst})
    made["w"] = rng.uniform(0.5, 2.0, size=192)
    return made[rng.random(192) > 0.1].reset_index(drop=True)


def _brute(
    formula: str, frame: pd.DataFrame, level: str, *, many: int | None = None, **options: Any
) -> list[mixed.MixedResult]:
    ids = np.unique(frame[level])[:many]
    return [mixed.fit(formula, frame[frame[level] != j], df="none", **options) for j in ids]


def test_influence_equals_a_loop_over_lmer() -> None:
    frame = pd.read_csv(FOLDER / "crossed" / "data" / "sleep_offset.csv")
    found = mixed.influence(mixed.fit("Reaction ~ Days + (Days | Subject)", frame))
    theirs = _reference()["sleep"]
    assert [str(i) for i in found.ids["Subject"]] == [str(t["subject"]) for t in theirs]
    for ours, name, limit in (
        (found.estimates, "fixef", R_FIT), (found.std_errors, "se", R_FIT),
        (found.covariance_ratio, "covratio", R_VARIANCE),
    ):  # fmt: skip
        assert ours == pytest.approx(np.array([t[name] for t in theirs]), rel=limit)
    variances = np.array([t["vcov"] for t in theirs])
    assert found.variances[:, [0, 2, 1, 3]] == pytest.approx(variances, abs=R_VARIANCE * variances.max())
    # Differences of nearly equal numbers: right to R_FIT standard errors.
    assert found.dfbetas == pytest.approx(np.array([t["dfbetas"] for t in theirs]), abs=1e-5)
    assert found.cooks_distance == pytest.approx([t["cooks"] for t in theirs], abs=1e-5)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("level", ["inst", "person"])
def test_influence_equals_refits_from_scratch(level: str, reml: bool) -> None:
    frame, formula = _frame(), "y ~ wave + x + (1 | inst) + (1 + wave | person)"
    whole = mixed.fit(formula, frame, df="none", reml=reml)
    found = mixed.influence(whole, level=level)
    ids = found.ids[level]
    picked = range(len(ids)) if level == "inst" else range(0, len(ids), 9)
    se = np.array([f.std_error for f in whole.fixed])
    b = np.array([f.estimate for f in whole.fixed])
    V = np.asarray(whole.covariance)
    for j in picked:
        again = mixed.fit(formula, frame[frame[level] != ids[j]], df="none", reml=reml)
        own = np.array([f.estimate for f in again.fixed])
        assert np.abs(found.estimates[j] - own) / se == pytest.approx(0.0, abs=SAME_FIT)
        assert found.std_errors[j] == pytest.approx([f.std_error for f in again.fixed], rel=SAME_FIT)
        variances = [*(e.covariance for e in again.random), again.residual_variance]
        assert found.variances[j] == pytest.approx(variances, rel=VARIANCE, abs=VARIANCE)
        cooks = (b - own) @ np.linalg.solve(V, b - own) / len(b)
        assert found.cooks_distance[j] == pytest.approx(cooks, abs=1e-7)
        assert found.n_rows[j] == int(np.sum(frame[level] == ids[j]))
        assert found.boundary[j] == again.boundary


def test_influence_with_prior_weights_and_crossed_levels() -> None:
    frame = _frame()
    weighted = mixed.influence(mixed.fit("y ~ wave + x + (1 | inst)", frame, weights="w"))
    for j, again in enumerate(_brute("y ~ wave + x + (1 | inst)", frame, "inst", weights="w")):
        assert weighted.estimates[j] == pytest.approx([f.estimate for f in again.fixed], rel=1e-7)
    items = pd.read_csv(FOLDER / "crossed" / "data" / "items.csv")
    formula = "y ~ x + (1 | subject) + (x | item)"
    for level in ("item", "subject"):
        found = mixed.influence(mixed.fit(formula, items, df="none"), level=level)
        for j, again in enumerate(_brute(formula, items, level, many=4)):
            assert found.estimates[j] == pytest.approx([f.estimate for f in again.fixed], rel=1e-6, abs=1e-7)
            assert found.std_errors[j] == pytest.approx([f.std_error for f in again.fixed], rel=1e-7)


def test_boundary_fits_are_followed() -> None:
    frame = _frame(5)
    frame["y"] = frame["y"] - frame.groupby("inst")["y"].transform("mean")
    formula = "y ~ wave + x + (1 | inst) + (1 | person)"
    whole = mixed.fit(formula, frame, df="none")
    assert whole.boundary
    found = mixed.influence(whole, level="inst")
    for j, again in enumerate(_brute(formula, frame, "inst")):
        assert found.boundary[j] == again.boundary
        assert found.estimates[j] == pytest.approx([f.estimate for f in again.fixed], rel=1e-6, abs=1e-8)


def test_what_cannot_be_left_out_has_a_reason() -> None:
    frame = _frame().assign(pilot=lambda d: (d["inst"] == 3) * 1.0)
    found = mixed.influence(mixed.fit("y ~ wave + pilot + (1 | inst)", frame))
    assert "cannot be estimated" in found.reasons[3]
    assert np.isnan(found.cooks_distance[3])
    assert np.isnan(found.estimates[3]).all()
    assert all(not reason for k, reason in enumerate(found.reasons) if k != 3)
    assert any(c.name == "left_out" for c in found.checks)
    assert found.frame["reason"][3] == found.reasons[3]
    with pytest.raises(UsageError, match="did you mean 'inst'"):
        mixed.influence(mixed.fit("y ~ wave + (1 | inst)", frame), level="instt")
    with pytest.raises(NotSupportedError, match="structure over waves"):
        mixed.influence(mixed.fit("y ~ x + (1 | inst)", frame, residual="ar1(wave | person)"))


def test_inflation_equals_car() -> None:
    raters = pd.read_csv(FOLDER / "crossed" / "data" / "raters.csv")
    raters["g"] = np.array(["a", "b", "c"])[(raters["person"] + raters["wave"]).astype(int) % 3]
    found = mixed.collinearity(mixed.fit("y ~ wave + x + arm + g + (1 | person)", raters, df="none"))
    theirs = _reference()
    assert list(found.terms) == theirs["vif"]["terms"]
    ours = np.column_stack([found.gvif, found.df, found.gvif_root])
    assert ours == pytest.approx(np.array(theirs["vif"]["values"]), rel=1e-7)
    assert found.condition_indices == pytest.approx(theirs["condition"], rel=1e-9)
    assert found.proportions.sum(axis=0) == pytest.approx(np.ones(6))
    assert found.checks[0].status == "ok"


def test_collinear_predictors_are_named() -> None:
    frame = _frame()
    frame["x2"] = frame["x"] + 0.01 * np.random.default_rng(1).normal(size=len(frame))
    found = mixed.collinearity(mixed.fit("y ~ wave + x + x2 + (1 | inst)", frame))
    assert found.checks[0].status == "info"
    assert "x and x2" in found.checks[0].message
    with pytest.raises(ModelError, match="no predictor"):
        mixed.collinearity(mixed.fit("y ~ 1 + (1 | inst)", frame))


def test_residuals_are_what_they_say() -> None:
    frame = _frame().assign(off=lambda d: 2.0 * d["x"])
    frame.index = frame.index + 100
    result = mixed.fit("y ~ wave + x + (1 | inst) + (wave | person)", frame, weights="w", offset="off")
    found = mixed.residuals(result)
    assert (found.index == frame.index).all()
    assert found["outcome"].to_numpy() == pytest.approx(frame["y"].to_numpy(), abs=1e-12)
    assert found["fitted"].to_numpy() == pytest.approx(mixed.predict(result).values, abs=1e-10)
    assert found["fitted_marginal"].to_numpy() == pytest.approx(
        mixed.predict(result, random="none").values, abs=1e-10
    )
    # The standardised conditional residuals are those of lme4: residual * sqrt(w) / sigma.
    expected = found["residual"] * np.sqrt(frame["w"]) / np.sqrt(result.residual_variance)
    assert found["residual_standardised"].to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-12)
    cov = {(e.cluster, e.term, e.term2): e.covariance for e in result.random}
    one, wave = "(Intercept)", "wave"
    variance = (
        result.residual_variance / frame["w"] + cov["inst", one, one] + cov["person", one, one]
        + 2 * frame["wave"] * cov["person", one, wave] + frame["wave"] ** 2 * cov["person", wave, wave]
    )  # fmt: skip
    assert found["residual_marginal_standardised"].to_numpy() == pytest.approx(
        (found["residual_marginal"] / np.sqrt(variance)).to_numpy(), rel=1e-10
    )


def test_mode_scores_follow_the_order_of_the_modes() -> None:
    from scipy.stats import norm

    result = mixed.fit("y ~ wave + x + (1 | inst) + (wave | person)", _frame(), df="none")
    scores = mixed.mode_scores(result)
    assert scores.groupby(["cluster", "term"]).size().to_dict() == {
        ("inst", "(Intercept)"): 8, ("person", "(Intercept)"): 64, ("person", "wave"): 64,
    }  # fmt: skip
    inst = scores[scores["cluster"] == "inst"].sort_values("mode")
    # R: qnorm(ppoints(8)).
    assert inst["normal_score"].to_numpy() == pytest.approx(norm.ppf((np.arange(1, 9) - 0.375) / 8.25))
    wave = scores[scores["term"] == "wave"].sort_values("mode")
    assert wave["normal_score"].to_numpy() == pytest.approx(norm.ppf((np.arange(1, 65) - 0.5) / 64))
