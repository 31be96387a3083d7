"""Exploratory factors: optimum, rotation, number of factors, against psych, stats and GPArotation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from implstats.errors import DataError, ModelError, ProblemsError, UsageError
from implstats.sem import explore, number_of_factors
from implstats.sem.exploratory.extraction import BOUND, _minres, _ml, extract
from implstats.sem.exploratory.retain import one_factor
from implstats.sem.exploratory.rotation import rotate

REFERENCE = Path(__file__).parents[1] / "reference" / "sem"
DATA = {"efa_hs9": "hs1939", "efa_bfi25": "bfi_complete25"}
# psych stops its optimiser at 1e-5 of a uniqueness; loadings and rotations inherit it.
PSYCH = 3e-5
CRITERIA = {"ml": _ml, "minres": _minres}


def reference(name):
    return json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8"))


def data(name):
    return pd.read_csv(REFERENCE / "data" / f"{DATA.get(name, name)}.csv.gz")


def matched(ours, theirs):
    """Return our columns in the order and with the signs of theirs."""
    order = [int(np.argmax(np.abs(ours.T @ column))) for column in theirs.T]
    assert sorted(order) == list(range(theirs.shape[1]))
    sign = np.sign(np.sum(ours[:, order] * theirs, axis=0))
    return ours[:, order] * sign


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("method", ["ml", "minres"])
def test_factors_are_at_an_optimum_no_worse_than_psych_s(name, method):
    expected = reference(name)
    R = np.corrcoef(data(name)[expected["items"]].to_numpy(float).T)
    found = extract(R, expected["nfactors"], method=method)
    theirs = np.array(expected["fits"][f"{method}_none"]["uniquenesses"])
    assert found.converged
    np.testing.assert_allclose(found.uniqueness, theirs, atol=PSYCH)
    ours, at_theirs = (
        CRITERIA[method](psi, R, expected["nfactors"])[0] for psi in (found.uniqueness, theirs)
    )
    assert ours <= at_theirs + 1e-14


@pytest.mark.parametrize("method", CRITERIA)
def test_the_gradient_is_that_of_differences(method):
    R = np.corrcoef(data("efa_hs9")[[f"x{i}" for i in range(1, 10)]].to_numpy(float).T)
    psi, step = np.linspace(0.3, 0.8, 9), 1e-6
    gradient = CRITERIA[method](psi, R, 3)[1]
    for i in range(9):
        up, down = psi.copy(), psi.copy()
        up[i] += step
        down[i] -= step
        slope = (CRITERIA[method](up, R, 3)[0] - CRITERIA[method](down, R, 3)[0]) / (2 * step)
        assert gradient[i] == pytest.approx(slope, abs=1e-8)


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("method", ["ml", "minres"])
def test_oblimin_loadings_and_tests_of_fit(name, method):
    expected = reference(name)
    theirs = expected["fits"][f"{method}_oblimin"]
    found = explore(data(name), expected["items"], n_factors=expected["nfactors"], method=method)
    np.testing.assert_allclose(
        matched(found.loadings, np.array(theirs["loadings"])), theirs["loadings"], atol=PSYCH
    )
    assert found.df == theirs["dof"]
    # ML ends on one optimum; the chi-square of minres moves with psych's stopping rule.
    tolerance = 1e-9 if method == "ml" else 1e-6
    for ours, key in (
        (found.chisq, "chisq"),
        (found.tli, "tli"),
        (found.rmsea, "rmsea"),
        (found.p_value, "pvalue"),
    ):
        assert ours == pytest.approx(theirs[key], rel=100 * tolerance, abs=tolerance)
    assert found.rms_residual == pytest.approx(theirs["rms"], abs=1e-7)


@pytest.mark.parametrize("rotation", ["varimax", "promax", "oblimin", "geomin"])
def test_rotations_at_their_optimum(rotation):
    expected = reference("rotation")[rotation]
    theirs = np.array(expected if rotation == "varimax" else expected["loadings"])
    found = rotate(np.array(reference("rotation_input")), rotation)
    assert found.converged
    np.testing.assert_allclose(matched(found.loadings, theirs), theirs, atol=2e-8)  # GPArotation's last steps


@pytest.mark.parametrize("rotation", ["varimax", "promax", "oblimin", "geomin"])
def test_a_rotation_keeps_what_the_factors_reproduce(rotation):
    L = np.array(reference("rotation_input"))
    found = rotate(L, rotation)
    np.testing.assert_allclose(found.loadings @ found.phi @ found.loadings.T, L @ L.T, atol=1e-10)
    np.testing.assert_allclose(np.diag(found.phi), 1.0, atol=1e-12)


def test_retention_of_25_items():
    expected, parallel = reference("efa_bfi25"), reference("parallel_bfi25")
    found = number_of_factors(data("efa_bfi25"), expected["items"], draws=100)
    assert (found.n_factors, found.n_components) == (parallel["nfact"], parallel["ncomp"])
    np.testing.assert_allclose(found.factors, parallel["fa_values"], atol=1e-6)  # psych's minres
    np.testing.assert_allclose(found.components, parallel["pc_values"], atol=1e-12)
    # Both are random thresholds; psych takes 95th percentiles over other draws.
    np.testing.assert_allclose(found.chance_factors, parallel["fa_sim"], atol=0.05)
    np.testing.assert_allclose(found.map[1:9], expected["map"], atol=1e-12)
    assert found.kmo == pytest.approx(expected["kmo"]["MSA"], abs=1e-12)
    np.testing.assert_allclose(found.kmo_items, list(expected["kmo"]["MSAi"].values()), atol=1e-12)
    assert found.bartlett == pytest.approx(expected["bartlett"]["chisq"], rel=1e-12)


def test_uncorrelated_items_have_no_factor():
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(rng.normal(size=(500, 6)), columns=list("abcdef"))
    found = number_of_factors(frame, list("abcdef"), draws=200)
    assert found.n_factors == 0
    assert found.n_map == 0
    assert found.bartlett_p > 0.01


def test_one_factor_loadings_of_many_matrices_are_those_of_the_single_fit():
    R = np.corrcoef(data("efa_hs9")[["x1", "x2", "x3", "x4"]].to_numpy(float).T)
    single = extract(R, 1, method="minres").loadings[:, 0]
    both = one_factor(np.stack([R, R]))
    np.testing.assert_allclose(np.abs(both), np.abs([single, single]), atol=1e-7)


def test_factors_that_made_the_items_are_recovered_from_cut_answers():
    rng = np.random.default_rng(8)
    f = rng.normal(size=(4000, 2))
    true = np.array([[0.8, 0], [0.7, 0], [0.6, 0], [0, 0.8], [0, 0.7], [0, 0.6]])
    values = f @ true.T + rng.normal(size=(4000, 6)) * np.sqrt(1 - np.sum(true**2, axis=1))
    frame = pd.DataFrame(np.digitize(values, [-1.2, 0.9]), columns=list("abcdef"))
    found = explore(frame, list("abcdef"), n_factors=2, correlation="polychoric")
    np.testing.assert_allclose(matched(found.loadings, true), true, atol=0.06)  # three standard errors
    assert found.chisq is None
    pearson = explore(frame, list("abcdef"), n_factors=2)
    assert np.abs(pearson.loadings).max() < np.abs(found.loadings).max()  # cut answers attenuate


def test_the_names_and_order_of_items_change_nothing():
    items = [f"x{i}" for i in range(1, 10)]
    frame = data("efa_hs9")
    one = explore(frame, items, n_factors=3).frame
    two = explore(frame, items[::-1], n_factors=3).frame.loc[items]
    np.testing.assert_allclose(
        matched(two.to_numpy()[:, :3], one.to_numpy()[:, :3]), one.iloc[:, :3], atol=1e-6
    )


def test_a_heywood_case_is_a_caution_with_its_name():
    R = np.array([[1, 0.9, 0.9, 0.2], [0.9, 1, 0.7, 0.1], [0.9, 0.7, 1, 0.1], [0.2, 0.1, 0.1, 1]])
    root = np.linalg.cholesky(R)
    draws = np.random.default_rng(1).normal(size=(300, 4))
    white = np.linalg.solve(np.linalg.cholesky(np.cov(draws.T)), (draws - draws.mean(axis=0)).T).T
    found = explore(pd.DataFrame(white @ root.T, columns=list("abcd")), list("abcd"), n_factors=1)
    assert found.verdict == "caution"
    assert any(c.name == "heywood" and "of a rests on its bound" in c.message for c in found.checks)
    assert found.uniqueness[0] == pytest.approx(BOUND)


def test_what_cannot_be_used_is_said_with_names():
    frame = data("efa_hs9")
    with pytest.raises(ProblemsError, match="'x77' is not a column"):
        explore(frame, ["x1", "x2", "x77"], n_factors=1)
    with pytest.raises(ModelError, match="3 items can bear 1 to 1 factors"):
        explore(frame, ["x1", "x2", "x3"], n_factors=2)
    with pytest.raises(UsageError, match="rotation is one of"):
        explore(frame, ["x1", "x2", "x3"], n_factors=1, rotation="oblimim")
    with pytest.raises(DataError, match="not positive definite"):
        explore(frame.assign(x10=frame.x1 + frame.x2), ["x1", "x2", "x3", "x10"], n_factors=1)
