"""Persons by wave pattern: what a residual structure needs of the data.

The rows of person i stand at their waves, (W, m), zero where a wave is missing. Persons with the same waves
and the same random-effect rows Z_i share V_i = Z_i G Z_i' + R_i, so for W_i = V_i^-1

    sum_i [X y]_i' W_i [X y]_i  =  sum over patterns and pairs of waves (a, b) of W_ab sum_i x_ia x_ib'

and the same for the upper levels' Z, by upper cluster. Those inner sums are made once; an evaluation then
costs as much as there are patterns. With a continuous slope of the person every person is a pattern.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from implstats.mixed.gaussian.pool import Cells, Moments, patterns
from implstats.mixed.gaussian.reduce import sum_by


@dataclass(frozen=True, slots=True, kw_only=True)
class Persons:
    """Rows at their waves.

    Attributes
    ----------
    present : ndarray, (persons, W) of bool
    Z : ndarray, (persons, W, q)
        The person's random-effect rows; zero where a wave is missing.
    rows : ndarray, (persons, W, m)
        Columns of the upper levels' Z, lowest first, then X, then y; zero where a wave is missing.
    pattern : ndarray, (persons,) integers
    first : ndarray, (patterns,) integers
        One person of each pattern.
    """

    present: np.ndarray
    Z: np.ndarray
    rows: np.ndarray
    pattern: np.ndarray
    first: np.ndarray


def place(
    Z: Sequence[np.ndarray], X: np.ndarray, y: np.ndarray, *, person: np.ndarray, wave: np.ndarray, width: int
) -> Persons:
    """Return the rows of each person at their waves.

    Parameters
    ----------
    Z : sequence of ndarray, (n, q_l)
        Random-effect columns, the person's first (q may be zero).
    X, y : ndarray, (n, p), (n,)
    person, wave : ndarray, (n,) integers
        Number of the person and of the wave, both from zero; no person has a wave twice.
    width : int
        W, the number of waves.
    """
    size = int(person.max()) + 1
    right = np.column_stack([*Z[1:], X, y])
    present = np.zeros((size, width), dtype=bool)
    own, rows = np.zeros((size, width, Z[0].shape[1])), np.zeros((size, width, right.shape[1]))
    present[person, wave] = True
    own[person, wave] = Z[0]
    rows[person, wave] = right
    first, pattern = patterns(np.concatenate([present.astype(float), own.reshape(size, -1)], axis=1))
    return Persons(present=present, Z=own, rows=rows, pattern=pattern, first=first)


def pool_persons(
    persons: Persons, *, sizes: Sequence[int], effects: Sequence[int],
    parents: Sequence[Sequence[np.ndarray]], p: int,
) -> Moments:  # fmt: skip
    """Return the pooled moments; those that the persons' W_i do not touch are zero.

    Parameters
    ----------
    persons : Persons
    sizes, effects : sequence of int
        Clusters and random effects of each upper level, lowest first.
    parents : sequence of sequences of ndarray
        Cluster numbers at the levels above, as `clusters.ancestors`, the person first.
    p : int
        Fixed effects.
    """
    count = len(persons.first)
    low = np.tril_indices(p + 1)
    ends = persons.rows[:, :, -(p + 1) :]
    products = _pair_sums(ends, low, persons.pattern, count)
    cells, upper, start = [], [], 0
    for level, (size, q) in enumerate(zip(sizes, effects, strict=True)):
        rows = persons.rows[:, :, start:]
        cells.append(_cells(rows, q, parents[0][level], persons.pattern, count))
        upper.append(np.zeros((size, q, rows.shape[2])))
        start += q
    above = tuple(
        {lower + 1 + k: parent for k, parent in enumerate(parents[lower + 1])} for lower in range(len(sizes))
    )
    return Moments(
        S=np.zeros((count, 0, 0)), count=np.bincount(persons.pattern, minlength=count).astype(float),
        products=products.reshape(-1, len(low[0])), cells=tuple(cells), upper=tuple(upper), parents=above,
        XX=np.zeros((p + 1, p + 1)), n=int(persons.present.sum()),
    )  # fmt: skip


def _pair_sums(
    rows: np.ndarray, low: tuple[np.ndarray, np.ndarray], code: np.ndarray, size: int
) -> np.ndarray:
    """Return sums by code of x_a x_b' (both orders where a > b), lower triangles: (size, pairs, width)."""
    left, right = rows[:, :, low[0]], rows[:, :, low[1]]
    a, b = np.tril_indices(rows.shape[1])
    out = np.empty((size, len(a), len(low[0])))
    for k, (i, j) in enumerate(zip(a, b, strict=True)):
        value = left[:, i] * right[:, j]
        if i != j:
            value = value + left[:, j] * right[:, i]
        out[:, k] = sum_by(code, value, size=size)
    return out


def _cells(rows: np.ndarray, q: int, parent: np.ndarray, pattern: np.ndarray, count: int) -> Cells:
    """Return the pattern-by-cluster cells of an upper level whose q columns lead the rows."""
    keys, cell = np.unique(parent * count + pattern, return_inverse=True)
    cell = cell.reshape(-1)
    a, b = np.tril_indices(rows.shape[1])
    products = np.empty((len(keys), len(a), q * rows.shape[2]))
    for k, (i, j) in enumerate(zip(a, b, strict=True)):
        value = rows[:, i, :q, None] * rows[:, j, None, :]
        if i != j:
            value = value + rows[:, j, :q, None] * rows[:, i, None, :]
        products[:, k] = sum_by(cell, value.reshape(len(rows), -1), size=len(keys))
    owner = keys // count
    return Cells(
        pattern=keys % count, starts=np.searchsorted(owner, np.arange(owner[-1] + 1)), products=products
    )
