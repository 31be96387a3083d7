"""Full information: our estimates, standard errors, tests and indices are lavaan's."""

from __future__ import annotations

import numpy as np
import pytest

from implstats import sem
from implstats.sem.data.patterns import group_patterns
from implstats.sem.data.saturated import saturated_moments

# lavaan's FIML fits come from nlminb, 2.5e-6 (estimates) and 8e-6 (errors) off a Newton solution.
ESTIMATE = 2e-5
# Chi-square and log-likelihood are flat at the optimum, so that errors of the estimates enter squared.
FLAT = 1e-9
# Indices and scaling factors inherit the estimates' errors: RMSEA's interval inverts a distribution, and the
# probabilities of its tests are the steepest functions of all.
INDEX = 2e-6
# lavaan's saturated moments (EM to 1e-12) agree far better than its model estimates.
SATURATED = 1e-9
# lavaan takes GFI from pairwise moments; ours are the maximum likelihood moments (docs/methods/sem.md).
OTHER_SAMPLE = {"gfi", "agfi", "pgfi"}
TIGHT = {"chisq", "logl", "unrestricted.logl", "aic", "bic", "bic2", "baseline.chisq", "fmin"}

CASES = [
    ("fiml_hs_ml", "cfa", {}),
    ("fiml_hs_ml_expectedinfo", "cfa", {"information": "expected"}),
    ("fiml_hs_mlr", "cfa", {"estimator": "MLR"}),
    ("fiml_hs_sem", "sem", {}),
    ("growth_univbct_jobsat_fiml", "growth", {}),
    ("riclpm_jobsat_commit_fiml", "lavaan", {}),
    ("riclpm_jobsat_commit_fiml_mlr", "lavaan", {"estimator": "MLR"}),
    ("riclpm_jobsat_commit_fiml_timeinvariant", "lavaan", {}),
    ("clpm_commit_ready_fiml", "sem", {}),
    ("clpm_jobsat_commit_fiml", "sem", {}),
]
# lavaan fitted these with random predictors by option; we make them random by mentioning their covariance.
RANDOM = {
    "clpm_commit_ready_fiml": "\nCOMMIT1 ~~ READY1",
    "clpm_jobsat_commit_fiml": "\nJOBSAT1 ~~ COMMIT1",
}


def key(lhs, op, rhs):
    """One name for a parameter; a covariance has no direction."""
    return (op, *sorted((lhs, rhs))) if op == "~~" else (op, lhs, rhs)


@pytest.fixture(scope="module")
def fitted(load_reference, load_data):
    """Return a function: case -> (lavaan's dump, our result); each fitted once."""
    done = {}

    def of(name, kind, options):
        if name not in done:
            reference = load_reference(name)
            stem = reference["meta"]["data"].removeprefix("data/").removesuffix(".csv")
            model = reference["meta"]["model_syntax"] + RANDOM.get(name, "")
            result = sem.fit(model, load_data(stem), kind=kind, missing="fiml", **options)
            done[name] = reference, result
        return done[name]

    return of


