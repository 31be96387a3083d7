"""Robust standard errors and scaled tests for non-normal complete data.

Score of person i in entry k, u = W x:  s_ik = (a_k'u)(b_k'u) - c_k + m_k'u  (c_k = a_k'W b_k for the
likelihood's score, its sample mean for Satorra-Bentler), J = sum_i s_i s_i'.

    MLM  V J V with V the inverse expected information; scale c = (tr U Gamma) / df   Satorra & Bentler (1994)
    MLR  H^-1 J H^-1 with H the exact information; c = (tr1 - tr0) / df                Yuan & Bentler (2000)

Both traces are sums over persons, so that Gamma, the p* x p* matrix of fourth moments, is never formed:
tr(V Gamma) = mean of half of (x'Wx)^2 - 2 x'W S W x + tr(WSWS), plus x'Wx with means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from implstats.sem.estimators.incomplete import cluster_sums
from implstats.sem.estimators.ml import SampleMoments, expected_information
from implstats.sem.model.matrices import Structure, columns_to_free
from implstats.sem.model.moments import Stacks

Array = NDArray[np.float64]
Kind = Literal["MLM", "MLR"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Robust:
    """Sandwich and scaling.

    Attributes
    ----------
    covariance : ndarray, shape (q, q)
        Robust covariance matrix of the estimates.
    scale : float or None
        Scaling factor of the model's chi-square; ``None`` without degrees of freedom.
    baseline_scale : float
    extra : dict
        MLR: ``scaling.factor.h1`` and ``scaling.factor.h0``.
    """

    covariance: Array
    scale: float | None
    baseline_scale: float
    extra: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A fitted model at its optimum: W (p, p), mu (p,), derivative stacks, and the data centred at m.

    With ``cluster``, shape (n,), the scores of a cluster's persons are summed before they are squared.
    ``predicted``, shape (n, p), is what fixed predictors predict of the data: the scores of MLM are then of
    the products that it does not explain.
    """

    weight: Array
    mean: Array
    stacks: Stacks
    centred: Array
    sample: SampleMoments
    means: bool
    cluster: NDArray[np.intp] | None = None
    predicted: Array | None = None


def casewise_scores(fitted: Fitted, kind: Kind) -> Array:
    """Return persons' scores in entry space, shape (n, k)."""
    A, B, M, W = fitted.stacks.a, fitted.stacks.b, fitted.stacks.m, fitted.weight
    shift = fitted.sample.mean - fitted.mean if fitted.means and kind == "MLR" else np.zeros(len(W))
    U = (fitted.centred + shift) @ W
    if kind == "MLM" and fitted.predicted is not None:
        V = fitted.predicted @ W
        scores = (U @ A) * (U @ B) - (V @ A) * (V @ B)
        return scores - scores.mean(axis=0) + ((U - V) @ M if fitted.means else 0.0)
    middle = W if kind == "MLR" else W @ fitted.sample.cov @ W
    scores = U @ A  # (n, k) is the largest array of a fit, so it is changed in place
    scores *= U @ B
    scores -= (A * (middle @ B)).sum(axis=0)
    if fitted.means:
        scores += U @ M
    return np.asarray(scores)


def _trace_saturated_sb(fitted: Fitted) -> float:
    """tr(V Gamma) with V the normal-theory weight at Sigma."""
    if fitted.predicted is not None:
        return _trace_given_predictors(fitted, fitted.predicted)
    X, W, S = fitted.centred, fitted.weight, fitted.sample.cov
    WSW = W @ S @ W
    distance = ((X @ W) * X).sum(axis=1)
    terms = 0.5 * (distance**2 - 2 * ((X @ WSW) * X).sum(axis=1) + float((WSW * S).sum()))
    return float((terms + distance).mean() if fitted.means else terms.mean())


def _trace_given_predictors(fitted: Fitted, predicted: Array) -> float:
    """The same of products x x' - h h' - M, with h the predicted values and M the mean: half of tr(WDWD)."""
    X, H, W = fitted.centred, predicted, fitted.weight
    WMW = W @ (fitted.sample.cov - H.T @ H / len(H)) @ W
    XW, HW = X @ W, H @ W
    xx, hh, xh = (XW * X).sum(axis=1), (HW * H).sum(axis=1), (XW * H).sum(axis=1)
    mean = float((WMW * (fitted.sample.cov - H.T @ H / len(H))).sum())
    cross = ((X @ WMW) * X).sum(axis=1) - ((H @ WMW) * H).sum(axis=1)
    terms = 0.5 * (xx**2 + hh**2 - 2.0 * xh**2 + mean - 2.0 * cross)
    rest = X - H
    return float((terms + ((rest @ W) * rest).sum(axis=1)).mean() if fitted.means else terms.mean())


def saturated_trace_of(
    centred: Array, cov: Array, *, means: bool, cluster: NDArray[np.intp] | None = None
) -> float:
    """Return the trace of the saturated model's sandwich from centred answers (n, p), at their moments."""
    p = len(cov)
    if cluster is not None:
        return _saturated_trace_of_clusters(centred, cov, cluster, means=means)
    distance = ((centred @ np.linalg.inv(cov)) * centred).sum(axis=1)
    return 0.5 * float((distance**2).mean() - p) + (p if means else 0)


