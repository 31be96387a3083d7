"""From a verified optimum to the records of the result, in the outcome's own unit."""

from __future__ import annotations

import numpy as np

from implstats.mixed.design.build import Design
from implstats.mixed.design.standardise import Standardised
from implstats.mixed.gaussian.boundary import Optimum
from implstats.mixed.gaussian.crossed import crossed_modes
from implstats.mixed.gaussian.crossed_sums import CrossedSums
from implstats.mixed.gaussian.modes import conditional_modes
from implstats.mixed.gaussian.pool import patterns
from implstats.mixed.gaussian.reduce import ClusterSums
from implstats.mixed.results import FixedEffect, LevelModes, MixedResult, Optimiser, RandomEffect
from implstats.results import Check


def counts(design: Design) -> dict[str, int]:
    return {level.clusters.name: level.clusters.size for level in design.levels}


def optimiser(optimum: Optimum) -> Optimiser:
    search = optimum.search
    return Optimiser(
        iterations=search.iterations, evaluations=search.evaluations, starts=optimum.starts,
        gradient_norm=float(np.linalg.norm(search.at.gradient)), decrement=search.decrement,
        smallest_curvature=search.smallest_curvature,
        one_sided_slope=float(optimum.one_sided) if optimum.boundary else None,
        theta=tuple(float(t) for t in search.at.theta),
    )  # fmt: skip


def random_effects(
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


def modes(
    design: Design, scaled: Standardised, sums: ClusterSums | CrossedSums, optimum: Optimum
) -> tuple[LevelModes, ...]:
    """Return the conditional modes of each level, lowest first, in the outcome's unit."""
    if isinstance(sums, CrossedSums):
        found = crossed_modes(optimum.search.at, sums)
    else:
        _, pattern = patterns(sums.ZZ)
        found = conditional_modes(optimum.search.at, sums.ZW, pattern, design.parents)
    return tuple(
        LevelModes(
            cluster=part.clusters.name,
            ids=part.clusters.ids,
            terms=part.names,
            values=scaled.scale * u @ B.T,
        )
        for part, u, B in zip(design.levels, found, scaled.B, strict=True)
    )


def failed(
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
        n_clusters=counts(design), log_likelihood=None, criterion=None, aic=None, bic=None, fixed=fixed,
        random=random, residual_variance=None, checks=tuple(checks), formula=text, reml=reml,
        n_dropped=design.n_dropped, missing=dict(design.missing), optimiser=None, covariance=None,
        terms=terms,
        modes=(), ci_level=ci_level,
    )  # fmt: skip
