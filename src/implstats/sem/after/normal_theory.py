"""Which fits a later question can take: proper ones, of numbers, mostly under normal theory."""

from __future__ import annotations

from implstats.errors import ModelError, NotSupportedError
from implstats.sem.fitted import Estimated
from implstats.sem.results import SemResult

NORMAL_THEORY = ("ML", "MLR", "MLM", "MLMV", "MLMVS")
LEAST_SQUARES = ("GLS", "WLS", "ULS", "DWLS")


def normal_theory_fit(result: SemResult, *, what: str, least_squares: bool = False) -> Estimated:
    """Return what a fit of numbers, rather than ordered categories, keeps.

    Parameters
    ----------
    what : str
        The question, to begin a message with, such as ``"Residuals"``.
    least_squares : bool
        Whether the question holds for least squares too, because it needs no likelihood.

    Raises
    ------
    ModelError
        The fit failed.
    NotSupportedError
        Another estimator, or ordered items.
    """
    served = (*NORMAL_THEORY, *(LEAST_SQUARES if least_squares else ()))
    ordered = result.fitted is not None and bool(result.fitted.options.ordered)
    if result.estimator not in served or ordered:
        kind = "ordered items" if ordered else f"estimator {result.estimator}"
        raise NotSupportedError(
            f"{what}: {kind} cannot be served yet, because the formulas differ. Fit by {', '.join(served)} "
            "where items may be taken as numbers, or use lavaan."
        )
    if result.fitted is None:
        raise ModelError(f"{what}: the fit failed, so there is nothing to follow up. {result.reason}".strip())
    if result.fitted.options.two_stage and not least_squares:
        raise NotSupportedError(
            f"{what}: missing '{result.fitted.options.missing}' is not served here, because its errors "
            "come from "
            "both stages. Use missing 'fiml'."
        )
    return result.fitted
