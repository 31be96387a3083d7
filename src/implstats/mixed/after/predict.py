"""Predictions with and without random effects, their standard errors and intervals.

    random = "none"            x'b: the mean over a population of clusters
    random = "conditional"     x'b + the modes of the row's clusters at every level
    random = levels            the same with the modes of these levels only

An offset of the row is added. A cluster that was not in the fit has the mode zero. What an interval covers:

    confidence     the predicted mean: x'b, or x'b + z'u of the row's own clusters (those of a new cluster
                   included, whose variance z'G z then adds to the error)
    prediction     a new row: the residual s2 / w and the levels left out of ``random`` are added

Without random effects the standard errors and df are those of the coefficients (Kenward-Roger, Satterthwaite,
cluster-robust). With them the error variance v is Henderson's (`paths.prediction_error`), which takes the
variances as known, and its df are Satterthwaite's,

    df = 2 v^2 / (v_g' W v_g)

W is the covariance matrix of the variance parameters (s2 G, s2) as the fit's own method sees it: the expected
information under Kenward-Roger, the observed otherwise. The derivative v_g of v is a central difference; it
is exact to about eight digits. New-row intervals without random effects add the random part and use the same
rule.
Reference: Giesbrecht & Burns (1985), Biometrics 41, 477-486.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from implstats.errors import NotSupportedError, UsageError, did_you_mean
from implstats.mixed.after.kept import Kept
from implstats.mixed.after.linear import (
    check_level,
    coefficients,
    fitted_model,
    half_width,
    linear,
    plain_residuals,
)
from implstats.mixed.after.new_rows import NewRows, new_rows, rows_of_fit
from implstats.mixed.after.prediction_error import Target, error_and_df
from implstats.mixed.results import MixedResult
from implstats.results import Check

if TYPE_CHECKING:
    import pandas as pd

INTERVALS = ("confidence", "prediction")
Interval = Literal["confidence", "prediction"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Predicted values, (n,) each; NaN where there is none.

    Attributes
    ----------
    values : ndarray
        In units of the outcome.
    std_error : ndarray
        Of the predicted mean, or of a new row if the interval is a prediction interval. NaN with random
        effects if no interval was asked for.
    df : ndarray
    df_method : str
    conf_low, conf_high : ndarray
        NaN without an interval.
    new_clusters : dict of str to ndarray of bool
        By level in use: rows whose cluster was not in the fit.
    interval : str or None
    ci_level : float
    checks : tuple of Check
    """

    values: np.ndarray = field(repr=False)
    std_error: np.ndarray = field(repr=False)
    df: np.ndarray = field(repr=False)
    df_method: str
    conf_low: np.ndarray = field(repr=False)
    conf_high: np.ndarray = field(repr=False)
    new_clusters: dict[str, np.ndarray] = field(repr=False)
    interval: str | None
    ci_level: float
    checks: tuple[Check, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """One row a prediction: value, std_error, df, conf_low, conf_high."""
        import pandas as pd

        return pd.DataFrame(
            {
                "value": self.values, "std_error": self.std_error, "df": self.df,
                "conf_low": self.conf_low, "conf_high": self.conf_high,
            }
        )  # fmt: skip


def predict(
    result: MixedResult, newdata: pd.DataFrame | None = None, *,
    random: Literal["conditional", "none"] | tuple[str, ...] = "conditional",
    interval: Interval | None = None, ci_level: float | None = None,
    scale: Literal["link", "response"] = "link",
) -> Prediction:  # fmt: skip
    """Predict the outcome.

    Parameters
    ----------
    result : MixedResult
    newdata : DataFrame, optional
        Rows to predict for; those of the fit if left out. Not changed.
    random : {"conditional", "none"} or tuple of str
        Random effects in use: all, none, or those of the levels named.
    interval : {"confidence", "prediction"}, optional
        See the module.
    ci_level : float, optional
        The fit's own if left out.
    scale : {"link", "response"}
        Of generalised and ordinal fits, which return a `GeneralisedPrediction`; see `generalised_predict`.

    Raises
    ------
    UsageError, NotSupportedError
        An option is wrong or not served.
    ProblemsError, DataError
        The new data lack a variable, hold an unknown category, or move a known cluster.
    ModelError
        The fit failed.

    Notes
    -----
    R: ``predict(m, newdata, re.form = NULL)`` (conditional), ``re.form = NA`` (none), ``re.form = ~(1 | g)``
    (levels), with ``allow.new.levels = TRUE``; lme4 1.1-31 gives no standard errors.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import mixed
    >>> rng = np.random.default_rng(1)
    >>> ward = np.repeat(np.arange(12), 10)
    >>> x = rng.normal(size=120)
    >>> y = x + rng.normal(size=12)[ward] + rng.normal(size=120)
    >>> result = mixed.fit("y ~ x + (1 | ward)", pd.DataFrame({"ward": ward, "x": x, "y": y}))
    >>> new = pd.DataFrame({"ward": [3, 99], "x": [0.0, 0.0]})
    >>> found = predict(result, new, interval="confidence")
    >>> found.new_clusters["ward"].tolist(), bool(found.std_error[1] > found.std_error[0])
    ([False, True], True)
    """
    if result.family != "gaussian":
        from implstats.mixed.after.generalised_predict import predict_generalised

        return predict_generalised(result, newdata, random, interval=interval, ci_level=ci_level, scale=scale)
    if scale != "link":
        raise UsageError("A Gaussian model has one scale, the outcome's own; leave scale out.")
    model, level = fitted_model(result), check_level(ci_level, result)
    if interval is not None and interval not in INTERVALS:
        raise UsageError(f"interval is 'confidence', 'prediction' or None; got '{interval}'.")
    used = levels_in_use(result, model, random)
    effects = bool(used) or interval == "prediction"
    if effects and interval is not None:
        plain_residuals(model, "An interval with random effects, or for a new row,")
    rows = rows_of_fit(model) if newdata is None else new_rows(model, newdata, used=used, effects=effects)
    values = rows.offset + rows.X @ coefficients(model) + modes_part(result, model, rows, used)
    method, std_error, df = result.fixed[0].df_method, *_nothing(len(values))
    if not effects:
        found = linear(result, rows.X)
        std_error, df = found.std_error, found.df
    elif interval is not None:
        if model.robust is not None:
            raise NotSupportedError(
                "An interval with random effects rests on the model's variances, which robust="
                f"'{model.robust}' does not trust. Fit without robust, or use random='none' with "
                "interval='confidence'."
            )
        target = Target(random=used, new_row=interval == "prediction")
        std_error, df = error_and_df(result, rows, target)
        if method == "none":
            df = np.full(len(values), np.nan)
        else:
            method = "satterthwaite"
    half = half_width(std_error, df, level=level) if interval else np.full(len(values), np.nan)
    return Prediction(
        values=values, std_error=std_error, df=df, df_method=method, conf_low=values - half,
        conf_high=values + half, interval=interval, ci_level=level,
        new_clusters={model.design.levels[k].clusters.name: rows.codes[k] < 0 for k in used},
        checks=(*row_checks(model, rows, used), *_no_interval(interval, df)),
    )  # fmt: skip


def _nothing(n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.full(n, np.nan), np.full(n, np.nan)


def levels_in_use(result: MixedResult, model: Kept, random: object) -> tuple[int, ...]:
    """Return the numbers of the levels whose modes are used, lowest first."""
    with_effects = {level.cluster for level in result.modes}
    all_names = [level.clusters.name for level in model.design.levels]
    names = [name for name in all_names if name in with_effects]
    if random == "conditional":
        return tuple(k for k, name in enumerate(all_names) if name in with_effects)
    if random == "none":
        return ()
    asked = (random,) if isinstance(random, str) else random
    if not isinstance(asked, tuple | list) or not asked:
        raise UsageError("random is 'conditional', 'none', or the names of levels, such as ('institution',).")
    for name in asked:
        if name not in names:
            raise UsageError(
                f"'{name}' is no level of the random part{did_you_mean(str(name), names) or '.'} "
                f"Levels: {', '.join(names)}; or 'conditional', or 'none'."
            )
    return tuple(k for k, name in enumerate(all_names) if name in asked)


def modes_part(result: MixedResult, model: Kept, rows: NewRows, used: tuple[int, ...]) -> np.ndarray:
    """Return the sum of z'u over the levels in use, (n,); new clusters add nothing."""
    out = np.zeros(len(rows.X))
    known = {level.cluster: level for level in result.modes}
    for k in used:
        level = known[model.design.levels[k].clusters.name]
        modes = np.vstack([level.values, np.zeros(len(level.terms))])
        out = out + np.sum(rows.Z[k] * modes[rows.codes[k]], axis=1)
    return out


def row_checks(model: Kept, rows: NewRows, used: tuple[int, ...]) -> tuple[Check, ...]:
    new = [
        f"{int(np.sum(rows.codes[k] < 0))} row(s) of {model.design.levels[k].clusters.name}"
        for k in used
        if np.any(rows.codes[k] < 0)
    ]
    message = "Every cluster in use was in the fit."
    if new:
        message = f"In clusters that were not in the fit: {', '.join(new)}. Their random effects are zero."
    checks = [Check(name="new_clusters", status="info" if new else "ok", message=message)]
    if rows.notes:
        text = "; ".join(rows.notes)
        checks.append(Check(name="new_rows", status="info", message=f"{text[0].upper()}{text[1:]}."))
    return tuple(checks)


def _no_interval(interval: str | None, df: np.ndarray) -> tuple[Check, ...]:
    if interval is None or not len(df) or np.isfinite(df).any():
        return ()
    return (
        Check(
            name="no_interval", status="warn",
            message="There are no degrees of freedom, so there is no interval: the fit was made with "
            "df='none', or a variance is zero in an ML fit. Fit by REML with another df.",
        ),
    )  # fmt: skip
