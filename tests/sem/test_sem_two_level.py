"""Two-level models beside lavaan, against finite differences and brute force, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from implstats.errors import ModelError, NotSupportedError, UsageError
from implstats.sem.data.two_level import two_level_statistics
from implstats.sem.estimators.two_level import between_slope, two_level_criterion
from implstats.sem.fit_indices.two_level import srmr_of
from implstats.sem.model.two_level import two_level_model
from implstats.sem.two_level import fit_two_level

# lavaan stops at a gradient of about 4e-6; its estimates are up to 6e-5 off.
LAVAAN = 1e-4
# lavaan's EM stops short of the boundary maximum of the saturated model.
EM_LEFT = 0.2
# The same definition from the same matrices: rounding.
ROUNDING = 1e-9
# lavaan's saturated Sigma_b stops short: 3e-4 in an intraclass correlation, up to 1.6e-3 in SRMR between.
EM_ICC = 5e-4
EM_SRMR = 2e-3
CASES = ("tsig3", "hostil5", "hostil5_configural")
ONE = "level: 1\nfw =~ y1 + y2 + y3\nlevel: 2\nfb =~ y1 + y2 + y3"


@pytest.fixture(scope="module")
def teams() -> pd.DataFrame:
    """600 persons in 80 clusters of 3 to 12, one factor at each level."""
    rng = np.random.default_rng(4)
    cluster = np.repeat(np.arange(80), np.resize([3, 6, 9, 12], 80))
    between = rng.normal(size=(80, 1)) * [0.9, 0.8, 0.7] + 0.4 * rng.normal(size=(80, 3))
    within = rng.normal(size=(600, 1)) * [1.0, 0.9, 0.8] + rng.normal(size=(600, 3))
    return pd.DataFrame(between[cluster] + within + 3.0, columns=["y1", "y2", "y3"]).assign(team=cluster)


@pytest.mark.parametrize("case", CASES)
def test_lavaan(case, load_data, load_reference):
    expected = load_reference("two_level")[case]
    result = fit_two_level(expected["model"], load_data("lq2002"), cluster="COMPID", kind="cfa")
    ours = {(p.lhs, p.op, p.rhs, p.level): p for p in result.parameters}
    compared = 0
    for lhs, op, rhs, level, estimate, se in zip(
        *(expected[k] for k in ("lhs", "op", "rhs", "level", "est", "se")), strict=True
    ):
        if (lhs, op, rhs, level) not in ours:
            continue
        mine = ours[lhs, op, rhs, level]
        assert mine.estimate == pytest.approx(estimate, abs=LAVAAN)
        assert (mine.std_error or 0.0) == pytest.approx(se, rel=LAVAAN, abs=1e-6)
        compared += 1
    assert compared >= len(ours) - 3
    assert result.fit["logl"] == pytest.approx(expected["fit"]["logl"], abs=1e-5)
    assert result.fit["bic"] == pytest.approx(expected["fit"]["bic"], abs=1e-5)
    assert result.fit["df"] == expected["fit"]["df"]
    # Higher than lavaan's saturated likelihood, whose EM has not arrived.
    assert 0 <= result.fit["unrestricted.logl"] - expected["fit"]["unrestricted.logl"] < EM_LEFT
    assert result.fit["cfi"] == pytest.approx(expected["fit"]["cfi"], abs=1e-4)


@pytest.mark.parametrize("case", CASES)
def test_standardised_values_and_explained_variances(case, load_data, load_reference):
    expected = load_reference("two_level")[case]
    result = fit_two_level(expected["model"], load_data("lq2002"), cluster="COMPID", kind="cfa")
    ours = {(p.lhs, p.op, p.rhs, p.level): p for p in result.parameters}
    compared = 0
    for lhs, op, rhs, level, lv, every in zip(
        *(expected[k] for k in ("lhs", "op", "rhs", "level", "std.lv", "std.all")), strict=True
    ):
        if (lhs, op, rhs, level) not in ours:
            continue  # means within, zero
        assert ours[lhs, op, rhs, level].std_lv == pytest.approx(lv, abs=LAVAAN)
        assert ours[lhs, op, rhs, level].std_all == pytest.approx(every, abs=LAVAAN)
        compared += 1
    assert compared == len(ours)
    for mine, theirs in zip(result.r2, expected["r2"], strict=True):
        assert set(mine) == set(theirs)
        for name, value in theirs.items():  # None where the residual variance is negative
            assert mine[name] is None if value is None else mine[name] == pytest.approx(value, abs=LAVAAN)


@pytest.mark.parametrize("case", CASES)
def test_icc_and_srmr(case, load_data, load_reference):
    expected = load_reference("two_level")[case]
    result = fit_two_level(expected["model"], load_data("lq2002"), cluster="COMPID", kind="cfa")
    assert result.icc == pytest.approx(expected["icc"], abs=EM_ICC)
    assert result.fit["srmr_within"] == pytest.approx(expected["fit"]["srmr_within"], abs=LAVAAN)
    assert result.fit["srmr_between"] == pytest.approx(expected["fit"]["srmr_between"], abs=EM_SRMR)


@pytest.mark.parametrize("case", CASES)
def test_srmr_is_lavaans_from_lavaans_matrices(case, load_reference):
    """lavaan raises the eigenvalues of an indefinite implied Sigma_b to 1e-6 of the largest; we do not."""
    expected = load_reference("two_level")[case]
    h1, implied = (np.array(expected[k]) for k in ("h1", "implied"))
    roots, vectors = np.linalg.eigh(implied[1])
    raised = (vectors * np.maximum(roots, 1e-6 * roots[-1])) @ vectors.T
    assert srmr_of(h1[0], implied[0]) == pytest.approx(expected["fit"]["srmr_within"], rel=ROUNDING)
    assert srmr_of(h1[1], raised) == pytest.approx(expected["fit"]["srmr_between"], rel=ROUNDING)


def test_srmr_needs_positive_variances():
    assert srmr_of(np.eye(2), np.diag([1.0, -0.1])) is None
    # One correlation of 0.3 left over, among three elements.
    assert srmr_of(np.array([[1.0, 0.3], [0.3, 1.0]]), np.eye(2)) == pytest.approx(0.3 / np.sqrt(3))


def test_between_slope_is_that_of_the_likelihood(teams):
    sample = two_level_statistics(teams[["y1", "y2", "y3"]].to_numpy(), teams["team"].to_numpy())
    between, mean = 0.8 * sample.start_between.cov, sample.start_between.mean + 0.1
    within = sample.within
    slope = between_slope(sample, within, between, mean)
    step = 1e-5
    for i in range(3):
        for j in range(3):
            E = np.zeros((3, 3))
            E[i, j] += 0.5 * step
            E[j, i] += 0.5 * step  # symmetric, so that the derivative is the mean of both elements
            up, down = (brute_force(teams, within, between + s * E, mean) for s in (1, -1))
            # Central differences of a sum near 6000 keep about seven digits.
            numeric = (up - down) / (2 * step * sample.n)
            assert 0.5 * (slope[i, j] + slope[j, i]) == pytest.approx(numeric, abs=1e-6)


def test_saturated_matrix_on_the_boundary_is_the_best(load_data, load_reference):
    """Sigma_b is singular, F does not fall along admissible changes, and is flat within its range."""
    expected = load_reference("two_level")["hostil5"]
    data = load_data("lq2002")
    result = fit_two_level(expected["model"], data, cluster="COMPID", kind="cfa")
    assert any(c.name == "between_boundary" for c in result.checks)
    within, between = result.saturated
    assert abs(np.linalg.eigvalsh(between)[0]) < ROUNDING
    items = [f"HOSTIL0{k}" for k in range(1, 6)]
    used = data.dropna(subset=[*items, "COMPID"])
    sample = two_level_statistics(used[items].to_numpy(), used["COMPID"].to_numpy())
    # The mean that is best at these matrices: generalised least squares of the cluster means.
    weights = [
        c * np.linalg.inv(between + within / s) for s, c in zip(sample.sizes, sample.counts, strict=True)
    ]
    mean = np.linalg.solve(sum(weights), sum(W @ m for W, m in zip(weights, sample.means, strict=True)))
    slope = between_slope(sample, within, between, mean)
    assert np.linalg.eigvalsh(slope)[0] > -1e-7
    assert np.linalg.eigvalsh(slope)[-1] > 1e-5  # so there is a direction that the boundary forbids
    assert np.abs(slope @ between).max() < 1e-7


def brute_force(sample_frame, within, between, mean):
    """-2 log L from the whole covariance matrix of each cluster."""
    total = 0.0
    for _, rows in sample_frame.groupby("team"):
        y = rows[["y1", "y2", "y3"]].to_numpy() - mean
        n = len(y)
        V = np.kron(np.eye(n), within) + np.kron(np.ones((n, n)), between)
        total += (
            np.linalg.slogdet(V)[1] + y.ravel() @ np.linalg.solve(V, y.ravel()) + y.size * np.log(2 * np.pi)
        )
    return total


def test_likelihood_is_that_of_whole_clusters(teams):
    result = fit_two_level(ONE, teams, cluster="team")
    mean = [p.estimate for p in result.parameters if p.op == "~1" and p.lhs.startswith("y") and p.level == 2]
    expected = brute_force(teams, *result.implied, np.array(mean))
    # The same number by another route.
    assert -2 * result.fit["logl"] == pytest.approx(expected, rel=1e-10)


def test_derivatives(teams):
    levels = two_level_model(ONE.replace("y2", "a*y2"), kind="cfa")
    sample = two_level_statistics(teams[["y1", "y2", "y3"]].to_numpy(), teams["team"].to_numpy())
    criterion = two_level_criterion(levels.within, levels.between, sample, levels.table.n_free)
    found = fit_two_level(ONE.replace("y2", "a*y2"), teams, cluster="team", kind="cfa")
    theta = found.fitted.theta * 1.05
    here = criterion(theta, "observed")
    step = 1e-5
    for k in range(len(theta)):
        ahead, behind = theta.copy(), theta.copy()
        ahead[k] += step
        behind[k] -= step
        up, down = (criterion(t, "observed") for t in (ahead, behind))
        # Central differences keep about nine digits.
        assert here.gradient[k] == pytest.approx((up.value - down.value) / (2 * step), abs=1e-7)
        slope = (up.gradient - down.gradient) / (4 * step)
        assert here.information[k] == pytest.approx(slope, abs=1e-6)


def test_labels_make_loadings_equal_across_levels(teams):
    free = fit_two_level(ONE, teams, cluster="team")
    equal = fit_two_level(ONE.replace("y2", "a*y2").replace("y3", "b*y3"), teams, cluster="team")
    found = {(p.name, p.level): p.estimate for p in equal.parameters}
    assert found["fw =~ y2", 1] == found["fb =~ y2", 2]
    assert equal.fit["df"] == free.fit["df"] + 2
    assert equal.fit["logl"] < free.fit["logl"]


def test_what_cannot_be_is_refused(teams):
    with pytest.raises(UsageError, match="one block"):
        fit_two_level("f =~ y1 + y2 + y3", teams, cluster="team")
    with pytest.raises(ModelError, match="8 clusters cannot bear"):
        fit_two_level(ONE, teams[teams["team"] < 8], cluster="team")
    with pytest.raises(NotSupportedError, match="several groups"):
        fit_two_level(ONE, teams, cluster="team", group="arm")


@pytest.mark.parametrize(("seed", "negative"), [(9, True), (18, True), (0, False)])
def test_a_model_outside_the_saturated_one_is_said(seed, negative):
    """Four items that share one between component alone: the free level 2 has negative variances."""
    rng = np.random.default_rng(seed)
    team = np.repeat(np.arange(60), 5)
    shared, between = rng.normal(size=(300, 1)), 0.25 * rng.normal(size=(60, 1))
    items = pd.DataFrame(shared + rng.normal(size=(300, 4)) + between[team], columns=list("abcd"))
    model = "level: 1\nf =~ a + b + c + d\nlevel: 2\ng =~ a + b + c + d"
    result = fit_two_level(model, items.assign(team=team), cluster="team")
    assert np.linalg.eigvalsh(result.implied[1])[0] < 0
    said = next(c.message for c in result.checks if c.name == "not_nested")
    assert ("left out" in said) == negative
    for name in ("chisq", "pvalue", "cfi", "tli", "rmsea"):
        assert (result.fit[name] is None) == negative
    assert (result.fit["unrestricted.logl"] < result.fit["logl"]) == negative
    assert result.fit["bic"] == pytest.approx(-2 * result.fit["logl"] + 20 * np.log(300), rel=1e-12)
