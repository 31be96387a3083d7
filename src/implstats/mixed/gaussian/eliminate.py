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
difference quotient and without any matrix of the size of the data. A quantity and its derivatives are kept in
one array, derivatives along the first axis: the value, then R first, then T = R (R + 1) / 2 second ones.
The lowest level is in `lowest`, an upper level with one effect in `scalar`.
References: Harville (1977), JASA 72, 320-338; Wolfinger, Tobias & Sall (1994), SIAM J. Sci. Comput. 15.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

import numpy as np

from implstats.mixed.gaussian.covariance import CovarianceShape
from implstats.mixed.gaussian.lowest import eliminate_lowest
from implstats.mixed.gaussian.pool import Cells, Moments
from implstats.mixed.gaussian.scalar import scalar_factor


@dataclass(slots=True)
class Jet:
    """A quantity with its derivatives: ``value``, ``first`` (R, ...), ``second`` (T, ...) by pairs r <= s.

    ``both`` is first and second joined, if they stand in one array.
    """

    value: np.ndarray
    first: np.ndarray
    second: np.ndarray
    both: np.ndarray | None = None


def jet(stack: np.ndarray, R: int) -> Jet:
    """Return the parts of a stack of value, first and second derivatives, as views."""
    return Jet(stack[0], stack[1 : R + 1], stack[R + 1 :], stack[1:])


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


def mul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return stacked matrix products; an inner dimension of one is an outer product, many times faster."""
    return a * b if a.shape[-1] == 1 else a @ b


def _t(a: np.ndarray) -> np.ndarray:
    return a.swapaxes(-1, -2)


def _trace(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return tr(ab) of stacked matrices."""
    return (a * _t(b)).sum(axis=(-1, -2))


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
    own_logdet, packed, K = eliminate_lowest(moments, shape, G[0])
    if shape.size == 1:  # one random effect a cluster and no other level: nothing stands above it
        p1 = len(moments.XX)
        flat = packed.reshape(3, -1) @ moments.products
        N = np.negative(flat, out=flat).take(moments.square, axis=1).reshape(3, p1, p1)
        N[0] += moments.XX
        return Eliminated(logdet=jet(own_logdet, 1), N=jet(N, 1), K=(K,), A=())
    return eliminate_above(moments, shape, G, own_logdet, packed, K)


def eliminate_above(
    moments: Moments, shape: CovarianceShape, G: list[np.ndarray], own_logdet: np.ndarray,
    packed: np.ndarray, K: np.ndarray,
) -> Eliminated:  # fmt: skip
    """Return the outcome once the lowest level's own part is known.

    Parameters
    ----------
    moments, shape, G
        As in `eliminate`.
    own_logdet : ndarray, (jets,)
        log|V| of the lowest level, with derivatives in its own parameters.
    packed : ndarray, (jets, patterns, tri)
        Lower triangles of what stands between B' and B, with the same derivatives.
    K : ndarray
        The lowest level's K, as the result keeps it.
    """
    R, p1 = shape.size, len(moments.XX)
    jets = 1 + R + len(shape.pairs[0])
    at: np.ndarray | slice = slice(None) if len(packed) == jets else shape.jets(_active(len(packed)))
    logdet, flat = np.zeros(jets), np.zeros((jets, p1 * p1))
    logdet[at] = own_logdet
    flat[at] = (-(packed.reshape(len(packed), -1) @ moments.products)).take(moments.square, axis=1)
    N = flat.reshape(jets, p1, p1)
    N[0] += moments.XX
    upper = [
        _cells_off(cells, packed, A, at, jets) for cells, A in zip(moments.cells, moments.upper, strict=True)
    ]
    factors = [K]
    for k in range(len(upper)):
        factors.append(_upper(moments, shape, k, G[k + 1], logdet, N, upper))
    return Eliminated(
        logdet=jet(logdet, R), N=jet(N, R), K=tuple(factors), A=tuple(stack[0] for stack in upper)
    )


def _active(jets: int) -> int:
    """Return R from 1 + R + R (R + 1) / 2."""
    return (isqrt(8 * jets + 1) - 3) // 2


def _cells_off(
    cells: Cells, packed: np.ndarray, A: np.ndarray, at: np.ndarray | slice, jets: int
) -> np.ndarray:
    """Return an upper level's moments with the lowest level's B'KB taken off, (jets, n_l, q_l, m_l)."""
    found = packed[:, cells.pattern]
    if found.shape[2] == 1:
        values = found * cells.products[:, 0]
    else:
        values = np.matmul(found.transpose(1, 0, 2), cells.products).transpose(1, 0, 2)
    sums = np.add.reduceat(values, cells.starts, axis=1)
    out = np.zeros((jets, *A.shape))
    out[at] = -sums.reshape(len(sums), *A.shape)
    out[0] += A
    return out


