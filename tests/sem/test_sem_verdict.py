"""The verdict, rule by rule: converged, admissible, identified, agreeing; and what a failed fit may show."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from implstats import sem
from implstats.errors import ImplstatsError, UsageError
from implstats.sem import checks
from implstats.sem.estimators import optimise, search
from implstats.sem.estimators.optimise import Optimum

ONE = "f =~ a + b + c + d"
TWO = "f =~ a + b + c\ng =~ d + e + g1"


@pytest.fixture
def frame():
    """Two correlated factors of three items each, 300 persons."""
    rng = np.random.default_rng(2)
    f = rng.normal(size=(300, 2)) @ np.array([[1.0, 0.5], [0.0, 0.9]])
    x = np.repeat(f, 3, axis=1) + rng.normal(size=(300, 6))
    return pd.DataFrame(x, columns=["a", "b", "c", "d", "e", "g1"])


def exact(target, names, *, n=300):
    """Return persons whose covariances (divisor n) are exactly the target."""
    raw = np.random.default_rng(5).normal(size=(n, len(target)))
    raw -= raw.mean(axis=0)
    white = raw @ np.linalg.inv(np.linalg.cholesky(raw.T @ raw / n)).T
    return pd.DataFrame(white @ np.linalg.cholesky(target).T, columns=list(names))


def said(result, name):
    (found,) = [check for check in result.checks if check.name == name]
    return found


def assert_shows_nothing(result):
    assert result.verdict == "failed"
    assert result.reason
    numbers = ("estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high", "std_lv", "std_all")
    assert all(getattr(p, name) is None for p in result.parameters for name in numbers)
    assert all(value is None for value in result.fit.values())
    assert result.covariance is None
    assert result.groups == ()
    assert result.moments is None
    assert result.r_squared == {}


def optimum(decrement, *, gradient=1e-12):
    return Optimum(
        theta=np.zeros(1), evaluation=None, iterations=7, max_gradient=gradient, decrement=decrement
    )


# Converged: the gradient in the units of the curvature, and the curvature, not the optimiser's word.


def test_a_sound_fit_is_ok_by_gradient_and_curvature(frame):
    result = sem.fit(TWO, frame)
    assert (result.verdict, result.converged, result.admissible, result.reason) == ("ok", True, True, "")
    assert said(result, "gradient").status == said(result, "curvature").status == "ok"
    assert "proper minimum" in said(result, "curvature").message


def test_what_chi_square_could_still_gain_decides_about_the_gradient():
    # 300 persons times the decrement is what chi-square could fall; the limit is 1e-7.
    assert checks.check_convergence(optimum(0.9e-7 / 300), 300)[0]
    converged, (found,) = checks.check_convergence(optimum(1.1e-7 / 300), 300)
    assert not converged
    assert (found.name, found.status) == ("gradient", "fail")
    # The size of the gradient alone decides nothing: it depends on the units of the data.
    assert checks.check_convergence(optimum(1e-12, gradient=50.0), 300)[0]


def test_a_saddle_is_no_minimum():
    converged, (found,) = checks.check_convergence(optimum(np.inf), 300)
    assert not converged
    assert (found.name, found.status) == ("curvature", "fail")
    assert "start()" in found.message


@pytest.mark.parametrize("most", [1, 2])
def test_a_search_that_is_cut_short_shows_no_number(frame, monkeypatch, most):
    def short(criterion, theta, **_):
        return optimise.minimise(criterion, theta, max_iterations=most)

    monkeypatch.setattr(search, "minimise", short)
    result = sem.fit(TWO, frame)
    assert not result.converged
    assert_shows_nothing(result)
    assert {c.name for c in result.checks if c.status == "fail"} <= {"gradient", "curvature"}


# Admissible.


def test_a_negative_residual_variance_is_named_with_its_value():
    result = sem.fit("f =~ a + b + c", exact([[1, 0.8, 0.8], [0.8, 1, 0.4], [0.8, 0.4, 1]], "abc"))
    assert (result.verdict, result.admissible) == ("caution", False)
    # By hand: s_aa - s_ab s_ac / s_bc = 1 - 0.64 / 0.4.
    assert "a ~~ a is -0.6, a negative variance" in result.reason
    assert "fix a small negative variance at zero" in result.reason


def test_a_negative_latent_variance_is_named():
    # Covariances of three items that are negative together: the factor's variance is s_ab s_ac / s_bc < 0.
    target = np.eye(3) + 0.3 * np.array([[0, 1, 1], [1, 0, -1], [1, -1, 0]])
    result = sem.fit("f =~ 1*a + 1*b + 1*c\na ~~ 2*a\nb ~~ 2*b\nc ~~ 2*c", exact(target, "abc"))
    assert not result.admissible
    assert "f ~~ f is -" in result.reason


def test_a_correlation_of_factors_beyond_one_is_named():
    # Two items a factor; those of different factors correlate more than those of one.
    target = np.full((4, 4), 0.5) + 0.5 * np.eye(4)
    target[:2, :2] = target[2:, 2:] = [[1, 0.4], [0.4, 1]]
    result = sem.fit("f =~ a + b\ng =~ c + d", exact(target, "abcd"))
    assert (result.verdict, result.admissible) == ("caution", False)
    # By hand: 0.5 / sqrt(0.4 0.4).
    assert "the correlation of f and g is 1.250" in result.reason


def test_a_residual_correlation_beyond_one_is_named(frame):
    result = sem.fit(f"{ONE}\na ~~ 0.9*a\nb ~~ 0.9*b\na ~~ -1.2*b", frame)
    assert "the residual correlation of a and b is -1.333" in result.reason


def test_correlations_that_cannot_go_together_are_named():
    # Each is within one, but two factors both like a third cannot be opposites.
    model = "\n".join(
        [f"{f} =~ {f}1 + {f}2" for f in "uvw"]
        + ["u ~~ 1*u", "v ~~ 1*v", "w ~~ 1*w", "u ~~ 0.8*v", "u ~~ 0.8*w", "v ~~ -0.8*w"]
    )
    names = [f"{f}{k}" for f in "uvw" for k in (1, 2)]
    loadings = np.kron(np.eye(3), [[0.7], [0.6]])
    phi = np.array([[1, 0.3, 0.3], [0.3, 1, 0.1], [0.3, 0.1, 1]])
    target = loadings @ phi @ loadings.T + np.eye(6)
    result = sem.fit(model, exact(target, names), kind="cfa")
    assert not result.admissible
    assert "the latent covariance matrix is not positive semidefinite" in result.reason


# Identified: by counting, and by the rank of the information; the parameters and the remedy are said.


def test_counting_names_the_parameters_and_the_remedy(frame):
    result = sem.fit("f =~ a + b", frame)
    assert_shows_nothing(result)
    for words in ("4 free parameters but only 3 moment", "Fix or equate at least 1 parameter(s)",
                  "f =~ b, a ~~ a, b ~~ b, f ~~ f"):  # fmt: skip
        assert words in result.reason


def test_counting_looks_at_all_groups_and_constraints(frame):
    two = frame.assign(arm=["x", "y"] * 150)
    result = sem.fit("f =~ a + b", two, group="arm")
    assert_shows_nothing(result)
    assert "at least 2 parameter(s)" in result.reason
    equal = sem.fit("f =~ a + l*b\nl == 1", frame)
    assert equal.verdict == "ok", "one constraint makes a model of two indicators identified"
    assert equal.fit["df"] == 0


def test_rank_finds_what_counting_does_not(frame):
    # Nine degrees of freedom by counting, but the second factor has no scale.
    result = sem.fit("f =~ a + b + c\ng =~ NA*d + e + g1", frame)
    assert_shows_nothing(result)
    assert result.optimiser is not None
    assert result.optimiser.smallest_information < checks.RANK_TOLERANCE
    for name in ("g =~ d", "g =~ e", "g =~ g1", "g ~~ g"):
        assert name in result.reason
    assert "f =~ b" not in result.reason, "what is identified is not blamed"
    assert "Fix one of them" in result.reason


def test_rank_does_not_depend_on_units(frame):
    wild = frame * [1e-4, 1e3, 1.0, 1e5, 1e-2, 10.0]
    assert sem.fit(TWO, wild).verdict == "ok"
    assert_shows_nothing(sem.fit("f =~ a + b + c\ng =~ NA*d + e + g1", wild))


def test_empirical_underidentification_is_found():
    # With uncorrelated factors, two indicators cannot identify one: only their product is known.
    target = np.eye(4) + 0.5 * np.kron(np.eye(2), np.ones((2, 2)) - np.eye(2))
    result = sem.fit("f =~ a + b\ng =~ c + d", exact(target, "abcd"))
    assert_shows_nothing(result)
    assert "Not identified" in result.reason


def test_what_follows_from_a_failed_fit_is_refused(frame):
    failed = sem.fit("f =~ a + b", frame)
    for question in (
        sem.standardised, sem.modification_indices, sem.residuals, sem.reliability, sem.score_tests,
        lambda fit: sem.bootstrap(fit, draws=200, seed=1), lambda fit: sem.monte_carlo(fit, seed=1),
        lambda fit: sem.factor_scores(fit, frame), lambda fit: sem.compare(fit, fit),
        lambda fit: sem.wald_test(fit, "l == 1"), lambda fit: sem.bollen_stine(fit, seed=1),
    ):  # fmt: skip
        with pytest.raises(ImplstatsError, match="fail"):
            question(failed)


def test_the_text_of_a_failed_fit_holds_no_estimate(frame):
    text = sem.fit("f =~ a + b", frame).to_text()
    assert "Verdict: failed" in text
    assert "chi-square" not in text
    assert "Loadings" not in text


# Estimator and declared item type.


@pytest.mark.parametrize("estimator", ["WLSMV", "WLSM", "ULSMV", "WLSMVS"])
def test_an_estimator_of_ordered_items_needs_some(frame, estimator):
    with pytest.raises(UsageError, match="is for ordered items, but none are named"):
        sem.fit(ONE, frame, estimator=estimator)


@pytest.mark.parametrize("estimator", ["ML", "MLR", "MLM", "GLS"])
def test_an_estimator_of_numbers_takes_no_ordered_items(frame, estimator):
    with pytest.raises(UsageError, match="does not take ordered items"):
        sem.fit(ONE, frame.round().clip(-1, 1), estimator=estimator, ordered=["a"])


@pytest.mark.parametrize("estimator", ["ML", "MLR", "GLS"])
def test_five_or_fewer_categories_taken_as_numbers_are_a_note(frame, estimator):
    def note(data, **options):
        return [c for c in sem.fit(ONE, data, **options).checks if c.name == "few_categories"]

    few = frame.round().clip(-2, 2)
    (found,) = note(few, estimator=estimator)
    assert found.status == "info"
    assert "a, b, c, d" in found.message
    assert "WLSMV" in found.message
    assert note(frame.round().clip(-3, 2), estimator=estimator) == [], "six categories"
    assert note(few, ordered=list("abcd")) == [], "declared"


# A second opinion: another start, and semopy where it is right.


def test_another_start_confirms_the_optimum_of_every_kind_of_fit(frame):
    cut = frame.apply(lambda x: np.digitize(x, [-1.0, 0.0, 1.0])).assign(arm=["x", "y"] * 150)
    gaps = frame.mask(np.random.default_rng(1).uniform(size=frame.shape) < 0.1)
    for fit in (
        sem.fit(TWO, frame, second_opinion=True),
        sem.fit(TWO, gaps, missing="fiml", second_opinion=True),
        sem.fit(TWO, cut, ordered=["a", "b", "c", "d", "e", "g1"], second_opinion=True),
        sem.fit(TWO, cut, group="arm", estimator="MLR", second_opinion=True),
        sem.fit(TWO, cov=frame.cov(), n=300, second_opinion=True),
    ):
        assert "none to a better one" in said(fit, "other_starts").message
        assert said(fit, "other_starts").status == "ok"


def test_a_better_optimum_elsewhere_is_a_caution(frame):
    from implstats.sem.second_opinion import _other_starts

    fit = sem.fit(TWO, frame)
    ours = fit.fitted.optimum.evaluation.value
    # As if our search had ended at a chi-square larger by 3.
    found = _other_starts(ours + 3.0 / 300, fit.fitted.problem)
    assert found.status == "warn"
    assert "lower by 3" in found.message


def test_semopy_is_asked_only_where_it_is_right(frame):
    assert said(sem.fit(TWO, frame, second_opinion=True), "semopy").status == "ok"
    for options in ({"estimator": "MLR"}, {"meanstructure": True}, {"missing": "fiml"}):
        found = said(sem.fit(TWO, frame, second_opinion=True, **options), "semopy")
        assert found.status in ("info", "ok")
        if "missing" in options or "meanstructure" in options:
            assert "was not asked" in found.message
