"""log|V| and [X, y]'V^-1[X, y] with exact first and second derivatives in the covariance parameters.

    V = I + sum_l Z_l (I (x) G_l) Z_l'             relative to the residual variance

Levels are eliminated from the lowest up. For a cluster with S = Z'U^-1 Z and B = Z'U^-1[right columns], U
being V of the levels below:

    P = (I + G S)^-1,   K = P G,   log|V| gains log|I + G S|,   right'V^-1 right = right'U^-1 right - B' K B

With subscripts for derivatives in parameters r and s (G is linear in them):

    P_r  = -P (G_r S + G S_r) P
    K_r  = P G_r P' - K S_r K
    K_rs = P_s G_r P' + P G_r P_s' - K_s S_r K - K S_r K_s - K S_rs K

so everything that Newton's method, Satterthwaite and Kenward-Roger need comes from one pass, without any
difference quotient and without any matrix of the size of the data.
References: Harville (1977), JASA 72, 320-338; Wolfinger, Tobias & Sall (1994), SIAM J. Sci. Comput. 15.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from implstats.mixed.gaussian.covariance import CovarianceShape
from implstats.mixed.gaussian.pool import Cells, Moments


@dataclass(slots=True)
class Jet:
    """A quantity with its derivatives: ``value``, ``first`` (R, ...), ``second`` (T, ...) by pairs r <= s."""

    value: np.ndarray
    first: np.ndarray
    second: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class Eliminated:
    """Outcome of the elimination.

    Attributes
    ----------
    logdet : Jet
        log|V|: (), (R,), (T,).
    N : Jet
        [X, y]'V^-1[X, y]: (p+1, p+1) and derivatives.
    K : tuple of ndarray
        K of every level: (patterns, q1, q1), then (n_l, q_l, q_l).
    A : tuple of ndarray
        Upper levels' moments after the levels below are eliminated, (n_l, q_l, m_l).
    linear : Eliminated or None
        The same with V's second derivatives left out, where V is not linear in its parameters (some residual
        structures); set at the optimum.
    """

    logdet: Jet
    N: Jet
    K: tuple[np.ndarray, ...]
    A: tuple[np.ndarray, ...]
    linear: Eliminated | None = None


@lru_cache(maxsize=64)
def lower_triangle(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return ``np.tril_indices(size)``, computed once."""
    return np.tril_indices(size)


def mul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return stacked matrix products; an inner dimension of one is an outer product, many times faster."""
    return a * b if a.shape[-1] == 1 else a @ b


def _t(a: np.ndarray) -> np.ndarray:
    return np.swapaxes(a, -1, -2)


def _trace(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return tr(ab) of stacked matrices."""
    return (a * _t(b)).sum(axis=(-1, -2))


