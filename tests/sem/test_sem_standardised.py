"""Standard errors of standardised values: against lavaan, against differences, and what must collapse."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from implstats import sem
from implstats.errors import ModelError, UsageError

MODELS = (
    "ml", "means", "stdlv", "observed", "mlr", "mlm", "structural", "second", "equal",
    "fiml", "fiml_mlr", "fiml_structural", "metric", "scalar", "scalar_mlr", "fiml_metric", "mlmv", "gls",
    "wls",
)  # fmt: skip
# lavaan differences its derivatives, which leaves 1e-8; with gaps its polished estimates lie 3e-9 off.
TOLERANCE = 2e-8


def _lavaan(table):
    groups = table.get("group") or [1] * len(table["lhs"])
    found = {}
    for k, key in enumerate(zip(table["lhs"], table["op"], table["rhs"], groups, strict=True)):
        lhs, op, rhs, group = key
        found[frozenset((lhs, rhs)) if op == "~~" else (lhs, rhs), op, 1 if op == ":=" else group] = k
    return found


def _place(row):
    return frozenset((row.lhs, row.rhs)) if row.op == "~~" else (row.lhs, row.rhs), row.op, row.group


@pytest.mark.parametrize("kind", ["all", "lv"])
@pytest.mark.parametrize("name", MODELS)
def test_standardised_values_agree_with_lavaan(after_reference, after_fit, name, kind):
    table = after_reference[name][f"std_{kind}"]
    found = sem.standardised(after_fit(name)[0], kind)
    places = _lavaan(table)
    assert {_place(row) for row in found.parameters} == set(places)
    for row in found.parameters:
        k = places[_place(row)]
        assert row.value == pytest.approx(table["est.std"][k], abs=TOLERANCE), row
        assert (row.std_error or 0.0) == pytest.approx(table["se"][k] or 0.0, abs=TOLERANCE), row
        if row.std_error is not None:
            # z of a value near its bound is large, so it is compared relative to its size.
            assert row.statistic == pytest.approx(table["z"][k], rel=1e-5, abs=1e-6), row
            assert row.conf_low == pytest.approx(table["ci.lower"][k], abs=3 * TOLERANCE), row
            assert row.conf_high == pytest.approx(table["ci.upper"][k], abs=3 * TOLERANCE), row


def test_values_are_those_of_the_fit(after_fit):
    result, _ = after_fit("scalar")
    for kind, name in (("all", "std_all"), ("lv", "std_lv")):
        ours = [row.value for row in sem.standardised(result, kind).parameters]
        np.testing.assert_allclose(ours, [getattr(p, name) for p in result.parameters], rtol=1e-13)


def test_standard_errors_do_not_change_with_the_units_of_the_data(hs, three_factors):
    hs = hs.drop(columns="school")
    plain = sem.standardised(sem.fit(three_factors, hs, kind="cfa"))
    scaled = sem.standardised(sem.fit(three_factors, hs * np.linspace(0.5, 30, hs.shape[1]), kind="cfa"))
    for one, other in zip(plain.parameters, scaled.parameters, strict=True):
        assert other.std_error == pytest.approx(one.std_error, abs=1e-8), one


def test_a_correlation_has_the_standard_error_of_theory(hs):
    # Two variables that covary freely: the correlation's asymptotic variance is (1 - r^2)^2 / n.
    row = sem.standardised(sem.fit("x1 ~~ x2", hs)).parameters[0]
    r = np.corrcoef(hs["x1"], hs["x2"])[0, 1]
    assert row.value == pytest.approx(r, abs=1e-12)
    assert row.std_error == pytest.approx((1 - r**2) / np.sqrt(len(hs)), rel=1e-10)


def test_fixed_totals_have_no_standard_error(after_fit):
    rows = sem.standardised(after_fit("ml")[0]).parameters
    totals = [row for row in rows if row.op == "~~" and row.lhs == row.rhs and row.lhs == "visual"]
    assert [row.value for row in totals] == pytest.approx([1.0])
    assert all(row.std_error is None and row.p_value is None for row in totals)


def test_level_of_the_interval(after_fit):
    result, _ = after_fit("ml")
    wide, narrow = (sem.standardised(result, ci_level=level).parameters[1] for level in (0.99, 0.8))
    assert wide.conf_low < narrow.conf_low < narrow.value < narrow.conf_high < wide.conf_high
    assert sem.standardised(result).frame.shape[0] == len(result.parameters)


def test_a_residual_correlation_without_a_residual_variance_is_missing_and_named():
    names = list("abcd")
    cov = np.array([[1.0, 0.9, 0.6, 0.1], [0.9, 1.0, 0.4, 0.0], [0.6, 0.4, 1.0, 0.0], [0.1, 0.0, 0.0, 1.0]])
    frame = pd.DataFrame(cov, index=names, columns=names)
    result = sem.fit(
        "f =~ a + b + c\na ~~ d", cov=frame, n=500, kind="cfa"
    )  # residual variance of a: 1 - 1.35
    found = sem.standardised(result)
    missing = [(row.lhs, row.rhs) for row in found.parameters if row.value is None]
    assert missing == [("a", "d")]
    assert found.checks[0].status == "warn"
    assert "a ~~ d" in found.checks[0].message


def test_wrong_calls_are_refused(after_fit, hs):
    result, _ = after_fit("ml")
    with pytest.raises(UsageError, match="Choose all, lv or nox"):
        sem.standardised(result, "every")
    with pytest.raises(UsageError, match="between 0 and 1"):
        sem.standardised(result, ci_level=95)
    failed = sem.fit("f =~ x1 + x2", hs, kind="cfa")
    with pytest.raises(ModelError, match="the fit failed"):
        sem.standardised(failed)


WEIGHED = (
    "delta", "theta", "stdlv", "dwls", "ulsmv", "wlsm", "wls", "uls", "equal", "equal_theta", "structural",
    "structural_theta", "pairwise", "mixed", "mixed_theta", "predictor", "mediator", "groups", "groups_equal",
    "groups_equal_theta", "binary", "binary_theta", "gls", "hs_wls", "hs_dwls", "hs_uls", "gls_equal",
    "wls_structural", "gls_metric", "dwls_scalar", "gls_path",
)  # fmt: skip
WITH_PREDICTORS = ("predictor", "mediator", "gls_path")
# lavaan's polychoric correlations lie 4e-8 from their maximum; loadings under theta are twice as steep.
WEIGHED_TOLERANCE = 1e-7
CASES = [(name, kind) for name in WEIGHED for kind in ("all", "lv")]
CASES += [(name, "nox") for name in WITH_PREDICTORS]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_ordered_items_and_least_squares_agree_with_lavaan(weighed_reference, weighed_fit, name, kind):
    theirs = weighed_reference[name][f"std_{kind}"]
    found = {(r.lhs, r.op, r.rhs, r.group): r for r in sem.standardised(weighed_fit(name), kind).parameters}
    groups = [g or 1 for g in theirs.get("group") or [1] * len(theirs["lhs"])]
    for k, (lhs, op, rhs, group) in enumerate(
        zip(theirs["lhs"], theirs["op"], theirs["rhs"], groups, strict=True)
    ):
        row = found.get((lhs, op, rhs, group)) or found[rhs, op, lhs, group]
        assert row.value == pytest.approx(theirs["est.std"][k], abs=WEIGHED_TOLERANCE), row
        assert (row.std_error or 0.0) == pytest.approx(theirs["se"][k] or 0.0, abs=WEIGHED_TOLERANCE), row


def test_both_parameterisations_have_one_standardised_solution(weighed_fit):
    delta, theta = sem.standardised(weighed_fit("delta")), sem.standardised(weighed_fit("theta"))
    for one, two in zip(delta.parameters, theta.parameters, strict=True):
        assert two.value == pytest.approx(one.value, abs=1e-8)
        assert two.std_error == (None if one.std_error is None else pytest.approx(one.std_error, abs=1e-8))
