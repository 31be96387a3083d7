"""The sample statistics of ordered and continuous variables together, and their sampling covariance.

Statistics, in this order:  thresholds and means, by variable;  slopes on the predictors x, by predictor, then
variable;  variances of the continuous variables;  covariances below the diagonal, by column (correlations
where both variables are ordered; a continuous variable keeps its scale).

They solve the margins' score equations and then each pair's (two steps), so with A the derivative of all the
scores, by block triangles, and B the sum of their products (Muthen 1984; Muthen & Satorra 1995),

    Gamma = n A^-1 B A^-T

where A's blocks are, like B, sums of products of scores. Persons without an answer contribute nothing to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from implstats.errors import DataError
from implstats.sem.ordinal.margins import Margin, continuous_margin, ordered_margin
from implstats.sem.ordinal.pairs import (
    LIMIT,
    Pair,
    pearson,
    polychoric_given_x,
    polychoric_pairs,
    polyserial,
)

Array = NDArray[np.float64]

NEAR_LIMIT = 0.999 * LIMIT
# Given predictors an empty cell can leave a likelihood that is flat to rounding long before r is one:
# nothing is known of r then. Sound pairs have .01 and more a person.
NO_INFORMATION = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdinalMoments:
    """Sample statistics of p variables.

    Attributes
    ----------
    names : tuple of str
    margins : tuple of Margin
    cov : ndarray, (p, p)
        Covariances of the underlying variables (given x); variance one where ordered.
    statistics : ndarray, (s,)
    gamma : ndarray, (s, s)
        Covariance matrix of sqrt(n) times the statistics.
    n_location, n_slopes, n_variances : int
        Lengths of the first three parts of the statistics.
    n : int
        Persons.
    empty : tuple of (str, str)
        Pairs whose 2 x 2 table had an empty cell, so that a half was added.
    """

    names: tuple[str, ...]
    margins: tuple[Margin, ...]
    cov: Array
    statistics: Array
    gamma: Array
    n_location: int
    n_slopes: int
    n_variances: int
    n: int
    empty: tuple[tuple[str, str], ...]


def ordinal_moments(
    values: Array, names: Sequence[str], *, ordered: Sequence[str], x: Array | None = None
) -> OrdinalMoments:
    """Return thresholds, (polychoric, polyserial) correlations and their sampling covariance.

    Parameters
    ----------
    values : ndarray, (n, p)
        NaN where missing; every pair uses the persons who answered both.
    names : sequence of str, (p,)
    ordered : sequence of str
        Which are ordered; the others are continuous.
    x : ndarray, (n, k), optional
        Predictors, complete; all statistics are then given x.

    Raises
    ------
    DataError
        A variable without variation, or a pair that is perfectly associated.

    Examples
    --------
    >>> table = np.repeat([[0, 0], [0, 1], [1, 0], [1, 1]], [40, 10, 10, 40], axis=0).astype(float)
    >>> found = ordinal_moments(table, ["a", "b"], ordered=["a", "b"])
    >>> float(found.cov[1, 0].round(6))  # cos(pi / 5): the tetrachoric correlation at medians
    0.809017
    """
    margins = tuple(
        (ordered_margin if name in ordered else continuous_margin)(name, column, x)
        for name, column in zip(names, values.T, strict=True)
    )
    order = [(i, j) for j in range(len(names)) for i in range(j + 1, len(names))]
    pairs = _pairs(margins, order, x)
    _refuse_perfect(margins, order, pairs)
    sd = np.sqrt([m.variance for m in margins])
    R = np.eye(len(names))
    for (i, j), pair in zip(order, pairs, strict=True):
        R[i, j] = R[j, i] = pair.r
    cov = R * np.outer(sd, sd)
    continuous = [m for m in margins if not m.ordered]
    k = 0 if x is None else x.shape[1]
    parts = [
        np.concatenate([m.location for m in margins]),
        np.array([m.slopes for m in margins]).reshape(len(margins), k).T.reshape(-1),
        np.array([m.variance for m in continuous]),
        np.array([cov[i, j] for i, j in order]),
    ]
    return OrdinalMoments(
        names=tuple(names), margins=margins, cov=cov, statistics=np.concatenate(parts),
        gamma=_gamma(margins, order, pairs, k), n_location=len(parts[0]), n_slopes=len(parts[1]),
        n_variances=len(parts[2]), n=len(values),
        empty=tuple((names[i], names[j]) for (i, j), q in zip(order, pairs, strict=True) if q.empty),
    )  # fmt: skip


def _pairs(margins: Sequence[Margin], order: list[tuple[int, int]], x: Array | None) -> list[Pair]:
    """Return every pair, first variable the row: the later one."""
    ordered = [(i, j) for i, j in order if margins[i].ordered and margins[j].ordered]
    if x is None:
        found = dict(zip(ordered, polychoric_pairs(margins, ordered), strict=True))
    else:
        found = {(i, j): polychoric_given_x(margins[i], margins[j], x) for i, j in ordered}
    for i, j in order:
        one, two = margins[i], margins[j]
        if not one.ordered and not two.ordered:
            found[i, j] = pearson(one, two, x)
        elif not one.ordered:
            found[i, j] = polyserial(one, two, x)
        elif not two.ordered:
            other = polyserial(two, one, x)
            found[i, j] = Pair(r=other.r, score=other.score, first=other.second, second=other.first)
    return [found[pair] for pair in order]


def _refuse_perfect(margins: Sequence[Margin], order: list[tuple[int, int]], pairs: list[Pair]) -> None:
    found = [
        f"'{margins[i].name}' and '{margins[j].name}'"
        for (i, j), pair in zip(order, pairs, strict=True)
        if abs(pair.r) > NEAR_LIMIT or float(np.mean(pair.score**2)) < NO_INFORMATION
    ]
    if found:
        raise DataError(
            f"The answers to {', '.join(found)} determine each other, so their correlation is one and no "
            "model of it can be fitted. Leave out one of each pair, or join categories."
        )


def _places(margins: Sequence[Margin], k: int) -> list[NDArray[np.int64]]:
    """Return the positions of each margin's location, slopes and variance among the statistics."""
    starts = np.cumsum([0, *(len(m.location) for m in margins)])
    n_location, p = int(starts[-1]), len(margins)
    number, out = 0, []
    for j, margin in enumerate(margins):
        own = [np.arange(starts[j], starts[j + 1]), n_location + j + p * np.arange(k)]
        if not margin.ordered:
            own.append(np.array([n_location + p * k + number]))
            number += 1
        out.append(np.concatenate(own))
    return out


