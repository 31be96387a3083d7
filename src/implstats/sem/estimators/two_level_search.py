"""From a two-level model and its sample to a judged optimum.

Starts are moment estimates of each level, each level's as for one level. Where they do not lead to an
optimum, the search begins again at the optimum under unit latent variances, and at last keeps the variances
of level 2 at zero or above: the free likelihood can grow without bound as a variance between clusters
becomes negative, and zero is then the maximum likelihood estimate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from implstats.sem import checks as check
from implstats.sem.data.two_level import TwoLevelSample
from implstats.sem.estimators.constraints import Constraints, Space, linear_space, null_space
from implstats.sem.estimators.ml import Curvature, Evaluation
from implstats.sem.estimators.search import Search, judged_optimum
from implstats.sem.estimators.two_level_fiml import exact_information
from implstats.sem.language.table import ParameterTable
from implstats.sem.model.matrices import Structure, build_structure, fill_sample_moments
from implstats.sem.model.rescale import marker_start
from implstats.sem.model.standardise import row_values
from implstats.sem.model.starts import start_values
from implstats.sem.model.two_level import Levels

Array = NDArray[np.float64]
Criterion = Callable[[Array, Curvature], Evaluation]
# A variance this small against the variable's own, held at its bound, is zero.
AT_ZERO = 1e-7
# A proper optimum is reached in about ten; where level 2 hardly varies the likelihood may have none.
MOST_STEPS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoLevelProblem:
    """A two-level model and what it is fitted to.

    Attributes
    ----------
    levels : Levels
    sample : TwoLevelSample
        Complete statistics; with answers missing, those of the starts.
    criterion_of : callable
        Gives a model's F with its derivatives as a function of theta, shape (q,).
    criterion : callable
        That of ``levels``.
    constraints : Constraints or None
    space : Space or None
    """

    levels: Levels
    sample: TwoLevelSample
    criterion_of: Callable[[Levels], Criterion]
    criterion: Criterion
    constraints: Constraints | None
    space: Space | None

    @property
    def table(self) -> ParameterTable:
        """The parameter table of both levels."""
        return self.levels.table


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A judged optimum, and the variances of level 2 that were held at zero."""

    search: Search
    at_zero: tuple[str, ...] = ()


def fill_predictors(levels: Levels, structures: tuple[Structure, Structure], sample: TwoLevelSample) -> None:
    """Put the sample moments of fixed predictors into both levels' matrices: of persons, of clusters."""
    means = ((sample.cluster_size @ sample.cluster_mean) / sample.n, sample.cluster_mean.mean(axis=0))
    covs, places = (sample.cov, sample.cov_clusters), (sample.at_within, sample.at_between)
    for structure, cov, mean, at in zip(structures, covs, means, places, strict=True):
        fill_sample_moments(structure, cov[np.ix_(at, at)], mean[at])


def two_level_problem(
    levels: Levels, sample: TwoLevelSample, criterion_of: Callable[[Levels], Criterion]
) -> TwoLevelProblem:
    """Return the problem, with the sample moments of fixed predictors in its matrices.

    Raises
    ------
    ModelTextError
        Constraints that contradict each other.
    """
    fill_predictors(levels, levels.structures, sample)
    constraints, space = None, None
    if levels.table.constraints:
        constraints = Constraints(table=levels.table, exo=exogenous_values(levels))
        space = linear_space(constraints)
    return TwoLevelProblem(
        levels=levels, sample=sample, criterion_of=criterion_of, criterion=criterion_of(levels),
        constraints=constraints, space=space,
    )  # fmt: skip


def exogenous_values(levels: Levels) -> dict[str, float]:
    """Return the sample values of labelled moments of fixed predictors."""
    values = values_of_rows(levels, np.zeros(levels.table.n_free))
    pairs = zip(levels.table.rows, values, strict=True)
    return {row.label: value for row, value in pairs if row.exo and row.label}


def values_of_rows(levels: Levels, theta: Array) -> list[float]:
    """Return the unstandardised value of each row of the table."""
    found: list[float] = []
    for k, structure in enumerate(levels.structures, start=1):
        rows = tuple(row for row in levels.table.rows if row.level == k)
        found += row_values(replace(levels.table, rows=rows), (structure,), theta)
    return found


def search_two_level(problem: TwoLevelProblem, unit: Callable[[], Levels | None]) -> Found | None:
    """Return the judged optimum; ``None`` where no start gives proper matrices.

    ``unit`` gives the same model with unit latent variances, where that can be.
    """
    starts = list(_starts(problem.levels, problem.sample))
    found = _from_starts(problem, starts, problem.space)
    if found is not None and found.proper:
        return Found(search=found)
    other = unit()
    scaled = None if other is None else _from_unit_variances(problem, other)
    if scaled is not None and scaled.proper:
        return Found(search=replace(scaled, start=0))
    bounded = _with_bounds(problem, starts)
    if bounded is not None:
        return bounded
    return None if found is None else Found(search=found)


def _judge(problem: TwoLevelProblem, theta: Array, space: Space | None, number: int) -> Search | None:
    point = theta if space is None else space.outside(space.inside(theta))
    if not np.isfinite(problem.criterion(point, "none").value):
        return None
    constraints = problem.constraints
    if space is not None and constraints is None:
        constraints = Constraints(table=problem.table, exo={})
    try:
        return judged_optimum(
            problem.criterion, point, number=number, table=problem.table, constraints=constraints,
            space=space, n=problem.sample.n, steps=MOST_STEPS,
        )  # fmt: skip
    except np.linalg.LinAlgError:  # the search ran into a curvature that is flat to the last digit
        return None


