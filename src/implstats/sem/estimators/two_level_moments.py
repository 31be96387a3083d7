"""The two-level likelihood in its own moments: Sigma_w, Sigma_b and the means, each distinct element once.

An element sigma_ij of level l moves V_s by a b' + b a' with a = D e_i, b = D e_j (halved for i = j; D = D_s
between and the identity within, :mod:`implstats.sem.estimators.two_level`), so that information and
Hessian are products of single elements of V_s^-1 and nothing is multiplied out. Order of the K moments: lower
triangle within by columns, lower triangle between, then the P means.

Score of cluster j, u = V_j^-1 D (m_j - mu), u_w the deviations of its persons from their mean times
Sigma_w^-1:

    level w   sum_i u_w,i u_w,i' - (n_j - 1) Sigma_w^-1 + u u' - V_j^-1      level b   D (u u' - V_j^-1) D
      mu   D u

each halved on the diagonal; Rosseel (2021) gives the same with answers missing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from implstats.sem.data.two_level import TwoLevelSample
from implstats.sem.estimators.two_level import State, slopes
from implstats.sem.model.moments import derivative_stacks, implied_moments
from implstats.sem.model.two_level import Levels

Array = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class MomentPlaces:
    """Where the K moments stand.

    Attributes
    ----------
    row, col : ndarray of int, shape (K_w + K_b,)
        Variables of each (co)variance, among all P.
    between : ndarray of bool, shape (K_w + K_b,)
    half : ndarray
        One half for variances, else one.
    pairs : tuple of (ndarray, ndarray)
        Rows and columns of each level's own lower triangle.
    n_within, n_between, n_means : int
        K_w, K_b and P.
    """

    row: Index
    col: Index
    between: NDArray[np.bool_]
    half: Array
    pairs: tuple[tuple[Index, Index], tuple[Index, Index]]
    n_within: int
    n_between: int
    n_means: int

    @property
    def size(self) -> int:
        """K."""
        return self.n_within + self.n_between + self.n_means

    def split(self, vector: Array) -> tuple[Array, Array, Array]:
        """Return Sigma_w, Sigma_b and mu of a vector of moments, shape (K,)."""
        k = self.n_within + self.n_between
        parts = (vector[: self.n_within], vector[self.n_within : k])
        matrices = []
        for (i, j), part in zip(self.pairs, parts, strict=True):
            size = int(i[-1]) + 1 if len(i) else 0
            full = np.zeros((size, size))
            full[i, j] = full[j, i] = part
            matrices.append(full)
        return matrices[0], matrices[1], vector[k:]

    def joined(self, within: Array, between: Array, mean: Array) -> Array:
        """Return the vector of moments, shape (K,)."""
        (wi, wj), (bi, bj) = self.pairs
        return np.concatenate([within[wi, wj], between[bi, bj], mean])


def moment_places(sample: TwoLevelSample) -> MomentPlaces:
    """Return where the moments of a sample stand."""
    pairs = tuple(_triangle(len(which)) for which in (sample.at_within, sample.at_between))
    (wi, wj), (bi, bj) = pairs
    row = np.concatenate([sample.at_within[wi], sample.at_between[bi]])
    col = np.concatenate([sample.at_within[wj], sample.at_between[bj]])
    return MomentPlaces(
        row=row, col=col, between=np.arange(len(row)) >= len(wi), half=np.where(row == col, 0.5, 1.0),
        pairs=(pairs[0], pairs[1]), n_within=len(wi), n_between=len(bi), n_means=sample.scale.shape[1],
    )  # fmt: skip


def _triangle(p: int) -> tuple[Index, Index]:
    """Lower triangle by columns; its last pair is the last variable's variance."""
    j, i = np.triu_indices(p)
    return i.astype(np.intp), j.astype(np.intp)


def moment_gradient(sample: TwoLevelSample, places: MomentPlaces, state: State) -> Array:
    """Return N dF in the moments, shape (K,)."""
    of_w, of_b, of_mean = slopes(sample, state)
    (wi, wj), (bi, bj) = places.pairs
    pairs = np.concatenate([of_w[wi, wj], of_b[bi, bj]])
    return np.concatenate([2.0 * places.half * pairs, of_mean])