def _upper(
    moments: Moments, shape: CovarianceShape, k: int, G: np.ndarray, logdet: np.ndarray, N: np.ndarray,
    upper: list[np.ndarray],
) -> np.ndarray:  # fmt: skip
    """Eliminate upper level k; S and B move with the levels below. Return K, (n_l, q, q)."""
    active, q = shape.slices[k + 1].stop, len(G)
    at: np.ndarray | slice = slice(None) if active == shape.size else shape.jets(active)
    r, s = shape.pairs_of(active)
    stack = upper[k][at]
    S, B = stack[..., :q], stack[..., q:]
    K = (
        scalar_factor(float(G[0, 0]), S[..., 0, 0], r, s, at, logdet)[..., None, None]
        if q == 1
        else _factor(G, shape.basis(k + 1), S, r, s, at, logdet)
    )
    B0, B1 = B[0], B[1 : active + 1]
    KB = mul(K[:1], B)
    KB1 = KB[1 : active + 1].copy()
    KB[0] *= 0.5
    half = 0.5 * K[1:]
    KB[1:] += mul(half, B0)
    K1 = K[1 : active + 1]
    KB[active + 1 :] += mul(K1[s], B1[r]) + mul(K1[r], B1[s])
    _subtract_ends(B, KB, KB1, r, s, at, N)
    start = 0
    for above in range(k + 1, len(upper)):
        width = upper[above].shape[2]
        rows = slice(start, start + width)
        _subtract_rows(B, KB, KB1, r, s, at, rows, moments.parents[k][above], upper[above])
        start += width
    return K[0]


def _factor(
    G: np.ndarray, basis: np.ndarray, S: np.ndarray, r: np.ndarray, s: np.ndarray, at: np.ndarray | slice,
    logdet: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Return K with derivatives, (jets, n_l, q, q), and add this level's part of log|V|."""
    active = len(basis)
    G1 = basis[:, None]
    S0, S1, S2 = S[0], S[1 : active + 1], S[active + 1 :]
    M = np.eye(len(G)) + G @ S0
    P, ld = np.linalg.inv(M), np.linalg.slogdet(M)[1]
    Pt = _t(P)
    A1 = G1 @ S0 + G @ S1
    A2 = G1[r] @ S1[s] + G1[s] @ S1[r] + G @ S2
    P1 = -(P @ A1 @ P)
    K = np.empty((len(S), *P.shape))
    K[0] = K0 = P @ G
    KS1 = K0 @ S1
    PG = P @ G1
    K[1 : active + 1] = K1 = PG @ Pt - KS1 @ K0
    half = PG[r] @ _t(P1[s]) - KS1[r] @ K1[s]
    K[active + 1 :] = half + _t(half) - K0 @ S2 @ K0
    own = np.concatenate([ld.sum(keepdims=True), _trace(P, A1).sum(axis=-1),
                          (_trace(P1[s], A1[r]) + _trace(P, A2)).sum(axis=-1)])  # fmt: skip
    logdet[at] += own
    return K


def _subtract_ends(
    B: np.ndarray, KB: np.ndarray, KB1: np.ndarray, r: np.ndarray, s: np.ndarray, at: np.ndarray | slice,
    N: np.ndarray,
) -> None:  # fmt: skip
    """Take the sum over clusters of B'KB and its derivatives off N."""
    p1 = N.shape[-1]
    active = len(KB1)
    right = B[0, ..., -p1:].reshape(-1, p1)
    half = right.T @ KB[..., -p1:].reshape(len(KB), -1, p1)
    B1 = B[1 : active + 1, ..., -p1:].reshape(active, -1, p1)
    half[active + 1 :] += _t(B1[r]) @ KB1[..., -p1:].reshape(active, -1, p1)[s]
    N[at] -= half + _t(half)


def _subtract_rows(
    B: np.ndarray, KB: np.ndarray, KB1: np.ndarray, r: np.ndarray, s: np.ndarray, at: np.ndarray | slice,
    rows: slice, parent: np.ndarray, stack: np.ndarray,
) -> None:  # fmt: skip
    """Take B'KB, rows of an upper level's Z by the columns from there on, off that level's moments."""
    cols = slice(rows.start, None)

    def both(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return mul(_t(left[..., rows]), right[..., cols]) + _t(mul(_t(left[..., cols]), right[..., rows]))

    active = len(KB1)
    B1 = B[1 : active + 1]
    change = both(B[0], KB)
    change[active + 1 :] += both(B1[r], KB1[s])
    stack[at] -= _sum_stack(parent, change, stack.shape[1])


def _sum_stack(parent: np.ndarray, values: np.ndarray, size: int) -> np.ndarray:
    """Return the sums over clusters by parent: (jets, n, ...) to (jets, size, ...)."""
    order = np.argsort(parent, kind="stable")
    present, starts = np.unique(parent[order], return_index=True)
    out = np.zeros((len(values), size, *values.shape[2:]))
    out[:, present] = np.add.reduceat(values[:, order], starts, axis=1)
    return out
