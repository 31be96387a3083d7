"""Constraints: the optimum, the standard errors and the degrees of freedom are lavaan's; faults are named."""

from __future__ import annotations

import numpy as np
import pytest

from implstats import sem

BASE = "visual =~ x1 + a*x2 + b*x3\ntextual =~ x4 + c*x5 + d*x6\nspeed =~ x7 + e*x8 + g*x9\n"
# The references are polished by Newton steps on the Lagrangian to a gradient of 1e-15.
POLISHED = 1e-8
FLAT = 1e-10
CASES = ["linear", "product", "mixed", "active", "inactive"]


@pytest.fixture(scope="module")
def fitted(load_reference, load_data):
    """Return a function: case -> (reference, our result)."""
    every, data = load_reference("constraints"), load_data("hs1939")

    def of(name):
        return every[name], sem.fit(BASE + every[name]["meta"]["constraints"], data, kind="cfa")

    return of


@pytest.mark.parametrize("name", CASES)
def test_estimates_errors_and_tests_are_lavaans(fitted, name):
    reference, ours = fitted(name)
    free = [p for p in ours.parameters if p.free]
    np.testing.assert_allclose([p.estimate for p in free], reference["est"], atol=POLISHED)
    # A parameter that a constraint fixes has no standard error here and zero there.
    np.testing.assert_allclose([p.std_error or 0.0 for p in free], reference["se"], atol=POLISHED)
    assert ours.fit["chisq"] == pytest.approx(reference["chisq"], rel=FLAT)
    assert ours.fit["df"] == reference["df"]
    assert ours.n_free == ours.fit["npar"] == reference["npar"]
    assert ours.converged


@pytest.mark.parametrize("estimator", ["ML", "MLR", "MLM"])
def test_an_equality_is_a_shared_label(hs, estimator):
    options = {"kind": "cfa", "estimator": estimator}
    written = sem.fit(BASE + "a == b\nc == d", hs, **options)
    shared = sem.fit(BASE.replace("b*", "a*").replace("d*", "c*"), hs, **options)
    for name, value in shared.fit.items():
        assert written.fit[name] == pytest.approx(value, rel=1e-8, abs=1e-9), name
    for p, q in zip(written.parameters, shared.parameters, strict=True):
        assert p.estimate == pytest.approx(q.estimate, abs=1e-9)
        assert p.std_error == pytest.approx(q.std_error, abs=1e-9)


def test_an_equality_written_as_a_curve_is_the_same_equality(hs):
    straight = sem.fit(BASE + "a == b", hs, kind="cfa")
    curved = sem.fit(BASE + "exp(a) == exp(b)", hs, kind="cfa")
    assert curved.fit["df"] == straight.fit["df"]
    for p, q in zip(curved.parameters, straight.parameters, strict=True):
        assert p.estimate == pytest.approx(q.estimate, abs=1e-9)
        assert p.std_error == pytest.approx(q.std_error, abs=1e-9)


def test_constraints_reach_across_groups_and_gaps(load_data):
    frame = load_data("hs1939_missing")
    text = "visual =~ x1 + c(a1, a2)*x2 + x3\ntextual =~ x4 + x5 + x6"
    options = {"kind": "cfa", "group": "school", "missing": "fiml", "estimator": "MLR"}
    written = sem.fit(text + "\na1 == a2", frame, **options)
    shared = sem.fit(text.replace("a2", "a1"), frame, **options)
    for name in ("chisq", "df", "chisq.scaled", "cfi.robust", "rmsea.robust", "npar", "scaling.factor.h0"):
        assert written.fit[name] == pytest.approx(shared.fit[name], rel=1e-7, abs=1e-9), name


def test_a_constraint_can_identify_a_model(hs):
    text = "f =~ NA*x1 + a*x1 + b*x2 + c*x3\na + b + c == 3"
    effects = sem.fit(text, hs, kind="cfa")
    assert effects.verdict == "ok"
    assert sum(p.estimate for p in effects.parameters if p.op == "=~") == pytest.approx(3.0, abs=1e-12)
    marker = sem.fit("f =~ x1 + x2 + x3", hs, kind="cfa")
    assert [p.std_all for p in effects.parameters] == pytest.approx(
        [p.std_all for p in marker.parameters], abs=1e-7
    )


def test_an_active_inequality_is_said_and_an_idle_one_changes_nothing(hs):
    free = sem.fit(BASE, hs, kind="cfa")
    idle = sem.fit(BASE + "a > 0\nb < 3", hs, kind="cfa")
    assert idle.fit["chisq"] == pytest.approx(free.fit["chisq"], rel=1e-12)
    assert not any(c.name == "active_constraints" for c in idle.checks)
    bound = sem.fit(BASE + "a > 0.7", hs, kind="cfa")
    said = next(c for c in bound.checks if c.name == "active_constraints")
    assert (said.status, bound.verdict) == ("warn", "caution")
    assert "a > 0.7" in said.message
    assert bound.fit["df"] == free.fit["df"]


def test_redundant_constraints_are_named_and_not_counted(hs):
    once = sem.fit(BASE + "a == b", hs, kind="cfa")
    twice = sem.fit(BASE + "a == b\n2*a == 2*b", hs, kind="cfa")
    assert twice.fit["df"] == once.fit["df"]
    assert any(c.name == "redundant_constraints" and "2*a == 2*b" in c.message for c in twice.checks)


CONTRADICTIONS = [
    ("a == b\na == b + 1", "'a == b \\+ 1' contradicts 'a == b'"),
    ("a == 1\nb == 2\na + b == 4", "contradicts 'a == 1' and 'b == 2'"),
    ("a == aa", "no parameter bears.*did you mean 'a'"),
    ("a == b*", "not an arithmetic expression"),
]


@pytest.mark.parametrize(("constraints", "words"), CONTRADICTIONS)
def test_contradictions_and_unknown_labels_are_named(hs, constraints, words):
    with pytest.raises(sem.ModelTextError, match=words):
        sem.fit(BASE + constraints, hs, kind="cfa")


def test_a_constraint_on_fixed_parameters_cannot_hold(hs):
    with pytest.raises(sem.ModelTextError, match="leaves no free parameter"):
        sem.fit("f =~ 1*x1 + k*x1 + x2 + x3\nk == 2", hs, kind="cfa")


def test_curved_constraints_that_exclude_each_other_give_no_estimate(hs):
    result = sem.fit(BASE + "a^2 + b^2 == 1\na^2 + b^2 == 2", hs, kind="cfa")
    assert result.verdict == "failed"
    assert result.fit["chisq"] is None
    assert "meets all constraints" in result.reason
