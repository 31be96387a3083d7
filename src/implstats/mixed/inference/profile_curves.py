"""A profile as a curve over one parameter: where it starts, where it must end, and its value in between.

The parameter moves on a working scale: SDs and coefficients in units of the standardised outcome.
`profile_correlation` has the curve of a correlation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from implstats.mixed.design.build import Design
from implstats.mixed.design.standardise import Standardised
from implstats.mixed.gaussian.criterion import Evaluation, Problem
from implstats.mixed.gaussian.optimise import start
from implstats.mixed.inference.profile_criterion import (
    Held,
    Pieces,
    Point,
    chained,
    factor_entries,
    fixed_effect_sd,
    fixed_residual,
    free_residual,
    minimum,
    pieces,
)
from implstats.mixed.inference.reduced import without_effects

COLD = 0.7  # relative SDs of the second start


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The model whose criterion is profiled: ``at`` is its optimum by ML or REML."""

    design: Design
    scaled: Standardised
    problem: Problem
    at: Evaluation

    @property
    def constant(self) -> float:
        """What the criterion lacks in these coordinates."""
        return self.scaled.constant_reml if self.problem.reml else self.scaled.constant_ml


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The profile of one parameter.

    Attributes
    ----------
    centre : float
        Estimate, on the working scale.
    step : float
        Distance at which to look first.
    low, high : float
        Ends of the parameter space, perhaps infinite.
    end : callable
        Value of the criterion at a finite end, or None.
    point : callable
        Minimum at x, searched from phi.
    carry : callable
        phi for x made from phi at x_before.
    warm : ndarray
        phi at the centre.
    cold : callable
        Another start for x.
    own : callable
        From the working scale to the parameter's own unit.
    """

    centre: float
    step: float
    low: float
    high: float
    end: Callable[[float], float | None]
    point: Callable[[float, np.ndarray], Point | None]
    carry: Callable[[np.ndarray, float, float], np.ndarray]
    warm: np.ndarray
    cold: Callable[[float], np.ndarray]
    own: Callable[[float], float]


def _stay(phi: np.ndarray, before: float, x: float) -> np.ndarray:
    return phi


def _no_end(x: float) -> float | None:
    return None


def coefficient_curve(base: Base, k: int) -> Curve:
    """Return the profile of the k-th kept coefficient; ML only."""
    scaled, at, shape = base.scaled, base.at, base.problem.shape
    m = scaled.M[k]
    d = m / (m @ m)
    H = np.linalg.qr(m[:, None], mode="complete")[0][:, 1:]
    size = float(np.linalg.norm(m))
    shift = float(m @ scaled.shift)

    def point(x: float, phi: np.ndarray) -> Point | None:
        T = np.zeros((len(m) + 1, len(m)))
        T[:-1, :-1], T[:-1, -1], T[-1, -1] = H, -x * size * d, 1.0

        def criterion(theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray, float] | None:
            here = base.problem(theta)
            f = None if here is None else pieces(here, shape.pairs, reml=False, T=T)
            if f is None:
                return None
            held = free_residual(f, at.nu)
            slope = -2.0 * size * float(d @ f.Na[:-1]) * at.nu / f.r
            return chained(replace(held, by_parameter=slope), theta, shape.curvature)

        return minimum(criterion, phi)

    return Curve(
        centre=float(m @ at.beta) / size, step=float(np.sqrt(at.sigma2 * (m @ at.C @ m))) / size, low=-np.inf,
        high=np.inf, end=_no_end, point=point, carry=_stay, warm=at.theta,
        cold=lambda x: start(shape, COLD), own=lambda x: scaled.scale * x * size + shift,
    )  # fmt: skip


def residual_curve(base: Base) -> Curve:
    """Return the profile of the residual SD."""
    at, shape = base.at, base.problem.shape

    def point(x: float, phi: np.ndarray) -> Point | None:
        return minimum(_theta_criterion(base, lambda f, here: fixed_residual(f, at.nu, x)), phi)

    centre = float(np.sqrt(at.sigma2))
    return Curve(
        centre=centre, step=centre / np.sqrt(2.0 * at.nu), low=0.0, high=np.inf, end=_no_end, point=point,
        carry=lambda phi, before, x: phi * (before / x), warm=at.theta,
        cold=lambda x: start(shape, COLD), own=lambda x: base.scaled.scale * x,
    )  # fmt: skip


def _theta_criterion(
    base: Base, hold: Callable[[Pieces, Evaluation], Held]
) -> Callable[[np.ndarray], tuple[float, np.ndarray, np.ndarray, float] | None]:
    shape = base.problem.shape

    def criterion(theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray, float] | None:
        here = base.problem(theta)
        if here is None:
            return None
        f = pieces(here, shape.pairs, reml=base.problem.reml, T=None)
        return None if f is None else chained(hold(f, here), theta, shape.curvature)

    return criterion


def sd_curve(base: Base, level: int, effect: int) -> Curve:
    """Return the profile of the SD of one effect of a level."""
    at, scaled, shape = base.at, base.scaled, base.problem.shape
    B = scaled.B[level]
    rows, cols = shape.levels[level].entries
    h1 = np.zeros(shape.size)
    h1[shape.slices[level]] = B[effect, rows] * B[effect, cols] * np.where(rows == cols, 1.0, 2.0)
    # Where a boundary estimate leaves nothing to scale, a step is measured against the residual.
    centre = float(np.sqrt(max(at.sigma2 * float(h1 @ at.g), 0.0)))
    usual = float(np.sqrt(at.sigma2) * abs(B[effect, effect]))

    def point(x: float, phi: np.ndarray) -> Point | None:
        def hold(f: Pieces, here: Evaluation) -> Held:
            return fixed_effect_sd(f, at.nu, x, float(h1 @ here.g), h1)

        inner = _theta_criterion(base, hold)
        with np.errstate(divide="ignore", invalid="ignore"):
            return minimum(lambda theta: _finite(inner(theta)), phi)

    def carry(phi: np.ndarray, before: float, x: float) -> np.ndarray:
        matrices = [L @ L.T for L in shape.factors(phi)]
        own = B @ matrices[level] @ B.T
        h = float(own[effect, effect])
        s2 = before**2 / h if before > 0.0 and h > 0.0 else at.sigma2
        if h * s2 > 1e-8 * x**2:
            ratio = np.ones(len(own))
            ratio[effect] = x / np.sqrt(h * s2)
            own = own * np.outer(ratio, ratio)
        else:
            own[effect, :], own[:, effect] = 0.0, 0.0
            own[effect, effect] = x**2 / s2
        inverse = np.linalg.inv(B)
        matrices[level] = inverse @ own @ inverse.T
        return factor_entries(shape, matrices)

    return Curve(
        centre=centre, step=0.15 * centre if centre > 1e-3 * usual else 0.1 * usual, low=0.0, high=np.inf,
        end=lambda x: effect_removed(base, level, effect), point=point, carry=carry, warm=at.theta,
        cold=lambda x: carry(start(shape, COLD), 0.0, x), own=lambda x: scaled.scale * x,
    )  # fmt: skip


def _finite(
    found: tuple[float, np.ndarray, np.ndarray, float] | None,
) -> tuple[float, np.ndarray, np.ndarray, float] | None:
    return found if found is not None and np.isfinite(found[0]) and np.all(np.isfinite(found[2])) else None


def effect_removed(base: Base, level: int, effect: int) -> float:
    """Return the criterion without an effect, in the coordinates of the fit."""
    smaller = without_effects(base.design, base.scaled, level, {effect}, reml=base.problem.reml)
    return smaller.criterion - base.constant
