"""Reliability of a scale and analysis of its items.

Model. Each of n persons answers k items; S is the (k, k) covariance matrix of the answers (divisor n - 1,
persons with every item answered) and T = sum of the items.

    alpha               k / (k - 1) * (1 - trace(S) / var(T))                       Cronbach (1951)
    standardised alpha  k r / (1 + (k - 1) r),  r the mean inter-item correlation
    interval            1 - (1 - alpha) F(1 -+ level; n - 1, (n - 1)(k - 1))        Feldt et al. (1987)
    item-rest           correlation of an item with the sum of the other items
    omega total         (sum lambda)^2 / ((sum lambda)^2 + sum psi), one factor     McDonald (1999)

Omega total here is McDonald's omega of a *one-factor* model fitted by maximum likelihood, see
:mod:`implstats.scales.one_factor`. It is not the ``omega.tot`` of R's psych, which comes from a
Schmid-Leiman solution with several group factors and is larger when a scale has clusters of items.

References
----------
Cronbach, L. J. (1951). Psychometrika 16, 297-334.
Feldt, L. S., Woodruff, D. J., & Salih, F. A. (1987). Applied Psychological Measurement 11, 93-103.
McDonald, R. P. (1999). Test Theory: A Unified Treatment. Erlbaum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemMoments:
    """Statistics of each of k items.

    Attributes
    ----------
    n : ndarray of int, shape (k,)
        Answers.
    mean, sd : ndarray, shape (k,)
        Of the answers given, in answer points; ``sd`` with divisor n - 1; NaN where undefined.
    share_missing : ndarray, shape (k,)
        Share of persons without an answer.
    floor, ceiling : ndarray, shape (k,)
        Share of answers at the lowest and highest possible answer; NaN when the range is unknown.
    """

    n: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    share_missing: np.ndarray
    floor: np.ndarray
    ceiling: np.ndarray


def complete_rows(answers: np.ndarray) -> np.ndarray:
    """Return the rows of (n, k) answers without a missing answer."""
    return answers[~np.isnan(answers).any(axis=1)]


def covariance(complete: np.ndarray) -> np.ndarray:
    """Return the (k, k) covariance matrix of complete (n, k) answers, divisor n - 1."""
    deviations = complete - complete.mean(axis=0)
    return deviations.T @ deviations / (len(complete) - 1)


def cronbach_alpha(S: np.ndarray) -> float:
    """Return Cronbach's alpha of k >= 2 items with covariance matrix S.

    >>> cronbach_alpha(np.array([[1.0, 0.5], [0.5, 1.0]]))
    0.6666666666666667
    """
    k = len(S)
    total_variance = S.sum()
    return float(k / (k - 1) * (1 - np.trace(S) / total_variance))


def standardised_alpha(S: np.ndarray) -> float:
    """Return alpha of the standardised items, from their mean correlation; NaN with a constant item."""
    k = len(S)
    sd = np.sqrt(np.diag(S))
    if (sd == 0).any():
        return float("nan")
    mean_correlation = ((S / np.outer(sd, sd)).sum() - k) / (k * (k - 1))
    return float(k * mean_correlation / (1 + (k - 1) * mean_correlation))


def feldt_interval(alpha: float, *, n: int, k: int, ci_level: float) -> tuple[float, float]:
    """Return Feldt's confidence interval of alpha from n persons and k items.

    The same numbers as ``psych::alpha.ci`` in R.
    """
    from scipy.special import fdtri

    tail = (1 - ci_level) / 2
    df_persons, df_residual = n - 1, (n - 1) * (k - 1)
    low = 1 - (1 - alpha) * fdtri(df_persons, df_residual, 1 - tail)
    high = 1 - (1 - alpha) * fdtri(df_persons, df_residual, tail)
    return float(low), float(high)


def item_rest_correlations(S: np.ndarray) -> np.ndarray:
    """Return the (k,) correlations of each item with the sum of the others; NaN where one is constant."""
    variance = np.diag(S)
    with_total = S.sum(axis=1)
    rest_variance = S.sum() - 2 * with_total + variance
    product = variance * rest_variance
    defined = product > 0
    root = np.sqrt(product, out=np.ones_like(product), where=defined)
    return np.where(defined, (with_total - variance) / root, np.nan)


def alpha_if_dropped(S: np.ndarray) -> np.ndarray:
    """Return the (k,) alphas of the scale without each item; NaN with fewer than two items left."""
    k = len(S)
    if k < 3:
        return np.full(k, np.nan)
    variance = np.diag(S)
    rest_trace = variance.sum() - variance
    rest_total = S.sum() - 2 * S.sum(axis=1) + variance
    defined = rest_total > 0
    ratio = np.divide(rest_trace, rest_total, out=np.full(k, np.nan), where=defined)
    return (k - 1) / (k - 2) * (1 - ratio)


def item_moments(
    answers: np.ndarray, *, minimum: float | None = None, maximum: float | None = None
) -> ItemMoments:
    """Return the statistics of each column of (n, k) answers, from the answers given."""
    valid = ~np.isnan(answers)
    n = valid.sum(axis=0)
    filled = np.where(valid, answers, 0.0)
    undefined = np.full(answers.shape[1], np.nan)
    mean = np.divide(filled.sum(axis=0), n, out=undefined.copy(), where=n > 0)
    squares = (np.where(valid, answers - mean, 0.0) ** 2).sum(axis=0)
    variance = np.divide(squares, n - 1, out=undefined.copy(), where=n > 1)

    def share_at(edge: float | None) -> np.ndarray:
        if edge is None:
            return undefined.copy()
        return np.divide((answers == edge).sum(axis=0), n, out=undefined.copy(), where=n > 0)

    return ItemMoments(
        n=n,
        mean=mean,
        sd=np.sqrt(variance),
        share_missing=1 - n / max(len(answers), 1),
        floor=share_at(minimum),
        ceiling=share_at(maximum),
    )
