"""Two variables at a time: the correlation given both margins, and what a person contributes to it.

    both ordered       log p of the cell                                    polychoric (Olsson 1979)
    one continuous     log phi(z) + log[Phi(u) - Phi(l)], u = (tau - r z) / sqrt(1 - r^2)    polyserial
    both continuous    the bivariate normal density of both residuals       Pearson, if nobody is missing

The correlation maximises the pair's likelihood with the margins held (two steps). ``score`` is each person's
derivative in r; ``cross`` the sums of its products with the derivatives in the margins' own parameters, from
which the sampling covariance of the two-step estimates follows.
Reference: Olsson, Drasgow & Dorans (1982), Psychometrika 47, 337-347.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from implstats.sem.ordinal.margins import Margin
from implstats.sem.ordinal.normal import Cells, cells, density, masses

Array = NDArray[np.float64]
Parts = Callable[[Array], tuple[Array, Array]]

LIMIT = 0.99999  # a correlation beyond it is an association that the data show as perfect
STEPS = 100
SMALL_STEP = 1e-13
ROUNDING = 1e-12
# After a Newton step of this size the error is about its square; what is left is rounding.
LAST_STEP = 1e-8
# A step leaves at least this share of the distance to a perfect correlation.
NEARER = 0.25
HALF = (
    0.5  # added to an empty cell of a 2 x 2 table with the margins kept, as Brown & Benedetti (1977) advise
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two variables' correlation.

    Attributes
    ----------
    r : float
    score : ndarray, (n,)
        Zero where either variable is missing.
    first, second : ndarray
        ``cross`` with location, slopes and (continuous) variance of the first and of the second variable.
    empty : bool
        Whether a 2 x 2 table had an empty cell, so that a half was added to it.
    """

    r: float
    score: Array
    first: Array
    second: Array
    empty: bool = False


def solve(parts: Parts, start: Array) -> Array:
    """Return the roots in (-LIMIT, LIMIT) of the first derivatives, (P,), by Newton's method in a bracket.

    ``parts`` gives first and second derivative of each pair's log-likelihood.
    """
    r = np.clip(start, -0.9, 0.9)
    low, high = np.full(len(r), -LIMIT), np.full(len(r), LIMIT)
    for _ in range(STEPS):
        first, second = parts(r)
        low, high = np.where(first > 0.0, r, low), np.where(first < 0.0, r, high)
        with np.errstate(divide="ignore", invalid="ignore"):
            new = np.where(second < 0.0, r - first / second, np.nan)
        # At the root itself a step is rounding, which may point out of the bracket; bisection would leave it.
        by_newton = ((new > low) & (new < high)) | (np.abs(new - r) < ROUNDING)
        new = np.where(by_newton, new, 0.5 * (low + high))
        new = np.where(first == 0.0, r, new)
        # A longer step may end where the probability of a cell with answers is rounding, and so the sign.
        most = 1.0 - (1.0 - np.abs(r)) * NEARER
        new = np.where(np.abs(new) > np.abs(r), np.clip(new, -most, most), new)
        moved = np.abs(new - r)
        done = bool(np.all(np.where(by_newton, moved < LAST_STEP, moved < SMALL_STEP)))
        r = new
        if done:
            break
    return r


def polychoric_pairs(margins: Sequence[Margin], pairs: Sequence[tuple[int, int]]) -> list[Pair]:
    """Return the pairs of ordered variables without predictors, all at once from their tables."""
    if not pairs:
        return []
    rows, columns = np.array(pairs).T
    h, k = _padded([margins[i].location for i in rows]), _padded([margins[j].location for j in columns])
    tables, empty = _tables(margins, pairs, h.shape[1] - 1, k.shape[1] - 1)

    def parts(r: Array) -> tuple[Array, Array]:
        p, dp, ddp = masses(h, k, r)
        share = dp / p
        return (tables * share).sum(axis=(1, 2)), (tables * (ddp / p - share**2)).sum(axis=(1, 2))

    r = solve(parts, np.array([_start(margins[i], margins[j]) for i, j in pairs]))
    return _from_tables(margins, pairs, cells(h, k, r), r, empty)


def _padded(thresholds: list[Array]) -> Array:
    """Return cut points with infinite ends, padded at the upper end, (P, A + 1)."""
    width = max(len(t) for t in thresholds) + 2
    out = np.full((len(thresholds), width), np.inf)
    out[:, 0] = -np.inf
    for row, t in zip(out, thresholds, strict=True):
        row[1 : len(t) + 1] = t
    return out


