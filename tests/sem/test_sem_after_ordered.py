"""Modification indices, score and Wald tests after ordered items and least squares, against lavaan."""

from __future__ import annotations

import numpy as np
import pytest

from implstats import sem

ORDERED = (
    "delta", "theta", "stdlv", "dwls", "ulsmv", "wlsm", "wls", "uls", "equal", "equal_theta", "structural",
    "structural_theta", "pairwise", "mixed", "mixed_theta", "predictor", "mediator", "groups", "groups_equal",
    "groups_equal_theta", "binary", "binary_theta",
)  # fmt: skip
CONTINUOUS = (
    "gls", "hs_wls", "hs_dwls", "hs_uls", "gls_equal", "wls_structural", "gls_metric", "dwls_scalar",
    "gls_path",
)  # fmt: skip
# lavaan's polychoric correlations lie within 4e-8 of their maximum, which moves an index of 100 by 1e-5.
TOLERANCE_ORDERED = 2e-6
# Exact statistics; badly identified candidates carry what polishing left, 1e-9 in the estimates.
TOLERANCE = 3e-7
# Residual covariances of outcomes that measure nothing, which lavaan 0.6-14 does not list.
BEYOND = {"mediator": 7, "gls_path": 2}
FIELDS = {"mi": "mi", "epc": "epc", "sepc.lv": "sepc_lv", "sepc.all": "sepc_all", "sepc.nox": "sepc_nox"}


def _places(table):
    groups = table.get("group") or [1] * len(table["lhs"])
    rows = zip(table["lhs"], table["op"], table["rhs"], groups, strict=True)
    return {
        (frozenset((a, b)) if op == "~~" else (a, b), op, group): k
        for k, (a, op, b, group) in enumerate(rows)
    }


def _found(result, **options):
    rows = sem.modification_indices(result, **options).rows
    return {(frozenset((r.lhs, r.rhs)) if r.op == "~~" else (r.lhs, r.rhs), r.op, r.group): r for r in rows}


@pytest.mark.parametrize("information", ["expected", "observed"])
@pytest.mark.parametrize("name", [*ORDERED, *CONTINUOUS])
def test_indices_agree_with_lavaan(weighed_reference, weighed_fit, name, information):
    table = weighed_reference[name]["mi" if information == "expected" else "mi_observed"]
    places, found = _places(table), _found(weighed_fit(name), information=information)
    close = TOLERANCE if name in CONTINUOUS else TOLERANCE_ORDERED
    missed = set(places) - set(found)
    # Scales under theta follow from the other parameters; lavaan moves thresholds alone with them.
    assert all(op == "~*~" and "theta" in name for _, op, _ in missed)
    if information == "expected":
        assert len(set(found) - set(places)) == BEYOND.get(name, 0)
    compared = 0
    for place in set(places) & set(found):
        row, k = found[place], places[place]
        for theirs, ours in FIELDS.items():
            value = getattr(row, ours)
            if "sepc" in theirs and row.op in ("~*~", "~~") and row.lhs == row.rhs:
                # Of scales lavaan prints one, of variances the value that they are fixed at, with the
                # change's sign.
                assert (value is None) == (row.op == "~*~")
                continue
            assert value == pytest.approx(table[theirs][k], rel=close, abs=close), (row, theirs)
            compared += 1
    assert compared >= 2 * len(places)


@pytest.mark.parametrize(("one", "other"), [("delta", "theta"), ("binary", "binary_theta")])
def test_indices_do_not_depend_on_the_parameterisation(weighed_fit, one, other):
    delta, theta = _found(weighed_fit(one)), _found(weighed_fit(other))
    assert set(delta) == set(theta)
    for place, row in delta.items():
        assert theta[place].mi == pytest.approx(row.mi, rel=1e-6, abs=1e-8)
        assert theta[place].sepc_all == pytest.approx(row.sepc_all, rel=1e-6, abs=1e-8)


def test_index_times_its_count_of_persons_is_what_a_refit_gains(weighed_reference, load_data):
    # Small misfit: n - 1 over n of the index is what chi-square loses, but for higher orders.
    meta = weighed_reference["delta"]["meta"]
    items, data = tuple(meta["options"]["ordered"]), load_data(meta["data"])
    result = sem.fit(meta["model_syntax"], data, kind="cfa", ordered=items)
    rows = [r for r in sem.modification_indices(result, kinds=["~~"]).rows if 0.05 < r.mi < 2.0]
    assert len(rows) >= 3
    for row in rows:
        refit = sem.fit(f"{meta['model_syntax']}\n{row.lhs} ~~ {row.rhs}", data, kind="cfa", ordered=items)
        gain = result.fit["chisq"] - refit.fit["chisq"]
        assert row.mi * 600 / 599 == pytest.approx(gain, rel=0.1)
        change = next(p for p in refit.parameters if {p.lhs, p.rhs} == {row.lhs, row.rhs} and p.op == "~~")
        # One Newton step toward an estimate that is curved in it, by up to a fifth here.
        assert row.epc == pytest.approx(change.estimate, rel=0.25)


