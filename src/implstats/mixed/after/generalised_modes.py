"""Standard deviations of the random effects of generalised and ordinal models.

At the mode v of the standardised effects, u = B Lambda v, and with the Hessian H of minus the log density of
(y, v) there, Laplace's method takes the effects given the data and the estimates as normal with

    Var(u | y) = B Lambda H^-1 Lambda' B'

of which each cluster's own block is returned. The uncertainty of coefficients, thresholds and variances is
not in it. R: ``ranef(m, condVar = TRUE)`` of glmer, ``condVar(m)`` of clmm.
Reference: Tierney & Kadane (1986), JASA 81, 82-86.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from implstats.mixed.after.conditional import ConditionalModes
from implstats.mixed.after.generalised_predict import generalised_model
from implstats.mixed.after.linear import check_level
from implstats.mixed.laplace.eliminate import path_inverse
from implstats.mixed.laplace.generalised import Generalised
from implstats.mixed.results import MixedResult
from implstats.results import Check

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneralisedModes(ConditionalModes):
    """Random effects of one level on the scale of the link.

    ``variance_given_beta`` is given all estimates; ``variance`` (that of the estimates included) is NaN.
    """

    @property
    def frame(self) -> pd.DataFrame:
        """One row a cluster and term: ids, term, mode, sd_given_beta, conf_low, conf_high (given the
        estimates)."""
        import pandas as pd

        q, sd = len(self.terms), self.sd_given_beta
        half = float(ndtri(0.5 + 0.5 * self.ci_level)) * sd
        columns = {name: np.repeat(values, q) for name, values in self.ids.items()}
        columns["term"] = np.tile(np.array(self.terms, dtype=object), len(self.values))
        columns |= {
            "mode": self.values.ravel(), "sd_given_beta": sd.ravel(),
            "conf_low": (self.values - half).ravel(), "conf_high": (self.values + half).ravel(),
        }  # fmt: skip
        return pd.DataFrame(columns)


def generalised_modes(result: MixedResult, *, ci_level: float | None) -> dict[str, ConditionalModes]:
    """Return the random effects of each level, lowest first; arguments and errors as `conditional_modes`.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import mixed
    >>> rng = np.random.default_rng(1)
    >>> ward = np.repeat(np.arange(12), 20)
    >>> y = rng.poisson(np.exp(1.0 + 0.5 * rng.normal(size=12)[ward]))
    >>> result = mixed.fit("y ~ 1 + (1 | ward)", pd.DataFrame({"ward": ward, "y": y}), family="poisson")
    >>> mixed.conditional_modes(result)["ward"].sd_given_beta.shape
    (12, 1)
    """
    model, level = generalised_model(result), check_level(ci_level, result)
    out: dict[str, ConditionalModes] = {}
    for part, given in zip(result.modes, given_estimates(model), strict=True):
        out[part.cluster] = GeneralisedModes(
            cluster=part.cluster, ids=part.ids, terms=part.terms, values=part.values,
            variance_given_beta=given, variance=np.full_like(given, np.nan), ci_level=level,
            checks=(_check(part.cluster, result.agq),),
        )  # fmt: skip
    return out


def given_estimates(model: Generalised) -> list[np.ndarray]:
    """Return Var(u | y) of each level given the estimates, (n_l, q_l, q_l), in the design's order."""
    at, nested = model.optimum.search.at, model.problem.nested
    inverse = path_inverse(at.mode.factor, nested)
    out = []
    for k, (columns, L, B) in enumerate(zip(nested.columns, at.factors, model.scaled.B, strict=True)):
        _, lowest = np.unique(nested.above[k], return_index=True)  # a lowest cluster within each
        own = np.moveaxis(inverse[columns, columns][..., lowest], -1, 0)
        variance = np.empty_like(own)
        variance[nested.number[k]] = (B @ L) @ own @ (B @ L).T
        out.append(variance)
    return out


def _check(cluster: str, points: int) -> Check:
    at = "The modes are the same under quadrature. " if points > 1 else ""
    return Check(
        name="known_estimates", status="info",
        message=f"{at}Standard deviations and intervals of '{cluster}' are those of a normal approximation "
        "at the mode and take coefficients and variances as known.",
    )  # fmt: skip
