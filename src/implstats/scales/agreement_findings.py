"""Agreement of a scale by cluster: which numbers exist, why others do not, and what a reader should hear."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from implstats.results.checks import Check
from implstats.results.rows import finite_or_none
from implstats.scales.agreement import (
    OneWayAnova,
    WithinClusters,
    eta_between,
    f_test,
    icc1,
    icc2,
    one_way_anova,
    uniform_null_variance,
    within_clusters,
)
from implstats.scales.results import Agreement, ClusterAgreement

if TYPE_CHECKING:
    import pandas as pd

ENOUGH_AGREEMENT = 0.70
VARIANCE_NUMBERS = ("icc1", "icc2", "eta_between", "f_statistic", "f_df1", "f_df2", "f_p_value")
RWGJ_NUMBERS = ("rwgj_mean", "rwgj_median", "rwgj_min", "rwgj_max", "share_rwgj_70")


def agreement_of(
    scores: np.ndarray,
    answers: np.ndarray,
    cluster: pd.Series,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
) -> Agreement:
    """Return differences between and agreement within clusters.

    Parameters
    ----------
    scores : ndarray, shape (n,)
        Scale scores for the analysis of variance, NaN for missing.
    answers : ndarray, shape (n, J)
        Item answers for rwg(j), NaN for missing; turning items round changes nothing.
    cluster : Series, length n
        Cluster ids, missing allowed (such persons are left out, with a check).
    minimum, maximum : float, optional
        Range of an answer; without it there is no null variance and so no rwg(j).
    """
    codes, labels = cluster_codes(cluster)
    checks = _checks_of_clusters(codes)
    reasons: dict[str, str] = {}
    scored = (codes >= 0) & ~np.isnan(scores)
    variance, n_clusters = _variance_numbers(scores[scored], codes[scored], reasons)
    complete = (codes >= 0) & ~np.isnan(answers).any(axis=1)
    clusters, more = _within(answers[complete], codes[complete], labels, minimum, maximum, reasons)
    checks += more
    if variance["icc1"] is not None and variance["icc1"] < 0:
        checks.append(Check(
            name="negative_icc", status="info",
            message="ICC(1) is negative: clusters differ less than chance alone would make them differ.",
        ))  # fmt: skip
    n_obs = int(scored.sum())
    return Agreement(
        n_obs=n_obs, n_clusters=n_clusters, mean_size=n_obs / n_clusters if n_clusters else None,
        rwgj=clusters, reasons=reasons, checks=tuple(checks), **variance, **_rwgj_numbers(clusters),
    )  # fmt: skip


def cluster_codes(cluster: pd.Series) -> tuple[np.ndarray, list[str]]:
    """Return (n,) codes 0..K-1 in the order of the sorted ids (-1 for missing) and the K ids as text."""
    import pandas as pd

    ids = cluster
    if not pd.api.types.is_numeric_dtype(ids):
        ids = ids.astype("string")
    codes, uniques = pd.factorize(ids, sort=True)
    labels = [
        str(int(value))
        if isinstance(value, float | np.floating) and float(value).is_integer()
        else str(value)
        for value in uniques
    ]
    return codes, labels


def _variance_numbers(
    scores: np.ndarray, codes: np.ndarray, reasons: dict[str, str]
) -> tuple[dict[str, Any], int]:
    """Return ICCs, eta and the F test with the number of clusters; None with a reason noted."""
    numbers: dict[str, Any] = dict.fromkeys(VARIANCE_NUMBERS)
    used, dense = np.unique(codes, return_inverse=True)
    reason = _why_no_anova(scores, len(used))
    if reason:
        reasons.update(dict.fromkeys(VARIANCE_NUMBERS, reason))
        return numbers, len(used)
    anova = one_way_anova(scores, dense)
    numbers.update(_of_anova(anova))
    for name in ("f_statistic", "f_p_value", "icc2"):
        if numbers[name] is None:
            edge = "between" if name == "icc2" else "within"
            reasons[name] = f"there is no variance {edge} clusters"
    return numbers, len(used)


def _why_no_anova(scores: np.ndarray, n_clusters: int) -> str:
    if n_clusters == 0:
        return "no person has both a score and a cluster"
    if n_clusters == 1:
        return "all persons are in one cluster; at least 2 are needed"
    if len(scores) == n_clusters:
        return "every cluster has one person, so persons and clusters cannot be told apart"
    if np.ptp(scores) == 0:
        return "the score is constant"
    return ""


def _of_anova(anova: OneWayAnova) -> dict[str, Any]:
    # Sums of squares carry rounding error of about 1e-16 of the total; what is smaller than 1e-14 is zero.
    negligible = 1e-14 * (anova.ss_between + anova.ss_within)
    has_within, has_between = anova.ss_within > negligible, anova.ss_between > negligible
    f, p_value = f_test(anova) if has_within else (None, None)
    return {
        "icc1": finite_or_none(icc1(anova)),
        "icc2": finite_or_none(icc2(anova)) if has_between else None,
        "eta_between": eta_between(anova),
        "f_statistic": f,
        "f_df1": anova.df_between,
        "f_df2": anova.df_within,
        "f_p_value": p_value,
    }


def _within(
    answers: np.ndarray,
    codes: np.ndarray,
    labels: list[str],
    minimum: float | None,
    maximum: float | None,
    reasons: dict[str, str],
) -> tuple[tuple[ClusterAgreement, ...], list[Check]]:
    """Return the agreement of each cluster of two or more, and what should be known about it."""
    used, dense = np.unique(codes, return_inverse=True)
    reason = _why_no_rwgj(dense, minimum, maximum)
    if reason or minimum is None or maximum is None:
        reasons.update(dict.fromkeys(RWGJ_NUMBERS, reason))
        return (), []
    found = within_clusters(answers, dense, null_variance=uniform_null_variance(maximum - minimum + 1))
    clusters = tuple(_cluster(labels[code], found, c) for c, code in enumerate(used) if found.n[c] > 1)
    checks = []
    alone = len(used) - len(clusters)
    if alone:
        checks.append(Check(
            name="clusters_of_one", status="info",
            message=f"{alone} of {len(used)} clusters have one person with every item answered; they have no "
                    "rwg(j) and are left out of its mean.",
        ))  # fmt: skip
    if not np.array_equal(answers, np.round(answers)):
        checks.append(Check(
            name="answers_not_whole", status="info",
            message="Some answers are not whole numbers, while rwg(j)'s null variance supposes answers one "
                    f"point apart from {minimum:g} to {maximum:g}: read rwg(j) as an approximation.",
        ))  # fmt: skip
    return clusters, checks


def _why_no_rwgj(codes: np.ndarray, minimum: float | None, maximum: float | None) -> str:
    if minimum is None or maximum is None:
        return "rwg(j) needs the range of an answer: give minimum and maximum"
    if not float(maximum - minimum).is_integer():
        return "rwg(j) needs answers one point apart, but maximum - minimum is not a whole number"
    if len(codes) == 0:
        return "no person has both a cluster and every item answered"
    if np.bincount(codes).max() < 2:
        return "every cluster has one person with every item answered; agreement needs two"
    return ""


def _cluster(label: str, found: WithinClusters, c: int) -> ClusterAgreement:
    return ClusterAgreement(
        cluster=label,
        rwgj=float(found.rwgj[c]),
        n=int(found.n[c]),
        rwgj_lindell=float(found.rwgj_lindell[c]),
        average_deviation=float(found.average_deviation[c]),
    )


def _rwgj_numbers(clusters: tuple[ClusterAgreement, ...]) -> dict[str, Any]:
    if not clusters:
        return dict.fromkeys(RWGJ_NUMBERS)
    rwgj = np.array([cluster.rwgj for cluster in clusters])
    values = (rwgj.mean(), np.median(rwgj), rwgj.min(), rwgj.max(), (rwgj >= ENOUGH_AGREEMENT).mean())
    return {name: float(value) for name, value in zip(RWGJ_NUMBERS, values, strict=True)}


def _checks_of_clusters(codes: np.ndarray) -> list[Check]:
    missing = int((codes < 0).sum())
    if not missing:
        return []
    return [Check(
        name="missing_cluster", status="warn",
        message=f"{missing} of {len(codes)} persons have no cluster; they are left out of the numbers of "
                "agreement, not of reliability.",
    )]  # fmt: skip
