"""Standardised effects: closed forms of balanced designs, exact intervals, hand formulas."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from implstats import mixed
from implstats.errors import DataError, ModelError, NotSupportedError, ProblemsError, UsageError

FOLDER = Path(__file__).parents[2] / "reference" / "mixed" / "after"
CLOSED = 1e-5  # the optimum is known to about six digits of a variance
EXACT = 1e-10


def _trial(seed: int, clusters: int = 10, n: int = 6) -> pd.DataFrame:
    """Return a balanced trial of clusters in two arms."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(clusters), n)
    arm = np.where(g % 2 == 1, "trained", "usual")
    y = 0.5 * (arm == "trained") + 0.8 * rng.normal(size=clusters)[g] + rng.normal(size=len(g))
    return pd.DataFrame({"y": y, "g": g, "arm": arm})


def _anova(frame: pd.DataFrame) -> tuple[float, float, int, int, float]:
    """Return MSB within arms, MSW, clusters, cluster size and the difference of the arms."""
    means = frame.groupby("g").agg(y=("y", "mean"), arm=("arm", "first"), n=("y", "size"))
    n, m = int(means["n"].iloc[0]), len(means)
    arms = means.groupby("arm")["y"]
    msb = n * float(((means["y"] - arms.transform("mean")) ** 2).sum()) / (m - 2)
    msw = float(((frame["y"] - frame.groupby("g")["y"].transform("mean")) ** 2).sum()) / (m * (n - 1))
    return msb, msw, m, n, float(arms.mean()["trained"] - arms.mean()["usual"])


def _effect(result: mixed.MixedResult, standardiser: Any) -> mixed.EffectSize:
    pairs = mixed.contrasts(mixed.emmeans(result, "arm"), adjust="none")
    return mixed.effect_size(pairs, standardiser=standardiser).effects[0]


def test_total_is_hedges_d_of_a_cluster_randomised_trial() -> None:
    frame = _trial(1)
    msb, msw, m, n, difference = _anova(frame)
    found = _effect(mixed.fit("y ~ arm + (1 | g)", frame), "total")
    # Hedges (2007), equation 15: d_T with S_T the pooled SD of all persons and rho of the ANOVA.
    N, between = m * n, (msb - msw) / n
    rho = between / (between + msw)
    total = ((m - 2) * msb + (N - m) * msw) / (N - 2)
    d = difference / np.sqrt(total) * np.sqrt(1 - 2 * (n - 1) * rho / (N - 2))
    assert found.d == pytest.approx(d, rel=CLOSED)
    # Satterthwaite's df of MSB / n + (1 - 1/n) MSW, and the delta method.
    v = msb / n + (1 - 1 / n) * msw
    h = v**2 / ((msb / n) ** 2 / (m - 2) + ((1 - 1 / n) * msw) ** 2 / (N - m))
    assert found.df == pytest.approx(h, rel=CLOSED)
    assert found.std_error == pytest.approx(np.sqrt(4 * msb / N / v + d**2 / (2 * h)), rel=CLOSED)
    half = stats.t.ppf(0.975, m - 2) * found.std_error
    assert found.conf_high == pytest.approx(found.d + half, rel=CLOSED)


def test_residual_is_divided_by_the_within_mean_square() -> None:
    frame = _trial(2)
    _, msw, m, n, difference = _anova(frame)
    found = _effect(mixed.fit("y ~ arm + (1 | g)", frame), "residual")
    assert found.d == pytest.approx(difference / np.sqrt(msw), rel=CLOSED)
    assert found.df == pytest.approx(m * n - m, rel=CLOSED)
    J = mixed.effect_size.__globals__["small_sample"](found.df)
    assert found.g == pytest.approx(J * found.d)
    assert pytest.approx(1 - 3 / (4 * found.df - 1), rel=1e-4) == J


