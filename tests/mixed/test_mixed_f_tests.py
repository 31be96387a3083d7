"""F tests by term and of contrasts: agreement with lmerTest, pbkrtest and clubSandwich; what must hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from implstats import mixed
from implstats.errors import ModelError, NotSupportedError, ProblemsError, UsageError

FOLDER = Path(__file__).parents[1] / "reference" / "mixed"
NAMES = sorted(path.stem for path in (FOLDER / "inference").glob("anova_*.json"))
F_RELATIVE = 2e-6  # R's theta is known to the root of its criterion's rounding, and F moves with theta
DF_KENWARD_ROGER = 1e-6
DF_SATTERTHWAITE = 1e-5  # lmerTest differentiates numerically and rounds its contrasts to seven digits
P_ABSOLUTE = 1e-6


@cache
def _load(name: str) -> tuple[dict[str, Any], mixed.MixedResult]:
    found = json.loads((FOLDER / "inference" / f"{name}.json").read_text(encoding="utf-8"))
    return found, mixed.fit(found["formula"], pd.read_csv(FOLDER / found["data"]), reml=found["reml"])


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("method", ["satterthwaite", "kenward_roger"])
@pytest.mark.parametrize("kind", ["I", "II", "III"])
@pytest.mark.parametrize("name", NAMES)
def test_f_by_term_equals_lmertest(name: str, kind: Any, method: str) -> None:
    found, result = _load(name)
    theirs = found.get(f"{method}_{kind}")
    if theirs is None:
        pytest.skip("Kenward-Roger needs REML")
    ours = mixed.f_tests(result, type=kind, df=method.replace("_", "-"))
    limit = DF_SATTERTHWAITE if method == "satterthwaite" else DF_KENWARD_ROGER
    by_term = {frozenset(test.term.split(":")): test for test in ours.tests}  # R may turn a:x into x:a
    assert list(by_term) == [frozenset(term.split(":")) for term in _listed(theirs["term"])]
    for k, term in enumerate(_listed(theirs["term"])):
        test = by_term[frozenset(term.split(":"))]
        assert test.df_num == _listed(theirs["df_num"])[k]
        assert test.df_den == pytest.approx(_listed(theirs["df_den"])[k], rel=limit)
        assert test.statistic == pytest.approx(_listed(theirs["F"])[k], rel=F_RELATIVE)
        assert test.p_value == pytest.approx(_listed(theirs["p"])[k], abs=P_ABSOLUTE)


@pytest.mark.parametrize("name", NAMES)
def test_joint_contrasts_equal_lmertest_and_pbkrtest(name: str) -> None:
    found, result = _load(name)
    for block in found["contrasts"]:
        ours = mixed.contrast(result, block["L"], rhs=block["rhs"], df="satterthwaite").joint
        assert ours.df_num == block["satterthwaite"]["df_num"]
        assert ours.df_den == pytest.approx(block["satterthwaite"]["df_den"], rel=DF_SATTERTHWAITE)
        assert ours.statistic == pytest.approx(block["satterthwaite"]["F"], rel=F_RELATIVE)
        if "kenward_roger" in block:
            theirs = block["kenward_roger"]
            ours = mixed.contrast(result, block["L"], rhs=block["rhs"], df="kenward-roger").joint
            assert ours.df_num == theirs["ndf"]
            assert ours.df_den == pytest.approx(theirs["ddf"], rel=DF_KENWARD_ROGER)
            assert ours.statistic == pytest.approx(theirs["Fstat"], rel=F_RELATIVE)
            assert ours.scale == pytest.approx(theirs["F.scaling"], rel=DF_KENWARD_ROGER)
            assert ours.p_value == pytest.approx(theirs["p.value"], abs=P_ABSOLUTE)


@pytest.mark.parametrize("kind", ["CR0", "CR1", "CR2", "CR3"])
@pytest.mark.parametrize("name", [n for n in NAMES if "_ml" not in n])
def test_robust_joint_contrasts_equal_clubsandwich(name: str, kind: str) -> None:
    found, plain = _load(name)
    assert plain.model is not None
    result = mixed.fit(found["formula"], plain.model.frame, robust=kind)
    for block in found["contrasts"][:2]:
        theirs, ours = block[kind], mixed.contrast(result, block["L"]).joint
        if theirs["df_denom"] <= 0:
            assert ours.p_value is None
            assert "too few clusters" in ours.reason
            continue
        assert ours.df_den == pytest.approx(theirs["df_denom"], rel=1e-5)
        assert ours.scale == pytest.approx(theirs["delta"], rel=1e-5)
        assert ours.statistic == pytest.approx(theirs["Fstat"], rel=1e-5)
        assert ours.p_value == pytest.approx(theirs["p_val"], abs=P_ABSOLUTE)


@pytest.mark.parametrize("df", ["kenward-roger", "satterthwaite"])
def test_an_f_of_one_contrast_is_the_square_of_its_t(df: str) -> None:
    _, result = _load("anova_sim3_interaction")
    for k, row in enumerate(np.eye(len(result.terms))):
        found = mixed.contrast(result, row, df=df)
        assert found.joint.statistic == pytest.approx(found.rows[0].statistic ** 2, rel=1e-12)
        assert found.joint.df_den == pytest.approx(found.rows[0].df, rel=1e-9)
        assert found.joint.p_value == pytest.approx(found.rows[0].p_value, rel=1e-8)
        if df == "kenward-roger":
            assert found.rows[0].conf_low == pytest.approx(result.fixed[k].conf_low, rel=1e-12)
            assert found.rows[0].df == pytest.approx(result.fixed[k].df, rel=1e-12)


def test_a_robust_f_of_one_contrast_is_the_square_of_its_t() -> None:
    found, plain = _load("anova_univbct_btn")
    assert plain.model is not None
    result = mixed.fit(found["formula"], plain.model.frame, robust="CR2")
    for k, row in enumerate(np.eye(len(result.terms))):
        one = mixed.contrast(result, row)
        assert one.joint.statistic == pytest.approx(one.rows[0].statistic ** 2, rel=1e-10)
        assert one.joint.df_den == pytest.approx(result.fixed[k].df, rel=1e-9)


def test_balanced_one_way_f_is_the_exact_anova_f() -> None:
    """Treatments within blocks, all cells filled once: mixed-model F is the F of the two-way table."""
    rng = np.random.default_rng(3)
    block, arm = np.repeat(np.arange(8), 4), np.tile(list("abcd"), 8)
    y = rng.normal(size=8)[block] * 2 + rng.normal(size=32)
    result = mixed.fit("y ~ arm + (1 | block)", pd.DataFrame({"y": y, "arm": arm, "block": block}))
    table = y.reshape(8, 4)
    fitted = table.mean(1, keepdims=True) + table.mean(0) - table.mean()
    ms_error = np.sum((table - fitted) ** 2) / 21
    exact = 8 * np.sum((table.mean(0) - table.mean()) ** 2) / 3 / ms_error
    for df in ("kenward-roger", "satterthwaite"):
        test = mixed.f_tests(result, df=df).tests[0]
        assert test.statistic == pytest.approx(exact, rel=1e-7)
        assert test.df_den == pytest.approx(21.0, rel=1e-6)
        assert test.scale == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize("kind", ["II", "III"])
def test_tests_of_terms_do_not_depend_on_reference_category_or_order(kind: Any) -> None:
    _, result = _load("anova_sim3_interaction")
    assert result.model is not None
    frame = result.model.frame.assign(
        wave=pd.Categorical(result.model.frame["wave"], categories=[2, 0, 1]),
        arm=pd.Categorical(result.model.frame["arm"], categories=[1.0, 0.0]),
    )
    turned = mixed.fit("y ~ x + arm * wave + (1 | person) + (1 | inst)", frame)
    ours = {frozenset(t.term.split(":")): t for t in mixed.f_tests(turned, type=kind).tests}
    for test in mixed.f_tests(result, type=kind).tests:
        key = frozenset(part.removeprefix("factor(").removesuffix(")") for part in test.term.split(":"))
        assert ours[key].statistic == pytest.approx(test.statistic, rel=1e-7)
        assert ours[key].df_den == pytest.approx(test.df_den, rel=1e-7)


def test_type_three_tests_equally_weighted_cell_means() -> None:
    """L of a factor with an interaction, by hand: differences of row means of the cell means."""
    _, result = _load("anova_sim3_interaction")
    tests = {t.term: t for t in mixed.f_tests(result, type="III").tests}
    terms = result.terms
    arm = {"factor(arm)1": 1.0, "factor(wave)1:factor(arm)1": 1 / 3, "factor(wave)2:factor(arm)1": 1 / 3}
    by_hand = mixed.contrast(result, {"arm": arm}).joint
    assert set(arm) <= set(terms)
    assert tests["factor(arm)"].statistic == pytest.approx(by_hand.statistic, rel=1e-10)
    assert tests["factor(arm)"].df_den == pytest.approx(by_hand.df_den, rel=1e-10)


def test_dependent_rows_are_left_out_and_named() -> None:
    _, result = _load("anova_univbct_waves")
    base = mixed.contrast(result, np.eye(5)[1:3])
    L = np.vstack([np.eye(5)[1:3], np.eye(5)[1] - np.eye(5)[2]])
    more = mixed.contrast(result, L, names=["two", "three", "difference"])
    assert more.joint.df_num == 2
    assert "difference" in more.joint.reason
    assert more.joint.statistic == pytest.approx(base.joint.statistic, rel=1e-9)
    assert more.joint.df_den == pytest.approx(base.joint.df_den, rel=1e-4)
    with pytest.raises(UsageError, match="no coefficients can fulfil both"):
        mixed.contrast(result, L, rhs=[0, 0, 1])


def test_boundary_fit_uses_kenward_roger_or_between_within_and_says_so(
    reference: Callable[[str], Any],
) -> None:
    found, frame = reference("sim3_singular_slope_correlation")
    by_reml = mixed.f_tests(mixed.fit(found["formula"], frame), df="satterthwaite")
    assert {t.df_method for t in by_reml.tests} == {"kenward-roger"}
    assert "no meaning at a boundary" in by_reml.checks[0].message
    by_ml = mixed.f_tests(mixed.fit(found["formula"], frame, reml=False))
    assert {t.df_method for t in by_ml.tests} == {"between-within"}
    assert all(t.p_value is not None for t in by_ml.tests)


def test_dropped_term_is_named(design: Callable[..., pd.DataFrame]) -> None:
    frame = design(4, institutions=8, sd_institution=0.5)
    frame["twice"] = 2.0 * frame["x"]
    tests = mixed.f_tests(mixed.fit("y ~ x + twice + (1 | inst)", frame)).tests
    assert tests[1].df_num == 0
    assert tests[1].p_value is None
    assert "linear combinations" in tests[1].reason
    alone = mixed.f_tests(mixed.fit("y ~ x + (1 | inst)", frame)).tests
    assert tests[0].statistic == pytest.approx(alone[0].statistic, rel=1e-9)


def test_bad_requests_are_refused(design: Callable[..., pd.DataFrame]) -> None:
    frame = design(4, institutions=8, sd_institution=0.5)
    result = mixed.fit("y ~ x + wave + (1 | inst)", frame)
    with pytest.raises(UsageError, match="'III'"):
        mixed.f_tests(result, type="IIIb")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="z or chi-square"):
        mixed.f_tests(result, df="none")
    with pytest.raises(UsageError, match="needs REML"):
        mixed.f_tests(mixed.fit("y ~ x + (1 | inst)", frame, reml=False), df="kenward-roger")
    with pytest.raises(UsageError, match="one column a coefficient"):
        mixed.contrast(result, [1.0, 0.0])
    with pytest.raises(ProblemsError, match="did you mean 'wave'"):
        mixed.contrast(result, {"a": {"wav": 1.0}})
    with pytest.raises(UsageError, match="only zero weights"):
        mixed.contrast(result, np.zeros((1, 3)))
    with pytest.raises(UsageError, match="df of its own"):
        mixed.contrast(mixed.fit("y ~ x + (1 | inst)", frame, robust="CR2"), [0, 1], df="satterthwaite")
    from dataclasses import replace

    with pytest.raises(ModelError, match="needs a fit that succeeded"):
        mixed.f_tests(replace(result, model=None, verdict="failed"))


def test_frames_show_every_number() -> None:
    _, result = _load("anova_sleepstudy")
    assert list(mixed.f_tests(result).frame["term"]) == ["Days"]
    assert "conf_low" in mixed.contrast(result, [0, 1]).frame.columns


def test_other_families_are_refused_by_name(design: Callable[..., pd.DataFrame]) -> None:
    frame = design(4, institutions=8, sd_institution=0.5).assign(high=lambda d: (d["y"] > 3.2) * 1.0)
    result = mixed.fit("high ~ wave + x + (1 | inst)", frame, family="binomial")
    for call in (mixed.f_tests, mixed.random_tests, mixed.profile, mixed.icc_intervals):
        with pytest.raises(NotSupportedError, match="Gaussian"):
            call(result)


def test_crossed_factors_have_the_same_tests(design: Callable[..., pd.DataFrame]) -> None:
    """A crossed factor without variance leaves the F tests of the model without it."""
    frame = design(6, institutions=9, sd_institution=0.5)
    frame["rater"] = np.arange(len(frame)) % 5
    crossed = mixed.fit("y ~ factor(wave) + x + (1 | inst) + (1 | rater)", frame)
    plain = mixed.fit("y ~ factor(wave) + x + (1 | inst)", frame)
    pairs = zip(mixed.f_tests(crossed).tests, mixed.f_tests(plain).tests, strict=True)
    for ours, theirs in pairs:
        assert ours.df_num == theirs.df_num
        assert ours.statistic == pytest.approx(theirs.statistic, rel=0.2)
        assert ours.df_den is not None


@pytest.mark.parametrize("kind", ["I", "II", "III"])
@pytest.mark.parametrize("case", ["empty_cell", "weights"])
def test_empty_cells_and_prior_weights_as_in_lmertest(case: str, kind: Any) -> None:
    frame = pd.read_csv(FOLDER / "data" / "sim3_12inst.csv")
    frame = frame.assign(g=np.array(list("abc"))[frame["inst"] % 3], w=0.5 + frame["x"] ** 2)
    if case == "empty_cell":
        frame = frame[~((frame["g"] == "b") & (frame["wave"] == 2))]
    weights = "w" if case == "weights" else None
    result = mixed.fit("y ~ g * factor(wave) + x + (1 | inst) + (1 | person)", frame, weights=weights)
    ours = mixed.f_tests(result, type=kind, df="satterthwaite")
    theirs = json.loads((FOLDER / "inference" / "special.json").read_text(encoding="utf-8"))[case][kind]
    assert [t.term for t in ours.tests] == theirs["term"]
    assert [t.df_num for t in ours.tests] == theirs["df_num"]
    assert [t.df_den for t in ours.tests] == pytest.approx(theirs["df_den"], rel=DF_SATTERTHWAITE)
    assert [t.statistic for t in ours.tests] == pytest.approx(theirs["F"], rel=F_RELATIVE)
    warned = any(check.name == "empty_cells" for check in ours.checks)
    assert warned == (case == "empty_cell" and kind == "III")
