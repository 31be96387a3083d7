"""May scores be averaged within clusters? Variance between clusters and agreement within them.

One-way analysis of variance of a score, N persons in K clusters of sizes n_c with mean size n = N / K:

    MSB, MSW            mean squares between (K - 1 df) and within (N - K df)
    F                   MSB / MSW
    ICC(1)              (MSB - MSW) / (MSB + (n - 1) MSW)           share of variance between clusters
    ICC(2)              (MSB - MSW) / MSB                           reliability of the cluster mean
    eta between         sqrt(SSB / SST)

Both ICC follow Bliese (2000) with the mean cluster size, as ``ICC1`` and ``ICC2`` of R's multilevel do; the
mixed model's ICC is another number when sizes differ. Either may be negative: nothing is set to zero.

Agreement of the n_c persons of one cluster on J items with A equally likely answers (null variance
(A^2 - 1) / 12), v the mean of the J item variances (divisor n_c - 1) and r = v / null variance:

    rwg(j)              J (1 - r) / (J (1 - r) + r), set to 0 when r > 1     James, Demaree & Wolf (1984)
    r*wg(j)             1 - r, not truncated                                 Lindell, Brandt & Whitney (1999)
    AD(j)               mean over items of the mean |answer - cluster's item mean|    Burke et al. (1999)

A cluster of one person has no variance: it enters the analysis of variance, where it is information about
MSB, but has no rwg(j).

References
----------
Bliese, P. D. (2000). In Klein & Kozlowski (eds.), Multilevel Theory, Research, and Methods, 349-381.
James, L. R., Demaree, R. G., & Wolf, G. (1984). Journal of Applied Psychology 69, 85-98.
Lindell, M. K., Brandt, C. J., & Whitney, D. J. (1999). Applied Psychological Measurement 23, 127-135.
Burke, M. J., Finkelstein, L. M., & Dusig, M. S. (1999). Organizational Research Methods 2, 49-68.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class OneWayAnova:
    """One-way analysis of variance of a score by cluster.

    Attributes
    ----------
    ss_between, ss_within : float
        Sums of squares, in squared score points.
    df_between, df_within : int
        K - 1 and N - K.
    n_obs, n_clusters : int
        N persons in K clusters.
    """

    ss_between: float
    ss_within: float
    df_between: int
    df_within: int
    n_obs: int
    n_clusters: int

    @property
    def ms_between(self) -> float:
        """Mean square between clusters."""
        return self.ss_between / self.df_between

    @property
    def ms_within(self) -> float:
        """Mean square within clusters."""
        return self.ss_within / self.df_within

    @property
    def mean_size(self) -> float:
        """Mean number of persons in a cluster."""
        return self.n_obs / self.n_clusters


@dataclass(frozen=True, slots=True, kw_only=True)
class WithinClusters:
    """Agreement within each of K clusters; all arrays have shape (K,).

    Attributes
    ----------
    n : ndarray of int
        Persons.
    rwgj, rwgj_lindell : ndarray
        rwg(j) between 0 and 1, and r*wg(j), at most 1; NaN in clusters of one person.
    average_deviation : ndarray
        AD(j) around the mean, in answer points; NaN in clusters of one person.
    """

    n: np.ndarray
    rwgj: np.ndarray
    rwgj_lindell: np.ndarray
    average_deviation: np.ndarray


def cluster_means(values: np.ndarray, codes: np.ndarray, n_clusters: int) -> np.ndarray:
    """Return the (K, J) means of (n, J) values by cluster code 0..K-1; every code must occur."""
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(n_clusters))
    sizes = np.bincount(codes, minlength=n_clusters)
    return np.add.reduceat(values[order], starts, axis=0) / sizes[:, np.newaxis]


def one_way_anova(score: np.ndarray, codes: np.ndarray) -> OneWayAnova:
    """Return the analysis of variance of (n,) scores by (n,) cluster codes 0..K-1, all of which occur.

    >>> one_way_anova(np.array([1.0, 2.0, 4.0, 5.0]), np.array([0, 0, 1, 1])).ss_between
    9.0
    """
    n_clusters = int(codes.max()) + 1
    sizes = np.bincount(codes)
    centred = score - score.mean()
    means = cluster_means(centred[:, np.newaxis], codes, n_clusters)[:, 0]
    return OneWayAnova(
        ss_between=float(sizes @ means**2),
        ss_within=float(((centred - means[codes]) ** 2).sum()),
        df_between=n_clusters - 1,
        df_within=len(score) - n_clusters,
        n_obs=len(score),
        n_clusters=n_clusters,
    )


def icc1(anova: OneWayAnova) -> float:
    """Return ICC(1) with the mean cluster size (Bliese 2000)."""
    msb, msw = anova.ms_between, anova.ms_within
    return (msb - msw) / (msb + (anova.mean_size - 1) * msw)


def icc2(anova: OneWayAnova) -> float:
    """Return ICC(2), the reliability of cluster means (Bliese 2000)."""
    return (anova.ms_between - anova.ms_within) / anova.ms_between


def eta_between(anova: OneWayAnova) -> float:
    """Return the correlation of a score with its cluster mean."""
    return float(np.sqrt(anova.ss_between / (anova.ss_between + anova.ss_within)))


def f_test(anova: OneWayAnova) -> tuple[float, float]:
    """Return F and its p-value for no difference between clusters."""
    from scipy.special import fdtrc

    f = anova.ms_between / anova.ms_within
    return f, float(fdtrc(anova.df_between, anova.df_within, f))


def uniform_null_variance(n_options: float) -> float:
    """Return the variance of answers spread evenly over A options one point apart.

    >>> uniform_null_variance(5)
    2.0
    """
    return (n_options**2 - 1) / 12


def within_clusters(answers: np.ndarray, codes: np.ndarray, *, null_variance: float) -> WithinClusters:
    """Return the agreement of complete (n, J) answers within cluster codes 0..K-1, all of which occur."""
    n_items = answers.shape[1]
    n_clusters = int(codes.max()) + 1
    sizes = np.bincount(codes, minlength=n_clusters)
    deviations = answers - cluster_means(answers, codes, n_clusters)[codes]
    squares = cluster_means(deviations**2, codes, n_clusters).mean(axis=1) * sizes
    several = sizes > 1
    variance = np.divide(squares, sizes - 1, out=np.full(n_clusters, np.nan), where=several)
    ratio = variance / null_variance
    average = cluster_means(np.abs(deviations), codes, n_clusters).mean(axis=1)
    return WithinClusters(
        n=sizes,
        rwgj=rwgj_from_ratio(ratio, n_items),
        rwgj_lindell=1 - ratio,
        average_deviation=np.where(several, average, np.nan),
    )


def rwgj_from_ratio(ratio: np.ndarray, n_items: int) -> np.ndarray:
    """Return rwg(j) from the mean item variance over the null variance; 0 where the ratio exceeds 1.

    >>> rwgj_from_ratio(np.array([0.5, 1.5]), 3)
    array([0.75, 0.  ])
    """
    shared = n_items * (1 - np.minimum(ratio, 1.0))
    return shared / (shared + np.minimum(ratio, 1.0))
