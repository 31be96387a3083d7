"""What a fit returns: frozen records; a number that may not be trusted is ``None`` and a check says why."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from implstats.results import Check, Verdict

if TYPE_CHECKING:
    from implstats.sem.fitted import Estimated

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One row of the parameter table with its estimate.

    Attributes
    ----------
    lhs, op, rhs : str
        ``op`` is one of ``=~ ~ ~~ ~1 :=``; ``rhs`` of ``:=`` is the definition's text.
    group, level : int
        From 1.
    group_label, label : str
    estimate : float or None
        In the units of the data; ``None`` after a failed fit.
    std_error, statistic, p_value, conf_low, conf_high : float or None
        ``None`` for fixed parameters. ``statistic`` is z.
    std_lv, std_all : float or None
        Standardised by the latent variables' standard deviations; by all variables'.
    free : bool
        False for fixed parameters, sample moments and definitions.
    """

    lhs: str
    op: str
    rhs: str
    group: int = 1
    level: int = 1
    group_label: str = ""
    label: str = ""
    estimate: float | None = None
    std_error: float | None = None
    statistic: float | None = None
    p_value: float | None = None
    conf_low: float | None = None
    conf_high: float | None = None
    std_lv: float | None = None
    std_all: float | None = None
    free: bool = False

    @property
    def name(self) -> str:
        """The parameter in words, such as ``"f =~ x1"``."""
        return f"{self.lhs} ~ 1" if self.op == "~1" else f"{self.lhs} {self.op} {self.rhs}"

    def to_dict(self) -> dict[str, Any]:
        """Return the row as the command line's JSON shows it."""
        return {key: value for key, value in asdict(self).items() if key != "free"}


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimiserRecord:
    """How the estimate was reached.

    Attributes
    ----------
    iterations : int
    max_gradient : float
        Largest absolute derivative of F.
    decrement : float
        What another Newton step would still gain in F; infinite where the curvature is not positive.
    smallest_information : float
        Smallest eigenvalue of the information scaled to a unit diagonal; near zero: not identified.
    start : int
        Which start vector led here, from 1; 0 for the solution under unit latent variances.
    """

    iterations: int
    max_gradient: float
    decrement: float
    smallest_information: float
    start: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMoments:
    """Sample and implied moments of the observed variables, in the order of ``observed``.

    Attributes
    ----------
    observed, latent : tuple of str
    sample_cov, implied_cov : ndarray, shape (p, p)
        Divisor n.
    sample_mean, implied_mean : ndarray, shape (p,)
        Without a mean structure the implied means are the sample's.
    latent_cov : ndarray, shape (latent, latent)
    """

    observed: tuple[str, ...]
    latent: tuple[str, ...]
    sample_cov: Array
    implied_cov: Array
    sample_mean: Array
    implied_mean: Array
    latent_cov: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSolution:
    """What belongs to one group of a fitted model.

    Attributes
    ----------
    label : str
        Empty without groups.
    n_obs : int
        Persons used.
    moments : ModelMoments
    r_squared : dict
        Explained variance by variable.
    """

    label: str
    n_obs: int
    moments: ModelMoments
    r_squared: dict[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SemResult:
    """A structural equation model fitted to data.

    Attributes
    ----------
    verdict : {"ok", "caution", "failed"}
    converged : bool
        Flat gradient and positive curvature, computed here and not taken from the optimiser.
    admissible : bool
        No negative variance, no correlation beyond one, covariance matrices positive semidefinite. False
        also when there is no estimate.
    n_obs, n_free : int
        Persons used; free parameters.
    parameters : tuple of Parameter
        lavaan's rows in lavaan's order.
    fit : dict
        Fit indices by lavaan's name (``rmsea_ci_lower`` and ``rmsea_ci_upper`` too); all ``None`` after a
        failed fit.
    checks : tuple of Check
    estimator, kind : str
    n_dropped : int
        Persons left out for missing answers.
    covariance : ndarray, shape (q, q), or None
        Of the q estimates of ``free_names``, in their order; constraints make it singular, and then
        ``n_free`` is below q.
    free_names : tuple of str
    optimiser : OptimiserRecord or None
    groups : tuple of GroupSolution
        One of a model without groups; none after a failed fit.
    fitted : Estimated or None
        The steps of the fit, kept for comparisons and other later questions.
    """

    verdict: Verdict
    converged: bool
    admissible: bool
    n_obs: int
    n_free: int
    parameters: tuple[Parameter, ...]
    fit: dict[str, float | None]
    checks: tuple[Check, ...]
    estimator: str
    kind: str
    n_dropped: int
    covariance: Array | None
    free_names: tuple[str, ...]
    optimiser: OptimiserRecord | None
    groups: tuple[GroupSolution, ...] = ()
    fitted: Estimated | None = field(default=None, repr=False, compare=False)

    @property
    def moments(self) -> ModelMoments | None:
        """Sample and implied moments of a model of one group; see ``groups`` for several."""
        return self.groups[0].moments if len(self.groups) == 1 else None

    @property
    def r_squared(self) -> dict[str, float | None]:
        """Explained variance by variable of a model of one group; see ``groups`` for several."""
        return self.groups[0].r_squared if len(self.groups) == 1 else {}

    @property
    def reason(self) -> str:
        """Why the fit failed or needs caution: the sentences of its failed, else of its warning checks."""
        worst = "fail" if self.verdict == "failed" else "warn"
        return " ".join(check.message for check in self.checks if check.status == worst)

    def to_dict(self) -> dict[str, Any]:
        """Return what the command line prints as JSON."""
        return {
            "verdict": self.verdict,
            "converged": self.converged,
            "admissible": self.admissible,
            "n_obs": self.n_obs,
            "n_free": self.n_free,
            "parameters": [parameter.to_dict() for parameter in self.parameters],
            "fit": dict(self.fit),
            "checks": [check.to_dict() for check in self.checks],
        }

    def to_text(self) -> str:
        """Return the fit as aligned text."""
        from implstats.sem.text import result_text

        return result_text(self)
