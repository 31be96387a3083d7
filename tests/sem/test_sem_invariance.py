"""The ladder of invariance and the comparison of nested fits: lavaan's tests, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from implstats import sem
from implstats.errors import ModelError, UsageError

ALL = ("configural", "metric", "scalar", "strict", "means")
# Both sides polished, so that chi-square differences agree to rounding; scaling factors of lavaan keep 1e-8.
POLISHED = 1e-7
# lavaan starts the free model at the restricted estimate by name; at the scalar step the latent means have no
# place in the metric model, so that its factor is taken elsewhere. MLM's factor does not look at means.
NOT_AT_THE_RESTRICTED_MOMENTS = {("mlr", "scalar"), ("fiml_mlr", "scalar")}
# With gaps lavaan's information is differenced.
WITH_GAPS = 1e-5
WAVES = [[f"y{k}t{w}" for k in (1, 2, 3)] for w in (1, 2, 3)]
CASES = [
    ("ml", "default", "ML", None, "listwise", ALL),
    *[
        (e, m, e.upper(), m, "listwise", ALL)
        for e in ("mlr", "mlm")
        for m in ("satorra.bentler.2001", "satorra.bentler.2010", "satorra.2000")
    ],
    ("fiml_mlr", "satorra.bentler.2001", "MLR", "satorra.bentler.2001", "fiml", ALL[:3]),
    ("fiml_mlr", "satorra.bentler.2010", "MLR", "satorra.bentler.2010", "fiml", ALL[:3]),
]


@pytest.mark.parametrize(("key", "theirs", "estimator", "method", "missing", "steps"), CASES)
def test_difference_tests_are_lavaans(
    load_reference, load_data, three_factors, key, theirs, estimator, method, missing, steps
):
    data = load_data("hs1939_missing" if missing == "fiml" else "hs1939")
    ladder = sem.invariance(
        three_factors, data, group="school", steps=steps, estimator=estimator, method=method, missing=missing
    )
    assert [s.name for s in ladder.steps] == list(steps)
    for step in ladder.steps[1:]:
        expected = load_reference("ladders")[key][theirs][step.name]
        assert step.difference.df == expected["df"]
        if theirs == "satorra.bentler.2010" and (key, step.name) in NOT_AT_THE_RESTRICTED_MOMENTS:
            continue
        limit = WITH_GAPS if missing == "fiml" else POLISHED
        assert step.difference.chisq == pytest.approx(expected["chisq"], rel=limit), step.name
        assert step.difference.p_value == pytest.approx(expected["p"], rel=100 * limit), step.name


def test_the_2010_test_is_lavaans_where_the_free_model_has_the_latent_means(hs, three_factors):
    # The metric model written with equal markers and free latent means, so that lavaan 0.6-14 carries the
    # scalar estimate over; its value 34.5026808397 comes from estimates 1e-6 off the optimum.
    text = three_factors + "".join(f"\nx{k} ~ c(m{k}, m{k})*1" for k in (1, 4, 7))
    text += "".join(f"\n{f} ~ c(0, NA)*1" for f in ("visual", "textual", "speed"))
    common = {"kind": "cfa", "group": "school", "estimator": "MLR"}
    metric = sem.fit(text, hs, group_equal=["loadings"], **common)
    scalar = sem.fit(three_factors, hs, group_equal=["loadings", "intercepts"], **common)
    test = sem.compare(metric, scalar, method="satorra.bentler.2010")
    assert test.chisq == pytest.approx(34.5026808397, rel=1e-6)


def test_every_step_is_the_fit_by_itself(hs, three_factors):
    ladder = sem.invariance(three_factors, hs, group="school", steps=ALL, estimator="MLR")
    for step in ladder.steps:
        alone = sem.fit(
            three_factors, hs, kind="cfa", group="school", group_equal=step.equal, estimator="MLR"
        )
        for name, value in alone.fit.items():
            assert step.fit.fit[name] == pytest.approx(value, rel=1e-8, abs=1e-9), (step.name, name)
    changes = ladder.step("scalar").difference
    before, after = ladder.step("metric").fit.fit, ladder.step("scalar").fit.fit
    assert changes.cfi == after["cfi.robust"] - before["cfi.robust"]
    assert changes.rmsea == after["rmsea.robust"] - before["rmsea.robust"]
    assert changes.srmr == after["srmr"] - before["srmr"]


def test_partial_invariance_releases_what_is_named(hs, three_factors):
    full = sem.invariance(three_factors, hs, group="school")
    partial = sem.invariance(three_factors, hs, group="school", release=["x3~1", "x7 ~ 1"])
    assert partial.step("scalar").fit.fit["df"] == full.step("scalar").fit.fit["df"] - 2
    assert partial.step("scalar").difference.df == 4
    assert partial.step("scalar").released == ("x3~1", "x7 ~ 1")
    assert "Released: x3~1" in partial.to_text()
    assert partial.to_dict()["steps"][2]["difference"]["df"] == 4


@pytest.mark.parametrize("residuals", [True, False])
def test_the_written_longitudinal_model_holds_what_it_says(load_data, residuals):
    text = sem.longitudinal_model(WAVES, equal=["loadings", "intercepts"], correlated_residuals=residuals)
    fit = sem.fit(text, load_data("exlong"), meanstructure=True)
    loadings = [p.estimate for p in fit.parameters if p.op == "=~" and p.rhs.startswith("y2")]
    assert loadings[0] == loadings[1] == loadings[2]
    covary = [p for p in fit.parameters if p.op == "~~" and p.lhs[:2] == p.rhs[:2] and p.lhs != p.rhs]
    assert sum(p.lhs.startswith("y") for p in covary) == (9 if residuals else 0)


def test_longitudinal_invariance_is_lavaans(load_reference, load_data):
    ladder = sem.longitudinal_invariance(WAVES, load_data("exlong"), steps=ALL)
    theirs = load_reference("ladders")["longitudinal"]
    for step in ladder.steps:
        for name, value in theirs["fit"][step.name].items():
            assert step.fit.fit[name] == pytest.approx(value, rel=1e-8, abs=1e-8), (step.name, name)
        if step.difference is not None:
            expected = theirs["default"][step.name]
            assert step.difference.df == expected["df"]
            assert step.difference.chisq == pytest.approx(expected["chisq"], rel=POLISHED)


def test_the_order_of_two_fits_does_not_matter_and_the_test_is_the_plain_difference(hs, three_factors):
    free = sem.fit(three_factors, hs, kind="cfa")
    orthogonal = sem.fit(three_factors, hs, kind="cfa", orthogonal=True)
    test = sem.compare(free, orthogonal)
    assert test == sem.compare(orthogonal, free)
    assert test.df == 3
    assert test.chisq == pytest.approx(orthogonal.fit["chisq"] - free.fit["chisq"], rel=1e-12)
    assert test.aic == pytest.approx(test.chisq - 2 * test.df, rel=1e-9)


@pytest.mark.parametrize("method", ["satorra.bentler.2001", "satorra.bentler.2010", "satorra.2000"])
def test_scaled_tests_hold_their_level_under_heavy_tails(method):
    rng = np.random.default_rng(4)
    import pandas as pd

    tests = []
    for _ in range(40):
        tails = np.sqrt(5 / rng.chisquare(5, size=(400, 1)))
        factor = rng.normal(size=(400, 1))
        frame = pd.DataFrame((0.8 * factor + 0.6 * rng.normal(size=(400, 4))) * tails, columns=list("abcd"))
        free = sem.fit("f =~ a + b + c + d", frame, kind="cfa", estimator="MLM")
        equal = sem.fit("f =~ a + k*b + k*c + k*d\nk == 1", frame, kind="cfa", estimator="MLM")
        tests.append(sem.compare(free, equal, method=method).chisq)
    # A chi-square of 3 degrees of freedom has mean 3; 40 draws leave a standard error of about .4. The
    # unscaled difference has a mean near 6 here.
    assert 1.8 < np.mean(tests) < 4.4


def test_models_that_are_not_nested_are_refused(hs):
    one = sem.fit("f =~ x1 + x2 + x3 + x4 + x5 + x6", hs, kind="cfa")
    two = sem.fit("f =~ x1 + x2 + x3\ng =~ x4 + x5 + x6", hs, kind="cfa")
    other = sem.fit("f =~ x1 + x4 + x5\ng =~ x2 + x3 + x6\nf ~~ 0*g", hs, kind="cfa")
    assert sem.compare(one, two).df == 1
    with pytest.raises(ModelError, match="not nested"):
        sem.compare(two, other)
    with pytest.raises(ModelError, match="degrees of freedom, so neither"):
        sem.compare(two, two)


def test_fits_of_other_data_are_refused_with_every_reason(hs, three_factors):
    fit = sem.fit(three_factors, hs, kind="cfa")
    fewer = sem.fit(three_factors, hs.iloc[5:], kind="cfa", orthogonal=True)
    with pytest.raises(UsageError, match=r"301 and 296 persons|296 and 301 persons"):
        sem.compare(fit, fewer)
    moved = sem.fit(three_factors, hs.assign(x1=hs["x1"] + hs["x2"]), kind="cfa", orthogonal=True)
    with pytest.raises(UsageError, match="different answers"):
        sem.compare(fit, moved)
    robust = sem.fit("visual =~ x1 + x2 + x3", hs, kind="cfa", estimator="MLR")
    with pytest.raises(UsageError, match=r"estimator is ML.*observed variables"):
        sem.compare(fit, robust, method="chisq")


WRONG = [
    ({"steps": ("metrik",)}, UsageError, "did you mean 'metric'"),
    ({"steps": ("scalar", "metric")}, UsageError, "in the order"),
    ({"method": "satorra.2000"}, UsageError, "does not suit the estimator ML"),
    ({"estimator": "MLR", "method": "chisq"}, UsageError, "does not suit"),
    ({"release": ["x33~1"]}, sem.ModelTextError, "did you mean"),
]


@pytest.mark.parametrize(("options", "kind", "words"), WRONG)
def test_wrong_requests_are_said(hs, three_factors, options, kind, words):
    with pytest.raises(kind, match=words):
        sem.invariance(three_factors, hs, group="school", **options)


WRONG_WAVES = [
    ([["a", "b"]], (), "two or more waves"),
    ([["a", "b"], ["c"]], (), "waves of 2, 1"),
    ([["a", "b"], ["a", "c"]], (), "a stand"),
    ([["a", "b"], ["c", "d"]], ("loading",), "not known"),
]


@pytest.mark.parametrize(("waves", "equal", "words"), WRONG_WAVES)
def test_waves_that_do_not_match_are_said(waves, equal, words):
    with pytest.raises(UsageError, match=words):
        sem.longitudinal_model(waves, equal=equal)
