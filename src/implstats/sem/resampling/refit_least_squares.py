"""Refits by least squares: statistics and weights of many resamples, then Newton's method for all at once.

    continuous items   S with divisor n - 1, and means; W from each resample's own moments (divisor n)
    ordered items      thresholds and polychoric correlations, W from their own sampling variances

Ordered items go through their tables (:mod:`implstats.sem.resampling.ordered_tables`); with full weights,
continuous items beside them or predictors, one resample follows the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from implstats.errors import DataError
from implstats.sem.data.moment_sample import weight_of_gamma
from implstats.sem.estimators.least_squares import LeastSquares
from implstats.sem.estimators.weights import RECIPES, normal_weight, vech_order
from implstats.sem.fitted import Estimated
from implstats.sem.resampling.draws import Persons, resampled_moments
from implstats.sem.resampling.many import ManyEvaluations, places_of, positive_definite
from implstats.sem.resampling.many_least_squares import evaluate_many_least_squares
from implstats.sem.resampling.newton import CHUNK, solve_many
from implstats.sem.resampling.ordered_tables import resampled_tables
from implstats.sem.resampling.profiled import with_thresholds, without_thresholds
from implstats.sem.resampling.refit import Refits, Resamples, batchable, judged, solve_from_estimate
from implstats.sem.resampling.single import UNFIT, categories_of, refit_singly

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Flags = NDArray[np.bool_]
# Numbers in one batch of derivatives.
BATCH = 2_000_000
DETERMINED = "answers to two items that determine each other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """One group's statistics in R resamples.

    Attributes
    ----------
    values : ndarray, shape (R, S)
    weight : ndarray, shape (R, S) or (R, S, S)
    fine : ndarray of bool, shape (R,)
    empty : ndarray of bool, shape (R, items)
        Ordered items with an answer that nobody took.
    perfect : ndarray of bool, shape (R,)
    """

    values: Array
    weight: Array
    fine: Flags
    empty: Flags
    perfect: Flags


def refit_least_squares(
    estimated: Estimated, persons: Persons, block: tuple[Array, ...]
) -> tuple[Refits, Resamples]:
    """Return the estimates of a least-squares fit in resamples given as frequencies, group by group."""
    R, q, p = len(block[0]), estimated.table.n_free, len(estimated.table.names.observed)
    samples = Resamples(
        cov=tuple(np.zeros((R, p, p)) for _ in block), mean=tuple(np.zeros((R, p)) for _ in block),
        n=tuple(F.sum(axis=1) for F in block),
    )  # fmt: skip
    thetas, value, failures = np.full((R, q), np.nan), np.full(R, np.nan), dict[str, int]()
    usable, verified = np.ones(R, dtype=bool), np.zeros(R, dtype=bool)
    if in_batch(estimated):
        found = [_statistics(estimated, g, persons.values[g], F) for g, F in enumerate(block)]
        usable = np.all([f.fine for f in found], axis=0)
        failures = _failures(estimated, found)
        rows = np.flatnonzero(usable)
        thetas[rows], value[rows], verified[rows] = _solved(estimated, found, samples, rows)
    left = np.flatnonzero(usable & ~verified)
    if len(left):
        singles = refit_singly(estimated, persons.values, block, left)
        thetas[left], value[left] = singles.thetas, singles.value
        for g in range(len(block)):
            samples.cov[g][left], samples.mean[g][left] = singles.cov[g], singles.mean[g]
        if singles.unfit:
            failures |= _unfit(estimated, persons, block, left, singles.unfit)
    refits = judged(estimated, thetas, value, samples, n_single=len(left), failures=failures)
    return refits, samples


def in_batch(estimated: Estimated) -> bool:
    """Whether the statistics of many resamples can be taken and fitted at once."""
    options, ls = estimated.options, estimated.sample.groups[0].least_squares
    if ls is None or not batchable(estimated):
        return False
    weighting = RECIPES[options.estimator].weighting
    return not options.ordered or (bool(ls.ordered.all()) and not len(ls.x) and weighting in ("DWLS", "ULS"))


def _solved(
    estimated: Estimated, found: list[Statistics], samples: Resamples, rows: Index
) -> tuple[Array, Array, Flags]:
    """The estimates in the resamples ``rows``; thresholds that fit exactly are taken out meanwhile."""
    rest = without_thresholds(estimated)
    structures = estimated.structures if rest is None else rest.structures
    ls = [_of(s.least_squares) for s in estimated.sample.groups] if rest is None else list(rest.ls)
    values, weights = [f.values for f in found], [f.weight for f in found]
    if rest is not None:
        values = [v[:, -len(own.statistics) :] for v, own in zip(values, ls, strict=True)]
        weights = [w[:, -len(own.statistics) :] for w, own in zip(weights, ls, strict=True)]
    places = [places_of(structure) for structure in structures]
    persons = np.asarray(sum(samples.n)) - len(ls)

    def evaluate(which: Index, points: Array, hessian: bool) -> ManyEvaluations:
        at = rows[which]
        value, gradient, half = np.zeros(len(at)), np.zeros_like(points), None
        for g, structure in enumerate(structures):
            one = evaluate_many_least_squares(
                structure, places[g], ls[g], points, values[g][at], weights[g][at], hessian=hessian
            )
            share = (samples.n[g][at] - 1.0) / persons[at]
            value, gradient = value + share * one.value, gradient + share[:, None] * one.gradient
            if one.hessian is not None:
                part = share[:, None, None] * one.hessian
                half = part if half is None else half + part
        return ManyEvaluations(value=value, gradient=gradient, hessian=half)

    size = values[0].shape[1] * max(len(s.ids) for s in structures)
    chunk = int(np.clip(BATCH // max(size, weights[0][0].size), 1, CHUNK))
    if rest is None:
        return solve_from_estimate(estimated, evaluate, len(rows), chunk=chunk)
    start = np.repeat(estimated.optimum.theta[None, rest.kept], len(rows), axis=0)
    inverse = np.linalg.inv(estimated.observed[np.ix_(rest.kept, rest.kept)]).astype(float, copy=False)
    inner, value, verified = solve_many(evaluate, start, inverse=inverse, basis=None, chunk=chunk)
    return with_thresholds(estimated, rest, inner, [f.values[rows] for f in found]), value, verified


def _of(ls: LeastSquares | None) -> LeastSquares:
    if ls is None:
        raise AssertionError("a least-squares fit has its statistics")
    return ls


def _statistics(estimated: Estimated, g: int, values: Array, frequencies: Array) -> Statistics:
    if estimated.options.ordered:
        return _ordered_statistics(estimated, g, values, frequencies)
    return continuous_statistics(estimated, values, frequencies)


def _ordered_statistics(estimated: Estimated, g: int, values: Array, frequencies: Array) -> Statistics:
    ls = _of(estimated.sample.groups[g].least_squares)
    categories = categories_of(estimated).values
    sizes = [len(categories[name]) for name in estimated.table.names.observed]
    codes = np.empty(values.shape, dtype=np.intp)
    for j, name in enumerate(estimated.table.names.observed):
        seen = np.isfinite(values[:, j])
        codes[:, j] = np.where(
            seen, np.searchsorted(categories[name], np.where(seen, values[:, j], 0.0)), sizes[j]
        )
    weighting = RECIPES[estimated.options.estimator].weighting
    found = resampled_tables(
        codes, sizes, frequencies, start=ls.statistics[ls.n_before_pairs :], variances=weighting == "DWLS"
    )
    weight = np.ones_like(found.statistics) if found.variances is None else 1.0 / found.variances
    return Statistics(
        values=found.statistics, weight=weight, fine=found.fine, empty=found.empty, perfect=found.perfect
    )


def continuous_statistics(estimated: Estimated, values: Array, frequencies: Array) -> Statistics:
    """Return variances, covariances (divisor n - 1) and, if modelled, means of resamples, with weights."""
    moments, means = resampled_moments([values], [frequencies]), estimated.table.means
    R, n = len(frequencies), moments.n[0]
    cov = moments.cov[0] * (n / (n - 1.0))[:, None, None]
    row, col = vech_order(cov.shape[1])
    s = cov[:, row, col]
    statistics = np.hstack([moments.mean[0], s]) if means else s
    weighting = RECIPES[estimated.options.estimator].weighting
    fine = positive_definite(cov)
    if weighting == "ULS":
        weight = np.ones_like(statistics)
    else:
        S = statistics.shape[1]
        weight = np.full((R, S) if weighting == "DWLS" else (R, S, S), np.nan)
        for r in np.flatnonzero(fine):
            if weighting == "GLS":
                weight[r] = normal_weight(np.linalg.inv(cov[r]).astype(float, copy=False), means=means)
                continue
            try:
                weight[r] = _own_weight(values, frequencies[r], weighting, means=means)
            except DataError:  # too few different persons for a full weight matrix: counted as unfit
                fine[r] = False
    nobody = np.zeros((R, 0), dtype=bool)
    return Statistics(
        values=statistics, weight=weight, fine=fine, empty=nobody, perfect=np.zeros(R, dtype=bool)
    )


def _own_weight(values: Array, times: Array, weighting: str, *, means: bool) -> Array:
    """W from the fourth moments of a resample in which each person stands ``times``."""
    drawn = times > 0.0
    y, f = values[drawn], times[drawn]
    n = float(f.sum())
    centred = y - f @ y / n
    row, col = vech_order(values.shape[1])
    products = centred[:, row] * centred[:, col]
    products -= f @ products / n
    Z = np.hstack([centred, products]) if means else products
    if weighting == "DWLS":
        return np.asarray(n / (f @ Z**2))
    if len(y) <= Z.shape[1]:
        raise DataError("There are no more different persons than statistics.")
    return weight_of_gamma(weighting, (Z * f[:, None]).T @ Z / n, int(n))


def _failures(estimated: Estimated, found: list[Statistics]) -> dict[str, int]:
    """What kept resamples from being fitted, in words, and how many of them."""
    names, out = estimated.table.names.observed, dict[str, int]()
    empty = np.any([f.empty for f in found], axis=0)
    for j in range(empty.shape[1]):
        if empty[:, j].any():
            out[f"an answer to {names[j]} that nobody drawn gave"] = int(empty[:, j].sum())
    if any(f.perfect.any() for f in found):
        out[DETERMINED] = int(np.any([f.perfect for f in found], axis=0).sum())
    other = ~np.all([f.fine for f in found], axis=0)
    other &= ~np.any([f.perfect | f.empty.any(axis=1) for f in found], axis=0)
    if other.any():
        out[UNFIT] = int(other.sum())
    return out


def _unfit(
    estimated: Estimated, persons: Persons, block: tuple[Array, ...], left: Index, count: int
) -> dict[str, int]:
    """Why samples taken one by one could not be fitted: answers that nobody gave by item, else in general."""
    if not estimated.options.ordered:
        return {UNFIT: count}
    found, names = dict[str, int](), estimated.table.names.observed
    categories = categories_of(estimated).values
    lacking_any = np.zeros(len(left), dtype=bool)
    for j, name in enumerate(names):
        lacking = np.zeros(len(left), dtype=bool)
        for y, F in zip(persons.values, block, strict=True):
            if name in categories:
                lacking |= (F[left] @ (y[:, [j]] == categories[name]) == 0.0).any(axis=1)
        lacking_any |= lacking
        if lacking.any():
            found[f"an answer to {name} that nobody drawn gave"] = int(lacking.sum())
    rest = count - int(lacking_any.sum())
    return found | ({UNFIT: rest} if rest > 0 else {})
