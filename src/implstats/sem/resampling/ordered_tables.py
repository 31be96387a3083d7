"""Thresholds and polychoric correlations of many resamples, from their tables of answers.

All that the two-step estimates of ordered items need of a resample are the tables of each pair of items,
counts (R, a + 1, b + 1) with missing answers last: sums of the frequencies of persons, a product of a sparse
and a dense matrix. The formulas are those of :mod:`implstats.sem.ordinal`, persons' scores replaced by those
of their cell, so that with N a table's counts, n the persons and u, w what the margins' scores add

    diagonal of Gamma = n sum_ab N_ab [ (share_ab - u_a - w_b) / sum N share^2 ]^2

which is what DWLS, WLSMV and their kin weigh by. A resample in which nobody took some answer has no threshold
there; its items are marked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import ndtri

from implstats.sem.ordinal.normal import cells, density, masses
from implstats.sem.ordinal.pairs import HALF, solve
from implstats.sem.ordinal.sample import NEAR_LIMIT

Array = NDArray[np.float64]
Codes = NDArray[np.intp]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """What R resamples say of p ordered items.

    Attributes
    ----------
    statistics : ndarray, shape (R, S)
        Thresholds by item, then correlations by pair; NaN where ``fine`` is not.
    variances : ndarray, shape (R, S), or None
        Diagonal of Gamma, where asked for.
    fine : ndarray of bool, shape (R,)
    empty : ndarray of bool, shape (R, p)
        Items with an answer that nobody in the resample took.
    perfect : ndarray of bool, shape (R,)
        Whether two items determine each other.
    """

    statistics: Array
    variances: Array | None
    fine: Flags
    empty: Flags
    perfect: Flags


@dataclass(frozen=True, slots=True)
class _Margin:
    """One item in R resamples: cut points (R, c + 1), scores by answer (R, c + 1, c - 1) and inverse of B.

    The scores of the last answer, a missing one, are zero.
    """

    cuts: Array
    scores: Array
    inverse: Array


def pair_order(p: int) -> list[tuple[int, int]]:
    """Return the pairs (row, column) in the order of the statistics."""
    return [(i, j) for j in range(p) for i in range(j + 1, p)]


def count_tables(codes: Codes, sizes: Sequence[int], frequencies: Array) -> list[Array]:
    """Return each pair's counts, (R, a + 1, b + 1), missing answers last.

    Parameters
    ----------
    codes : ndarray of int, shape (n, p)
        Answers from 0; an item's number of categories where missing.
    frequencies : ndarray, shape (R, n)
    """
    n, p = codes.shape
    order = pair_order(p)
    widths = [(sizes[i] + 1) * (sizes[j] + 1) for i, j in order]
    starts = np.concatenate([[0], np.cumsum(widths)])
    cell = [codes[:, i] * (sizes[j] + 1) + codes[:, j] + s for (i, j), s in zip(order, starts, strict=False)]
    rows = np.concatenate(cell)
    columns = np.tile(np.arange(n), len(order))
    sums = csr_array((np.ones(len(rows)), (rows, columns)), shape=(int(starts[-1]), n)) @ frequencies.T
    R = len(frequencies)
    return [
        sums[a:b].T.reshape(R, sizes[i] + 1, sizes[j] + 1)
        for (i, j), a, b in zip(order, starts, starts[1:], strict=False)
    ]


def _margin(counts: Array) -> _Margin:
    """One item from its counts (R, c), all positive."""
    R, c = counts.shape
    total = counts.sum(axis=1, keepdims=True)
    tau = ndtri(np.cumsum(counts, axis=1)[:, :-1] / total)
    slope = density(tau) * total
    scores = np.zeros((R, c + 1, c - 1))
    step = np.arange(c - 1)
    scores[:, step, step] = slope / counts[:, :-1]
    scores[:, step + 1, step] = -slope / counts[:, 1:]
    B = (scores[:, :-1] * counts[:, :, None]).swapaxes(1, 2) @ scores[:, :-1]
    cuts = np.concatenate([np.full((R, 1), -np.inf), tau, np.full((R, 1), np.inf)], axis=1)
    return _Margin(cuts, scores, np.linalg.inv(B).astype(float, copy=False))


def _filled(table: Array) -> Array:
    """The tables with a half in the only empty cell of a 2 x 2 table, margins kept."""
    if table.shape[1:] != (2, 2):
        return table
    hole = (table == 0.0).sum(axis=(1, 2)) == 1
    on_diagonal = (table[:, 0, 0] == 0.0) | (table[:, 1, 1] == 0.0)
    add = np.where(hole, np.where(on_diagonal, HALF, -HALF), 0.0)
    return table + add[:, None, None] * np.array([[1.0, -1.0], [-1.0, 1.0]])


def _correlation(table: Array, one: _Margin, two: _Margin, start: float) -> Array:
    """The polychoric correlations of a pair, shape (R,)."""
    counts = _filled(table)

    def parts(r: Array) -> tuple[Array, Array]:
        p, dp, ddp = masses(one.cuts, two.cuts, r)
        share = dp / p
        return (counts * share).sum(axis=(1, 2)), (counts * (ddp / p - share**2)).sum(axis=(1, 2))

    return solve(parts, np.full(len(table), start))


def _variance(table: Array, one: _Margin, two: _Margin, r: Array, n: Array) -> Array:
    """The diagonal of Gamma at a pair's correlation, shape (R,); ``table`` with missing answers last."""
    at, both = cells(one.cuts, two.cuts, r), table[:, :-1, :-1]
    # A cell without persons has no part in any sum, but its share may be too large to be squared.
    share = np.where(both > 0.0, at.dp / at.p, 0.0)
    weight = both * share / at.p
    first = ((weight[:, :-1] - weight[:, 1:]) * at.h[:, 1:-1]).sum(axis=2)
    second = ((weight[:, :, :-1] - weight[:, :, 1:]) * at.k[:, :, 1:-1]).sum(axis=1)
    u = (one.scores @ (one.inverse @ first[:, :, None]))[:, :, 0]
    w = (two.scores @ (two.inverse @ second[:, :, None]))[:, :, 0]
    whole = np.zeros_like(table)
    whole[:, :-1, :-1] = share
    whole -= u[:, :, None] + w[:, None, :]
    whole = np.where(table > 0.0, whole, 0.0)
    bread = (both * share**2).sum(axis=(1, 2))
    return np.asarray(n * (table * whole**2).sum(axis=(1, 2)) / bread**2)


