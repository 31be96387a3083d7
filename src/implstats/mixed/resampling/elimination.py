"""The elimination of `gaussian.eliminate` for many responses at once, each with covariances of its own.

Same formulas, P = (I + G S)^-1, K = P G and their first and second derivatives, level after level from the
lowest up; here every quantity has a last axis of r responses (see `stacks`). What holds no y enters as plain
matrix products with the moments that all responses share.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from implstats.mixed.resampling.moments import Responses, Shared, SharedLevel
from implstats.mixed.resampling.stacks import Stack, inverse, times, trace_of, turned


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """log|V|: value (r,), first (R, r), second (T, r); N = [X, y]'V^-1[X, y]: (p+1, p+1, ...) of each."""

    logdet: Stack
    N: Stack


def eliminate_many(shared: Shared, responses: Responses, G: list[np.ndarray]) -> Totals:
    """Return log|V| and N with derivatives in g, for G of each level, (q, q, r)."""
    p, r = shared.p, responses.ends.shape[-1]
    R, T = shared.shape.size, len(shared.shape.pairs[0])
    totals = Totals(
        logdet=Stack(np.zeros(r), np.zeros((R, r)), np.zeros((T, r))),
        N=Stack(np.empty((p + 1, p + 1, r)), np.zeros((p + 1, p + 1, R, r)), np.zeros((p + 1, p + 1, T, r))),
    )
    totals.N.value[:p, :p] = shared.XX[:, :, None]
    totals.N.value[p] = totals.N.value[:, p] = responses.ends
    packed = _lowest_factor(shared, G[0], totals.logdet)
    _take_off_ends(shared, responses, packed, totals.N)
    upper = [
        _upper_moments(shared, k, responses.upper[k], responses.cells[k], packed)
        for k in range(len(shared.upper))
    ]
    for k in range(len(upper)):
        _upper(shared, k, G[k + 1], upper, totals)
    return totals