def test_names_of_variances_add_up(fitted: Callable) -> None:
    result = fitted("waves_by_arm")
    pairs = mixed.contrasts(mixed.emmeans(result, "w", by="a"))
    total = mixed.effect_size(pairs, standardiser="total")
    all_names = mixed.effect_size(pairs, standardiser=("person", "inst", "residual"))
    within = mixed.effect_size(pairs, standardiser=("person", "residual"))
    variance = {e.cluster: e.covariance for e in result.random}
    s2 = result.residual_variance
    for one, same, other, contrast in zip(
        total.effects, all_names.effects, within.effects, pairs.contrasts, strict=True
    ):
        assert one.d == same.d
        assert one.d == pytest.approx(contrast.estimate / np.sqrt(sum(variance.values()) + s2), rel=EXACT)
        assert other.d == pytest.approx(contrast.estimate / np.sqrt(variance["person"] + s2), rel=EXACT)
    assert list(total.frame["a"]) == ["trained"] * 3 + ["usual"] * 3


def test_a_slope_adds_its_mean_variance(fitted: Callable) -> None:
    result = fitted("polynomial_slope")
    pairs = mixed.contrasts(mixed.emmeans(result, "arm"))
    parts = mixed.r2(result).variances
    total = sum(parts.random.values()) + parts.residual
    found = mixed.effect_size(pairs).effects[0]
    assert found.d == pytest.approx(pairs.contrasts[0].estimate / np.sqrt(total), rel=EXACT)


def test_d_does_not_depend_on_the_outcomes_unit() -> None:
    frame = _trial(3)
    one = _effect(mixed.fit("y ~ arm + (1 | g)", frame), "total")
    other = _effect(mixed.fit("y ~ arm + (1 | g)", frame.assign(y=lambda d: 40 + 7 * d["y"])), "total")
    for name in ("d", "g", "std_error", "df", "conf_low"):
        assert getattr(other, name) == pytest.approx(getattr(one, name), rel=1e-6)


def test_a_variance_of_zero_gives_no_effect() -> None:
    rng = np.random.default_rng(3)
    frame = _trial(4).assign(y=np.tile(np.arange(6.0), 10) + 0.01 * rng.normal(size=60))
    result = mixed.fit("y ~ arm + (1 | g)", frame)
    assert result.boundary
    found = _effect(result, "g")
    assert found.d is None
    assert "zero" in found.reason
    assert _effect(result, "total").g is not None
    by_ml = mixed.fit("y ~ arm + (1 | g)", frame, reml=False)
    assert _effect(by_ml, "total").std_error is None
    assert "REML" in _effect(by_ml, "total").reason


def _change(seed: int = 5, n: int = 30) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.multivariate_normal([3, 3.4], [[1.0, 0.5], [0.5, 1.3]], size=n)
    frame = pd.DataFrame({"y": y.T.ravel(), "wave": np.repeat([0, 1], n), "person": np.tile(np.arange(n), 2)})
    return frame, y


def _of_change(frame: pd.DataFrame, kind: str) -> mixed.EffectSize:
    result = mixed.fit("y ~ wave + (1 | person)", frame)
    return mixed.effect_size(result, standardiser=kind, wave="wave", person="person", pre=0, post=1).effects[
        0
    ]


def test_change_follows_lakens_formulas() -> None:
    frame, y = _change()
    n, change, s = len(y), y[:, 1] - y[:, 0], y.std(axis=0, ddof=1)
    r = np.corrcoef(y.T)[0, 1]
    dz = change.mean() / change.std(ddof=1)
    expected = {
        "dz": dz, "drm": dz * np.sqrt(2 * (1 - r)), "dav": change.mean() / s.mean(),
        "pretest": change.mean() / s[0],
    }  # fmt: skip
    for kind, d in expected.items():
        found = _of_change(frame, kind)
        assert found.d == pytest.approx(d, rel=EXACT)
        assert found.df == n - 1
        assert found.g / found.d == pytest.approx(1 - 3 / (4 * (n - 1) - 1), rel=1e-4)


