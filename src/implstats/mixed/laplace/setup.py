"""From a formula and a frame to the function that is minimised, and where its search starts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import logit, ndtri

from implstats.errors import NotSupportedError
from implstats.mixed.design.build import Design, build_design
from implstats.mixed.design.formula import Formula
from implstats.mixed.design.standardise import Standardised
from implstats.mixed.gaussian.covariance import CovarianceShape, LevelShape
from implstats.mixed.laplace.coordinates import safe_coordinates
from implstats.mixed.laplace.criterion import Problem
from implstats.mixed.laplace.cumulative import CumulativeLogit, CumulativeProbit
from implstats.mixed.laplace.families import (
    BinomialLogit,
    BinomialProbit,
    Family,
    NegativeBinomialLog,
    PoissonLog,
)
from implstats.mixed.laplace.nested import nest
from implstats.mixed.laplace.outcome import Outcome, read_outcome, response_names
from implstats.mixed.laplace.quadrature import Quadrature
from implstats.mixed.laplace.separation import check_separation
from implstats.mixed.laplace.start import fit_without_random

if TYPE_CHECKING:
    import pandas as pd

LIKELY_DISPERSION = (0.1, 100.0)  # range of the negative binomial's theta at the start


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A model ready to be fitted.

    Attributes
    ----------
    outcome : Outcome
    y : ndarray, (n,)
        Successes, counts or category numbers from 0, of the design's rows.
    levels : tuple of str
        Categories in use.
    design : Design
    scaled : Standardised
    shift : ndarray, (thresholds, p)
    problem : Problem
    plain : ndarray, (p + E,)
        Estimates without random effects, in the coordinates of the fit.
    plain_log_likelihood : float
    """

    outcome: Outcome
    y: np.ndarray
    levels: tuple[str, ...]
    design: Design
    scaled: Standardised
    shift: np.ndarray
    problem: Problem
    plain: np.ndarray
    plain_log_likelihood: float


def set_up(
    read: Formula, frame: pd.DataFrame, *, family: str, link: str, agq: int, weights: str | None
) -> Task:  # fmt: skip
    """Return the model ready to be fitted.

    Raises
    ------
    ProblemsError, DataError, ModelError, UsageError, NotSupportedError
    """
    outcome, design = _design(read, frame, family=family, weights=weights)
    _refuse_crossed(design)
    if agq > 1 and (len(design.levels) > 1 or len(design.levels[0].names) > 1):
        raise NotSupportedError(
            f"agq={agq}: adaptive quadrature is for one grouping factor with one random effect. Leave agq "
            "at 1 (Laplace's method) for this random part."
        )
    y, levels = outcome.values[design.rows], outcome.levels
    trials = None if outcome.trials is None else outcome.trials[design.rows]
    if family == "ordinal":
        y, levels = _used_categories(y, levels)
    thresholds = len(levels) - 1 if family == "ordinal" else 0
    scaled, shift = safe_coordinates(design, thresholds=thresholds)
    nested = nest([level.clusters.codes for level in design.levels], scaled.Z)
    rows = _family(family, link, y, trials, len(levels)).take(nested.order)
    X = np.ascontiguousarray(scaled.Q[nested.order].T)
    shifted = np.zeros(len(y)) if design.offset is None else design.offset[nested.order]
    b, extra = _guess(family, link, y, trials, thresholds, X, float(shifted.mean()))
    plain = fit_without_random(rows, X, shifted, b, extra)
    if not plain.proper:
        _look_for_separation(family, outcome.name, design, scaled, y, trials)
    shape = CovarianceShape(
        levels=tuple(LevelShape(q=len(level.names), blocks=level.blocks) for level in design.levels)
    )
    problem = Problem(
        family=rows, nested=nested, X=X, offset=shifted, shape=shape, n_extra=len(extra),
        rule=None if agq == 1 else Quadrature(agq),
    )  # fmt: skip
    return Task(
        outcome=outcome, y=y, levels=levels, design=design, scaled=scaled, shift=shift, problem=problem,
        plain=np.concatenate([plain.b, plain.extra]), plain_log_likelihood=plain.log_likelihood,
    )  # fmt: skip


