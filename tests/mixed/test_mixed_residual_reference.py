"""Agreement with nlme's lme and gls: AR(1), a variance for each wave, both, unstructured; REML and ML."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from implstats import mixed

FOLDER = Path(__file__).parents[1] / "reference" / "mixed" / "residual"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
CRITERION = 1e-8
# nlme stops up to 3e-7 above the optimum, so its coefficients lie up to the root of that (times the change of
# the coefficients with the variances, which is small) away.
NLME_STOPS = 3e-7
BETA_IN_SE = 3e-5
SE_RELATIVE = 2e-5
AT_ITS_PARAMETERS = 1e-9  # no optimiser in between: two ways through double precision
# nlme's Hessian is a difference quotient, rough where a variance is hardly identified (three waves): its
# intervals are compared where they are stable. The exact ones are checked by brute force elsewhere.
INTERVAL = 3e-3
STABLE = (
    "gls_univbct_ar1",
    "nlme_sim_hetero_ar1_varIdent",
    "nlme_sim_hetero_2level_ar1",
    "nlme_sim_hetero_varIdent",
)


CASES = [(name, method) for name in NAMES for method in ("REML", "ML")]
STRUCTURED = [case for case in CASES if case[0] != "nlme_sim3_3level"]


def _load(name: str) -> tuple[dict[str, Any], pd.DataFrame]:
    found = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found, pd.read_csv(FOLDER.parent / found["data"])


def _fit(name: str, method: str) -> tuple[mixed.MixedResult, dict[str, Any]]:
    found, frame = _load(name)
    result = mixed.fit(found["formula"], frame, residual=found["residual"], reml=method == "REML", df="none")
    return result, found[method]


@pytest.mark.parametrize(("name", "method"), CASES)
def test_estimates_equal_nlme(name: str, method: str) -> None:
    ours, theirs = _fit(name, method)
    assert ours.verdict != "failed"
    assert ours.n_obs == theirs["n_obs"]
    difference = ours.criterion + 2.0 * theirs["logLik"]
    assert -NLME_STOPS < difference < CRITERION
    assert ours.aic == pytest.approx(theirs["AIC"], abs=1e-6)
    se = np.array(list(theirs["se"].values()))
    if method == "ML":
        n, p = ours.n_obs, len(se)
        se = se * np.sqrt((n - p) / n)  # undo nlme's adjustSigma
    beta = np.array([f.estimate for f in ours.fixed])
    assert np.max(np.abs(beta - list(theirs["fixef"].values())) / se) < BETA_IN_SE
    assert np.max(np.abs([f.std_error for f in ours.fixed] / se - 1.0)) < SE_RELATIVE


def _parameters(theirs: dict[str, Any], problem: Any, design: Any, scaled: Any) -> np.ndarray:
    """Return theta at nlme's parameters, in the coordinates of our fit."""
    shape = problem.shape
    structure = shape.structure
    ratios = theirs.get("varIdent_sd_ratio") or {}
    sd = theirs["sigma"] * np.array([ratios.get(str(w), 1.0) for w in structure.waves])
    theta = np.zeros(shape.size)
    if structure.kind == "un":
        ordered = np.eye(len(sd))
        upper = [(b, a) for a in range(3) for b in range(a + 1, 3)]
        for value, (b, a) in zip(theirs["cor_coef"], upper, strict=True):
            ordered[a, b] = ordered[b, a] = value
        place = np.argsort(np.argsort(structure.waves))
        C = ordered[np.ix_(place, place)]
        L = np.linalg.cholesky(C * np.outer(sd, sd)) / sd[0]
        theta[shape.residual] = (L - np.eye(len(sd)))[structure.triangle.levels[0].entries][1:]
    else:
        own = [] if structure.kind == "ar1" else list(np.log(sd[1:] / sd[0]))
        own += [] if structure.kind == "ident" else [np.arctanh(theirs["cor_coef"][0])]
        theta[shape.residual] = own
    blocks = theirs.get("random_cov") or {}
    for part, B, where, level in zip(design.levels, scaled.B, shape.slices, shape.levels, strict=True):
        if part.names:
            group = part.clusters.name.split(":")[0]
            G = np.array(blocks[group]["values"]) / sd[0] ** 2
            inner = np.linalg.inv(B)
            theta[where] = np.linalg.cholesky(inner @ G @ inner.T)[level.entries]
    return theta


@pytest.mark.parametrize(("name", "method"), STRUCTURED)
def test_criterion_at_nlmes_parameters_is_nlmes(name: str, method: str) -> None:
    """Where our criterion is the lower one, nlme stopped early: at its own parameters both agree."""
    ours, theirs = _fit(name, method)
    model = ours.model
    assert model is not None
    theta = _parameters(theirs, model.problem, model.design, model.scaled)
    at = model.problem(theta)
    constant = model.scaled.constant_reml if method == "REML" else model.scaled.constant_ml
    assert at.value + constant == pytest.approx(-2.0 * theirs["logLik"], abs=AT_ITS_PARAMETERS)
    assert ours.criterion <= at.value + constant + AT_ITS_PARAMETERS