def test_the_interval_of_dz_turns_the_noncentral_t_test_round() -> None:
    frame, y = _change()
    n = len(y)
    dz, drm = _of_change(frame, "dz"), _of_change(frame, "drm")
    t = dz.d * np.sqrt(n)
    assert stats.nct.cdf(t, n - 1, dz.conf_low * np.sqrt(n)) == pytest.approx(0.975, abs=1e-6)
    assert stats.nct.cdf(t, n - 1, dz.conf_high * np.sqrt(n)) == pytest.approx(0.025, abs=1e-6)
    assert drm.conf_low / drm.d == pytest.approx(dz.conf_low / dz.d)
    assert dz.interval_method == "noncentral t"


@pytest.mark.parametrize("kind", ["dav", "pretest"])
def test_delta_errors_equal_numerical_derivatives(kind: str) -> None:
    from implstats.mixed.after.change import Pairs, paired_effect

    n, at = 40, np.array([0.4, 1.0, 1.44, 0.6])  # mean change, variances, covariance

    def d(v: np.ndarray) -> float:
        unit = np.sqrt(v[1]) if kind == "pretest" else 0.5 * (np.sqrt(v[1]) + np.sqrt(v[2]))
        return float(v[0] / unit)

    slope = np.array([(d(at + 1e-5 * e) - d(at - 1e-5 * e)) / 2e-5 for e in np.eye(4)])
    S = np.zeros((4, 4))
    S[0, 0] = (at[1] + at[2] - 2 * at[3]) / n
    moments = np.array([[at[1] ** 2, at[3] ** 2], [at[3] ** 2, at[2] ** 2]])
    S[1:3, 1:3] = 2 * moments / (n - 1)  # of normal data
    pairs = Pairs(n=n, change=0.4, s1=1.0, s2=1.2, r=0.6 / 1.2)
    assert paired_effect(pairs, kind=kind, level=0.95).std_error == pytest.approx(
        np.sqrt(slope @ S @ slope), rel=1e-8
    )


def test_persons_with_one_wave_are_left_out_and_clusters_warned_about(fitted: Callable) -> None:
    result = fitted("waves_by_arm")
    found = mixed.effect_size(result, standardiser="dav", wave="wave", person="person", pre=0, post=2)
    assert "with one wave were left out" in found.checks[0].message
    assert found.checks[1].name == "independence"
    assert "inst" in found.checks[1].message


def test_bad_requests_are_refused(fitted: Callable) -> None:
    result = fitted("waves_by_arm")
    pairs = mixed.contrasts(mixed.emmeans(result, "a"))
    with pytest.raises(UsageError, match="did you mean 'person'"):
        mixed.effect_size(pairs, standardiser="persons")
    with pytest.raises(UsageError, match="give the fit itself"):
        mixed.effect_size(pairs, standardiser="dz")
    with pytest.raises(UsageError, match="give contrasts"):
        mixed.effect_size(result, standardiser="total")
    with pytest.raises(UsageError, match="needs wave, person"):
        mixed.effect_size(result, standardiser="dz")
    with pytest.raises(ProblemsError, match="did you mean 'person'"):
        mixed.effect_size(result, standardiser="dz", wave="wave", person="persn", pre=0, post=1)
    with pytest.raises(DataError, match="repeat a person"):
        mixed.effect_size(result, standardiser="dz", wave="wave", person="inst", pre=0, post=1)
    with pytest.raises(DataError, match="No row in use"):
        mixed.effect_size(result, standardiser="dz", wave="wave", person="person", pre=0, post=9)


def test_total_standardised_coefficients_are_those_of_standardised_variables(after: Callable) -> None:
    frame = after("polynomial_slope")[1]
    scaled = frame.assign(**{c: (frame[c] - frame[c].mean()) / frame[c].std() for c in ("y", "x", "wave")})
    formula = "y ~ wave + x + (1 | inst) + (1 | person)"
    plain, unit = mixed.fit(formula, frame), mixed.fit(formula, scaled)
    ours = mixed.standardised_coefficients(plain).coefficients
    for one, other in zip(ours, unit.fixed[1:], strict=True):
        assert one.estimate == pytest.approx(other.estimate, rel=1e-6)
        assert one.std_error == pytest.approx(other.std_error, rel=1e-6)
        assert one.conf_high == pytest.approx(other.conf_high, rel=1e-6)


