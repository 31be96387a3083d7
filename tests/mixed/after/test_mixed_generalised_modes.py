"""Standard deviations of the random effects of generalised models against glmer and clmm."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from implstats import mixed

REFERENCE = Path(__file__).parents[2] / "reference" / "mixed"
FOUND = json.loads((REFERENCE / "generalised" / "after.json").read_text(encoding="utf-8"))
R = 1e-4  # glmer and clmm stop their searches near the optimum


def _data(name: str) -> pd.DataFrame:
    return pd.read_csv(REFERENCE / "data" / f"{name}.csv")


@pytest.mark.parametrize("name", ["cbpp", "wine"])
def test_modes_equal_r(name: str) -> None:
    if name == "cbpp":
        formula, cluster, family = "cbind(incidence, fail) ~ factor(period) + (1 | herd)", "herd", "binomial"
    else:
        formula, cluster, family = "rating ~ temp + contact + (1 | judge)", "judge", "ordinal"
    ours = mixed.conditional_modes(mixed.fit(formula, _data(name), family=family))[cluster]
    assert ours.values[:, 0] == pytest.approx(FOUND[name]["mode"], rel=R, abs=R)
    assert ours.variance_given_beta[:, 0, 0] == pytest.approx(FOUND[name]["post_var"], rel=R)
    assert np.isnan(ours.sd).all()
    half = (ours.frame["conf_high"] - ours.frame["mode"]).to_numpy()
    assert half == pytest.approx(1.959963984540054 * ours.sd_given_beta[:, 0], rel=1e-12)


def test_three_levels_by_brute_force() -> None:
    """The whole Hessian of all effects, in their own units, inverted at once."""
    frame = _data("sim_glmm_12inst").query("person % 8 == 0")
    result = mixed.fit("yc ~ x + (wave | inst/person)", frame, family="poisson")
    modes = mixed.conditional_modes(result)
    mu = mixed.predict(result, scale="response").values
    design = result.generalised.design  # type: ignore[union-attr]
    columns, prior = [], []
    for level in design.levels:
        size, q = level.clusters.size, len(level.names)
        Z = np.zeros((len(mu), size, q))
        Z[np.arange(len(mu)), level.clusters.codes] = level.Z
        columns.append(Z.reshape(len(mu), -1))
        G = np.zeros((q, q))
        for r in (r for r in result.random if r.cluster == level.clusters.name):
            i, j = level.names.index(r.term), level.names.index(r.term2)
            G[i, j] = G[j, i] = r.covariance
        prior.append(np.kron(np.eye(size), G))
    Z = np.hstack(columns)
    G = np.zeros((Z.shape[1], Z.shape[1]))
    start = 0
    for block in prior:
        G[start : start + len(block), start : start + len(block)] = block
        start += len(block)
    # G may be singular: (G^-1 + Z'WZ)^-1 = (I + G Z'WZ)^-1 G.
    whole = np.linalg.solve(np.eye(len(G)) + G @ (Z.T * mu) @ Z, G)
    start = 0
    for level in design.levels:
        given = modes[level.clusters.name].variance_given_beta
        n, q = given.shape[:2]
        own = np.array([whole[start + i * q : start + (i + 1) * q, start + i * q : start + (i + 1) * q]
                        for i in range(n)])  # fmt: skip
        assert given == pytest.approx(own, rel=1e-6, abs=1e-9)
        start += n * q
