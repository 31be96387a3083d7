"""Profile intervals: agreement with lme4, the height at every bound, boundaries, refusals."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import chi2

from implstats import mixed
from implstats.errors import ModelError, NotSupportedError, ProblemsError, UsageError
from implstats.mixed.inference.profile import _parameters, make_base

FOLDER = Path(__file__).parents[1] / "reference" / "mixed"
THEIRS = json.loads((FOLDER / "inference" / "profile_lme4.json").read_text(encoding="utf-8"))
OF_WIDTH = 1.5e-3  # lme4 interpolates its profile by splines between the points that it visits
HEIGHT = 1e-6
CUT = float(chi2.ppf(0.95, 1))
# lme4's lower bound of this SD is wrong, as `test_where_lme4_is_wrong` proves.
WRONG = ("sim3_12inst_3level_person_slope", "sd_wave|person")


@cache
def _fit(name: str) -> mixed.MixedResult:
    return mixed.fit(THEIRS[name]["formula"], pd.read_csv(FOLDER / THEIRS[name]["data"]))


@cache
def _profile(name: str) -> mixed.Profile:
    return mixed.profile(_fit(name))


@pytest.mark.parametrize("name", list(THEIRS))
def test_intervals_equal_confint_of_lme4(name: str) -> None:
    ours = {interval.name: interval for interval in _profile(name).intervals}
    assert set(ours) == set(THEIRS[name]["ci"])
    for parameter, (low, high) in THEIRS[name]["ci"].items():
        interval, width = ours[parameter], high - low
        assert interval.reason == ""
        assert interval.conf_high == pytest.approx(high, abs=OF_WIDTH * width)
        if (name, parameter) != WRONG:
            assert interval.conf_low == pytest.approx(low, abs=2 * OF_WIDTH * width)


@pytest.mark.parametrize(
    "name", ["sleepstudy_random_slope", "Pastes_nested", "sim3_12inst_3level_intercepts"]
)
def test_the_profile_has_the_right_height_at_every_bound(name: str) -> None:
    """Each bound is minimised again from a start that knows nothing of the search."""
    fitted = _fit(name).model
    assert fitted is not None
    base = make_base(fitted, reml=False)
    intervals = {interval.name: interval for interval in _profile(name).intervals}
    for parameter in _parameters(base):
        assert parameter.curve is not None
        curve = parameter.curve(base)
        interval = intervals[parameter.labels.name]
        for bound in (interval.conf_low, interval.conf_high):
            if interval.at_boundary and bound in (0.0, 1.0, -1.0):
                continue
            slope = curve.own(1.0) - curve.own(0.0)
            x = (
                float(np.arcsin(bound))
                if interval.kind == "correlation"
                else (bound - curve.own(0.0)) / slope
            )
            point = curve.point(x, curve.cold(x))
            assert point is not None
            assert point.value - base.at.value == pytest.approx(CUT, abs=HEIGHT)


def _one_way(y: np.ndarray, *, reml: bool) -> Callable[[float, float, float | None], float]:
    """Return the criterion of a balanced one-way layout, (clusters, rows), in (s, t, mean) by its formula."""
    J, n = y.shape
    within = float(np.sum((y - y.mean(1, keepdims=True)) ** 2))

    def criterion(s: float, t: float, mean: float | None = None) -> float:
        level = s**2 + n * t**2
        centre = y.mean() if mean is None else mean
        between = n * float(np.sum((y.mean(1) - centre) ** 2))
        value = J * (n - 1) * np.log(s**2) + J * np.log(level) + within / s**2 + between / level
        return float(value + (np.log(J * n / level) if reml else 0.0))

    return criterion


@pytest.mark.parametrize("kind", ["ML", "REML"])
def test_balanced_one_way_intervals_by_brute_force(kind: Any) -> None:
    frame = pd.read_csv(FOLDER / "data" / "Dyestuff.csv")
    y = np.stack([group["Yield"].to_numpy(float) for _, group in frame.groupby("Batch")])
    f = _one_way(y, reml=kind == "REML")
    fitted = mixed.fit("Yield ~ 1 + (1 | Batch)", frame, reml=kind == "REML")
    s0, t0 = fitted.residual_variance**0.5, fitted.random[0].sd
    least = f(s0, t0, None)

    def over(g: Callable[[float], float], low: float, high: float) -> float:
        return minimize_scalar(g, bounds=(low, high), method="bounded", options={"xatol": 1e-9}).fun - least

    ours = {i.name: i for i in mixed.profile(fitted, "random", criterion=kind).intervals}
    sd, sigma = ours["sd_(Intercept)|Batch"], ours["sigma"]
    for bound, low, high in ((sd.conf_low, 1e-3, t0), (sd.conf_high, t0, 2000.0)):
        exact = brentq(lambda t: over(lambda s: f(s, t, None), 5, 500) - CUT, low, high, xtol=1e-9)
        assert bound == pytest.approx(exact, rel=1e-6)
    for bound, low, high in ((sigma.conf_low, 10.0, s0), (sigma.conf_high, s0, 300.0)):
        exact = brentq(lambda s: over(lambda t: f(s, t, None), 0, 3000) - CUT, low, high, xtol=1e-9)
        assert bound == pytest.approx(exact, rel=1e-6)


def test_where_lme4_is_wrong() -> None:
    """At lme4's lower bound the profile is at most 3.4153, not 3.8415: dense V at parameters that show it."""
    name, parameter = WRONG
    fitted = mixed.fit(THEIRS[name]["formula"], pd.read_csv(FOLDER / THEIRS[name]["data"]), reml=False)
    assert fitted.model is not None
    design = fitted.model.design
    slope = THEIRS[name]["ci"][parameter][0]
    s, intercept, upper = np.exp([-0.62379583, -0.5082366, -2.94998014])
    rho = np.tanh(6.59226401)
    covariances = {
        "person": np.array([[intercept**2, rho * intercept * slope], [rho * intercept * slope, slope**2]]),
        "inst": np.array([[upper**2]]),
    }
    V = s**2 * np.eye(len(design.y))
    for level in design.levels:
        same = level.clusters.codes[:, None] == level.clusters.codes[None, :]
        V += (level.Z @ covariances[level.clusters.name] @ level.Z.T) * same
    L = np.linalg.cholesky(V)
    white = np.linalg.qr(np.linalg.solve(L, np.column_stack([design.X, design.y])), mode="r")
    n = len(design.y)
    value = 2 * np.sum(np.log(np.diag(L))) + n * np.log(2 * np.pi) + white[-1, -1] ** 2
    assert value - fitted.criterion < 3.4154 < CUT


