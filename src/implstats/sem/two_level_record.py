"""What a two-level fit returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from implstats.results import Check, Verdict
from implstats.sem.fit_indices.record import Index
from implstats.sem.results import Parameter

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoLevelResult:
    """A two-level fit.

    Attributes
    ----------
    verdict : {"good", "caution", "failed"}
    n_obs, n_clusters : int
    parameters : tuple of Parameter
        With ``level`` 1 or 2; standardised within each level.
    fit : dict
        lavaan's names, with ``srmr_within`` and ``srmr_between``.
    icc : dict
        Share of each item's variance that lies between clusters, from the saturated matrices.
    r2 : tuple of dict
        Explained variance within and between.
    covariance : ndarray, shape (q, q)
    implied, saturated : tuple of ndarray
        Within and between covariance matrices of model and saturated model.
    checks : tuple of Check
    """

    verdict: Verdict
    n_obs: int
    n_clusters: int
    parameters: tuple[Parameter, ...]
    fit: Index
    icc: dict[str, float | None]
    r2: tuple[dict[str, float | None], ...]
    covariance: Array
    implied: tuple[Array, Array]
    saturated: tuple[Array, Array]
    checks: tuple[Check, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """The parameters, one a row."""
        import pandas as pd

        return pd.DataFrame([p.to_dict() for p in self.parameters])