def test_level_standardised_coefficients_use_their_levels_sds(after: Callable) -> None:
    frame = after("polynomial_slope")[1]
    result = mixed.fit("y ~ wave + x + arm + (1 | inst) + (1 | person)", frame)
    null = mixed.fit("y ~ 1 + (1 | inst) + (1 | person)", frame)
    variance = {e.cluster: e.covariance for e in null.random} | {"residual": null.residual_variance}
    found = {c.term: c for c in mixed.standardised_coefficients(result, method="level").coefficients}
    assert {t: c.level for t, c in found.items()} == {"wave": "residual", "x": "person", "arm": "inst"}
    persons = frame.groupby("person").first()
    x = persons["x"] - persons.groupby("inst")["x"].transform("mean")
    sd = np.sqrt((x**2).sum() / (len(persons) - frame["inst"].nunique()))
    assert found["x"].sd_predictor == pytest.approx(sd)
    assert found["x"].estimate == pytest.approx(
        result.fixed[2].estimate * sd / np.sqrt(variance["person"]), rel=CLOSED
    )
    arms = frame.groupby("inst")["arm"].first()
    assert found["arm"].sd_predictor == pytest.approx(arms.std())
    assert found["arm"].sd_outcome == pytest.approx(np.sqrt(variance["inst"]), rel=1e-4)


def test_a_predictor_at_several_levels_is_named(after: Callable) -> None:
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(20), 8)
    x = rng.normal(size=20)[g] + rng.normal(size=160)
    frame = pd.DataFrame({"x": x, "g": g, "y": x + rng.normal(size=20)[g] + rng.normal(size=160)})
    found = mixed.standardised_coefficients(mixed.fit("y ~ x + (1 | g)", frame), method="level")
    assert any(c.name == "several_levels" and c.message.startswith("x varies") for c in found.checks)


def test_residual_structures_are_refused_by_name(after: Callable) -> None:
    frame = after("waves_by_arm")[1]
    result = mixed.fit("y ~ w * a + (1 | inst)", frame, residual="ar1(wave | person)")
    assert mixed.emmeans(result, "w").means[0].std_error is not None
    assert len(mixed.predict(result, random="none", interval="confidence").values) == result.n_obs
    pairs = mixed.contrasts(mixed.emmeans(result, "w"))
    for call in (
        lambda: mixed.effect_size(pairs), lambda: mixed.r2(result), lambda: mixed.icc(result),
        lambda: mixed.conditional_modes(result),
    ):  # fmt: skip
        with pytest.raises(NotSupportedError, match="structure over waves"):
            call()


def test_a_failed_fit_has_no_effects(fitted: Callable) -> None:
    broken: Any = replace(fitted("waves_by_arm"), verdict="failed", reason="No optimum.")
    with pytest.raises(ModelError):
        mixed.standardised_coefficients(broken)


def test_d_and_its_error_equal_emmeans_eff_size(after: Callable, fitted: Callable) -> None:
    from implstats.mixed.after.effect_size import _effect, model_standardiser

    theirs = json.loads((FOLDER / "eff_size.json").read_text(encoding="utf-8"))
    result = fitted("waves_by_arm", df="kenward-roger")
    unit = replace(model_standardiser(result, ("residual",)), df=300.0)  # what R was told
    pairs = mixed.contrasts(mixed.emmeans(result, "w", by="a"), adjust="none")
    ours = [_effect(c, unit, level=0.95) for c in pairs.contrasts]
    se = np.array(theirs["SE"])
    assert np.max(np.abs(np.array([e.d for e in ours]) - theirs["effect.size"]) / se) < 1e-6
    assert np.max(np.abs(np.array([e.std_error for e in ours]) / se - 1)) < 1e-6