def _from_starts(problem: TwoLevelProblem, starts: list[Array], space: Space | None) -> Search | None:
    attempt = None
    for number, theta in enumerate(starts, start=1):
        attempt = _judge(problem, theta, space, number) or attempt
        if attempt is not None and attempt.proper:
            break
    return attempt


def _starts(levels: Levels, sample: TwoLevelSample) -> Iterator[Array]:
    """Common start vectors from the levels' own; what both share starts at the mean."""
    structures = (build_structure(levels.by_level[0]), build_structure(levels.by_level[1]))
    fill_predictors(levels, structures, sample)
    moments = (sample.start_within, sample.start_between)
    own = [
        list(start_values(table, (structure,), [of])) if table.n_free else [np.zeros(0)]
        for table, structure, of in zip(levels.by_level, structures, moments, strict=True)
    ]
    if not all(own):
        return
    for k in range(max(map(len, own))):
        total, weight = np.zeros(levels.table.n_free), np.zeros(levels.table.n_free)
        for place, starts in zip(levels.places, own, strict=True):
            total[place] += starts[min(k, len(starts) - 1)]
            weight[place] += 1.0
        theta = total / weight
        for row in levels.table.rows:
            if row.free and row.start is not None:
                theta[row.free - 1] = row.start
        yield theta


def _from_unit_variances(problem: TwoLevelProblem, unit: Levels) -> Search | None:
    """Search from the optimum of the same model with unit latent variances; ``None`` without one."""
    other = two_level_problem(unit, problem.sample, problem.criterion_of)
    solved = _from_starts(other, list(_starts(unit, problem.sample)), other.space)
    if solved is None or not solved.proper:
        return None
    values = values_of_rows(unit, solved.optimum.theta)
    theta, at = np.zeros(problem.table.n_free), 0
    for table, of_unit, place in zip(
        problem.levels.by_level, unit.by_level, problem.levels.places, strict=True
    ):
        start = marker_start(table, of_unit, values[at : at + len(of_unit.rows)])
        if start is None:
            return None
        theta[place] = start
        at += len(of_unit.rows)
    return _from_starts(problem, [theta], problem.space)


def between_variances(table: ParameterTable) -> dict[str, int]:
    """Return the free variances of level 2, each with its place in theta."""
    return {
        row.lhs: row.free - 1
        for row in table.rows
        if row.op == "~~" and row.lhs == row.rhs and row.level == 2 and row.free
    }


def _with_bounds(problem: TwoLevelProblem, starts: list[Array]) -> Found | None:
    """The optimum with variances of level 2 at zero or above: those that fall below are held, worst first."""
    variances = between_variances(problem.table)
    held: list[str] = []
    q = problem.table.n_free
    for _ in range(2 * len(variances) + 1):
        space = _holding(problem.space, q, [variances[name] for name in held])
        found = _from_starts(problem, starts, space)
        if found is None:
            return None
        theta, slope = found.optimum.theta, _slope(problem, found.optimum.theta)
        below = {
            n: theta[k] / _size(problem, n) for n, k in variances.items() if n not in held and theta[k] < 0
        }
        inward = [n for n in held if slope[variances[n]] < -AT_ZERO / _size(problem, n)]
        if below:
            held.append(min(below, key=lambda name: below[name]))
        elif found.proper and inward:
            held.remove(inward[0])
        else:
            n_equal = 0 if problem.space is None else found.n_equal - len(held)
            plain = [c for c in found.checks if problem.space is not None or c.name != "constraints"]
            return (
                Found(search=replace(found, n_equal=n_equal, checks=plain), at_zero=tuple(held))
                if (found.proper)
                else None
            )
    return None


def _slope(problem: TwoLevelProblem, theta: Array) -> Array:
    gradient = problem.criterion(theta, "expected").gradient
    if gradient is None:
        raise AssertionError("an optimum has derivatives")
    return gradient


def _size(problem: TwoLevelProblem, name: str) -> float:
    """A variable's variance between clusters, in whose units its residual variance is read."""
    observed = problem.levels.between.observed
    if name not in observed:
        return 1.0
    k = observed.index(name)
    return float(problem.sample.start_between.cov[k, k])


def _holding(space: Space | None, q: int, held: list[int]) -> Space | None:
    """The space in which some parameters are zero as well; ``None`` where all are free."""
    if not held:
        return space
    basis = np.eye(q) if space is None else space.basis
    origin = np.zeros(q) if space is None else space.origin
    rows = basis[held]
    shift = np.linalg.lstsq(rows, -origin[held], rcond=None)[0]
    inner = null_space(rows)
    return Space(
        origin=origin + basis @ shift, basis=basis @ inner, redundant=() if space is None else space.redundant
    )


def with_exact_information(problem: TwoLevelProblem, search: Search) -> Search:
    """Return a search over answers with gaps, judged again by the exact Hessian at its end."""
    optimum = search.optimum
    information = exact_information(problem.criterion, optimum.theta)
    gradient = _slope(problem, optimum.theta)
    K = np.eye(len(gradient)) if search.tangent is None else search.tangent
    reduced, along = K.T @ information @ K, K.T @ gradient
    proper = bool(np.all(np.isfinite(reduced)) and np.linalg.eigvalsh(reduced)[0] > 0)
    decrement = 0.5 * float(along @ np.linalg.solve(reduced, along)) if proper else np.inf
    evaluation = replace(optimum.evaluation, information=information)
    optimum = replace(optimum, evaluation=evaluation, decrement=decrement)
    converged, checks = check.check_convergence(optimum, problem.sample.n)
    kept = [c for c in search.checks if c.name not in ("gradient", "curvature")]
    return replace(search, optimum=optimum, converged=search.converged and converged, checks=[*kept, *checks])
