"""The sentences that go with a generalised fit, beside those of every fit (`mixed.checks`)."""

from __future__ import annotations

import numpy as np

from implstats.mixed.laplace.boundary import NOT_WORSE, Optimum, start_at
from implstats.mixed.laplace.criterion import Problem
from implstats.mixed.laplace.optimise import minimise
from implstats.mixed.laplace.quadrature import Quadrature
from implstats.results import Check

FINE = 15  # quadrature points that Laplace's method is compared with; quadrature with twice its own
NOTABLE = 0.1  # standard errors by which an estimate may move before the reader should know
WIDE = 5.0  # standard deviation of a random effect, in logits or probits, that binary data hardly support
ANOTHER_START = 1.5
LARGEST = 200_000  # rows beyond which the integral is not computed a second time


def optimum_check(optimum: Optimum | None) -> Check:
    """Return whether gradient and curvature show a minimum."""
    if optimum is None:
        return Check(
            name="optimum", status="fail",
            message="The likelihood could not be computed at any start, so no estimate is given. Look for "
            "predictors of extreme size, and simplify the random part.",
        )  # fmt: skip
    search = optimum.search
    numbers = (
        f"gradient {float(np.linalg.norm(search.at.gradient)):.1e}, smallest curvature "
        f"{search.smallest_curvature:.1e} of the largest, {search.iterations} iteration(s) from "
        f"{optimum.starts} start(s)"
    )
    if optimum.verified:
        return Check(name="optimum", status="ok", message=f"The optimum was verified: {numbers}.")
    return Check(
        name="optimum", status="fail",
        message=f"No optimum could be verified ({numbers}), so no estimate is given. Simplify the random "
        "part, for instance by leaving out a slope; a variance without bound means that nearly every "
        "cluster gives one answer.",
    )  # fmt: skip


def identified_check(covariance: np.ndarray | None) -> Check:
    """Return whether the Hessian could be inverted."""
    if covariance is not None:
        return Check(name="identified", status="ok", message="The data inform every parameter.")
    return Check(
        name="identified", status="fail",
        message="The data do not inform every parameter (the likelihood is flat in some direction), so no "
        "estimate is given. Simplify the random part, or drop a predictor.",
    )  # fmt: skip


def integration_check(problem: Problem, optimum: Optimum, covariance: np.ndarray) -> Check:
    """Return how good the approximation of the integral is, measured by a finer one where that exists."""
    points = getattr(problem.rule, "points", 1)
    if problem.nested.Q > 1 or problem.nested.cluster.size > LARGEST:
        return Check(
            name="integration", status="info",
            message="Random effects were integrated out by Laplace's method. It is least exact for binary "
            "outcomes with few rows a cluster, where it makes variances too small; quadrature exists for "
            "one random effect.",
        )  # fmt: skip
    how = "Laplace's method" if points == 1 else f"quadrature with {points} points"
    more = FINE if points == 1 else 2 * points + 1
    fine = Problem(
        family=problem.family, nested=problem.nested, X=problem.X, offset=problem.offset, shape=problem.shape,
        n_extra=problem.n_extra, rule=Quadrature(more),
    )  # fmt: skip
    at = fine.at_mode(optimum.search.at)
    if at is None:
        return Check(
            name="integration", status="warn",
            message=f"Random effects were integrated out by {how}; a finer integral could not be computed.",
        )  # fmt: skip
    apart = 0.5 * (optimum.search.at.value - at.value)
    move = np.abs(0.5 * covariance @ at.gradient)
    errors = np.sqrt(np.diag(covariance))
    share = np.divide(move, errors, out=np.zeros_like(move), where=optimum.free)
    end = problem.p + problem.n_extra
    largest, variance = float(share[:end].max()), float(share[end:].max())
    numbers = (
        f"against {more} points the log-likelihood differs by {apart:.2g}, and a step towards its optimum "
        f"moves a coefficient by at most {largest:.2g} and a standard deviation by {variance:.2g} of its "
        "standard errors"
    )
    if max(largest, variance) <= NOTABLE:
        return Check(
            name="integration",
            status="ok",
            message=f"Random effects were integrated out by {how}: {numbers}.",
        )
    return Check(
        name="integration", status="warn",
        message=f"Random effects were integrated out by {how}, which is rough here: {numbers}. "
        f"Use agq={more}.",
    )  # fmt: skip


def wide_check(names: list[str], largest: float) -> list[Check]:
    """Return a word on standard deviations that binary and ordinal data hardly support."""
    if not names:
        return []
    return [
        Check(
            name="wide", status="warn",
            message=f"The standard deviation of {', '.join(names)} is large ({largest:.3g} on the scale "
            "of the linear predictor): most clusters give one answer throughout. Coefficients are then "
            "conditional on a very uneven cluster and depend on the normal distribution assumed for "
            "clusters.",
        )
    ]  # fmt: skip


def second_opinion_check(problem: Problem, optimum: Optimum, plain: np.ndarray) -> Check:
    """Return whether a search from another start ends at the same optimum."""
    other = minimise(problem, start_at(problem, plain, ANOTHER_START))
    if other is None:
        return Check(name="second_opinion", status="info", message="No other start was possible.")
    difference = other.at.value - optimum.search.at.value
    if difference >= -max(NOT_WORSE, 1e-6):
        same = abs(difference) <= 1e-6
        message = "A search from another start reached the same optimum." if same else (
            f"A search from another start ended {difference:.6f} above the optimum given."
        )  # fmt: skip
        return Check(name="second_opinion", status="ok" if same else "info", message=message)
    return Check(
        name="second_opinion", status="warn",
        message=f"A search from another start ended with a criterion {difference:+.6f} away from ours.",
    )  # fmt: skip