def _tables(
    margins: Sequence[Margin], pairs: Sequence[tuple[int, int]], A: int, B: int
) -> tuple[Array, list[bool]]:
    """Return the counts of each pair, (P, A, B), and which 2 x 2 tables had an empty cell."""
    out, empty = np.zeros((len(pairs), A, B)), []
    for table, (i, j) in zip(out, pairs, strict=True):
        both = margins[i].known & margins[j].known
        flat = np.bincount(margins[i].codes[both] * B + margins[j].codes[both], minlength=A * B)
        table[:] = flat.reshape(A, B)
        small = len(margins[i].categories) == 2 and len(margins[j].categories) == 2
        hole = small and int(np.sum(table[:2, :2] == 0.0)) == 1
        empty.append(hole)
        if hole:
            on_diagonal = table[0, 0] == 0.0 or table[1, 1] == 0.0
            table[:2, :2] += (HALF if on_diagonal else -HALF) * np.array([[1.0, -1.0], [-1.0, 1.0]])
    return out, empty


def _from_tables(
    margins: Sequence[Margin], pairs: Sequence[tuple[int, int]], at: Cells, r: Array, empty: list[bool]
) -> list[Pair]:
    share = at.dp / at.p
    A, B = share.shape[1:]
    out = []
    for number, (i, j) in enumerate(pairs):
        one, two = margins[i], margins[j]
        both = one.known & two.known
        score = np.where(both, share[number][one.codes, two.codes], 0.0)
        # The counts as observed, not as filled: a person's contribution is his own.
        counts = np.bincount(one.codes[both] * B + two.codes[both], minlength=A * B).reshape(A, B)
        weight = counts * share[number] / at.p[number]
        first = (weight[:-1] - weight[1:]) * at.h[number][1:-1]
        second = (weight[:, :-1] - weight[:, 1:]) * at.k[number][:, 1:-1]
        out.append(
            Pair(
                r=float(r[number]), score=score, empty=empty[number],
                first=first.sum(axis=1)[: len(one.location)], second=second.sum(axis=0)[: len(two.location)],
            )
        )  # fmt: skip
    return out


def _start(one: Margin, two: Margin) -> float:
    """Pearson's correlation of codes or residuals: a start."""
    a = one.codes.astype(float) if one.ordered else one.z
    b = two.codes.astype(float) if two.ordered else two.z
    both = one.known & two.known
    a, b = a[both] - a[both].mean(), b[both] - b[both].mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0.0 else 0.0


def polychoric_given_x(one: Margin, two: Margin, x: Array) -> Pair:
    """Return the residual correlation of two ordered variables given predictors x, (n, k)."""
    both = one.known & two.known
    h, k = one.cuts[both], two.cuts[both]

    def at(r: Array) -> Cells:
        return cells(h, k, np.full(len(h), r[0]))

    def parts(r: Array) -> tuple[Array, Array]:
        c = at(r)
        share = c.dp / c.p
        return np.array([share.sum()]), np.array([(c.ddp / c.p - share**2).sum()])

    r = solve(parts, np.array([_start(one, two)]))
    c = at(r)
    share = (c.dp / c.p)[:, 0, 0]
    first = _ordered_cross(one, both, share, c.h[:, :, 0] / c.p[:, :, 0], x)
    second = _ordered_cross(two, both, share, c.k[:, 0, :] / c.p[:, 0, :], x)
    score = np.zeros(len(both))
    score[both] = share
    return Pair(r=float(r[0]), score=score, first=first, second=second)


def _ordered_cross(
    margin: Margin, both: NDArray[np.bool_], score: Array, edges: Array, x: Array | None
) -> Array:
    """Return ``cross`` with thresholds and slopes from the derivatives (K, 2) at both cut points."""
    m = len(margin.location)
    codes = margin.codes[both]
    to_lower, to_upper = -edges[:, 0] * score, edges[:, 1] * score
    out: Array = np.bincount(codes, weights=to_upper, minlength=m + 1)[:m].astype(float)
    out += np.bincount(codes, weights=to_lower, minlength=m + 1)[1:]
    return out if x is None else np.concatenate([out, -x[both].T @ (to_lower + to_upper)])


