"""Factor scores of persons, with their standard errors and determinacy.

With Lambda_o and Sigma_o the rows of the variables that a person answered, Phi the implied covariance matrix
and alpha the implied means of eta:

    regression   alpha + A (y_o - mu_o),   A = Phi Lambda_o' Sigma_o^-1
                 error Phi - A Lambda_o Phi: the smallest of all; scores shrink towards the mean
    Bartlett     alpha + (Lambda_o' Sigma_o^-1 Lambda_o)^-1 Lambda_o' Sigma_o^-1 (y_o - mu_o)
                 error (Lambda_o' Sigma_o^-1 Lambda_o)^-1 - Phi: right on average given the factor

Determinacy is the correlation of score and factor, sqrt(1 - error / phi) for regression and
sqrt(phi / (phi + error)) for Bartlett; below .9 persons should not be compared one by one (Grice 2001).
A person's missing answers are left out of the formulas, which under full information is all that the answers
given can tell; else persons with a missing answer have no score. Standard errors take the model as known.
Without a mean structure the latent intercepts are zero, and observed predictors give factors their means.
Ordered items: the mode given the answers (ebm) or the likelihood's maximum (ml), see
:mod:`implstats.sem.after.ordered_scores`; of continuous items these are the regression and Bartlett scores.
Thomson (1951); Bartlett (1937), British Journal of Psychology 28; Grice (2001), Psychological Methods 6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from implstats.errors import DataError, ModelError, NotSupportedError, UsageError, did_you_mean
from implstats.results import Check, finite_or_none
from implstats.sem.after.one_level import require_one_level
from implstats.sem.after.ordered_scores import ordered_scores, simulated_determinacy
from implstats.sem.after.proper_fit import proper_fit
from implstats.sem.after.score_checks import Determinacy, score_checks
from implstats.sem.data.columns import as_frame
from implstats.sem.data.groups import group_label
from implstats.sem.data.sample import read_columns
from implstats.sem.fitted import Estimated
from implstats.sem.model.moments import Moments
from implstats.sem.results import SemResult

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Method = Literal["regression", "bartlett", "ebm", "ml"]
# The same ideas under ordered items and under continuous ones.
FOR_ORDERED = {"regression": "ebm", "bartlett": "ml"}
FOR_NUMBERS = {"ebm": "regression", "ml": "bartlett"}
# Eigenvalues of Lambda' Sigma^-1 Lambda, scaled to a unit diagonal, below this: factors cannot be told apart.
SINGULAR = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorScores:
    """Scores of the persons of a frame.

    Attributes
    ----------
    method : {"regression", "bartlett", "ebm", "ml"}
        What was used: the last two with ordered items.
    factors : tuple of str
    index : pandas.Index
        Of the caller's frame.
    scores, std_errors : ndarray, shape (rows, factors)
        In the units of the factors; NaN where there is no score.
    n_without : int
        Rows without any score.
    determinacy : tuple of Determinacy
    checks : tuple of Check
    """

    method: str
    factors: tuple[str, ...]
    index: pd.Index
    scores: Array
    std_errors: Array
    n_without: int
    determinacy: tuple[Determinacy, ...]
    checks: tuple[Check, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """One row a person with the caller's index: factors, then standard errors ``<factor>_se``."""
        import pandas as pd

        columns = {name: self.scores[:, k] for k, name in enumerate(self.factors)}
        columns |= {f"{name}_se": self.std_errors[:, k] for k, name in enumerate(self.factors)}
        return pd.DataFrame(columns, index=self.index)


