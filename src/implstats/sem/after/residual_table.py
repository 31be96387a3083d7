"""The residuals of one group in one scale: where each stands, and how they vary together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Kind = Literal["raw", "cor.bentler", "cor.bollen", "normalized", "standardized"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualTable:
    """R residuals.

    Attributes
    ----------
    group : str
    places : tuple of (str, str, str)
        Left side, operator and right side of each.
    value : ndarray, shape (R,)
        In their scale; raw where they are to be divided by standard errors.
    covariance : ndarray, shape (R, R)
        Of the values over samples; of the sample's statistics for normalized ones.
    kept : ndarray of bool, shape (R,)
        Whether the model keeps the residual at zero, so that it has no standard error.
    parts : tuple of (str, ndarray of int, int)
        Of each summary its name, its residuals, and how many they count for.
    """

    group: str
    places: tuple[tuple[str, str, str], ...]
    value: Array
    covariance: Array
    kept: NDArray[np.bool_]
    parts: tuple[tuple[str, Index, int], ...]