def polyserial(continuous: Margin, ordered: Margin, x: Array | None) -> Pair:
    """Return the correlation of a continuous (first) and an ordered (second) variable."""
    both = continuous.known & ordered.known
    z, codes = continuous.z[both], ordered.codes[both]
    cuts = (
        ordered.cuts[both]
        if x is not None
        else np.column_stack([ordered.cuts[codes], ordered.cuts[codes + 1]])
    )
    finite = np.isfinite(cuts)
    known = np.where(finite, cuts, 0.0)

    def pieces(r: float) -> tuple[Array, Array, Array]:
        root = np.sqrt(1.0 - r * r)
        u = np.where(finite, (known - r * z[:, None]) / root, cuts)
        f = np.where(finite, density(np.where(finite, u, 0.0)), 0.0)
        low, high = u.T
        p = np.where(low > 0.0, ndtr(-low) - ndtr(-high), ndtr(high) - ndtr(low))
        return np.maximum(p, 1e-300), f, np.where(finite, u, 0.0)

    def slope(r: float, p: Array, f: Array) -> Array:
        u1 = (known * r - z[:, None]) / np.sqrt(1.0 - r * r) ** 3
        return (f[:, 1] * u1[:, 1] - f[:, 0] * u1[:, 0]) / p

    def parts(at: Array) -> tuple[Array, Array]:
        r = float(at[0])
        p, f, u = pieces(r)
        root = np.sqrt(1.0 - r * r)
        u1 = (known * r - z[:, None]) / root**3
        u2 = (known * (1.0 + 2.0 * r * r) - 3.0 * r * z[:, None]) / root**5
        bend = f * (u2 - u * u1**2)
        first = slope(r, p, f)
        return np.array([first.sum()]), np.array([((bend[:, 1] - bend[:, 0]) / p - first**2).sum()])

    r = float(solve(parts, np.array([_start(continuous, ordered)]))[0])
    p, f, _ = pieces(r)
    share, root = slope(r, p, f), float(np.sqrt(1.0 - r * r))
    pull = r / root * (f[:, 1] - f[:, 0]) / p
    sd = np.sqrt(continuous.variance)
    to_mean = (z + pull) / sd
    to_variance = (z * z - 1.0 + z * pull) / (2.0 * continuous.variance)
    first = _continuous_cross(share, to_mean, to_variance, None if x is None else x[both])
    second = _ordered_cross(ordered, both, share, f / (root * p[:, None]), x)
    score = np.zeros(len(both))
    score[both] = share
    return Pair(r=r, score=score, first=first, second=second)


def pearson(one: Margin, two: Margin, x: Array | None) -> Pair:
    """Return the correlation of two continuous variables."""
    both = one.known & two.known
    a, b = one.z[both], two.z[both]
    aa, bb, ab, n = float(a @ a), float(b @ b), float(a @ b), len(a)

    def parts(at: Array) -> tuple[Array, Array]:
        r = at
        w = 1.0 - r * r
        first = n * r / w + ((1.0 + r * r) * ab - r * (aa + bb)) / w**2
        second = n * (1.0 + r * r) / w**2 + (2.0 * r * ab - aa - bb) / w**2
        second = second + 4.0 * r * ((1.0 + r * r) * ab - r * (aa + bb)) / w**3
        return first, second

    r = float(solve(parts, np.array([ab / np.sqrt(aa * bb)]))[0])
    w = 1.0 - r * r
    share = r / w + ((1.0 + r * r) * a * b - r * (a * a + b * b)) / w**2
    own = None if x is None else x[both]
    crosses = []
    for margin, mine, other in ((one, a, b), (two, b, a)):
        lean = (mine - r * other) / w
        to_mean = lean / np.sqrt(margin.variance)
        to_variance = (mine * lean - 1.0) / (2.0 * margin.variance)
        crosses.append(_continuous_cross(share, to_mean, to_variance, own))
    score = np.zeros(len(both))
    score[both] = share
    return Pair(r=r, score=score, first=crosses[0], second=crosses[1])


def _continuous_cross(score: Array, to_mean: Array, to_variance: Array, x: Array | None) -> Array:
    """Return ``cross`` with mean, slopes and variance."""
    slopes = np.empty(0) if x is None else x.T @ (score * to_mean)
    return np.concatenate([[score @ to_mean], slopes, [score @ to_variance]])
