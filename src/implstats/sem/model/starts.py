"""Start values: near enough for scoring to find the optimum, never trusted further.

A factor's variance in the metric of its first (marker) indicator r is the median over pairs of other
indicators i, j of s_ri s_rj / s_ij, the triad of Spearman; loadings follow as s_ir / var. Residual variances
start at half the sample variance, intercepts at the means, regressions at zero. A second, plainer start has
equal loadings; it is tried when the first does not lead to an optimum. Where items belong to several factors
(bifactor models) a third shares the common variance of an item equally among its factors.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from implstats.sem.estimators.ml import SampleMoments, inverse_and_log_det
from implstats.sem.language.rows import Row
from implstats.sem.language.table import ParameterTable
from implstats.sem.model.matrices import Structure
from implstats.sem.model.moments import implied_moments

Array = NDArray[np.float64]


def start_values(
    table: ParameterTable, structures: Sequence[Structure], samples: Sequence[SampleMoments]
) -> Iterator[Array]:
    """Yield start vectors, each of shape (q,), best guess first, all with a positive definite Sigma.

    Each group starts by itself; what groups share starts at the mean over persons. None at all means that
    the model needs ``start()``.
    """
    position = {name: i for i, name in enumerate(structures[0].observed)}
    factors = Counter(row.rhs for row in table.of_group(1) if row.op == "=~")
    shared = max(factors.values(), default=0) > 1
    for plain, sharing in ((False, False), (True, False), (True, True))[: 3 if shared else 2]:
        total, weight = np.zeros(table.n_free), np.zeros(table.n_free)
        for group, sample in enumerate(samples, start=1):
            rows = table.of_group(group)
            mine = np.zeros(table.n_free)
            mine[[row.free - 1 for row in rows if row.free]] = sample.n
            total += mine * _fill(table, rows, sample, position, plain=plain)
            weight += mine
        theta = total / weight
        if sharing:
            own = {row.free - 1: factors[row.rhs] for row in table.rows if row.free and row.op == "=~"}
            theta[list(own)] /= np.sqrt(list(own.values()))
        for row in table.rows:
            if row.free and row.start is not None:
                theta[row.free - 1] = row.start
        repaired = _make_positive(table, structures, theta)
        if repaired is not None:
            yield repaired


def _fill(
    table: ParameterTable,
    rows: Sequence[Row],
    sample: SampleMoments,
    position: dict[str, int],
    *,
    plain: bool,
) -> Array:
    theta = np.zeros(table.n_free)
    variances: dict[str, float] = {}
    for latent in table.names.latent:
        loadings = [row for row in rows if row.op == "=~" and row.lhs == latent]
        unit = _fixed_variance(rows, latent)
        variances[latent] = _fill_factor(theta, unit, loadings, sample.cov, position, plain=plain)
    for row in rows:
        if not row.free or row.op == "=~":
            continue
        at = row.free - 1
        if row.op == "~~" and row.lhs == row.rhs:
            own = position.get(row.lhs)
            theta[at] = (
                variances[row.lhs] if own is None else _residual_start(sample.cov[own, own], row, table)
            )
        elif row.op == "~~" and row.lhs in table.names.x and row.rhs in table.names.x:
            theta[at] = sample.cov[position[row.lhs], position[row.rhs]]
        elif row.op == "~1" and row.lhs in position:
            theta[at] = sample.mean[position[row.lhs]]
    return theta


def _residual_start(variance: float, row: Row, table: ParameterTable) -> float:
    return variance if row.lhs in table.names.x else 0.5 * variance


def _fill_factor(
    theta: Array,
    unit_variance: float,
    loadings: list[Row],
    cov: Array,
    position: dict[str, int],
    *,
    plain: bool,
) -> float:
    """Set a factor's loadings; return the start of its variance."""
    observed = [row for row in loadings if row.rhs in position]
    for row in loadings:
        if row.free and row.rhs not in position:
            theta[row.free - 1] = 1.0 if any(other.fixed for other in loadings) else 0.7
    if not observed:
        return 0.3
    marker = next((row for row in observed if row.fixed), None)
    first = marker or observed[0]
    ref = position[first.rhs]
    common = 0.5 * cov[ref, ref] if plain else _triad(cov, ref, [position[row.rhs] for row in observed])
    if marker is not None and marker.fixed is not None:
        variance, loading = common / marker.fixed**2, marker.fixed
    else:
        variance = unit_variance
        loading = float(np.sqrt(common / variance))
    for row in observed:
        if row.free:
            own = position[row.rhs]
            guess = cov[own, ref] / (loading * variance) if own != ref else loading
            theta[row.free - 1] = np.sqrt(0.5 * cov[own, own] / variance) if plain else guess
    return variance


def _fixed_variance(rows: Sequence[Row], latent: str) -> float:
    fixed = [row.fixed for row in rows if row.op == "~~" and row.lhs == row.rhs == latent]
    return fixed[0] if fixed and fixed[0] is not None and fixed[0] > 0 else 1.0


def _triad(cov: Array, ref: int, indicators: list[int]) -> float:
    """Variance that the marker shares with the factor, kept between 10 % and 90 % of its variance."""
    order = [ref, *(i for i in dict.fromkeys(indicators) if i != ref)]
    own = cov[np.ix_(order, order)].tolist()
    ratios = sorted(
        own[0][i] * own[0][j] / own[i][j]
        for i in range(1, len(order))
        for j in range(i + 1, len(order))
        if abs(own[i][j]) > 0.05 * math.sqrt(own[i][i] * own[j][j])
    )
    middle = ratios[(len(ratios) - 1) // 2 : len(ratios) // 2 + 1]
    value = sum(middle) / len(middle) if middle else 0.5 * own[0][0]
    return min(max(value, 0.1 * own[0][0]), 0.9 * own[0][0])


def _make_positive(table: ParameterTable, structures: Sequence[Structure], theta: Array) -> Array | None:
    """Shrink loadings, regressions and covariances until Sigma is positive definite."""
    shrinks = np.zeros(len(theta), dtype=bool)
    for row in table.rows:
        if (
            row.free
            and row.start is None
            and (row.op in ("=~", "~") or (row.op == "~~" and row.lhs != row.rhs))
        ):
            shrinks[row.free - 1] = True
    for _ in range(20):
        if all(_is_positive(structure, theta) for structure in structures):
            return theta
        theta = np.where(shrinks, 0.7 * theta, theta)
    return None


def _is_positive(structure: Structure, theta: Array) -> bool:
    try:
        cov = implied_moments(structure, theta).cov
    except np.linalg.LinAlgError:  # I - B singular
        return False
    return bool(np.all(np.isfinite(cov)) and inverse_and_log_det(cov) is not None)
