"""What generalised and ordinal models serve, and a clear word about what they do not."""

from __future__ import annotations

from implstats.errors import NotSupportedError, UsageError, did_you_mean
from implstats.mixed.laplace.quadrature import MOST_POINTS

LINKS = {
    "binomial": ("logit", "probit"),
    "poisson": ("log",),
    "nbinom": ("log",),
    "ordinal": ("logit", "probit"),
}


def check_generalised(
    *, family: str, link: str | None, agq: int, reml: bool | None, df: str, robust: str | None,
    residual: str | None, weights: str | None,
) -> None:  # fmt: skip
    """Refuse options that a model of this family does not have.

    Raises
    ------
    UsageError, NotSupportedError
    """
    links = LINKS[family]
    if link is not None and link not in links:
        raise NotSupportedError(
            f"link '{link}' is not fitted with family '{family}'; it is one of {', '.join(links)}"
            f"{did_you_mean(link, links)}"
        )
    if isinstance(agq, bool) or not isinstance(agq, int) or not 1 <= agq <= MOST_POINTS:
        raise UsageError(f"agq is a whole number of quadrature points from 1 to {MOST_POINTS}; got {agq}.")
    if reml:
        raise UsageError(
            f"REML is for Gaussian models; family '{family}' is fitted by maximum likelihood. Leave out reml."
        )
    if df not in ("auto", "none"):
        raise UsageError(
            f"df='{df}' is for Gaussian models; family '{family}' has Wald z tests. Leave df at 'auto'; "
            "with few clusters rely on a likelihood-ratio test or a parametric bootstrap."
        )
    if robust is not None:
        raise NotSupportedError(
            f"robust '{robust}' is not computed for family '{family}'. Leave it out, resample clusters, "
            "or fit a generalised estimating equation (GEE) by cluster."
        )
    if residual is not None:
        raise NotSupportedError(
            f"The residual structure '{residual}' is for Gaussian models; in family '{family}' let a "
            "random slope, as in (1 + wave | person), change the correlations over waves."
        )
    if weights is not None and family != "binomial":
        raise NotSupportedError(
            f"weights are not fitted with family '{family}'. Repeat the rows that stand for several, or "
            "leave out the weights."
        )
