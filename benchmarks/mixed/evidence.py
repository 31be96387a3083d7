"""Evidence that the reduction is additive: halves of the rows, reduced apart and added, give the same fit."""

from __future__ import annotations

from typing import Any

import numpy as np
from grid import MODELS, make

from implstats.mixed.design.build import build_design
from implstats.mixed.design.formula import read_formula
from implstats.mixed.design.standardise import standardise
from implstats.mixed.gaussian.boundary import find_optimum
from implstats.mixed.gaussian.criterion import Problem
from implstats.mixed.gaussian.fit import set_up
from implstats.mixed.gaussian.pool import pool
from implstats.mixed.gaussian.reduce import ClusterSums, reduce_rows

ROWS, INSTITUTIONS = 50_000, 100


def halves_agree() -> dict[str, Any]:
    """Return, for each model, how far the fit of the added halves is from the fit of all rows.

    Rows go to the halves at random, so every cluster is cut; coefficients are in standard errors.
    """
    frame = make(ROWS, INSTITUTIONS)
    half = np.random.default_rng(1).random(ROWS) < 0.5
    return {name: _difference(formula, frame, half) for name, formula in MODELS.items()}


def _difference(formula: str, frame: Any, half: np.ndarray) -> dict[str, float]:
    design = build_design(read_formula(formula), frame, weights=None)
    scaled = standardise(design)
    levels = [level.clusters for level in design.levels]

    def part(rows: np.ndarray) -> ClusterSums:
        return reduce_rows(
            [z[rows] for z in scaled.Z], scaled.Q[rows], scaled.y[rows],
            codes=[c.codes[rows] for c in levels], sizes=[c.size for c in levels],
        )  # fmt: skip

    _, whole = set_up(design, scaled, reml=True)
    moments = pool(part(half) + part(~half), ancestors=design.parents)
    one, two = find_optimum(whole), find_optimum(Problem(moments=moments, shape=whole.shape, reml=True))
    if one is None or two is None:
        raise SystemExit(f"{formula} has no optimum.")
    a, b = one.search.at, two.search.at
    errors = np.sqrt(a.sigma2 * np.diag(a.C))
    return {
        "criterion": abs(a.value - b.value) / abs(a.value),
        "coefficients": float(np.max(np.abs(a.beta - b.beta) / errors)),
        "variances": float(np.max(np.abs(a.g - b.g)) / np.max(np.abs(a.g))),
    }