def _lowest_factor(shared: Shared, G: np.ndarray, logdet: Stack) -> np.ndarray:
    """Return K, K_r, K_rs of the lowest level's patterns, lower triangles: (P, t, 1 + own + pairs, r)."""
    S = np.moveaxis(shared.S, 0, -1)[:, :, :, None]
    basis = np.moveaxis(shared.shape.levels[0].basis, 0, -1)[:, :, None, :, None]
    own = basis.shape[3]
    r, s = (index[: own * (own + 1) // 2] for index in shared.shape.pairs)
    q = len(G)
    P, ld = inverse(np.eye(q)[:, :, None, None] + times(G[:, :, None], S))
    A1 = times(basis, S[:, :, :, None])
    PG = times(P[:, :, :, None], basis)
    P1 = -times(times(P[:, :, :, None], A1), P[:, :, :, None])
    half = times(PG[:, :, :, r], turned(P1)[:, :, :, s])
    parts = [times(P, G[:, :, None])[:, :, :, None], times(PG, turned(P)[:, :, :, None]), half + turned(half)]
    logdet.value += shared.count @ ld
    logdet.first[:own] += np.tensordot(shared.count, trace_of(P[:, :, :, None], A1), axes=1)
    logdet.second[: len(r)] += np.tensordot(shared.count, trace_of(P1[:, :, :, s], A1[:, :, :, r]), axes=1)
    low = np.tril_indices(q)
    packed = np.concatenate([part[low] for part in parts], axis=2)
    return np.ascontiguousarray(packed.swapaxes(0, 1))


def _take_off_ends(shared: Shared, responses: Responses, packed: np.ndarray, N: Stack) -> None:
    """Take the lowest level's sum of B'KB off N."""
    p = shared.p
    Pt, D, r = packed.shape[0] * packed.shape[1], packed.shape[2], packed.shape[3]
    flat = packed.reshape(Pt, D * r)
    full = np.empty((p + 1, p + 1, D, r))
    full[:p, :p] = (shared.lowest_x @ flat).reshape(p, p, D, r)
    ends = np.einsum("tir,tdr->idr", responses.lowest, flat.reshape(Pt, D, r))
    full[p] = full[:, p] = ends
    own = len(shared.shape.levels[0].basis)
    N.value -= full[:, :, 0]
    N.first[:, :, :own] -= full[:, :, 1 : own + 1]
    N.second[:, :, : D - own - 1] -= full[:, :, own + 1 :]


def _upper_moments(shared: Shared, k: int, y: np.ndarray, cells: np.ndarray, packed: np.ndarray) -> Stack:
    """Return an upper level's moments after the lowest level, (q, m, J, ..., r); the last column is y.

    Derivatives are those of all levels below.
    """
    level = shared.upper[k]
    P, t, D, r = packed.shape
    m = level.X.shape[1]
    taken = np.empty((level.q, m + 1, level.size, D, r))
    flat = packed.reshape(P * t, D * r)
    for e in range(level.q):
        taken[e, :m] = (level.lowest_x[e] @ flat).reshape(m, level.size, D, r)
    taken[:, m] = _cell_sums(level, cells, packed)
    own = len(shared.shape.levels[0].basis)
    below = shared.shape.slices[k + 1].start
    pairs = below * (below + 1) // 2
    moments = Stack(
        np.concatenate([np.broadcast_to(level.X[..., None], (*level.X.shape, r)), y[:, None]], axis=1)
        - taken[..., 0, :],
        -taken[..., 1 : own + 1, :],
        -taken[..., own + 1 :, :],
    )
    if below > own:
        moments.first = _padded(moments.first, below)
        moments.second = _padded(moments.second, pairs)
    return moments


def _cell_sums(level: SharedLevel, cells: np.ndarray, packed: np.ndarray) -> np.ndarray:
    """Return the lowest level's part of Z_l'U^-1 y, (q, J, D, r)."""
    weights = packed[level.cell_pattern]
    by_cell = np.einsum("ectr,ctdr->ecdr", cells, weights)
    if len(level.cell_starts) == len(level.cell_pattern):
        return by_cell
    return np.add.reduceat(by_cell, level.cell_starts, axis=1)


def _padded(values: np.ndarray, size: int) -> np.ndarray:
    out = np.zeros((*values.shape[:-2], size, values.shape[-1]))
    out[..., : values.shape[-2], :] = values
    return out


def _upper(shared: Shared, k: int, G: np.ndarray, upper: list[Stack], totals: Totals) -> None:
    """Eliminate upper level k; S and B move with the levels below."""
    where = shared.shape.slices[k + 1]
    below, active, q = where.start, where.stop, len(G)
    r, s = (index[: active * (active + 1) // 2] for index in shared.shape.pairs)
    inner = below * (below + 1) // 2
    moments = upper[k]
    S = Stack(*(part[:, :q] for part in (moments.value, moments.first, moments.second)))
    B = Stack(*(part[:, q:] for part in (moments.value, moments.first, moments.second)))
    basis = np.moveaxis(shared.shape.levels[k + 1].basis, 0, -1)[:, :, None, :, None]
    K = _upper_factor(S, G, basis, below, r, s, totals.logdet)
    KB = times(K.value, B.value)
    KB1 = times(K.value[:, :, :, None], B.first)
    Y1 = 0.5 * times(K.first, B.value[:, :, :, None])
    Y1[:, :, :, :below] += KB1
    Y2 = 0.5 * times(K.second, B.value[:, :, :, None])
    Y2[:, :, :, :inner] += times(K.value[:, :, :, None], B.second)
    # B moves only with the levels below, which come first; pairs r <= s of an own s have B_s = 0.
    lower = np.flatnonzero(r < below)
    Y2[:, :, :, lower] += times(K.first[:, :, :, s[lower]], B.first[:, :, :, r[lower]])
    Y2[:, :, :, :inner] += times(K.first[:, :, :, r[:inner]], B.first[:, :, :, s[:inner]])
    p1 = shared.p + 1
    _subtract_ends(B, Stack(KB, Y1, Y2), KB1, r[:inner], s[:inner], p1, totals.N)
    start = 0
    for above in range(k + 1, len(upper)):
        width = shared.upper[above].q
        rows = slice(start, start + width)
        parent = shared.upper[k].parents[above - k - 1]
        _subtract_rows(B, Stack(KB, Y1, Y2), KB1, r[:inner], s[:inner], rows, parent, upper[above])
        start += width


def _upper_factor(
    S: Stack, G: np.ndarray, basis: np.ndarray, below: int, r: np.ndarray, s: np.ndarray, logdet: Stack
) -> Stack:
    """Return K with derivatives, and add the level's part of log|V|."""
    q, J, responses = len(G), S.value.shape[2], S.value.shape[-1]
    active = below + basis.shape[3]
    inner = below * (below + 1) // 2
    Gj = G[:, :, None]
    P, ld = inverse(np.eye(q)[:, :, None, None] + times(Gj, S.value))
    K = times(P, Gj)
    Pd, Kd = P[:, :, :, None], K[:, :, :, None]
    A1 = np.concatenate([times(G[:, :, None, None], S.first), times(basis, S.value[:, :, :, None])], axis=3)
    P1 = -times(times(Pd, A1), Pd)
    PG = times(Pd, basis)
    KS1 = times(Kd, S.first)
    K1 = np.concatenate([-times(KS1, Kd), times(PG, turned(Pd))], axis=3)
    half = np.zeros((q, q, J, len(r), responses))
    A2 = np.zeros_like(half)
    lower, own = np.flatnonzero(r < below), np.flatnonzero(r >= below)
    half[:, :, :, lower] = -times(KS1[:, :, :, r[lower]], K1[:, :, :, s[lower]])
    half[:, :, :, own] = times(PG[:, :, :, r[own] - below], turned(P1[:, :, :, s[own]]))
    mixed = np.flatnonzero((r < below) & (s >= below))
    A2[:, :, :, mixed] = times(basis[:, :, :, s[mixed] - below], S.first[:, :, :, r[mixed]])
    A2[:, :, :, :inner] = times(G[:, :, None, None], S.second)
    K2 = half + turned(half)
    K2[:, :, :, :inner] -= times(times(Kd, S.second), Kd)
    logdet.value += ld.sum(axis=0)
    logdet.first[:active] += trace_of(Pd, A1).sum(axis=0)
    logdet.second[: len(r)] += (trace_of(P1[:, :, :, s], A1[:, :, :, r]) + trace_of(Pd, A2)).sum(axis=0)
    return Stack(K, K1, K2)


def _subtract_ends(
    B: Stack, Y: Stack, KB1: np.ndarray, r: np.ndarray, s: np.ndarray, p1: int, N: Stack
) -> None:
    """Take the sum over clusters of B'KB and its derivatives off N."""
    right = B.value[:, -p1:]
    N.value -= np.einsum("aijr,akjr->ikr", right, Y.value[:, -p1:])
    one = np.einsum("aijr,akjdr->ikdr", right, Y.first[:, -p1:])
    N.first[:, :, : one.shape[2]] -= one + turned(one)
    two = np.einsum("aijr,akjdr->ikdr", right, Y.second[:, -p1:])
    end = B.first[:, -p1:]
    for pair, (i, j) in enumerate(zip(r, s, strict=True)):
        two[:, :, pair] += np.einsum("aijr,akjr->ikr", end[:, :, :, i], KB1[:, -p1:, :, j])
    N.second[:, :, : two.shape[2]] -= two + turned(two)


def _subtract_rows(
    B: Stack, Y: Stack, KB1: np.ndarray, r: np.ndarray, s: np.ndarray, rows: slice, parent: np.ndarray,
    moments: Stack,
) -> None:  # fmt: skip
    """Take B'KB, rows of an upper level's Z by the columns from there on, off that level's moments."""
    cols = slice(rows.start, None)

    def both(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return times(turned(left[:, rows]), right[:, cols]) + turned(
            times(turned(left[:, cols]), right[:, rows])
        )

    value = times(turned(B.value[:, rows]), Y.value[:, cols])
    one = both(B.value[:, :, :, None], Y.first)
    two = both(B.value[:, :, :, None], Y.second)
    two[:, :, :, : len(r)] += both(B.first[:, :, :, r], KB1[:, :, :, s])
    size = moments.value.shape[2]
    moments.value = moments.value - _sum_clusters(value, parent, size)
    moments.first[:, :, :, : one.shape[3]] -= _sum_clusters(one, parent, size)
    moments.second[:, :, :, : two.shape[3]] -= _sum_clusters(two, parent, size)


def _sum_clusters(values: np.ndarray, parent: np.ndarray, size: int) -> np.ndarray:
    """Return sums over the clusters (third axis) of each parent."""
    moved = np.moveaxis(values, 2, 0)
    out = np.zeros((size, *moved.shape[1:]))
    np.add.at(out, parent, moved)
    return np.moveaxis(out, 0, 2)