def test_boundaries_are_exact() -> None:
    ours = {i.name: i for i in _profile("Pastes_nested").intervals}
    assert ours["sd_(Intercept)|batch"].conf_low == 0.0
    assert ours["sd_(Intercept)|batch"].at_boundary
    ours = {i.name: i for i in _profile("lq2002_random_slope_contextual").intervals}
    correlation = ours["cor_LEAD_cwc.(Intercept)|COMPID"]
    assert correlation.conf_low == -1.0
    assert correlation.conf_high < 0.0


def test_a_zero_variance_has_an_upper_bound_and_no_correlation(
    design: Callable[..., pd.DataFrame],
) -> None:
    frame = design(5, institutions=10, sd_institution=0.0)
    result = mixed.fit("y ~ wave + (1 | inst) + (1 | person)", frame)
    assert result.boundary
    interval = mixed.profile(result, "sd_(Intercept)|inst").intervals[0]
    assert (interval.estimate, interval.conf_low) == (0.0, 0.0)
    assert 0.0 < interval.conf_high < 1.0
    narrow = mixed.profile(result, "sd_(Intercept)|inst", ci_level=0.5).intervals[0]
    assert narrow.conf_high < interval.conf_high


def test_units_of_outcome_and_predictor_carry_over() -> None:
    frame = pd.read_csv(FOLDER / THEIRS["sleepstudy_random_slope"]["data"])
    frame = frame.assign(Reaction=frame["Reaction"] / 1000, Days=frame["Days"] * 24)
    turned = {
        i.name: i for i in mixed.profile(mixed.fit("Reaction ~ Days + (Days | Subject)", frame)).intervals
    }
    for interval in _profile("sleepstudy_random_slope").intervals:
        factor = 1.0 if interval.kind == "correlation" else 1e-3 / (24 if interval.term == "Days" else 1)
        assert turned[interval.name].conf_low == pytest.approx(interval.conf_low * factor, rel=1e-6)
        assert turned[interval.name].conf_high == pytest.approx(interval.conf_high * factor, rel=1e-6)


