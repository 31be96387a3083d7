"""Profile-likelihood intervals of intraclass correlations and of the reliability of cluster means.

For a level l with a random intercept only, of relative variance g_l, and h_k(g) the mean over the rows of
z'G_k z of each other level, c the mean residual variance in units of s^2 (1 without prior weights):

    icc_l = g_l / (c + sum_k h_k)         held at rho by      g_l = rho / (1 - rho) (c + sum of h_k, k != l)

which is linear in the other levels' g, so that the criterion is profiled as in `profile_criterion`. No
normality of the estimate is assumed (a delta interval of an ICC near zero is poor), the interval ends at zero
exactly where the profile does not rise enough, and it does not depend on a transformation of the ICC.

With two levels and J clusters of n_j rows, the reliability of a cluster's mean is n_j o / (1 + n_j o),
o = icc / (1 - icc); its mean over clusters grows with icc, so the interval's ends carry over.
References: as in `profile`; Snijders & Bosker (2012), Multilevel Analysis, 2nd ed., section 3.5.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import chdtri

from implstats.errors import NotSupportedError, UsageError
from implstats.mixed.design.coding import INTERCEPT
from implstats.mixed.gaussian.optimise import start
from implstats.mixed.inference.profile import make_base
from implstats.mixed.inference.profile_correlation import matrices_of
from implstats.mixed.inference.profile_criterion import (
    Point,
    at_matrices,
    chained,
    free_residual,
    minimum,
    pieces,
)
from implstats.mixed.inference.profile_curves import COLD, Base, Curve, effect_removed
from implstats.mixed.inference.profile_root import find_bound
from implstats.mixed.inference.reduced import require_gaussian
from implstats.mixed.results import MixedResult
from implstats.results import Check

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class IccInterval:
    """The ICC of one level with its interval.

    Attributes
    ----------
    cluster : str
    icc, conf_low, conf_high : float or None
        Share of this level in the variance that the predictors leave.
    reliability, reliability_low, reliability_high : float or None
        Of the clusters' means, averaged over clusters; models with one cluster level only.
    reason : str
        Why a number is missing; empty otherwise.
    """

    cluster: str
    icc: float | None
    conf_low: float | None
    conf_high: float | None
    reliability: float | None
    reliability_low: float | None
    reliability_high: float | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IccIntervals:
    """ICCs with intervals: ``criterion`` ML or REML, ``ci_level``, ``levels`` (lowest first), ``checks``."""

    criterion: str
    ci_level: float
    levels: tuple[IccInterval, ...]
    checks: tuple[Check, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """Return one row a level."""
        import pandas as pd

        return pd.DataFrame([asdict(level) for level in self.levels])


def icc_intervals(
    result: MixedResult, *, ci_level: float | None = None,
    criterion: Literal["ML", "REML"] | None = None,
) -> IccIntervals:  # fmt: skip
    """Return the ICC of each level with a profile-likelihood interval.

    Parameters
    ----------
    result : MixedResult
    ci_level : float, optional
        That of the fit unless given.
    criterion : {"ML", "REML"}, optional
        The fit's own unless given, so that the interval belongs to the ICC shown.

    Returns
    -------
    IccIntervals
        A level with random slopes has none: its share of the variance differs between rows.

    Raises
    ------
    UsageError
        An unknown criterion or level.
    ModelError, NotSupportedError
        A failed fit, or a model that is not Gaussian or has a residual structure.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import mixed
    >>> rng = np.random.default_rng(1)
    >>> ward = np.repeat(np.arange(12), 10)
    >>> frame = pd.DataFrame({"ward": ward, "y": rng.normal(size=12)[ward] + rng.normal(size=120)})
    >>> level = mixed.icc_intervals(mixed.fit("y ~ 1 + (1 | ward)", frame)).levels[0]
    >>> level.conf_low < level.icc < level.conf_high < level.reliability_high
    True
    """
    fitted = require_gaussian(result, "icc_intervals")
    if fitted.residual is not None:
        raise NotSupportedError(
            "'icc_intervals' does not serve models with a residual structure: the share of a level then "
            "differs between waves. Fit without the structure."
        )
    if criterion not in (None, "ML", "REML"):
        raise UsageError(f"criterion is ML or REML; got '{criterion}'.")
    level = result.ci_level if ci_level is None else ci_level
    if isinstance(level, bool) or not 0.0 < level < 1.0:
        raise UsageError(f"ci_level lies between 0 and 1, such as 0.95; got {level}.")
    reml = fitted.problem.reml if criterion is None else criterion == "REML"
    base = make_base(fitted, reml=reml)
    cut = float(chdtri(1.0, 1.0 - level))
    levels = tuple(_level(base, number, cut) for number in range(len(base.design.levels)))
    kind = "REML" if reml else "ML"
    check = Check(
        name="profile", status="info" if any(found.reason for found in levels) else "ok",
        message=f"Profile intervals of the intraclass correlations by {kind}.",
    )  # fmt: skip
    return IccIntervals(criterion=kind, ci_level=level, levels=levels, checks=(check,))


def _level(base: Base, number: int, cut: float) -> IccInterval:
    part = base.design.levels[number]
    name = part.clusters.name
    if part.names != (INTERCEPT,):
        return IccInterval(
            cluster=name, icc=None, conf_low=None, conf_high=None, reliability=None, reliability_low=None,
            reliability_high=None, reason="random slopes: its share of the variance differs between rows",
        )  # fmt: skip
    curve = icc_curve(base, number)
    bounds = [find_bound(curve, base=base.at.value, cut=cut, direction=d) for d in (-1, 1)]
    low, high = (bound.x for bound in bounds)
    reason = "; ".join(
        f"{side}: {bound.reason}"
        for side, bound in zip(("lower", "upper"), bounds, strict=True)
        if bound.reason
    )
    sizes = np.bincount(part.clusters.codes) if len(base.design.levels) == 1 else None
    if base.design.weights is not None:
        sizes = None
    found = [mean_reliability(value, sizes) for value in (curve.centre, low, high)]
    return IccInterval(
        cluster=name, icc=curve.centre, conf_low=low, conf_high=high, reliability=found[0],
        reliability_low=found[1], reliability_high=found[2], reason=reason,
    )  # fmt: skip


def mean_reliability(icc: float | None, sizes: np.ndarray | None) -> float | None:
    """Return the mean reliability of the means of clusters of ``sizes`` rows.

    >>> round(mean_reliability(0.2, np.array([4, 4])), 12)
    0.5
    """
    if icc is None or sizes is None:
        return None
    return float(np.mean(sizes * icc / (1.0 - icc + sizes * icc)))


def shares(base: Base) -> list[np.ndarray]:
    """Return for each level the weights of its entries of g in the mean of z'G z over the rows."""
    out = []
    for part, B, level in zip(base.design.levels, base.scaled.B, base.problem.shape.levels, strict=True):
        z = part.Z @ B
        moments = z.T @ z / len(z)
        rows, cols = level.entries
        out.append(moments[rows, cols] * np.where(rows == cols, 1.0, 2.0))
    return out


