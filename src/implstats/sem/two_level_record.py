"""What a two-level fit returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from implstats.results import Check, Verdict
from implstats.sem.data.two_level import TwoLevelSample
from implstats.sem.estimators.search import Search
from implstats.sem.estimators.two_level_saturated import Saturated
from implstats.sem.estimators.two_level_search import Criterion
from implstats.sem.fit_indices.record import Index
from implstats.sem.model.matrices import Structure
from implstats.sem.model.two_level import Levels
from implstats.sem.results import OptimiserRecord, Parameter

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelSolution:
    """One level of a fitted model.

    Attributes
    ----------
    level : int
        1 within, 2 between clusters.
    label : {"within", "between"}
    observed, latent : tuple of str
    saturated_cov, implied_cov : ndarray, shape (p, p)
        Of the saturated model and of the model.
    saturated_mean, implied_mean : ndarray, shape (p,)
        Within, zero for variables that have a part between clusters.
    latent_cov : ndarray, shape (latent, latent)
    r_squared : dict
        Explained variance by variable.
    """

    level: int
    label: str
    observed: tuple[str, ...]
    latent: tuple[str, ...]
    saturated_cov: Array
    implied_cov: Array
    saturated_mean: Array
    implied_mean: Array
    latent_cov: Array
    r_squared: dict[str, float | None]

    @property
    def residual_cov(self) -> Array:
        """Saturated less implied covariances."""
        return self.saturated_cov - self.implied_cov

    @property
    def residual_mean(self) -> Array:
        """Saturated less implied means."""
        return self.saturated_mean - self.implied_mean


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoLevelEstimated:
    """A proper optimum and all it was computed from.

    Attributes
    ----------
    levels : Levels
    sample : TwoLevelSample
    criterion : callable
    search : Search
    saturated : Saturated
    ci_level : float
    """

    levels: Levels
    sample: TwoLevelSample
    criterion: Criterion
    search: Search
    saturated: Saturated
    ci_level: float

    @property
    def theta(self) -> Array:
        """The estimate, shape (q,)."""
        return self.search.optimum.theta

    @property
    def structures(self) -> tuple[Structure, Structure]:
        """Both levels' matrices."""
        return self.levels.structures


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoLevelResult:
    """A two-level fit.

    Attributes
    ----------
    verdict : {"ok", "caution", "failed"}
    converged, admissible : bool
        As in :class:`implstats.sem.SemResult`.
    n_obs, n_clusters, n_dropped : int
        Persons and clusters used; rows left out for a missing answer or cluster.
    n_free : int
        Free parameters less independent equality constraints.
    parameters : tuple of Parameter
        lavaan's rows in lavaan's order with ``level`` 1 or 2, standardised within each level; then the
        definitions.
    fit : dict
        lavaan's names, with ``srmr_within`` and ``srmr_between``; all ``None`` after a failed fit.
    checks : tuple of Check
    estimator, kind, missing : str
    h1 : {"psd", "lavaan", "unconstrained"}
        Which saturated model chi-square, SRMR and intraclass correlations come from.
    covariance : ndarray, shape (q, q), or None
        Of the q estimates of ``free_names``.
    free_names : tuple of str
    optimiser : OptimiserRecord or None
    icc : dict
        Share of the variance between clusters, of each variable with a part at both levels.
    levels : tuple of LevelSolution
        Within and between; none after a failed fit.
    fitted : TwoLevelEstimated or None
    """

    verdict: Verdict
    converged: bool
    admissible: bool
    n_obs: int
    n_clusters: int
    n_dropped: int
    n_free: int
    parameters: tuple[Parameter, ...]
    fit: Index
    checks: tuple[Check, ...]
    estimator: str
    kind: str
    missing: str
    h1: str
    covariance: Array | None
    free_names: tuple[str, ...]
    optimiser: OptimiserRecord | None
    icc: dict[str, float | None] = field(default_factory=dict)
    levels: tuple[LevelSolution, ...] = ()
    fitted: TwoLevelEstimated | None = field(default=None, repr=False, compare=False)

    @property
    def implied(self) -> tuple[Array, ...]:
        """The model's covariance matrices within and between."""
        return tuple(level.implied_cov for level in self.levels)

    @property
    def saturated(self) -> tuple[Array, ...]:
        """The saturated model's covariance matrices within and between."""
        return tuple(level.saturated_cov for level in self.levels)

    @property
    def r2(self) -> tuple[dict[str, float | None], ...]:
        """Explained variance within and between."""
        return tuple(level.r_squared for level in self.levels)

    @property
    def reason(self) -> str:
        """Why the fit failed or needs caution: the sentences of its failed, else of its warning checks."""
        worst = "fail" if self.verdict == "failed" else "warn"
        return " ".join(check.message for check in self.checks if check.status == worst)

    @property
    def frame(self) -> pd.DataFrame:
        """The parameters, one a row."""
        import pandas as pd

        return pd.DataFrame([p.to_dict() for p in self.parameters])

    def to_dict(self) -> dict[str, Any]:
        """Return what the command line prints as JSON."""
        return {
            "verdict": self.verdict,
            "converged": self.converged,
            "admissible": self.admissible,
            "n_obs": self.n_obs,
            "n_clusters": self.n_clusters,
            "n_dropped": self.n_dropped,
            "n_free": self.n_free,
            "estimator": self.estimator,
            "missing": self.missing,
            "h1": self.h1,
            "parameters": [parameter.to_dict() for parameter in self.parameters],
            "fit": dict(self.fit),
            "icc": dict(self.icc),
            "r2": [dict(of_level) for of_level in self.r2],
            "checks": [check.to_dict() for check in self.checks],
        }

    def to_text(self) -> str:
        """Return the fit as aligned text."""
        from implstats.sem.two_level_text import two_level_text

        return two_level_text(self)
