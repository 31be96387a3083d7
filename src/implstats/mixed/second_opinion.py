"""A second, independent opinion on a fit: statsmodels' MixedLM, or another start.

statsmodels never supplies a number of ours. It serves for one grouping level with one correlated block, and
for random intercepts below a top level, without prior weights; elsewhere the search is repeated from a
different start. Its REML log-likelihood leaves out log|X'X| terms in the same way as ours, so both are
compared directly.
"""

from __future__ import annotations

import warnings

import numpy as np

from implstats.mixed.design.build import Design
from implstats.mixed.design.standardise import Standardised
from implstats.mixed.gaussian.boundary import Optimum
from implstats.mixed.gaussian.criterion import Problem
from implstats.mixed.gaussian.optimise import minimise, start
from implstats.results import Check

SAME_LIKELIHOOD = 1e-3  # statsmodels stops by its own, looser rule; beyond this the optima differ
SAME_ESTIMATE = 0.01  # standard errors
LARGEST = 20_000  # rows beyond which statsmodels takes minutes
ANOTHER_START = 2.0


def second_opinion_check(
    problem: Problem, optimum: Optimum, design: Design, scaled: Standardised, log_likelihood: float,
    estimates: np.ndarray,
) -> Check:  # fmt: skip
    """Return whether an independent fit agrees; a disagreement names both numbers."""
    if not _statsmodels_has(design):
        return _from_another_start(problem, optimum)
    try:
        other_likelihood, other = _statsmodels(design, scaled, reml=problem.reml)
    except (ValueError, np.linalg.LinAlgError, FloatingPointError) as error:
        return Check(
            name="second_opinion", status="info",
            message=f"statsmodels could not fit this model ({type(error).__name__}), so it "
            "gives no second opinion.",
        )  # fmt: skip
    if not np.isfinite(other_likelihood):
        return Check(name="second_opinion", status="info", message="statsmodels found no finite likelihood.")
    at = optimum.search.at
    errors = scaled.scale * np.sqrt(np.diag(scaled.M @ (at.sigma2 * at.C) @ scaled.M.T))
    apart = float(np.max(np.abs(other - estimates) / errors))
    both = (
        f"log-likelihood {other_likelihood:.4f}, ours {log_likelihood:.4f}; "
        f"coefficients differ by at most {apart:.4f} standard errors"
    )
    if abs(other_likelihood - log_likelihood) <= SAME_LIKELIHOOD and apart <= SAME_ESTIMATE:
        return Check(name="second_opinion", status="ok", message=f"statsmodels agrees: {both}.")
    lower = other_likelihood < log_likelihood
    why = "its optimum is the lower one" if lower else "its optimum is the higher one, so ours is in doubt"
    return Check(name="second_opinion", status="warn", message=f"statsmodels disagrees: {both}; {why}.")


def _statsmodels_has(design: Design) -> bool:
    if design.crossed or design.weights is not None or len(design.y) > LARGEST or len(design.levels) > 2:
        return False
    top, lower = design.levels[-1], design.levels[:-1]
    return len(top.blocks) == 1 and all(level.names == ("(Intercept)",) for level in lower)


def _statsmodels(design: Design, scaled: Standardised, *, reml: bool) -> tuple[float, np.ndarray]:
    """Return statsmodels' log-likelihood and coefficients."""
    from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec

    top = design.levels[-1]
    X = design.X[:, list(scaled.kept)]
    groups = top.clusters.codes
    extra = None
    if len(design.levels) == 2:
        lower = design.levels[0].clusters
        matrices, columns = [], []
        for j in range(top.clusters.size):
            own = lower.codes[groups == j]
            ids, position = np.unique(own, return_inverse=True)
            matrices.append(np.eye(len(ids))[position.reshape(-1)])
            columns.append([str(i) for i in ids])
        extra = VCSpec([lower.name], [columns], [matrices])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = MixedLM(design.y, X, groups, exog_re=top.Z, exog_vc=extra)
        found = model.fit(reml=reml, method=["bfgs", "lbfgs", "cg"])
    return float(found.llf), np.asarray(found.fe_params, dtype=float)


def _from_another_start(problem: Problem, optimum: Optimum) -> Check:
    ours = optimum.search.at.value
    other = minimise(problem, start(problem.shape, ANOTHER_START))
    if other is None:
        return Check(name="second_opinion", status="info", message="No other start was possible.")
    difference = other.at.value - ours
    if abs(difference) <= 1e-6:
        message = "statsmodels has no such model; a search from another start reached the same optimum."
        return Check(name="second_opinion", status="ok", message=message)
    return Check(
        name="second_opinion", status="warn",
        message=f"A search from another start ended with a criterion {difference:+.6f} away from ours.",
    )  # fmt: skip
