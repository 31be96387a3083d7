"""What must hold for any data: invariances, collapses, additivity, and no better optimum elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from implstats import mixed
from implstats.mixed.design.build import build_design
from implstats.mixed.design.formula import read_formula
from implstats.mixed.design.standardise import standardise
from implstats.mixed.gaussian.boundary import find_optimum
from implstats.mixed.gaussian.criterion import Problem
from implstats.mixed.gaussian.fit import set_up
from implstats.mixed.gaussian.optimise import minimise, start
from implstats.mixed.gaussian.pool import pool
from implstats.mixed.gaussian.reduce import reduce_rows

MODEL = "y ~ wave * arm + x + (1 | inst) + (1 | person)"
EXACT = 1e-7  # the same model in another order or unit: only the last Newton step's rounding differs
Design = Callable[..., pd.DataFrame]


def _numbers(result: mixed.MixedResult) -> np.ndarray:
    return np.array([[f.estimate, f.std_error, f.df] for f in result.fixed], dtype=float)


def _problem(frame: pd.DataFrame, formula: str, *, reml: bool) -> Problem:
    made = build_design(read_formula(formula), frame, weights=None)
    return set_up(made, standardise(made), reml=reml)[1]


def test_row_order_does_not_matter(design: Design) -> None:
    frame = design(1, institutions=10, sd_institution=0.3)
    a, b = mixed.fit(MODEL, frame), mixed.fit(MODEL, frame.sample(frac=1, random_state=5))
    assert _numbers(b) == pytest.approx(_numbers(a), rel=EXACT)
    assert b.criterion == pytest.approx(a.criterion, abs=1e-9)


def test_cluster_names_do_not_matter(design: Design) -> None:
    frame = design(2, institutions=10, sd_institution=0.3)
    renamed = frame.assign(inst="i" + (97 - frame["inst"]).astype(str), person=frame["person"] * 1.5)
    assert _numbers(mixed.fit(MODEL, renamed)) == pytest.approx(_numbers(mixed.fit(MODEL, frame)), rel=EXACT)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(factor=st.floats(1e-4, 1e4), shift=st.floats(-1e3, 1e3))
def test_outcome_unit_scales_everything(design: Design, factor: float, shift: float) -> None:
    frame = design(3, institutions=9, sd_institution=0.3)
    a = mixed.fit(MODEL, frame)
    b = mixed.fit(MODEL, frame.assign(y=frame["y"] * factor + shift))
    assert [f.std_error for f in b.fixed] == pytest.approx([f.std_error * factor for f in a.fixed], rel=1e-6)
    assert b.fixed[1].estimate == pytest.approx(a.fixed[1].estimate * factor, rel=1e-6)
    assert b.residual_variance == pytest.approx(a.residual_variance * factor**2, rel=1e-6)


@pytest.mark.parametrize(("scale", "origin"), [(1e-3, 0.0), (1e3, 5e4), (1.0, 2015.0)])
def test_predictor_unit_and_origin(design: Design, scale: float, origin: float) -> None:
    frame = design(4, institutions=12, sd_institution=0.3, sd_slope=0.2)
    moved = frame.assign(wave=frame["wave"] * scale + origin)
    formula = "y ~ wave + x + (wave | inst) + (1 | person)"
    a, b = mixed.fit(formula, frame), mixed.fit(formula, moved)
    assert b.fixed[1].estimate * scale == pytest.approx(a.fixed[1].estimate, rel=1e-6)
    assert b.fixed[1].df == pytest.approx(a.fixed[1].df, rel=1e-6)
    slope = [next(r for r in fit.random if r.term == r.term2 == "wave") for fit in (a, b)]
    assert slope[1].sd * scale == pytest.approx(slope[0].sd, rel=1e-5)
    assert b.log_likelihood == pytest.approx(
        a.log_likelihood - np.log(scale), abs=1e-6
    )  # REML counts X's unit


@pytest.mark.parametrize("reml", [True, False])
def test_zero_variance_is_least_squares(reml: bool) -> None:
    # Every cluster has the same mean of y and x, so the between-cluster variance is zero for certain.
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(8), 6)
    x, e = rng.normal(size=48), rng.normal(size=48)
    frame = pd.DataFrame({"g": g, "x": x, "e": e})
    frame[["x", "e"]] -= frame.groupby("g")[["x", "e"]].transform("mean")
    frame["y"] = 2 + 0.5 * frame["x"] + frame["e"]
    result = mixed.fit("y ~ x + (1 | g)", frame, reml=reml, df="none")
    X = np.column_stack([np.ones(48), frame["x"]])
    beta, rss = np.linalg.lstsq(X, frame["y"], rcond=None)[:2]
    s2 = rss[0] / (46 if reml else 48)
    assert result.boundary
    assert result.verdict == "caution"
    assert result.random[0].covariance == 0.0
    assert [f.estimate for f in result.fixed] == pytest.approx(beta, abs=1e-12)
    assert [f.std_error for f in result.fixed] == pytest.approx(
        np.sqrt(s2 * np.diag(np.linalg.inv(X.T @ X))), rel=1e-12
    )
    message = next(c.message for c in result.checks if c.name == "boundary")
    assert "between-g variance is estimated as zero" in message


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_kenward_roger_is_exact_in_balanced_designs(spread: float) -> None:
    # The exact F tests: J - 2 for a cluster-level predictor, n - J - 1 for one that is balanced within.
    rng = np.random.default_rng(6)
    J, m = 10, 6
    g = np.repeat(np.arange(J), m)
    frame = pd.DataFrame({"g": g, "z": (g % 2) * 1.0, "x": np.tile(np.arange(m) % 2, J) * 1.0})
    frame["y"] = spread * rng.normal(size=J)[g] + rng.normal(size=J * m)
    result = mixed.fit("y ~ z + x + (1 | g)", frame, df="kenward-roger")
    assert [f.df for f in result.fixed][1:] == pytest.approx([J - 2, J * m - J - 1], rel=1e-9)


def test_halves_reduced_apart_add_up(design: Design) -> None:
    frame = design(7, institutions=10, sd_institution=0.3)
    made = build_design(read_formula("y ~ wave + x + (wave | inst) + (1 | person)"), frame, weights=None)
    scaled = standardise(made)
    levels = [level.clusters for level in made.levels]
    half = np.random.default_rng(1).random(len(frame)) < 0.5

    def part(rows: np.ndarray):
        return reduce_rows(
            [z[rows] for z in scaled.Z], scaled.Q[rows], scaled.y[rows],
            codes=[c.codes[rows] for c in levels], sizes=[c.size for c in levels],
        )  # fmt: skip

    _, whole = set_up(made, scaled, reml=True)
    added = Problem(
        moments=pool(part(half) + part(~half), ancestors=made.parents), shape=whole.shape, reml=True
    )
    one, two = find_optimum(whole), find_optimum(added)
    assert two.search.at.value == pytest.approx(one.search.at.value, rel=1e-12)
    assert two.search.at.beta == pytest.approx(one.search.at.beta, abs=1e-10)
    assert two.search.at.G[0] == pytest.approx(one.search.at.G[0], rel=1e-7)


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ wave + x + (wave | inst) + (wave | person)",
        "y ~ x + (wave || inst) + (1 | person)",
        "y ~ x + (1 | inst)",
    ],
)
@pytest.mark.parametrize("reml", [True, False])
def test_derivatives_equal_differences(design: Design, formula: str, reml: bool) -> None:
    problem = _problem(design(8, institutions=7, sd_institution=0.4, sd_slope=0.2), formula, reml=reml)
    theta = start(problem.shape, 0.6) + 0.05 * np.arange(problem.shape.size)
    at, h = problem(theta), 1e-5
    steps = h * np.eye(len(theta))
    gradient = [(problem(theta + d).value - problem(theta - d).value) / (2 * h) for d in steps]
    hessian = [(problem(theta + d).gradient - problem(theta - d).gradient) / (2 * h) for d in steps]
    assert at.gradient == pytest.approx(np.array(gradient), rel=1e-5, abs=1e-5)
    assert at.hessian == pytest.approx(np.array(hessian), rel=1e-6, abs=1e-5)


def test_criterion_equals_brute_force(design: Design) -> None:
    frame = design(9, institutions=4, sd_institution=0.5)
    formula = "y ~ wave + x + (1 + wave | inst) + (1 | person)"
    result = mixed.fit(formula, frame, few_clusters="fit")
    made = build_design(read_formula(formula), frame, weights=None)
    V = result.residual_variance * np.eye(len(frame))
    for part in made.levels:
        own = [r for r in result.random if r.cluster == part.clusters.name]
        G = np.zeros((len(part.names),) * 2)
        for r in own:
            i, j = part.names.index(r.term), part.names.index(r.term2)
            G[i, j] = G[j, i] = r.covariance
        V += (part.clusters.codes[:, None] == part.clusters.codes) * (part.Z @ G @ part.Z.T)
    W = np.linalg.solve(V, np.column_stack([made.X, made.y]))
    XVX = made.X.T @ W[:, :-1]
    beta = np.linalg.solve(XVX, made.X.T @ W[:, -1])
    residual = made.y - made.X @ beta
    brute = (
        np.linalg.slogdet(V)[1] + np.linalg.slogdet(XVX)[1] + residual @ np.linalg.solve(V, residual)
        + (len(frame) - made.X.shape[1]) * np.log(2 * np.pi)
    )  # fmt: skip
    assert result.criterion == pytest.approx(brute, abs=1e-8)
    assert [f.estimate for f in result.fixed] == pytest.approx(beta, abs=1e-9)
    for part in made.levels:
        modes = result.conditional_modes[part.clusters.name]
        own = [r for r in result.random if r.cluster == part.clusters.name]
        G = np.array(
            [
                [next(r.covariance for r in own if {r.term, r.term2} == {a, b}) for b in part.names]
                for a in part.names
            ]
        )
        first = part.clusters.codes == 0
        expected = G @ part.Z[first].T @ np.linalg.solve(V, residual)[first]
        assert modes.iloc[0, 1:].to_numpy(dtype=float) == pytest.approx(expected, abs=1e-8)


def _worst_excess(design: Design, seeds: range) -> tuple[float, int]:
    """Return how far our criterion is above the best of several starts, and how many fits were singular."""
    worst, singular = 0.0, 0
    for seed in seeds:
        rng = np.random.default_rng(seed)
        zero = seed % 2 == 0
        frame = design(
            seed, institutions=int(rng.integers(3, 21)), sd_institution=0.0 if zero else 0.4,
            sd_slope=0.0 if zero else 0.2,
        )  # fmt: skip
        formula = ["y ~ wave + x + (1 | inst) + (1 | person)", "y ~ wave + (wave | inst) + (1 | person)"][
            seed // 2 % 2
        ]
        problem = _problem(frame, formula, reml=seed % 3 > 0)
        ours = find_optimum(problem)
        assert ours is not None
        assert ours.verified
        singular += bool(ours.boundary)
        for size in (0.02, 0.4, 1.5, 6.0):
            other = minimise(problem, start(problem.shape, size))
            worst = max(worst, 0.0 if other is None else ours.search.at.value - other.at.value)
    return worst, singular


def test_no_start_finds_a_better_optimum(design: Design) -> None:
    worst, singular = _worst_excess(design, range(200))
    assert worst < 1e-6
    assert singular > 40


@pytest.mark.slow
def test_no_start_finds_a_better_optimum_in_two_thousand_designs(design: Design) -> None:
    assert _worst_excess(design, range(1000, 3000))[0] < 1e-6


def test_a_variance_estimated_as_zero_is_exactly_zero() -> None:
    # Newton's steps end at 1e-16 to 1e-70; such a number in a table means nothing.
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"g": np.repeat(np.arange(12), 9), "p": np.repeat(np.arange(36), 3)})
    frame["t"] = np.arange(len(frame)) % 3
    seen = 0
    for _ in range(30):
        frame["y"] = rng.normal(size=len(frame))
        fit = mixed.fit("y ~ t + (1 | g) + (1 | p)", frame, df="none")
        variances = [row.covariance for row in fit.random]
        seen += fit.boundary
        assert all(value == 0.0 or value > 1e-8 for value in variances), variances
        assert fit.boundary == (min(variances) == 0.0)
    assert seen > 10


def test_no_correlation_is_made_of_variances_that_are_zero() -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"p": np.repeat(np.arange(36), 4)})
    frame["t"] = np.arange(len(frame)) % 4
    seen = 0
    for _ in range(40):
        noise = rng.normal(size=(36, 4))
        frame["y"] = (noise - noise.mean(axis=1, keepdims=True) * rng.uniform(0.5, 1.0)).ravel()
        fit = mixed.fit("y ~ t + (1 + t | p)", frame, df="none")
        intercept, covariance, slope = fit.random
        if max(intercept.covariance, slope.covariance) < 1e-8:
            seen += 1
            found = (intercept.covariance, covariance.covariance, slope.covariance, covariance.corr)
            assert found == (0.0, 0.0, 0.0, None)
    assert seen > 3
