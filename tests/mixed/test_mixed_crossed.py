"""Crossed levels: agreement with lme4, lmerTest and pbkrtest, exact derivatives, the nested special case."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from implstats import mixed
from implstats.errors import DataError, NotSupportedError
from implstats.mixed.design.build import build_design
from implstats.mixed.design.formula import read_formula
from implstats.mixed.design.standardise import standardise
from implstats.mixed.gaussian.boundary import find_optimum
from implstats.mixed.gaussian.crossed import CrossedProblem, crossed_modes, set_up_crossed
from implstats.mixed.gaussian.crossed_sums import CrossedSums, reduce_crossed, refuse_too_large
from implstats.mixed.gaussian.fit import set_up

FOLDER = Path(__file__).parents[1] / "reference" / "mixed" / "crossed"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json") if path.stem != "sleep_offset")
CRITERION = 1e-8  # R was optimised tightly, but ends where its own rounding ends
BETA_IN_SE, SE_RELATIVE = 1e-6, 1e-6
SATTERTHWAITE, KENWARD_ROGER = 1e-5, 1e-6  # lmerTest differentiates numerically
VARIANCE = 3e-6  # the criterion is flat there: half the digits of CRITERION
MODES = 2e-6  # in outcome units, of modes near one; they follow the variances


def _load(name: str) -> tuple[dict[str, Any], pd.DataFrame]:
    found = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found, pd.read_csv(FOLDER / found["data"])


def _fit(name: str, method: str, **options: Any) -> tuple[mixed.MixedResult, dict[str, Any]]:
    found, frame = _load(name)
    weights = found.get("weights_column")
    return mixed.fit(found["formula"], frame, reml=method == "REML", weights=weights, **options), found[
        method
    ]


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize("name", NAMES)
def test_estimates_equal_lme4(name: str, method: str) -> None:
    ours, theirs = _fit(name, method, df="none")
    se = np.array(list(theirs["se"].values()))
    assert ours.n_clusters == theirs["n_groups"]
    assert ours.boundary == theirs["is_singular"]
    assert ours.criterion == pytest.approx(theirs["criterion_minus2"], abs=CRITERION)
    assert ours.aic == pytest.approx(theirs["AIC"], abs=1e-6)
    assert ours.bic == pytest.approx(theirs["BIC"], abs=1e-6)
    beta = np.array([f.estimate for f in ours.fixed])
    assert np.max(np.abs(beta - list(theirs["fixef"].values())) / se) < BETA_IN_SE
    assert np.max(np.abs([f.std_error for f in ours.fixed] / se - 1)) < SE_RELATIVE
    assert ours.residual_variance == pytest.approx(theirs["sigma"] ** 2, rel=VARIANCE)
    blocks = {
        (group.split(".")[0], a, b): block["cov"][i][j]
        for group, block in theirs["varcorr"].items()
        for i, a in enumerate(block["terms"]) for j, b in enumerate(block["terms"])
    }  # fmt: skip
    largest = theirs["sigma"] ** 2 + max(abs(v) for v in blocks.values())
    for effect in ours.random:
        assert effect.covariance == pytest.approx(
            blocks[effect.cluster, effect.term, effect.term2], abs=VARIANCE * largest
        )


@pytest.mark.parametrize("name", NAMES)
def test_conditional_modes_equal_lme4(name: str) -> None:
    ours, theirs = _fit(name, "REML", df="none")
    for cluster, frame in ours.conditional_modes.items():
        expected = theirs["ranef"][cluster]
        assert [str(i) for i in frame[cluster]] == [str(i) for i in expected["level"]]
        assert frame.iloc[:, 1:].to_numpy() == pytest.approx(np.array(expected["values"]), abs=MODES)


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize("name", NAMES)
def test_satterthwaite_df_equal_lmertest(name: str, method: str) -> None:
    ours, theirs = _fit(name, method, df="satterthwaite")
    if not ours.boundary:
        expected = list(theirs["satterthwaite"]["df"].values())
        assert [f.df for f in ours.fixed] == pytest.approx(expected, rel=SATTERTHWAITE)
        return
    assert ours.fixed[0].df_method == ("kenward-roger" if method == "REML" else "none")
    assert (ours.fixed[0].p_value is None) == (method == "ML")


@pytest.mark.parametrize("name", [n for n in NAMES if "weights" not in n])
def test_kenward_roger_equals_pbkrtest(name: str) -> None:
    ours, theirs = _fit(name, "REML", df="kenward-roger")
    expected = theirs["kenward_roger"]
    assert [f.df for f in ours.fixed] == pytest.approx(list(expected["df"].values()), rel=KENWARD_ROGER)
    assert [f.std_error for f in ours.fixed] == pytest.approx(list(expected["se"].values()), rel=SE_RELATIVE)


def test_robust_errors_within_a_common_top_level_equal_clubsandwich() -> None:
    ours, theirs = _fit("raters_nested_slope", "REML", robust="CR2")
    assert [f.std_error for f in ours.fixed] == pytest.approx(list(theirs["CR2"]["se"].values()), rel=1e-6)
    assert [f.df for f in ours.fixed] == pytest.approx(list(theirs["CR2"]["df"].values()), rel=1e-6)


def test_robust_errors_without_a_common_top_level_are_refused() -> None:
    found, frame = _load("items_two_slopes")
    with pytest.raises(NotSupportedError, match="subject and item are crossed"):
        mixed.fit(found["formula"], frame, robust="CR2")


def _problem(name: str, *, reml: bool) -> CrossedProblem:
    found, frame = _load(name)
    design = build_design(read_formula(found["formula"]), frame, weights=None, crossed=True)
    return set_up_crossed(design, standardise(design), reml=reml)[1]


@pytest.mark.parametrize("name", ["items_two_slopes", "raters_nested_slope"])
@pytest.mark.parametrize("reml", [True, False])
def test_derivatives_equal_difference_quotients(name: str, reml: bool) -> None:
    problem = _problem(name, reml=reml)
    rng = np.random.default_rng(1)
    theta = 0.7 + 0.3 * rng.normal(size=problem.shape.size)
    at, step = problem(theta), 1e-5
    assert at is not None
    for k in range(len(theta)):
        move = step * np.eye(len(theta))[k]
        up, down = problem(theta + move), problem(theta - move)
        # Central differences are right to step^2 and to rounding over step.
        assert (up.value - down.value) / (2 * step) == pytest.approx(at.gradient[k], rel=1e-6, abs=1e-6)
        assert (up.gradient - down.gradient) / (2 * step) == pytest.approx(at.hessian[k], rel=1e-6, abs=1e-6)
        assert (up.parts.N.value - down.parts.N.value) / (2 * step) == pytest.approx(
            np.tensordot(problem.shape.jacobian(theta)[:, k], at.parts.N.first, axes=1), rel=1e-6, abs=1e-6
        )


def test_criterion_equals_brute_force() -> None:
    found, frame = _load("raters_nested_slope")
    result = mixed.fit(found["formula"], frame, df="none")
    V = result.residual_variance * np.eye(len(frame))
    for level, part in zip(result.model.design.levels, ("person", "rater", "inst"), strict=True):
        assert level.clusters.name == part
        q = len(level.names)
        own = [e.covariance for e in result.random if e.cluster == part]
        G = np.zeros((q, q))
        G[np.tril_indices(q)] = own
        G = G + np.tril(G, -1).T
        V += (level.clusters.codes[:, None] == level.clusters.codes) * (level.Z @ G @ level.Z.T)
    X, y, W = result.model.design.X, result.model.design.y, np.linalg.inv(V)
    information = X.T @ W @ X
    rest = y - X @ np.linalg.solve(information, X.T @ W @ y)
    value = (np.linalg.slogdet(V)[1] + np.linalg.slogdet(information)[1] + rest @ W @ rest
             + (len(y) - X.shape[1]) * np.log(2 * np.pi))  # fmt: skip
    assert result.criterion == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize("reml", [True, False])
def test_a_nested_model_comes_out_as_on_the_nested_path(design: Any, reml: bool) -> None:
    frame = design(5, institutions=9, sd_institution=0.5, sd_slope=0.4)
    formula = "y ~ wave * arm + x + (wave | inst) + (1 | person)"
    built = build_design(read_formula(formula), frame, weights=None)
    scaled = standardise(built)
    _, nested = set_up(built, scaled, reml=reml)
    sums, crossed = set_up_crossed(built, scaled, reml=reml)
    theta = np.array([0.8, 0.6, 0.1, 0.4])
    one, two = nested(theta), crossed(theta)
    for name in ("value", "gradient", "hessian", "beta", "C"):
        assert getattr(two, name) == pytest.approx(getattr(one, name), rel=1e-10, abs=1e-10)
    assert two.parts.N.second == pytest.approx(one.parts.N.second, rel=1e-10, abs=1e-10)
    assert two.parts.logdet.second == pytest.approx(one.parts.logdet.second, rel=1e-10, abs=1e-10)
    a, b = find_optimum(nested), find_optimum(crossed)
    assert b.search.at.value == pytest.approx(a.search.at.value, abs=1e-10)
    result = mixed.fit(formula, frame, reml=reml)
    for level, u, B in zip(result.modes, crossed_modes(b.search.at, sums), scaled.B, strict=True):
        assert scaled.scale * u @ B.T == pytest.approx(level.values, abs=1e-7)


def test_row_order_and_names_do_not_matter() -> None:
    found, frame = _load("items_two_slopes")
    plain = mixed.fit(found["formula"], frame)
    mixed_up = frame.sample(frac=1.0, random_state=3).assign(
        item=lambda d: "i" + ((d["item"] * 7) % 13).astype(str),
        subject=lambda d: "s" + (50 - d["subject"]).astype(str),
    )
    other = mixed.fit(found["formula"], mixed_up)
    assert other.criterion == pytest.approx(plain.criterion, abs=1e-9)
    for a, b in zip(plain.fixed, other.fixed, strict=True):
        assert (b.estimate, b.std_error, b.df) == pytest.approx((a.estimate, a.std_error, a.df), rel=1e-7)
    swapped = mixed.fit("y ~ x + (x | item) + (x | subject)", frame)
    assert swapped.criterion == pytest.approx(plain.criterion, abs=1e-9)


def test_sums_are_additive_and_sparse_equals_dense(monkeypatch: pytest.MonkeyPatch) -> None:
    found, frame = _load("items_two_slopes")
    built = build_design(read_formula(found["formula"]), frame, weights=None, crossed=True)
    scaled = standardise(built)
    codes = [level.clusters.codes for level in built.levels]
    sizes = [level.clusters.size for level in built.levels]

    def of(rows: slice) -> CrossedSums:
        return reduce_crossed(
            [z[rows] for z in scaled.Z], scaled.Q[rows], scaled.y[rows], codes=[c[rows] for c in codes],
            sizes=sizes,
        )  # fmt: skip

    whole, halves = of(slice(None)), of(slice(70)) + of(slice(70, None))
    problem = set_up_crossed(built, scaled, reml=True)[1]
    theta = np.full(6, 0.5)
    monkeypatch.setattr("implstats.mixed.gaussian.crossed_sums.SMALL", 0)
    monkeypatch.setattr("implstats.mixed.gaussian.crossed_sums.FULL", 1.0)
    sparse = of(slice(None))
    assert not isinstance(sparse.E, np.ndarray)
    values = []
    for sums in (whole, halves, sparse):
        at = CrossedProblem(moments=sums, shape=problem.shape, reml=True)(theta)
        values.append(np.concatenate([[at.value], at.gradient, at.hessian.ravel()]))
    assert values[1] == pytest.approx(values[0], rel=1e-11, abs=1e-10)
    assert values[2] == pytest.approx(values[0], rel=1e-11, abs=1e-10)


def test_crossing_is_told_and_what_needs_nesting_is_refused() -> None:
    found, frame = _load("items_two_slopes")
    result = mixed.fit(found["formula"], frame, second_opinion=True)
    said = next(c.message for c in result.checks if c.name == "crossed")
    assert "(1 | item/subject)" in said
    assert next(c.status for c in result.checks if c.name == "second_opinion") == "ok"
    with pytest.raises(NotSupportedError, match="nested"):
        result.model.design.parents[0]
    with pytest.raises(NotSupportedError, match="nested"):
        result.model.sums.ZW  # noqa: B018
    with pytest.raises(NotSupportedError, match="are not nested in"):
        mixed.fit(
            "up ~ x + (1 | subject) + (1 | item)", frame.assign(up=(frame["y"] > 0) * 1), family="binomial"
        )
    with pytest.raises(DataError, match="same 12 clusters"):
        mixed.fit("y ~ x + (1 | item) + (1 | twin) + (1 | subject)", frame.assign(twin=-frame["item"]))


def test_too_many_crossed_effects_are_refused() -> None:
    problem = _problem("items_two_slopes", reml=True)
    with pytest.raises(NotSupportedError, match="24002 random effects"):
        refuse_too_large(problem.shape, names=["subject", "item"], sizes=[20_000, 12_000], p=1)
    refuse_too_large(problem.shape, names=["subject", "item"], sizes=[20_000, 1_500], p=1)


def test_a_random_term_can_be_tested() -> None:
    found, frame = _load("Penicillin_crossed")
    full = mixed.fit(found["formula"], frame)
    tests = mixed.random_tests(full)
    without = mixed.fit("diameter ~ 1 + (1 | sample)", frame)
    row = next(t for t in tests.tests if t.cluster == "plate")
    assert row.statistic == pytest.approx(without.criterion - full.criterion, abs=1e-7)
