"""Modification indices: against lavaan, against refits, and candidates that lavaan leaves out."""

from __future__ import annotations

import pytest

from implstats import sem
from implstats.errors import UsageError
from implstats.sem.after.modification import KINDS

MODELS = (
    "ml", "means", "stdlv", "observed", "mlr", "mlm", "structural", "second", "predictors",
    "predictors_random", "path", "path_random", "fixed_variance", "equal", "fiml", "fiml_mlr",
    "fiml_structural", "metric", "scalar", "scalar_mlr", "fiml_metric", "mlmv",
)  # fmt: skip
# With gaps lavaan's polished estimate lies 3e-9 from the optimum, which moves the largest indices by 3e-7.
TOLERANCE = 1e-6
# lavaan differences the observed information; badly identified candidates carry that error.
TOLERANCE_OBSERVED = 1e-5
# Residual covariances of outcomes that measure nothing, which lavaan 0.6-14 does not list.
BEYOND = {
    "path": {("M1", "M2"), ("M1", "Y")}, "path_random": {("M1", "M2"), ("M1", "Y")},
    "predictors": {("x4", "x9"), ("x5", "x9"), ("x6", "x9")},
    "predictors_random": {("x4", "x9"), ("x5", "x9"), ("x6", "x9")},
}  # fmt: skip


def _lavaan(table):
    groups = table.get("group") or [1] * len(table["lhs"])
    return {
        (frozenset((lhs, rhs)) if op == "~~" else (lhs, rhs), op, group): k
        for k, (lhs, op, rhs, group) in enumerate(
            zip(table["lhs"], table["op"], table["rhs"], groups, strict=True)
        )
    }


def _place(row):
    return frozenset((row.lhs, row.rhs)) if row.op == "~~" else (row.lhs, row.rhs), row.op, row.group


@pytest.mark.parametrize("name", MODELS)
def test_indices_agree_with_lavaan(after_reference, after_fit, name):
    table = after_reference[name]["mi"]
    places = _lavaan(table)
    found = {_place(row): row for row in sem.modification_indices(after_fit(name)[0]).rows}
    more = {tuple(sorted(place[0])) for place in set(found) - set(places)}
    assert set(places) <= set(found)
    assert more == BEYOND.get(name, set())
    for place, k in places.items():
        row = found[place]
        assert row.mi == pytest.approx(table["mi"][k], abs=TOLERANCE), row
        assert row.epc == pytest.approx(table["epc"][k], abs=TOLERANCE), row
        if not (row.op == "~~" and row.lhs == row.rhs):
            assert row.sepc_lv == pytest.approx(table["sepc.lv"][k], abs=TOLERANCE), row
            assert row.sepc_all == pytest.approx(table["sepc.all"][k], abs=TOLERANCE), row
            assert row.sepc_nox == pytest.approx(table["sepc.nox"][k], abs=TOLERANCE), row


@pytest.mark.parametrize("name", ["ml", "structural", "predictors", "equal", "fiml", "scalar", "fiml_metric"])
def test_indices_by_observed_information_agree_with_lavaan(after_reference, after_fit, name):
    table = after_reference[name]["mi_observed"]
    places = _lavaan(table)
    rows = sem.modification_indices(after_fit(name)[0], information="observed").rows
    found = {_place(row): row for row in rows}
    for place, k in places.items():
        assert found[place].mi == pytest.approx(table["mi"][k], abs=TOLERANCE_OBSERVED)
        assert found[place].epc == pytest.approx(table["epc"][k], abs=TOLERANCE_OBSERVED)


def test_residual_covariance_of_outcomes_agrees_with_lavaans_score_test(after_reference, after_fit):
    # lavaan leaves this candidate out of modindices() but tests it when asked by name.
    rows = sem.modification_indices(after_fit("path")[0], kinds=["~~"]).rows
    row = next(r for r in rows if {r.lhs, r.rhs} == {"M1", "Y"})
    assert row.mi == pytest.approx(after_reference["path"]["added"]["X2"], abs=TOLERANCE)


