"""Which fits a later question can take: proper ones, under normal theory."""

from __future__ import annotations

from implstats.errors import ModelError, NotSupportedError
from implstats.sem.fitted import Estimated
from implstats.sem.results import SemResult

NORMAL_THEORY = ("ML", "MLR", "MLM")


def normal_theory_fit(result: SemResult, *, what: str) -> Estimated:
    """Return what a fit by normal theory keeps.

    Parameters
    ----------
    what : str
        The question, to begin a message with, such as ``"Residuals"``.

    Raises
    ------
    ModelError
        The fit failed.
    NotSupportedError
        Another estimator, such as those of ordered items.
    """
    if result.estimator not in NORMAL_THEORY:
        raise NotSupportedError(
            f"{what}: estimator {result.estimator} is not served here yet, because its formulas differ. "
            "Fit by ML, "
            "MLR or MLM where the items bear it, or use lavaan."
        )
    if result.fitted is None:
        raise ModelError(f"{what}: the fit failed, so there is nothing to follow up. {result.reason}".strip())
    return result.fitted
