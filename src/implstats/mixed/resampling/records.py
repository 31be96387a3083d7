"""What refits return: frozen arrays, one row a response, every number in that response's own unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Refits:
    """One model fitted to R responses. Rows of failed refits hold NaN.

    Attributes
    ----------
    terms : tuple of str, (p,)
    beta, std_error : ndarray, (R, p)
        Coefficients and standard errors; the adjusted ones where ``df_method`` is ``kenward-roger``.
    df : ndarray, (R, p)
        NaN without a df.
    df_method : ndarray, (R,) str
        ``kenward-roger``, ``satterthwaite``, ``between-within`` or ``none``.
    components : tuple of (cluster, term, term2), (K,)
        Variances (``term == term2``) and covariances of the random effects, lowest level first.
    covariances : ndarray, (R, K)
    sigma2 : ndarray, (R,)
        Residual variance.
    criterion : ndarray, (R,)
        REML criterion, or -2 log-likelihood.
    boundary : ndarray, (R,) bool
        A variance is estimated as zero or a correlation as +-1.
    verdict : ndarray, (R,) str
        ``ok``; ``caution`` at the boundary; ``failed`` if no optimum could be verified.
    alone : ndarray, (R,) bool
        Not verified in the batch and fitted once more by itself.
    reml : bool
    """

    terms: tuple[str, ...]
    beta: np.ndarray
    std_error: np.ndarray
    df: np.ndarray
    df_method: np.ndarray
    components: tuple[tuple[str, str, str], ...]
    covariances: np.ndarray
    sigma2: np.ndarray
    criterion: np.ndarray
    boundary: np.ndarray
    verdict: np.ndarray
    alone: np.ndarray
    reml: bool

    @property
    def n_failed(self) -> int:
        """Number of responses without a verified optimum."""
        return int(np.sum(self.verdict == "failed"))

    @property
    def statistic(self) -> np.ndarray:
        """t of each coefficient against zero, (R, p)."""
        return self.beta / self.std_error

    @property
    def p_value(self) -> np.ndarray:
        """Two-sided p of each coefficient, (R, p); NaN without a df."""
        from scipy.special import stdtr

        return np.asarray(2.0 * stdtr(self.df, -np.abs(self.statistic)))

    @property
    def frame(self) -> pd.DataFrame:
        """One row a response and coefficient."""
        import pandas as pd

        R, p = self.beta.shape
        return pd.DataFrame(
            {
                "response": np.repeat(np.arange(R), p),
                "term": np.tile(np.array(self.terms, dtype=object), R),
                "estimate": self.beta.ravel(),
                "std_error": self.std_error.ravel(),
                "df": self.df.ravel(),
                "df_method": np.repeat(self.df_method, p),
                "statistic": self.statistic.ravel(),
                "p_value": self.p_value.ravel(),
                "verdict": np.repeat(self.verdict, p),
            }
        )


def component_names(levels: tuple) -> tuple[tuple[str, str, str], ...]:
    """Return (cluster, term, term2) of the free covariances of a design's levels, as a fit lists them."""
    return tuple(
        (part.clusters.name, part.names[col], part.names[row])
        for part in levels
        for block in part.blocks
        for i, row in enumerate(block)
        for col in block[: i + 1]
    )