def moment_information(
    sample: TwoLevelSample, places: MomentPlaces, state: State, *, observed: bool
) -> Array:
    """Return half the Hessian of N F in the moments, expected or exact, shape (K, K)."""
    K, w, k = places.size, places.n_within, places.n_within + places.n_between
    H = np.zeros((K, K))
    W, counts, scale = state.inverse, sample.counts, sample.scale
    U = 2.0 * state.products - W if observed else W
    one = np.ones_like(scale)
    levels = ((slice(0, w), one), (slice(w, k), scale))
    for a, (rows, left) in enumerate(levels):
        for cols, right in levels[a:]:
            by = left[:, :, None] * right[:, None, :]
            block = _gathered(counts[:, None, None] * by * W, by * U, places, rows, cols)
            H[rows, cols] += block
            if rows != cols:
                H[cols, rows] += block.T
    mean = slice(k, K)
    H[mean, mean] = (counts[:, None, None] * W * scale[:, :, None] * scale[:, None, :]).sum(axis=0)
    if observed:
        cross = _with_means(sample, places, state)
        H[mean, :k] += cross
        H[:k, mean] += cross.T
    V = np.zeros((1, K - k, K - k))
    V[0][np.ix_(sample.at_within, sample.at_within)] = state.inverse_within
    S = np.zeros_like(V[0])
    S[np.ix_(sample.at_within, sample.at_within)] = sample.within
    other = 2.0 * V @ S @ V - V if observed else V
    H[:w, :w] += (sample.n - sample.n_clusters) * _gathered(V, other, places, slice(0, w), slice(0, w))
    return H


def _with_means(sample: TwoLevelSample, places: MomentPlaces, state: State) -> Array:
    """Half the cross derivatives of N F in means and (co)variances, shape (P, K_w + K_b)."""
    i, j, scale, W = places.row, places.col, sample.scale, state.inverse
    Wd = np.einsum("spq,sq->sp", W, state.shift)
    weight = np.where(places.between, scale[:, i] * scale[:, j], 1.0) * places.half * sample.counts[:, None]
    left = np.einsum("sp,spk,sk->pk", scale, W[:, :, i], Wd[:, j] * weight)
    return np.asarray(left + np.einsum("sp,spk,sk->pk", scale, W[:, :, j], Wd[:, i] * weight))


def _gathered(W: Array, U: Array, places: MomentPlaces, rows: slice, cols: slice) -> Array:
    """Sum over sizes of 0.5 (a'Wa b'Ub + b'Wb a'Ua + a'Wb b'Ua + b'Wa a'Ub) of unit vectors a and b."""
    S, P, _ = W.shape
    products = W.reshape(S, P * P).T @ U.reshape(S, P * P)
    i, j, half = places.row[rows, None], places.col[rows, None], places.half[rows, None]
    k, m, other = places.row[cols], places.col[cols], places.half[cols]
    first = products[i * P + k, j * P + m] + products[j * P + m, i * P + k]
    second = products[i * P + m, j * P + k] + products[j * P + k, i * P + m]
    return np.asarray(0.5 * (first + second) * half * other)


def cluster_scores(sample: TwoLevelSample, places: MomentPlaces, state: State, mean: Array) -> Array:
    """Return each cluster's derivative of its log-likelihood in the moments, shape (J, K)."""
    w, b = sample.at_within, sample.at_between
    kind = np.searchsorted(sample.sizes, sample.cluster_size)
    scale = sample.scale[kind]
    u = np.einsum("jpq,jq->jp", state.inverse[kind], scale * (sample.cluster_mean - mean))
    gap = u[:, :, None] * u[:, None, :] - state.inverse[kind]
    (wi, wj), (bi, bj) = places.pairs
    of_b = gap[:, b[bi], b[bj]] * scale[:, b[bi]] * scale[:, b[bj]]
    of_w = gap[:, w[wi], w[wj]]
    inner = sample.deviations @ state.inverse_within
    products = np.zeros((sample.n_clusters, len(wi)))
    np.add.at(products, sample.cluster, inner[:, wi] * inner[:, wj])
    of_w = of_w + products - np.outer(sample.cluster_size - 1.0, state.inverse_within[wi, wj])
    return np.hstack([np.hstack([of_w, of_b]) * places.half, scale * u])


def moment_jacobian(levels: Levels, places: MomentPlaces, theta: Array) -> Array:
    """Return the derivatives of the K moments in the q parameters, shape (K, q)."""
    q, P = levels.table.n_free, places.n_means
    out = np.zeros((places.size, q))
    k = places.n_within + places.n_between
    parts = (slice(0, places.n_within), slice(places.n_within, k))
    for level, structure in enumerate(levels.structures):
        stacks = derivative_stacks(structure, implied_moments(structure, theta))
        i, j = places.pairs[level]
        by_entry = stacks.a[i] * stacks.b[j] + stacks.b[i] * stacks.a[j]
        spread = np.zeros((len(structure.ids), q))
        spread[np.arange(len(structure.ids)), structure.ids] = 1.0
        out[parts[level]] += by_entry @ spread
        means = np.zeros((P, q))
        means[levels.rows[level]] = stacks.m @ spread
        out[k:] += means
    return out
