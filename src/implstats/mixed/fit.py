"""Fitting a linear mixed model: the order of the steps, and nothing else.

formula -> design (rows, columns, clusters) -> safe coordinates -> sums over clusters -> pooled moments ->
optimum, verified -> covariance and df -> records in the outcome's own unit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from implstats.errors import DataError, UsageError
from implstats.mixed.boundary import Optimum, find_optimum
from implstats.mixed.checks import boundary_check, data_checks, identified_check, optimum_check
from implstats.mixed.covariance import CovarianceShape, LevelShape
from implstats.mixed.criterion import Problem
from implstats.mixed.design import Design, build_design
from implstats.mixed.formula import read_formula
from implstats.mixed.inference import infer, t_tests
from implstats.mixed.modes import conditional_modes
from implstats.mixed.options import check_options
from implstats.mixed.pool import patterns, pool
from implstats.mixed.reduce import ClusterSums, reduce_rows
from implstats.mixed.results import FixedEffect, LevelModes, MixedResult, Optimiser, RandomEffect
from implstats.mixed.robust_inference import infer_robust
from implstats.mixed.standardise import Standardised, standardise
from implstats.results import Check, verdict_of

if TYPE_CHECKING:
    import pandas as pd


def fit(
    formula: str, data: pd.DataFrame, *, reml: bool = True, df: str = "auto", family: str = "gaussian",
    link: str | None = None, agq: int = 1, weights: str | None = None, robust: str | None = None,
    residual: str | None = None, ci_level: float = 0.95, second_opinion: bool = False,
) -> MixedResult:  # fmt: skip
    """Fit a linear mixed model with nested random effects.

    Parameters
    ----------
    formula : str
        lme4's language: ``"y ~ time * arm + (1 | institution) + (1 + time | person)"``.
    data : DataFrame
        One row an observation; not changed. Rows with a missing variable are left out and counted.
    reml : bool
        REML, or ML for comparing fixed parts.
    df : {"auto", "kenward-roger", "satterthwaite", "none"}
        ``auto``: Kenward-Roger under REML if a grouping factor has fewer than 50 clusters, else
        Satterthwaite.
    family, link, agq, residual
        Refused unless left at their defaults in this version.
    robust : {"CR0", "CR1", "CR2", "CR3"}, optional
        Cluster-robust standard errors, clustered at the highest level, with Satterthwaite df;
        ``model_based`` of the result keeps the others.
    weights : str, optional
        Column of prior weights: the residual variance of row i is s2 / w_i.
    ci_level : float
    second_opinion : bool
        Compare with statsmodels, or with another start where statsmodels has no such model.

    Returns
    -------
    MixedResult
        With verdict ``failed`` and no estimates if no optimum could be verified.

    Raises
    ------
    UsageError, NotSupportedError
        The formula or an option is wrong or not served.
    ProblemsError, DataError, ModelError
        The data cannot bear the model.

    Notes
    -----
    Agrees with R's ``lmerTest::lmer`` and ``pbkrtest``; see docs/methods/mixed.md.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> ward = np.repeat(np.arange(12), 10)
    >>> x = rng.normal(size=120)
    >>> y = x + rng.normal(size=12)[ward] + rng.normal(size=120)
    >>> frame = pd.DataFrame({"ward": ward, "x": x, "y": y})
    >>> result = fit("y ~ x + (1 | ward)", frame)
    >>> result.verdict, result.fixed[1].term, result.fixed[1].df_method
    ('ok', 'x', 'kenward-roger')
    """
    check_options(
        reml=reml,
        df=df,
        family=family,
        link=link,
        agq=agq,
        robust=robust,
        residual=residual,
        ci_level=ci_level,
        weights=weights,
    )
    _check_arguments(formula, data)
    read = read_formula(formula)
    design = build_design(read, data, weights=weights)
    scaled = standardise(design)
    sums, problem = set_up(design, scaled, reml=reml)
    optimum = find_optimum(problem)
    checks = [*_optimum_checks(optimum, design, scaled), *data_checks(design, scaled)]
    if optimum is None or not optimum.verified:
        return _failed(read.text, design, scaled, reml=reml, ci_level=ci_level, checks=checks)
    at = optimum.search.at
    inference = infer(problem, at, design, scaled, df=df, boundary=bool(optimum.boundary))
    estimates = scaled.M @ (scaled.scale * at.beta + scaled.shift)
    terms = tuple(design.names[j] for j in scaled.kept)
    model_based = fixed = t_tests(terms, estimates, inference, ci_level=ci_level)
    if robust is not None:
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
        boundary=bool(optimum.boundary), reason="", n_obs=len(design.y), n_clusters=_counts(design),
        log_likelihood=log_likelihood, criterion=criterion, aic=criterion + 2.0 * k,
        bic=criterion + k * float(np.log(len(design.y))),
        fixed=fixed, model_based=model_based,
        random=_random_effects(design, scaled, optimum, s2), residual_variance=s2, checks=tuple(checks),
        formula=read.text, reml=reml, n_dropped=design.n_dropped, missing=dict(design.missing),
        optimiser=_optimiser(optimum), covariance=inference.covariance, terms=terms,
        modes=_modes(design, scaled, sums, optimum, data), ci_level=ci_level,
    )  # fmt: skip


def set_up(design: Design, scaled: Standardised, *, reml: bool) -> tuple[ClusterSums, Problem]:
    """Return the sums over clusters and the function to minimise."""
    levels = [level.clusters for level in design.levels]
    sums = reduce_rows(
        scaled.Z, scaled.Q, scaled.y, codes=[c.codes for c in levels], sizes=[c.size for c in levels]
    )
    shape = CovarianceShape(
        levels=tuple(LevelShape(q=len(level.names), blocks=level.blocks) for level in design.levels)
    )
    return sums, Problem(moments=pool(sums, ancestors=design.parents), shape=shape, reml=reml)


def _check_arguments(formula: object, data: object) -> None:
    if not isinstance(formula, str):
        raise UsageError(f"The formula is a text such as 'y ~ x + (1 | g)'; got {type(formula).__name__}.")
    if not (hasattr(data, "columns") and hasattr(data, "iloc")):
        raise DataError(f"The data are a pandas DataFrame; got {type(data).__name__}.")


def _optimum_checks(optimum: Optimum | None, design: Design, scaled: Standardised) -> list[Check]:
    if optimum is None:
        message = (
            "The likelihood could not be computed at any start, so no estimate is given. "
            "Look for predictors of "
            "extreme size, and simplify the random part."
        )
        return [Check(name="optimum", status="fail", message=message)]
    checks = [optimum_check(optimum)]
    if not optimum.verified:
        return checks
    return [*checks, boundary_check(optimum, design, scaled), identified_check(optimum)]


def _counts(design: Design) -> dict[str, int]:
    return {level.clusters.name: level.clusters.size for level in design.levels}


def _optimiser(optimum: Optimum) -> Optimiser:
    search = optimum.search
    return Optimiser(
        iterations=search.iterations, evaluations=search.evaluations, starts=optimum.starts,
        gradient_norm=float(np.linalg.norm(search.at.gradient)), decrement=search.decrement,
        smallest_curvature=search.smallest_curvature,
        one_sided_slope=float(optimum.one_sided) if optimum.boundary else None,
        theta=tuple(float(t) for t in search.at.theta),
    )  # fmt: skip


def _random_effects(
    design: Design, scaled: Standardised, optimum: Optimum, s2: float
) -> tuple[RandomEffect, ...]:
    """Return the covariance matrices in the outcome's unit and the effects' own coordinates."""
    out = []
    for part, G, B in zip(design.levels, optimum.search.at.G, scaled.B, strict=True):
        covariance = s2 * B @ G @ B.T
        sd = np.sqrt(np.maximum(np.diag(covariance), 0.0))
        for block in part.blocks:
            for i, row in enumerate(block):
                out += [
                    _element(part.clusters.name, part.names, covariance, sd, col, row)
                    for col in block[: i + 1]
                ]
    return tuple(out)


def _element(
    cluster: str, names: tuple[str, ...], covariance: np.ndarray, sd: np.ndarray, col: int, row: int
) -> RandomEffect:
    own, product = col == row, float(sd[col] * sd[row])
    corr = None if own or product == 0.0 else float(np.clip(covariance[col, row] / product, -1.0, 1.0))
    return RandomEffect(
        cluster=cluster, term=names[col], term2=names[row], covariance=float(covariance[col, row]),
        sd=float(sd[row]) if own else None, corr=corr,
    )  # fmt: skip


def _modes(
    design: Design, scaled: Standardised, sums: ClusterSums, optimum: Optimum, data: pd.DataFrame
) -> tuple[LevelModes, ...]:
    _, pattern = patterns(sums.ZZ)
    found = conditional_modes(optimum.search.at, sums.ZW, pattern, design.parents)
    return tuple(
        LevelModes(
            cluster=part.clusters.name,
            ids={c: data[c].to_numpy()[design.rows[part.clusters.first]] for c in part.clusters.columns},
            terms=part.names, values=scaled.scale * u @ B.T,
        )
        for part, u, B in zip(design.levels, found, scaled.B, strict=True)
    )  # fmt: skip


def _failed(
    text: str, design: Design, scaled: Standardised, *, reml: bool, ci_level: float, checks: list[Check]
) -> MixedResult:
    """Return a result without a single estimate."""
    terms = tuple(design.names[j] for j in scaled.kept)
    nothing = {"estimate": None, "std_error": None, "df": None, "statistic": None, "p_value": None}
    fixed = tuple(
        FixedEffect(term=t, df_method="none", conf_low=None, conf_high=None, **nothing) for t in terms
    )
    random = tuple(
        RandomEffect(cluster=part.clusters.name, term=part.names[c], term2=part.names[r], covariance=None,
                     sd=None,
                     corr=None)
        for part in design.levels for block in part.blocks for i, r in enumerate(block) for c in block[: i
        + 1]
    )  # fmt: skip
    return MixedResult(
        verdict="failed", converged=False, admissible=False, boundary=False,
        reason=" ".join(check.message for check in checks if check.status == "fail"), n_obs=len(design.y),
        n_clusters=_counts(design), log_likelihood=None, criterion=None, aic=None, bic=None, fixed=fixed,
        random=random, residual_variance=None, checks=tuple(checks), formula=text, reml=reml,
        n_dropped=design.n_dropped, missing=dict(design.missing), optimiser=None, covariance=None,
        terms=terms,
        modes=(), ci_level=ci_level,
    )  # fmt: skip
