"""A fitted generalised or ordinal model with everything that later questions need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from implstats.mixed.design.build import Design
from implstats.mixed.design.formula import Formula
from implstats.mixed.design.standardise import Standardised
from implstats.mixed.laplace.boundary import Optimum
from implstats.mixed.laplace.criterion import Problem
from implstats.mixed.laplace.outcome import Outcome

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Generalised:
    """The steps of a fit, kept.

    Attributes
    ----------
    formula : Formula
        As the caller wrote it.
    frame : DataFrame
        The caller's, not copied; ``design.rows`` are the positions in use.
    outcome : Outcome
    levels : tuple of str
        Categories in use of an ordinal outcome, in order; else those of a binary one, or nothing.
    design : Design
    scaled : Standardised
        Coordinates of the fixed and random part: b = M b*, G = B G* B'.
    shift : ndarray, (thresholds, p)
        thresholds = a* + shift b*.
    problem : Problem
        The function that was minimised.
    optimum : Optimum
        Verified.
    covariance : ndarray, (P, P)
        Of all parameters in the coordinates of the fit; zero where held at the boundary.
    """

    formula: Formula
    frame: pd.DataFrame
    outcome: Outcome
    levels: tuple[str, ...]
    design: Design
    scaled: Standardised
    shift: np.ndarray
    problem: Problem
    optimum: Optimum
    covariance: np.ndarray