@pytest.mark.parametrize(("name", "kind", "options"), CASES, ids=[c[0] for c in CASES])
class TestAgainstLavaan:
    def test_parameters_agree(self, fitted, name, kind, options):
        reference, ours = fitted(name, kind, options)
        theirs = reference["parameters"]
        place = {
            key(*k): i for i, k in enumerate(zip(*(theirs[c] for c in ("lhs", "op", "rhs")), strict=True))
        }
        # lavaan also lists residual variances that nobody asked for and that are fixed at zero.
        tested = sum(z is not None for z in theirs["z"])
        assert sum(p.statistic is not None for p in ours.parameters) == tested > 0
        for p in ours.parameters:
            i = place[key(p.lhs, p.op, p.rhs)]
            assert p.estimate == pytest.approx(theirs["est"][i], abs=ESTIMATE), p.name
            assert p.std_all == pytest.approx(theirs["std.all"][i], abs=ESTIMATE), p.name
            if theirs["z"][i] is not None:
                assert p.std_error == pytest.approx(theirs["se"][i], abs=ESTIMATE), p.name

    def test_persons_and_freedom_agree(self, fitted, name, kind, options):
        reference, ours = fitted(name, kind, options)
        meta = reference["meta"]
        assert (ours.n_obs, ours.n_dropped) == (meta["ntotal"], meta["norig"] - meta["ntotal"])
        assert (ours.n_free, ours.fit["df"]) == (reference["npar"], reference["fit"]["df"])

    def test_fit_measures_agree(self, fitted, name, kind, options):
        reference, ours = fitted(name, kind, options)
        left_out = set(OTHER_SAMPLE)
        if name in RANDOM:  # its baseline treats the predictors as fixed, ours as random like the model
            indices = {"cfi", "tli", "nnfi", "rfi", "nfi", "pnfi", "ifi", "rni"}
            left_out |= indices | {m for m in reference["fit"] if m.startswith("baseline") or "robust" in m}
        if (
            name == "fiml_hs_ml_expectedinfo"
        ):  # lavaan corrects by expected, we always by observed information
            left_out |= {m for m in reference["fit"] if m.endswith(".robust")}
        compared = 0
        for measure, value in reference["fit"].items():
            if measure in left_out:
                continue
            mine = ours.fit[measure]
            if value is None:
                assert mine is None, measure
                continue
            allowed = FLAT if measure in TIGHT else INDEX
            assert mine == pytest.approx(value, rel=allowed, abs=allowed), measure
            compared += 1
        assert compared >= 30

    def test_explained_variance_agrees(self, fitted, name, kind, options):
        reference, ours = fitted(name, kind, options)
        assert set(ours.r_squared) == set(reference["r2"])
        for variable, value in reference["r2"].items():
            mine = ours.r_squared[variable]
            assert mine is None if value is None else mine == pytest.approx(value, abs=ESTIMATE)

    def test_the_optimum_is_flat_and_proper(self, fitted, name, kind, options):
        _, ours = fitted(name, kind, options)
        assert ours.converged
        assert ours.optimiser.max_gradient < 1e-7
        assert ours.optimiser.decrement < 1e-14


def test_saturated_moments_are_lavaans(load_reference, load_data):
    reference = load_reference("fiml_hs_ml")
    data = load_data("hs1939_missing")
    cov, mean = reference["h1"]["cov"], reference["h1"]["mean"]
    patterns = group_patterns(data[cov["rows"]].to_numpy(dtype=float))
    ours = saturated_moments(patterns)
    np.testing.assert_allclose(ours.cov, cov["values"], atol=SATURATED)
    np.testing.assert_allclose(ours.mean, list(mean.values()), atol=SATURATED)
    logl = -0.5 * patterns.n * (ours.state.value + patterns.constant)
    assert logl == pytest.approx(reference["fit"]["unrestricted.logl"], rel=1e-12)


@pytest.mark.parametrize("estimator", ["ML", "MLR"])
def test_rows_without_a_predictor_are_dropped_as_in_lavaan(load_reference, load_data, estimator):
    reference = load_reference(f"fiml_missing_predictor_{estimator.lower()}")
    model, theirs = reference["meta"]["model_syntax"], reference["parameters"]
    ours = sem.fit(model, load_data("mediation_missing"), missing="fiml", estimator=estimator)
    assert (ours.n_obs, ours.n_dropped) == (205, 45) == (reference["meta"]["ntotal"], 250 - 205)
    message = next(c.message for c in ours.checks if c.name == "full_information")
    assert "45 left out, 4 without any answer and 41 without an exogenous predictor" in message
    for i, p in enumerate(ours.parameters):
        assert p.estimate == pytest.approx(theirs["est"][i], abs=ESTIMATE)
        if theirs["se"][i]:
            assert p.std_error == pytest.approx(theirs["se"][i], abs=ESTIMATE)
    measures = ["chisq", "df", "baseline.chisq", "baseline.df", "cfi", "tli", "rmsea", "srmr"]
    # Under MLR predictors are random here, so that log-likelihoods count them and lavaan's do not.
    measures += ["logl", "unrestricted.logl", "aic", "bic"] if estimator == "ML" else []
    measures += ["chisq.scaling.factor", "baseline.chisq.scaling.factor"] if estimator == "MLR" else []
    for measure in measures:
        # lavaan's default optimiser; the scaling factors are linear in its errors.
        assert ours.fit[measure] == pytest.approx(reference["fit"][measure], rel=1e-6), measure


def test_observed_information_of_complete_data(load_reference, hs, three_factors):
    theirs = load_reference("cfa_hs_ml_obsinfo")["parameters"]
    ours = sem.fit(three_factors, hs, kind="cfa", information="observed")
    for p, se in zip(ours.parameters, theirs["se"], strict=True):
        # A polished reference: 1e-7 as for all complete-data fits.
        assert (p.std_error or 0.0) == pytest.approx(se, abs=1e-7)