@pytest.mark.parametrize(("name", "method"), STRUCTURED)
def test_structure_and_intervals_equal_nlme(name: str, method: str) -> None:
    ours, theirs = _fit(name, method)
    own = ours.residual
    assert own is not None
    ratios = theirs.get("varIdent_sd_ratio") or {}
    sd = [theirs["sigma"] * ratios.get(w, 1.0) for w in own.waves]
    assert own.sd == pytest.approx(sd, rel=2e-4)
    if own.kind == "un":
        lower = [own.correlation[a, b] for b in range(3) for a in range(b + 1, 3)]
        assert lower == pytest.approx(theirs["cor_coef"], abs=2e-5)
    elif own.rho is not None:
        assert own.rho == pytest.approx(theirs["cor_coef"][0], abs=2e-5)
    intervals = theirs["intervals"]
    if name in STABLE:
        low, _, high = (intervals["sigma"][k] for k in ("lower", "est.", "upper"))
        assert own.sd_low[0] == pytest.approx(low, rel=INTERVAL)
        assert own.sd_high[0] == pytest.approx(high, rel=INTERVAL)
    if name in STABLE and own.rho is not None:
        (row,) = intervals["corStruct"]["values"]
        assert [own.rho_low, own.rho_high] == pytest.approx([row[0], row[2]], abs=INTERVAL)


def _gradient(model: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return coefficients, standard errors and gradient in theta from the n x n matrix V, complex steps."""
    problem, scaled, design = model.problem, model.scaled, model.design
    at, shape = model.optimum.search.at, problem.shape
    waves = np.argsort(shape.structure.waves)

    def whole(g: np.ndarray) -> np.ndarray:
        R = np.zeros((len(waves),) * 2, dtype=complex)
        psi, kind = g[shape.residual], shape.structure.kind
        far = shape.structure.distance
        if kind == "un":
            rows, cols = np.triu_indices(len(waves))
            R[rows, cols] = R[cols, rows] = np.append(1.0, psi)
        elif kind == "ident":
            R[np.diag_indices(len(waves))] = np.append(1.0, psi)
        else:
            sd = np.append(1.0, psi[:-1]) if kind == "ar1ident" else np.ones(len(waves), dtype=complex)
            R = np.outer(sd, sd) * psi[-1] ** far
        here = np.searchsorted(np.sort(shape.structure.waves), model.frame[model.residual.wave].to_numpy())
        V = R[np.ix_(waves[here], waves[here])]
        person = design.levels[0].clusters.codes
        V = V * (person[:, None] == person[None, :])
        for level, Z, where in zip(design.levels, scaled.Z, shape.slices, strict=True):
            q = Z.shape[1]
            if q:
                G = np.zeros((q, q), dtype=complex)
                rows, cols = np.tril_indices(q)
                order = np.lexsort((rows, cols))
                G[rows[order], cols[order]] = g[where]
                G[cols[order], rows[order]] = g[where]
                same = level.clusters.codes[:, None] == level.clusters.codes[None, :]
                V = V + same * (Z @ G @ Z.T)
        return V

    W = np.linalg.inv(whole(at.g.astype(complex)).real)
    Q, y = scaled.Q, scaled.y
    C = np.linalg.inv(Q.T @ W @ Q)
    beta = C @ Q.T @ W @ y
    P = W - W @ Q @ C @ Q.T @ W
    Py = P @ y
    s2 = y @ Py / at.nu
    slope = []
    for k in range(len(at.g)):
        moved = at.g.astype(complex)
        moved[k] += 1e-30j
        D = whole(moved).imag / 1e-30
        slope.append(np.sum((P if problem.reml else W) * D) - Py @ D @ Py / s2)
    errors = np.sqrt(np.diag(scaled.M @ (s2 * C) @ scaled.M.T)) * scaled.scale
    return scaled.M @ (scaled.scale * beta + scaled.shift), errors, np.array(slope) @ shape.jacobian(at.theta)


@pytest.mark.parametrize(
    "name", ["gls_univbct_mmrm_unstructured", "nlme_sim_hetero_ar1_varIdent", "nlme_univbct_slope_varIdent"]
)
def test_ours_is_the_optimum_by_brute_force(name: str) -> None:
    """The gradient of the criterion with the 1,300 x 1,300 matrix V is zero at our estimates."""
    ours, _ = _fit(name, "REML")
    estimates, errors, gradient = _gradient(ours.model)
    assert np.max(np.abs(np.array([f.estimate for f in ours.fixed]) - estimates) / errors) < 1e-6
    assert [f.std_error for f in ours.fixed] == pytest.approx(errors, rel=1e-8)
    assert np.max(np.abs(gradient)) < 1e-6  # deviance units for a change of a logarithm by one
