"""Where a profile reaches a given height: Newton's method on the signed root of the deviance, safeguarded.

    z(x) = sqrt(D(x) - D(centre)),     wanted: z = sqrt(cut)

z is nearly linear in x, so that a few steps suffice; a bracket keeps them safe. At the point found the search
is repeated from another start: a lower minimum there moves the bound outward.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from implstats.mixed.inference.profile_curves import Curve

HEIGHT = 1e-8  # deviance units by which the height reached may differ from the one wanted
LOWER = 1e-6  # deviance units by which another start, or the profile, must be lower to count
GROWTH = 4.0
FARTHEST = 1e6  # in first steps: beyond it there is no bound
LIMIT = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A bound on the working scale, or why there is none; ``at_end``: the parameter space ends there."""

    x: float | None
    at_end: bool
    reason: str


def find_bound(curve: Curve, *, base: float, cut: float, direction: int) -> Bound:
    """Return where the profile is ``cut`` above ``base`` on one side of the estimate.

    Parameters
    ----------
    curve : Curve
    base : float
        Criterion at the estimate.
    cut : float
        Quantile of chi2(1).
    direction : {-1, 1}
    """
    end = curve.low if direction < 0 else curve.high
    if curve.centre == end:
        return Bound(x=end, at_end=True, reason="")
    height = curve.end(end) if np.isfinite(end) else None
    if height is not None and height - base <= cut:
        return Bound(x=end, at_end=True, reason="")
    return _Search(curve, base, cut, direction, end).run()


class _Search:
    """The state of one search: the bracket, and the last point with its phi."""

    def __init__(self, curve: Curve, base: float, cut: float, direction: int, end: float) -> None:
        self.curve, self.base, self.target, self.direction = curve, base, float(np.sqrt(cut)), direction
        self.limit = abs(end - curve.centre)
        self.near, self.far = 0.0, self.limit  # distances from the centre
        self.seen, self.phi = 0.0, curve.warm
        self.cut = cut

    def run(self) -> Bound:
        distance = min(self.curve.step * self.target, 0.5 * self.far)
        checked = False
        for _ in range(LIMIT):
            found = self._look(distance)
            if found is None:
                return Bound(x=None, at_end=False, reason="the criterion could not be minimised on the way")
            value, slope = found
            if value - self.base < -LOWER:
                return Bound(
                    x=None, at_end=False, reason="the profile falls below the estimate's criterion, so the "
                    "estimate is not the optimum",
                )  # fmt: skip
            if abs(value - self.base - self.cut) < HEIGHT:
                if checked or not self._lower_elsewhere(distance, value):
                    return Bound(x=self._x(distance), at_end=False, reason="")
                checked = True
                self.far = self.limit
                continue
            distance = self._next(distance, float(np.sqrt(max(value - self.base, 0.0))), slope)
            if distance > FARTHEST * self.curve.step:
                return Bound(
                    x=None, at_end=False, reason="the data set no bound: the profile stays below the limit"
                )
            if np.isfinite(self.far) and self.far - self.near <= 1e-14 * self.far:
                return Bound(x=None, at_end=False, reason="the profile jumps over the limit")
        return Bound(x=None, at_end=False, reason="the limit was not reached")

    def _x(self, distance: float) -> float:
        return self.curve.centre + self.direction * distance

    def _look(self, distance: float) -> tuple[float, float] | None:
        """Return the profile and its slope at a distance."""
        x = self._x(distance)
        point = self.curve.point(x, self.curve.carry(self.phi, self._x(self.seen), x))
        if point is None:
            point = self.curve.point(x, self.curve.cold(x))
        if point is None:
            return None
        self.seen, self.phi = distance, point.phi
        return point.value, self.direction * point.by_parameter

    def _lower_elsewhere(self, distance: float, value: float) -> bool:
        x = self._x(distance)
        other = self.curve.point(x, self.curve.cold(x))
        if other is None or other.value > value - LOWER:
            return False
        self.seen, self.phi = distance, other.phi
        return True

    def _next(self, distance: float, z: float, slope: float) -> float:
        if z < self.target:
            self.near = distance
        else:
            self.far = distance
        ahead = np.inf if slope <= 0.0 or z <= 0.0 else distance + (self.target - z) * 2.0 * z / slope
        ahead = min(ahead, GROWTH * distance)
        if self.near < ahead < self.far:
            return float(ahead)
        if np.isfinite(self.far):
            return 0.5 * (self.near + self.far)
        return GROWTH * distance
