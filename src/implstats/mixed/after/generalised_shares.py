"""Variances of a row on the scale of the link, for intraclass correlations and R2 of generalised models.

V_fixed and V_l are as in `shares`, of the linear predictor. The variance of a row given its clusters is

    logit link    pi^2 / 3             that of the logistic distribution (binomial and ordinal)
    probit link   1
    Poisson       log(1 + 1 / m)       lognormal approximation, m the mean count
    nbinom        log(1 + 1 / m + 1 / theta)

m is the mean of the counts in use, one of the two ways of Nakagawa, Johnson & Schielzeth (2017); the other,
exp(b + V / 2) of a model without predictors, is what MuMIn and performance take.
Reference: Nakagawa, Johnson & Schielzeth (2017), J. R. Soc. Interface 14, 20170213.
"""

from __future__ import annotations

import numpy as np

from implstats.mixed.after.generalised_predict import generalised_model, split_estimates
from implstats.mixed.results import MixedResult
from implstats.results import Check

LATENT = {"logit": np.pi**2 / 3.0, "probit": 1.0}


def link_variances(result: MixedResult) -> tuple[float, dict[str, float], float, Check]:
    """Return V_fixed, V of each level, the variance of a row given its clusters, and how that was found.

    >>> import numpy as np, pandas as pd
    >>> from implstats import mixed
    >>> rng = np.random.default_rng(1)
    >>> ward = np.repeat(np.arange(12), 20)
    >>> y = (rng.logistic(size=240) + rng.normal(size=12)[ward] > 0) * 1
    >>> result = mixed.fit("y ~ 1 + (1 | ward)", pd.DataFrame({"ward": ward, "y": y}), family="binomial")
    >>> round(link_variances(result)[2], 4)
    3.2899
    """
    model = generalised_model(result)
    fitted = model.design.X[:, list(model.scaled.kept)] @ split_estimates(result)[1]
    random = {
        level.clusters.name: float(np.mean(np.einsum("iq,qr,ir->i", level.Z, B @ G @ B.T, level.Z)))
        for level, G, B in zip(model.design.levels, model.optimum.search.at.G, model.scaled.B, strict=True)
    }
    row, text = _row_variance(result)
    check = Check(
        name="row_variance", status="info", message=f"{text} All variances are on the link's scale."
    )
    return float(np.var(fitted, ddof=1)), random, row, check


def _row_variance(result: MixedResult) -> tuple[float, str]:
    link = str(result.link)
    if link in LATENT:
        name = "pi^2 / 3, that of the logistic distribution" if link == "logit" else "1, that of probit"
        return LATENT[link], f"The variance of a row given its clusters is {name}."
    model = generalised_model(result)
    mean = float(np.mean(model.outcome.values[model.design.rows]))
    # A negative binomial at its limit is a Poisson model: its theta is infinite.
    over = 0.0 if result.dispersion is None else 1.0 / result.dispersion
    return float(np.log1p(1.0 / mean + over)), (
        "The variance of a row given its clusters is the lognormal approximation of Nakagawa, Johnson & "
        "Schielzeth (2017) at the mean count."
    )
