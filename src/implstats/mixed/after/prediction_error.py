"""Error variances of predictions that involve random effects, and Satterthwaite's df of them.

For a row with design x, z (levels lowest first), whose lowest cluster known to the fit is at level l:

    v / s2 = z_K'J z_K + (x - D'z_K)'C (x - D'z_K)     K: levels in use at which the cluster is known
             + sum over levels in use with a new cluster of z'G z
             + (new row) sum over levels not in use of z'G z + 1 / w
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from implstats.mixed.after.linear import fitted_model
from implstats.mixed.after.new_rows import NewRows
from implstats.mixed.after.paths import Paths, paths, paths_of, prediction_error
from implstats.mixed.after.uncertainty import variance_parameters
from implstats.mixed.fitted import Fitted
from implstats.mixed.results import MixedResult

STEP = 1e-4  # of the difference quotient, relative to 1 + |g|: its error is the square of this


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is predicted: the levels in ``random`` by number, and a ``new_row`` or the mean."""

    random: tuple[int, ...]
    new_row: bool


def error_and_df(result: MixedResult, rows: NewRows, target: Target) -> tuple[np.ndarray, np.ndarray]:
    """Return standard errors and df of the predictions, (n,) each."""
    model = fitted_model(result)
    at, scale = model.optimum.search.at, model.scaled.scale
    x = rows.X @ model.scaled.M
    z = [Z @ B for Z, B in zip(rows.Z, model.scaled.B, strict=True)]
    here = relative_error(paths_of(model), at.G, x, z, rows, target)
    std_error = scale * np.sqrt(np.maximum(at.sigma2 * here, 0.0))
    W = variance_parameters(result)
    if W is None:
        return std_error, np.full(len(x), np.nan)
    change = np.empty((len(x), len(at.g) + 1))
    for r in range(len(at.g)):
        step = STEP * (1.0 + abs(float(at.g[r])))
        ends = [
            relative_error(_moved(model, r, sign * step), _matrices(model, r, sign * step), x, z, rows,
                           target)
            for sign in (-1.0, 1.0)
        ]  # fmt: skip
        # In (gamma, s2), gamma = s2 g: v = s2 f(gamma / s2).
        change[:, r] = (ends[1] - ends[0]) / (2.0 * step)
    change[:, -1] = here - change[:, :-1] @ at.g
    v = at.sigma2 * here
    spread = np.einsum("ir,rs,is->i", change, W, change)
    return std_error, 2.0 * v**2 / spread


def _matrices(model: Fitted, r: int, step: float) -> list[np.ndarray]:
    shape = model.problem.shape
    out = []
    for G, level, where in zip(model.optimum.search.at.G, shape.levels, shape.slices, strict=True):
        moved = G + step * level.basis[r - where.start] if where.start <= r < where.stop else G
        out.append(moved)
    return out


def _moved(model: Fitted, r: int, step: float) -> Paths:
    return paths(model.sums, model.design.parents, _matrices(model, r, step))


def relative_error(
    along: Paths, G: list[np.ndarray], x: np.ndarray, z: list[np.ndarray], rows: NewRows, target: Target
) -> np.ndarray:
    """Return v / s2 of each row, (n,); x and z are in the coordinates of the fit."""
    levels = range(len(z))
    out = np.zeros(len(x))
    lowest = np.full(len(x), len(z))
    for level in reversed(levels):
        lowest[rows.codes[level] >= 0] = level
    none = lowest == len(z)
    out[none] = np.einsum("ip,pq,iq->i", x[none], along.C, x[none])
    for level in levels:
        mine = lowest == level
        if mine.any():
            code = rows.codes[level][mine]
            path = [z[k][mine] * (k in target.random) for k in range(level, len(z))]
            out[mine] += prediction_error(
                x[mine], np.concatenate(path, axis=1), along.J[level][code], along.D[level][code], along.C
            )
        own = np.einsum("iq,qr,ir->i", z[level], G[level], z[level])
        fresh = (lowest > level) if level in target.random else np.full(len(x), target.new_row)
        out += np.where(fresh, own, 0.0)
    return out + (1.0 / rows.weights if target.new_row else 0.0)
