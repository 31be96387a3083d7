"""Thresholds, polychoric and polyserial correlations and their sampling, against lavaan and integration."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import dblquad
from scipy.stats import multivariate_normal

from implstats.errors import DataError
from implstats.sem.ordinal.normal import bivariate_cdf, cells
from implstats.sem.ordinal.sample import ordinal_moments

REFERENCE = Path(__file__).parents[1] / "reference" / "sem"
# lavaan's nlminb leaves a correlation within 4e-8 of its maximum; the diagonal of Gamma inherits it.
CORRELATION, GAMMA = 1e-7, 1e-6
AN10 = [f"{letter}{i}" for letter in "AN" for i in range(1, 6)]


def reference(name):
    return json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8"))


def data(name):
    return pd.read_csv(REFERENCE / "data" / f"{name}.csv.gz")


def moments(frame, items, ordered=None, x=None):
    predictors = None if x is None else frame[x].to_numpy(float)
    return ordinal_moments(frame[items].to_numpy(float), items, ordered=ordered or items, x=predictors)


@pytest.mark.parametrize("r", [-0.99999, -0.7, 0.0, 0.3, 0.97, 0.9999])
def test_the_distribution_function_agrees_with_an_independent_one(r):
    points = np.array([-3.0, -1.2, 0.0, 0.4, 2.5])
    ours = bivariate_cdf(points[:, None], points[None, :], np.array(r))
    other = multivariate_normal([0, 0], [[1, r], [r, 1]])
    theirs = [[other.cdf([h, k]) for k in points] for h in points]
    np.testing.assert_allclose(ours, theirs, atol=1e-7)  # scipy's own integration error


def test_the_distribution_function_agrees_with_integration_to_the_last_digits():
    r, h, k = 0.6, 0.3, -0.8

    def density(y, x):
        return np.exp(-(x * x - 2 * r * x * y + y * y) / (2 * (1 - r * r))) / (2 * np.pi * np.sqrt(1 - r * r))

    integral, _ = dblquad(density, -9, h, -9, k, epsabs=1e-13, epsrel=1e-12)
    assert bivariate_cdf(np.array(h), np.array(k), np.array(r)) == pytest.approx(integral, abs=1e-11)


def test_limits_at_infinity_are_the_margins():
    inf = np.inf
    found = bivariate_cdf(np.array([inf, -inf, inf, 0.5]), np.array([inf, 1.0, 0.5, inf]), np.array(0.4))
    np.testing.assert_allclose(found, [1.0, 0.0, 0.6914624612740131, 0.6914624612740131], rtol=1e-14)


def test_cells_sum_to_one_and_their_derivatives_are_those_of_differences():
    h, k = np.array([[-np.inf, -0.5, 0.7, np.inf]]), np.array([[-np.inf, 0.2, np.inf]])
    at, step = np.array([0.45]), 1e-5
    found = cells(h, k, at)
    low, high = cells(h, k, at - step), cells(h, k, at + step)
    assert found.p.sum() == pytest.approx(1.0, abs=1e-14)
    np.testing.assert_allclose(found.dp, (high.p - low.p) / (2 * step), atol=1e-9)
    np.testing.assert_allclose(found.ddp, (high.dp - low.dp) / (2 * step), atol=1e-8)
    moved = h.copy()
    moved[0, 1] += step
    change = (cells(moved, k, at).p - found.p) / step
    np.testing.assert_allclose(change[0, 0], found.h[0, 1], atol=1e-5)
    np.testing.assert_allclose(change[0, 1], -found.h[0, 1], atol=1e-5)


def test_polychoric_correlations_of_25_items():
    expected = reference("polychoric_bfi25")
    found = moments(data("bfi_complete25"), expected["items"])
    np.testing.assert_allclose(found.cov, expected["correlations"], atol=CORRELATION)


def test_tetrachoric_correlations():
    expected = reference("tetrachoric_bfi_an10")
    frame = (data("bfi_complete25")[AN10] > 3).astype(float)
    found = moments(frame, expected["items"])
    np.testing.assert_allclose(found.cov, expected["correlations"], atol=CORRELATION)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("ordinal_bfi_an10_n600_wlsmv", "bfi_an10_n600"),
        ("ordinal_bfi_an10_full_wlsmv", "bfi_complete25"),
    ],
)
def test_thresholds_and_sampling_covariance(name, file):
    expected = reference(name)
    found = moments(data(file), AN10)
    thresholds = np.concatenate([m.location for m in found.margins])
    np.testing.assert_allclose(thresholds, list(expected["thresholds"].values()), atol=1e-12)
    np.testing.assert_allclose(found.cov, expected["sample"]["cov"]["values"], atol=CORRELATION)
    np.testing.assert_allclose(np.diag(found.gamma), expected["nacov_diag"], rtol=GAMMA)


@pytest.mark.parametrize(("name", "x"), [("ordinal_mixed_wlsmv", None), ("ordinal_mixed_onx_wlsmv", ["age"])])
def test_ordered_and_continuous_together_with_and_without_a_predictor(name, x):
    expected = reference(name)
    items = [f"A{i}" for i in range(1, 6)]
    found = moments(data("bfi_a5_mixed"), items, ordered=items[:3], x=x)
    np.testing.assert_allclose(found.cov, expected["cov"]["values"], atol=CORRELATION)
    # lavaan's statistic of a continuous variable is minus its mean.
    sign = np.array([-1.0 if term.endswith("~1") else 1.0 for term in expected["gamma_names"]])
    gamma = np.array(expected["gamma"]) * np.outer(sign, sign)
    scale = np.sqrt(np.outer(np.diag(gamma), np.diag(gamma)))
    np.testing.assert_allclose(found.gamma / scale, gamma / scale, atol=GAMMA)


def test_predictors_of_ordered_items():
    expected = reference("ordinal_bfi_a5_regression_wlsmv")["sample"]
    items = [f"A{i}" for i in range(1, 6)]
    found = moments(data("bfi_a5_cov"), items, x=["age", "gender"])
    np.testing.assert_allclose(found.cov, expected["res.cov"]["values"], atol=CORRELATION)
    slopes = np.array([m.slopes for m in found.margins])
    np.testing.assert_allclose(slopes, expected["res.slopes"]["values"], atol=1e-9)


def test_continuous_variables_alone_have_the_moments_everyone_knows():
    rng = np.random.default_rng(5)
    values = rng.normal(size=(400, 3)) @ np.array([[1.0, 0.5, 0.2], [0.0, 1.0, 0.3], [0.0, 0.0, 1.0]])
    names = ["a", "b", "c"]
    found = ordinal_moments(values, names, ordered=[])
    np.testing.assert_allclose(found.cov, np.cov(values.T, bias=True), rtol=1e-10)
    np.testing.assert_allclose(found.statistics[:3], values.mean(axis=0), rtol=1e-12)


def test_the_order_of_persons_and_a_new_name_for_categories_change_nothing():
    frame = data("bfi_an10_n600")
    first = moments(frame, AN10)
    again = moments((10 + 3 * frame).sample(frac=1.0, random_state=1), AN10)
    np.testing.assert_allclose(again.cov, first.cov, atol=1e-12)
    np.testing.assert_allclose(again.gamma, first.gamma, rtol=1e-7, atol=1e-10)


def test_the_sampling_covariance_is_that_of_repeated_samples():
    rng = np.random.default_rng(11)
    root = np.linalg.cholesky(np.array([[1.0, 0.5], [0.5, 1.0]]))
    n, draws, cuts = 400, 1500, np.array([-0.3, 0.8])
    found, claimed = [], []
    for _ in range(draws):
        values = np.searchsorted(cuts, rng.normal(size=(n, 2)) @ root.T).astype(float)
        sample = ordinal_moments(values, ["a", "b"], ordered=["a", "b"])
        found.append(sample.statistics)
        claimed.append(np.diag(sample.gamma) / n)
    ratio = np.sqrt(np.mean(claimed, axis=0)) / np.std(found, axis=0)
    # The SD of 1,500 draws has a relative standard error of 0.018; three of them.
    np.testing.assert_allclose(ratio, 1.0, atol=0.055)


def test_missing_answers_count_pair_by_pair():
    frame = data("bfi_an10_missing")
    found = moments(frame, AN10)
    expected = reference("ordinal_bfi_an10_missing_pairwise_wlsmv")
    np.testing.assert_allclose(found.cov, expected["sample"]["cov"]["values"], atol=CORRELATION)


def test_answers_that_determine_each_other_are_refused_with_their_names():
    values = np.repeat([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]], 20, axis=0)
    with pytest.raises(DataError, match="'b' and 'a' determine each other"):
        ordinal_moments(values, ["a", "b"], ordered=["a", "b"])


def test_one_category_and_no_variation_are_refused():
    values = np.column_stack([np.ones(30), np.arange(30.0)])
    with pytest.raises(DataError, match="'a' has one category only"):
        ordinal_moments(values, ["a", "b"], ordered=["a"])
    with pytest.raises(DataError, match="'a' does not vary"):
        ordinal_moments(values, ["a", "b"], ordered=[])


def test_an_empty_cell_of_a_two_by_two_table_is_filled_and_named():
    values = np.repeat([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [30, 20, 30], axis=0)
    found = ordinal_moments(values, ["a", "b"], ordered=["a", "b"])
    assert found.empty == (("b", "a"),)
    assert 0.8 < found.cov[1, 0] < 0.99
