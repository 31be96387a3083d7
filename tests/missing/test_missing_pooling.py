"""Rubin's rules: by hand, in their special cases, and in a seeded simulation of what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from implstats.errors import DataError
from implstats.missing import pool_rubin


def test_by_hand():
    """Three imputations worked out with pencil: Q 2, U 0.25, B 0.04, T 0.25 + 4/3 * 0.04."""
    pooled = pool_rubin([1.8, 2.0, 2.2], [0.5, 0.5, 0.5], df_complete=50)
    total = 0.25 + 4 / 3 * 0.04
    share = (4 / 3 * 0.04) / total
    df_m, df_obs = 2 / share**2, 51 / 53 * 50 * (1 - share)
    df = df_m * df_obs / (df_m + df_obs)
    assert pooled.estimate == pytest.approx(2.0, abs=1e-15)
    assert pooled.std_error == pytest.approx(np.sqrt(total), abs=1e-15)
    assert pooled.df == pytest.approx(df, rel=1e-13)
    increase = (4 / 3 * 0.04) / 0.25
    assert pooled.fmi == pytest.approx((increase + 2 / (df + 3)) / (increase + 1), rel=1e-13)
    assert pooled.p_value == pytest.approx(2 * stats.t.sf(2 / np.sqrt(total), df), rel=1e-10)
    low, high = stats.t.interval(0.95, df, 2.0, np.sqrt(total))
    assert (pooled.conf_low, pooled.conf_high) == pytest.approx((low, high), rel=1e-10)


def test_without_a_limit_from_complete_data_the_df_are_rubins_of_1987():
    pooled = pool_rubin([1.8, 2.0, 2.2], [0.5, 0.5, 0.5])
    assert pooled.df == pytest.approx(2 * (1 + 0.25 / (4 / 3 * 0.04)) ** 2, rel=1e-12)


def test_imputations_that_agree_collapse_to_one_analysis():
    pooled = pool_rubin([2.0, 2.0], [0.5, 0.5])
    assert (float(pooled.estimate), float(pooled.std_error)) == (2.0, 0.5)
    assert np.isinf(pooled.df)
    assert pooled.fmi == 0.0
    assert pooled.p_value == pytest.approx(2 * stats.norm.sf(4), rel=1e-10)
    limited = pool_rubin([2.0, 2.0], [0.5, 0.5], df_complete=20)
    assert limited.df == pytest.approx(21 / 23 * 20, rel=1e-14), "Barnard and Rubin's limit"


def test_many_parameters_at_once_are_the_same_as_one_by_one():
    rng = np.random.default_rng(1)
    estimates, errors = rng.normal(size=(5, 3)), rng.uniform(0.1, 1, (5, 3))
    together = pool_rubin(estimates, errors, df_complete=[10, 50, np.inf])
    for j, df in enumerate((10, 50, np.inf)):
        alone = pool_rubin(estimates[:, j], errors[:, j], df_complete=df)
        for field in ("estimate", "std_error", "df", "p_value", "conf_low", "conf_high", "fmi"):
            assert getattr(together, field)[j] == pytest.approx(float(getattr(alone, field)), rel=1e-13)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-10, 10), st.floats(0.01, 5)), min_size=2, max_size=20),
    st.floats(2, 1e6), st.floats(0.1, 10), st.floats(-5, 5), st.randoms(),
)  # fmt: skip
def test_order_scale_and_bounds(drawn, df_complete, factor, shift, random):
    estimates, errors = (np.array(column) for column in zip(*drawn, strict=True))
    pooled = pool_rubin(estimates, errors, df_complete)
    assert pooled.var_total >= pooled.var_within
    assert 0 < pooled.df <= df_complete
    order = random.sample(range(len(drawn)), len(drawn))
    again = pool_rubin(estimates[order] * factor + shift, errors[order] * factor, df_complete)
    assert again.estimate == pytest.approx(pooled.estimate * factor + shift, abs=1e-9)
    assert again.std_error == pytest.approx(pooled.std_error * factor, rel=1e-9)
    assert again.df == pytest.approx(pooled.df, rel=1e-6)


def test_the_interval_covers_under_proper_imputation():
    """A normal mean with 40 % missing at random, imputed by the posterior predictive: 95 % means 95 %."""
    rng = np.random.default_rng(20110501)
    n, n_seen, m, runs = 50, 30, 10, 2000
    x = rng.normal(size=(runs, n_seen))
    mean, s2 = x.mean(axis=1), x.var(axis=1, ddof=1)
    sigma2 = (n_seen - 1) * s2[:, None] / rng.chisquare(n_seen - 1, (runs, m))
    mu = rng.normal(mean[:, None], np.sqrt(sigma2 / n_seen))
    imputed = rng.normal(mu[..., None], np.sqrt(sigma2)[..., None], (runs, m, n - n_seen))
    full = np.concatenate([np.repeat(x[:, None, :], m, axis=1), imputed], axis=2)
    estimates, errors = full.mean(axis=2).T, full.std(axis=2, ddof=1).T / np.sqrt(n)
    pooled = pool_rubin(estimates, errors, df_complete=n - 1)
    covered = np.mean((pooled.conf_low < 0) & (pooled.conf_high > 0))
    # Three Monte Carlo standard errors of a share of .95 in 2,000 runs.
    assert covered == pytest.approx(0.95, abs=3 * np.sqrt(0.95 * 0.05 / runs))


@pytest.mark.parametrize(
    ("estimates", "errors", "wanted"),
    [
        ([1.0], [1.0], "at least 2 imputations"),
        ([1.0, 2.0], [1.0], "one shape"),
        ([1.0, np.nan], [1.0, 1.0], "no estimate or no standard error"),
        ([1.0, 2.0], [1.0, -1.0], "negative"),
    ],
)
def test_imputations_that_cannot_be_pooled(estimates, errors, wanted):
    with pytest.raises(DataError, match=wanted):
        pool_rubin(estimates, errors)
