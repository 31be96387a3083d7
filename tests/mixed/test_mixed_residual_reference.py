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
        rows, cols = structure.triangle.levels[0].entries
        entries = np.where(rows == cols, np.log(np.where(rows == cols, L[rows, cols], 1.0)), L[rows, cols])
        theta[shape.residual] = entries[1:]
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
