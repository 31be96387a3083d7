"""Score tests of equality constraints and Wald tests of hypotheses: against lavaan and against refits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2

from implstats import sem
from implstats.errors import ModelError, NotSupportedError, UsageError

# With gaps lavaan's polished estimate lies 3e-9 from the optimum.
TOLERANCE = 1e-7


@pytest.mark.parametrize("name", ["equal", "metric", "scalar", "scalar_mlr", "fiml_metric"])
def test_score_tests_agree_with_lavaan(after_reference, after_fit, name):
    reference = after_reference[name]["score_test"]
    found = sem.score_tests(after_fit(name)[0])
    assert found.statistic == pytest.approx(reference["total"]["X2"], abs=TOLERANCE)
    ours = sorted(row.statistic for row in found.rows)
    np.testing.assert_allclose(ours, sorted(reference["uni"]["X2"]), atol=TOLERANCE)
    largest = max(found.rows, key=lambda row: row.statistic)
    k = int(np.argmax(reference["uni"]["X2"]))
    side = reference["plabel"].get(reference["uni"]["lhs"][k], reference["uni"]["lhs"][k])
    assert largest.constraint.replace(" ", "").startswith(side.rsplit(" ", 1)[0].replace(" ", ""))


def test_degrees_of_freedom_count_what_a_release_would_free(after_reference, after_fit):
    # Releasing scalar invariance gives the configural model and three unidentified latent means: 12, not 15.
    scalar, data = after_fit("scalar")
    configural = sem.fit(after_reference["scalar"]["meta"]["model_syntax"], data, kind="cfa", group="school")
    found = sem.score_tests(scalar)
    assert found.df == scalar.fit["df"] - configural.fit["df"] == 12
    assert after_reference["scalar"]["score_test"]["total"]["df"] == 15
    assert found.p_value == pytest.approx(chi2.sf(found.statistic, 12), rel=1e-10)
    assert any(check.name == "identified" for check in found.checks)
    # A score test lies near the likelihood ratio.
    assert found.statistic == pytest.approx(scalar.fit["chisq"] - configural.fit["chisq"], rel=0.25)


def test_release_of_one_constraint_foretells_the_refit(after_fit):
    result, data = after_fit("metric")
    row = min((r for r in sem.score_tests(result).rows if r.statistic > 0.4), key=lambda r: r.statistic)
    name = row.constraint.split(" [")[0].replace(" ", "")
    model = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
    refit = sem.fit(model, data, kind="cfa", group="school", group_equal=("loadings",), group_partial=(name,))
    assert row.statistic == pytest.approx(result.fit["chisq"] - refit.fit["chisq"], rel=0.15)
    values = [p.estimate for p in refit.parameters if p.name.replace(" ", "") == name]
    assert row.epc == pytest.approx(values[0] - values[1], rel=0.25)


def test_a_redundant_constraint_is_named(hs, three_factors):
    model = "visual =~ x1 + a*x2 + b*x3\ntextual =~ x4 + c*x5 + x6\na == b\nb == c\na == c"
    found = sem.score_tests(sem.fit(model, hs, kind="cfa"))
    assert [row.constraint for row in found.rows] == ["a == b", "b == c"]
    assert found.df == 2
    assert "a == c" in next(c.message for c in found.checks if c.name == "redundant")


def test_score_tests_refuse_what_they_cannot_do(after_fit, hs):
    with pytest.raises(ModelError, match="no equality constraint"):
        sem.score_tests(after_fit("ml")[0])
    bounded = sem.fit("visual =~ x1 + a*x2 + b*x3\na == b\na > 0.1", hs, kind="cfa")
    with pytest.raises(NotSupportedError, match="inequality"):
        sem.score_tests(bounded)
    with pytest.raises(UsageError, match="information"):
        sem.score_tests(after_fit("equal")[0], information="none")


@pytest.mark.parametrize("name", ["ml", "mlr", "gls", "wls"])
def test_wald_test_agrees_with_lavaan(after_reference, after_fit, name):
    reference = after_reference[name]["wald"]
    found = sem.wald_test(after_fit(name)[0], "a == b; c == 1.1")
    assert found.statistic == pytest.approx(reference["stat"], abs=1e-8)
    assert found.df == reference["df"]
    assert found.p_value == pytest.approx(reference["p.value"], abs=1e-9)


def test_one_hypothesis_is_the_square_of_z(after_fit):
    result, _ = after_fit("ml")
    row = next(p for p in result.parameters if p.label == "a")
    assert sem.wald_test(result, "a == 0").statistic == pytest.approx(row.statistic**2, rel=1e-12)
    # Linear hypotheses may be written in any way.
    assert sem.wald_test(result, "2*a == a + b").statistic == pytest.approx(
        sem.wald_test(result, "a == b").statistic, rel=1e-12
    )


def test_wald_test_of_definitions(after_fit):
    result, _ = after_fit("path")
    row = next(p for p in result.parameters if p.lhs == "ind")
    assert sem.wald_test(result, "ind == 0").statistic == pytest.approx(row.statistic**2, rel=1e-12)
    assert sem.wald_test(result, "ind == 0").frame.loc[0, "df"] == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [("a ~~ b", "part of a model"), ("a > 0", "no equality"), ("aa == 0", "Did you mean|did you mean")],
)
def test_wald_test_takes_equalities_of_known_labels(after_fit, text, says):
    with pytest.raises(UsageError, match=says):
        sem.wald_test(after_fit("ml")[0], text)


def test_dependent_hypotheses_are_refused(after_fit):
    with pytest.raises(ModelError, match="depend on each other"):
        sem.wald_test(after_fit("ml")[0], "a == b; 2*a == 2*b")
    with pytest.raises(ModelError, match="own constraints"):
        sem.wald_test(after_fit("equal")[0], "c == d")


def test_clusters_change_standard_errors_of_standardised_values(hs, three_factors):
    clusters = hs.assign(room=np.arange(len(hs)) // 10)
    clustered = sem.fit(three_factors, clusters, kind="cfa", cluster="room")
    row = sem.standardised(clustered).parameters[1]
    assert row.std_error != pytest.approx(
        sem.standardised(sem.fit(three_factors, hs)).parameters[1].std_error
    )