def resampled_tables(
    codes: Codes, sizes: Sequence[int], frequencies: Array, *, start: Array, variances: bool
) -> Tables:
    """Return thresholds and correlations of resamples of ordered items.

    Parameters
    ----------
    codes, sizes, frequencies
        As for :func:`count_tables`.
    start : ndarray, shape (P,)
        Correlations of the sample, where the search begins.
    variances : bool
        Whether the diagonal of Gamma is wanted.
    """
    R, p, order = len(frequencies), len(sizes), pair_order(len(sizes))
    counts = [frequencies @ (codes[:, [i]] == np.arange(c)) for i, c in enumerate(sizes)]
    empty = np.column_stack([(c == 0.0).any(axis=1) for c in counts])
    fine = ~empty.any(axis=1)
    locations = sum(c - 1 for c in sizes)
    statistics, gamma = np.full((R, locations + len(order)), np.nan), None
    perfect = np.zeros(R, dtype=bool)
    if variances:
        gamma = np.full_like(statistics, np.nan)
    if fine.any():
        used = frequencies[fine]
        margins = [_margin(c[fine]) for c in counts]
        tables = count_tables(codes, sizes, used)
        found = np.empty((len(used), len(order)))
        spread = np.empty_like(found)
        for k, ((i, j), table) in enumerate(zip(order, tables, strict=True)):
            found[:, k] = _correlation(table[:, :-1, :-1], margins[i], margins[j], float(start[k]))
            if variances:
                spread[:, k] = _variance(table, margins[i], margins[j], found[:, k], used.sum(axis=1))
        statistics[fine] = np.hstack([*(m.cuts[:, 1:-1] for m in margins), found])
        perfect[fine] = (np.abs(found) > NEAR_LIMIT).any(axis=1)
        if gamma is not None:
            own = [np.diagonal(m.inverse, axis1=1, axis2=2) * used.sum(axis=1)[:, None] for m in margins]
            gamma[fine] = np.hstack([*own, spread])
    return Tables(
        statistics=statistics,
        variances=gamma,
        fine=fine & ~perfect,
        empty=empty.reshape(R, p),
        perfect=perfect,
    )