def _design(
    read: Formula, frame: pd.DataFrame, *, family: str, weights: str | None
) -> tuple[Outcome, Design]:
    named = [] if weights is None else [weights]
    wanted = [*response_names(read), *named]
    known = [str(c) for c in frame.columns]
    if len(frame) == 0 or any(known.count(name) != 1 for name in wanted):
        # Let the design's reader list every unknown name at once; it raises.
        build_design(
            replace(read, response=f"I({' + '.join(_quoted(read, wanted))})", quoted=(*read.quoted, *wanted)),
            frame, weights=None,
        )  # fmt: skip
    outcome = read_outcome(read, frame, family=family, weights=weights)
    single = outcome.trials is None or bool(np.nanmax(outcome.trials) <= 1.0)
    design = build_design(
        outcome.formula, frame.assign(**{outcome.name: outcome.shown}), weights=None,
        also=(*outcome.also, *named), residual=family == "ordinal" or (family == "binomial" and single),
    )  # fmt: skip
    return outcome, design


def _quoted(read: Formula, names: list[str]) -> list[str]:
    """Return stand-ins for column names, which need not be words, after those of the formula."""
    return [f"_quoted_{len(read.quoted) + i}_" for i in range(len(names))]


def _refuse_crossed(design: Design) -> None:
    for i, lower in enumerate(design.levels):
        for upper in design.levels[i + 1 :]:
            own = upper.clusters.codes[lower.clusters.first][lower.clusters.codes]
            if np.any(own != upper.clusters.codes):
                raise NotSupportedError(
                    f"The clusters '{lower.clusters.name}' are not nested in '{upper.clusters.name}'; "
                    "crossed factors are fitted in Gaussian models only. Enter one of them as fixed "
                    f"categories, factor({upper.clusters.name}), or, if its ids start anew in each, write "
                    f"(1 | {upper.clusters.name}/{lower.clusters.name})."
                )


def _used_categories(y: np.ndarray, levels: tuple[str, ...]) -> tuple[np.ndarray, tuple[str, ...]]:
    used, at = np.unique(y, return_inverse=True)
    return at.astype(np.int64), tuple(levels[int(k)] for k in used)


def _family(family: str, link: str, y: np.ndarray, trials: np.ndarray | None, categories: int) -> Family:
    if family == "ordinal":
        kind = CumulativeLogit if link == "logit" else CumulativeProbit
        return kind(y, categories)
    if family == "binomial":
        if trials is None:
            raise ValueError("a binomial outcome has trials")
        return BinomialLogit(y, trials) if link == "logit" else BinomialProbit(y, trials)
    return PoissonLog(y) if family == "poisson" else NegativeBinomialLog(y)


def _guess(
    family: str, link: str, y: np.ndarray, trials: np.ndarray | None, thresholds: int, X: np.ndarray,
    offset: float,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return where the fit without random effects starts: what the margin of the outcome says."""
    quantile = logit if link == "logit" else ndtri
    b = np.zeros(len(X))
    if family == "ordinal":
        shares = np.cumsum(np.bincount(y, minlength=thresholds + 1))[:-1] / len(y)
        return b, quantile(shares)
    mean = float(y.sum()) / (len(y) if trials is None else float(trials.sum()))
    middle = (float(quantile(mean)) if family == "binomial" else float(np.log(mean))) - offset
    # The intercept's column is the same in every row; without one the fit starts at zero.
    constant = [j for j, x in enumerate(X[:1]) if np.ptp(x) <= 1e-9 * np.abs(x).max()]
    for j in constant:
        b[j] = middle / X[j, 0]
    if family != "nbinom":
        return b, np.zeros(0)
    excess = float(np.mean((y - mean) ** 2) - mean)
    theta = np.clip(mean**2 / excess if excess > 0.0 else np.inf, *LIKELY_DISPERSION)
    return b, np.array([np.log(theta)])


def _look_for_separation(
    family: str, name: str, design: Design, scaled: Standardised, y: np.ndarray, trials: np.ndarray | None
) -> None:
    X = design.X[:, list(scaled.kept)]
    size = np.abs(X).max(axis=0)
    centred = design.intercept
    if centred:
        first = 0 if family == "ordinal" else 1
        mean = X.mean(axis=0)
        mean[:first] = 0.0
        X, size = X - mean, np.where(np.arange(X.shape[1]) < first, size, np.abs(X - mean).max(axis=0))
    check_separation(
        X / size, tuple(design.names[j] for j in scaled.kept),
        kind=family if family in ("binomial", "ordinal") else "count", y=y, trials=trials, outcome=name,
        intercept=design.intercept and family != "ordinal",
    )  # fmt: skip
