"""A fitted Gaussian model with everything that later questions need: tests, intervals, prediction, refits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from implstats.mixed.design.build import Design
from implstats.mixed.design.formula import Formula
from implstats.mixed.design.standardise import Standardised
from implstats.mixed.gaussian.boundary import Optimum
from implstats.mixed.gaussian.criterion import Problem
from implstats.mixed.gaussian.reduce import ClusterSums
from implstats.mixed.residual.term import ResidualTerm

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """The steps of a fit, kept.

    Attributes
    ----------
    formula : Formula
    frame : DataFrame
        The caller's, not copied; ``design.rows`` are the positions in use.
    design : Design
    scaled : Standardised
        Coordinates of the fit, and the way back.
    sums : ClusterSums
    problem : Problem
        The function that was minimised.
    optimum : Optimum
        Verified.
    df : str
        Method asked for.
    robust : str or None
        Cluster-robust standard errors asked for.
    residual : ResidualTerm or None
        Residual structure. With one, ``problem`` and ``optimum`` know it, ``sums`` refuses to be used, and
        the residual covariance is not s2 I.
    """

    formula: Formula
    frame: pd.DataFrame
    design: Design
    scaled: Standardised
    sums: ClusterSums
    problem: Problem
    optimum: Optimum
    df: str
    robust: str | None = None
    residual: ResidualTerm | None = None
