"""Robust indices of full information where lavaan or semTools seemed to differ."""

from __future__ import annotations

import pytest

from implstats import sem
from implstats.sem.inference.fiml_corrected import Corrected, corrected_tests
from implstats.sem.model_fit import fit_record
from implstats.sem.results import SemResult

# lavaan's default search stops about 1e-6 beside the optimum; probabilities are the steepest functions of it.
NLMINB = 2e-5
# semTools' reference was fitted by the same search.
SEMTOOLS = 1e-6


@pytest.mark.parametrize("case", ["ml", "mlr"])
def test_fixed_predictors_of_a_model_that_does_not_fit(case, load_reference, load_data):
    expected = load_reference("fiml_robust")[case]
    full = load_data("hs1939")
    frame = load_data("hs1939_missing").assign(a=full["x7"], b=full["x3"])
    ours = sem.fit(expected["model"], frame, missing="fiml", estimator=case.upper())
    names = [name for name in expected["fit"] if name.endswith(".robust")]
    assert len(names) >= 9
    for name in names:
        assert ours.fit[name] == pytest.approx(expected["fit"][name], rel=NLMINB, abs=NLMINB), name


@pytest.mark.parametrize("case", ["clpm_jobsat_commit_fiml", "clpm_commit_ready_fiml"])
def test_cross_lagged_panels(case, load_reference, load_data):
    """With ``fixed.x=FALSE`` lavaan's correction treats the predictors as fixed in one matrix of four.

    Where the text names their covariance it cannot, and then lavaan gives our numbers.
    """
    consistent = load_reference("fiml_robust")[case]
    by_option = load_reference(case)["fit"]
    ours = sem.fit(consistent["model"], load_data("univbct_wide"), missing="fiml").fit
    for name, value in consistent["fit"].items():
        assert ours[name] == pytest.approx(value, rel=NLMINB, abs=NLMINB), name
    assert ours["chisq"] == pytest.approx(by_option["chisq"], rel=NLMINB)
    assert abs(ours["rmsea.robust"] - by_option["rmsea.robust"]) > 10 * NLMINB


def parts(fitted: SemResult) -> Corrected:
    """X and c of a fit and of its baseline."""
    estimated = fitted.fitted
    assert estimated is not None
    record = fit_record(estimated)
    groups = [s.incomplete for s in estimated.sample.groups if s.incomplete is not None]
    return corrected_tests(
        estimated.structures, groups, moments=estimated.moments, stacks=estimated.stacks,
        tangent=estimated.tangent, x=estimated.x, df=record.df, baseline_df=record.baseline_df, robust=False,
    )  # fmt: skip


def test_semtools_robust_cfi_takes_another_baseline_than_its_cfi(load_reference, load_data, three_factors):
    """semTools' number is lavaan's correction of a baseline with 45 degrees of freedom, used with 36.

    The reported baseline keeps the covariances of the auxiliary variable (36); the correction takes lavaan's
    own baseline, where that variable is uncorrelated too. Put together by hand from our fit of that model:
    """
    reference = load_reference("fiml_hs_aux_ageyr")["fit"]
    frame = load_data("hs1939_missing").assign(ageyr=load_reference("hs1939_ageyr")["ageyr"])
    ours = sem.fit(three_factors, frame, kind="cfa", missing="fiml", auxiliary=["ageyr"])
    nothing = "\n".join(f"{v} ~~ {v}" for v in [*(f"x{k}" for k in range(1, 10)), "ageyr"])
    own_baseline = sem.fit(nothing, frame, kind="cfa", missing="fiml")
    assert (ours.fit["baseline.df"], own_baseline.fit["df"]) == (36, 45)
    model, other = parts(ours), parts(own_baseline)
    excess = model.chisq - model.scale * ours.fit["df"]
    mixed = 1 - excess / (other.chisq - other.scale * 36)
    assert mixed == pytest.approx(reference["cfi.robust"], abs=SEMTOOLS)
    assert ours.fit["cfi.robust"] == pytest.approx(
        1 - excess / (model.baseline_chisq - model.baseline_scale * 36), rel=1e-12
    )
    assert reference["cfi.robust"] - ours.fit["cfi.robust"] > 0.002
