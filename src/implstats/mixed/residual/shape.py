"""All covariance parameters of a model with a residual structure, and how the optimiser moves in them.

    theta = [person's Lambda | residual theta | Lambda of each level above]
    g     = [person's G      | psi            | G of each level above]

Levels are eliminated from the lowest up, so the parameters of the person come first. The lowest level is the
person; it has no entries where the person has no random effects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from implstats.mixed.gaussian.covariance import CovarianceShape
from implstats.mixed.residual.structure import Structure


@dataclass(frozen=True, kw_only=True)
class ResidualShape(CovarianceShape):
    """Free entries of all levels and of the residual.

    >>> from implstats.mixed.gaussian.covariance import LevelShape
    >>> level = LevelShape(q=1, blocks=((0,),))
    >>> shape = ResidualShape(levels=(level, level), structure=Structure(kind="ar1", waves=(0, 1, 2)))
    >>> shape.slices, shape.residual
    ((slice(0, 1, None), slice(2, 3, None)), slice(1, 2, None))
    """

    structure: Structure

    @cached_property
    def residual(self) -> slice:
        """Where the residual's parameters lie in theta and g."""
        first = len(self.levels[0].entries[0])
        return slice(first, first + self.structure.size)

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """Where each level's entries lie in theta and g."""
        above = (len(level.entries[0]) for level in self.levels[1:])
        ends = np.cumsum([self.residual.stop, *above])
        return (slice(0, self.residual.start), *(slice(int(a), int(b)) for a, b in pairwise(ends)))

    @cached_property
    def size(self) -> int:
        """R, the number of parameters."""
        return max(self.slices[-1].stop, self.residual.stop)

    def jacobian(self, theta: np.ndarray) -> np.ndarray:
        """Return the derivative of g in theta, (R, R)."""
        out = self.curvature @ theta
        out[self.residual, self.residual] = self.structure.psi(theta[self.residual])[1]
        return out

    def pack(self, matrices: Sequence[np.ndarray]) -> np.ndarray:
        """Return each level's free entries, (R,), with zeros for the residual."""
        out = np.zeros(self.size)
        for matrix, level, where in zip(matrices, self.levels, self.slices, strict=True):
            out[where] = matrix[level.entries]
        return out
