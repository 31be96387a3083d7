"""Bootstrap of a linear mixed model.

``parametric``: responses are drawn from the fitted model and refitted all at once (`refit`).
``residual``: the fit's own effects and residuals, reflated, are drawn with replacement (`residuals`).
``cases``: clusters of the highest level are drawn with replacement (`cases`); nothing is assumed but that
they are independent. That takes many clusters: with few, intervals are too short, and below 6 it is refused.

A draw whose fit failed is counted and reported, and has no values; its absence is said in a check.
References: Davison & Hinkley (1997), Bootstrap Methods and their Application; van der Leeden, Meijer & Busing
(2008), in Handbook of Multilevel Analysis, chapter 11.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from implstats.errors import DataError, NotSupportedError, UsageError, did_you_mean
from implstats.mixed.resampling.cases import fit_samples, sum_top
from implstats.mixed.resampling.intervals import basic_interval, bca_interval, percentile_interval
from implstats.mixed.resampling.quantities import Quantities, Statistic, quantities
from implstats.mixed.resampling.records import Refits
from implstats.mixed.resampling.refit import BATCH, Refitter, prepare, refit_many
from implstats.mixed.resampling.residuals import draw_from, pools
from implstats.mixed.resampling.simulate import draw_responses, truth_of
from implstats.mixed.results import MixedResult
from implstats.results import Check

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("parametric", "residual", "cases")
INTERVALS = ("percentile", "basic", "bca")
FEWEST_CLUSTERS, FEWEST_DRAWS = 6, 99
MANY_FAILED = 0.01  # share of failed draws above which the intervals ask for caution
NUMBERS = 4_000_000  # responses drawn at once: rows times draws


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapEstimate:
    """One quantity.

    Attributes
    ----------
    quantity : str
        ``coefficient``, ``variance``, ``covariance``, ``icc`` or ``statistic``.
    cluster, term : str
        As in the fit; ``residual`` for the residual variance.
    estimate, std_error, bias : float or None
        The fit's; SD of the draws; mean of the draws less the estimate.
    conf_low, conf_high : float or None
    reason : str
        Why there is no interval.
    """

    quantity: str
    cluster: str
    term: str
    estimate: float | None
    std_error: float | None
    bias: float | None
    conf_low: float | None
    conf_high: float | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrap:
    """A bootstrap.

    Attributes
    ----------
    kind, interval : str
    ci_level : float
    draws, n_boundary, n_failed : int
        Draws asked for; of these with a variance at zero (or correlation at +-1), and without verified fit.
    seed : int
    estimates : tuple of BootstrapEstimate, (k,)
    samples : ndarray, (draws, k)
        Values of the draws; NaN rows for failed ones.
    checks : tuple of Check
    """

    kind: str
    interval: str
    ci_level: float
    draws: int
    n_boundary: int
    n_failed: int
    seed: int
    estimates: tuple[BootstrapEstimate, ...]
    samples: np.ndarray = field(repr=False)
    checks: tuple[Check, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """One row a quantity."""
        import pandas as pd

        return pd.DataFrame([asdict(estimate) for estimate in self.estimates])


def bootstrap(
    result: MixedResult, *, kind: str = "parametric", draws: int = 999, seed: int,
    statistic: Statistic | None = None, interval: str = "percentile", ci_level: float = 0.95,
) -> Bootstrap:  # fmt: skip
    """Return bootstrap standard errors and intervals of a linear mixed model.

    Parameters
    ----------
    result : MixedResult
    kind : {"parametric", "residual", "cases"}
    draws : int
        At least 99.
    seed : int
        Of `numpy.random.default_rng`.
    statistic : callable, optional
        From `Refits` to one number, or one row of numbers, a refit; bootstrapped beside the parameters.
    interval : {"percentile", "basic", "bca"}
        BCa takes its acceleration from leaving out clusters, so it needs ``kind="cases"``.
    ci_level : float

    Returns
    -------
    Bootstrap

    Raises
    ------
    UsageError, NotSupportedError, ModelError, DataError
        An option is wrong; the model is not served; fewer than 6 clusters to draw.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import mixed
    >>> rng = np.random.default_rng(1)
    >>> ward, x = np.repeat(np.arange(12), 10), rng.normal(size=120)
    >>> y = x + rng.normal(size=12)[ward] + rng.normal(size=120)
    >>> result = mixed.fit("y ~ x + (1 | ward)", pd.DataFrame({"ward": ward, "x": x, "y": y}))
    >>> found = mixed.bootstrap(result, draws=199, seed=1)
    >>> found.n_failed, found.estimates[1].term
    (0, 'x')
    """
    _check_options(kind, draws, seed, interval, ci_level)
    ready = prepare(result)
    rng = np.random.default_rng(seed)
    observed = quantities(_observed(ready), statistic)
    without = None
    if kind != "cases":
        refits = drawn_refits(result, ready, kind, draws, rng)
    else:
        top = sum_top(ready)
        J = len(top.rows)
        require_clusters(result, J, "The cluster bootstrap")
        refits = fit_samples(ready, top, rng.integers(0, J, size=(draws, J)))
        if interval == "bca":
            left = np.array([[j for j in range(J) if j != gone] for gone in range(J)])
            without = quantities(fit_samples(ready, top, left), statistic).values
    found = quantities(refits, statistic)
    return Bootstrap(
        kind=kind, interval=interval, ci_level=ci_level, draws=draws, seed=seed,
        n_boundary=int(refits.boundary.sum()), n_failed=refits.n_failed, samples=found.values,
        checks=(_draws_check(refits),),
        estimates=_estimates(observed, found.values, without, interval=interval, ci_level=ci_level),
    )  # fmt: skip


def drawn_refits(
    result: MixedResult, ready: Refitter, kind: str, draws: int, rng: np.random.Generator
) -> Refits:
    """Return refits of responses drawn from the fitted model, or from its effects and residuals."""
    design, scaled = ready.model.design, ready.model.scaled
    truth = truth_of(design, scaled.kept, _observed(ready), 0)
    if kind == "residual":
        pool = pools(design, truth, [level.values for level in result.modes])

    def draw(size: int) -> np.ndarray:
        if kind == "residual":
            return draw_from(design, truth, pool, size, rng)
        return draw_responses(design, truth, size, rng)

    return join_refits([refit_many(ready, draw(size), df="none") for size in _sizes(draws, len(design.y))])


def _sizes(draws: int, n: int) -> list[int]:
    """Return batch sizes that keep the drawn responses in memory."""
    most = int(np.clip(NUMBERS // n, 1, BATCH))
    return [min(most, draws - at) for at in range(0, draws, most)]


def join_refits(parts: list[Refits]) -> Refits:
    """Return several sets of refits of one model as one."""
    per_refit = (
        "beta", "std_error", "df", "df_method", "covariances", "sigma2", "criterion", "boundary", "verdict",
        "alone",
    )  # fmt: skip
    first = parts[0]
    return Refits(
        terms=first.terms, components=first.components, reml=first.reml,
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in per_refit},
    )  # fmt: skip


def _observed(ready: Refitter) -> Refits:
    """Return the refit of the model's own response."""
    return refit_many(ready, ready.model.design.y[:, None], df="none")


