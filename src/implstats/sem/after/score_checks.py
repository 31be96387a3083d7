"""How well scores determine factors, and what to beware of in factor scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from implstats.results import Check
from implstats.sem.fitted import Estimated

# Below this correlation of score and factor, ranks of persons are loose (Grice 2001).
LOOSE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Determinacy:
    """How well complete answers determine one factor in one group.

    Attributes
    ----------
    group, factor : str
    correlation : float or None
        Of score and factor; ``None`` where the score does not exist. Of ordered items simulated.
    reliability : float or None
        Its square.
    """

    group: str
    factor: str
    correlation: float | None
    reliability: float | None


def score_checks(
    estimated: Estimated, without: int, determinacy: Sequence[Determinacy], unbounded: int
) -> tuple[Check, ...]:
    """Return what to beware of: rows without scores, factors without them, loose ones.

    Parameters
    ----------
    without : int
        Rows that cannot be scored for lack of answers, predictor or group.
    unbounded : int
        Rows whose likelihood has no maximum in some factor.
    """
    checks = []
    if unbounded:
        checks.append(Check(
            name="unbounded", status="warn",
            message=f"{unbounded} row(s) lack an ml score of some factor, because their likelihood rises for "
            "ever (the last answer on every item, say) or they answered none of its items. Method 'ebm' "
            "scores everybody.",
        ))  # fmt: skip
    if estimated.options.ordered:
        checks.append(Check(
            name="simulated", status="info",
            message="Determinacy is the correlation of score and factor among 20,000 persons drawn from the "
            "model (fixed seed); standard errors are the curvature of the log-likelihood at the score.",
        ))  # fmt: skip
    if without:
        how = "no answer, no group of the model or a missing predictor"
        if estimated.options.missing == "listwise":
            other = "pairwise" if estimated.options.ordered else "fiml"
            how = f"a missing answer or no group of the model; missing='{other}' scores the answers given"
        checks.append(
            Check(name="missing", status="info", message=f"{without} row(s) without scores: {how}.")
        )
    undefined = list(dict.fromkeys(d.factor for d in determinacy if d.correlation is None))
    if undefined:
        checks.append(Check(
            name="undefined", status="warn",
            message=f"No score or determinacy for {', '.join(undefined)}: nothing measures it directly, its "
            "variance is not positive, or the items cannot tell factors apart. Bartlett's method needs "
            "indicators; regression scores factors of factors too.",
        ))  # fmt: skip
    loose = list(dict.fromkeys(d.factor for d in determinacy if (d.correlation or 1.0) < LOOSE))
    if loose:
        checks.append(Check(
            name="determinacy", status="warn",
            message=f"Scores of {', '.join(loose)} correlate below {LOOSE:g} with the factor: fine for group "
            "comparisons at best, not for judging single persons.",
        ))  # fmt: skip
    return tuple(checks)
