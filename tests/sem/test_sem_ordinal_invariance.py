"""The ladder of invariance of ordered items: identification, tests and differences (Wu & Estabrook 2016)."""

from __future__ import annotations

import numpy as np
import pytest

from implstats import sem
from implstats.errors import UsageError

MODEL = "a =~ A2 + A3 + A4 + A5\ne =~ E1 + E2 + E4 + E5"
ITEMS = ["A2", "A3", "A4", "A5", "E1", "E2", "E4", "E5"]
STEPS = ("configural", "thresholds", "metric", "scalar", "strict", "means")
# lavaan's Gauss-Newton weighs groups by n, its criterion by n - 1: with equalities its fits stop beside the
# optimum of the criterion, by 4e-4 in estimates; ours have the lower chi-square.
BESIDE = 5e-4
CHISQ = 2e-6
INDEX = 2e-5
CONFIGURAL = 1e-7


@pytest.fixture(scope="module")
def ladder(load_data):
    return sem.invariance(
        MODEL, load_data("bfi_ae8_gender"), group="gender", ordered=ITEMS, std_lv=True, steps=STEPS
    )


@pytest.fixture(scope="module")
def reference(load_reference):
    return load_reference("ordinal_ladder")


@pytest.mark.parametrize("name", STEPS)
def test_each_step_has_semtools_identification_and_lavaans_fit(ladder, reference, name):
    step, theirs = ladder.step(name), reference["steps"][name]
    ours, fit = step.fit, theirs["fit"]
    assert ours.verdict == "ok", ours.reason
    assert (ours.fit["df"], ours.n_free) == (fit["df"], fit["npar"])
    assert ours.fit["chisq"] <= fit["chisq"]
    for measure in ("chisq", "baseline.chisq"):
        assert ours.fit[measure] == pytest.approx(fit[measure], rel=CHISQ)
    for measure in ("chisq.scaled", "cfi.scaled", "tli.scaled", "rmsea.scaled", "srmr", "cfi", "rmsea"):
        assert ours.fit[measure] == pytest.approx(fit[measure], rel=INDEX, abs=INDEX), measure
    mine = {(p.lhs, p.op, p.rhs, p.group): p for p in ours.parameters}
    parameters = theirs["parameters"]
    limit = CONFIGURAL if name == "configural" else BESIDE
    for k, key in enumerate(zip(*(parameters[c] for c in ("lhs", "op", "rhs", "group")), strict=True)):
        assert mine[key].estimate == pytest.approx(parameters["est"][k], abs=limit), key
        if parameters["se"][k]:
            assert mine[key].std_error == pytest.approx(parameters["se"][k], abs=limit), key


def test_scaled_differences_are_lavaans(ladder, reference):
    for step, expected in zip(ladder.steps[1:], reference["difference"], strict=True):
        found = step.difference
        assert found.method == "satorra.2000"
        assert found.df == expected[1]
        # The difference of two chi-squares that agree to 2e-4 in absolute terms.
        assert found.chisq == pytest.approx(expected[0], rel=5e-5)
        assert found.p_value == pytest.approx(expected[2], rel=1e-3)
        assert found.cfi is not None
        assert found.rmsea is not None


def test_robust_indices_of_groups_weigh_the_baseline_by_the_groups_shares(ladder, reference):
    ours, theirs = ladder.step("configural").fit, reference["steps"]["configural"]["fit"]
    assert ours.fit["rmsea.robust"] == pytest.approx(theirs["rmsea.robust"], abs=INDEX)
    # lavaan 0.6-14 divides each group's Gamma by its share without multiplying the baseline's weights by it,
    # which inflates the baseline's correction by the number of groups. Undone, ours is lavaan's number.
    log_det = right = wrong = 0.0
    sample = ours.fitted.sample
    for group, share in zip(sample.groups, sample.share, strict=True):
        ls = group.least_squares
        R = np.eye(8)
        R[ls.row, ls.col] = R[ls.col, ls.row] = ls.statistics[ls.n_before_pairs :]
        trace = np.trace(ls.gamma[ls.n_before_pairs :, ls.n_before_pairs :])
        log_det -= group.moments.n * np.linalg.slogdet(R)[1]
        right, wrong = right + trace, wrong + trace / share
    excess = (1.0 - ours.fit["cfi.robust"]) * (log_det - right)
    assert 1.0 - excess / (log_det - wrong) == pytest.approx(theirs["cfi.robust"], abs=INDEX)


def test_equal_thresholds_alone_restrict_without_marker_or_unit_variance_mattering(load_data):
    frame = load_data("bfi_ae8_gender")
    unit, marker = (
        sem.fit(MODEL, frame, kind="cfa", ordered=ITEMS, group="gender", parameterization=p, std_lv=s,
                group_equal=("thresholds", "loadings"))
        for p, s in (("theta", True), ("delta", False))
    )  # fmt: skip
    assert marker.fit["df"] == unit.fit["df"] == 68
    assert marker.fit["chisq"] == pytest.approx(unit.fit["chisq"], rel=1e-8)


def test_ladders_that_cannot_be_identified_are_refused(load_data):
    frame = load_data("bfi_ae8_gender")
    binary = (frame > 3).astype(int).assign(gender=frame["gender"])
    with pytest.raises(UsageError, match=r"A2, A3.* two categories"):
        sem.invariance(MODEL, binary, group="gender", ordered=ITEMS)
    with pytest.raises(UsageError, match="Add 'thresholds'"):
        sem.invariance(MODEL, frame, group="gender", ordered=ITEMS, steps=("configural", "metric"))
    with pytest.raises(UsageError, match="theta"):
        sem.invariance(MODEL, frame, group="gender", ordered=ITEMS, parameterization="delta")


def test_a_released_threshold_stays_free(load_data, ladder):
    found = sem.invariance(
        MODEL, load_data("bfi_ae8_gender"), group="gender", ordered=ITEMS, std_lv=True,
        steps=("configural", "thresholds"), release=("A2|t1",),
    )  # fmt: skip
    assert found.step("thresholds").fit.fit["df"] == ladder.step("thresholds").fit.fit["df"] - 1
