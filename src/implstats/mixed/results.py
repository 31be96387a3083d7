"""What a fit returns: frozen records, every number in the outcome's own unit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from implstats.results import Check, Verdict, finite_or_none

if TYPE_CHECKING:
    import pandas as pd

    from implstats.mixed.fitted import Fitted
    from implstats.mixed.laplace.generalised import Generalised
    from implstats.mixed.residual.result import ResidualResult

JSON_KEYS = (
    "verdict", "converged", "admissible", "boundary", "n_obs", "n_clusters", "log_likelihood", "criterion",
    "aic", "bic", "fixed", "random", "residual_variance", "checks",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedEffect:
    """One coefficient.

    Attributes
    ----------
    term : str
        Name as in R: ``(Intercept)``, ``time``, ``armB``, ``time:armB``.
    estimate, std_error : float or None
        In units of the outcome a unit of the predictor. Under Kenward-Roger the standard error is the
        adjusted one, under ``robust`` the cluster-robust one (None where one cluster alone determines the
        coefficient). None in a failed fit.
    df, statistic, p_value : float or None
        t test with ``df`` degrees of freedom; None without a df. With ``wald-z`` a z test, df None.
    df_method : str
        ``kenward-roger``, ``satterthwaite``, ``between-within``, ``wald-z``, ``CR2 satterthwaite`` (CR0,
        CR1, CR3) or ``none``.
    conf_low, conf_high : float or None
    """

    term: str
    estimate: float | None
    std_error: float | None
    df: float | None
    df_method: str
    statistic: float | None
    p_value: float | None
    conf_low: float | None
    conf_high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomEffect:
    """One element of a level's covariance matrix.

    Attributes
    ----------
    cluster, term, term2 : str
        Variance if ``term == term2``, else covariance.
    covariance : float or None
        In squared units of the outcome (a unit of each term).
    sd : float or None
        Standard deviation; None for a covariance.
    corr : float or None
        Correlation; None for a variance, or if one of the variances is zero.
    """

    cluster: str
    term: str
    term2: str
    covariance: float | None
    sd: float | None
    corr: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimiser:
    """How the estimates were reached.

    Attributes
    ----------
    iterations, evaluations, starts : int
    gradient_norm : float
        Euclidean norm of the criterion's gradient in theta.
    decrement : float
        Decrease of the criterion that a further Newton step promises, deviance units.
    smallest_curvature : float
        Smallest eigenvalue of the Hessian in theta, as a share of the largest.
    one_sided_slope : float or None
        Smallest slope into the interior at a boundary estimate; None in the interior.
    theta : tuple of float
        Relative Cholesky factors in the coordinates of the fit.
    """

    iterations: int
    evaluations: int
    starts: int
    gradient_norm: float
    decrement: float
    smallest_curvature: float
    one_sided_slope: float | None
    theta: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelModes:
    """Conditional modes of one level: ``ids`` by column, ``terms`` (q,), ``values`` (n_l, q)."""

    cluster: str
    ids: dict[str, np.ndarray]
    terms: tuple[str, ...]
    values: np.ndarray


class DeferredModes(Sequence[LevelModes]):
    """Conditional modes that are computed when they are first looked at; most fits are never asked.

    >>> modes = DeferredModes(lambda: ())
    >>> len(modes), modes == ()
    (0, True)
    """

    __slots__ = ("_found", "_work")

    def __init__(self, work: Callable[[], tuple[LevelModes, ...]]) -> None:
        self._work = work
        self._found: tuple[LevelModes, ...] | None = None

    def _all(self) -> tuple[LevelModes, ...]:
        if self._found is None:
            self._found = self._work()
        return self._found

    def __len__(self) -> int:
        return len(self._all())

    @overload
    def __getitem__(self, index: int) -> LevelModes: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[LevelModes]: ...

    def __getitem__(self, index: int | slice) -> LevelModes | Sequence[LevelModes]:
        return self._all()[index]

    def __eq__(self, other: object) -> bool:
        return self._all() == (other._all() if isinstance(other, DeferredModes) else other)

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedResult:
    """A fitted mixed model.

    Attributes
    ----------
    verdict : {"ok", "caution", "failed"}
        The worst of the checks.
    converged : bool
        The optimum was verified by gradient and curvature.
    admissible : bool
        All estimates are finite and the residual variance is positive.
    boundary : bool
        A variance is estimated as zero or a correlation as +-1.
    reason : str
        Why the fit failed; empty otherwise.
    n_obs : int
        Rows in use.
    n_clusters : dict
        Clusters by level, lowest level first.
    log_likelihood, criterion, aic, bic : float or None
        criterion is -2 log-likelihood, or the REML criterion; BIC counts rows.
    fixed : tuple of FixedEffect
    random : tuple of RandomEffect
        Lower triangle of each correlated block of each level, row by row.
    residual_variance : float or None
        With a residual structure that of the first wave; None with an unstructured one, whose variances
        are all in ``residual``.
    residual : ResidualResult or None
        Correlation, standard deviations by wave and covariances, if a residual structure was asked for.
    checks : tuple of Check
    formula : str
    reml : bool
    n_dropped : int
        Rows left out because of missing values.
    missing : dict
        Missing values by variable.
    optimiser : Optimiser or None
    covariance : ndarray, (p, p), or None
        Of the fixed effects, as used for the standard errors; NaN where there is none.
    terms : tuple of str, (p,)
    modes : sequence of LevelModes
        Computed when first looked at.
    ci_level : float
    model_based : tuple of FixedEffect
        The coefficients with standard errors and df that trust the model; those of ``fixed`` unless
        ``robust`` was asked for.
    family, link : str
    agq : int
        Quadrature points; 1 is Laplace's method.
    dispersion : float or None
        theta of a negative binomial model (variance mu + mu^2 / theta); None if infinite, and elsewhere.
    generalised : Generalised or None
        The steps of a generalised or ordinal fit; None in a Gaussian or a failed one.
    model : Fitted or None
        What later questions need of a Gaussian fit (tests, intervals, prediction, refits); None in a failed
        fit and in a generalised one.
    """

    verdict: Verdict
    converged: bool
    admissible: bool
    boundary: bool
    reason: str
    n_obs: int
    n_clusters: dict[str, int]
    log_likelihood: float | None
    criterion: float | None
    aic: float | None
    bic: float | None
    fixed: tuple[FixedEffect, ...]
    random: tuple[RandomEffect, ...]
    residual_variance: float | None
    checks: tuple[Check, ...]
    formula: str
    reml: bool
    n_dropped: int
    missing: dict[str, int]
    optimiser: Optimiser | None
    covariance: np.ndarray | None = field(repr=False)
    terms: tuple[str, ...]
    modes: Sequence[LevelModes] = field(repr=False)
    ci_level: float
    model_based: tuple[FixedEffect, ...] = field(default=(), repr=False)
    residual: ResidualResult | None = None
    family: str = "gaussian"
    link: str = "identity"
    agq: int = 1
    dispersion: float | None = None
    generalised: Generalised | None = field(default=None, repr=False, compare=False)
    model: Fitted | None = field(default=None, repr=False, compare=False)

    @property
    def conditional_modes(self) -> dict[str, pd.DataFrame]:
        """Return a frame for each cluster level: its ids, then one column a random effect."""
        import pandas as pd

        return {
            level.cluster: pd.DataFrame(
                {**level.ids, **{term: level.values[:, k] for k, term in enumerate(level.terms)}}
            )
            for level in self.modes
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the command line's JSON shows it, keys in ``JSON_KEYS``.

        A fit with a residual structure also has ``residual``, a generalised one ``family``, ``link``, ``agq``
        and ``dispersion``.
        """
        out: dict[str, Any] = {name: getattr(self, name) for name in JSON_KEYS}
        for name in ("fixed", "random", "checks"):
            out[name] = [asdict(item) for item in out[name]]
        for name in ("log_likelihood", "criterion", "aic", "bic", "residual_variance"):
            out[name] = finite_or_none(out[name])
        if self.residual is not None:
            out["residual"] = self.residual.to_dict()
        if self.family != "gaussian":
            out |= {name: getattr(self, name) for name in ("family", "link", "agq", "dispersion")}
        return out