def test_change_of_a_fixed_variance_is_a_share_of_the_total(after_reference, after_fit):
    # lavaan 0.6-14 gives the fixed value (0.5) with the sign of the change, which is 0.046.
    result, _ = after_fit("fixed_variance")
    row = next(r for r in sem.modification_indices(result).rows if r.lhs == r.rhs == "x1")
    assert row.fixed
    assert row.sepc_lv == pytest.approx(row.epc)
    variance = float(result.moments.implied_cov[0, 0])
    assert row.sepc_all == pytest.approx(row.epc / variance)
    table = after_reference["fixed_variance"]["mi"]
    assert table["sepc.lv"][_lavaan(table)[frozenset(("x1",)), "~~", 1]] == pytest.approx(0.5)


def test_index_is_what_a_refit_gains_when_misfit_is_small(hs):
    # A score test equals the likelihood ratio up to higher order: near the truth the two must meet.
    model = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6"
    result = sem.fit(model, hs, kind="cfa")
    small = [row for row in sem.modification_indices(result).rows if row.op == "~~" and 0.05 < row.mi < 2.0]
    assert len(small) >= 3
    for row in small[:3]:
        refit = sem.fit(f"{model}\n{row.lhs} ~~ {row.rhs}", hs, kind="cfa")
        gain = result.fit["chisq"] - refit.fit["chisq"]
        assert row.mi == pytest.approx(gain, rel=0.15)
        change = next(
            p.estimate for p in refit.parameters if {p.lhs, p.rhs} == {row.lhs, row.rhs} and p.lhs != p.rhs
        )
        assert row.epc == pytest.approx(change, rel=0.15)


def test_units_change_nothing_but_the_change(hs, three_factors):
    hs = hs.drop(columns="school")
    plain = {_place(r): r for r in sem.modification_indices(sem.fit(three_factors, hs, kind="cfa")).rows}
    scaled = {
        _place(r): r for r in sem.modification_indices(sem.fit(three_factors, hs * 1000.0, kind="cfa")).rows
    }
    assert set(plain) == set(scaled)
    for place, row in plain.items():
        assert scaled[place].mi == pytest.approx(row.mi, rel=1e-6, abs=1e-8)
        assert scaled[place].sepc_all == pytest.approx(row.sepc_all, rel=1e-6, abs=1e-8)


def test_minimum_and_kinds(after_fit):
    result, _ = after_fit("ml")
    everything = sem.modification_indices(result)
    some = sem.modification_indices(result, 10.0, ["=~"])
    wanted = [row for row in everything.rows if row.mi >= 10 and row.op == "=~"]
    assert [(r.lhs, r.rhs) for r in some.rows] == [(r.lhs, r.rhs) for r in wanted]
    assert wanted
    assert [row.mi for row in some.rows] == pytest.approx([row.mi for row in wanted])
    assert list(everything.frame.columns[:3]) == ["lhs", "op", "rhs"]
    assert {row.op for row in everything.rows} <= set(KINDS)


def test_a_saturated_model_has_no_candidates(hs):
    found = sem.modification_indices(sem.fit("x1 ~ x2 + x3", hs))
    assert found.rows == ()
    assert found.frame.empty


def test_robust_fits_say_that_indices_are_not_scaled(after_fit):
    assert any(check.name == "robust" for check in sem.modification_indices(after_fit("mlr")[0]).checks)


def test_wrong_calls_are_refused(after_fit):
    result, _ = after_fit("ml")
    with pytest.raises(UsageError, match="kinds"):
        sem.modification_indices(result, kinds=[":="])
    with pytest.raises(UsageError, match="negative"):
        sem.modification_indices(result, -1.0)
    with pytest.raises(UsageError, match="information"):
        sem.modification_indices(result, information="first")
