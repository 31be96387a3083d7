"""Which fits a later question can take: all of one level that did not fail."""

from __future__ import annotations

from implstats.errors import ModelError
from implstats.sem.after.one_level import require_one_level
from implstats.sem.fitted import Estimated
from implstats.sem.results import SemResult

UNCORRECTED = ("ML", "GLS", "WLS", "ULS", "DWLS")


def proper_fit(
    result: SemResult, *, what: str, instead: str = "Fit one level with cluster= and ask again."
) -> Estimated:
    """Return what a fit keeps for later questions.

    Parameters
    ----------
    what : str
        The question, to begin a message with, such as ``"Residuals"``.
    instead : str
        What to do with a two-level fit.

    Raises
    ------
    NotSupportedError
        A fit of two levels.
    ModelError
        The fit failed.
    """
    require_one_level(result, what=what, instead=instead)
    if result.fitted is None:
        raise ModelError(f"{what}: the fit failed, so there is nothing to follow up. {result.reason}".strip())
    return result.fitted


def corrected_criterion(result: SemResult) -> str | None:
    """Return in words the criterion whose test an estimator corrects; ``None`` where it corrects none."""
    if result.estimator in UNCORRECTED:
        return None
    least_squares = result.fitted is not None and result.fitted.options.least_squares
    return "the least-squares criterion" if least_squares else "normal theory"
