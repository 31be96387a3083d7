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
    ordered: bool = False,
    two_stage: bool = False,
    clusters: bool = True,
    instead: str = "Fit without cluster and read the values, not their standard errors.",
) -> Estimated:
    """Return what a fit keeps that can answer the question, of numbers unless ``ordered`` says otherwise.

    Parameters
    ----------
    what : str
        The question, to begin a message with, such as ``"Residuals"``.
    least_squares : bool
        Whether the question holds for least squares too, because it needs no likelihood.
    ordered : bool
        Whether it holds for ordered items too, under each of their estimators.
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
    if result.fitted is None:
        raise ModelError(f"{what}: the fit failed, so there is nothing to follow up. {result.reason}".strip())
    options = result.fitted.options
    served = (*NORMAL_THEORY, *(LEAST_SQUARES if least_squares else ()))
    categories = bool(options.ordered)
    if (categories and not ordered) or (not categories and result.estimator not in served):
        kind = "ordered items" if categories else f"estimator {result.estimator}"
        raise NotSupportedError(
            f"{what}: {kind} cannot be served yet, because the formulas differ. Fit by {', '.join(served)} "
            "where items may be taken as numbers, or use lavaan."
        )
    if options.two_stage and not two_stage:
        raise NotSupportedError(
            f"{what}: two-stage estimation cannot be served yet, because its information is another. "
            "Use missing 'fiml'."
        )
    if options.cluster is not None and not clusters:
        raise NotSupportedError(
            f"{what}: tests and standard errors for persons in clusters cannot be served yet. {instead}"
        )
    return result.fitted
