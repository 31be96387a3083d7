"""Which fits can be resampled, and which arguments make sense."""

from __future__ import annotations

from implstats.errors import ModelError, NotSupportedError, UsageError
from implstats.sem.after.one_level import require_one_level
from implstats.sem.fitted import Estimated
from implstats.sem.results import SemResult


def resampled_fit(result: SemResult, *, what: str) -> Estimated:
    """Return the steps of a fit whose persons can be drawn again.

    Raises
    ------
    ModelError
        The fit failed.
    NotSupportedError
        A covariance matrix instead of persons.
    """
    estimated = proper_fit(result, what=what)
    if any(sample.summary for sample in estimated.sample.groups):
        raise NotSupportedError(
            f"{what} draws persons again, but this model was fitted to a covariance matrix. Use "
            "sem.monte_carlo, which needs the estimates only."
        )
    return estimated


def proper_fit(result: SemResult, *, what: str) -> Estimated:
    """Return the steps of a fit of one level that did not fail.

    Raises
    ------
    ModelError, NotSupportedError
        The fit failed; a fit of two levels.
    """
    require_one_level(
        result, what=what, instead="Fit one level with cluster=, whose errors allow for the clusters."
    )
    if result.fitted is None or result.covariance is None:
        raise ModelError(f"{what} needs a fit that did not fail; mend the model first.")
    return result.fitted


def check_draws(draws: int, seed: int, *, level: float, least: int = 1) -> None:
    """Raise :class:`UsageError` for a number of draws, a seed or a level that makes no sense."""
    problems = []
    if isinstance(draws, bool) or not isinstance(draws, int) or draws < least:
        problems.append(
            f"draws should be a whole number of at least {least} (got {draws}); 1000 or more is usual"
        )
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        problems.append(f"seed should be a whole number, zero or more (got {seed})")
    if not (isinstance(level, int | float) and 0 < level < 1):
        problems.append(f"ci_level should lie between 0 and 1 (got {level}); 0.95 is usual")
    if problems:
        raise UsageError("; ".join(problems)[0].upper() + "; ".join(problems)[1:] + ".")
