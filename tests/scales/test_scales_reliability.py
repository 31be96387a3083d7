"""Alpha, its interval, omega and item statistics are those of R's psych, lavaan and semTools."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from implstats.scales import analyse
from implstats.scales.one_factor import (
    _discrepancy,
    fit_one_factor,
    is_positive_definite,
    omega_total,
)
from implstats.scales.reliability import (
    alpha_if_dropped,
    covariance,
    cronbach_alpha,
    item_rest_correlations,
)

# psych computes in double precision and the files carry 15 digits: closed forms agree to rounding error.
CLOSED_FORM = 1e-12
# lavaan stops its optimiser near 1e-8 of the estimates; ours stops at a gradient of 1e-9.
LAVAAN_OPTIMISER = 1e-6

ALPHAS = ["reliability_alpha_lq2002_lead11", "reliability_alpha_lq2002_hostil5", "reliability_alpha_hs9"]


@pytest.fixture
def analysed(lq2002, hs1939, reference):
    def run(name):
        wanted = reference(name)
        data = hs1939 if "hs1939" in wanted["data"] else lq2002
        return wanted, analyse(data, items=wanted["items"])

    return run


@pytest.mark.parametrize("name", ALPHAS)
def test_alpha_and_feldt_interval_are_psychs(analysed, name):
    wanted, ours = analysed(name)
    assert ours.alpha == pytest.approx(wanted["total"]["raw_alpha"], abs=CLOSED_FORM)
    assert ours.alpha_standardised == pytest.approx(wanted["total"]["std.alpha"], abs=CLOSED_FORM)
    assert ours.alpha_low == pytest.approx(wanted["feldt"]["lower.ci"]["raw_alpha"], abs=CLOSED_FORM)
    assert ours.alpha_high == pytest.approx(wanted["feldt"]["upper.ci"]["raw_alpha"], abs=CLOSED_FORM)


@pytest.mark.parametrize("name", ALPHAS)
def test_item_analysis_is_psychs(analysed, name):
    wanted, ours = analysed(name)
    stats, dropped = wanted["item.stats"], wanted["alpha.drop"]
    assert [item.item for item in ours.items] == stats["item"]
    for field, column in (
        ("n", stats["n"]),
        ("mean", stats["mean"]),
        ("sd", stats["sd"]),
        ("item_rest_correlation", stats["r.drop"]),
        ("alpha_if_dropped", dropped["raw_alpha"]),
    ):
        assert [getattr(item, field) for item in ours.items] == pytest.approx(column, abs=CLOSED_FORM)


@pytest.mark.parametrize("scale", ["lead", "tsig", "hostil", "textual"])
def test_one_factor_model_and_omega_are_lavaans(lq2002, hs1939, reference, scale):
    wanted = reference("one_factor")[scale]
    data = hs1939 if scale == "textual" else lq2002
    assert analyse(data, items=wanted["items"]).omega_total == pytest.approx(
        wanted["omega_model"], abs=LAVAAN_OPTIMISER
    )
    answers = data[wanted["items"]].to_numpy(float)
    # lavaan divides by n, so its variances are (n - 1) / n of ours.
    ml = covariance(answers) * (len(answers) - 1) / len(answers)
    model = fit_one_factor(ml)
    assert model.converged
    assert model.loadings == pytest.approx(np.abs(wanted["loadings"]), abs=LAVAAN_OPTIMISER)
    assert model.residual_variances == pytest.approx(wanted["residual_variances"], abs=LAVAAN_OPTIMISER)
    lavaans = np.array(wanted["loadings"]), np.array(wanted["residual_variances"])
    ours = _discrepancy(ml, model.loadings, model.residual_variances)
    assert ours <= _discrepancy(ml, *lavaans) + 1e-13, "our minimum is at least as deep as lavaan's"


def test_omega_formula_is_semtools_from_the_same_loadings(reference):
    """Both denominators: the modelled variance of the sum (ours) and the observed one (their default)."""
    for wanted in reference("one_factor").values():
        loadings, psi = np.array(wanted["loadings"]), np.array(wanted["residual_variances"])
        assert omega_total(loadings, psi) == pytest.approx(wanted["omega_model"], abs=CLOSED_FORM)
        assert wanted["omega_observed"] <= wanted["omega_model"] + 1e-6


def test_three_items_have_the_closed_form(hs1939):
    """With three items the model is just identified: loading 1 squared is r12 r13 / r23."""
    R = np.corrcoef(hs1939[["x7", "x8", "x9"]].to_numpy().T)
    exact = np.sqrt([R[0, 1] * R[0, 2] / R[1, 2], R[0, 1] * R[1, 2] / R[0, 2], R[0, 2] * R[1, 2] / R[0, 1]])
    assert fit_one_factor(R).loadings == pytest.approx(exact, abs=1e-8)


def test_parallel_items_make_omega_equal_alpha():
    S = np.full((5, 5), 0.4) + 0.6 * np.eye(5)
    model = fit_one_factor(S)
    assert omega_total(model.loadings, model.residual_variances) == pytest.approx(cronbach_alpha(S), abs=1e-9)


@pytest.mark.filterwarnings("ignore:Fitting did not converge")
def test_statsmodels_factor_analysis_finds_the_same_model(lq2002):
    """Second opinion: maximum likelihood factor analysis of the correlations."""
    factor = pytest.importorskip("statsmodels.multivariate.factor")
    R = np.corrcoef(lq2002.filter(regex=r"^LEAD\d").to_numpy().T)
    theirs = factor.Factor(corr=R, n_factor=1, method="ml", nobs=len(lq2002)).fit(opt={"gtol": 1e-10})
    # statsmodels stops at its optimiser's own tolerance on square roots of variances.
    assert fit_one_factor(R).loadings == pytest.approx(np.abs(theirs.loadings[:, 0]), abs=1e-4)


def test_pingouin_agrees_on_alpha_and_interval(lq2002):
    pingouin = pytest.importorskip("pingouin")
    items = [f"HOSTIL0{j}" for j in range(1, 6)]
    alpha, interval = pingouin.cronbach_alpha(lq2002[items], nan_policy="listwise")
    ours = analyse(lq2002, items=items)
    assert ours.alpha == pytest.approx(alpha, abs=CLOSED_FORM)
    # pingouin rounds its interval to three decimals.
    assert [ours.alpha_low, ours.alpha_high] == pytest.approx(interval, abs=0.0005)


def test_alpha_if_dropped_and_item_rest_by_brute_force(lq2002):
    answers = lq2002.filter(regex=r"^LEAD\d").to_numpy(float)
    S = covariance(answers)
    for j in range(answers.shape[1]):
        rest = np.delete(answers, j, axis=1)
        assert alpha_if_dropped(S)[j] == pytest.approx(cronbach_alpha(np.cov(rest.T)), abs=1e-12)
        r = np.corrcoef(answers[:, j], rest.sum(axis=1))[0, 1]
        assert item_rest_correlations(S)[j] == pytest.approx(r, abs=1e-12)


def test_complete_cases_are_the_basis_and_are_counted(lq2002):
    data = lq2002[["TSIG01", "TSIG02", "TSIG03"]].astype(float)
    data.iloc[::10, 1] = np.nan
    ours, complete = analyse(data, items=list(data)), analyse(data.dropna(), items=list(data))
    assert (ours.n_rows, ours.n_obs) == (len(data), len(data.dropna()))
    assert ours.alpha == complete.alpha
    assert ours.omega_total == complete.omega_total
    assert ours.items[1].n == data["TSIG02"].count()
    assert ours.items[1].share_missing == pytest.approx(data["TSIG02"].isna().mean(), abs=1e-15)
    assert [check.name for check in ours.checks] == ["complete_cases"]


def test_floor_and_ceiling_are_shares_of_answers(lq2002):
    ours = analyse(lq2002, items="HOSTIL01:HOSTIL05", minimum=0, maximum=4)
    for item in ours.items:
        assert item.floor == pytest.approx((lq2002[item.item] == 0).mean(), abs=1e-15)
        assert item.ceiling == pytest.approx((lq2002[item.item] == 4).mean(), abs=1e-15)


answers_1_to_5 = arrays(
    np.float64, st.tuples(st.integers(12, 40), st.integers(3, 6)), elements=st.integers(1, 5)
)


@settings(max_examples=60, deadline=None)
@given(answers_1_to_5, st.randoms(use_true_random=False))
def test_order_of_persons_and_items_and_linear_coding_do_not_matter(answers, random):
    data = pd.DataFrame(answers, columns=[f"i{j}" for j in range(answers.shape[1])])
    first = analyse(data, items=list(data), minimum=1, maximum=5)
    rows, columns = list(range(len(data))), list(data)
    random.shuffle(rows)
    random.shuffle(columns)
    second = analyse(data.iloc[rows] * 2 + 7, items=columns)
    # Without a common factor the search may end at a proper minimum for one order of the items and at none
    # for another: omega is then a number, or None with its reason. Such data say nothing about a factor.
    assert set(first.reasons) - {"omega_total"} == set(second.reasons) - {"floor", "ceiling", "omega_total"}
    for name in ("alpha", "alpha_low", "alpha_high", "alpha_standardised"):
        if getattr(first, name) is not None:
            # Feldt's bounds may be huge and negative; rounding error is relative.
            assert getattr(first, name) == pytest.approx(getattr(second, name), rel=1e-9, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(answers_1_to_5)
def test_omega_is_a_stationary_point_or_has_a_reason(answers):
    data = pd.DataFrame(answers, columns=[f"i{j}" for j in range(answers.shape[1])])
    ours = analyse(data, items=list(data))
    if ours.omega_total is None:
        assert ours.reasons["omega_total"]
        return
    S = covariance(answers)
    assert is_positive_definite(S)
    assert 0 <= ours.omega_total <= 1
    model = fit_one_factor(S)
    assert model.gradient < 1e-9
    assert (model.residual_variances > 0).all()
    sd = np.sqrt(np.diag(S))
    R, start = S / np.outer(sd, sd), (model.loadings / sd, model.residual_variances / sd**2)
    bottom = _discrepancy(R, *start)
    for shift in np.eye(len(sd)) * 1e-3:
        assert _discrepancy(R, start[0] + shift, start[1]) >= bottom - 1e-9
        assert _discrepancy(R, start[0], start[1] + shift) >= bottom - 1e-9


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("scale", [1, 2])
def test_a_saddle_of_the_one_factor_model_gives_no_omega(order, scale):
    # Three persons differ from the rest on one item each: no common factor, and a flat ridge on which the
    # gradient vanishes for some orders of the items.
    answers = np.full((12, 3), 3.0)
    answers[0, 0], answers[4, 2], answers[11, 1] = 2, 1, 1
    data = pd.DataFrame(scale * answers[:, order], columns=list("abc"))
    result = analyse(data, items=list(data))
    assert result.omega_total is None
    assert "did not converge" in result.reasons["omega_total"]
