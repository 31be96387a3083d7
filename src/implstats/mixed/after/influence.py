"""Influence of single clusters: what would the fit be without this one?

The sums over clusters are additive over rows, so those without cluster j are the whole less the sums over its
rows. Newton's method then starts at the optimum of the whole and is run to convergence, so every number below
is that of a full refit, not of a one-step approximation. With b, s2 and C (Var(b) = s2 C) of all data, and
b_j, s2_j, C_j without cluster j,

    Cook's distance   D_j = (b - b_j)'(s2 C)^-1 (b - b_j) / p
    DFBETAS           (b - b_j)_k / sqrt(s2_j C_j,kk)
    covariance ratio  det(s2_j C_j) / det(s2 C)

as the R packages influence.ME and HLMdiag define them, with standard errors that Kenward and Roger did not
adjust. A cluster without which a coefficient cannot be estimated, or no optimum can be verified, has no
numbers but a reason.
References: Cook (1977), Technometrics 19, 15-18; Belsley, Kuh & Welsch (1980), Regression Diagnostics;
Nieuwenhuis, te Grotenhuis & Pelzer (2012), R Journal 4(2), 38-47; Loy & Hofmann (2014), J. Stat. Softw.
56(5).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from implstats.errors import UsageError, did_you_mean
from implstats.mixed.after.linear import fitted_model, plain_residuals
from implstats.mixed.after.without import WithoutCluster, without_clusters
from implstats.mixed.fitted import Fitted
from implstats.mixed.gaussian.boundary import Optimum, find_optimum
from implstats.mixed.gaussian.criterion import Evaluation, Problem
from implstats.mixed.gaussian.optimise import minimise
from implstats.mixed.results import MixedResult
from implstats.results import Check

if TYPE_CHECKING:
    import pandas as pd

BOUNDARY = 1e-5  # relative variance below which the search over starts is made, as `gaussian.boundary` does
ALONE = 1e-10  # share of a column left without the cluster below which only this cluster determines it
LARGE = 4.0  # a Cook's distance above this over the number of clusters is worth a look


@dataclass(frozen=True, slots=True, kw_only=True)
class Influence:
    """Leave-one-cluster-out results of one level; J clusters, p coefficients, NaN where there is none.

    Attributes
    ----------
    cluster : str
        The level.
    ids : dict of str to ndarray, (J,)
    n_rows : ndarray, (J,)
    terms : tuple of str, (p,)
    components : tuple of str
        Names of the variances and covariances: ``inst (Intercept)``, ``inst (Intercept) ~~ wave``,
        ``residual``.
    cooks_distance, covariance_ratio : ndarray, (J,)
    dfbetas : ndarray, (J, p)
    estimates, std_errors : ndarray, (J, p)
        Without the cluster.
    variances : ndarray, (J, components)
        Without the cluster, in squared units of the outcome.
    variance_changes : ndarray, (J, components)
        ``variances`` less those of the whole.
    boundary : ndarray of bool, (J,)
        A variance is zero, or a correlation +-1, without the cluster.
    reasons : tuple of str, (J,)
        Why there are no numbers; empty otherwise.
    checks : tuple of Check
    """

    cluster: str
    ids: dict[str, np.ndarray] = field(repr=False)
    n_rows: np.ndarray = field(repr=False)
    terms: tuple[str, ...]
    components: tuple[str, ...]
    cooks_distance: np.ndarray = field(repr=False)
    covariance_ratio: np.ndarray = field(repr=False)
    dfbetas: np.ndarray = field(repr=False)
    estimates: np.ndarray = field(repr=False)
    std_errors: np.ndarray = field(repr=False)
    variances: np.ndarray = field(repr=False)
    variance_changes: np.ndarray = field(repr=False)
    boundary: np.ndarray = field(repr=False)
    reasons: tuple[str, ...] = field(repr=False)
    checks: tuple[Check, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """One row a cluster: ids, n_rows, cooks_distance, covariance_ratio, dfbetas, changes, reason."""
        import pandas as pd

        columns = {**self.ids, "n_rows": self.n_rows, "cooks_distance": self.cooks_distance,
                   "covariance_ratio": self.covariance_ratio}  # fmt: skip
        columns |= {f"dfbetas {name}": self.dfbetas[:, k] for k, name in enumerate(self.terms)}
        columns |= {
            f"change of {name}": self.variance_changes[:, k] for k, name in enumerate(self.components)
        }
        return pd.DataFrame({**columns, "boundary": self.boundary, "reason": list(self.reasons)})


def influence(result: MixedResult, *, level: str | None = None) -> Influence:
    """Return the influence of each cluster of a level, by leaving it out.

    Parameters
    ----------
    result : MixedResult
        A Gaussian fit without residual structure.
    level : str, optional
        A grouping factor of the model; that of fewest clusters if left out.

    Raises
    ------
    UsageError
        There is no such level.
    NotSupportedError, ModelError
        Another kind of model, or a failed fit.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import mixed
    >>> rng = np.random.default_rng(1)
    >>> ward = np.repeat(np.arange(12), 10)
    >>> x = rng.normal(size=120)
    >>> y = x + rng.normal(size=12)[ward] + rng.normal(size=120) + 8.0 * (ward == 4)
    >>> found = influence(mixed.fit("y ~ x + (1 | ward)", pd.DataFrame({"ward": ward, "x": x, "y": y})))
    >>> int(found.ids["ward"][np.argmax(found.cooks_distance)])
    4
    """
    model = fitted_model(result)
    plain_residuals(model, "Influence of clusters")
    number = _level(model, level)
    clusters = model.design.levels[number].clusters
    found = [_refit(model, part) for part in without_clusters(model, number)]
    reasons = tuple(reason for _, reason in found)
    whole = _numbers(model, model.optimum.search.at)
    parts = [whole if optimum is None else _numbers(model, optimum.search.at) for optimum, _ in found]
    gone = np.array([bool(reason) for reason in reasons])
    stacked = {name: np.array([getattr(part, name) for part in parts]) for name in Numbers.__slots__}
    for values in stacked.values():
        values[gone] = np.nan
    moved = whole.b - stacked["b"]
    cooks = np.einsum("jk,kl,jl->j", moved, np.linalg.inv(whole.covariance), moved) / len(whole.b)
    std_errors = np.sqrt(np.diagonal(stacked["covariance"], axis1=1, axis2=2))
    frame, rows = model.frame, model.design.rows[clusters.first]
    return Influence(
        cluster=clusters.name, ids={c: frame[c].to_numpy()[rows] for c in clusters.columns},
        n_rows=np.bincount(clusters.codes, minlength=clusters.size), terms=result.terms,
        components=_components(result), cooks_distance=cooks,
        covariance_ratio=np.exp(stacked["log_det"] - whole.log_det), dfbetas=moved / std_errors,
        estimates=stacked["b"], std_errors=std_errors, variances=stacked["variances"],
        variance_changes=stacked["variances"] - whole.variances,
        boundary=np.array([o is not None and bool(o.boundary) for o, _ in found]), reasons=reasons,
        checks=_checks(clusters.name, cooks, gone),
    )  # fmt: skip


def _level(model: Fitted, level: str | None) -> int:
    names = [part.clusters.name for part in model.design.levels]
    if level is None:
        return len(names) - 1
    if level not in names:
        raise UsageError(
            f"'{level}' is no level of the random part{did_you_mean(str(level), names) or '.'} "
            f"Levels: {', '.join(names)}."
        )
    return names.index(level)


def _refit(model: Fitted, part: WithoutCluster) -> tuple[Optimum | None, str]:
    """Return the optimum without a cluster, or None and the reason."""
    if part.left < ALONE:
        return None, "without this cluster a coefficient cannot be estimated"
    if part.fewest < 2:
        return None, "without this cluster a level has one cluster left"
    optimum = near_optimum(part.problem, model.optimum)
    if optimum is None or not optimum.verified:
        return None, "without this cluster no optimum could be verified"
    return optimum, ""


def near_optimum(problem: Problem, whole: Optimum) -> Optimum | None:
    """Return the verified optimum next to that of the whole; from several starts in any doubt."""
    theta = whole.search.at.theta
    search = minimise(problem, theta)
    if search is not None and search.flat and not search.saddle and _interior(problem, search.at):
        return replace(whole, search=search, starts=1, boundary=(), one_sided=np.inf, can_fall=0.0)
    return find_optimum(problem, also=(theta,))


def _interior(problem: Problem, at: Evaluation) -> bool:
    """Return whether every covariance matrix is far from losing rank."""
    blocks = [
        G[np.ix_(block, block)]
        for G, shape in zip(at.G, problem.shape.levels, strict=True)
        for block in shape.blocks
    ]
    spectra = [np.linalg.eigvalsh(block) for block in blocks]
    return all(w[0] > BOUNDARY * max(1.0, w[-1]) for w in spectra)


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Estimates in the outcome's own unit: b (p,), Var(b) (p, p), its log-determinant, variances."""

    b: np.ndarray
    covariance: np.ndarray
    log_det: float
    variances: np.ndarray


