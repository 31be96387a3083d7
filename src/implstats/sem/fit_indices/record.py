"""What every fit index is computed from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = dict[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMoments:
    """Sample and implied moments of one group.

    Attributes
    ----------
    n : int
    sample_cov, cov, weight : ndarray, shape (p, p)
        S, Sigma and Sigma^-1.
    sample_mean, mean : ndarray, shape (p,)
    given : tuple of int
        Places of fixed predictors.
    """

    n: int
    sample_cov: Array
    cov: Array
    weight: Array
    sample_mean: Array
    mean: Array
    given: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FitRecord:
    """A fitted model and its baseline in numbers.

    Attributes
    ----------
    n, n_free, df : int
        Persons, free parameters, degrees of freedom.
    chisq : float
        n (F - F of the saturated model).
    baseline_chisq, baseline_df
        The same of the independence model (exogenous variables keep their covariances).
    logl, logl_saturated : float
        Log-likelihoods; those of fixed exogenous variables are taken off.
    means : bool
    n_moments : int
        Sample moments of all groups: p (p + 1) / 2 a group, with means p more.
    groups : tuple of GroupMoments
    """

    n: int
    n_free: int
    df: int
    chisq: float
    baseline_chisq: float
    baseline_df: int
    logl: float
    logl_saturated: float
    means: bool
    n_moments: int
    groups: tuple[GroupMoments, ...]

    @property
    def n_per_group(self) -> float:
        """Persons a group on average, the n of the RMSEA (Steiger 1998)."""
        return self.n / len(self.groups)
