"""What to beware of in the reliabilities of a two-level model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from implstats.results import Check
from implstats.sem.after.multilevel_omega import Composite, LevelPart, Places
from implstats.sem.data.sample import named_list

# Loadings whose ratio over levels varies by less are equal up to the factors' units.
SAME_RATIO = 1e-6
SAID = {
    "loadings": "Loadings differ between the levels of {}: the sum does not measure one construct at both, "
    "so omega_two_level mixes two. Test equal loadings by giving them one label at both levels.",
    "signs": "Items of {} load in both directions, so their plain sum cancels the factor. Reverse the items "
    "that are worded the other way, then fit again.",
    "other_factors": "Items of {} measure other factors of the level too: omega counts this factor alone "
    "(hierarchical omega).",
    "beyond": "No share between 0 and 1: {}. The solution is improper there.",
    "alpha_errors": "No standard errors of alphas and irr of {}: the saturated matrix between clusters lies "
    "on its boundary, an item varies at one level alone, or answers are missing.",
}


def composite_checks(
    found: list[Composite], within: LevelPart, between: LevelPart, *, beyond: list[str], blank: list[str]
) -> list[Check]:
    """Return one check for each thing to beware of, naming the constructs; one that all is well without."""
    concerned = {
        "loadings": [c.construct for c in found if not _same_loadings(c, within, between)],
        "signs": [c.construct for c in found if _at_any_level(_both_signs, c, within, between)],
        "other_factors": [c.construct for c in found if _at_any_level(_others_too, c, within, between)],
        "beyond": beyond,
        "alpha_errors": blank,
    }
    checks = [
        Check(
            name=name, status="info" if name == "other_factors" else "warn",
            message=SAID[name].format(named_list(list(dict.fromkeys(who)))),
        )
        for name, who in concerned.items()
        if who
    ]  # fmt: skip
    return checks or [Check(name="composites", status="ok", message="Sums and constructs fit each other.")]


def _at_any_level(
    test: Callable[[LevelPart, Places, int], bool],
    composite: Composite,
    within: LevelPart,
    between: LevelPart,
) -> bool:
    levels = (
        (within, composite.within, composite.factor_within),
        (between, composite.between, composite.factor_between),
    )
    return any(test(part, places, factor) for part, places, factor in levels if factor is not None)


def _both_signs(part: LevelPart, places: Places, factor: int) -> bool:
    own = part.effects[places, factor]
    return bool((own > 0).any() and (own < 0).any())


def _others_too(part: LevelPart, places: Places, factor: int) -> bool:
    """Whether items have loadings on another factor; those of a factor of factors always have."""
    others = part.direct & (np.arange(len(part.direct)) != factor)
    return bool(part.effects[np.ix_(places, others)].any())


def _same_loadings(composite: Composite, within: LevelPart, between: LevelPart) -> bool:
    if composite.factor_within is None or composite.factor_between is None:
        return True
    inner = within.effects[composite.within, composite.factor_within]
    outer = between.effects[composite.between, composite.factor_between]
    return bool(np.ptp(inner / outer) < SAME_RATIO * np.abs(inner / outer).max())
