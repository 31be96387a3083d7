"""Models of several groups: what must collapse, what may not matter, and data that cannot bear it."""

from __future__ import annotations

import numpy as np
import pytest

from implstats import sem
from implstats.errors import DataError, NotSupportedError, UsageError

# Two fits of one likelihood differ by rounding only.
ROUNDING = 1e-8


@pytest.fixture
def scalar(hs, three_factors):
    """The model with equal loadings and intercepts."""

    def fit(frame=hs, **options):
        options = {"kind": "cfa", "group": "school", "group_equal": ["loadings", "intercepts"], **options}
        return sem.fit(three_factors, frame, **options)

    return fit


@pytest.mark.parametrize("missing", ["listwise", "fiml"])
def test_without_equalities_each_group_is_a_fit_of_its_own(load_data, three_factors, missing):
    frame = load_data("hs1939_missing")
    together = sem.fit(three_factors, frame, kind="cfa", group="school", missing=missing)
    apart = [
        sem.fit(three_factors, part, kind="cfa", missing=missing, meanstructure=True)
        for _, part in frame.groupby("school", sort=False)
    ]
    for name in ("chisq", "df", "logl", "baseline.chisq", "npar"):
        assert together.fit[name] == pytest.approx(sum(fit.fit[name] for fit in apart), rel=1e-10)
    separate = [p for fit in apart for p in fit.parameters]
    for ours, theirs in zip(together.parameters, separate, strict=True):
        assert ours.estimate == pytest.approx(theirs.estimate, abs=ROUNDING)
        assert ours.std_error == pytest.approx(theirs.std_error, abs=ROUNDING)
    for group, fit in zip(together.groups, apart, strict=True):
        assert group.r_squared == pytest.approx(fit.r_squared, abs=ROUNDING)
        np.testing.assert_allclose(group.moments.implied_cov, fit.moments.implied_cov, atol=ROUNDING)


def test_twice_the_same_group_gives_one_groups_estimates(hs, three_factors):
    import pandas as pd

    double = pd.concat([hs.assign(school="a"), hs.assign(school="b")])
    equal = ["loadings", "intercepts", "residuals", "lv.variances", "lv.covariances", "means"]
    ours = sem.fit(three_factors, double, kind="cfa", group="school", group_equal=equal)
    alone = sem.fit(three_factors, hs, kind="cfa", meanstructure=True)
    assert ours.n_free == alone.n_free
    assert ours.fit["chisq"] == pytest.approx(2 * alone.fit["chisq"], rel=1e-9)
    for p, q in zip(ours.parameters[: len(alone.parameters)], alone.parameters, strict=True):
        assert p.estimate == pytest.approx(q.estimate, abs=ROUNDING)
        if q.std_error is not None:
            assert p.std_error == pytest.approx(q.std_error / np.sqrt(2), abs=ROUNDING)


def test_the_order_of_rows_sets_the_first_group_and_nothing_else(hs, scalar):
    turned = scalar(hs.iloc[::-1])
    assert [g.label for g in scalar().groups] == ["Pasteur", "Grant-White"]
    assert [g.label for g in turned.groups] == ["Grant-White", "Pasteur"]
    assert turned.fit["chisq"] == pytest.approx(scalar().fit["chisq"], rel=1e-10)
    means = [p.estimate for p in scalar().parameters if p.op == "~1" and p.lhs == "textual"]
    assert means[0] == 0.0
    turned_means = [p.estimate for p in turned.parameters if p.op == "~1" and p.lhs == "textual"]
    assert turned_means[1] == pytest.approx(-means[1], abs=ROUNDING)


def test_numbers_name_groups_and_rows_without_a_group_are_counted(hs, scalar):
    coded = hs.assign(school=hs["school"].map({"Pasteur": 2.0, "Grant-White": 1.0}))
    coded.loc[coded.index[:3], "school"] = np.nan
    result = scalar(coded)
    assert [g.label for g in result.groups] == ["2", "1"]
    assert (result.n_dropped, result.n_obs) == (3, 298)
    said = next(check.message for check in result.checks if check.name == "groups")
    assert "3 row(s) without a group" in said
    assert "2 153, 1 145" in said