def factor_scores(result: SemResult, data: pd.DataFrame, *, method: Method = "regression") -> FactorScores:
    """Return factor scores of the persons in a frame.

    Parameters
    ----------
    result : SemResult
        A fit with latent variables, of numbers or ordered items, by any estimator.
    data : pandas.DataFrame
        The persons to score: those of the fit, whose rows a fit does not keep, or others.
    method : {"regression", "bartlett", "ebm", "ml"}
        With ordered items "regression" means ebm and "bartlett" ml, without any the reverse, as in lavaan.

    Raises
    ------
    UsageError
        An unknown method.
    DataError
        Variables of the model, or its group, that the frame lacks.
    ModelError, NotSupportedError
        The fit failed or has no latent variable; Bartlett's method with observed variables in regressions;
        ordered items that are correlated given the factors.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import sem
    >>> rng = np.random.default_rng(3)
    >>> f = rng.normal(size=(400, 1))
    >>> frame = pd.DataFrame(f + rng.normal(size=(400, 4)), columns=list("abcd"))
    >>> found = factor_scores(sem.fit("f =~ a + b + c + d", frame, kind="cfa"), frame)
    >>> bool(np.corrcoef(found.frame["f"], f[:, 0])[0, 1] > 0.85)  # sqrt(4 / 5) = 0.89
    True
    """
    if method not in get_args(Method):
        known = get_args(Method)
        raise UsageError(
            f"method '{method}' is not known{did_you_mean(method, known) or '.'} Choose regression or "
            "bartlett (ebm or ml with ordered items)."
        )
    instead = "Fit one level with cluster= and score its persons."
    require_one_level(result, what="Factor scores", instead=instead)
    estimated = proper_fit(result, what="Factor scores")
    ordered = bool(estimated.options.ordered)
    used = (FOR_ORDERED if ordered else FOR_NUMBERS).get(method, method)
    names = estimated.table.names
    if not names.latent:
        raise ModelError("Factor scores: the model has no latent variable.")
    if isinstance(data, Mapping):
        data = as_frame(data)
    if not hasattr(data, "columns"):
        raise UsageError(f"The data should be a pandas DataFrame; this is a {type(data).__name__}.")
    if used in ("bartlett", "ml") and _with_observed(estimated):
        raise NotSupportedError(
            f"Factor scores: method '{method}' is not served where observed variables stand in regressions, "
            "because their part in it is not settled. Use method 'regression'."
        )
    values = read_columns(data, names.observed, names.latent)
    groups = _groups(estimated, data)
    scores = np.full((len(values), len(names.latent)), np.nan)
    errors = np.full_like(scores, np.nan)
    usable = _usable(estimated, values) & (groups >= 0)
    determinacy: list[Determinacy] = []
    unbounded = 0
    for g, label in enumerate(estimated.sample.labels):
        rows = np.nonzero(usable & (groups == g))[0]
        if ordered:
            scores[rows], errors[rows], more = ordered_scores(estimated, g, values[rows], method=used)
            unbounded += more
            correlations = simulated_determinacy(estimated, g, method=used)
            determinacy += _simulated(names.latent, label, correlations)
            continue
        mean = (estimated.moments[g] if estimated.table.means else estimated.sample.groups[g].moments).mean
        scores[rows], errors[rows] = _score_group(estimated, g, values[rows] - mean, used)
        determinacy += _determinacy(estimated, g, label, used)
    without = int(np.isnan(scores).all(axis=1).sum())
    return FactorScores(
        method=used,
        factors=names.latent,
        index=data.index,
        scores=scores,
        std_errors=errors,
        n_without=without,
        determinacy=tuple(determinacy),
        checks=score_checks(estimated, int((~usable).sum()), determinacy, unbounded),
    )


def _with_observed(estimated: Estimated) -> bool:
    """Whether observed variables stand in regressions, apart from the given predictors of ordered items."""
    structure = estimated.structures[0]
    observed = set(structure.eta[structure.n_latent :])
    return bool(observed - set(estimated.table.names.x if estimated.options.ordered else ()))


def _simulated(factors: tuple[str, ...], label: str, correlations: Array) -> list[Determinacy]:
    return [
        Determinacy(
            group=label, factor=factor, correlation=finite_or_none(r), reliability=finite_or_none(r * r)
        )
        for factor, r in zip(factors, correlations.tolist(), strict=True)
    ]


def _groups(estimated: Estimated, data: pd.DataFrame) -> NDArray[np.intp]:
    """The number of each row's group, -1 without a known one."""
    column = estimated.sample.column
    if not column:
        return np.zeros(len(data), dtype=np.intp)
    if column not in data.columns:
        raise DataError(f"Factor scores: the model's groups stand in column '{column}', which is not there.")
    number = {label: k for k, label in enumerate(estimated.sample.labels)}
    known = data[column].notna().to_numpy()
    labels = [group_label(v) if ok else None for v, ok in zip(data[column].tolist(), known, strict=True)]
    return np.array([-1 if label is None else number.get(label, -1) for label in labels], dtype=np.intp)


