"""Error variances of predictions that involve random effects, and Satterthwaite's df of them.

For a row with design x and z:

    v / s2 = z_K'J z_K + (x - D'z_K)'C (x - D'z_K)     K: levels in use at which the cluster is known
             + sum over levels in use with a new cluster of z'G z
             + (new row) sum over levels not in use of z'G z + 1 / w
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from implstats.mixed.after.joint import Joint
from implstats.mixed.after.linear import fitted_model
from implstats.mixed.after.new_rows import NewRows
from implstats.mixed.after.paths import Paths, prediction_error
from implstats.mixed.after.spread import Spread, spread_at
from implstats.mixed.after.uncertainty import variance_parameters
from implstats.mixed.fitted import Fitted
from implstats.mixed.results import MixedResult

TOGETHER = 20_000  # rows taken at once
STEP = 1e-4  # of the difference quotient, relative to 1 + |g|: its error is the square of this


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is predicted: the levels in ``random`` by number, and a ``new_row`` or the mean."""

    random: tuple[int, ...]
    new_row: bool


def error_and_df(result: MixedResult, rows: NewRows, target: Target) -> tuple[np.ndarray, np.ndarray]:
    """Return standard errors and df of the predictions, (n,) each."""
    model = fitted_model(result)
    at, spread, scale = model.optimum.search.at, spread_at(model), model.scaled.scale
    x = rows.X @ model.scaled.M
    z = [Z @ B for Z, B in zip(rows.Z, model.scaled.B, strict=True)]

    def error(G: Sequence[np.ndarray]) -> np.ndarray:
        return relative_error(spread(G), G, x, z, rows, target)

    here = error(at.G)
    std_error = scale * np.sqrt(np.maximum(at.sigma2 * here, 0.0))
    W = variance_parameters(result)
    if W is None:
        return std_error, np.full(len(x), np.nan)
    # In (gamma, s2), gamma = s2 g: v = s2 f(gamma / s2).
    change = np.empty((len(x), len(at.g) + 1))
    for r, g in enumerate(at.g):
        step = STEP * (1.0 + abs(float(g)))
        ends = [error(_moved(model, r, sign * step)) for sign in (-1.0, 1.0)]
        change[:, r] = (ends[1] - ends[0]) / (2.0 * step)
    change[:, -1] = here - change[:, :-1] @ at.g
    spread_of_v = np.einsum("ir,rs,is->i", change, W, change)
    return std_error, 2.0 * (at.sigma2 * here) ** 2 / spread_of_v


def _moved(model: Fitted, r: int, step: float) -> list[np.ndarray]:
    """Return the covariances with entry r of g moved by a step."""
    shape = model.problem.shape
    return [
        G + step * level.basis[r - where.start] if where.start <= r < where.stop else G
        for G, level, where in zip(model.optimum.search.at.G, shape.levels, shape.slices, strict=True)
    ]


def relative_error(
    spread: Spread, G: Sequence[np.ndarray], x: np.ndarray, z: Sequence[np.ndarray], rows: NewRows,
    target: Target,
) -> np.ndarray:  # fmt: skip
    """Return v / s2 of each row, (n,); x and z are in the coordinates of the fit."""
    out = np.empty(len(x))
    for start in range(0, len(x), TOGETHER):
        part = slice(start, start + TOGETHER)
        codes = [code[part] for code in rows.codes]
        masked = [
            np.where(code[:, None] >= 0, own[part], 0.0) * (k in target.random)
            for k, (own, code) in enumerate(zip(z, codes, strict=True))
        ]
        known = _of_joint if isinstance(spread, Joint) else _of_paths
        out[part] = known(spread, x[part], masked, codes)  # type: ignore[arg-type]
    for level, (own, g) in enumerate(zip(z, G, strict=True)):
        prior = np.einsum("iq,qr,ir->i", own, g, own)
        fresh = (rows.codes[level] < 0) if level in target.random else np.full(len(x), target.new_row)
        out += np.where(fresh, prior, 0.0)
    return out + (1.0 / rows.weights if target.new_row else 0.0)


def _of_paths(
    along: Paths, x: np.ndarray, z: Sequence[np.ndarray], codes: Sequence[np.ndarray]
) -> np.ndarray:
    """Return the part of v / s2 from coefficients and known clusters; z is zero where it does not count."""
    out = np.empty(len(x))
    lowest = np.full(len(x), len(z))
    for level in reversed(range(len(z))):
        lowest[codes[level] >= 0] = level
    none = lowest == len(z)
    out[none] = np.einsum("ip,pq,iq->i", x[none], along.C, x[none])
    for level in range(len(z)):
        mine = lowest == level
        if mine.any():
            code = codes[level][mine]
            path = np.concatenate([own[mine] for own in z[level:]], axis=1)
            out[mine] = prediction_error(x[mine], path, along.J[level][code], along.D[level][code], along.C)
    return out


def _of_joint(
    all_effects: Joint, x: np.ndarray, z: Sequence[np.ndarray], codes: Sequence[np.ndarray]
) -> np.ndarray:
    """Return the same for crossed levels."""
    at = np.concatenate([all_effects.places(k, np.maximum(code, 0)) for k, code in enumerate(codes)], axis=1)
    K, D = all_effects.K[at[:, :, None], at[:, None, :]], all_effects.D[at]
    return prediction_error(x, np.concatenate(list(z), axis=1), K, D, all_effects.C)
