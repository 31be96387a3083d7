"""Models of ordered items agree with lavaan: estimates, standard errors, tests and all fit indices."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from implstats import sem
from implstats.errors import DataError, NotSupportedError, UsageError
from implstats.sem.estimators.criterion import criterion_of

POLISHED = 1e-7
# lavaan's polychoric correlations lie within 4e-8 of their maximum; chi-square is a weighted sum of squares
# of differences between such numbers and inherits the error relative to them, not its square.
CHISQ = 3e-7
SCALING = 1e-7
# Distances from a weighted sum to its degrees of freedom lose digits once more.
INDEX = 2e-6
# lavaan's ULS stopped early: its criterion is above ours.
UNPOLISHED = 2e-6
AN10 = [f"{letter}{i}" for letter in "AN" for i in range(1, 6)]
A5 = AN10[:5]
LEAD = [f"LEAD{i:02d}" for i in range(1, 12)]
N600 = "bfi_an10_n600"
CASES = [
    ("ordinal_bfi_an10_n600_wlsmv", N600, AN10, {"estimator": "WLSMV"}, POLISHED),
    ("ordinal_bfi_an10_n600_wlsm", N600, AN10, {"estimator": "WLSM"}, POLISHED),
    ("ordinal_bfi_an10_n600_ulsmv", N600, AN10, {"estimator": "ULSMV"}, UNPOLISHED),
    ("ordinal_bfi_an10_n600_dwls", N600, AN10, {"estimator": "DWLS"}, POLISHED),
    ("ordinal_bfi_an10_n600_wlsmv_theta", N600, AN10, {"parameterization": "theta"}, POLISHED),
    ("ordinal_bfi_an10_full_wlsmv", "bfi_complete25", AN10, {}, POLISHED),
    ("ordinal_bfi_an10_full_dwls", "bfi_complete25", AN10, {"estimator": "DWLS"}, POLISHED),
    ("ordinal_binary_bfi_an10_wlsmv", "binary", AN10, {}, POLISHED),
    ("ordinal_bfi_an10_missing_pairwise_wlsmv", "bfi_an10_missing", AN10, {"missing": "pairwise"}, POLISHED),
    ("ordinal_bfi_a5_regression_wlsmv", "bfi_a5_cov", A5, {}, POLISHED),
    ("ordinal_lq2002_lead11_wlsmv", "lq2002", LEAD, {}, POLISHED),
    ("ordinal_lq2002_lead11_wlsm", "lq2002", LEAD, {"estimator": "WLSM"}, POLISHED),
    ("ordinal_lq2002_lead11_wlsmv_theta", "lq2002", LEAD, {"parameterization": "theta"}, POLISHED),
]
FIELDS = {"est": "estimate", "se": "std_error", "std.lv": "std_lv", "std.all": "std_all"}


def frame_of(load_data, name):
    return (load_data("bfi_complete25")[AN10] > 3).astype(int) if name == "binary" else load_data(name)


def agrees(ours, theirs, limit):
    rows = list(zip(theirs["lhs"], theirs["op"], theirs["rhs"], strict=True))
    assert [(p.lhs, p.op, p.rhs) for p in ours.parameters] == rows
    for k, parameter in enumerate(ours.parameters):
        for field in FIELDS.keys() & theirs.keys():
            value, expected = getattr(parameter, FIELDS[field]), theirs[field][k]
            if field == "se" and not expected:
                assert value is None, parameter.name
            else:
                assert value == pytest.approx(expected, abs=limit), (parameter.name, field)


def fits(ours, theirs, *, without=()):
    for name, expected in theirs.items():
        if name in without:
            continue
        value = ours.fit.get(name)
        if expected is None:
            assert value is None, name
            continue
        limit = CHISQ if "chisq" in name or name == "fmin" else SCALING if "factor" in name else INDEX
        assert value == pytest.approx(expected, rel=limit, abs=INDEX if limit == INDEX else 0), name


@pytest.mark.parametrize(("name", "data", "items", "options", "limit"), CASES, ids=[c[0] for c in CASES])
def test_agrees_with_lavaan(load_reference, load_data, name, data, items, options, limit):
    reference = load_reference(name)
    ours = sem.fit(
        reference["meta"]["model_syntax"], frame_of(load_data, data), kind="cfa", ordered=items, **options
    )
    assert ours.verdict == "ok", ours.reason
    agrees(ours, reference["parameters"], limit)
    fits(ours, reference["fit"])
    if "pairwise" not in name:
        assert ours.n_obs == reference["meta"]["ntotal"]


MIXED = "A =~ A1 + A2 + A3 + A4 + A5"


@pytest.mark.parametrize(
    ("name", "model"), [("ordinal_mixed_wlsmv", MIXED), ("ordinal_mixed_onx_wlsmv", MIXED + "\nA ~ age")]
)
def test_ordered_and_continuous_items_together(load_reference, load_data, name, model):
    reference = load_reference(name)
    ours = sem.fit(model, load_data("bfi_a5_mixed"), ordered=A5[:3])
    agrees(ours, reference["parameters"], POLISHED)
    fits(ours, reference["fit"])


TWO = "A =~ A1 + A2 + A3 + A4 + A5\nN =~ N1 + N2 + N3 + N4 + N5"
FURTHER = [
    ("ordinal_wls", MIXED, "bfi_a5_cov", A5, {"estimator": "WLS"}),
    ("ordinal_wlsmvs", TWO, N600, AN10, {"estimator": "WLSMVS"}),
    ("ordinal_stdlv", TWO, N600, AN10, {"std_lv": True}),
    (
        "mediator_theta",
        "A =~ A2 + A3 + A5\nA4 ~ A + age\nA1 ~ A4 + age",
        "bfi_a5_cov",
        A5,
        {"parameterization": "theta"},
    ),
]


@pytest.mark.parametrize(("name", "model", "data", "items", "options"), FURTHER, ids=[f[0] for f in FURTHER])
def test_further_models_agree_with_lavaan(load_reference, load_data, name, model, data, items, options):
    reference = load_reference("least_squares")[name]
    frame = load_data(data)
    ours = sem.fit(model, frame.head(700) if data == "bfi_a5_cov" else frame, ordered=items, **options)
    theirs = reference["parameters"]
    mine = {(p.lhs, p.op, p.rhs): p for p in ours.parameters}
    for k, key in enumerate(zip(theirs["lhs"], theirs["op"], theirs["rhs"], strict=True)):
        assert mine[key].estimate == pytest.approx(theirs["est"][k], abs=POLISHED), key
        if theirs["se"][k]:
            assert mine[key].std_error == pytest.approx(theirs["se"][k], abs=POLISHED), key
    for measure in ("chisq", "df", "chisq.scaled", "df.scaled", "cfi.scaled", "rmsea.scaled", "srmr"):
        if measure in reference["fit"]:
            assert ours.fit[measure] == pytest.approx(reference["fit"][measure], rel=INDEX), measure


@pytest.mark.parametrize("parameterization", ["delta", "theta"])
@pytest.mark.parametrize("x", ["", "\nA ~ age + gender"])
def test_gradient_and_hessian_are_those_of_differences(load_data, parameterization, x):
    model = "A =~ A1 + A2 + A3 + A4 + A5\nA ~ 1" + x
    model += "\nA1 ~*~ NA*A1" if parameterization == "delta" else "\nA1 ~~ NA*A1"
    ours = sem.fit(
        MIXED + x, load_data("bfi_a5_cov").head(400), ordered=A5[:4], parameterization=parameterization
    )
    from implstats.sem.estimators.search import build_problem
    from implstats.sem.language.syntax import parse_model
    from implstats.sem.language.table import build_table

    fitted = ours.fitted
    text = parse_model(model)
    table = build_table(text, fitted.options)
    built = build_problem(text, table, fitted.sample, fitted.options)
    criterion = criterion_of(built.structures, built.sample)
    rng = np.random.default_rng(4)
    theta = rng.uniform(0.4, 1.1, table.n_free)
    here, step = criterion(theta, "observed"), 1e-5
    for k in range(len(theta)):
        up, down = theta.copy(), theta.copy()
        up[k] += step
        down[k] -= step
        high, low = criterion(up, "observed"), criterion(down, "observed")
        scale = np.abs(here.gradient).max()
        assert (high.value - low.value) / (2 * step) == pytest.approx(here.gradient[k], abs=1e-6 * scale)
        slope = (high.gradient - low.gradient) / (2 * step)
        np.testing.assert_allclose(2 * here.information[k], slope, atol=1e-6 * np.abs(slope).max())


def test_delta_and_theta_are_the_same_model(load_data):
    frame = load_data(N600)
    delta = sem.fit(TWO, frame, ordered=AN10)
    theta = sem.fit(TWO, frame, ordered=AN10, parameterization="theta")
    assert theta.fit["chisq"] == pytest.approx(delta.fit["chisq"], rel=1e-9)
    assert theta.fit["chisq.scaled"] == pytest.approx(delta.fit["chisq.scaled"], rel=1e-8)
    for p, q in zip(delta.parameters, theta.parameters, strict=True):
        assert q.std_all == pytest.approx(p.std_all, abs=1e-7), p.name


def test_residual_variances_are_derived_under_delta(load_data):
    ours = sem.fit(TWO, load_data(N600), ordered=AN10)
    row = next(p for p in ours.parameters if (p.lhs, p.op, p.rhs) == ("A2", "~~", "A2"))
    loading = next(p for p in ours.parameters if (p.op, p.rhs) == ("=~", "A2"))
    assert row.estimate == pytest.approx(1.0 - loading.std_all**2, abs=1e-12)
    assert (row.free, row.std_error) == (False, None)
    assert ours.r_squared["A2"] == pytest.approx(loading.std_all**2, abs=1e-12)


def test_order_of_rows_and_new_codes_change_nothing(load_data):
    frame = load_data(N600)
    first = sem.fit(TWO, frame, ordered=AN10)
    again = sem.fit(TWO, (10 + 3 * frame).sample(frac=1.0, random_state=1), ordered=AN10)
    assert again.fit["chisq.scaled"] == pytest.approx(first.fit["chisq.scaled"], rel=1e-8)
    reversed_item = sem.fit(TWO, frame.assign(A2=7 - frame["A2"]), ordered=AN10)
    assert reversed_item.fit["chisq"] == pytest.approx(first.fit["chisq"], rel=1e-8)


def test_thresholds_can_be_written_fixed_and_labelled(load_data):
    frame = load_data(N600)
    ours = sem.fit(TWO + "\nA2 | 0.5*t5 + a*t1\nA3 | a*t1", frame, ordered=AN10)
    by_name = {(p.lhs, p.op, p.rhs): p for p in ours.parameters}
    assert by_name["A2", "|", "t5"].estimate == 0.5
    assert by_name["A2", "|", "t1"].estimate == by_name["A3", "|", "t1"].estimate
    assert ours.fit["df"] == 34 + 2


def test_ordered_items_make_wlsmv_the_default(load_data):
    ours = sem.fit(MIXED, load_data(N600), ordered=A5)
    assert ours.estimator == "WLSMV"
    assert ours.fit["chisq.scaled"] != ours.fit["chisq"]


WRONG = [
    ({"ordered": ["A1", "B2"]}, UsageError, "'B2' is not in the model"),
    ({"ordered": A5, "estimator": "ML"}, UsageError, "does not take ordered items"),
    ({"ordered": A5, "estimator": "GLS"}, UsageError, "does not take ordered items"),
    ({"ordered": A5, "missing": "fiml"}, NotSupportedError, "'fiml' with ordered items"),
    ({"ordered": "A1"}, UsageError, "list of items"),
    ({"ordered": A5, "meanstructure": False}, UsageError, "Thresholds"),
]


@pytest.mark.parametrize(("options", "error", "words"), WRONG)
def test_what_does_not_go_together_is_refused_by_name(load_data, options, error, words):
    with pytest.raises(error, match=words):
        sem.fit(MIXED, load_data(N600), **options)


TEXTS = [
    ("\nA1 ~~ A1", "follows from the others under the delta"),
    ("\nA1 | t9", "'t9' is none of them"),
    ("\nA5 | t1", "not in ordered"),
    ("\nN1 ~ A1", "an outcome and a predictor"),
]


@pytest.mark.parametrize(("line", "words"), TEXTS)
def test_model_texts_that_ordered_items_cannot_bear(load_data, line, words):
    with pytest.raises(UsageError, match=words):
        sem.fit(MIXED + line, load_data(N600), ordered=[*A5[:4], "N1"] if "N1" in line else A5[:4])


def test_an_ordered_predictor_is_refused(load_data):
    with pytest.raises(UsageError, match="only predicts"):
        sem.fit(MIXED + "\nA ~ N1", load_data(N600), ordered=[*A5, "N1"])


def test_a_measurement_is_not_an_ordered_item():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(100, 3)), columns=list("abc"))
    with pytest.raises(DataError, match="100 different answers"):
        sem.fit("f =~ a + b + c", frame, ordered=["a"])


def test_a_category_that_a_group_does_not_use_is_named(load_data):
    frame = load_data("bfi_ae8_gender")
    frame = frame[~((frame["gender"] == 1) & (frame["A2"] == 6))]
    with pytest.raises(DataError, match=r"group '1'.*'A2': category 6 of 6") as caught:
        sem.fit("a =~ A2 + A3 + A4 + A5", frame, ordered=["A2", "A3", "A4", "A5"], group="gender")
    assert "Join it" in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("n", [300, 1000])
def test_wlsmv_rejects_a_true_model_as_often_as_it_says(n):
    rng = np.random.default_rng(20 + n)
    names, cuts, draws = [f"y{k}" for k in range(8)], np.array([-1.0, 0.2, 1.1]), 600
    model = "f =~ y0 + y1 + y2 + y3\ng =~ y4 + y5 + y6 + y7"
    rejected = 0
    for _ in range(draws):
        factors = rng.normal(size=(n, 2)) @ np.array([[1.0, 0.4], [0.0, 0.9165]])
        latent = 0.7 * np.repeat(factors, 4, axis=1) + np.sqrt(0.51) * rng.normal(size=(n, 8))
        frame = pd.DataFrame(np.searchsorted(cuts, latent), columns=names)
        rejected += sem.fit(model, frame, ordered=names).fit["pvalue.scaled"] < 0.05
    assert 0.03 <= rejected / draws <= 0.08


def test_the_text_shows_thresholds_and_no_likelihood(load_data):
    text = sem.fit(TWO, load_data(N600), ordered=AN10).to_text()
    assert "Thresholds" in text
    assert "A1 | t1" in text
    assert "log-likelihood" not in text


def test_a_model_without_defaults_still_has_thresholds_scales_and_residuals(load_data):
    frame = load_data(N600)
    bare = sem.fit("A =~ NA*A1 + A2 + A3 + A4 + A5\nA ~~ 1*A", frame, kind="lavaan", ordered=A5)
    usual = sem.fit(MIXED, frame, kind="cfa", ordered=A5, std_lv=True)
    assert bare.fit["chisq.scaled"] == pytest.approx(usual.fit["chisq.scaled"], rel=1e-9)
    assert (bare.fit["df"], bare.r_squared.keys()) == (5, usual.r_squared.keys())


def test_constraints_hold_in_models_of_ordered_items(load_data):
    frame = load_data("bfi_a5_cov")
    ours = sem.fit("A =~ A1 + a*A2 + b*A3 + A4 + A5\na == b", frame, ordered=A5)
    labels = sem.fit("A =~ A1 + a*A2 + a*A3 + A4 + A5", frame, ordered=A5)
    assert ours.fit["df"] == labels.fit["df"] == 6
    assert ours.fit["chisq.scaled"] == pytest.approx(labels.fit["chisq.scaled"], rel=1e-9)
