"""Two-level models with all that lavaan fits, beside polished fits of lavaan, brute force and nasty input."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from implstats import sem
from implstats.errors import ModelError

# Both searches end within about 1e-9 of the optimum, in units of an estimate.
ESTIMATE = 2e-7
# lavaan differences its gradient for the information, which keeps about seven digits.
STD_ERROR = 2e-6
# With variables of one level alone lavaan's MLR errors are up to 0.35 % off the sandwich of clusters' exact
# scores, which ours is (test_sem_two_level_examined.py).
ROBUST = {"full_mlr": 4e-3, "six_mlr": 2e-4, "equal_mlr": 2e-4}
# Indices by the same formulas from the same saturated matrices.
LAVAANS_H1 = 1e-7
NOT_OURS = {"fmin"}
# lavaan's baseline fit is not polished, and with variables of one level alone its cluster scores are off.
BASELINE = 1e-4
SCORES = {"full_mlr": 2e-2, "six_mlr": 1e-6, "equal_mlr": 1e-6}
# Log-likelihoods of two polished optima; the limit.
LOGL = 1e-9
# lavaan's EM leaves its saturated log-likelihood up to 7e-4 short.
EM_CHISQ = 2e-3
EM_SRMR = 2e-3

ML = (
    "full", "full_std_lv", "within_only", "between_only", "outcomes", "indicator_of_one_level", "six",
    "equal", "constrained", "saturated",
)  # fmt: skip
MLR = ("full_mlr", "six_mlr", "equal_mlr")
GAPS = ("fiml_six",)
THREE = "level: 1\nfw =~ y1 + y2 + y3\nlevel: 2\nfb =~ y1 + y2 + y3"


@pytest.fixture(scope="module")
def data(load_data):
    """Return a function: name of the reference's data -> a frame."""
    demo = load_data("demo_twolevel")
    gaps = demo.copy()
    for k in range(1, 7):
        gaps.loc[(np.arange(1, len(demo) + 1) * 7 + k * 13) % 17 == 0, f"y{k}"] = np.nan
    few = demo[demo["cluster"].isin([1, 2, 3, 4, 51, 52, 53, 54, 101, 102, 103, 104, 151, 152, 153])]
    return {"demo": demo, "gaps": gaps, "few": few, "paths": load_data("paths_twolevel")}


@pytest.fixture(scope="module")
def case(data, load_reference):
    """Return a function: name -> lavaan's numbers and our fit, made once."""
    reference = load_reference("two_level_more")

    @functools.cache
    def of(name: str):
        expected = reference[name]
        meta = expected["meta"]
        told = dict(meta["options"])
        options = {"kind": meta["kind"], "std_lv": told.get("std.lv", False)}
        if told.get("fixed.x") is False:
            return expected, None  # an option of lavaan's; the reference alone is of use
        options |= {k: told[k] for k in ("estimator", "missing") if k in told}
        return expected, sem.fit_two_level(
            expected["model"], data[meta["data"]], cluster=meta["cluster"], **options
        )

    return of


def by_key(result):
    found = {}
    for p in result.parameters:
        level = 0 if p.op == ":=" else p.level
        found[p.lhs, p.op, p.rhs, level] = p
        if p.op == "~~":
            found[p.rhs, p.op, p.lhs, level] = p
    return found


def compared(expected, result, *, se=STD_ERROR):
    """Compare every parameter of lavaan's that is not a fixed mean within clusters; return how many."""
    ours, rows = by_key(result), expected["parameters"]
    count = 0
    for k, key in enumerate(zip(rows["lhs"], rows["op"], rows["rhs"], rows["level"], strict=True)):
        if key[1] == "==":
            continue
        key = (*key[:3], 0) if key[1] == ":=" else key
        if key not in ours and key[1] == "~1" and rows["est"][k] == 0:
            continue
        mine = ours[key]
        assert mine.estimate == pytest.approx(rows["est"][k], abs=ESTIMATE, rel=ESTIMATE), key
        assert (mine.std_error or 0.0) == pytest.approx(rows["se"][k] or 0.0, rel=se, abs=1e-7), key
        if key[1] not in (":=", "~1"):
            for name in ("std.lv", "std.all"):
                value = getattr(mine, name.replace(".", "_"))
                assert value == pytest.approx(rows[name][k], abs=ESTIMATE, rel=ESTIMATE), (key, name)
        count += 1
    return count


@pytest.mark.parametrize("name", [*ML, *GAPS])
def test_estimates_errors_and_standardised_values(case, name):
    expected, result = case(name)
    assert result.converged
    assert compared(expected, result) >= 6


