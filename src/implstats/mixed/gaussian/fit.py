"""Fitting a Gaussian model: the order of the steps, and nothing else.

design (rows, columns, clusters) -> safe coordinates -> sums over clusters -> pooled moments ->
optimum, verified -> covariance and df -> records in the outcome's own unit.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, cast

import numpy as np

from implstats.mixed.checks import boundary_check, data_checks, identified_check, optimum_check
from implstats.mixed.design.bearable import require_independent_top
from implstats.mixed.design.build import Design
from implstats.mixed.design.formula import Formula
from implstats.mixed.design.standardise import Standardised, standardise
from implstats.mixed.fitted import Fitted
from implstats.mixed.gaussian.boundary import Optimum, find_optimum
from implstats.mixed.gaussian.covariance import CovarianceShape, LevelShape
from implstats.mixed.gaussian.criterion import Problem
from implstats.mixed.gaussian.crossed import set_up_crossed
from implstats.mixed.gaussian.pool import pool
from implstats.mixed.gaussian.records import counts, failed, modes, optimiser, random_effects
from implstats.mixed.gaussian.reduce import ClusterSums, reduce_rows
from implstats.mixed.inference.coefficients import infer, t_tests
from implstats.mixed.inference.robust_inference import infer_robust
from implstats.mixed.results import DeferredModes, MixedResult
from implstats.results import Check, verdict_of

if TYPE_CHECKING:
    import pandas as pd


def fit_gaussian(
    read: Formula, design: Design, data: pd.DataFrame, *, reml: bool, df: str, robust: str | None,
    ci_level: float, second_opinion: bool,
) -> MixedResult:  # fmt: skip
    """Return the fit of a design; options as in :func:`implstats.mixed.fit`."""
    scaled = standardise(design)
    sums, problem = set_up(design, scaled, reml=reml)
    optimum = find_optimum(problem)
    checks = [*_optimum_checks(optimum, design, scaled), *data_checks(design, scaled)]
    if optimum is None or not optimum.verified:
        return failed(read.text, design, scaled, reml=reml, ci_level=ci_level, checks=checks)
    at = optimum.search.at
    inference = infer(problem, at, design, scaled, df=df, boundary=bool(optimum.boundary))
    estimates = scaled.M @ (scaled.scale * at.beta + scaled.shift)
    terms = tuple(design.names[j] for j in scaled.kept)
    model_based = fixed = t_tests(terms, estimates, inference, ci_level=ci_level)
    if robust is not None:
        require_independent_top(design, robust)
        inference, clusters_check = infer_robust(at, design, scaled, kind=robust, df=df)
        checks.append(clusters_check)
        fixed = t_tests(terms, estimates, inference, ci_level=ci_level)
    checks.append(inference.check)
    criterion = at.value + (scaled.constant_reml if reml else scaled.constant_ml)
    log_likelihood = -0.5 * criterion
    k = len(terms) + problem.shape.size + 1
    s2 = at.sigma2 * scaled.scale**2
    if second_opinion:
        from implstats.mixed.second_opinion import second_opinion_check

        checks.append(second_opinion_check(problem, optimum, design, scaled, log_likelihood, estimates))
    return MixedResult(
        verdict=verdict_of(checks), converged=True, admissible=bool(np.isfinite(criterion) and s2 > 0.0),
        boundary=bool(optimum.boundary), reason="", n_obs=len(design.y), n_clusters=counts(design),
        log_likelihood=log_likelihood, criterion=criterion, aic=criterion + 2.0 * k,
        bic=criterion + k * float(np.log(len(design.y))),
        fixed=fixed, model_based=model_based,
        random=random_effects(design, scaled, optimum, s2), residual_variance=s2, checks=tuple(checks),
        formula=read.text, reml=reml, n_dropped=design.n_dropped, missing=dict(design.missing),
        optimiser=optimiser(optimum), covariance=inference.covariance, terms=terms,
        modes=DeferredModes(partial(modes, design, scaled, sums, optimum)), ci_level=ci_level,
        model=Fitted(
            formula=read, frame=data, design=design, scaled=scaled, sums=sums, problem=problem,
            optimum=optimum, df=df, robust=robust,
        ),
    )  # fmt: skip


def set_up(design: Design, scaled: Standardised, *, reml: bool) -> tuple[ClusterSums, Problem]:
    """Return the sums over clusters (`CrossedSums` for crossed levels) and the function to minimise."""
    if design.crossed:
        return cast("tuple[ClusterSums, Problem]", set_up_crossed(design, scaled, reml=reml))
    levels = [level.clusters for level in design.levels]
    sums = reduce_rows(
        scaled.Z, scaled.Q, scaled.y, codes=[c.codes for c in levels], sizes=[c.size for c in levels]
    )
    shape = _shape(tuple((len(level.names), level.blocks) for level in design.levels))
    return sums, Problem(moments=pool(sums, ancestors=design.parents), shape=shape, reml=reml)


@lru_cache(maxsize=64)
def _shape(levels: tuple[tuple[int, tuple[tuple[int, ...], ...]], ...]) -> CovarianceShape:
    """Return the shape of a random part; its index arrays are then made once for all fits."""
    return CovarianceShape(levels=tuple(LevelShape(q=q, blocks=blocks) for q, blocks in levels))


def _optimum_checks(optimum: Optimum | None, design: Design, scaled: Standardised) -> list[Check]:
    if optimum is None:
        message = (
            "The likelihood could not be computed at any start, so no estimate is given. Look for "
            "predictors of extreme size, and simplify the random part."
        )
        return [Check(name="optimum", status="fail", message=message)]
    checks = [optimum_check(optimum)]
    if not optimum.verified:
        return checks
    return [*checks, boundary_check(optimum, design, scaled), identified_check(optimum)]
