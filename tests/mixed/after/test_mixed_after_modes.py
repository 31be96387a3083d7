"""Conditional modes: lme4's conditional variances, and Henderson's full equations by brute force."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from implstats import mixed
from implstats.errors import ModelError

NAMES = ["waves_by_arm", "polynomial_slope", "growth_ml", "sleep_weights", "crossed"]
# In SDs of the effect; theta is known to the root of the criterion's 1e-8 or so.
MODE_IN_SD = 1e-6
VARIANCE_RELATIVE = 1e-6
POLYNOMIAL = 5e-6  # R's optimum of the slope model is flat: its own theta moves by this between optimisers
BRUTE = 1e-8  # the same arithmetic by other means, at our optimum


@pytest.mark.parametrize("name", NAMES)
def test_modes_and_their_variances_equal_lme4(name: str, after: Callable, fitted: Callable) -> None:
    theirs, _ = after(name)
    ours = mixed.conditional_modes(fitted(name))
    limit = POLYNOMIAL if name == "polynomial_slope" else VARIANCE_RELATIVE
    assert set(ours) == set(theirs["modes"])
    for cluster, found in theirs["modes"].items():
        level = ours[cluster]
        ids = [str(i) for i in next(iter(level.ids.values()))]
        at = [ids.index(i) for i in found["level"]]
        q = len(level.terms)
        variance = np.array(found["var"]).reshape(-1, q, q)
        sd = np.sqrt(np.diagonal(variance, axis1=1, axis2=2))
        assert np.max(np.abs(level.values[at] - np.array(found["values"]).reshape(-1, q)) / sd) < MODE_IN_SD
        scale = sd[:, :, None] * sd[:, None, :]
        assert np.max(np.abs(level.variance_given_beta[at] - variance) / scale) < limit


def henderson(result: mixed.MixedResult) -> tuple[np.ndarray, int, list[slice], np.ndarray]:
    """Return s2 times the inverse of the mixed model equations, p, each level's place, and [X, Z]."""
    model = result.model
    assert model is not None
    design, scaled, at = model.design, model.scaled, model.optimum.search.at
    X = design.X[:, list(scaled.kept)]
    w = np.ones(len(X)) if design.weights is None else design.weights
    blocks, G, places, start = [X], [np.zeros((X.shape[1],) * 2)], [], X.shape[1]
    for level, g, B in zip(design.levels, at.G, scaled.B, strict=True):
        q, size = len(level.names), level.clusters.size
        Z = np.zeros((len(X), size * q))
        for k in range(q):
            Z[np.arange(len(X)), level.clusters.codes * q + k] = level.Z[:, k]
        blocks.append(Z)
        G.append(np.kron(np.eye(size), np.linalg.inv(B @ g @ B.T)))
        places.append(slice(start, start + size * q))
        start += size * q
    W = np.column_stack(blocks)
    H = W.T @ (w[:, None] * W)
    at_row = 0
    for block in G:
        H[at_row : at_row + len(block), at_row : at_row + len(block)] += block
        at_row += len(block)
    s2 = at.sigma2 * scaled.scale**2
    return s2 * np.linalg.inv(H), X.shape[1], places, W


@pytest.mark.parametrize("name", ["waves_by_arm", "polynomial_slope", "sleep_weights", "crossed"])
def test_prediction_error_equals_hendersons_equations(name: str, fitted: Callable) -> None:
    result = fitted(name)
    inverse, p, places, _ = henderson(result)
    given_beta = inverse[p:, p:] - inverse[p:, :p] @ np.linalg.solve(inverse[:p, :p], inverse[:p, p:])
    for level, place in zip(mixed.conditional_modes(result).values(), places, strict=True):
        q = len(level.terms)
        for c in range(len(level.values)):
            own = slice(place.start + c * q, place.start + (c + 1) * q)
            less = slice(own.start - p, own.stop - p)
            size = np.sqrt(np.outer(np.diag(level.variance[c]), np.diag(level.variance[c])))
            assert np.max(np.abs(level.variance[c] - inverse[own, own]) / size) < BRUTE
            assert np.max(np.abs(level.variance_given_beta[c] - given_beta[less, less]) / size) < BRUTE


@pytest.mark.parametrize("name", ["waves_by_arm", "polynomial_slope", "sleep_weights"])
def test_all_effects_together_give_what_the_paths_give(name: str, fitted: Callable) -> None:
    from implstats.mixed.after.joint import joint, joint_moments
    from implstats.mixed.after.paths import paths

    model = fitted(name).model
    G = model.optimum.search.at.G
    along, together = paths(model.sums, model.design.parents, G), joint(joint_moments(model), G)
    assert pytest.approx(together.C, abs=BRUTE) == along.C
    for level in range(len(G)):
        for one, other in zip(along.own(level), together.own(level), strict=True):
            assert one == pytest.approx(other, abs=BRUTE)


def test_a_level_without_variance_has_modes_and_deviations_of_zero() -> None:
    # Clusters that are more alike than chance: the variance is zero.
    rng = np.random.default_rng(3)
    y = np.tile(np.array([-1.0, 0.0, 1.0]), 10) + 0.01 * rng.normal(size=30)
    result = mixed.fit("y ~ 1 + (1 | g)", pd.DataFrame({"y": y, "g": np.repeat(np.arange(10), 3)}))
    found = mixed.conditional_modes(result)["g"]
    assert result.boundary
    assert np.all(found.values == 0.0)
    assert np.all(found.sd == 0.0)


def test_intervals_hold_their_mode_and_few_clusters_are_warned_about(fitted: Callable) -> None:
    found = mixed.conditional_modes(fitted("waves_by_arm"), ci_level=0.9)
    frame = found["inst"].frame
    assert list(frame.columns) == ["inst", "term", "mode", "sd", "sd_given_beta", "conf_low", "conf_high"]
    assert ((frame["conf_low"] < frame["mode"]) & (frame["mode"] < frame["conf_high"])).all()
    assert ((frame["conf_high"] - frame["mode"]) / frame["sd"]).to_numpy() == pytest.approx(
        1.6448536269514722
    )
    assert found["inst"].checks[0].status == "warn"
    assert found["person"].checks[0].status == "info"


def test_a_failed_fit_has_no_modes(fitted: Callable) -> None:
    from dataclasses import replace

    broken: Any = replace(fitted("waves_by_arm"), verdict="failed", reason="No optimum.")
    with pytest.raises(ModelError, match="nothing follows from it"):
        mixed.conditional_modes(broken)
