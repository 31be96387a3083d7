"""Intervals of intraclass correlations: brute force, the exact F interval, boundaries, refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import chi2
from scipy.stats import f as f_distribution

from implstats import mixed
from implstats.errors import NotSupportedError, UsageError
from implstats.mixed.inference.icc_intervals import icc_curve
from implstats.mixed.inference.profile import make_base

FOLDER = Path(__file__).parents[1] / "reference" / "mixed" / "data"
CUT = float(chi2.ppf(0.95, 1))
Design = Callable[..., pd.DataFrame]


def _one_way(clusters: int, rows: int, sd: float, *, seed: int) -> tuple[np.ndarray, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    y = sd * rng.normal(size=(clusters, 1)) + rng.normal(size=(clusters, rows))
    ward = np.repeat(np.arange(clusters), rows)
    return y, pd.DataFrame({"y": y.ravel(), "ward": ward})


@pytest.mark.parametrize("kind", ["ML", "REML"])
def test_balanced_one_way_interval_by_brute_force(kind: Any) -> None:
    y, frame = _one_way(10, 6, 0.7, seed=2)
    J, n = y.shape
    within = np.sum((y - y.mean(1, keepdims=True)) ** 2)
    between = n * np.sum((y.mean(1) - y.mean()) ** 2)

    def least(rho: float) -> float:
        ratio = 1 + n * rho / (1 - rho)  # variance of a mean over that of a row within, times n

        def criterion(log_s2: float) -> float:
            s2 = np.exp(log_s2)
            value = J * n * np.log(s2) + J * np.log(ratio) + (within + between / ratio) / s2
            return float(value - (np.log(s2 * ratio) if kind == "REML" else 0.0))

        return float(minimize_scalar(criterion, bracket=(-1.0, 1.0), tol=1e-12).fun)

    ours = mixed.icc_intervals(mixed.fit("y ~ 1 + (1 | ward)", frame), criterion=kind).levels[0]
    base = least(ours.icc)
    assert minimize_scalar(least, bounds=(0.01, 0.9), method="bounded").fun >= base - 1e-9
    low = brentq(lambda rho: least(rho) - base - CUT, 1e-6, ours.icc)
    high = brentq(lambda rho: least(rho) - base - CUT, ours.icc, 0.99)
    assert ours.conf_low == pytest.approx(low, abs=1e-7)
    assert ours.conf_high == pytest.approx(high, abs=1e-7)
    for share, found in (
        (ours.icc, ours.reliability),
        (low, ours.reliability_low),
        (high, ours.reliability_high),
    ):
        assert found == pytest.approx(n * share / (1 + (n - 1) * share), abs=1e-6)


def test_near_the_exact_f_interval_with_many_clusters() -> None:
    """Balanced one-way: MSB / MSW over its expectation is F, which gives an exact interval."""
    y, frame = _one_way(150, 5, 0.6, seed=3)
    J, n = y.shape
    msb = n * np.sum((y.mean(1) - y.mean()) ** 2) / (J - 1)
    msw = np.sum((y - y.mean(1, keepdims=True)) ** 2) / (J * (n - 1))
    ratio = msb / msw / f_distribution.ppf([0.975, 0.025], J - 1, J * (n - 1))
    exact = (ratio - 1) / (ratio + n - 1)
    ours = mixed.icc_intervals(mixed.fit("y ~ 1 + (1 | ward)", frame)).levels[0]
    # Both are 95 % intervals but not the same: the difference is of the order of width / J.
    assert ours.icc == pytest.approx((msb - msw) / (msb + (n - 1) * msw), rel=1e-6)
    assert [ours.conf_low, ours.conf_high] == pytest.approx(list(exact), abs=0.02 * (exact[1] - exact[0]))


def test_coverage_with_few_clusters() -> None:
    """200 samples of 12 clusters, ICC .2: Monte Carlo standard error .015 at .95."""
    rng = np.random.default_rng(11)
    ward = np.repeat(np.arange(12), 8)
    covered = []
    for _ in range(200):
        y = 0.5 * rng.normal(size=12)[ward] + rng.normal(size=96)
        fitted = mixed.fit("y ~ 1 + (1 | ward)", pd.DataFrame({"y": y, "ward": ward}), df="none")
        level = mixed.icc_intervals(fitted).levels[0]
        covered.append(level.conf_low <= 0.2 <= level.conf_high)
    assert 0.895 < np.mean(covered) < 0.985


def test_three_levels_have_the_right_height_at_the_bounds() -> None:
    frame = pd.read_csv(FOLDER / "sim3_12inst.csv")
    result = mixed.fit("y ~ wave + x + (1 | inst) + (wave | person)", frame)
    ours = mixed.icc_intervals(result)
    by_name = {level.cluster: level for level in ours.levels}
    assert ours.criterion == "REML"
    assert by_name["person"].icc is None
    assert "random slopes" in by_name["person"].reason
    assert by_name["inst"].reliability is None
    shown = {level.cluster: level.icc for level in mixed.icc(result).levels}
    assert by_name["inst"].icc == pytest.approx(shown["inst"], rel=1e-9)
    base = make_base(result.model, reml=True)
    curve = icc_curve(base, 1)
    point = curve.point(by_name["inst"].conf_high, curve.cold(0.1))
    assert point.value - base.at.value == pytest.approx(CUT, abs=1e-6)
    assert by_name["inst"].conf_low == 0.0


def test_zero_variance_gives_zero_and_an_upper_bound(design: Design) -> None:
    frame = design(5, institutions=10, sd_institution=0.0)
    result = mixed.fit("y ~ wave + (1 | inst) + (1 | person)", frame)
    level = next(x for x in mixed.icc_intervals(result).levels if x.cluster == "inst")
    assert (level.icc, level.conf_low) == (0.0, 0.0)
    assert 0.0 < level.conf_high < 0.5


def test_bad_requests_are_refused(design: Design) -> None:
    frame = design(5, institutions=10, sd_institution=0.4)
    result = mixed.fit("y ~ wave + (1 | inst)", frame)
    with pytest.raises(UsageError, match="ML or REML"):
        mixed.icc_intervals(result, criterion="Bayes")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="between 0 and 1"):
        mixed.icc_intervals(result, ci_level=1.0)
    with pytest.raises(NotSupportedError, match="residual structure"):
        mixed.icc_intervals(mixed.fit("y ~ wave + (1 | inst)", frame, residual="ar1(wave | person)"))
    assert list(mixed.icc_intervals(result).frame["cluster"]) == ["inst"]
