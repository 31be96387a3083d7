"""Models of several groups: estimates, errors, standardised solutions and fit indices are lavaan's."""

from __future__ import annotations

import pytest

from implstats import sem

# The references are polished to a gradient of 1e-15, so that only the arithmetic of two programs differs.
POLISHED = 1e-9
# Chi-square and log-likelihood are flat at the optimum.
FLAT = 1e-9
INDEX = 1e-8
# With gaps lavaan's gradient and observed information are differenced, which leaves this in SE and intervals.
WITH_GAPS = 5e-8
# lavaan fits its baseline model with its default optimiser; its scaling factor carries that error, and
# with it every index that compares with the scaled baseline.
BASELINE = 5e-6
# lavaan's root search of the interval of the RMSEA stops at this distance.
INTERVAL = 1e-6
# This model is not polished (observed predictors), only fitted with tight tolerances.
NOT_POLISHED = {"groups_hs_ml_paths": 1e-6}
# lavaan's saturated moments of incomplete data come from EM, stopped at 1e-13 a step; they enter SRMR and the
# robust indices.
SATURATED = 1e-7
# With gaps lavaan compares GFI with pairwise moments, we with the maximum likelihood ones.
PAIRWISE = {"gfi", "agfi", "pgfi"}

STEPS = {
    "configural": (),
    "metric": ("loadings",),
    "scalar": ("loadings", "intercepts"),
    "strict": ("loadings", "intercepts", "residuals"),
    "means": ("loadings", "intercepts", "residuals", "means"),
    "everything": ("loadings", "intercepts", "residuals", "lv.variances", "lv.covariances", "means"),
}
COMPLETE = [("ml", s) for s in STEPS] + [(e, s) for e in ("mlr", "mlm") for s in list(STEPS)[:4]]
GAPS = [(e, s) for e in ("ml", "mlr") for s in list(STEPS)[:4]]
CASES = {
    **{f"groups_hs_{e}_{s}": {"estimator": e.upper(), "group_equal": STEPS[s]} for e, s in COMPLETE},
    **{
        f"groups_fiml_{e}_{s}": {"estimator": e.upper(), "group_equal": STEPS[s], "missing": "fiml"}
        for e, s in GAPS
    },
    "groups_hs_ml_partial": {"group_equal": STEPS["scalar"], "group_partial": ("x3~1", "x7 ~ 1")},
    "groups_hs_ml_stdlv": {"group_equal": STEPS["scalar"], "std_lv": True},
    "groups_hs_ml_nomeans": {"group_equal": STEPS["metric"], "meanstructure": False},
    "groups_hs_ml_labels": {},
    "groups_hs_ml_paths": {"group_equal": ("regressions",)},
}
FIELDS = {
    "est": "estimate", "se": "std_error", "ci.lower": "conf_low", "ci.upper": "conf_high", "std.lv": "std_lv",
    "std.all": "std_all",
}  # fmt: skip


@pytest.fixture(scope="module")
def fitted(load_reference, load_data):
    """Return a function: case -> (lavaan's dump, our result); each fitted once."""
    done = {}

    def of(name):
        if name not in done:
            reference = load_reference(name)
            data = load_data(reference["meta"]["data"].removeprefix("data/").removesuffix(".csv"))
            text = reference["meta"]["model_syntax"]
            done[name] = reference, sem.fit(text, data, kind="cfa", group="school", **CASES[name])
        return done[name]

    return of


@pytest.mark.parametrize("name", CASES)
class TestAgainstLavaan:
    def test_rows_labels_and_groups_are_lavaans(self, fitted, name):
        reference, ours = fitted(name)
        theirs = reference["parameters"]
        labels = theirs.get("label", [""] * len(theirs["lhs"]))
        groups = [g or 1 for g in theirs["group"]]
        expected = list(zip(theirs["lhs"], theirs["op"], theirs["rhs"], groups, labels, strict=True))
        assert [(p.lhs, p.op, p.rhs, p.group, p.label) for p in ours.parameters] == expected
        assert ours.n_free == reference["npar"]
        assert [g.label for g in ours.groups] == reference["meta"]["groups"]
        assert [g.n_obs for g in ours.groups] == reference["meta"]["nobs"]
        assert ours.n_obs == reference["meta"]["ntotal"]

    def test_parameters_agree(self, fitted, name):
        reference, ours = fitted(name)
        theirs = reference["parameters"]
        for k, parameter in enumerate(ours.parameters):
            fixed = theirs["z"][k] is None
            assert (parameter.std_error is None) == fixed, parameter.name
            for field, attribute in FIELDS.items():
                if not (fixed and field in ("se", "ci.lower", "ci.upper")):
                    value = getattr(parameter, attribute)
                    limit = NOT_POLISHED.get(name, WITH_GAPS if "fiml" in name else POLISHED)
                    assert value == pytest.approx(theirs[field][k], abs=limit), (parameter.name, field)

    def test_fit_measures_agree(self, fitted, name):
        reference, ours = fitted(name)
        gaps = "fiml" in name
        for measure, value in reference["fit"].items():
            if gaps and measure in PAIRWISE:
                continue
            mine = ours.fit[measure]
            if value is None:
                assert mine is None, measure
                continue
            tight = measure in ("chisq", "logl", "unrestricted.logl", "aic", "bic", "baseline.chisq", "fmin")
            of_baseline = measure.startswith("baseline.") or ".scaled" in measure or ".robust" in measure
            allowed = FLAT if tight else INTERVAL if ".ci." in measure else BASELINE if of_baseline else INDEX
            if name in NOT_POLISHED and not tight:
                allowed = max(allowed, NOT_POLISHED[name])
            if gaps and not tight:
                allowed = max(allowed, SATURATED)
            if measure == "scaling.factor.h0":
                # lavaan divides by the parameters before equalities are taken off; the factor is defined by
                # the parameters that are left, as npar counts them.
                value *= sum(row.free for row in ours.parameters) / ours.n_free
            assert mine == pytest.approx(value, rel=allowed, abs=allowed), measure

    def test_explained_variance_agrees_by_group(self, fitted, name):
        reference, ours = fitted(name)
        for group in ours.groups:
            theirs = reference["r2"][group.label]
            assert set(group.r_squared) == set(theirs)
            limit = NOT_POLISHED.get(name, WITH_GAPS if "fiml" in name else POLISHED)
            for variable, value in theirs.items():
                assert group.r_squared[variable] == pytest.approx(value, abs=limit)

    def test_the_optimum_is_flat_and_proper(self, fitted, name):
        _, ours = fitted(name)
        assert ours.converged
        assert ours.optimiser.max_gradient < 1e-8
