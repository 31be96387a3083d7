"""GLS, WLS, DWLS, ULS and the shifted tests of ML for continuous variables, against lavaan."""

from __future__ import annotations

import numpy as np
import pytest

from implstats import sem
from implstats.errors import DataError, NotSupportedError, UsageError
from implstats.sem.data.groups import GroupedSample
from implstats.sem.data.moment_sample import take_moment_sample
from implstats.sem.estimators.criterion import criterion_of
from implstats.sem.estimators.weights import fourth_moments, normal_weight, vech_order
from implstats.sem.inference.quadratic import Form, information, traces

POLISHED = 1e-7
# lavaan's Gauss-Newton stopped early for ULS: its criterion is above ours, its estimates 1e-6 away.
UNPOLISHED = 2e-6
FLAT = 1e-9
# lavaan's default search in groups; its criterion is never below ours.
DEFAULT_SEARCH = 2e-5
DEFAULT_CHISQ = 1e-8
INDEX = 1e-7
# lavaan fits its baseline model with its default optimiser; what is scaled by it shows it.
BASELINE = 1e-6
CASES = [("GLS", POLISHED), ("WLS", POLISHED), ("DWLS", POLISHED), ("ULS", UNPOLISHED), ("MLMV", POLISHED),
         ("MLMVS", POLISHED)]  # fmt: skip
SCALAR = ("loadings", "intercepts")
PATH = "M1 ~ X + C\nM2 ~ X + C\nY ~ M1 + M2 + X"


def agrees(ours, theirs, limit, *, fields=(("est", "estimate"), ("se", "std_error"), ("std.all", "std_all"))):
    """Every free parameter of lavaan's is ours."""
    mine = {(p.lhs, p.op, p.rhs, p.group): p for p in ours.parameters}
    group = theirs.get("group", [1] * len(theirs["lhs"]))
    for k, key in enumerate(zip(theirs["lhs"], theirs["op"], theirs["rhs"], group, strict=True)):
        if key not in mine and key[1] == "~~":
            key = (key[2], key[1], key[0], key[3])
        for field, attribute in fields:
            expected, value = theirs[field][k], getattr(mine[key], attribute)
            if field == "se" and not expected:
                assert value is None, key
                continue
            assert value == pytest.approx(expected, abs=limit), (key, field)


def fits(ours, theirs, *, flat=FLAT, index=INDEX, without=()):
    """Every fit measure of lavaan's is ours, missing ones too."""
    for name, expected in theirs.items():
        if name in without:
            continue
        value = ours.fit[name]
        if expected is None:
            assert value is None, name
            continue
        limit = flat if name in ("chisq", "fmin", "baseline.chisq") else index
        if "scal" in name and "rmsea" not in name:
            limit = max(BASELINE, index)
        assert value == pytest.approx(expected, rel=limit, abs=limit), name


@pytest.mark.parametrize(("estimator", "limit"), CASES)
def test_one_group_agrees_with_lavaan(load_reference, hs, three_factors, estimator, limit):
    reference = load_reference(f"cfa_hs_{estimator.lower()}")
    ours = sem.fit(three_factors, hs, kind="cfa", estimator=estimator)
    agrees(ours, reference["parameters"], limit)
    fits(ours, reference["fit"], index=INDEX if estimator != "ULS" else UNPOLISHED)
    for name, value in reference["r2"].items():
        assert ours.r_squared[name] == pytest.approx(value, abs=limit)
    # Ours is the lower criterion, also where lavaan stopped before its optimum.
    assert ours.fit["fmin"] <= reference["fit"]["fmin"] * (1 + 1e-12)


@pytest.mark.parametrize("estimator", ["GLS", "WLS", "DWLS", "ULS", "MLMV"])
def test_two_groups_with_equal_loadings_and_intercepts(load_reference, hs, three_factors, estimator):
    reference = load_reference("least_squares")[f"groups_{estimator.lower()}"]
    ours = sem.fit(three_factors, hs, kind="cfa", estimator=estimator, group="school", group_equal=SCALAR)
    agrees(ours, reference["parameters"], DEFAULT_SEARCH)
    fits(ours, reference["fit"], flat=DEFAULT_CHISQ, index=DEFAULT_SEARCH)
    assert ours.fit["fmin"] <= reference["fit"]["fmin"] * (1 + 1e-12)


@pytest.mark.parametrize("estimator", ["GLS", "WLS"])
def test_predictors_are_random(load_reference, mediation, estimator):
    reference = load_reference("least_squares")[f"path_{estimator.lower()}"]
    ours = sem.fit(PATH, mediation, estimator=estimator)
    agrees(ours, reference["parameters"], POLISHED)
    assert ours.fit["chisq"] == pytest.approx(reference["fit"]["chisq"], rel=FLAT)
    assert ours.fit["df"] == reference["fit"]["df"]


@pytest.fixture(scope="module")
def problem(load_data):
    from implstats.sem.estimators.search import build_problem
    from implstats.sem.language.syntax import parse_model
    from implstats.sem.language.table import build_table
    from implstats.sem.options import check_options

    def build(model, estimator):
        options = check_options(
            kind="sem", estimator=estimator, missing="listwise", group=None, group_equal=(), cluster=None,
            ordered=(), parameterization="delta", orthogonal=False, std_lv=False, meanstructure=True,
            ci_level=0.95,
        )  # fmt: skip
        text = parse_model(model)
        table = build_table(text, options)
        names = table.names.observed
        values = load_data("hs1939")[list(names)].to_numpy(float)
        sample = take_moment_sample(values, names, (), estimator=estimator, means=True)
        return build_problem(text, table, GroupedSample(groups=(sample,)), options)

    return build


