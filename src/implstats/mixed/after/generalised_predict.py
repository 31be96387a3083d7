"""Predictions of generalised and ordinal models, on the scale of the link or of the outcome.

With the linear predictor e = offset + x'b + z'u (u the modes of the clusters in use, zero for a new cluster):

    scale = "link"        e; of an ordinal model without the thresholds, so that more means higher categories
    scale = "response"    binomial   F(e), the probability of the event
                          counts     exp(e)
                          ordinal    F(a_k - e) - F(a_(k-1) - e), one column a category

F is the logistic or the normal distribution function. With ``random="none"`` the response is that of a
cluster whose random effects are zero, not the mean over clusters: the link is not a line.

An interval is given with ``random="none"``: e -+ z sqrt(x'Var(b)x), with the ends taken to the response. The
probability of a category does not rise or fall throughout with e, so it has no such interval.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, ndtr, ndtri

from implstats.errors import ModelError, NotSupportedError, UsageError
from implstats.mixed.after.linear import check_level
from implstats.mixed.after.new_rows import NewRows, new_rows, rows_of_fit
from implstats.mixed.after.predict import Prediction, levels_in_use, modes_part, row_checks
from implstats.mixed.laplace.generalised import Generalised
from implstats.mixed.results import MixedResult
from implstats.results import Check

if TYPE_CHECKING:
    import pandas as pd

INVERSE = {"logit": expit, "probit": ndtr, "log": np.exp}
SCALES = ("link", "response")


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneralisedPrediction(Prediction):
    """Predicted values, (n,) each; NaN where there is none.

    ``values`` is on ``scale``, and of an ordinal model on the response (n, categories). ``std_error`` is that
    of the linear predictor, NaN with random effects; ``conf_low`` and ``conf_high`` are on ``scale``.

    Attributes
    ----------
    scale : str
    link : ndarray
        The linear predictor.
    categories : tuple of str
        Columns of ``values`` of an ordinal model on the response; else empty.
    """

    scale: str
    link: np.ndarray = field(repr=False)
    categories: tuple[str, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """One row a prediction: value, std_error, conf_low, conf_high; or one column a category."""
        import pandas as pd

        if self.categories:
            return pd.DataFrame(self.values, columns=list(self.categories))
        names = ("std_error", "conf_low", "conf_high")
        return pd.DataFrame({"value": self.values, **{name: getattr(self, name) for name in names}})


def generalised_model(result: MixedResult) -> Generalised:
    """Return what the fit kept.

    Raises
    ------
    ModelError
        The fit failed, so nothing follows from it.
    """
    if result.generalised is None or result.verdict == "failed":
        raise ModelError(f"The fit of '{result.formula}' failed, so nothing follows from it. {result.reason}")
    return result.generalised


def split_estimates(result: MixedResult) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return thresholds (J - 1,), coefficients (p,) and the covariance (p, p) of the latter."""
    if result.covariance is None:
        raise ModelError("The fit has no covariance matrix of its coefficients.")
    estimates = np.array([np.nan if f.estimate is None else f.estimate for f in result.fixed])
    first = len(generalised_model(result).levels) - 1 if result.family == "ordinal" else 0
    return estimates[:first], estimates[first:], result.covariance[first:, first:]


