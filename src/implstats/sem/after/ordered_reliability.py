"""Reliability of the sum of ordered answers, from a model of the normal variables behind them.

The sum of the answers is judged, not that of the normal variables: with the covariances of
:mod:`implstats.sem.after.answer_covariance`, whole (T) and explained by a factor or by all (C),

    omega = 1'C1 / 1'T1        categorical omega (Green & Yang 2009)

T from the sample's polychoric correlations, or from the model's. Thresholds are the model's, t = v (tau - mu)
with the scales v and the means mu of the group, so that groups with other means have other reliabilities.
Answers count as they are coded. Items without thresholds may stand beside ordered ones.

What refers to the normal variables (``omega_latent``, ``alpha_latent``, AVE, maximal reliability, HTMT) takes
each ordered one with variance one: it is the reliability that answers without categories would have, which no
score has, and does not depend on the parameterisation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from implstats.errors import NotSupportedError
from implstats.sem.after.answer_covariance import Steps, answer_covariance, steps_of
from implstats.sem.fitted import Estimated
from implstats.sem.model.matrices import filled
from implstats.sem.model.moments import Moments

Array = NDArray[np.float64]
Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderedGroup:
    """One group of an ordered fit.

    Attributes
    ----------
    moments : Moments
        With ordered normal variables of variance one.
    steps : Steps
    answers : ndarray, shape (p, p)
        Covariances of the answers as numbers, pair by pair.
    """

    moments: Moments
    steps: Steps
    answers: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficients:
    """Categorical omega and alpha of one sum; ``None`` for an improper solution."""

    omega: float | None
    omega_implied: float | None
    omega_total: float | None
    alpha: float


def ordered_group(estimated: Estimated, g: int) -> OrderedGroup:
    """Return what the reliability of a group's answers needs.

    Raises
    ------
    NotSupportedError
        A model with observed predictors.
    """
    structure, sample, moments = estimated.structures[g], estimated.sample.groups[g], estimated.moments[g]
    ls = sample.least_squares
    if ls is None or sample.answers is None:
        raise AssertionError("an ordered fit has its statistics and answers")
    if len(ls.x):
        raise NotSupportedError(
            "Reliability of ordered answers is not served beside observed predictors, because their "
            "distribution decides it. Fit the factors without predictors."
        )
    matrices = filled(structure, estimated.optimum.theta)
    v = np.where(ls.ordered, matrices["delta"], 1.0)
    located = ls.tau >= 0
    t = v[ls.item] * (matrices["tau"][ls.tau] - moments.mean[ls.item])
    thresholds = [t[located & (ls.item == i)] for i in range(len(v))]
    return OrderedGroup(
        moments=replace(
            moments, cov=moments.cov * np.outer(v, v), loading=moments.loading * v[:, None],
            total=moments.total * v[:, None], loading_phi=moments.loading_phi * v[:, None],
        ),
        steps=steps_of(thresholds, _values(estimated, len(v))),
        answers=pairwise_covariance(sample.answers),
    )  # fmt: skip


def _values(estimated: Estimated, p: int) -> list[Array]:
    """Each variable's answers in use, over all groups."""
    every = np.vstack([s.answers for s in estimated.sample.groups if s.answers is not None])
    return [np.unique(every[np.isfinite(every[:, i]), i]) for i in range(p)]


def pairwise_covariance(answers: Array) -> Array:
    """Return covariances (divisor n - 1) of the persons who answered both, shape (p, p)."""
    seen = np.isfinite(answers)
    if seen.all():
        return np.cov(answers.T).reshape(answers.shape[1], -1)
    filled_in = np.where(seen, answers, 0.0)
    n = seen.T.astype(float) @ seen
    sums = filled_in.T @ seen
    return np.asarray((filled_in.T @ filled_in - sums * sums.T / n) / (n - 1.0))


def ordered_coefficients(
    group: OrderedGroup, own: Places, effects: Array, phi: float, S: Array
) -> Coefficients:
    """Return the coefficients of the sum of the items ``own``, with scaled ``effects`` of their factor.

    Parameters
    ----------
    S : ndarray, shape (p, p)
        Polychoric (polyserial) correlations.
    """
    block, steps = np.ix_(own, own), group.steps.take(own)
    common = (group.moments.loading_phi @ group.moments.loading.T)[block]
    explained = _total(answer_covariance(steps, np.outer(effects, effects) * phi))
    every = _total(answer_covariance(steps, common))
    observed = _total(answer_covariance(steps, S[block]))
    implied = _total(answer_covariance(steps, group.moments.cov[block]))
    answers, k = group.answers[block], len(own)
    return Coefficients(
        omega=_share(explained, observed),
        omega_implied=_share(explained, implied),
        omega_total=_share(every, observed),
        alpha=k / (k - 1) * (1.0 - float(np.trace(answers)) / float(answers.sum())),
    )


def _total(cov: Array | None) -> float | None:
    return None if cov is None else float(cov.sum())


def _share(part: float | None, whole: float | None) -> float | None:
    return None if part is None or whole is None or whole <= 0.0 else part / whole
