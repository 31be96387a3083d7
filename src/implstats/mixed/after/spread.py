"""The conditional variances of a fit's random effects: along paths where levels are nested, else jointly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from implstats.mixed.after.joint import Joint, joint, joint_moments
from implstats.mixed.after.linear import plain_residuals
from implstats.mixed.after.paths import Paths, paths
from implstats.mixed.fitted import Fitted

Spread = Paths | Joint


def is_nested(model: Fitted) -> bool:
    """Return whether each level lies within the next."""
    levels = [level.clusters for level in model.design.levels]
    return all(
        np.array_equal(upper.codes[lower.first][lower.codes], upper.codes)
        for lower, upper in pairwise(levels)
    )


def spread_at(model: Fitted) -> Callable[[Sequence[np.ndarray]], Spread]:
    """Return the function that gives the conditional variances at any covariances G_l, lowest level first.

    Raises
    ------
    NotSupportedError
        A residual structure, or crossed levels of too many effects.
    """
    plain_residuals(model, "A standard deviation of a random effect or of a conditional prediction")
    if is_nested(model):
        return lambda G: paths(model.sums, model.design.parents, G)
    moments = joint_moments(model)
    return lambda G: joint(moments, G)