@pytest.mark.parametrize("estimator", ["GLS", "WLS", "DWLS", "ULS"])
def test_gradient_and_hessian_are_those_of_differences(problem, estimator):
    model = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\ntextual ~ visual\nx9 ~ textual\nvisual ~ 1"
    model += "\nx1 ~ 0*1"
    built = problem(model, estimator)
    criterion = criterion_of(built.structures, built.sample)
    theta = np.linspace(0.4, 1.3, built.table.n_free)
    here, step = criterion(theta, "observed"), 1e-5
    for k in range(len(theta)):
        up, down = theta.copy(), theta.copy()
        up[k] += step
        down[k] -= step
        high, low = criterion(up, "observed"), criterion(down, "observed")
        scale = np.abs(here.gradient).max()
        assert (high.value - low.value) / (2 * step) == pytest.approx(here.gradient[k], abs=1e-7 * scale)
        slope = (high.gradient - low.gradient) / (2 * step)
        np.testing.assert_allclose(2 * here.information[k], slope, atol=1e-7 * np.abs(slope).max())


def test_the_weights_of_normal_theory_invert_its_gamma():
    S = np.array([[2.0, 0.6, 0.3], [0.6, 1.5, 0.2], [0.3, 0.2, 1.0]])
    row, col = vech_order(3)
    gamma = S[np.ix_(row, row)] * S[np.ix_(col, col)] + S[np.ix_(row, col)] * S[np.ix_(col, row)]
    np.testing.assert_allclose(normal_weight(np.linalg.inv(S), means=False) @ gamma, np.eye(6), atol=1e-12)


def test_traces_are_those_of_the_matrix_written_out():
    rng = np.random.default_rng(3)
    forms = []
    for share in (0.3, 0.7):
        data = rng.normal(size=(60, 3))
        gamma = fourth_moments(data - data.mean(axis=0), means=False)
        weight = rng.uniform(0.5, 2.0, size=6)
        forms.append(Form(jacobian=rng.normal(size=(6, 4)), weight=weight, gamma=gamma, share=share))
    inverse = np.linalg.inv(information(forms))
    J = np.vstack([f.jacobian for f in forms])
    W = np.diag(np.concatenate([f.share * f.weight for f in forms]))
    G = np.zeros((12, 12))
    G[:6, :6], G[6:, 6:] = forms[0].gamma / 0.3, forms[1].gamma / 0.7
    U = (W - W @ J @ inverse @ J.T @ W) @ G
    assert traces(forms, inverse) == pytest.approx((np.trace(U), np.trace(U @ U)), rel=1e-10)


def test_order_of_rows_and_scale_of_gls_change_nothing(hs, three_factors):
    first = sem.fit(three_factors, hs, kind="cfa", estimator="GLS")
    moved = hs.sample(frac=1.0, random_state=2)
    moved[["x1", "x5"]] *= 100.0
    second = sem.fit(three_factors, moved, kind="cfa", estimator="GLS")
    assert second.fit["chisq"] == pytest.approx(first.fit["chisq"], rel=1e-9)
    for p, q in zip(first.parameters, second.parameters, strict=True):
        assert q.std_all == pytest.approx(p.std_all, abs=1e-7)


def test_full_weights_need_more_persons_than_statistics(hs, three_factors):
    with pytest.raises(DataError, match="40 persons for 45 sample statistics"):
        sem.fit(three_factors, hs.head(40), kind="cfa", estimator="WLS")


def test_uls_has_no_p_value_and_says_why(hs, three_factors):
    ours = sem.fit(three_factors, hs, kind="cfa", estimator="ULS")
    assert ours.fit["pvalue"] is None
    assert any(c.name == "test" and "no p-value" in c.message for c in ours.checks)


def test_estimators_for_ordered_items_need_ordered_items(hs, three_factors):
    for estimator in ("WLSMV", "WLSM", "ULSMV"):
        with pytest.raises(UsageError, match="none are named"):
            sem.fit(three_factors, hs, kind="cfa", estimator=estimator)


def test_full_information_is_for_likelihood(hs, three_factors):
    with pytest.raises(NotSupportedError, match="fiml"):
        sem.fit(three_factors, hs, kind="cfa", estimator="DWLS", missing="fiml")


def test_differences_of_gls_are_differences_of_chi_square_and_those_of_dwls_are_not(hs, three_factors):
    for estimator, method in (("GLS", "chisq"), ("DWLS", "satorra.2000"), ("MLMV", "satorra.2000")):
        free = sem.fit(three_factors, hs, kind="cfa", estimator=estimator)
        restricted = sem.fit(three_factors, hs, kind="cfa", estimator=estimator, orthogonal=True)
        found = sem.compare(free, restricted)
        assert (found.method, found.df) == (method, 3)
        raw = restricted.fit["chisq"] - free.fit["chisq"]
        assert (found.chisq == pytest.approx(raw, rel=1e-12)) == (method == "chisq")
        assert found.p_value < 1e-5
    with pytest.raises(UsageError, match=r"satorra\.2000"):
        sem.compare(free, restricted, method="satorra.bentler.2001")
