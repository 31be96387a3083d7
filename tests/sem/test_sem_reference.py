"""Our estimates, standard errors, standardised solutions and fit indices are lavaan's."""

from __future__ import annotations

import pytest

from implstats import sem

# lavaan's Gauss-Newton polish leaves estimates 1e-11 to 1e-8 off; 1e-7 is the bar that its gradient supports.
POLISHED = 1e-7
# Growth fits come from lavaan's default optimiser with gradients of about 1e-7 and so differ by more.
DEFAULT_OPTIMISER = 2e-6
# Chi-square and log-likelihood are flat at the optimum, so that errors of the estimates enter squared.
FLAT = 1e-9
# Indices that are ratios or roots of small differences lose some of those digits.
INDEX = 1e-7
# lavaan fits its baseline model with its default optimiser; the scaling factor of that model shows it.
BASELINE_SCALE = 1e-6

CASES = [
    ("cfa_hs_ml", "cfa", {}, POLISHED),
    ("cfa_hs_ml_means", "cfa", {"meanstructure": True}, POLISHED),
    ("cfa_hs_ml_stdlv", "cfa", {"std_lv": True}, POLISHED),
    ("cfa_hs_ml_orthogonal", "cfa", {"orthogonal": True}, POLISHED),
    ("cfa2_secondorder_hs_ml", "cfa", {}, POLISHED),
    ("cfa2_secondorder_hs_ml_unitdisturbance", "cfa", {}, POLISHED),
    ("bifactor_hs_ml", "cfa", {"orthogonal": True, "std_lv": True}, POLISHED),
    ("cfa_bfi25_ml", "cfa", {}, POLISHED),
    ("cfa_lq2002_3f_ml", "cfa", {}, POLISHED),
    ("path_mediation_ml", "sem", {}, POLISHED),
    ("growth_linear_ml", "growth", {}, DEFAULT_OPTIMISER),
    ("growth_quadratic_ml", "growth", {}, DEFAULT_OPTIMISER),
    ("listwise_hs_ml", "cfa", {}, POLISHED),
    ("cfa_hs_mlm", "cfa", {"estimator": "MLM"}, POLISHED),
    ("cfa_hs_mlr", "cfa", {"estimator": "MLR"}, POLISHED),
    ("cfa_bfi25_mlr", "cfa", {"estimator": "MLR"}, POLISHED),
    ("path_mediation_mlr", "sem", {"estimator": "MLR"}, POLISHED),
]
FIELDS = {
    "est": "estimate",
    "se": "std_error",
    "ci.lower": "conf_low",
    "ci.upper": "conf_high",
    "std.lv": "std_lv",
    "std.all": "std_all",
}


@pytest.fixture(scope="module")
def fitted(load_reference, load_data):
    """Return a function: case -> (lavaan's dump, our result); each fitted once."""
    done = {}

    def of(name, kind, options):
        if name not in done:
            reference = load_reference(name)
            stem = reference["meta"]["data"].removeprefix("data/").removesuffix(".csv")
            data = load_data(stem)
            done[name] = reference, sem.fit(reference["meta"]["model_syntax"], data, kind=kind, **options)
        return done[name]

    return of


@pytest.mark.parametrize(("name", "kind", "options", "limit"), CASES, ids=[c[0] for c in CASES])
class TestAgainstLavaan:
    def test_rows_stand_in_lavaans_order(self, fitted, name, kind, options, limit):
        reference, ours = fitted(name, kind, options)
        theirs = reference["parameters"]
        expected = list(zip(theirs["lhs"], theirs["op"], theirs["rhs"], strict=True))
        assert [(p.lhs, p.op, p.rhs) for p in ours.parameters] == expected
        assert ours.n_free == reference["npar"]
        assert ours.n_obs == reference["meta"]["ntotal"]

    def test_parameters_agree(self, fitted, name, kind, options, limit):
        reference, ours = fitted(name, kind, options)
        theirs = reference["parameters"]
        for k, parameter in enumerate(ours.parameters):
            fixed = theirs["z"][k] is None
            assert (parameter.std_error is None) == fixed, parameter.name
            for field, attribute in FIELDS.items():
                if fixed and field in ("se", "ci.lower", "ci.upper"):
                    continue
                value = getattr(parameter, attribute)
                assert value == pytest.approx(theirs[field][k], abs=limit), (parameter.name, field)

    def test_fit_measures_agree(self, fitted, name, kind, options, limit):
        reference, ours = fitted(name, kind, options)
        for measure, value in reference["fit"].items():
            if name == "bifactor_hs_ml" and value is None:
                continue  # lavaan could not fit the baseline there
            mine = ours.fit[measure]
            if value is None:
                assert mine is None, measure
                continue
            tight = measure in ("chisq", "logl", "unrestricted.logl", "aic", "bic", "baseline.chisq", "fmin")
            allowed = (
                FLAT if tight else BASELINE_SCALE if measure.startswith("baseline.chisq.scal") else INDEX
            )
            assert mine == pytest.approx(value, rel=allowed, abs=allowed), measure

    def test_explained_variance_agrees(self, fitted, name, kind, options, limit):
        reference, ours = fitted(name, kind, options)
        assert set(ours.r_squared) == set(reference["r2"])
        for variable, value in reference["r2"].items():
            mine = ours.r_squared[variable]
            assert mine is None if value is None else mine == pytest.approx(value, abs=limit)

    def test_the_optimum_is_flat_and_proper(self, fitted, name, kind, options, limit):
        _, ours = fitted(name, kind, options)
        assert ours.converged
        assert ours.optimiser.max_gradient < 1e-8
        assert ours.optimiser.decrement < 1e-14


def test_random_predictors_count_as_parameters(fitted, load_reference, load_data):
    reference = load_reference("path_mediation_ml_randomx")
    # Mentioning a covariance of the predictors makes them random, which lavaan does under fixed.x = FALSE.
    ours = sem.fit(reference["meta"]["model_syntax"] + "\nX ~~ C", load_data("mediation_n250"))
    assert ours.n_free == reference["npar"] == 10
    for measure in ("logl", "aic", "bic", "df"):
        assert ours.fit[measure] == pytest.approx(reference["fit"][measure], rel=FLAT)
    theirs = dict(
        zip(
            zip(*(reference["parameters"][k] for k in ("lhs", "op", "rhs")), strict=True),
            reference["parameters"]["se"],
            strict=True,
        )
    )
    for p in ours.parameters:
        assert p.std_error == pytest.approx(theirs[(p.lhs, p.op, p.rhs)], abs=POLISHED)
    assert any(c.name == "exogenous" and c.status == "info" for c in ours.checks)


def test_listwise_deletion_is_said_with_counts(fitted):
    reference, ours = fitted("listwise_hs_ml", "cfa", {})
    dropped = 301 - reference["meta"]["ntotal"]
    assert ours.n_dropped == dropped
    message = next(c.message for c in ours.checks if c.name == "listwise")
    assert str(dropped) in message
    assert str(reference["meta"]["ntotal"]) in message


def test_an_inadmissible_estimate_is_named_and_not_ok(fitted):
    _, ours = fitted("bifactor_hs_ml", "cfa", {"orthogonal": True, "std_lv": True})
    assert (ours.verdict, ours.converged, ours.admissible) == ("caution", True, False)
    assert "x1 ~~ x1" in ours.reason
    assert ours.r_squared["x1"] is None
