"""Profile-likelihood intervals of variance components, correlations and coefficients.

A value belongs to the interval if the criterion, minimised over all other parameters at that value, lies no
more than the quantile of chi2(1) above its minimum. At the boundary (an SD of zero, a correlation of +-1) the
interval ends there exactly if the criterion does not rise that far on the way. Intervals of SDs, squared, are
those of variances. Reference: Bates, Maechler, Bolker & Walker (2015), J. Stat. Softw. 67(1), section 5.1;
Venzon & Moolgavkar (1988), Applied Statistics 37, 87-94.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Literal

from scipy.special import chdtri

from implstats.errors import ModelError, NotSupportedError, ProblemsError, UsageError, did_you_mean
from implstats.mixed.fitted import Fitted
from implstats.mixed.gaussian.boundary import find_optimum
from implstats.mixed.inference.profile_correlation import correlation_curve
from implstats.mixed.inference.profile_curves import (
    Base,
    Curve,
    coefficient_curve,
    residual_curve,
    sd_curve,
)
from implstats.mixed.inference.profile_root import Bound, find_bound
from implstats.mixed.inference.reduced import require_gaussian
from implstats.mixed.results import MixedResult
from implstats.results import Check

if TYPE_CHECKING:
    import pandas as pd

NO_VARIANCE = 1e-10  # relative variance below which a correlation has no meaning
GROUPS = ("random", "fixed")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileInterval:
    """The interval of one parameter.

    Attributes
    ----------
    name : str
        ``sd_(Intercept)|ward``, ``cor_time.(Intercept)|ward``, ``sigma``, or a coefficient's name.
    kind : {"sd", "correlation", "residual_sd", "coefficient"}
    cluster, term, term2 : str
        Empty where they do not apply; ``term2`` for a correlation.
    estimate : float or None
        By the profile's criterion; in the outcome's unit a unit of the term.
    conf_low, conf_high : float or None
    at_boundary : bool
        A bound is the end of the parameter space: an SD of zero, a correlation of +-1.
    reason : str
        Why a bound is missing; empty otherwise.
    """

    name: str
    kind: Literal["sd", "correlation", "residual_sd", "coefficient"]
    cluster: str
    term: str
    term2: str
    estimate: float | None
    conf_low: float | None
    conf_high: float | None
    at_boundary: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Profile intervals: ``criterion`` ML or REML, ``ci_level``, ``intervals``, ``checks``."""

    criterion: str
    ci_level: float
    intervals: tuple[ProfileInterval, ...]
    checks: tuple[Check, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """Return one row a parameter."""
        import pandas as pd

        return pd.DataFrame([asdict(interval) for interval in self.intervals])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parameter:
    """A parameter's labels and how to make its curve; None where it has no meaning, for the reason given."""

    labels: ProfileInterval
    curve: Callable[[Base], Curve] | None


def profile(
    result: MixedResult, which: str | Sequence[str] | None = None, *, ci_level: float | None = None,
    criterion: Literal["ML", "REML"] = "ML",
) -> Profile:  # fmt: skip
    """Return profile-likelihood intervals of a Gaussian model.

    Parameters
    ----------
    result : MixedResult
    which : str or sequence of str, optional
        Names of parameters, ``"random"`` (SDs, correlations and the residual SD) or ``"fixed"``; all unless
        given.
    ci_level : float, optional
        That of the fit unless given.
    criterion : {"ML", "REML"}
        ML as `lme4::confint` does, whatever the fit; REML for the random part only.

    Returns
    -------
    Profile

    Raises
    ------
    UsageError, ProblemsError
        An unknown name, or coefficients under REML.
    ModelError, NotSupportedError
        A failed fit, or a model that is not Gaussian or has a residual structure.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import mixed
    >>> rng = np.random.default_rng(1)
    >>> ward = np.repeat(np.arange(12), 10)
    >>> frame = pd.DataFrame({"ward": ward, "y": rng.normal(size=12)[ward] + rng.normal(size=120)})
    >>> found = mixed.profile(mixed.fit("y ~ 1 + (1 | ward)", frame))
    >>> [interval.name for interval in found.intervals]
    ['sd_(Intercept)|ward', 'sigma', '(Intercept)']
    """
    fitted = require_gaussian(result, "profile")
    if fitted.residual is not None:
        raise NotSupportedError(
            "'profile' does not serve models with a residual structure in this version; result.residual has "
            "Wald intervals, and 'compare' likelihood-ratio tests."
        )
    if criterion not in ("ML", "REML"):
        raise UsageError(f"criterion is ML or REML; got '{criterion}'.")
    level = result.ci_level if ci_level is None else ci_level
    if isinstance(level, bool) or not 0.0 < level < 1.0:
        raise UsageError(f"ci_level lies between 0 and 1, such as 0.95; got {level}.")
    base = make_base(fitted, reml=criterion == "REML")
    chosen = _chosen(_parameters(base), which, criterion)
    cut = float(chdtri(1.0, 1.0 - level))
    intervals = tuple(_interval(base, parameter, cut) for parameter in chosen)
    return Profile(
        criterion=criterion, ci_level=level, intervals=intervals, checks=(_check(intervals, criterion),)
    )


def make_base(fitted: Fitted, *, reml: bool) -> Base:
    """Return the model at its optimum by ML or REML."""
    problem, optimum = fitted.problem, fitted.optimum
    if problem.reml != reml:
        problem = replace(problem, reml=reml)
        other = find_optimum(problem)
        if other is None or not other.verified:
            raise ModelError(
                f"The model has no verified optimum by {'REML' if reml else 'ML'}, so it has no profile; "
                "simplify the random part."
            )
        optimum = other
    return Base(design=fitted.design, scaled=fitted.scaled, problem=problem, at=optimum.search.at)


def _parameters(base: Base) -> list[_Parameter]:
    """Return all parameters in lme4's order: each level's SDs and correlations, sigma, coefficients."""
    out = []
    for level, part in enumerate(base.design.levels):
        for block in part.blocks:
            for i, effect in enumerate(block):
                out.append(_sd(part.clusters.name, part.names[effect], level, effect))
                out += [
                    _correlation(base, part.clusters.name, part.names, level, effect, other)
                    for other in block[i + 1 :]
                ]
    out.append(_Parameter(labels=_labels("sigma", "residual_sd"), curve=residual_curve))
    for k, j in enumerate(base.scaled.kept):
        out.append(_coefficient(base.design.names[j], k))
    return out


def _labels(
    name: str, kind: Literal["sd", "correlation", "residual_sd", "coefficient"], *, cluster: str = "",
    term: str = "", term2: str = "", reason: str = "",
) -> ProfileInterval:  # fmt: skip
    return ProfileInterval(
        name=name, kind=kind, cluster=cluster, term=term, term2=term2, estimate=None, conf_low=None,
        conf_high=None, at_boundary=False, reason=reason,
    )  # fmt: skip


def _sd(cluster: str, term: str, level: int, effect: int) -> _Parameter:
    labels = _labels(f"sd_{term}|{cluster}", "sd", cluster=cluster, term=term)
    return _Parameter(labels=labels, curve=lambda base: sd_curve(base, level, effect))


def _coefficient(name: str, k: int) -> _Parameter:
    labels = _labels(name, "coefficient", term=name)
    return _Parameter(labels=labels, curve=lambda base: coefficient_curve(base, k))


def _correlation(base: Base, cluster: str, names: tuple[str, ...], level: int, i: int, j: int) -> _Parameter:
    B = base.scaled.B[level]
    own = B @ base.at.G[level] @ B.T
    gone = [names[k] for k in (i, j) if own[k, k] <= NO_VARIANCE * B[k, k] ** 2]
    why = "is estimated as zero, so the correlation has no meaning"
    reason = f"the variance of {gone[0]} {why}" if gone else ""
    labels = _labels(
        f"cor_{names[j]}.{names[i]}|{cluster}", "correlation", cluster=cluster, term=names[i],
        term2=names[j], reason=reason,
    )  # fmt: skip
    return _Parameter(labels=labels, curve=None if gone else lambda b: correlation_curve(b, level, i, j))


def _chosen(
    parameters: list[_Parameter], which: str | Sequence[str] | None, criterion: str
) -> list[_Parameter]:
    names = [p.labels.name for p in parameters]
    wanted = list(GROUPS) if which is None else [which] if isinstance(which, str) else list(which)
    if which is None and criterion == "REML":
        wanted = ["random"]
    problems = [
        f"'{name}' is not a parameter{did_you_mean(str(name), [*names, *GROUPS])}"
        for name in wanted if name not in names and name not in GROUPS
    ]  # fmt: skip
    if problems:
        raise ProblemsError("which", [*problems, f"Parameters: {', '.join(names)}"])
    out = [
        p for p in parameters
        if p.labels.name in wanted or ("fixed" if p.labels.kind == "coefficient" else "random") in wanted
    ]  # fmt: skip
    if criterion == "REML" and any(p.labels.kind == "coefficient" for p in out):
        raise UsageError(
            "A coefficient has no REML profile: the REML criterion does not depend on it. Use "
            "criterion='ML', or the t intervals of the fit."
        )
    return out


def _interval(base: Base, parameter: _Parameter, cut: float) -> ProfileInterval:
    if parameter.curve is None:
        return parameter.labels
    curve = parameter.curve(base)
    low, high = (find_bound(curve, base=base.at.value, cut=cut, direction=d) for d in (-1, 1))
    reasons = [f"{side}: {bound.reason}" for side, bound in (("lower", low), ("upper", high)) if bound.reason]
    return replace(
        parameter.labels, estimate=curve.own(curve.centre), conf_low=_own(curve, low),
        conf_high=_own(curve, high), at_boundary=low.at_end or high.at_end, reason="; ".join(reasons),
    )  # fmt: skip


def _own(curve: Curve, bound: Bound) -> float | None:
    return None if bound.x is None else curve.own(bound.x)


def _check(intervals: tuple[ProfileInterval, ...], criterion: str) -> Check:
    missing = [i.name for i in intervals if i.reason]
    boundary = [i.name for i in intervals if i.at_boundary]
    message = f"Profile intervals by {criterion}."
    if boundary:
        message += f" At the end of the parameter space: {', '.join(boundary)}."
    if missing:
        message += f" Without a bound, for the reasons given: {', '.join(missing)}."
    return Check(name="profile", status="info" if missing else "ok", message=message)