def icc_curve(base: Base, number: int) -> Curve:
    """Return the profile of the ICC of a level with a random intercept only; working scale: the ICC."""
    at, shape, reml = base.at, base.problem.shape, base.problem.reml
    weights = np.concatenate(shares(base))
    entry = shape.slices[number].start
    others = np.delete(np.arange(shape.size), entry)
    residual = 1.0 if base.design.weights is None else float(np.mean(1.0 / base.design.weights))
    Gamma = np.zeros((shape.size, shape.size - 1, shape.size - 1))
    Gamma[others] = shape.curvature[np.ix_(others, others, others)]
    rest = np.tensordot(weights[others], Gamma[others], axes=1)

    def point(x: float, phi: np.ndarray) -> Point | None:
        odds = x / (1.0 - x) / weights[entry]
        form = Gamma.copy()
        form[entry] = odds * rest

        def criterion(phi: np.ndarray) -> tuple[float, np.ndarray, np.ndarray, float] | None:
            g = 0.5 * (form @ phi) @ phi
            g[entry] += odds * residual
            here = at_matrices(base.problem, matrices_of(base, g))
            f = None if here is None else pieces(here, shape.pairs, reml=reml, T=None)
            if f is None:
                return None
            held = free_residual(f, at.nu)
            slope = float(held.slope[entry] * g[entry] / (x * (1.0 - x)))
            return chained(replace(held, by_parameter=slope), phi, form)

        return minimum(criterion, phi)

    own = float(weights[entry] * at.g[entry])
    centre = own / (residual + float(weights @ at.g))
    cold = start(shape, COLD)[others]
    return Curve(
        centre=centre, step=max(0.15 * centre, 0.02) * (1.0 - centre), low=0.0, high=1.0,
        end=lambda x: effect_removed(base, number, 0) if x == 0.0 else None, point=point,
        carry=lambda phi, before, x: phi, warm=at.theta[others], cold=lambda x: cold, own=lambda x: x,
    )  # fmt: skip
