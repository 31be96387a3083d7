"""The criterion of a fitted model after random effects are taken out, or by ML instead of REML.

Rows, fixed part and their orthogonal coordinates stay; only the random part is summed anew. Without any
random effect left the model is a regression, whose criterion is nu (1 + log(2 pi rss / nu)) in these
coordinates, X'X being the identity.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from implstats.errors import ModelError, NotSupportedError
from implstats.mixed.design.build import Design, RandomPart
from implstats.mixed.design.clusters import ancestors
from implstats.mixed.design.standardise import Standardised
from implstats.mixed.fitted import Fitted
from implstats.mixed.gaussian.boundary import find_optimum
from implstats.mixed.gaussian.criterion import Problem
from implstats.mixed.gaussian.fit import set_up
from implstats.mixed.results import MixedResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Refit:
    """Criterion, number of covariance parameters (s2 not counted), and whether the optimum is a boundary."""

    criterion: float
    n_covariance: int
    boundary: bool


def require_gaussian(result: MixedResult, what: str) -> Fitted:
    """Return the steps of a Gaussian fit.

    Raises
    ------
    ModelError, NotSupportedError
        The fit failed, or is of another kind.
    """
    if result.verdict != "failed" and result.family != "gaussian":
        raise NotSupportedError(
            f"'{what}' is for Gaussian models in this version, not for family '{result.family}'. Its Wald "
            "tests are in result.fixed; models of the same rows can be compared by their AIC."
        )
    if result.model is None:
        raise ModelError(f"'{what}' needs a fit that succeeded. {result.reason}")
    return result.model


def criterion_of(fitted: Fitted) -> float:
    """Return the criterion at the optimum, in the units of `MixedResult.criterion`."""
    scaled = fitted.scaled
    return fitted.optimum.search.at.value + (
        scaled.constant_reml if fitted.problem.reml else scaled.constant_ml
    )


def information(criterion: float, k: int, n: int) -> tuple[float, float, float]:
    """Return log-likelihood, AIC and BIC of a model with k parameters and n rows."""
    return -0.5 * criterion, criterion + 2.0 * k, criterion + k * float(np.log(n))


def refit(problem: Problem, scaled: Standardised, *, reml: bool, near: np.ndarray | None = None) -> Refit:
    """Return the verified optimum of a problem by REML or ML, in the units of `MixedResult.criterion`;
    ``near`` is a further start.

    Raises
    ------
    ModelError
        If no optimum could be verified.
    """
    optimum = find_optimum(replace(problem, reml=reml), also=() if near is None else (near,))
    if optimum is None or not optimum.verified:
        raise ModelError(
            f"The model refitted by {'REML' if reml else 'ML'} for a likelihood-ratio test has no verified "
            "optimum; simplify the random part."
        )
    return Refit(
        criterion=optimum.search.at.value + (scaled.constant_reml if reml else scaled.constant_ml),
        n_covariance=problem.shape.size, boundary=bool(optimum.boundary),
    )  # fmt: skip


def without_effects(
    design: Design, scaled: Standardised, level: int, effects: set[int], *, reml: bool
) -> Refit:
    """Return the refit without some random effects of one level.

    Parameters
    ----------
    design : Design
    scaled : Standardised
    level : int
    effects : set of int
        Columns of the level's Z.
    reml : bool
    """
    kept = [k for k in range(len(design.levels[level].names)) if k not in effects]
    parts, Z, B = list(design.levels), list(scaled.Z), list(scaled.B)
    if kept:
        # A block's slopes are shifted by its intercept; where that leaves, they go back to their own zero.
        unit = np.diag(np.diag(B[level]))[np.ix_(kept, kept)]
        lost = any(block[0] in effects and not set(block) <= effects for block in design.levels[level].blocks)
        Z[level] = (Z[level] @ np.linalg.inv(B[level]))[:, kept] @ unit if lost else Z[level][:, kept]
        B[level] = unit if lost else B[level][np.ix_(kept, kept)]
        parts[level] = _subset(design.levels[level], kept)
    else:
        del parts[level], Z[level], B[level]
    if not parts:
        return regression(scaled, reml=reml)
    smaller = replace(design, levels=tuple(parts), parents=ancestors([part.clusters for part in parts]))
    _, problem = set_up(smaller, replace(scaled, Z=Z, B=B), reml=reml)
    return refit(problem, scaled, reml=reml)


def regression(scaled: Standardised, *, reml: bool) -> Refit:
    """Return the criterion without random effects."""
    n, p = scaled.Q.shape
    nu, rss = (n - p if reml else n), float(scaled.y @ scaled.y)
    value = nu * (1.0 + float(np.log(2.0 * np.pi * rss / nu)))
    return Refit(
        criterion=value + (scaled.constant_reml if reml else scaled.constant_ml),
        n_covariance=0,
        boundary=False,
    )


def _subset(part: RandomPart, kept: list[int]) -> RandomPart:
    at = {k: i for i, k in enumerate(kept)}
    blocks = [tuple(at[k] for k in block if k in at) for block in part.blocks]
    return replace(
        part, Z=part.Z[:, kept], names=tuple(part.names[k] for k in kept),
        terms=tuple(part.terms[k] for k in kept), blocks=tuple(block for block in blocks if block),
    )  # fmt: skip
