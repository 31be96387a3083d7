"""What full information adds to a fitted model: deviances, and robust inference from persons' scores.

Chi-square compares the model's likelihood with that of the saturated moments from the same answers; the
baseline keeps every variable's own mean and variance (exogenous predictors, always complete, their
covariances), so that it needs no iteration. Robust (MLR), with H the exact information, s_i the scores,

    V = H^-1 J H^-1,   J = sum_i s_i s_i'         Huber (1967), White (1980)
    c = (tr1 - tr0) / df,   tr = trace(H^-1 J)    of the saturated model less that of the model

Yuan & Bentler (2000), in the variant that subtracts traces. Each model's H and J are Delta' . Delta of
the same two matrices in the distinct moments, at that model's own moments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from implstats.sem.data.patterns import Patterns
from implstats.sem.data.saturated import available_moments
from implstats.sem.estimators.fiml import Incomplete
from implstats.sem.estimators.incomplete import (
    State,
    evaluate_moments,
    moment_derivatives,
    moment_information,
    pair_index,
    score_products,
)
from implstats.sem.inference.robust import Robust, saturated_trace_of
from implstats.sem.model.matrices import Structure, columns_to_free
from implstats.sem.model.moments import Moments, Stacks

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviances:
    """Tests and log-likelihoods: chi-square of model and baseline, log-likelihood of model and saturated."""

    chisq: float
    baseline_chisq: float
    logl: float
    logl_saturated: float


def baseline_moments(incomplete: Incomplete, x: list[int]) -> tuple[Array, Array]:
    """Return Sigma and mu of the baseline: uncorrelated but for the variables ``x``, which are complete."""
    if incomplete.baseline is not None:
        return incomplete.baseline
    variance, mean = available_moments(incomplete.patterns)
    cov = np.diag(variance)
    cov[np.ix_(x, x)] = incomplete.saturated.cov[np.ix_(x, x)]
    return cov, mean


def proper_state(patterns: Patterns, cov: Array, mean: Array) -> State:
    """Return F and its weights at the moments of a judged model."""
    state = evaluate_moments(patterns, cov, mean)
    if state is None:
        raise AssertionError("the moments of a judged model are positive definite")
    return state


def fiml_deviances(incomplete: Incomplete, value: float, x: list[int]) -> Deviances:
    """Return the tests of one group whose criterion is ``value``; ``x`` are the exogenous predictors."""
    patterns, saturated = incomplete.patterns, incomplete.saturated.state.value
    n, constant = patterns.n, patterns.constant
    baseline = proper_state(patterns, *baseline_moments(incomplete, x)).value
    return Deviances(
        chisq=n * (value - saturated),
        baseline_chisq=n * (baseline - saturated),
        logl=-0.5 * n * (value + constant),
        logl_saturated=-0.5 * n * (saturated + constant),
    )


def _bread_and_meat(patterns: Patterns, state: State, mean: Array) -> tuple[Array, Array]:
    """H and J of one person in the distinct moments."""
    H = moment_information(patterns, state, observed=True)
    return H, score_products(patterns, state, mean) / patterns.n


def _trace(H: Array, J: Array) -> float:
    return float(np.trace(np.linalg.solve(H, J)))


def baseline_places(p: int, x: list[int], auxiliary: Sequence[int] = ()) -> NDArray[np.intp]:
    """Free moments of the baseline: variances, covariances among ``x`` and of auxiliary variables, means."""
    i, j, _ = pair_index(p)
    free = (i == j) | (np.isin(i, x) & np.isin(j, x)) | np.isin(i, auxiliary) | np.isin(j, auxiliary)
    return np.concatenate([np.nonzero(free)[0], len(i) + np.arange(p)])


def fiml_score_products(
    structures: Sequence[Structure],
    groups: Sequence[Incomplete],
    moments: Sequence[Moments],
    stacks: Sequence[Stacks],
) -> Array:
    """Return J = sum_i s_i s_i' over the persons of all groups, shape (q, q)."""
    total = np.zeros((structures[0].n_free,) * 2)
    for structure, incomplete, at, derivatives in zip(structures, groups, moments, stacks, strict=True):
        state = proper_state(incomplete.patterns, at.cov, at.mean)
        delta = columns_to_free(structure, moment_derivatives(derivatives))
        total += delta.T @ score_products(incomplete.patterns, state, at.mean) @ delta
    return total


def fiml_saturated_trace(groups: Sequence[Incomplete]) -> float:
    """Return tr(H^-1 J) of the saturated model, summed over groups."""
    return sum(_trace(*_bread_and_meat(g.patterns, g.saturated.state, g.saturated.mean)) for g in groups)


def fiml_robust(
    structures: Sequence[Structure],
    groups: Sequence[Incomplete],
    *,
    moments: Sequence[Moments],
    stacks: Sequence[Stacks],
    bread: Array,
    of_trace: Array,
    n_free: int,
    df: int,
    x: list[int],
    given: list[int],
    baseline_df: int,
) -> Robust:
    """Return the sandwich and the scaling factors of model and baseline.

    Parameters
    ----------
    moments, stacks
        Of each group at the model's optimum.
    bread : ndarray, shape (q, q)
        Inverse exact information of all persons, within the constraints.
    of_trace : ndarray, shape (q, q)
        The inverse information that the scaling factor takes.
    n_free : int
        Free parameters, equality constraints taken off.
    x, given : list of int
        Positions of the exogenous predictors; of those that are fixed, whose moments belong to no trace.
    """
    meat = fiml_score_products(structures, groups, moments, stacks)
    of_model = float((of_trace * meat).sum())
    of_saturated = fiml_saturated_trace(groups)
    of_given = sum(_trace_of_given(g, given) for g in groups)
    p, k = len(structures[0].observed), len(given)
    n_moments = len(groups) * (p * (p + 3) // 2 - k * (k + 3) // 2)
    return Robust(
        covariance=bread @ meat @ bread,
        scale=(of_saturated - of_given - of_model) / df if df else None,
        baseline_scale=_baseline_scale(groups, of_saturated, x, baseline_df),
        extra={
            "scaling.factor.h1": (of_saturated - of_given) / n_moments,
            "scaling.factor.h0": of_model / n_free,
        },
    )


def _trace_of_given(group: Incomplete, given: list[int]) -> float:
    """tr(H^-1 J) of predictors' own moments; everyone answered them."""
    if not given:
        return 0.0
    centred = group.patterns.rows[:, given] - group.saturated.mean[given]
    return saturated_trace_of(
        centred, centred.T @ centred / len(centred), means=True, cluster=group.patterns.cluster
    )


def _baseline_scale(groups: Sequence[Incomplete], of_saturated: float, x: list[int], df: int) -> float:
    if df == 0:
        return 1.0
    of_baseline = 0.0
    for incomplete in groups:
        cov, mean = baseline_moments(incomplete, x)
        H, J = _bread_and_meat(incomplete.patterns, proper_state(incomplete.patterns, cov, mean), mean)
        free = np.ix_(*(baseline_places(len(mean), x, incomplete.auxiliary),) * 2)
        of_baseline += _trace(H[free], J[free])
    return (of_saturated - of_baseline) / df