def _gamma(margins: Sequence[Margin], order: list[tuple[int, int]], pairs: list[Pair], k: int) -> Array:
    places = _places(margins, k)
    n, first = len(margins[0].known), sum(len(at) for at in places)
    scores = np.empty((n, first + len(pairs)))
    for margin, at in zip(margins, places, strict=True):
        scores[:, at] = margin.scores
    for number, pair in enumerate(pairs):
        scores[:, first + number] = pair.score
    B = scores.T @ scores
    inverse = np.zeros_like(B)
    for at in places:
        inverse[np.ix_(at, at)] = np.linalg.inv(B[np.ix_(at, at)])
    cross = np.zeros((len(pairs), first))
    for row, (i, j), pair in zip(cross, order, pairs, strict=True):
        row[places[i]] = pair.first
        row[places[j]] = pair.second
    own = 1.0 / np.diag(B)[first:]
    inverse[first:, :first] = -own[:, None] * (cross @ inverse[:first, :first])
    inverse[np.arange(first, len(B)), np.arange(first, len(B))] = own
    inverse = _to_covariances(margins, order, pairs, places) @ inverse
    return n * (inverse @ B @ inverse.T)


def _to_covariances(
    margins: Sequence[Margin],
    order: list[tuple[int, int]],
    pairs: list[Pair],
    places: list[NDArray[np.int64]],
) -> Array:
    """Return the derivative of the statistics in (margins' parameters, correlations)."""
    first = sum(len(at) for at in places)
    H = np.eye(first + len(pairs))
    for row, (i, j), pair in zip(range(first, len(H)), order, pairs, strict=True):
        sd_i, sd_j = np.sqrt(margins[i].variance), np.sqrt(margins[j].variance)
        H[row, row] = sd_i * sd_j
        if not margins[i].ordered:
            H[row, places[i][-1]] = pair.r * sd_j / (2.0 * sd_i)
        if not margins[j].ordered:
            H[row, places[j][-1]] = pair.r * sd_i / (2.0 * sd_j)
    return H
