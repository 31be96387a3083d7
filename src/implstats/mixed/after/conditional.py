"""Conditional modes of the random effects with their standard deviations.

Two standard deviations are in use, and both are given (see `paths` for the formulas):

    sd_given_beta         of u given the data, coefficients and variances taken as known. What lme4 calls the
                          conditional variance: the attribute postVar of ranef(m, condVar = TRUE).
    sd                    of u_hat - u with the coefficients estimated: the prediction error of Henderson's
                          equations, larger, and much larger with few clusters. Intervals use it.

Both take the variances as known, so intervals are those of a normal distribution and are too short where the
variances rest on few clusters; a check says so. They describe one cluster, not the difference of two.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from implstats.mixed.after.linear import check_level, fitted_model
from implstats.mixed.after.paths import error_variance
from implstats.mixed.after.spread import spread_at
from implstats.mixed.results import MixedResult
from implstats.results import Check

if TYPE_CHECKING:
    import pandas as pd

FEW = 30  # clusters below which the variance of their effects is itself too uncertain to be taken as known


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionalModes:
    """Random effects of the clusters of one level.

    Attributes
    ----------
    cluster : str
    ids : dict of str to ndarray, (n_l,)
        The clusters' ids by column.
    terms : tuple of str, (q,)
    values : ndarray, (n_l, q)
        Conditional modes, in units of the outcome a unit of the term.
    variance_given_beta : ndarray, (n_l, q, q)
        Var(u | y) with coefficients and variances known; lme4's postVar.
    variance : ndarray, (n_l, q, q)
        Var(u_hat - u) with the variances known.
    ci_level : float
    checks : tuple of Check
    """

    cluster: str
    ids: dict[str, np.ndarray]
    terms: tuple[str, ...]
    values: np.ndarray = field(repr=False)
    variance_given_beta: np.ndarray = field(repr=False)
    variance: np.ndarray = field(repr=False)
    ci_level: float
    checks: tuple[Check, ...]

    @property
    def sd(self) -> np.ndarray:
        """Standard deviations of u_hat - u, (n_l, q)."""
        return _sd(self.variance)

    @property
    def sd_given_beta(self) -> np.ndarray:
        """Standard deviations with the coefficients known, (n_l, q)."""
        return _sd(self.variance_given_beta)

    @property
    def frame(self) -> pd.DataFrame:
        """One row a cluster and term: ids, term, mode, sd, sd_given_beta, conf_low, conf_high."""
        import pandas as pd

        q = len(self.terms)
        half = float(ndtri(0.5 + 0.5 * self.ci_level)) * self.sd
        columns = {name: np.repeat(values, q) for name, values in self.ids.items()}
        columns["term"] = np.tile(np.array(self.terms, dtype=object), len(self.values))
        columns |= {
            "mode": self.values.ravel(), "sd": self.sd.ravel(), "sd_given_beta": self.sd_given_beta.ravel(),
            "conf_low": (self.values - half).ravel(), "conf_high": (self.values + half).ravel(),
        }  # fmt: skip
        return pd.DataFrame(columns)


def _sd(variance: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(np.diagonal(variance, axis1=1, axis2=2), 0.0))


def conditional_modes(result: MixedResult, *, ci_level: float | None = None) -> dict[str, ConditionalModes]:
    """Return the random effects of each level with their standard deviations.

    Parameters
    ----------
    result : MixedResult
    ci_level : float, optional
        Of the intervals; the fit's own if left out.

    Returns
    -------
    dict of str to ConditionalModes
        By level, lowest first, named as in ``result.n_clusters``.

    Raises
    ------
    ModelError
        The fit failed.
    NotSupportedError
        A residual structure, or crossed levels of too many effects.

    Notes
    -----
    ``sd_given_beta`` agrees with R's ``ranef(m, condVar = TRUE)``; ``sd`` has no counterpart in lme4.
    References: Henderson (1975), Biometrics 31, 423-447.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import mixed
    >>> rng = np.random.default_rng(1)
    >>> ward = np.repeat(np.arange(12), 10)
    >>> y = rng.normal(size=12)[ward] + rng.normal(size=120)
    >>> result = mixed.fit("y ~ 1 + (1 | ward)", pd.DataFrame({"ward": ward, "y": y}))
    >>> found = conditional_modes(result)["ward"]
    >>> found.values.shape, bool(np.all(found.sd > found.sd_given_beta))
    ((12, 1), True)
    """
    if result.family != "gaussian":
        from implstats.mixed.after.generalised_modes import generalised_modes

        return generalised_modes(result, ci_level=ci_level)
    model, level = fitted_model(result), check_level(ci_level, result)
    scaled, spread = model.scaled, spread_at(model)(model.optimum.search.at.G)
    s2 = scaled.scale**2 * model.optimum.search.at.sigma2
    out: dict[str, ConditionalModes] = {}
    for k, (part, known) in enumerate(zip(result.modes, model.design.levels, strict=True)):
        (J, D), B = spread.own(k), scaled.B[k]
        given = s2 * B @ J @ B.T
        full = s2 * B @ error_variance(J, D, spread.C) @ B.T
        out[part.cluster] = ConditionalModes(
            cluster=part.cluster, ids=part.ids, terms=part.terms, values=part.values,
            variance_given_beta=given, variance=full, ci_level=level,
            checks=_checks(part.cluster, known.clusters.size),
        )  # fmt: skip
    return out


def _checks(cluster: str, size: int) -> tuple[Check, ...]:
    if size >= FEW:
        return (
            Check(
                name="known_variances", status="info",
                message=f"The intervals of '{cluster}' take the variances as known.",
            ),
        )  # fmt: skip
    return (
        Check(
            name="known_variances", status="warn",
            message=f"The intervals of '{cluster}' take the variances as known, but {size} clusters tell "
            "little about them; read them as shorter than they should be.",
        ),
    )  # fmt: skip