def _check_options(kind: str, draws: int, seed: int, interval: str, ci_level: float) -> None:
    if kind not in KINDS:
        raise UsageError(f"kind is one of {', '.join(KINDS)}; got '{kind}'{did_you_mean(kind, KINDS)}")
    if interval not in INTERVALS:
        raise UsageError(
            f"interval is one of {', '.join(INTERVALS)}; got '{interval}'{did_you_mean(interval, INTERVALS)}"
        )
    if interval == "bca" and kind != "cases":
        raise NotSupportedError(
            f"BCa takes its acceleration from leaving out clusters, which a {kind} bootstrap does not "
            "do. Use kind='cases', or interval='percentile'."
        )
    check_draws(draws, seed, fewest=FEWEST_DRAWS)
    if isinstance(ci_level, bool) or not 0.0 < ci_level < 1.0:
        raise UsageError(f"ci_level lies between 0 and 1, such as 0.95; got {ci_level}.")


def check_draws(draws: int, seed: int, *, fewest: int) -> None:
    """Refuse a number of draws or a seed that cannot be meant."""
    if isinstance(draws, bool) or not isinstance(draws, (int, np.integer)) or draws < fewest:
        raise UsageError(f"draws is a whole number of at least {fewest}, such as 999; got {draws}.")
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise UsageError(
            f"seed is a whole number of at least 0, so that the draws can be repeated; got {seed}."
        )


def require_clusters(result: MixedResult, J: int, what: str) -> None:
    """Refuse fewer clusters than resampling can bear."""
    if J < FEWEST_CLUSTERS:
        name = list(result.n_clusters)[-1]
        raise DataError(
            f"{what} needs at least {FEWEST_CLUSTERS} clusters of the highest level; '{name}' has {J}. "
            "Use the model-based Kenward-Roger tests, or enter the clusters as fixed effects."
        )


def _draws_check(refits: Refits) -> Check:
    R, failed, boundary = len(refits.sigma2), refits.n_failed, int(refits.boundary.sum())
    message = (
        f"{R} draws: {boundary} with a variance of zero or a correlation of one (kept), {failed} without a "
        "verified fit"
    )
    if failed == 0:
        return Check(name="bootstrap_draws", status="ok", message=message + ".")
    return Check(
        name="bootstrap_draws", status="warn" if failed > MANY_FAILED * R else "info",
        message=message + "; the intervals are those of the others, which may differ. Simplify the random "
        "part if there are many.",
    )  # fmt: skip


def _estimates(
    observed: Quantities, draws: np.ndarray, without: np.ndarray | None, *, interval: str, ci_level: float
) -> tuple[BootstrapEstimate, ...]:
    out = []
    for k, (quantity, cluster, term) in enumerate(observed.names):
        t = float(observed.values[0, k])
        values = draws[np.isfinite(draws[:, k]), k]
        low, high, reason = None, None, ""
        if len(values) < FEWEST_DRAWS:
            reason = f"only {len(values)} draws have a value"
        elif interval == "percentile":
            low, high = percentile_interval(values, ci_level)
        elif interval == "basic":
            low, high = basic_interval(values, t, ci_level)
        elif without is not None and not np.isfinite(without[:, k]).all():
            reason = "the model cannot be fitted without one of the clusters, so there is no acceleration"
        elif without is not None:
            low, high = bca_interval(values, t, ci_level, without[:, k])
        if not reason and (low is None or high is None):
            low, high, reason = None, None, f"{len(values)} draws do not reach the ends; take more draws"
        enough = len(values) >= FEWEST_DRAWS
        out.append(
            BootstrapEstimate(
                quantity=quantity, cluster=cluster, term=term, estimate=t,
                std_error=float(np.std(values, ddof=1)) if enough else None,
                bias=float(values.mean() - t) if enough else None,
                conf_low=low, conf_high=high, reason=reason,
            )
        )  # fmt: skip
    return tuple(out)
