"""Wild cluster bootstrap of one contrast of the fixed effects, with a cluster-robust t.

The statistic is b's cluster-robust t (CR2, or CR1), and its distribution under the null comes from flipping
each top cluster's restricted residuals as a whole (`wild_statistic`). It trusts neither the fitted
covariances nor a df, only that clusters are independent.

``working="gls"`` (the default) keeps the mixed model's own estimate, with the fitted covariances as weights
that are held fixed over the draws: the test is then of the coefficient that is shown, and more precise.
``"ols"`` is the regression of Cameron, Gelbach and Miller, whose estimate differs.

With few distinct draws all of them are taken; the p-value is then the share that reaches |t|, itself
included, and its smallest possible value is stated. Otherwise p = (1 + number reaching) / (1 + draws).
The interval holds every null that is not rejected (test inversion).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from implstats.errors import ModelError, NotSupportedError, UsageError, did_you_mean
from implstats.mixed.fitted import Fitted
from implstats.mixed.inference.robust import LONE
from implstats.mixed.inference.robust_inference import robust_scores
from implstats.mixed.resampling.bootstrap import check_draws, require_clusters
from implstats.mixed.resampling.cluster_weights import all_weights, drawn_weights, n_distinct
from implstats.mixed.resampling.refit import require_nested
from implstats.mixed.resampling.wild_statistic import (
    Drawn,
    WildMatrices,
    drawn,
    join_drawn,
    reaching,
    wild_matrices,
)  # fmt: skip
from implstats.mixed.results import MixedResult
from implstats.results import Check

Contrast = str | Mapping[str, float] | Sequence[float] | np.ndarray
OPTIONS = {
    "weights": ("webb", "rademacher"), "null": ("imposed", "free"), "working": ("gls", "ols"),
    "kind": ("CR2", "CR1"),
}  # fmt: skip
FEWEST_DRAWS = 99
DOUBLINGS, HALVINGS = 40, 60


@dataclass(frozen=True, slots=True, kw_only=True)
class WildBootstrap:
    """A wild cluster bootstrap test.

    Attributes
    ----------
    contrast : dict of str to float
        Weights of the coefficients.
    null_value : float
    estimate, std_error, statistic : float
        In units of the outcome; the robust standard error and t.
    p_value : float
    conf_low, conf_high : float or None
    reason : str
        Why an end of the interval is missing.
    ci_level : float
    cluster : str
    n_clusters : int
    weights, null, working, kind : str
    enumerated : bool
        All distinct draws were taken; no seed was needed.
    draws : int
        Draws used.
    n_distinct : int
        Distinct values that |t*| can take at most.
    smallest_p : float
        The smallest p-value that could have come out.
    std_error_p : float
        Monte Carlo standard error of the p-value; 0 if enumerated.
    seed : int
    checks : tuple of Check
    """

    contrast: dict[str, float]
    null_value: float
    estimate: float
    std_error: float
    statistic: float
    p_value: float
    conf_low: float | None
    conf_high: float | None
    reason: str
    ci_level: float
    cluster: str
    n_clusters: int
    weights: str
    null: str
    working: str
    kind: str
    enumerated: bool
    draws: int
    n_distinct: int
    smallest_p: float
    std_error_p: float
    seed: int
    checks: tuple[Check, ...]


def wild_bootstrap(
    result: MixedResult, contrast: Contrast, *, weights: str = "webb", draws: int = 9999, seed: int,
    null: str = "imposed", working: str = "gls", kind: str = "CR2", null_value: float = 0.0,
    ci_level: float = 0.95,
) -> WildBootstrap:  # fmt: skip
    """Test a coefficient, or a contrast of coefficients, by a wild cluster bootstrap.

    Parameters
    ----------
    result : MixedResult
        A linear model with at least 6 clusters at its highest level.
    contrast : str, mapping or sequence of float
        A coefficient's name, weights by name, or (p,) weights in the order of ``result.terms``.
    weights : {"webb", "rademacher"}
    draws : int
        At most; if there are no more distinct ones, all are taken.
    seed : int
    null : {"imposed", "free"}
        Residuals under the null (better with few clusters), or those of the fit.
    working : {"gls", "ols"}
    kind : {"CR2", "CR1"}
    null_value : float
    ci_level : float

    Raises
    ------
    UsageError, NotSupportedError, ModelError, DataError

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import mixed
    >>> rng = np.random.default_rng(1)
    >>> ward, x = np.repeat(np.arange(12), 10), rng.normal(size=120)
    >>> y = x + rng.normal(size=12)[ward] + rng.normal(size=120)
    >>> result = mixed.fit("y ~ x + (1 | ward)", pd.DataFrame({"ward": ward, "x": x, "y": y}))
    >>> found = mixed.wild_bootstrap(result, "x", weights="rademacher", seed=1)
    >>> found.enumerated, found.n_distinct, found.p_value == found.smallest_p
    (True, 2048, True)
    """
    chosen = {"weights": weights, "null": null, "working": working, "kind": kind}
    _check_options(chosen, draws, seed, ci_level)
    model = require_nested(result)
    if model.design.weights is not None:
        raise NotSupportedError(
            "The wild cluster bootstrap does not serve prior weights in this version. Leave them out, or use "
            "mixed.bootstrap(kind='parametric')."
        )
    top = model.design.levels[-1].clusters
    require_clusters(result, top.size, "The wild cluster bootstrap")
    c = contrast_weights(contrast, result.terms)
    matrices, estimate = _matrices(model, c, null_value, working=working, kind=kind)
    distinct = n_distinct(weights, top.size)
    enumerated = distinct <= draws
    rng = np.random.default_rng(seed)
    source = all_weights(weights, top.size) if enumerated else drawn_weights(weights, top.size, draws, rng)
    found = join_drawn([drawn(matrices, g) for g in source])
    imposed = null == "imposed"
    p = _p_value(found, matrices, matrices.delta, imposed=imposed, enumerated=enumerated)
    low, high, reason = _interval(found, matrices, 1.0 - ci_level, imposed=imposed, enumerated=enumerated)
    scale = model.scaled.scale
    used = len(found.n0)
    smallest = 1.0 / distinct if enumerated else 1.0 / (draws + 1)
    return WildBootstrap(
        contrast={t: float(w) for t, w in zip(result.terms, c, strict=True) if w != 0.0},
        null_value=null_value, estimate=estimate, std_error=float(scale * np.sqrt(matrices.variance)),
        statistic=float(matrices.delta / np.sqrt(matrices.variance)), p_value=p,
        conf_low=None if low is None else estimate - scale * low,
        conf_high=None if high is None else estimate - scale * high, reason=reason, ci_level=ci_level,
        cluster=top.name, n_clusters=top.size, enumerated=enumerated, draws=used, n_distinct=distinct,
        smallest_p=smallest, seed=seed,
        std_error_p=0.0 if enumerated else float(np.sqrt(p * (1.0 - p) / used)),
        checks=(_check(distinct, smallest, enumerated, 1.0 - ci_level, weights),), **chosen,
    )  # fmt: skip


def _check_options(chosen: Mapping[str, str], draws: int, seed: int, ci_level: float) -> None:
    for name, value in chosen.items():
        if value not in OPTIONS[name]:
            known = OPTIONS[name]
            raise UsageError(
                f"{name} is one of {', '.join(known)}; got '{value}'{did_you_mean(value, known)}"
            )
    check_draws(draws, seed, fewest=FEWEST_DRAWS)
    if isinstance(ci_level, bool) or not 0.0 < ci_level < 1.0:
        raise UsageError(f"ci_level lies between 0 and 1, such as 0.95; got {ci_level}.")


def contrast_weights(contrast: Contrast, terms: tuple[str, ...]) -> np.ndarray:
    """Return the weights of the coefficients, (p,).

    >>> contrast_weights({"b": 1.0, "a": -1.0}, ("a", "b"))
    array([-1.,  1.])
    """
    if isinstance(contrast, str):
        contrast = {contrast: 1.0}
    if isinstance(contrast, Mapping):
        unknown = [f"'{t}'{did_you_mean(t, terms)}" for t in contrast if t not in terms]
        if unknown:
            raise UsageError(
                f"No coefficient is named {', '.join(unknown)}. Coefficients: {', '.join(terms)}. For all "
                "columns of a factor together use mixed.f_tests with robust='CR2'."
            )
        c = np.array([float(contrast.get(t, 0.0)) for t in terms])
    else:
        c = np.asarray(contrast, dtype=float)
    if c.shape != (len(terms),) or not np.isfinite(c).all() or not c.any():
        raise UsageError(
            f"A contrast has {len(terms)} finite weights, one for each of {', '.join(terms)}, not all zero."
        )
    return c


def _matrices(
    model: Fitted, c: np.ndarray, null_value: float, *, working: str, kind: str
) -> tuple[WildMatrices, float]:
    """Return the matrices in the coordinates of the fit, and the estimate in the outcome's unit."""
    scaled, design, at = model.scaled, model.design, model.optimum.search.at
    ols = working == "ols"
    C, b = (np.eye(len(at.beta)), scaled.Q.T @ scaled.y) if ols else (at.C, at.beta)
    h = scaled.M.T @ c
    residuals = scaled.y - scaled.Q @ b
    plain, adjusted = (
        robust_scores(
            scaled.Q, residuals, Z=scaled.Z, codes=[level.clusters.codes for level in design.levels],
            G=[np.zeros_like(G) if ols else G for G in at.G], clusters=design.levels[-1].clusters.codes, M=C,
            kind=which,
        )
        for which in ("CR0", kind)
    )  # fmt: skip
    if h @ adjusted.lone.sum(axis=0) @ h > LONE * (h @ C @ h):
        raise ModelError(
            "One cluster alone determines this contrast, so its residuals are zero and say nothing of its "
            "uncertainty. Use the model-based Kenward-Roger test."
        )
    estimate = float(scaled.scale * (h @ b) + h @ scaled.shift)
    delta = (estimate - null_value) / scaled.scale
    found = wild_matrices(plain, adjusted, C=C, h=h, delta=delta)
    if kind == "CR1":
        J = len(plain.s)
        factor = np.sqrt(J / (J - 1.0))
        found = WildMatrices(
            u=found.u,
            v=factor * found.v,
            L=factor * found.L,
            variance=factor**2 * found.variance,
            delta=delta,
        )
    return found, estimate