def predict_generalised(
    result: MixedResult, newdata: pd.DataFrame | None, random: object, *, interval: str | None,
    ci_level: float | None, scale: str,
) -> GeneralisedPrediction:  # fmt: skip
    """Predict the outcome of a generalised or ordinal model; arguments and errors as of `predict`.

    Notes
    -----
    R: ``predict(m, newdata, type = "link", re.form = NA)`` of glmer and glmmTMB; clmm has no ``predict``.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import mixed
    >>> rng = np.random.default_rng(1)
    >>> ward = np.repeat(np.arange(12), 20)
    >>> y = rng.poisson(np.exp(1.0 + 0.5 * rng.normal(size=12)[ward]))
    >>> result = mixed.fit("y ~ 1 + (1 | ward)", pd.DataFrame({"ward": ward, "y": y}), family="poisson")
    >>> new = pd.DataFrame({"ward": [3, 99]})
    >>> found = mixed.predict(result, new, scale="response")
    >>> found.new_clusters["ward"].tolist(), bool(np.allclose(found.values, np.exp(found.link)))
    ([False, True], True)
    """
    model, level = generalised_model(result), check_level(ci_level, result)
    used = levels_in_use(result, model, random)
    _check_options(result, used, interval=interval, scale=scale)
    rows = rows_of_fit(model) if newdata is None else new_rows(model, newdata, used=used, effects=bool(used))
    thresholds, b, covariance = split_estimates(result)
    link = rows.offset + rows.X @ b + modes_part(result, model, rows, used)
    n, shares = len(link), result.family == "ordinal" and scale == "response"
    std_error = np.full(n, np.nan) if used else _std_error(rows.X, covariance)
    half = float(ndtri(0.5 + 0.5 * level)) * std_error if interval else np.full(n, np.nan)
    low, high = link - half, link + half
    values, inverse = link, INVERSE[str(result.link)]
    if shares:
        values = category_shares(link, thresholds, link_name=str(result.link))
    elif scale == "response":
        values, low, high = inverse(link), inverse(low), inverse(high)
    return GeneralisedPrediction(
        values=values, std_error=std_error, df=np.full(n, np.inf), df_method=result.fixed[0].df_method,
        conf_low=low, conf_high=high, interval=interval, ci_level=level, scale=scale, link=link,
        new_clusters={model.design.levels[k].clusters.name: rows.codes[k] < 0 for k in used},
        categories=model.levels if shares else (), checks=_checks(model, rows, used, scale),
    )  # fmt: skip


def category_shares(link: np.ndarray, thresholds: np.ndarray, *, link_name: str) -> np.ndarray:
    """Return the probabilities of the categories, (n, J), of linear predictors (n,) and thresholds (J - 1,).

    >>> category_shares(np.zeros(1), np.array([0.0]), link_name="logit").tolist()
    [[0.5, 0.5]]
    """
    F = INVERSE[link_name]
    gap = thresholds[None] - link[:, None]
    below = np.hstack([np.zeros((len(link), 1)), F(gap), np.ones((len(link), 1))])
    above = np.hstack([np.ones((len(link), 1)), F(-gap), np.zeros((len(link), 1))])
    # Of two differences that are equal the one between the smaller numbers keeps its digits.
    low = below[:, 1:] + below[:, :-1] <= above[:, 1:] + above[:, :-1]
    shares = np.where(low, below[:, 1:] - below[:, :-1], above[:, :-1] - above[:, 1:])
    shares[~np.isfinite(link)] = np.nan
    return shares


def _std_error(X: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", X, covariance, X), 0.0))


def _check_options(
    result: MixedResult, used: tuple[int, ...], *, interval: str | None, scale: str
) -> None:  # fmt: skip
    if scale not in SCALES:
        raise UsageError(f"scale is 'link' or 'response'; got '{scale}'.")
    if interval is None:
        return
    if interval != "confidence":
        raise NotSupportedError(
            f"interval='{interval}' is not served for family='{result.family}'; interval='confidence' with "
            "random='none' is."
        )
    if used:
        raise NotSupportedError(
            "An interval with random effects is not served for generalised models. Use random='none', or "
            "take the modes with their standard deviations from mixed.conditional_modes(result)."
        )
    if result.family == "ordinal" and scale == "response":
        raise NotSupportedError(
            "The probability of a category has no interval by the ends of the linear predictor's; ask for "
            "scale='link', or leave interval out."
        )


def _checks(model: Generalised, rows: NewRows, used: tuple[int, ...], scale: str) -> tuple[Check, ...]:
    checks = row_checks(model, rows, used)
    if scale == "link" or len(used) == len(model.design.levels):
        return checks
    message = (
        "Random effects that are left out are zero: this is the response of a typical cluster, not the mean "
        "over clusters."
    )
    return (*checks, Check(name="typical_cluster", status="info", message=message))
