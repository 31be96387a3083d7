"""Permutation test of a cluster-level predictor.

Clusters of the highest level exchange their values of the term. If these were assigned to the clusters at
random, the p-value is exact whatever the distribution of the outcome, with few clusters too; without
randomisation it asks that clusters be exchangeable once the other predictors are accounted for.

The statistic is the score of the term in the model without it. With that model's V (relative), W = V^-1,
X its predictors, b its estimate and x_j (k,) the term's values in cluster j,

    U = sum_j x_j 1'W_j (y_j - X_j b),    I = sum_j x_j x_j' 1'W_j1 - D (X'W X)^-1 D',  D = sum_j x_j 1'W_jX_j
    T = U'I^-1 U / s2

V does not know the term, so it is the same for every arrangement, and every arrangement costs J products.
With all distinct arrangements, p is the share that reaches T; otherwise (1 + number reaching) / (1 + draws).
References: Fisher (1935), The Design of Experiments; Gail, Mark, Carroll, Green & Pee (1996), Stat. Med. 15,
1069-1092; Braun & Feng (2001), JASA 96, 1424-1432.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from implstats.errors import ModelError, NotSupportedError, UsageError, did_you_mean
from implstats.mixed.design.build import Design
from implstats.mixed.design.standardise import Standardised, standardise
from implstats.mixed.fitted import Fitted
from implstats.mixed.gaussian.boundary import find_optimum
from implstats.mixed.gaussian.criterion import Evaluation
from implstats.mixed.gaussian.fit import set_up
from implstats.mixed.inference.robust_inference import robust_scores
from implstats.mixed.resampling.arrangements import all_arrangements, drawn_arrangements, n_arrangements
from implstats.mixed.resampling.bootstrap import check_draws, require_clusters
from implstats.mixed.resampling.refit import require_nested
from implstats.mixed.results import MixedResult
from implstats.results import Check

FEWEST_DRAWS = 99
SAME = 1e-10  # spread within a cluster, as a share of the column's, that is rounding
TIE = 1e-9  # share of T by which equal statistics may differ through rounding
NO_INFORMATION = 1e-10  # share of the term's information that is left when the other predictors hold it


@dataclass(frozen=True, slots=True, kw_only=True)
class Permutation:
    """A permutation test.

    Attributes
    ----------
    term : str
    statistic : float
        T: about chi-square with ``df`` degrees of freedom with many clusters.
    df : int
        Columns of the term.
    p_value : float
    cluster : str
    n_clusters : int
    enumerated : bool
        All distinct arrangements were taken.
    draws : int
        Arrangements used.
    n_arrangements : int
        Distinct arrangements of the term's values over the clusters.
    smallest_p : float
        The smallest p-value that could have come out.
    std_error_p : float
        Monte Carlo standard error of the p-value; 0 if enumerated.
    seed : int
    checks : tuple of Check
    """

    term: str
    statistic: float
    df: int
    p_value: float
    cluster: str
    n_clusters: int
    enumerated: bool
    draws: int
    n_arrangements: int
    smallest_p: float
    std_error_p: float
    seed: int
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSums:
    """x (J, k); 1'W(y - Xb) (J,); 1'W1 (J,); 1'WX (J, p); C = (X'WX)^-1 (p, p); s2."""

    x: np.ndarray
    residual: np.ndarray
    weight: np.ndarray
    D: np.ndarray
    C: np.ndarray
    sigma2: float


def permutation(result: MixedResult, term: str, *, draws: int = 9999, seed: int) -> Permutation:
    """Test a cluster-level term by exchanging its values between clusters.

    Parameters
    ----------
    result : MixedResult
        A linear model with at least 6 clusters at its highest level.
    term : str
        A term of the fixed part, as written there: ``"arm"``.
    draws : int
        At most; if there are no more distinct arrangements, all are taken.
    seed : int

    Raises
    ------
    NotSupportedError
        The term varies within clusters, or is part of an interaction.
    UsageError, ModelError, DataError

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import mixed
    >>> rng = np.random.default_rng(1)
    >>> ward = np.repeat(np.arange(12), 10)
    >>> arm = (ward % 2) * 1.0
    >>> y = 2 * arm + 0.5 * rng.normal(size=12)[ward] + rng.normal(size=120)
    >>> result = mixed.fit("y ~ arm + (1 | ward)", pd.DataFrame({"ward": ward, "arm": arm, "y": y}))
    >>> found = mixed.permutation(result, "arm", seed=1)
    >>> found.enumerated, found.n_arrangements, round(found.smallest_p, 5)
    (True, 924, 0.00216)
    """
    check_draws(draws, seed, fewest=FEWEST_DRAWS)
    model = require_nested(result)
    top = model.design.levels[-1].clusters
    require_clusters(result, top.size, "A permutation of clusters")
    columns = _term_columns(model, term)
    sums = cluster_sums(model, columns)
    values, labels = np.unique(sums.x, axis=0, return_inverse=True)
    labels = labels.reshape(-1)
    count = n_arrangements(labels)
    enumerated = count <= draws
    rng = np.random.default_rng(seed)
    source = all_arrangements(labels) if enumerated else drawn_arrangements(labels, draws, rng)
    T = float(score_statistics(sums, sums.x[None])[0])
    if not np.isfinite(T):
        raise ModelError(f"The other predictors determine '{term}' between the clusters; drop one of them.")
    drawn = np.concatenate([score_statistics(sums, values[block]) for block in source])
    reach = int(np.sum(~(drawn < T * (1.0 - TIE))))
    p = reach / len(drawn) if enumerated else (1 + reach) / (1 + len(drawn))
    highest = np.nanmax(drawn)
    smallest = float(np.mean(drawn >= highest * (1.0 - TIE))) if enumerated else 1.0 / (draws + 1)
    return Permutation(
        term=term, statistic=T, df=len(columns), p_value=p, cluster=top.name, n_clusters=top.size,
        enumerated=enumerated, draws=len(drawn), n_arrangements=count, smallest_p=smallest, seed=seed,
        std_error_p=0.0 if enumerated else float(np.sqrt(p * (1.0 - p) / len(drawn))),
        checks=(_check(count, smallest, enumerated),),
    )  # fmt: skip


def _term_columns(model: Fitted, term: str) -> list[int]:
    """Return the columns of X that belong to the term, after everything that forbids it."""
    design = model.design
    if term not in design.terms:
        raise UsageError(
            f"'{term}' is not a term of the fixed part{did_you_mean(term, design.terms)}. "
            f"Terms: {', '.join(design.terms)}."
        )
    number = design.terms.index(term) + 1
    own = set(design.factors[number - 1])
    others = [t for t, f in zip(design.terms, design.factors, strict=True) if t != term and own & set(f)]
    if others:
        raise NotSupportedError(
            f"'{term}' is also part of {', '.join(others)}, so exchanging it alone has no meaning. Fit the "
            "model without the interaction, or use mixed.wild_bootstrap for the interaction."
        )
    columns = [j for j in model.scaled.kept if design.owner[j] == number]
    if not columns:
        raise ModelError(f"'{term}' was dropped as a linear combination of other terms.")
    if len(columns) == len(model.scaled.kept):
        raise UsageError(f"Without '{term}' the fixed part is empty; keep the intercept.")
    top = design.levels[-1].clusters
    for j in columns:
        x = design.X[:, j]
        if np.abs(x - x[top.first][top.codes]).max() > SAME * np.abs(x).max():
            raise NotSupportedError(
                f"'{term}' varies within the clusters of '{top.name}', so clusters cannot exchange it. Use "
                "mixed.wild_bootstrap, or robust='CR2'."
            )
    return columns


def cluster_sums(model: Fitted, columns: list[int]) -> ClusterSums:
    """Return the sums of the model without the term."""
    design, scaled, at = without(model, columns)
    top = design.levels[-1].clusters
    root = np.ones(len(design.y)) if design.weights is None else np.sqrt(design.weights)
    p = scaled.Q.shape[1]
    # The scores of [1, X]; no leverage is needed of them, so any small matrix serves as their M.
    scores = robust_scores(
        np.column_stack([root, scaled.Q]), scaled.y - scaled.Q @ at.beta, Z=scaled.Z, G=at.G,
        codes=[level.clusters.codes for level in design.levels], clusters=top.codes,
        M=np.eye(p + 1) / (10.0 * len(root) * root.max() ** 2), kind="CR0",
    )  # fmt: skip
    sizes = np.bincount(top.codes)
    order = np.argsort(sizes, kind="stable")  # clusters come by their number of rows
    return ClusterSums(
        x=model.design.X[:, columns][top.first][order], residual=scores.s[:, 0], weight=scores.T[:, 0, 0],
        D=scores.T[:, 0, 1:], C=at.C, sigma2=at.sigma2,
    )  # fmt: skip


def without(model: Fitted, columns: list[int]) -> tuple[Design, Standardised, Evaluation]:
    """Return the model fitted without some columns of X.

    Raises
    ------
    ModelError
    """
    design = model.design
    kept = [j for j in model.scaled.kept if j not in columns]
    smaller = replace(
        design, X=design.X[:, kept], names=tuple(design.names[j] for j in kept),
        owner=tuple(design.owner[j] for j in kept),
    )  # fmt: skip
    scaled = standardise(smaller)
    _, problem = set_up(smaller, scaled, reml=model.problem.reml)
    optimum = find_optimum(problem)
    if optimum is None or not optimum.verified:
        raise ModelError("The model without the term has no verified optimum; simplify its random part.")
    return smaller, scaled, optimum.search.at


def score_statistics(sums: ClusterSums, x: np.ndarray) -> np.ndarray:
    """Return T of arrangements x, (B, J, k); NaN where the other predictors hold all of the term."""
    U = np.einsum("bjk,j->bk", x, sums.residual)
    D = np.einsum("bjk,jp->bkp", x, sums.D)
    raw = np.einsum("bjk,j,bjl->bkl", x, sums.weight, x)
    information = raw - D @ sums.C @ np.swapaxes(D, 1, 2)
    size = np.einsum("bkk->bk", raw)
    w = np.linalg.eigvalsh(information / np.sqrt(size[:, :, None] * size[:, None, :]))
    known = w[:, 0] > NO_INFORMATION
    safe = np.where(known[:, None, None], information, np.eye(x.shape[2]))
    T = np.einsum("bk,bk->b", U, np.linalg.solve(safe, U[:, :, None])[:, :, 0]) / sums.sigma2
    return np.where(known, T, np.nan)


def _check(count: int, smallest: float, enumerated: bool) -> Check:
    how = "all were taken" if enumerated else "a sample was drawn"
    message = f"{count} distinct arrangements, {how}; the smallest possible p-value is {smallest:.2g}."
    return Check(name="arrangements", status="warn" if smallest > 0.025 else "ok", message=message)