@pytest.mark.parametrize("name", MLR)
def test_robust_standard_errors(case, name):
    expected, result = case(name)
    assert compared(expected, result, se=ROBUST[name]) >= 6


@pytest.mark.parametrize("name", [*ML, *GAPS, *MLR])
def test_log_likelihoods_and_degrees_of_freedom(case, name):
    expected, result = case(name)
    fit, theirs = result.fit, expected["fit"]
    assert fit["df"] == theirs["df"]
    assert fit["npar"] == theirs["npar"]
    assert result.n_obs == expected["nobs"]
    assert result.n_clusters == expected["nclusters"]
    assert fit["logl"] == pytest.approx(theirs["logl"], rel=LOGL)
    saturated = expected["saturated"]["logl"] - expected["loglik_x"][0]
    assert fit["unrestricted.logl"] == pytest.approx(saturated, rel=LOGL)
    exact = 2 * (saturated - theirs["logl"])
    assert fit["chisq"] == pytest.approx(exact, abs=1e-5, rel=LOGL)
    for index in ("aic", "bic", "bic2"):
        assert fit[index] == pytest.approx(theirs[index], rel=LOGL)


def same_indices(theirs, ours, *, tolerance=LAVAANS_H1):
    for index, value in theirs.items():
        if index in ours and value is not None and np.isfinite(value):
            assert ours[index] == pytest.approx(value, abs=tolerance * max(abs(value), 1.0)), index


@pytest.mark.parametrize("name", ML)
def test_fit_indices_with_lavaans_saturated_model(case, data, name):
    """With ``h1="lavaan"``, the EM that stops where lavaan's does, every index is lavaan's."""
    expected, _ = case(name)
    result = sem.fit_two_level(
        expected["model"], data["demo"], cluster="cluster", kind=expected["meta"]["kind"], h1="lavaan",
        std_lv=name == "full_std_lv",
    )  # fmt: skip
    missing = {k for k, v in expected["fit"].items() if v is not None} - set(result.fit)
    assert missing <= NOT_OURS
    same_indices(expected["fit"], result.fit)


@pytest.mark.parametrize("name", MLR)
def test_scaled_tests_with_lavaans_saturated_model(case, data, name):
    expected, _ = case(name)
    result = sem.fit_two_level(
        expected["model"], data["demo"], cluster="cluster", kind=expected["meta"]["kind"], h1="lavaan",
        estimator="MLR",
    )  # fmt: skip
    missing = {k for k, v in expected["fit"].items() if v is not None} - set(result.fit)
    assert missing <= NOT_OURS
    # lavaan divides the factor of the model by its parameters before equalities, we by those that are left.
    theirs, shared = dict(expected["fit"]), 2 if name == "equal_mlr" else 0
    theirs["scaling.factor.h0"] *= (theirs["npar"] + shared) / theirs["npar"]
    rests_on_baseline = ("baseline", "cfi", "tli", "nfi", "rfi", "ifi", "rni", "nnfi", "pnfi")
    tolerance = SCORES[name]
    same_indices({k: v for k, v in theirs.items() if not k.startswith(rests_on_baseline)}, result.fit,
                 tolerance=tolerance)  # fmt: skip
    same_indices(theirs, result.fit, tolerance=max(tolerance, BASELINE))


@pytest.mark.parametrize("name", [*ML, *GAPS])
def test_fit_indices_of_the_exact_saturated_model_are_near(case, name):
    expected, result = case(name)
    fit, theirs = result.fit, expected["fit"]
    assert 0 <= fit["chisq"] - theirs["chisq"] + 1e-8 < EM_CHISQ
    assert fit["baseline.df"] == theirs["baseline.df"]
    for index in ("srmr_within", "srmr_between"):
        assert fit[index] == pytest.approx(theirs[index], abs=EM_SRMR)


@pytest.mark.parametrize("name", ["full", "outcomes", "six", "equal"])
def test_explained_variances_and_intraclass_correlations(case, name):
    expected, result = case(name)
    for mine, theirs in zip(result.r2, expected["r2"].values(), strict=True):
        for variable, value in theirs.items():
            if value is not None:
                assert mine[variable] == pytest.approx(value, abs=ESTIMATE), variable
    for variable, share in expected["icc"].items():
        if variable in result.icc:
            assert result.icc[variable] == pytest.approx(share, abs=5e-4)