def _usable(estimated: Estimated, values: Array) -> Mask:
    """Rows that the fit would have used."""
    seen = ~np.isnan(values)
    options, x = estimated.options, estimated.x
    if options.missing == "listwise":
        return np.asarray(seen.all(axis=1))
    some = seen[:, [i for i in range(values.shape[1]) if i not in x]] if options.ordered else seen
    return np.asarray(some.any(axis=1) & (seen[:, x].all(axis=1) | options.two_stage))


def _score_group(estimated: Estimated, group: int, centred: Array, method: str) -> tuple[Array, Array]:
    """Scores and standard errors of a group's persons, pattern of answers by pattern."""
    moments, m = estimated.moments[group], len(estimated.table.names.latent)
    scores, errors = np.full((len(centred), m), np.nan), np.full((len(centred), m), np.nan)
    level = _eta_mean(estimated, group)
    if not len(centred):
        return scores, errors
    answered = ~np.isnan(centred)
    if answered.all():
        patterns: list[tuple[Mask, slice | NDArray[np.intp]]] = [(answered[0], slice(None))]
    else:
        _, first, which = np.unique(
            np.packbits(answered, axis=1), axis=0, return_index=True, return_inverse=True
        )
        patterns = [(answered[row], np.nonzero(which.reshape(-1) == k)[0]) for k, row in enumerate(first)]
    for seen, rows in patterns:
        A, error = score_weights(moments, seen, method)
        scores[rows] = (level + centred[rows][:, seen] @ A.T)[:, :m]
        errors[rows] = _root(np.diag(error))[:m]
    return scores, errors


def _eta_mean(estimated: Estimated, group: int) -> Array:
    """Implied means of eta; without a mean structure those that follow from the observed members' means."""
    moments, structure = estimated.moments[group], estimated.structures[group]
    if estimated.table.means:
        return moments.eta_mean
    mean = estimated.sample.groups[group].moments.mean
    out, m = np.zeros(len(structure.eta)), structure.n_latent
    out[m:] = [mean[structure.observed.index(name)] for name in structure.eta[m:]]
    B = np.eye(len(out)) - np.linalg.inv(moments.inverse)
    out[:m] = np.linalg.solve(np.eye(m) - B[:m, :m], B[:m, m:] @ out[m:])
    return out


def _root(values: Array) -> Array:
    """Square roots; zero within rounding of zero, NaN below."""
    tiny = -1e-12 * max(float(np.nanmax(np.abs(values), initial=0.0)), 1e-300)
    return np.sqrt(np.where(values >= 0, values, np.where(values > tiny, 0.0, np.nan)))


def score_weights(moments: Moments, seen: Mask, method: str) -> tuple[Array, Array]:
    """Return the weights of the answers seen, shape (m, o), and the error's covariance matrix, shape (m, m).

    Rows of factors whose score does not exist are NaN.
    """
    L, W = moments.loading[seen], np.linalg.inv(moments.cov[np.ix_(seen, seen)])
    if method == "regression":
        A = moments.phi @ L.T @ W
        return A, moments.phi - A @ L @ moments.phi
    m = len(moments.phi)
    A, error = np.full((m, int(seen.sum())), np.nan), np.full((m, m), np.nan)
    measured = np.nonzero(np.any(L != 0, axis=0))[0]
    information = L[:, measured].T @ W @ L[:, measured]
    sd = np.sqrt(np.diag(information))
    if not len(measured) or np.linalg.eigvalsh(information / np.outer(sd, sd))[0] < SINGULAR:
        return A, error
    inverse = np.linalg.inv(information)
    A[measured] = inverse @ L[:, measured].T @ W
    error[np.ix_(measured, measured)] = inverse - moments.phi[np.ix_(measured, measured)]
    return A, error


def _determinacy(estimated: Estimated, group: int, label: str, method: str) -> list[Determinacy]:
    moments = estimated.moments[group]
    _, error = score_weights(moments, np.ones(len(moments.cov), dtype=bool), method)
    found = []
    for k, factor in enumerate(estimated.table.names.latent):
        phi, own = float(moments.phi[k, k]), float(error[k, k])
        share = 1.0 - own / phi if method == "regression" else phi / (phi + own)
        proper = np.isfinite(share) and phi > 0 and 0.0 <= share <= 1.0 + 1e-9
        found.append(
            Determinacy(
                group=label, factor=factor, correlation=float(np.sqrt(min(share, 1.0))) if proper else None,
                reliability=min(share, 1.0) if proper else None,
            )
        )  # fmt: skip
    return found