def test_bad_requests_are_refused(design: Callable[..., pd.DataFrame]) -> None:
    result = mixed.fit("y ~ wave + (1 | inst)", design(9, institutions=10, sd_institution=0.5))
    with pytest.raises(ProblemsError, match="did you mean 'sigma'"):
        mixed.profile(result, "sigm")
    with pytest.raises(UsageError, match="no REML profile"):
        mixed.profile(result, "wave", criterion="REML")
    with pytest.raises(UsageError, match="ML or REML"):
        mixed.profile(result, criterion="PQL")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="between 0 and 1"):
        mixed.profile(result, ci_level=95)
    structured = mixed.fit(
        "y ~ wave + (1 | inst)", design(9, institutions=10, sd_institution=0.5), residual="ar1(wave | person)"
    )
    with pytest.raises(NotSupportedError, match="residual structure"):
        mixed.profile(structured)
    from dataclasses import replace

    with pytest.raises(ModelError, match="needs a fit that succeeded"):
        mixed.profile(replace(result, model=None, verdict="failed"))
    assert list(mixed.profile(result, ["sigma"]).frame["name"]) == ["sigma"]


def test_prior_weights_by_brute_force_with_the_full_covariance() -> None:
    """Residual SD and a coefficient with prior weights, random intercepts."""
    frame = pd.read_csv(FOLDER / "data" / "sleepstudy_weights.csv").iloc[:60]  # six persons: quick enough
    fitted = mixed.fit("Reaction ~ Days + (1 | Subject)", frame, weights="w", reml=False)
    assert fitted.model is not None
    design = fitted.model.design
    codes = design.levels[0].clusters.codes
    same = (codes[:, None] == codes[None, :]) * 1.0
    n = len(design.y)

    def criterion(s2: float, ratio: float, X: np.ndarray, y: np.ndarray) -> float:
        L = np.linalg.cholesky(np.diag(1 / design.weights) + ratio * same)
        white = np.linalg.qr(np.linalg.solve(L, np.column_stack([X, y])), mode="r")
        return float(2 * np.sum(np.log(np.diag(L))) + n * np.log(2 * np.pi * s2) + white[-1, -1] ** 2 / s2)

    def at_sigma(s: float) -> float:
        return minimize_scalar(
            lambda log_ratio: criterion(s**2, np.exp(log_ratio), design.X, design.y), bracket=(-1.0, 1.0)
        ).fun

    def at_slope(b: float) -> float:
        def profiled(log_ratio: float) -> float:
            X, y = design.X[:, :1], design.y - b * design.X[:, 1]
            L = np.linalg.cholesky(np.diag(1 / design.weights) + np.exp(log_ratio) * same)
            white = np.linalg.qr(np.linalg.solve(L, np.column_stack([X, y])), mode="r")
            return criterion(white[-1, -1] ** 2 / n, np.exp(log_ratio), X, y)

        return minimize_scalar(profiled, bracket=(-1.0, 1.0)).fun

    ours = {interval.name: interval for interval in mixed.profile(fitted, ["sigma", "Days"]).intervals}
    for name, height in (("sigma", at_sigma), ("Days", at_slope)):
        for bound in (ours[name].conf_low, ours[name].conf_high):
            assert height(bound) - fitted.criterion == pytest.approx(CUT, abs=HEIGHT)