def _numbers(model: Fitted, at: Evaluation) -> Numbers:
    scaled = model.scaled
    s2 = at.sigma2 * scaled.scale**2
    covariance = s2 * scaled.M @ at.C @ scaled.M.T
    values = []
    for part, G, B in zip(model.design.levels, at.G, scaled.B, strict=True):
        own = s2 * B @ G @ B.T
        values += [own[r, c] for block in part.blocks for i, r in enumerate(block) for c in block[: i + 1]]
    return Numbers(
        b=scaled.M @ (scaled.scale * at.beta + scaled.shift), covariance=covariance,
        log_det=float(np.linalg.slogdet(covariance)[1]), variances=np.array([*values, s2]),
    )  # fmt: skip


def _components(result: MixedResult) -> tuple[str, ...]:
    names = [
        f"{e.cluster} {e.term}" if e.term == e.term2 else f"{e.cluster} {e.term} ~~ {e.term2}"
        for e in result.random
    ]
    return (*names, "residual")


def _checks(cluster: str, cooks: np.ndarray, gone: np.ndarray) -> tuple[Check, ...]:
    limit = LARGE / len(cooks)
    large = int(np.sum(cooks[~gone] > limit))
    words = f"{large} have" if large else "none has"
    checks = [
        Check(
            name="influence", status="info" if large else "ok",
            message=f"Of {len(cooks)} clusters of '{cluster}', {words} a "
            f"Cook's distance above {LARGE:g} / {len(cooks)}; compare the estimates without such a cluster.",
        )
    ]  # fmt: skip
    if gone.any():
        message = f"{int(gone.sum())} cluster(s) of '{cluster}' cannot be left out; see the reasons."
        checks.append(Check(name="left_out", status="info", message=message))
    return tuple(checks)
