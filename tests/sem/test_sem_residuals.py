"""Residuals, their standard errors and their summaries: against lavaan, and what must collapse."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from implstats import sem
from implstats.errors import UsageError
from implstats.sem.after.residual_summary import summarise

MODELS = (
    "ml", "means", "stdlv", "observed", "mlr", "mlm", "structural", "second", "fixed_variance", "equal",
    "fiml", "fiml_mlr", "fiml_structural", "metric", "scalar", "scalar_mlr", "fiml_metric", "mlmv",
)  # fmt: skip
KINDS = ("raw", "cor.bentler", "cor.bollen", "normalized", "standardized")
# Complete data agree to 1e-10; with gaps lavaan's estimate and saturated moments lie 3e-9 off.
TOLERANCE = 2e-8
TOLERANCE_Z = 2e-7
# The ninth of lavaan's is .05, against which close fit is tested.
FIELDS = (
    "value", "std_error", "exact_z", "exact_p", "unbiased", "unbiased_se", "conf_low", "conf_high", None,
    "close_z", "close_p",
)  # fmt: skip


def _lavaan(reference, name, kind):
    found = reference[name]["residuals"][kind]
    return [found] if "cov" in found else list(found.values())


def _at(values, i, j):
    return values[i] if j is None else values[i][j]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", MODELS)
def test_residuals_agree_with_lavaan(after_reference, after_fit, name, kind):
    result, _ = after_fit(name)
    groups = _lavaan(after_reference, name, kind)
    labels = [group.label for group in result.groups]
    names = result.groups[0].moments.observed
    close = TOLERANCE_Z if kind in ("normalized", "standardized") else TOLERANCE
    compared = 0
    for row in sem.residuals(result, kind).rows:
        of = groups[labels.index(row.group)]
        i = names.index(row.lhs)
        part, j = ("cov", names.index(row.rhs)) if row.op == "~~" else ("mean", None)
        if row.value is not None:
            assert row.value == pytest.approx(_at(of[part], i, j), abs=close), row
        if row.std_error is not None:
            assert row.std_error == pytest.approx(_at(of[f"{part}.se"], i, j), abs=close), row
            assert row.statistic == pytest.approx(row.value / row.std_error, rel=1e-12)
        compared += row.value is not None
    assert compared >= 4


@pytest.mark.parametrize("kind", ["raw", "cor.bentler", "cor.bollen"])
@pytest.mark.parametrize("name", MODELS)
def test_summaries_agree_with_lavaan(after_reference, after_fit, name, kind):
    result, _ = after_fit(name)
    groups = _lavaan(after_reference, name, kind)
    labels = [group.label for group in result.groups]
    found = sem.residuals(result, kind).summaries
    assert found
    for summary in found:
        theirs = groups[labels.index(summary.group)]["summary"][summary.part]
        for field, value in zip(FIELDS, theirs, strict=False):
            ours = getattr(summary, field) if field else None
            if isinstance(value, float | int) and ours is not None:
                limit = 2e-6 if field == "close_z" else 5e-8
                assert ours == pytest.approx(value, abs=limit), (summary, field)


def test_summaries_are_the_fit_indices(after_fit):
    result, _ = after_fit("means")
    for kind, name in (("raw", "rmr"), ("cor.bentler", "srmr"), ("cor.bollen", "crmr")):
        total = next(s for s in sem.residuals(result, kind).summaries if s.part == "total")
        assert total.value == pytest.approx(result.fit[name], rel=1e-12)


def test_standardised_residuals_are_standard_normal_where_the_model_holds():
    # 200 samples from the model: the spread of each z must be one within sampling error (6 % at two sigma).
    rng = np.random.default_rng(11)
    found = []
    for _ in range(200):
        x = rng.normal(size=(300, 1)) * [0.8, 0.7, 0.6, 0.5] + rng.normal(size=(300, 4)) * 0.6
        fit = sem.fit("f =~ a + b + c + d", pd.DataFrame(x, columns=list("abcd")), kind="cfa")
        found.append([r.value for r in sem.residuals(fit, "standardized").rows if r.lhs != r.rhs])
    z = np.array(found, dtype=float)
    assert z.std(axis=0) == pytest.approx(np.ones(6), abs=0.18)
    assert (np.abs(z) > 1.96).mean() == pytest.approx(0.05, abs=0.025)


def test_a_saturated_model_has_no_residuals_to_test(hs):
    found = sem.residuals(sem.fit("x1 ~~ x2\nx1 ~~ x3\nx2 ~~ x3", hs), "raw")
    assert all(row.statistic is None for row in found.rows)
    assert max(abs(row.value) for row in found.rows) < 1e-10
    assert all(summary.unbiased is None for summary in found.summaries)


def test_order_of_persons_changes_nothing(hs, three_factors):
    plain = sem.residuals(sem.fit(three_factors, hs, kind="cfa", estimator="MLR"), "standardized")
    mixed = hs.sample(frac=1, random_state=3)
    other = sem.residuals(sem.fit(three_factors, mixed, kind="cfa", estimator="MLR"), "standardized")
    for one, two in zip(plain.rows, other.rows, strict=True):
        assert (two.value is None) == (one.value is None)
        if one.value is not None:
            assert two.value == pytest.approx(one.value, abs=1e-6)


def test_table_of_a_group(after_fit):
    result, _ = after_fit("scalar")
    found = sem.residuals(result, "cor.bollen")
    table = found.matrix("Pasteur")
    assert table.shape == (9, 9)
    np.testing.assert_array_equal(table.to_numpy(), table.to_numpy().T)
    with pytest.raises(UsageError, match="no group"):
        found.matrix("nowhere")


def test_unknown_kinds_are_refused(after_fit):
    with pytest.raises(UsageError, match="standardized"):
        sem.residuals(after_fit("ml")[0], "standardised")


def test_summary_of_nothing_is_missing():
    assert summarise(np.zeros(0), np.zeros((0, 0)), count=0, name="rmr", part="cov", group="") is None


def test_residuals_that_do_not_vary_have_no_standard_error(load_data):
    # One degree of freedom, in the means: the covariances are saturated. lavaan 0.6-14 divides their rounding
    # by a standard error of about 1e-14 and gives z up to 2e11.
    model = "i =~ 1*t1 + 1*t2 + 1*t3 + 1*t4\ns =~ 0*t1 + 1*t2 + 2*t3 + 3*t4\nq =~ 0*t1 + 1*t2 + 4*t3 + 9*t4"
    result = sem.fit(model, load_data("demo_growth"), kind="growth")
    rows = sem.residuals(result, "standardized").rows
    assert all(row.value is None for row in rows if row.op == "~~")
    # All four means miss by one and the same direction, so that z is one number but for the sign.
    sizes = [abs(row.value) for row in rows if row.op == "~1"]
    assert sizes == pytest.approx([1.651246] * 4, abs=1e-5)
