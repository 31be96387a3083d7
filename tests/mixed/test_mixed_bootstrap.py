"""Bootstrap: draws from the model, samples of clusters, intervals, the bootstrapped likelihood-ratio test."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from implstats import mixed
from implstats.errors import DataError, ModelError, NotSupportedError, UsageError
from implstats.mixed.resampling.cases import fit_samples, sum_top
from implstats.mixed.resampling.intervals import bca_interval, percentile_interval
from implstats.mixed.resampling.refit import prepare
from implstats.mixed.resampling.residuals import pools
from implstats.mixed.resampling.simulate import truth_of

SAME_FIT = 1e-7  # two searches for one optimum, in units of the estimates
THREE_LEVELS = "y ~ wave + x + (1 | inst) + (1 | person)"


@pytest.fixture
def frame(design: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    made = design(21, institutions=14, sd_institution=0.5)
    made["region"] = made["inst"] // 2
    return made


@pytest.mark.parametrize(
    "formula",
    [
        THREE_LEVELS,
        "y ~ wave + x + (1 + wave | person)",
        "y ~ wave + x + (1 | region) + (1 + wave | inst) + (1 | person)",
    ],
)
def test_a_sample_of_clusters_is_the_fit_to_its_rows(frame: pd.DataFrame, formula: str) -> None:
    # Brute force: the drawn clusters' rows are put below each other, each copy with new ids.
    result = mixed.fit(formula, frame, df="none")
    top = list(result.n_clusters)[-1]
    ready = prepare(result)
    sums = sum_top(ready)
    J = len(sums.rows)
    picked = np.random.default_rng(5).integers(0, J, size=J)
    ids = np.sort(frame[top].unique())
    parts = [frame[frame[top] == ids[j]].copy() for j in picked]
    for copy, part in enumerate(parts):
        part[["person", "inst", "region"]] += 100_000 * copy
    brute = mixed.fit(formula, pd.concat(parts, ignore_index=True), df="none")
    found = fit_samples(ready, sums, picked[None])
    np.testing.assert_allclose(found.beta[0], [f.estimate for f in brute.fixed], atol=SAME_FIT)
    np.testing.assert_allclose(found.std_error[0], [f.std_error for f in brute.fixed], atol=SAME_FIT)
    np.testing.assert_allclose(found.covariances[0], [v.covariance for v in brute.random], atol=SAME_FIT)


def test_parametric_standard_errors_are_the_models(frame: pd.DataFrame) -> None:
    result = mixed.fit(THREE_LEVELS, frame)
    found = mixed.bootstrap(result, draws=1999, seed=3)
    for estimate, effect in zip(found.estimates, result.fixed, strict=False):
        assert effect.std_error is not None
        # The SD of 1,999 draws has a relative Monte Carlo error of 1.6 %; four of them, and KR's adjustment.
        assert estimate.std_error == pytest.approx(effect.std_error, rel=0.08)
        assert estimate.estimate == pytest.approx(effect.estimate, abs=SAME_FIT)
    assert found.n_failed == 0
    assert found.samples.shape == (1999, len(found.estimates))


def test_reflated_effects_have_the_fitted_covariance_and_keep_their_shape(frame: pd.DataFrame) -> None:
    result = mixed.fit("y ~ wave + x + (1 | inst) + (1 + wave | person)", frame)
    ready = prepare(result)
    assert result.model is not None
    refits = mixed.refit(result, result.model.design.y)
    truth = truth_of(result.model.design, ready.model.scaled.kept, refits, 0)
    found = pools(result.model.design, truth, [level.values for level in result.modes])
    for U, Psi in zip(found.effects, truth.covariances, strict=True):
        np.testing.assert_allclose(U.mean(axis=0), 0.0, atol=1e-12)
        np.testing.assert_allclose(U.T @ U / len(U), Psi, atol=1e-8)
    assert np.mean(found.residuals**2) == pytest.approx(truth.sigma2)
    # One effect a cluster is only shifted and stretched.
    values = result.modes[1].values[:, 0]
    assert abs(np.corrcoef(values, found.effects[1][:, 0])[0, 1]) == pytest.approx(1.0)


def test_residual_standard_errors_are_the_models_where_the_model_holds(frame: pd.DataFrame) -> None:
    result = mixed.fit(THREE_LEVELS, frame)
    found = mixed.bootstrap(result, kind="residual", draws=1999, seed=3)
    for estimate, effect in zip(found.estimates, result.fixed, strict=False):
        # Monte Carlo error 1.6 %, and the chance of these 14 clusters' own residuals.
        assert estimate.std_error == pytest.approx(effect.std_error, rel=0.12)
    assert found.n_failed == 0


def test_a_seed_gives_the_same_draws_and_another_gives_others(frame: pd.DataFrame) -> None:
    result = mixed.fit(THREE_LEVELS, frame)
    one, two, three = (mixed.bootstrap(result, draws=99, seed=s, ci_level=0.9).samples for s in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, three)


def test_singular_draws_are_kept_and_counted() -> None:
    rng = np.random.default_rng(2)
    ward = np.repeat(np.arange(10), 8)
    data = pd.DataFrame({"ward": ward, "y": 0.15 * rng.normal(size=10)[ward] + rng.normal(size=80)})
    result = mixed.fit("y ~ 1 + (1 | ward)", data)
    found = mixed.bootstrap(result, draws=499, seed=1)
    variance = found.samples[:, 1]
    assert 0 < found.n_boundary < 499
    assert found.n_boundary == int(np.sum(variance == 0.0))
    assert np.isfinite(found.samples).all()
    assert "with a variance of zero" in found.checks[0].message
    icc = found.estimates[-1]
    assert icc.quantity == "icc"
    assert icc.conf_low == 0.0


def test_failed_draws_are_counted_and_said(frame: pd.DataFrame) -> None:
    # An arm that three clusters of eight alone have: a sample may miss it, and then it has no coefficient.
    few = frame[frame["inst"] < 8].assign(arm=lambda d: (d["inst"] < 2) * 1.0)
    result = mixed.fit("y ~ wave + arm + (1 | inst) + (1 | person)", few)
    found = mixed.bootstrap(result, kind="cases", draws=99, seed=4, ci_level=0.9)
    # Probability of a sample without either: (6/8)^8 = 0.10.
    assert 1 <= found.n_failed <= 30
    assert int(np.isnan(found.samples[:, 0]).sum()) == found.n_failed
    assert found.checks[0].status == "warn"
    assert f"{found.n_failed} without a verified fit" in found.checks[0].message


def test_an_own_statistic_is_bootstrapped_beside_the_parameters(frame: pd.DataFrame) -> None:
    result = mixed.fit(THREE_LEVELS, frame)
    found = mixed.bootstrap(
        result, draws=99, seed=1, ci_level=0.9, statistic=lambda r: r.beta[:, 1] / r.beta[:, 2]
    )
    np.testing.assert_allclose(found.samples[:, -1], found.samples[:, 1] / found.samples[:, 2])
    with pytest.raises(UsageError, match="one number, or one row, a refit"):
        mixed.bootstrap(result, draws=99, seed=1, statistic=lambda r: r.beta[0, :1])


def test_percentile_ends_are_order_statistics_and_bca_without_bias_or_skew_is_percentile() -> None:
    draws = np.random.default_rng(1).permutation(np.arange(1.0, 1000.0))
    assert percentile_interval(draws, 0.95) == pytest.approx((25.0, 975.0))
    symmetric = np.array([-1.0, 0.0, 1.0])
    assert bca_interval(draws, 500.0, 0.95, symmetric) == pytest.approx((25.0, 975.0))
    assert percentile_interval(draws[:30], 0.95)[0] is None


def test_bca_corrects_as_defined() -> None:
    from scipy.stats import norm

    rng = np.random.default_rng(2)
    draws, without = rng.gamma(3.0, size=1999), rng.gamma(3.0, size=12)
    estimate = 2.7
    z0 = norm.ppf(np.mean(draws < estimate))
    gap = without.mean() - without
    c = np.sum(gap**3) / (6 * np.sum(gap**2) ** 1.5)
    for end, share in zip(bca_interval(draws, estimate, 0.95, without), (0.025, 0.975), strict=True):
        z = z0 + norm.ppf(share)
        position = 2000 * norm.cdf(z0 + z / (1 - c * z))
        low = int(position)
        ordered = np.sort(draws)
        assert end == pytest.approx(ordered[low - 1] + (position - low) * (ordered[low] - ordered[low - 1]))


def test_bootstrap_refuses_what_it_cannot_do(frame: pd.DataFrame) -> None:
    result = mixed.fit(THREE_LEVELS, frame)
    with pytest.raises(NotSupportedError, match="kind='cases'"):
        mixed.bootstrap(result, seed=1, interval="bca")
    with pytest.raises(UsageError, match="did you mean 'cases'"):
        mixed.bootstrap(result, seed=1, kind="case")
    with pytest.raises(UsageError, match="at least 99"):
        mixed.bootstrap(result, seed=1, draws=10)
    with pytest.raises(UsageError, match="seed"):
        mixed.bootstrap(result, seed=-1)
    five = mixed.fit(THREE_LEVELS, frame[frame["inst"] < 5])
    with pytest.raises(DataError, match="at least 6 clusters"):
        mixed.bootstrap(five, seed=1, kind="cases")


def test_the_bootstrapped_ratio_of_a_balanced_design_has_its_exact_level() -> None:
    # One-way layout: the p-value of a cluster-level effect by draws is close to the exact F test's, where the
    # chi-square's is too small with 8 clusters.
    from scipy.stats import f_oneway, ttest_ind

    rng = np.random.default_rng(7)
    ward = np.repeat(np.arange(8), 6)
    arm = (ward % 2).astype(float)
    data = pd.DataFrame({"ward": ward, "arm": arm})
    data["y"] = 0.9 * arm + 0.8 * rng.normal(size=8)[ward] + rng.normal(size=48)
    assert f_oneway(*(g["y"] for _, g in data.groupby("ward"))).pvalue < 0.01
    means = data.groupby("ward")[["y", "arm"]].mean()
    exact = ttest_ind(means["y"][means["arm"] == 1], means["y"][means["arm"] == 0]).pvalue
    small, large = (mixed.fit(f"y ~ {x} + (1 | ward)", data) for x in ("1", "arm"))
    found = mixed.bootstrap_compare(small, large, draws=1999, seed=1)
    assert found.p_chisq < exact
    # Two Monte Carlo standard errors, and what estimated variances add to a pivot that is not exact.
    assert found.p_value == pytest.approx(exact, abs=2 * found.std_error + 0.02)
    assert abs(found.p_value - exact) < abs(found.p_chisq - exact)
    swapped = mixed.bootstrap_compare(large, small, draws=1999, seed=1)
    assert swapped.p_value == found.p_value
    np.testing.assert_array_equal(swapped.ratios, found.ratios)


def test_the_ratio_of_each_draw_is_that_of_two_fits(frame: pd.DataFrame) -> None:
    small, large = (
        mixed.fit("y ~ wave + (1 | person)", frame),
        mixed.fit("y ~ wave + (1 | inst) + (1 | person)", frame),
    )
    found = mixed.bootstrap_compare(small, large, draws=99, seed=1)
    plain = mixed.compare(small, large)
    assert found.method == "REML"
    assert found.statistic == pytest.approx(plain.statistic, abs=1e-7)
    assert found.p_bartlett is None
    # A variance cannot be negative: about half of the ratios are zero.
    assert 0.3 < np.mean(found.ratios < 1e-6) < 0.8
    assert found.ratios.min() > -1e-6


def test_models_that_are_not_nested_are_not_compared(frame: pd.DataFrame) -> None:
    one, two = mixed.fit("y ~ x + (1 | inst)", frame), mixed.fit("y ~ wave + arm + (1 | inst)", frame)
    with pytest.raises(ModelError, match="not a special case"):
        mixed.bootstrap_compare(one, two, seed=1)
