"""What the clusters of a design can bear: refusals and cautions, each a sentence with the alternative.

- Robust standard errors need clusters that are independent of each other: one level that holds all others.
"""

from __future__ import annotations

from implstats.errors import NotSupportedError
from implstats.mixed.design.build import Design
from implstats.mixed.design.clusters import nested


def require_independent_top(design: Design, robust: str) -> None:
    """Refuse cluster-robust standard errors where no level holds all others.

    Raises
    ------
    NotSupportedError
    """
    top = design.levels[-1].clusters
    outside = [level.clusters.name for level in design.levels[:-1] if not nested(level.clusters, top)]
    if outside:
        raise NotSupportedError(
            f"robust '{robust}' needs clusters that are independent of each other, and {', '.join(outside)} "
            f"and {top.name} are crossed, so no level is. Leave out robust: Kenward-Roger "
            "(df='kenward-roger') trusts the model and serves here; or enter one of the crossed factors as "
            "fixed categories, factor(...)."
        )