def _saturated_trace_of_clusters(
    centred: Array, cov: Array, cluster: NDArray[np.intp], *, means: bool
) -> float:
    """The same from clusters: with z = L^-1 x, S = L L', half of |sum_i (z z' - I)|^2, and |sum_i z|^2."""
    Z = np.linalg.solve(np.linalg.cholesky(cov), centred.T).T
    total = 0.0
    which = np.unique(cluster)
    for j in which:
        mine = Z[cluster == j]
        products = mine.T @ mine - len(mine) * np.eye(Z.shape[1])
        total += 0.5 * float((products**2).sum())
        total += float((mine.sum(axis=0) ** 2).sum()) if means else 0.0
    return total * len(which) / (len(which) - 1) / len(centred)


def score_products(structures: Sequence[Structure], groups: Sequence[Fitted], kind: Kind) -> Array:
    """Return J = sum_i s_i s_i' over the persons of all groups, shape (q, q)."""
    total = np.zeros((structures[0].n_free,) * 2)
    for structure, fitted in zip(structures, groups, strict=True):
        scores = cluster_sums(columns_to_free(structure, casewise_scores(fitted, kind)), fitted.cluster)
        total += scores.T @ scores
    return total


def saturated_trace(groups: Sequence[Fitted], kind: Kind) -> float:
    """Return the trace of the saturated model, summed over groups (each group's weight cancels)."""
    if kind == "MLM":
        return sum(_trace_saturated_sb(g) for g in groups)
    return sum(saturated_trace_of(g.centred, g.sample.cov, means=g.means, cluster=g.cluster) for g in groups)


def trace_of_given(groups: Sequence[Fitted], given: list[int]) -> float:
    """Return the part of the saturated trace that fixed predictors' own moments have."""
    if not given:
        return 0.0
    which = np.ix_(given, given)
    return sum(
        saturated_trace_of(g.centred[:, given], g.sample.cov[which], means=g.means, cluster=g.cluster)
        for g in groups
    )


def robust_inference(
    structures: Sequence[Structure],
    groups: Sequence[Fitted],
    *,
    kind: Kind,
    bread: Array,
    of_trace: Array,
    n_free: int,
    df: int,
    x: list[int],
    given: list[int],
    baseline_df: int,
) -> Robust:
    """Return the sandwich and the scaling factors.

    Parameters
    ----------
    groups : sequence of Fitted
        Each group at the model's optimum.
    bread : ndarray, shape (q, q)
        Inverse information of all persons, expected (MLM) or exact (MLR), within the constraints.
    of_trace : ndarray, shape (q, q)
        The inverse information that the scaling factor takes.
    n_free : int
        Free parameters, equality constraints taken off.
    x, given : list of int
        Positions of the exogenous predictors; of those that are fixed, whose moments belong to no trace.
    """
    meat = score_products(structures, groups, kind)
    model_trace = float((of_trace * meat).sum())
    total = saturated_trace(groups, kind) - (trace_of_given(groups, given) if kind == "MLR" else 0.0)
    p, k, means = len(groups[0].weight), len(given), groups[0].means
    moments = len(groups) * (p * (p + 1) // 2 - k * (k + 1) // 2 + (p - k if means else 0))
    extra = {"scaling.factor.h1": total / moments, "scaling.factor.h0": model_trace / n_free}
    return Robust(
        covariance=bread @ meat @ bread,
        scale=(total - model_trace) / df if df else None,
        baseline_scale=_baseline_scale(groups, kind, x, baseline_df),
        extra=extra if kind == "MLR" else {},
    )


def _baseline_scale(groups: Sequence[Fitted], kind: Kind, x: list[int], df: int) -> float:
    """Scaling factor of the baseline; its exact information equals the expected one at its estimate."""
    if df == 0:
        return 1.0
    excess = 0.0
    for fitted in groups:
        weight, stacks = baseline_stacks(fitted.sample, x, means=fitted.means)
        base = replace(fitted, weight=weight, mean=fitted.sample.mean, stacks=stacks)
        scores = cluster_sums(casewise_scores(base, kind), base.cluster)
        bread = np.linalg.inv(expected_information(base.weight, base.stacks, means=base.means))
        excess += saturated_trace([base], kind) - float((bread * (scores.T @ scores)).sum()) / base.sample.n
    return excess / df


def baseline_stacks(sample: SampleMoments, x: list[int], *, means: bool) -> tuple[Array, Stacks]:
    """Return the baseline's inverse covariance and stacks; variables ``x`` keep their covariances."""
    p = len(sample.cov)
    cells = [(i, i) for i in range(p)] + [(i, j) for i in x for j in x if j < i]
    k = len(cells)
    a, b, m = np.zeros((p, k + p * means)), np.zeros((p, k + p * means)), np.zeros((p, k + p * means))
    cov = np.diag(np.diag(sample.cov))
    for column, (i, j) in enumerate(cells):
        a[i, column], b[j, column] = 1.0, 0.5 if i == j else 1.0
        cov[i, j] = cov[j, i] = sample.cov[i, j]
    if means:
        m[np.arange(p), k + np.arange(p)] = 1.0
    inverse: Array = np.linalg.inv(cov).astype(float, copy=False)
    return inverse, Stacks(a=a, b=b, m=m)
