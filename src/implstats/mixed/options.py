"""What this version fits, and a clear word about what it does not."""

from __future__ import annotations

from implstats.errors import NotSupportedError, UsageError, did_you_mean
from implstats.mixed.laplace.options import check_generalised

DF_METHODS = ("auto", "kenward-roger", "satterthwaite", "none")
ROBUST = ("CR0", "CR1", "CR2", "CR3")
FAMILIES = ("gaussian", "binomial", "poisson", "nbinom", "ordinal")


def check_options(
    *, reml: bool | None, df: str, family: str, link: str | None, agq: int, robust: str | None,
    residual: str | None, ci_level: float, weights: str | None = None,
) -> None:  # fmt: skip
    """Refuse options that are wrong, or that this version does not serve.

    Raises
    ------
    UsageError
        The value is not one of the known ones.
    NotSupportedError
        The value is known but not served yet; the message names the alternative.
    """
    if df not in DF_METHODS:
        raise UsageError(f"df is one of {', '.join(DF_METHODS)}; got '{df}'{did_you_mean(df, DF_METHODS)}")
    if family not in FAMILIES:
        raise UsageError(
            f"family is one of {', '.join(FAMILIES)}; got '{family}'{did_you_mean(family, FAMILIES)}"
        )
    if isinstance(ci_level, bool) or not 0.0 < ci_level < 1.0:
        raise UsageError(f"ci_level lies between 0 and 1, such as 0.95; got {ci_level}.")
    if family != "gaussian":
        check_generalised(
            family=family, link=link, agq=agq, reml=reml, df=df, robust=robust, residual=residual,
            weights=weights,
        )  # fmt: skip
        return
    if link not in (None, "identity"):
        raise NotSupportedError(
            f"link '{link}' is not fitted in this version; a Gaussian model has the "
            "identity link. Transform the "
            "outcome instead, as in log(y) ~ ..."
        )
    if agq != 1:
        raise NotSupportedError(
            "Adaptive quadrature (agq above 1) has no use in a Gaussian model; leave it at 1."
        )
    _check_robust(robust, df=df, weights=weights)
    _check_residual(residual, robust=robust, weights=weights)
    if df == "kenward-roger" and reml is False:
        raise UsageError("Kenward-Roger needs REML. Fit by REML, or use df='satterthwaite' with ML.")


def _check_residual(residual: str | None, *, robust: str | None, weights: str | None) -> None:
    if residual is None:
        return
    if robust is not None:
        raise NotSupportedError(
            f"robust '{robust}' is not computed with a residual structure in this version. Leave out "
            "residual (cluster-robust standard errors hold whatever the covariance over waves) or robust."
        )
    if weights is not None:
        raise NotSupportedError(
            "Prior weights are not fitted with a residual structure in this version. Leave out one of the "
            "two; ident(wave | person) estimates a variance for each wave."
        )


def _check_robust(robust: str | None, *, df: str, weights: str | None) -> None:
    if robust is None:
        return
    if robust not in ROBUST:
        raise UsageError(
            f"robust is one of {', '.join(ROBUST)}; got '{robust}'{did_you_mean(str(robust), ROBUST)}"
        )
    if df == "kenward-roger":
        raise UsageError(
            f"Kenward-Roger adjusts model-based standard errors; robust '{robust}' has Satterthwaite df of "
            "its own. Leave df at 'auto', or leave out robust."
        )
    if weights is not None:
        raise NotSupportedError(
            f"robust '{robust}' is not computed with prior weights in this version. Leave out the weights, "
            "or leave out robust and use df='kenward-roger'."
        )
