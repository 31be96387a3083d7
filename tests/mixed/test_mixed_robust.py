"""Cluster-robust standard errors and df: clubSandwich, brute force, collapses and properties."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from implstats import mixed
from implstats.cli.mixed import mixed as command
from implstats.errors import ModelError, NotSupportedError, UsageError
from implstats.mixed.design.build import build_design
from implstats.mixed.design.formula import read_formula
from implstats.mixed.design.standardise import standardise
from implstats.mixed.gaussian.boundary import find_optimum
from implstats.mixed.gaussian.fit import set_up
from implstats.mixed.inference.invariant import apply_random, invariant_basis
from implstats.mixed.inference.robust import Robust, cluster_scores, sandwich
from implstats.mixed.inference.robust_inference import robust_scores
from implstats.mixed.results import JSON_KEYS

FOLDER = Path(__file__).parents[1] / "reference" / "mixed"
KINDS = ("CR0", "CR1", "CR2", "CR3")
# Both fits end where the criterion is flat: theta, and what depends on it, is known to about seven digits.
CLUBSANDWICH = 1e-6
# The same formulas in other arithmetic; a root of a small matrix costs a few digits.
BRUTE = 1e-9
# The same model in another order or unit: only the last Newton step's rounding differs.
EXACT = 1e-7
ABOVE = "univbct_wave_dummies"  # clustered above the model's levels in R
Loader = Callable[[str], tuple[dict[str, Any], pd.DataFrame]]
Design = Callable[..., pd.DataFrame]
MODEL = "y ~ wave * arm + x + (1 + wave | inst) + (1 | person)"


def _names() -> list[str]:
    found = []
    for path in sorted(FOLDER.glob("*.json")):
        if "cluster_robust" in json.loads(path.read_text(encoding="utf-8"))["REML"]:
            found.append(path.stem)
    return found


def _numbers(effects: tuple[mixed.FixedEffect, ...]) -> np.ndarray:
    return np.array([[f.std_error, f.df] for f in effects], dtype=float)


def _at_optimum(
    frame: pd.DataFrame, formula: str, kind: str, *, clusters: np.ndarray | None = None, small: int = 40,
    reml: bool = True,
) -> tuple[Robust, float]:  # fmt: skip
    """Return the robust covariance of the coefficients in their own units, and the unit."""
    made = build_design(read_formula(formula), frame, weights=None)
    scaled = standardise(made)
    optimum = find_optimum(set_up(made, scaled, reml=reml)[1])
    assert optimum is not None
    at = optimum.search.at
    codes = [level.clusters.codes for level in made.levels]
    scores = robust_scores(
        scaled.Q, scaled.y - scaled.Q @ at.beta, Z=scaled.Z, codes=codes, G=at.G, M=at.C, kind=kind,
        clusters=codes[-1] if clusters is None else clusters, small=small,
    )  # fmt: skip
    return sandwich(scores, M=at.C, contrasts=scaled.M, kind=kind), scaled.scale


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [name for name in _names() if name != ABOVE])
def test_equal_to_clubsandwich(reference: Loader, name: str, kind: str) -> None:
    found, frame = reference(name)
    theirs = found["REML"]["cluster_robust"]
    result = mixed.fit(found["formula"], frame, robust=kind, few_clusters="fit")
    assert list(result.n_clusters)[-1] == theirs["cluster"]
    assert [f.term for f in result.fixed] == list(theirs[kind]["se"])
    assert {f.df_method for f in result.fixed} == {f"{kind} satterthwaite"}
    assert [f.std_error for f in result.fixed] == pytest.approx(
        list(theirs[kind]["se"].values()), rel=CLUBSANDWICH
    )
    assert [f.df for f in result.fixed] == pytest.approx(list(theirs[kind]["df"].values()), rel=CLUBSANDWICH)


def test_no_reference_is_lost() -> None:
    assert len(_names()) == 19


@pytest.mark.parametrize("kind", KINDS)
def test_clusters_above_the_model_equal_clubsandwich(reference: Loader, kind: str) -> None:
    # Persons' rows of one battalion are then taken together: several clusters of the top level in a block.
    found, frame = reference(ABOVE)
    theirs = found["REML"]["cluster_robust"]
    codes = np.unique(frame[theirs["cluster"]], return_inverse=True)[1]
    ours, unit = _at_optimum(frame, found["formula"], kind, clusters=codes)
    assert unit * np.sqrt(np.diag(ours.covariance)) == pytest.approx(
        list(theirs[kind]["se"].values()), rel=CLUBSANDWICH
    )
    assert ours.df == pytest.approx(list(theirs[kind]["df"].values()), rel=CLUBSANDWICH)


def _power(A: np.ndarray, power: float) -> np.ndarray:
    values, vectors = np.linalg.eigh(A)
    return (vectors * values**power) @ vectors.T


def _brute(frame: pd.DataFrame, result: mixed.MixedResult, kind: str) -> np.ndarray:
    """Return SE and df with every n x n matrix written out, (p, 2)."""
    made = build_design(read_formula(result.formula), frame, weights=None)
    V = result.residual_variance * np.eye(len(frame))
    for part in made.levels:
        G = np.zeros((len(part.names),) * 2)
        for r in result.random:
            if r.cluster == part.clusters.name:
                i, j = part.names.index(r.term), part.names.index(r.term2)
                G[i, j] = G[j, i] = r.covariance
        V += (part.clusters.codes[:, None] == part.clusters.codes) * (part.Z @ G @ part.Z.T)
    X, codes = made.X, made.levels[-1].clusters.codes
    W = np.linalg.inv(V)
    M = np.linalg.inv(X.T @ W @ X)
    rest = np.eye(len(frame)) - X @ M @ X.T @ W
    e = made.y - X @ np.array([f.estimate for f in result.fixed])
    meat, columns = np.zeros_like(M), []
    for j in np.unique(codes):
        rows = codes == j
        Vj, Wj, Xj = V[np.ix_(rows, rows)], W[np.ix_(rows, rows)], X[rows]
        A = np.eye(rows.sum())
        if kind == "CR2":
            root = _power(Vj, 0.5)
            A = root @ _power(root @ (Vj - Xj @ M @ Xj.T) @ root, -0.5) @ root
        if kind == "CR3":
            A = np.linalg.inv(rest[np.ix_(rows, rows)])
        F = Xj.T @ Wj @ A
        meat += np.outer(F @ e[rows], F @ e[rows])
        columns.append(rest[rows].T @ F.T @ M)
    factor = len(columns) / (len(columns) - 1) if kind == "CR1" else 1.0
    df = []
    for k in range(len(M)):
        g = np.column_stack([c[:, k] for c in columns])
        omega = g.T @ V @ g
        df.append(np.trace(omega) ** 2 / np.sum(omega**2))
    return np.column_stack([np.sqrt(factor * np.diag(M @ meat @ M)), df])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reml", [True, False])
def test_equal_to_brute_force(design: Design, kind: str, reml: bool) -> None:
    frame = design(9, institutions=7, sd_institution=0.5, sd_slope=0.2)
    result = mixed.fit(MODEL, frame, robust=kind, reml=reml)
    assert _numbers(result.fixed) == pytest.approx(_brute(frame, result, kind), rel=BRUTE)


def test_boundary_fit_is_served(reference: Loader) -> None:
    # With no variance between persons and institutions the working model is that of least squares.
    frame = reference("sim3_12inst_3level_intercepts")[1]
    rng = np.random.default_rng(3)
    flat = frame.assign(y=rng.permutation(frame["y"] - frame.groupby("inst")["y"].transform("mean")))
    result = mixed.fit("y ~ wave + x + (1 | inst)", flat, robust="CR2")
    assert result.boundary
    assert _numbers(result.fixed) == pytest.approx(_brute(flat, result, "CR2"), rel=BRUTE)


def test_one_row_a_cluster_is_hc0_hc2_hc3() -> None:
    rng = np.random.default_rng(4)
    X = np.column_stack([np.ones(30), rng.normal(size=30), rng.random(30)])
    e = rng.normal(size=30) * (1 + X[:, 1] ** 2)
    e -= X @ np.linalg.lstsq(X, e, rcond=None)[0]
    M = np.linalg.inv(X.T @ X)
    h = np.sum((X @ M) * X, axis=1)
    for kind, power in [("CR0", 0.0), ("CR2", 0.5), ("CR3", 1.0)]:
        scores = cluster_scores(X[:, None], np.ones((30, 1, 1)), e[:, None], M=M, kind=kind)
        found = sandwich(scores, M=M, contrasts=np.eye(3), kind=kind).covariance
        u = e / (1 - h) ** power
        assert found == pytest.approx(M @ (X.T * u**2) @ X @ M, rel=1e-12)


def test_a_balanced_mean_is_that_of_the_cluster_means() -> None:
    # Bell & McCaffrey: then CR2 is the variance of J means over J, with J - 1 degrees of freedom.
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(9), 6)
    frame = pd.DataFrame({"g": g, "y": rng.normal(size=54) + rng.normal(size=9)[g]})
    effect = mixed.fit("y ~ 1 + (1 | g)", frame, robust="CR2").fixed[0]
    means = frame.groupby("g")["y"].mean()
    assert effect.std_error == pytest.approx(means.std(ddof=1) / 3, rel=1e-10)
    assert effect.df == pytest.approx(8, rel=1e-10)


def test_cr2_is_unbiased_under_the_working_model_and_the_kinds_are_ordered(design: Design) -> None:
    frame = design(6, institutions=9, sd_institution=0.4)
    found = {kind: _at_optimum(frame, MODEL, kind)[0] for kind in KINDS}
    assert found["CR2"].share == pytest.approx(1.0, abs=1e-10)
    assert np.all(found["CR0"].share < 1.0)
    assert np.all(found["CR3"].share > 1.0)
    assert found["CR1"].covariance == pytest.approx(9 / 8 * found["CR0"].covariance, rel=1e-12)


@pytest.mark.parametrize("kind", ["CR0", "CR2", "CR3"])
@pytest.mark.parametrize(
    "formula",
    [
        MODEL,
        "y ~ wave * arm + x + (1 | inst)",
        "y ~ wave + x + (x || inst)",
        "y ~ wave + x + (1 | inst) + (wave | person)",
        "y ~ x + wave + (wave | inst) + (1 | team) + (1 + wave | person)",
    ],
)
def test_the_small_space_holds_everything(design: Design, formula: str, kind: str) -> None:
    frame = design(7, institutions=6, sd_institution=0.5, sd_slope=0.3)
    frame["team"] = frame["person"] % 2 + 2 * frame["inst"]
    whole = _at_optimum(frame, formula, kind, small=10**9)[0]
    compressed = _at_optimum(frame, formula, kind, small=0)[0]
    assert compressed.covariance == pytest.approx(whole.covariance, rel=1e-8, abs=1e-14)
    assert compressed.df == pytest.approx(whole.df, rel=1e-8)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), q=st.integers(1, 2))
def test_the_small_space_is_closed_and_small(seed: int, q: int) -> None:
    rng = np.random.default_rng(seed)
    person = np.sort(rng.integers(0, 60, size=180))
    person = np.unique(person, return_inverse=True)[1]
    wave = rng.integers(0, 2, size=180).astype(float)
    X = np.column_stack([np.ones(180), rng.normal(size=180), wave])
    Z = [np.column_stack([np.ones(180), wave])[:, :q], np.ones((180, 1))]
    codes = [person, np.zeros(180, dtype=int)]
    G = [np.cov(rng.normal(size=(q, 9))).reshape(q, q), np.full((1, 1), rng.random())]
    E = invariant_basis(X, Z=Z, codes=codes, most=180)
    assert E is not None
    image = apply_random(E, Z=Z, codes=codes, G=G)
    assert np.max(np.abs(E.T @ E - np.eye(E.shape[1]))) < 1e-12
    assert np.max(np.abs(image - E @ (E.T @ image))) < 1e-10 * np.linalg.norm(image, 2)
    assert np.max(np.abs(X - E @ (E.T @ X))) < 1e-11
    assert invariant_basis(X, Z=Z, codes=codes, most=E.shape[1] - 1) is None


def test_order_names_and_unit_do_not_matter(design: Design) -> None:
    frame = design(1, institutions=10, sd_institution=0.3, sd_slope=0.2)
    plain = _numbers(mixed.fit(MODEL, frame, robust="CR2").fixed)
    shuffled = frame.sample(frac=1, random_state=5)
    renamed = shuffled.assign(inst="i" + (97 - shuffled["inst"]).astype(str), person=shuffled["person"] * 1.5)
    other = _numbers(mixed.fit(MODEL, renamed.assign(y=renamed["y"] * 1e3), robust="CR2").fixed)
    assert other / [1e3, 1.0] == pytest.approx(plain, rel=EXACT)


def test_model_based_numbers_stay_reachable(design: Design) -> None:
    frame = design(2, institutions=10, sd_institution=0.3)
    plain, robust = mixed.fit(MODEL, frame), mixed.fit(MODEL, frame, robust="CR2")
    assert robust.model_based == plain.fixed == plain.model_based
    assert [f.estimate for f in robust.fixed] == [f.estimate for f in plain.fixed]
    assert robust.fixed != plain.fixed
    assert robust.covariance == pytest.approx(robust.covariance.T)
    assert tuple(robust.to_dict()) == JSON_KEYS
    effect = robust.fixed[1]
    assert effect.statistic == pytest.approx(effect.estimate / effect.std_error)
    assert effect.conf_low < effect.estimate < effect.conf_high


def _check(result: mixed.MixedResult, name: str) -> Any:
    return next(c for c in result.checks if c.name == name)


def test_few_clusters_and_few_df_are_told(design: Design) -> None:
    few = mixed.fit("y ~ arm + x + (1 | inst)", design(3, institutions=5, sd_institution=0.6), robust="CR2")
    check = _check(few, "cluster_robust")
    assert check.status == "warn"
    assert "fewer than 6" in check.message
    assert "below 4" in check.message
    assert few.verdict == "caution"
    many = mixed.fit("y ~ x + (1 | inst)", design(3, institutions=20, sd_institution=0.6), robust="CR2")
    assert _check(many, "cluster_robust").status == "ok"
    assert "CR2 standard errors, clustered by inst (20 clusters)" in _check(many, "df_method").message


def test_without_df_there_is_a_standard_error_only(design: Design) -> None:
    frame = design(2, institutions=10, sd_institution=0.3)
    effect = mixed.fit(MODEL, frame, robust="CR2", df="none").fixed[1]
    assert effect.std_error == mixed.fit(MODEL, frame, robust="CR2").fixed[1].std_error
    assert (effect.df, effect.p_value, effect.conf_low, effect.df_method) == (None, None, None, "none")


def test_a_coefficient_that_one_cluster_determines_has_no_standard_error(design: Design) -> None:
    frame = design(8, institutions=9, sd_institution=0.4)
    frame["pilot"] = (frame["inst"] == 4).astype(float)
    result = mixed.fit("y ~ wave + pilot + (1 | inst)", frame, robust="CR2")
    effect = result.fixed[2]
    assert effect.estimate is not None
    assert (effect.std_error, effect.df, effect.statistic, effect.p_value) == (None,) * 4
    assert result.fixed[1].std_error is not None
    assert "One cluster alone determines pilot," in _check(result, "cluster_robust").message
    assert mixed.fit("y ~ wave + pilot + (1 | inst)", frame).fixed[2].std_error is not None
    with pytest.raises(ModelError, match=r"1 cluster\(s\) of 'inst' alone"):
        mixed.fit("y ~ wave + pilot + (1 | inst)", frame, robust="CR3")


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"robust": "CR9"}, UsageError, "did you mean 'CR"),
        ({"robust": "cr2"}, UsageError, "did you mean 'CR2'"),
        ({"robust": "CR2", "df": "kenward-roger"}, UsageError, "Leave df at 'auto'"),
        ({"robust": "CR2", "weights": "x"}, NotSupportedError, "prior weights"),
    ],
)
def test_refused_with_a_reason(design: Design, options: dict, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        mixed.fit("y ~ x + (1 | inst)", design(1, institutions=8, sd_institution=0.4), **options)


def test_command_line(design: Design, tmp_path: Path) -> None:
    frame = design(1, institutions=8, sd_institution=0.4)
    path = tmp_path / "survey.csv"
    frame.to_csv(path, index=False)
    call = ["y ~ x + (1 | inst)", str(path), "--json", "--robust"]
    shown = json.loads(CliRunner().invoke(command, [*call, "CR2"], catch_exceptions=False).output)
    assert tuple(shown) == JSON_KEYS
    effect = mixed.fit("y ~ x + (1 | inst)", pd.read_csv(path), robust="CR2").fixed[1]
    assert shown["fixed"][1]["std_error"] == pytest.approx(effect.std_error, rel=1e-12)
    assert shown["fixed"][1]["df_method"] == "CR2 satterthwaite"
    with pytest.raises(UsageError, match="did you mean") as caught:
        CliRunner().invoke(command, [*call, "CR9"], catch_exceptions=False)
    assert caught.value.exit_code == 2