def test_one_label_for_all_groups_is_an_equality_and_is_said(hs):
    result = sem.fit("visual =~ x1 + a*x2 + x3 + x4", hs, kind="cfa", group="school")
    first, second = (p for p in result.parameters if p.label == "a")
    assert first.estimate == second.estimate
    assert result.fit["df"] == 5
    assert any(c.name == "labels" and "c(a1, a2)*x" in c.message for c in result.checks)


def test_a_growth_model_keeps_its_latent_means(load_data):
    frame = load_data("demo_growth").assign(arm=lambda d: np.where(np.arange(len(d)) % 2, "b", "a"))
    text = "i =~ 1*t1 + 1*t2 + 1*t3 + 1*t4\ns =~ 0*t1 + 1*t2 + 2*t3 + 3*t4"
    result = sem.fit(text, frame, kind="growth", group="arm", group_equal=["means"])
    means = [p.estimate for p in result.parameters if p.op == "~1" and p.lhs == "s"]
    assert means[0] == means[1] != 0


def test_an_inadmissible_group_is_named(hs):
    shrunk = hs.copy()
    other = shrunk["school"] == "Grant-White"
    rng = np.random.default_rng(5)
    shrunk.loc[other, ["x1", "x2", "x3"]] = rng.normal(size=(other.sum(), 3))
    result = sem.fit("f =~ x1 + x2 + x3\ng =~ x4 + x5 + x6", shrunk, kind="cfa", group="school")
    if not result.admissible:
        assert "in group Grant-White" in result.reason
    assert result.verdict in ("ok", "caution", "failed")


def in_first(d):
    """Rows of the first group."""
    return d["school"] == "Pasteur"


BAD = [
    (lambda d: d.assign(school=d["school"].mask(np.arange(len(d)) == 7, "lone")), "group 'lone' .1 row"),
    (lambda d: d.assign(x2=d["x2"].mask(in_first(d), 3.0)), "group 'Pasteur'.*same answer on x2"),
    (lambda d: d.assign(x4=d["x4"].where(in_first(d))), "group 'Grant-White'.*0 complete"),
    (lambda d: d.assign(x4=d["x4"].mask(in_first(d), d["x5"])), "group 'Pasteur'.*x4 and x5"),
    (lambda d: d[in_first(d)], "holds 1 group"),
    (lambda d: d.assign(school=np.arange(len(d))), "look like persons"),
    (lambda d: d.drop(columns="school"), "no column 'school'"),
]


@pytest.mark.parametrize(("spoil", "words"), BAD)
def test_groups_that_cannot_bear_the_model_are_named(hs, scalar, spoil, words):
    with pytest.raises(DataError, match=words):
        scalar(spoil(hs))


def test_problems_of_several_groups_are_said_together(hs, scalar):
    with pytest.raises(DataError) as caught:
        scalar(hs.assign(x1=1.0))
    assert "group 'Pasteur'" in str(caught.value)
    assert "group 'Grant-White'" in str(caught.value)


WRONG = [
    ({"group": None}, "no group is given"),
    ({"group_equal": [], "group_partial": ["x3~1"]}, "group_equal, which is empty"),
    ({"group_partial": ["x33~1"]}, "did you mean 'x3~1'"),
    ({"meanstructure": False}, "needs means"),
]


@pytest.mark.parametrize(("options", "words"), WRONG)
def test_contradictory_requests_are_said(scalar, options, words):
    with pytest.raises(UsageError, match=words):
        scalar(**options)


def test_thresholds_wait_for_ordered_items(scalar):
    with pytest.raises(NotSupportedError, match="thresholds"):
        scalar(group_equal=["thresholds"])


MODELS = [
    ("f =~ x1 + c(a, b, d)*x2 + x3", "3 values in c\\(\\) for 2 group"),
    ("f =~ x1 + c(a, 1)*x2 + x3", "mixes numbers and labels"),
    ("f =~ x1 + c(1, 2)*x2 + x3", "fixed at 1 and 2"),
]


@pytest.mark.parametrize(("model", "words"), MODELS)
def test_modifiers_that_do_not_fit_the_groups_are_said(hs, model, words):
    with pytest.raises(sem.ModelTextError, match=words):
        sem.fit(model, hs, kind="cfa", group="school", group_equal=["loadings"])


def test_the_text_says_which_group_a_number_belongs_to(scalar):
    text = scalar().to_text()
    assert "textual ~ 1 [Grant-White]" in text
    assert "visual =~ x2 (.p2.) [Pasteur]" in text
    assert "Explained variance [Pasteur]" in text