@pytest.mark.parametrize("name", ["full", "six", "equal", "constrained", "six_mlr", "equal_mlr"])
def test_standard_errors_of_standardised_values(case, name):
    expected, result = case(name)
    solution = sem.standardised(result, "all")
    ours = {}
    for row in solution.parameters:
        level = 0 if row.op == ":=" else row.level
        ours[row.lhs, row.op, row.rhs, level] = row
        ours[row.rhs, row.op, row.lhs, level] = row
    rows, count = expected["standardised"], 0
    levels = expected["parameters"]["level"]  # of the same rows in the same order
    for key, value, se in zip(
        zip(rows["lhs"], rows["op"], rows["rhs"], levels, strict=True),
        rows["est"], rows["se"], strict=True,
    ):  # fmt: skip
        if key[1] in ("~1", "==", ":=") or key not in ours:
            continue
        assert ours[key].value == pytest.approx(value, abs=ESTIMATE), key
        tolerance = ROBUST.get(name, 2e-5)
        assert (ours[key].std_error or 0.0) == pytest.approx(se or 0.0, rel=tolerance, abs=1e-6), key
        count += 1
    assert count >= 6


@pytest.mark.parametrize(("name", "count"), [("mediation_111", 9), ("mediation_211", 7)])
def test_a_predictor_at_both_levels_has_the_coefficients_of_a_random_one(case, name, count):
    """lavaan fixes its moments where an EM of tolerance 1e-4 stopped; the random version has the optimum."""
    expected, _ = case(f"{name}_random")
    _, result = case(name)
    rows, ours, seen = expected["parameters"], by_key(result), 0
    for lhs, op, rhs, level, est, se in zip(
        *(rows[k] for k in ("lhs", "op", "rhs", "level", "est", "se")), strict=True
    ):
        if op in ("~", ":="):
            mine = ours[lhs, op, rhs, 0 if op == ":=" else level]
            assert mine.estimate == pytest.approx(est, abs=ESTIMATE)
            assert mine.std_error == pytest.approx(se, rel=STD_ERROR)
            seen += 1
    assert seen == count


def test_a_predictor_within_that_is_an_outcome_between_is_counted(case):
    """m predicts y within and depends on z between: its moments are free; lavaan leaves them out."""
    expected, result = case("mediation_211")
    # Variance of m within and its covariance with v.
    assert result.fit["npar"] == expected["fit"]["npar"] + 2
    assert result.fit["df"] == expected["fit"]["df"] == 0
    assert result.fit["logl"] == pytest.approx(expected["fit"]["logl"], abs=1e-6)
    joint = expected["saturated"]["logl"] - expected["loglik_x"][0]
    assert result.fit["logl"] == pytest.approx(joint, rel=LOGL)


def test_few_clusters_are_refused_with_a_way_out_and_fitted_on_request(case, data):
    expected = case("full")[0]
    with pytest.raises(ModelError, match=r"15 clusters"):
        sem.fit_two_level(expected["model"], data["few"], cluster="cluster")


def test_few_clusters_fit_is_lavaans(data, load_reference):
    expected = load_reference("two_level_more")["few"]
    result = sem.fit_two_level(
        expected["model"], data["few"], cluster="cluster", kind="cfa", few_clusters="fit"
    )
    assert compared(expected, result) >= 15
    assert any(c.status == "warn" for c in result.checks)


def test_rows_with_gaps_are_left_out_and_counted(case):
    expected, result = case("listwise")
    assert result.n_obs == expected["nobs"] == 608
    assert result.n_dropped == 740 - 608
    assert compared(expected, result) >= 15


def test_names_of_the_levels(data):
    named = THREE.replace("level: 1", "level: within").replace("level: 2", "level: between")
    one, two = (sem.fit_two_level(t, data["demo"], cluster="cluster") for t in (THREE, named))
    assert one.fit == two.fit
    assert [p.estimate for p in one.parameters] == [p.estimate for p in two.parameters]


def test_order_of_rows_and_names_of_clusters_do_not_matter(data):
    demo = data["demo"]
    mixed = demo.sample(frac=1.0, random_state=3).assign(cluster=lambda d: "k" + d["cluster"].astype(str))
    one, two = (sem.fit_two_level(THREE, d, cluster="cluster") for d in (demo, mixed))
    # The same sums in another order.
    assert one.fit["logl"] == pytest.approx(two.fit["logl"], rel=1e-12)
    for a, b in zip(one.parameters, two.parameters, strict=True):
        assert a.estimate == pytest.approx(b.estimate, rel=1e-6, abs=1e-9)
        assert (a.std_error or 0.0) == pytest.approx(b.std_error or 0.0, rel=1e-6)
