"""Which fits a later question can take: proper ones, of numbers, mostly under normal theory."""

from __future__ import annotations

from implstats.errors import ModelError, NotSupportedError
from implstats.sem.fitted import Estimated
from implstats.sem.results import SemResult

NORMAL_THEORY = ("ML", "MLR", "MLM", "MLMV", "MLMVS")
LEAST_SQUARES = ("GLS", "WLS", "ULS", "DWLS")


def normal_theory_fit(
    result: SemResult,
    *,
    what: str,
    least_squares: bool = False,
    two_stage: bool = False,
    clusters: bool = True,
    instead: str = "Fit without cluster and read the values, not their standard errors.",
) -> Estimated:
    """Return what a fit of numbers, rather than ordered categories, keeps.

    Parameters
    ----------
    what : str
        The question, to begin a message with, such as ``"Residuals"``.
    least_squares : bool
        Whether the question holds for least squares too, because it needs no likelihood.
    two_stage, clusters : bool
        Whether it holds for two-stage estimation, and for persons in clusters.
    instead : str
        What to do where it does not hold for clusters.

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
    options = None if result.fitted is None else result.fitted.options
    if options is not None and options.two_stage and not two_stage:
        raise NotSupportedError(
            f"{what}: two-stage estimation cannot be served yet, because its information is another. "
            "Use missing 'fiml'."
        )
    if options is not None and options.cluster is not None and not clusters:
        raise NotSupportedError(
            f"{what}: tests and standard errors for persons in clusters cannot be served yet. {instead}"
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