def _inverse(M: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return inverses and log-determinants of stacked matrices with positive determinants."""
    if M.shape[-1] == 1:
        return 1.0 / M, np.log(M[..., 0, 0])
    return np.linalg.inv(M), np.linalg.slogdet(M)[1]


def eliminate(moments: Moments, shape: CovarianceShape, G: list[np.ndarray]) -> Eliminated:
    """Return log|V| and [X, y]'V^-1[X, y] at G with first and second derivatives in g.

    Parameters
    ----------
    moments : Moments
    shape : CovarianceShape
        R parameters; T = R (R + 1) / 2 pairs ordered as ``shape.pairs``.
    G : list of ndarray, (q_l, q_l)
        Relative covariance of each level, lowest first.
    """
    R, T = shape.size, len(shape.pairs[0])
    p1 = moments.p + 1
    logdet = Jet(np.zeros(()), np.zeros(R), np.zeros(T))
    N = Jet(moments.XX.copy(), np.zeros((R, p1, p1)), np.zeros((T, p1, p1)))
    upper = [
        Jet(A, np.zeros((len(A), R, *A.shape[1:])), np.zeros((len(A), T, *A.shape[1:])))
        for A in moments.upper
    ]
    factors = [_lowest(moments, shape, G[0], logdet, N, upper)]
    for k in range(len(upper)):
        factors.append(_upper(moments, shape, k, G[k + 1], logdet, N, upper))
    return Eliminated(logdet=logdet, N=N, K=tuple(factors), A=tuple(jet.value for jet in upper))


def _lowest(
    moments: Moments, shape: CovarianceShape, G: np.ndarray, logdet: Jet, N: Jet, upper: list[Jet]
) -> np.ndarray:
    """Eliminate the lowest level; S is data, so only G moves. Return K, (patterns, q, q)."""
    S, G1 = moments.S, shape.levels[0].basis
    own = len(G1)
    r, s = (index[: own * (own + 1) // 2] for index in shape.pairs)
    P, ld = _inverse(np.eye(len(G)) + mul(G[None], S))
    K = mul(P, G[None])
    A1 = mul(G1[None], S[:, None])
    P1 = -mul(mul(P[:, None], A1), P[:, None])
    PG = mul(P[:, None], G1[None])
    K1 = mul(PG, _t(P)[:, None])
    half = mul(PG[:, r], _t(P1)[:, s])
    K2 = half + _t(half)
    logdet.value = logdet.value + moments.count @ ld
    logdet.first[:own] += moments.count @ _trace(P[:, None], A1)
    logdet.second[: len(r)] += moments.count @ _trace(P1[:, s], A1[:, r])
    low = lower_triangle(len(G))
    packed = np.concatenate([K[:, None], K1, K2], axis=1)[:, :, low[0], low[1]]
    _subtract_pooled(moments, packed, own, N)
    for cells, jet in zip(moments.cells, upper, strict=True):
        _subtract_cells(cells, packed, own, jet)
    return K


def _subtract_pooled(moments: Moments, packed: np.ndarray, own: int, N: Jet) -> None:
    """Take the lowest level's sum of B'KB off N; packed: (patterns, 1 + own + pairs, tri)."""
    weights = packed.transpose(1, 0, 2).reshape(packed.shape[1], -1)
    flat = weights @ moments.products
    p1 = len(N.value)
    full = np.zeros((len(flat), p1, p1))
    low = lower_triangle(p1)
    full[:, low[0], low[1]] = flat
    full[:, low[1], low[0]] = flat
    N.value = N.value - full[0]
    N.first[:own] -= full[1 : own + 1]
    N.second[: len(full) - own - 1] -= full[own + 1 :]


def _subtract_cells(cells: Cells, packed: np.ndarray, own: int, jet: Jet) -> None:
    """Take the lowest level's B'KB off the moments of each cluster of an upper level."""
    sums = np.add.reduceat(mul(packed[cells.pattern], cells.products), cells.starts, axis=0)
    full = sums.reshape(len(sums), packed.shape[1], *jet.value.shape[1:])
    jet.value = jet.value - full[:, 0]
    jet.first[:, :own] -= full[:, 1 : own + 1]
    jet.second[:, : full.shape[1] - own - 1] -= full[:, own + 1 :]


def _upper(
    moments: Moments, shape: CovarianceShape, k: int, G: np.ndarray, logdet: Jet, N: Jet, upper: list[Jet]
) -> np.ndarray:
    """Eliminate upper level k; S and B move with the levels below. Return K, (n_l, q, q)."""
    where = shape.slices[k + 1]
    active, q = where.stop, len(G)
    r, s = (index[: active * (active + 1) // 2] for index in shape.pairs)
    jet = Jet(upper[k].value, upper[k].first[:, :active], upper[k].second[:, : len(r)])
    S = Jet(*(part[..., :q] for part in (jet.value, jet.first, jet.second)))
    B = Jet(*(part[..., q:] for part in (jet.value, jet.first, jet.second)))
    G1 = np.zeros((1, active, q, q))
    G1[0, where] = shape.levels[k + 1].basis
    P, ld = _inverse(np.eye(q) + mul(G[None], S.value))
    K = _factor_jet(P, G, G1, S, r, s, logdet, ld)
    Y1 = mul(K.value[:, None], B.first) + 0.5 * mul(K.first, B.value[:, None])
    Y2 = (
        mul(K.value[:, None], B.second) + 0.5 * mul(K.second, B.value[:, None])
        + mul(K.first[:, s], B.first[:, r]) + mul(K.first[:, r], B.first[:, s])
    )  # fmt: skip
    KB = Jet(mul(K.value, B.value), Y1, Y2)
    KB1 = mul(K.value[:, None], B.first)
    p1 = moments.p + 1
    _subtract_ends(B, KB, KB1, r, s, p1, N)
    start = 0
    for above in range(k + 1, len(upper)):
        width = upper[above].value.shape[1]
        _subtract_rows(B, KB, KB1, r, s, slice(start, start + width), moments.parents[k][above], upper[above])
        start += width
    return K.value


def _factor_jet(
    P: np.ndarray, G: np.ndarray, G1: np.ndarray, S: Jet, r: np.ndarray, s: np.ndarray, logdet: Jet,
    ld: np.ndarray,
) -> Jet:  # fmt: skip
    """Return K with derivatives and add this level's part of log|V|."""
    Pr, Gx = P[:, None], G[None, None]
    K = mul(P, G[None])
    Kx = K[:, None]
    A1 = mul(G1, S.value[:, None]) + mul(Gx, S.first)
    A2 = mul(G1[:, r], S.first[:, s]) + mul(G1[:, s], S.first[:, r]) + mul(Gx, S.second)
    P1 = -mul(mul(Pr, A1), Pr)
    KS1 = mul(Kx, S.first)
    PG = mul(Pr, G1)
    K1 = mul(PG, _t(Pr)) - mul(KS1, Kx)
    half = mul(PG[:, r], _t(P1[:, s])) - mul(KS1[:, r], K1[:, s])
    K2 = half + _t(half) - mul(mul(Kx, S.second), Kx)
    active = A1.shape[1]
    logdet.value = logdet.value + ld.sum()
    logdet.first[:active] += _trace(Pr, A1).sum(axis=0)
    logdet.second[: len(r)] += (_trace(P1[:, s], A1[:, r]) + _trace(Pr, A2)).sum(axis=0)
    return Jet(K, K1, K2)


def _subtract_ends(B: Jet, KB: Jet, KB1: np.ndarray, r: np.ndarray, s: np.ndarray, p1: int, N: Jet) -> None:
    """Take the sum over clusters of B'KB and its derivatives off N."""
    right = B.value[..., -p1:]
    flat = right.reshape(-1, p1)
    N.value = N.value - flat.T @ KB.value[..., -p1:].reshape(-1, p1)
    one = np.tensordot(right, KB.first[..., -p1:], axes=([0, 1], [0, 2])).transpose(1, 0, 2)
    N.first[: len(one)] -= one + _t(one)
    two = np.tensordot(right, KB.second[..., -p1:], axes=([0, 1], [0, 2])).transpose(1, 0, 2)
    cross = np.tensordot(B.first[..., -p1:], KB1[..., -p1:], axes=([0, 2], [0, 2])).transpose(0, 2, 1, 3)
    two = two + cross[r, s]
    N.second[: len(r)] -= two + _t(two)


def _subtract_rows(
    B: Jet, KB: Jet, KB1: np.ndarray, r: np.ndarray, s: np.ndarray, rows: slice, parent: np.ndarray, jet: Jet
) -> None:
    """Take B'KB, rows of an upper level's Z by the columns from there on, off that level's moments."""
    cols = slice(rows.start, None)

    def both(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return mul(_t(left[..., rows]), right[..., cols]) + _t(mul(_t(left[..., cols]), right[..., rows]))

    value = mul(_t(B.value[..., rows]), KB.value[..., cols])
    one = both(B.value[:, None], KB.first)
    two = both(B.value[:, None], KB.second) + both(B.first[:, r], KB1[:, s])
    size = len(jet.value)
    jet.value = jet.value - _sum_stack(parent, value, size)
    jet.first[:, : one.shape[1]] -= _sum_stack(parent, one, size)
    jet.second[:, : two.shape[1]] -= _sum_stack(parent, two, size)


def _sum_stack(parent: np.ndarray, values: np.ndarray, size: int) -> np.ndarray:
    """Return the sums of stacked arrays by parent, (size, ...)."""
    out = np.zeros((size, *values.shape[1:]))
    np.add.at(out, parent, values)
    return out