def test_a_regression_of_a_fixed_predictor_makes_it_random(weighed_reference, weighed_fit):
    # f ~ x9, x9 ~ x2, x1 ~ x9 and x2 ~ x9 free the same covariance, so that their indices are equal. lavaan
    # takes the predictors' moments as known in the wider model too: 2.65, 2.65, 2.14 and 1.97, and lists x1
    # ~~ x2 with 1e-32.
    table = weighed_reference["ml_predictors"]["mi"]
    places, found = _places(table), _found(weighed_fit("ml_predictors"))
    for place in set(places) & set(found):
        if place[1] != "~" or place[0][0] not in ("x1", "x2"):
            assert found[place].mi == pytest.approx(table["mi"][places[place]], rel=TOLERANCE)
    assert all(table["mi"][k] < 1e-20 for place, k in places.items() if place not in found)
    indices = [found[pair, "~", 1].mi for pair in (("f", "x9"), ("x9", "x2"), ("x1", "x9"), ("x2", "x9"))]
    assert indices == pytest.approx([indices[0]] * 4, rel=1e-9)


def test_an_ordered_item_predicts_nothing_under_delta(load_data):
    data = load_data("bfi_a5_cov").head(700)
    model, items = "A =~ A2 + A3 + A5\nA4 ~ A + age\nA1 ~ A + age", [f"A{k}" for k in range(1, 6)]
    for parameterization, predict in (("delta", False), ("theta", True)):
        result = sem.fit(model, data, ordered=items, parameterization=parameterization)
        rows = sem.modification_indices(result, kinds=["~"]).rows
        assert any(row.rhs in items for row in rows) == predict
        assert not any(row.lhs == "age" for row in rows)


def test_thresholds_and_scales_are_candidates_where_they_are_held(weighed_fit):
    rows = sem.modification_indices(weighed_fit("equal"), kinds=["~*~"]).rows
    assert {row.lhs for row in rows} <= {"A1", "A2", "A3", "N1", "N2", "N3"}
    assert all(row.fixed and row.sepc_all is None for row in rows)
    assert rows


def test_robust_tests_say_that_indices_are_not_scaled(weighed_fit):
    for name, says in (("delta", True), ("wlsm", True), ("dwls", False), ("gls", False)):
        checks = sem.modification_indices(weighed_fit(name)).checks
        assert any(c.name == "robust" and "least-squares" in c.message for c in checks) == says


SCORED = (
    "equal",
    "equal_theta",
    "groups_equal",
    "groups_equal_theta",
    "gls_equal",
    "gls_metric",
    "dwls_scalar",
)


@pytest.mark.parametrize("name", SCORED)
def test_score_tests_agree_with_lavaan(weighed_reference, weighed_fit, name):
    found, theirs = sem.score_tests(weighed_fit(name)), weighed_reference[name]["score_test"]
    close = TOLERANCE if name in CONTINUOUS else TOLERANCE_ORDERED
    assert found.statistic == pytest.approx(theirs["total"]["X2"], rel=close)
    # lavaan counts every constraint; released thresholds and scales are partly not identified.
    assert found.df <= theirs["total"]["df"]
    assert [row.statistic is not None for row in found.rows].count(True) == len(theirs["uni"]["X2"])
    ours = np.sort([row.statistic for row in found.rows])
    assert ours == pytest.approx(np.sort(theirs["uni"]["X2"]), rel=close, abs=close)


def test_joint_score_test_of_thresholds_and_loadings_has_the_df_of_the_freed_model(weighed_fit):
    # Two groups with everything free but what identifies it: 6 x 5 thresholds, 4 loadings beside latent
    # means (2) and scales (6) that released thresholds no longer identify.
    found = sem.score_tests(weighed_fit("groups_equal"))
    assert found.df == 34 - 8
    assert any(check.name == "identified" for check in found.checks)


@pytest.mark.parametrize("name", ["delta", "theta", "dwls", "gls", "hs_wls"])
def test_wald_tests_agree_with_lavaan(weighed_reference, weighed_fit, name):
    theirs = weighed_reference[name]["wald"]
    hypotheses = "a == b; c == 1" if name in ORDERED else "a == b; c == 1.1"
    found = sem.wald_test(weighed_fit(name), hypotheses)
    assert (found.df, found.statistic) == (theirs["df"], pytest.approx(theirs["stat"], rel=TOLERANCE_ORDERED))
