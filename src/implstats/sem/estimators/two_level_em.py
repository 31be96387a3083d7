"""EM for the saturated two-level model, from unit matrices to lavaan's stopping rule.

The between part v_j of cluster j is taken as missing. With x_j = (z_j, mean of y_j), Omega its covariance
matrix and C = cov(v_j, x_j),

    E    v_j | x_j  ~  (mu_b + C Omega^-1 (x_j - mu), Sigma_b - C Omega^-1 C')
    M    moments of v_j over clusters, and of y_ij - v_j over persons

while the moments of z are those of the sample. A step that gains less than ``GAIN`` ends it, far before the
maximum where Sigma_b is nearly singular: the number is lavaan's (0.6-14), not the maximum likelihood.
Dempster, Laird & Rubin (1977); Rosseel (2012).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from implstats.sem.data.two_level import TwoLevelSample
from implstats.sem.estimators.two_level import state_of

Array = NDArray[np.float64]
GAIN, MOST_STEPS, LEAST_VARIANCE = 1e-4, 5000, 1e-5


def em_saturated(sample: TwoLevelSample) -> tuple[Array, Array, Array]:
    """Return Sigma_w (p_w, p_w), Sigma_b (p_b, p_b) and the P means where lavaan's EM stops."""
    w, b = sample.at_within, sample.at_between
    P = sample.scale.shape[1]
    z = np.setdiff1d(np.arange(P), w)
    both = np.isin(w, b)  # among the variables of level 1
    # Sigma_b among all P variables; v has zero rows for variables of level 1 alone.
    between = np.zeros((P, P))
    between[b, b] = 1.0
    within = np.eye(len(w))
    mu_w, mu_b = np.zeros(len(w)), np.zeros(P)
    before = _log_likelihood(sample, within, between, _whole(sample, mu_w, mu_b))
    between[np.ix_(z, z)] = sample.cov_clusters[np.ix_(z, z)]
    mu_b[z] = sample.cluster_mean[:, z].mean(axis=0)
    for _ in range(MOST_STEPS):
        within, between, mu_w, mu_b = _step(sample, within, between, mu_w, mu_b, both=both)
        small = np.diag(within) < LEAST_VARIANCE
        within[small, :] = within[:, small] = 0.0
        within[small, small] = LEAST_VARIANCE
        now = _log_likelihood(sample, within, between, _whole(sample, mu_w, mu_b))
        if now - before < GAIN:
            break
        before = now
    return within, between[np.ix_(b, b)], _whole(sample, mu_w, mu_b)


def _whole(sample: TwoLevelSample, mu_w: Array, mu_b: Array) -> Array:
    mean = mu_b.copy()
    mean[sample.at_within] += mu_w
    return mean


def _log_likelihood(sample: TwoLevelSample, within: Array, between: Array, mean: Array) -> float:
    b = sample.at_between
    state = state_of(sample, within, between[np.ix_(b, b)], mean)
    return -np.inf if state is None else -0.5 * sample.n * state.value


def _step(
    sample: TwoLevelSample,
    within: Array,
    between: Array,
    mu_w: Array,
    mu_b: Array,
    *,
    both: NDArray[np.bool_],
) -> tuple[Array, Array, Array, Array]:
    w = sample.at_within
    P, n, J = len(mu_b), sample.n, sample.n_clusters
    z = np.setdiff1d(np.arange(P), w)
    mean = _whole(sample, mu_w, mu_b)
    of_v = between[w]  # cov(v, x): with z and with cluster means alike
    sizes, counts, means = sample.sizes, sample.counts, sample.means
    omega = np.repeat(between[None], len(sizes), axis=0)
    omega[:, w[:, None], w] += within / sizes[:, None, None]
    slope = of_v @ np.linalg.inv(omega)
    expected = mu_b[w] + np.einsum("svp,sp->sv", slope, means - mean)
    spread = slope @ sample.covs  # cov(Ev, x) of the clusters of a size
    given = between[np.ix_(w, w)] + (spread - of_v) @ slope.transpose(0, 2, 1)
    given += expected[:, :, None] * expected[:, None, :]
    with_x = spread + expected[:, :, None] * means[:, None, :]
    second = np.tensordot(counts, given, 1)
    persons = np.tensordot(counts * sizes, given, 1)
    cross = np.tensordot(counts * sizes, with_x[:, :, w], 1)
    cross = cross + cross.T
    of_z = np.tensordot(counts, with_x[:, :, z], 1)
    sum_v = counts @ expected
    sum_y = (counts * sizes) @ (means[:, w] - expected)
    new_w, new_b = sum_y / n, mu_b.copy()
    new_b[w] = sum_v / J
    y_mean = sample.counts * sample.sizes @ sample.means[:, w] / n
    y_products = sample.cov[np.ix_(w, w)] + np.outer(y_mean, y_mean)
    Sw = y_products + (persons - cross) / n - np.outer(new_w, new_w)
    new = between.copy()
    new[np.ix_(w, w)] = second / J - np.outer(new_b[w], new_b[w])
    new[np.ix_(w, z)] = of_z / J - np.outer(new_b[w], mu_b[z])
    new[np.ix_(z, w)] = new[np.ix_(w, z)].T
    only = w[~both]
    new[only, :] = new[:, only] = 0.0
    return 0.5 * (Sw + Sw.T), new, new_w, new_b
