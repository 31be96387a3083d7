"""Reliability of sum scores of persons within clusters, from a fitted two-level model.

Which reliability answers which question, after Lai (2021):

    omega_within      do persons' deviations from their cluster's mean tell the persons of a cluster apart?
    omega_between     do the observed means of clusters tell clusters apart on what their members share?
    omega_two_level   do persons' plain scores tell all persons apart, whichever cluster they are in?
    irr               do the members of a cluster agree, so that its mean says something about the cluster?

A construct measured at both levels with equal loadings (configural: a person's attribute whose average is
the cluster's) has all of them; one of clusters (shared: a climate, rated by members) has ``omega_between``
with the ``irr``. Factors of both levels with the same items are one construct here. Omegas rest on the
model's matrices (``observed``: with the saturated variance below the line, as in semTools by default), alphas
and the irr on the saturated matrices. Formulas: :mod:`implstats.sem.after.multilevel_omega`.

Standard errors: delta method with the fit's covariance matrix (robust under MLR), intervals on the logit's
scale or, as Lai proposes, Monte Carlo; alphas and irr by the expected information of the saturated model of
their items, which holds for complete answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from implstats.errors import ModelError, UsageError, did_you_mean
from implstats.results import Check, finite_or_none
from implstats.sem.after.multilevel_checks import composite_checks
from implstats.sem.after.multilevel_omega import (
    ALPHAS,
    OMEGAS,
    Composite,
    alphas,
    logit_interval,
    omegas,
    saturated_covariance,
    slopes,
)
from implstats.sem.after.multilevel_parts import TwoLevelParts, composites, two_level_parts
from implstats.sem.resampling.guard import check_draws
from implstats.sem.resampling.monte_carlo import normal_draws
from implstats.sem.two_level_record import TwoLevelResult

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
Interval = Literal["delta", "monte_carlo"]
ANSWERS = {
    "omega_within": "how well deviations from the cluster's mean tell persons of a cluster apart",
    "omega_between": "how well observed cluster means tell clusters apart on the construct",
    "omega_two_level": "how well plain scores tell all persons apart on the construct",
    "alpha_within": "omega_within, were all loadings equal",
    "alpha_between": "omega_between, were all loadings equal",
    "alpha_two_level": "omega_two_level, were all loadings equal",
    "irr": "how far members of a cluster agree on its mean score",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MultilevelCoefficient:
    """One reliability of one construct's sum score; a share.

    Attributes
    ----------
    construct : str
        Factor's name, or both levels' names joined by ``/``.
    name : str
        ``omega_within``, ``omega_between``, ``omega_two_level``, the alphas of the same names, ``irr``.
    items : tuple of str
    estimate : float or None
    observed : float or None
        Omegas with the variance of the saturated matrices below the line; alphas and irr: the estimate.
    std_error, conf_low, conf_high : float or None
        Of ``estimate``.
    answers : str
        The question in words.
    """

    construct: str
    name: str
    items: tuple[str, ...]
    estimate: float | None
    observed: float | None
    std_error: float | None
    conf_low: float | None
    conf_high: float | None
    answers: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MultilevelReliability:
    """Reliabilities of all constructs of a two-level model.

    Attributes
    ----------
    coefficients : tuple of MultilevelCoefficient
    cluster_size : float
        Harmonic mean of the clusters' sizes, to which ``omega_between`` and ``irr`` belong.
    n_clusters : int
    interval : {"delta", "monte_carlo"}
    ci_level : float
    checks : tuple of Check
    """

    coefficients: tuple[MultilevelCoefficient, ...]
    cluster_size: float
    n_clusters: int
    interval: str
    ci_level: float
    checks: tuple[Check, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """One row a coefficient."""
        import pandas as pd

        return pd.DataFrame([asdict(c) | {"items": ", ".join(c.items)} for c in self.coefficients])


def multilevel_reliability(
    result: TwoLevelResult, *, interval: Interval = "delta", draws: int = 5000, seed: int | None = None,
    ci_level: float = 0.95,
) -> MultilevelReliability:  # fmt: skip
    """Return the reliabilities within and between clusters, and of plain scores, of each construct.

    Parameters
    ----------
    result : TwoLevelResult
        Of a model with a factor of two or more items at level 2 or level 1.
    interval : {"delta", "monte_carlo"}
        Monte Carlo intervals of omegas draw the estimates anew; alphas keep the delta method.
    draws, seed : int
        Of the Monte Carlo intervals, which need a seed.
    ci_level : float

    Raises
    ------
    UsageError
        Not a two-level fit, an unknown interval, or a seed, level or number of draws that makes no sense.
    ModelError
        The fit failed, or no factor has two observed items.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import sem
    >>> draw = np.random.default_rng(3)
    >>> team = np.repeat(np.arange(100), 5)
    >>> level = draw.normal(size=(100, 1))[team] + draw.normal(size=(500, 1))
    >>> frame = pd.DataFrame(level + draw.normal(size=(500, 3)), columns=["a", "b", "c"]).assign(team=team)
    >>> text = "level: 1\\nf =~ a + u*b + v*c\\nlevel: 2\\nf =~ a + u*b + v*c\\n"
    >>> fixed = text + "a ~~ 0*a\\nb ~~ 0*b\\nc ~~ 0*c"
    >>> found = multilevel_reliability(sem.fit_two_level(fixed, frame, cluster="team"))
    >>> {c.name: round(c.estimate, 1) for c in found.coefficients if c.name.startswith("omega")}
    {'omega_within': 0.8, 'omega_between': 0.8, 'omega_two_level': 0.9}

    References
    ----------
    Lai, M. H. C. (2021). Composite reliability of multilevel data: It's about observed scores and construct
    meanings. Psychological Methods, 26.
    """
    _check_arguments(result, interval, draws, seed, ci_level)
    parts = two_level_parts(result)
    found = composites(parts)
    if not found:
        raise ModelError("No factor has two observed items, so there is no sum score.")
    everything = _omega_function(parts, found)
    estimates = everything(parts.theta).reshape(len(found), len(OMEGAS))
    levels = zip(parts.at(parts.theta), parts.saturated, strict=True)
    saturated = [part.with_cov(cov) for part, cov in levels]
    errors, drawn = _uncertainty(parts, everything, interval, draws, seed)
    coefficients: list[MultilevelCoefficient] = []
    for k, composite in enumerate(found):
        place = slice(k * len(OMEGAS), (k + 1) * len(OMEGAS))
        observed = omegas(composite, saturated[0], saturated[1], h=parts.h)
        limits = _limits(estimates[k], errors[place], None if drawn is None else drawn[:, place], ci_level)
        coefficients += _rows(composite, OMEGAS, estimates[k], observed, errors[place], limits)
        coefficients += _alpha_rows(parts, composite, ci_level)
    return MultilevelReliability(
        coefficients=tuple(coefficients), cluster_size=1.0 / parts.h, n_clusters=parts.n_clusters,
        interval=interval, ci_level=ci_level, checks=tuple(_checks(parts, found, coefficients)),
    )  # fmt: skip


def _check_arguments(
    result: TwoLevelResult, interval: str, draws: int, seed: int | None, ci_level: float
) -> None:
    if not isinstance(result, TwoLevelResult):
        raise UsageError(
            "multilevel_reliability takes the result of sem.fit_two_level; for a model of one level take "
            "sem.reliability."
        )
    if interval not in get_args(Interval):
        hint = did_you_mean(interval, get_args(Interval)) or "."
        raise UsageError(f"interval '{interval}' is not known{hint} Choose delta or monte_carlo.")
    if interval == "monte_carlo" and seed is None:
        raise UsageError("Monte Carlo intervals need a seed, so that they can be drawn again: seed=1.")
    check_draws(draws, seed or 0, level=ci_level, least=100)


def _omega_function(parts: TwoLevelParts, found: list[Composite]) -> Callable[[Array], Array]:
    """Return the function theta (q,) -> omegas of all constructs, one behind the other."""

    def everything(theta: Array) -> Array:
        within, between = parts.at(theta)
        return np.concatenate([omegas(c, within, between, h=parts.h) for c in found])

    return everything


def _uncertainty(
    parts: TwoLevelParts, everything: Callable[[Array], Array], interval: str, draws: int, seed: int | None
) -> tuple[Array, Array | None]:
    """Return standard errors and, for Monte Carlo intervals, the drawn omegas, shape (draws, values)."""
    if interval == "monte_carlo":
        thetas = normal_draws(parts.theta, parts.covariance, draws=draws, seed=seed or 0)
        drawn = np.array([everything(theta) for theta in thetas])
        return drawn.std(axis=0, ddof=1), drawn
    sd = np.sqrt(np.maximum(np.diag(parts.covariance), 0.0))
    J = slopes(everything, parts.theta, scale=np.where(sd > 0, sd, 1.0))
    return np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", J, parts.covariance, J), 0.0)), None


def _limits(estimates: Array, errors: Array, drawn: Array | None, level: float) -> list[tuple[float, float]]:
    if drawn is None:
        pairs = zip(estimates, errors, strict=True)
        return [logit_interval(float(e), float(s), level=level) for e, s in pairs]
    tails = np.quantile(drawn, [(1.0 - level) / 2.0, (1.0 + level) / 2.0], axis=0)
    return [(float(low), float(high)) for low, high in tails.T]


def _rows(
    composite: Composite, names: tuple[str, ...], estimates: Array, observed: Array, errors: Array,
    limits: list[tuple[float, float]],
) -> list[MultilevelCoefficient]:  # fmt: skip
    """Return the coefficients that exist."""
    return [
        MultilevelCoefficient(
            construct=composite.construct, name=name, items=composite.items, estimate=float(estimate),
            observed=finite_or_none(other), std_error=finite_or_none(error), conf_low=finite_or_none(low),
            conf_high=finite_or_none(high), answers=ANSWERS[name],
        )
        for name, estimate, other, error, (low, high) in zip(
            names, estimates, observed, errors, limits, strict=True
        )
        if np.isfinite(estimate)
    ]  # fmt: skip


def _alpha_rows(parts: TwoLevelParts, composite: Composite, level: float) -> list[MultilevelCoefficient]:
    """Return alphas and irr, with errors where the saturated matrices are proper and complete."""
    estimates = alphas(composite, *parts.saturated, h=parts.h)
    errors = np.full(len(ALPHAS), np.nan)
    if parts.complete and len(composite.within) == len(composite.between) and parts.proper(composite):
        blocks = [S[np.ix_(at, at)] for S, at in zip(parts.saturated, composite.places, strict=True)]
        covariance = saturated_covariance(blocks[0], blocks[1], parts.sizes, parts.counts)
        errors = _alpha_errors(composite, blocks, covariance, parts.h)
    limits = _limits(estimates, errors, None, level)
    return _rows(composite, ALPHAS, estimates, estimates, errors, limits)


def _alpha_errors(composite: Composite, blocks: list[Array], covariance: Array, h: float) -> Array:
    p = len(blocks[0])
    i, j = np.tril_indices(p)
    whole = np.arange(p)
    alone = replace(composite, within=whole, between=whole)

    def of(values: Array) -> Array:
        within, between = np.zeros((p, p)), np.zeros((p, p))
        within[i, j], between[i, j] = np.split(values, 2)
        within[j, i], between[j, i] = np.split(values, 2)
        return alphas(alone, within, between, h=h)

    at = np.concatenate([block[i, j] for block in blocks])
    J = slopes(of, at, scale=np.sqrt(np.diag(covariance)))
    return np.asarray(np.sqrt(np.einsum("ij,jk,ik->i", J, covariance, J)))


def _checks(
    parts: TwoLevelParts, found: list[Composite], coefficients: list[MultilevelCoefficient]
) -> list[Check]:
    beyond = [f"{c.name} of {c.construct}" for c in coefficients if not 0.0 <= (c.estimate or 0.0) <= 1.0]
    blank = [c.construct for c in coefficients if c.name in ALPHAS and c.std_error is None]
    return composite_checks(found, *parts.at(parts.theta), beyond=beyond, blank=blank)
