"""Full-information maximum likelihood: a model's criterion from incomplete data.

The likelihood of :mod:`implstats.sem.estimators.incomplete` at Sigma(theta) and mu(theta). With Delta the
derivatives of the distinct moments, A, B and M their stacks, G and g the weights of dSigma and dmu:

    gradient         2 colsum(A * (G B)) + g' M
    information      Delta' H Delta                                     expected
                     Delta' H Delta + 1/2 (sum G d2 Sigma + g' d2 mu)   observed (exact)

Without missing answers this is the complete-data criterion of :mod:`implstats.sem.estimators.ml`. Arbuckle
(1996); Enders & Bandalos (2001).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from implstats.sem.data.patterns import Patterns
from implstats.sem.data.saturated import Saturated
from implstats.sem.estimators.incomplete import (
    evaluate_moments,
    gradient_weights,
    moment_derivatives,
    moment_information,
)
from implstats.sem.estimators.ml import Curvature, Evaluation, inverse_and_log_det
from implstats.sem.model.matrices import Structure, to_free
from implstats.sem.model.moments import derivative_stacks, implied_moments, second_derivatives

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Incomplete:
    """What full information keeps of the data.

    Attributes
    ----------
    patterns : Patterns
    saturated : Saturated
    n_no_predictor : int
        Rows left out because a fixed predictor is missing.
    share_missing : float
        Of all answers of the rows used.
    baseline : tuple of ndarray, shapes (p, p) and (p,), or None
        Moments of the baseline model where auxiliary variables keep their covariances.
    auxiliary : tuple of int
        Positions of auxiliary variables.
    """

    patterns: Patterns
    saturated: Saturated
    n_no_predictor: int
    share_missing: float
    baseline: tuple[Array, Array] | None = None
    auxiliary: tuple[int, ...] = ()


def evaluate_fiml(structure: Structure, patterns: Patterns, theta: Array, curvature: Curvature) -> Evaluation:
    """Return F and, unless ``curvature="none"``, its gradient and half its Hessian at theta, shape (q,)."""
    try:
        moments = implied_moments(structure, theta)
    except np.linalg.LinAlgError:  # I - B singular: no such model at this theta
        return Evaluation(value=np.inf)
    inverted = inverse_and_log_det(moments.cov) if np.all(np.isfinite(moments.cov)) else None
    state = None if inverted is None else evaluate_moments(patterns, moments.cov, moments.mean)
    if state is None or inverted is None:
        return Evaluation(value=np.inf)
    if curvature == "none":
        return Evaluation(value=state.value)
    stacks = derivative_stacks(structure, moments)
    G, g = gradient_weights(patterns, state)
    gradient = 2.0 * (stacks.a * (G @ stacks.b)).sum(axis=0) + g @ stacks.m
    observed = curvature == "observed"
    delta = moment_derivatives(stacks)
    information = delta.T @ moment_information(patterns, state, observed=observed) @ delta
    if observed:
        information += 0.5 * second_derivatives(structure, moments, G, g)
    return Evaluation(
        value=state.value, gradient=to_free(structure, gradient), information=to_free(structure, information),
        weight=inverted[0], moments=moments, stacks=stacks,
    )  # fmt: skip
