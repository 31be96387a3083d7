"""Marginal means and their contrasts: emmeans to the last digits, and what must hold without it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import stdtr

from implstats import mixed
from implstats.errors import DataError, NotSupportedError, UsageError

NAMES = ["waves_by_arm", "polynomial_slope", "growth_ml"]
IN_SE = 1e-6
SE_RELATIVE = 1e-6
DF = {"kenward-roger": 1e-6, "satterthwaite": 1e-5}  # lmerTest differentiates numerically
NOTHING = 1e-10  # a contrast that the model makes zero has rounding for a standard error in R
P_VALUE, P_TUKEY = 1e-6, 1e-5
PTUKEY = [(2.0, 5.0, 0.5424837272), (3.5, 12.5, 0.1131110356), (6.0, 100.0, 0.0002852220)]
QTUKEY = [(3, 2.0, 8.330783), (4, 12.5, 4.173712), (10, 100.0, 4.576785)]
TABLE = 0.005  # printed to two decimals


def _ours(name: str, found: dict[str, Any], fitted: Callable) -> mixed.MarginalMeans:
    return mixed.emmeans(
        fitted(name, df=found["df"]), found["specs"], by=found["by"] or None, at=found["at"] or None,
        weights=found["weights"],
    )  # fmt: skip


def _column(table: dict[str, Any], *names: str) -> np.ndarray:
    found = next(table[name] for name in names if name in table)
    return np.atleast_1d(np.array(found, dtype=float))


@pytest.mark.parametrize("name", NAMES)
def test_means_equal_emmeans(name: str, after: Callable, fitted: Callable) -> None:
    for found in after(name)[0]["emmeans"]:
        ours, theirs = _ours(name, found, fitted).frame, found["means"]
        se = _column(theirs, "SE")
        for variable in set(theirs) & set(ours.columns) - {"df"}:
            values = np.atleast_1d(theirs[variable]).tolist()
            assert ours[variable].tolist() == (
                values if isinstance(values[0], str) else pytest.approx(values)
            )
        assert np.max(np.abs(ours["estimate"] - _column(theirs, "emmean")) / se) < IN_SE
        assert np.max(np.abs(ours["std_error"] / se - 1)) < SE_RELATIVE
        assert np.max(np.abs(ours["df"] / _column(theirs, "df") - 1)) < DF[found["df"]]
        for own, their in (("conf_low", "lower.CL"), ("conf_high", "upper.CL")):
            assert np.max(np.abs(ours[own] - _column(theirs, their)) / se) < 10 * IN_SE


@pytest.mark.parametrize("name", NAMES)
def test_contrasts_equal_emmeans(name: str, after: Callable, fitted: Callable) -> None:
    for found in after(name)[0]["emmeans"]:
        means = _ours(name, found, fitted)
        for one in found["contrasts"]:
            if one["adjust"] == "tukey" and one["method"] != "pairwise":
                with pytest.raises(NotSupportedError, match="mvt"):
                    mixed.contrasts(means, method=one["method"], adjust="tukey")
                continue
            ours = mixed.contrasts(means, method=one["method"], adjust=one["adjust"]).frame
            theirs, se = dict(one["table"]), _column(one["table"], "SE")
            assert len(ours) == len(se)
            there = se > NOTHING
            assert ours["p_value"].notna().tolist() == there.tolist()
            ours, se = ours[there], se[there]
            theirs = {key: np.atleast_1d(np.array(value))[there] for key, value in theirs.items()}
            assert np.max(np.abs(ours["estimate"] - _column(theirs, "estimate")) / se) < IN_SE
            assert np.max(np.abs(ours["std_error"] / se - 1)) < SE_RELATIVE
            assert np.max(np.abs(ours["df"] / _column(theirs, "df") - 1)) < DF[found["df"]]
            limit = P_TUKEY if one["adjust"] == "tukey" else P_VALUE
            assert np.max(np.abs(ours["p_value"] - _column(theirs, "p.value"))) < limit
            assert np.max(np.abs(ours["conf_low"] - _column(theirs, "lower.CL")) / se) < limit * 10


@pytest.mark.parametrize(
    ("df", "robust"), [("kenward-roger", None), ("satterthwaite", None), ("auto", "CR2")]
)
def test_a_contrast_that_is_a_coefficient_has_its_test(df: str, robust: str | None, after: Callable) -> None:
    frame = after("waves_by_arm")[1]
    result = mixed.fit("y ~ w + a + x + (1 | inst) + (1 | person)", frame, df=df, robust=robust)
    found = mixed.contrasts(mixed.emmeans(result, "a"), method="trt.vs.ctrl", adjust="none").contrasts[0]
    coefficient = next(f for f in result.fixed if f.term == "ausual")
    assert found.label == "usual - trained"
    for name in ("estimate", "std_error", "df", "statistic", "p_value", "conf_low", "conf_high"):
        assert getattr(found, name) == pytest.approx(getattr(coefficient, name), rel=1e-8)


def test_category_order_and_rows_do_not_change_the_means(after: Callable, fitted: Callable) -> None:
    frame = after("waves_by_arm")[1]
    other = frame.assign(a=frame["a"].map({"usual": "1 usual", "trained": "2 trained"})).sample(
        frac=1, random_state=1
    )
    result = mixed.fit("y ~ w * a + x + (1 | inst) + (1 | person)", other)
    first = mixed.emmeans(fitted("waves_by_arm"), "a", by="w").frame
    second = mixed.emmeans(result, "a", by="w").frame
    swapped = second.sort_values(["w", "a"], ascending=[True, False]).reset_index(drop=True)
    for column in ("estimate", "std_error", "df"):
        assert swapped[column].to_numpy() == pytest.approx(first[column].to_numpy(), rel=1e-6)


def test_mvt_equals_what_is_known_exactly() -> None:
    from implstats.mixed.after.adjust import factors, mvt_p, sample

    one = sample(np.ones((1, 1)), seed=1)
    p, error = mvt_p(np.array([2.0]), np.array([7.0]), one)
    assert p[0] == pytest.approx(2 * stdtr(7.0, -2.0), abs=4 * error)
    # Dunnett (1964), two-sided .05, df 10: one, two and three treatments against a control.
    for m, printed in ((1, 2.23), (2, 2.57), (3, 2.76)):
        drawn = sample(np.full((m, m), 0.5) + 0.5 * np.eye(m), seed=2)
        assert factors(np.array([10.0]), method="mvt", level=0.95, k=m, drawn=drawn)[0] == pytest.approx(
            printed, abs=TABLE
        )


def test_the_studentised_range_equals_r() -> None:
    from implstats.mixed.after.adjust import factors, studentised_range_sf

    # ptukey(q, 4, df, lower.tail = FALSE) and qtukey(0.95, k, df) of R 4.2.2, good to about 1e-8.
    for q, df, p in PTUKEY:
        assert studentised_range_sf(q, 4, df) == pytest.approx(p, abs=1e-8)
    for k, df, q in QTUKEY:
        ours = factors(np.array([df]), method="tukey", level=0.95, k=k, drawn=None)[0] * np.sqrt(2)
        assert ours == pytest.approx(q, abs=1e-5)


def test_mvt_equals_tukey_for_all_pairs_of_a_balanced_design() -> None:
    rng = np.random.default_rng(4)
    g, w = np.repeat(np.arange(20), 8), np.tile(["a", "b", "c", "d"], 40)
    y = 0.3 * (w == "d") + rng.normal(size=20)[g] + rng.normal(size=160)
    means = mixed.emmeans(mixed.fit("y ~ w + (1 | g)", pd.DataFrame({"y": y, "w": w, "g": g})), "w")
    mvt, tukey = (mixed.contrasts(means, adjust=a) for a in ("mvt", "tukey"))
    assert mvt.error is not None
    assert mvt.error < 3e-4
    assert mvt.frame["p_value"].to_numpy() == pytest.approx(
        tukey.frame["p_value"].to_numpy(), abs=5 * mvt.error
    )
    assert mvt.frame["conf_low"].to_numpy() == pytest.approx(tukey.frame["conf_low"].to_numpy(), abs=1e-3)
    assert "sampled" in mvt.checks[0].message
    again = mixed.contrasts(means, adjust="mvt")
    assert again.frame.equals(mvt.frame)


def test_adjusted_p_are_ordered_by_how_much_they_ask_for(fitted: Callable) -> None:
    means = mixed.emmeans(fitted("waves_by_arm"), ["w", "a"])
    p = {
        a: mixed.contrasts(means, adjust=a).frame["p_value"]
        for a in ("none", "fdr", "holm", "sidak", "bonferroni")
    }
    for low, high in (("none", "fdr"), ("fdr", "holm"), ("holm", "bonferroni"), ("sidak", "bonferroni")):
        assert (p[low] <= p[high] + 1e-15).all()


def test_custom_contrasts_follow_their_weights(fitted: Callable) -> None:
    means = mixed.emmeans(fitted("waves_by_arm"), "w", by="a")
    own = mixed.contrasts(means, method={"late": [-0.5, -0.5, 1.0]}, adjust="none")
    values = [m.estimate for m in means.means]
    assert own.contrasts[0].estimate == pytest.approx(values[2] - (values[0] + values[1]) / 2)
    assert own.contrasts[1].by == {"a": "usual"}
    with pytest.raises(UsageError, match="add up to zero"):
        mixed.contrasts(means, method={"sum": [1, 1, 1]})
    with pytest.raises(UsageError, match="needs 3 weights"):
        mixed.contrasts(means, method={"short": [1, -1]})


def test_polynomials_are_the_usual_whole_numbers(after: Callable) -> None:
    from implstats.mixed.after.contrast_weights import contrast_weights

    frame = after("waves_by_arm")[1]
    means = mixed.emmeans(mixed.fit("y ~ w + (1 | inst)", frame), "w")
    four = contrast_weights("poly", ["a", "b", "c", "d"], means)
    assert [v.tolist() for v in four.values()] == [[-3, -1, 1, 3], [1, -1, -1, 1], [-1, 3, -3, 1]]
    six = contrast_weights("poly", list("abcdef"), means)
    assert six["cubic"].tolist() == [-5, 7, 4, -4, -7, 5]
    assert six["quartic"].tolist() == [1, -3, 2, 2, -3, 1]
    uneven = mixed.emmeans(mixed.fit("y ~ wave + (1 | inst)", frame), "wave", at={"wave": [0, 1, 5]})
    with pytest.raises(NotSupportedError, match="unequal"):
        mixed.contrasts(uneven, method="poly")


def test_within_and_between_are_covariates_of_their_own(after: Callable) -> None:
    frame = after("waves_by_arm")[1]
    result = mixed.fit("y ~ a + within(x, inst) + between(x, inst) + (1 | inst)", frame)
    found = mixed.emmeans(result, "a", at={"between(x,inst)": 0.5})
    b = {f.term: f.estimate for f in result.fixed}
    assert found.fixed_at["within(x, inst)"] == pytest.approx(0.0, abs=1e-12)
    assert found.means[0].estimate == pytest.approx(b["(Intercept)"] + 0.5 * b["between(x, inst)"])
    with pytest.raises(UsageError, match="stands inside within"):
        mixed.emmeans(result, "a", at={"x": 0})


def test_a_wave_in_factor_is_shown_at_its_values(after: Callable) -> None:
    frame = after("waves_by_arm")[1]
    found = mixed.emmeans(mixed.fit("y ~ factor(wave) + x + (1 | inst)", frame), "wave")
    named = mixed.emmeans(mixed.fit("y ~ w + x + (1 | inst)", frame), "w")
    assert [m.at["wave"] for m in found.means] == [0.0, 1.0, 2.0]
    assert [m.estimate for m in found.means] == pytest.approx([m.estimate for m in named.means])


def test_an_empty_cell_has_no_mean_and_says_why(after: Callable) -> None:
    frame = after("waves_by_arm")[1]
    holed = frame[~((frame["w"] == "w2") & (frame["a"] == "trained"))]
    found = mixed.emmeans(mixed.fit("y ~ w * a + (1 | inst)", holed), ["w", "a"])
    lost = [m for m in found.means if m.estimate is None]
    assert [m.at for m in lost] == [{"w": "w2", "a": "trained"}]
    assert "no row" in lost[0].reason
    assert found.checks[0].name == "estimable"
    pairs = mixed.contrasts(found)
    assert sum(c.p_value is None for c in pairs.contrasts) == 5
    weighted = mixed.emmeans(mixed.fit("y ~ w * a + (1 | inst)", holed), "a", weights="proportional")
    assert weighted.means[0].estimate is None


def test_a_cluster_alone_leaves_a_mean_without_robust_error(after: Callable) -> None:
    frame = after("waves_by_arm")[1].assign(one=lambda d: np.where(d["inst"] == 1, "only", "rest"))
    result = mixed.fit("y ~ one + (1 | inst)", frame, robust="CR2")
    found = mixed.emmeans(result, "one")
    assert found.means[0].std_error is None
    assert "one cluster alone" in found.means[0].reason
    assert found.means[0].estimate is not None


def test_averaging_over_an_interaction_is_said(fitted: Callable) -> None:
    found = mixed.emmeans(fitted("waves_by_arm"), "a")
    assert [c.name for c in found.checks] == ["interaction"]
    assert found.averaged == ("w",)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"specs": "arms"}, "no predictor of"),
        ({"specs": "x"}, "say which ones to show"),
        ({"specs": []}, "at least one predictor"),
        ({"specs": "a", "by": "a"}, "named twice"),
        ({"specs": "a", "weights": "cells"}, "weights is 'equal'"),
        ({"specs": "a", "at": {"x": "low"}}, "give a number"),
        ({"specs": "a", "at": {"x": []}}, "an empty list"),
    ],
)
def test_wrong_requests_are_refused(call: dict[str, Any], words: str, fitted: Callable) -> None:
    with pytest.raises(UsageError, match=words):
        mixed.emmeans(fitted("waves_by_arm"), **call)


def test_an_unknown_category_and_adjustment_are_refused(fitted: Callable) -> None:
    with pytest.raises(DataError, match="not in the fit"):
        mixed.emmeans(fitted("waves_by_arm"), "a", at={"a": ["other"]})
    means = mixed.emmeans(fitted("waves_by_arm"), "a")
    with pytest.raises(UsageError, match="did you mean 'tukey'"):
        mixed.contrasts(means, adjust="tuckey")
    with pytest.raises(UsageError, match="did you mean 'pairwise'"):
        mixed.contrasts(means, method="pairwis")