def _p_value(found: Drawn, matrices: WildMatrices, delta: float, *, imposed: bool, enumerated: bool) -> float:
    count = reaching(found, delta=delta, variance=matrices.variance, imposed=imposed)
    if enumerated:
        # The identity is among the draws; with free residuals its t* is zero, so it is counted by hand.
        return max(count, 1) / len(found.n0)
    return (1 + count) / (1 + len(found.n0))


def _interval(
    found: Drawn, matrices: WildMatrices, alpha: float, *, imposed: bool, enumerated: bool
) -> tuple[float | None, float | None, str]:
    """Return estimate less lower end, estimate less upper end, in the coordinates of the fit."""

    def rejected(delta: float) -> bool:
        return _p_value(found, matrices, delta, imposed=imposed, enumerated=enumerated) <= alpha

    ends = [_crossing(rejected, sign * np.sqrt(matrices.variance)) for sign in (1.0, -1.0)]
    missing = [name for name, end in zip(("lower", "upper"), ends, strict=True) if end is None]
    reason = f"no null is rejected towards the {' and the '.join(missing)} end" if missing else ""
    return ends[0], ends[1], reason


def _crossing(rejected: Callable[[float], bool], step: float) -> float | None:
    """Return where the null starts to be rejected on the way out, or None."""
    inner, outer = 0.0, step
    for _ in range(DOUBLINGS):
        if rejected(outer):
            break
        inner, outer = outer, 2.0 * outer
    else:
        return None
    for _ in range(HALVINGS):
        middle = 0.5 * (inner + outer)
        inner, outer = (inner, middle) if rejected(middle) else (middle, outer)
    return 0.5 * (inner + outer)


def _check(distinct: int, smallest: float, enumerated: bool, alpha: float, weights: str) -> Check:
    how = "all were taken" if enumerated else "a sample was drawn"
    message = (
        f"{weights.capitalize()} weights give {distinct} distinct draws, of which {how}; the smallest "
        f"possible p-value is {smallest:.2g}."
    )
    if smallest > 0.5 * alpha:
        other = " Webb weights have more." if "webb" not in weights else ""
        return Check(name="wild_draws", status="warn", message=message + other)
    return Check(name="wild_draws", status="ok", message=message)
