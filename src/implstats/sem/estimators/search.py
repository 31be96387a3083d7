"""From a problem to a judged optimum: starts, the search within the constraints, and a stand-by start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from implstats.results import Check
from implstats.sem import checks as check
from implstats.sem.data.groups import GroupedSample
from implstats.sem.estimators.bounds import refuse_contradictory_bounds
from implstats.sem.estimators.constrained import ConstrainedOptimum, System, minimise_constrained
from implstats.sem.estimators.constraints import Constraints, Space, linear_space
from implstats.sem.estimators.criterion import criterion_of
from implstats.sem.estimators.least_squares import derived_values
from implstats.sem.estimators.ml import Curvature, Evaluation
from implstats.sem.estimators.optimise import MAX_ITERATIONS, Criterion, Optimum, minimise
from implstats.sem.language.constraints import Constraint
from implstats.sem.language.syntax import ModelText, ModelTextError
from implstats.sem.language.table import ParameterTable, build_table
from implstats.sem.model.matrices import Structure, build_structures, fill_sample_moments
from implstats.sem.model.moments import implied_moments
from implstats.sem.model.rescale import marker_start
from implstats.sem.model.standardise import row_values
from implstats.sem.model.starts import start_values
from implstats.sem.options import Options

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A model and the sample that it is fitted to.

    Attributes
    ----------
    text : ModelText
    table : ParameterTable
    structures : tuple of Structure
        One a group.
    sample : GroupedSample
    options : Options
    constraints : Constraints or None
        ``None`` without constraints.
    space : Space or None
        Where the linear equalities let theta move; ``None`` without constraints.
    """

    text: ModelText
    table: ParameterTable
    structures: tuple[Structure, ...]
    sample: GroupedSample
    options: Options
    constraints: Constraints | None
    space: Space | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """An optimum with what is needed to judge it.

    Attributes
    ----------
    optimum : Optimum
        In theta, its gradient and decrement within the constraints.
    information : ndarray, shape (q, q)
        Expected information of one person.
    tangent : ndarray, shape (q, r), or None
        Directions that the constraints leave.
    n_equal : int
        Independent equality constraints.
    smallest : float
        Smallest eigenvalue of the scaled information within the constraints.
    unidentified : list of str
    start : int
    converged : bool
    checks : list of Check
    """

    optimum: Optimum
    information: Array
    tangent: Array | None
    n_equal: int
    smallest: float
    unidentified: list[str]
    start: int
    converged: bool
    checks: list[Check]

    @property
    def proper(self) -> bool:
        """Whether this is a flat, curved and identified optimum."""
        return self.converged and not self.unidentified


def build_problem(text: ModelText, table: ParameterTable, sample: GroupedSample, options: Options) -> Problem:
    """Return the problem, with the sample moments of exogenous variables in the matrices.

    Raises
    ------
    ModelTextError
        Constraints that contradict each other.
    """
    structures = build_structures(table)
    for structure, group in zip(structures, sample.groups, strict=True):
        fill_sample_moments(structure, group.moments.cov, group.moments.mean)
    constraints, space = None, None
    if table.constraints:
        values = row_values(table, structures, np.zeros(table.n_free))
        pairs = zip(table.rows, values, strict=True)
        exo = {row.label: value for row, value in pairs if row.exo and row.label}
        constraints = Constraints(table=table, exo=exo)
        space = linear_space(constraints)
        refuse_contradictory_bounds(constraints, space)
    return Problem(
        text=text,
        table=table,
        structures=structures,
        sample=sample,
        options=options,
        constraints=constraints,
        space=space,
    )


def search_optimum(
    problem: Problem, *, start: Array | None = None, steps: int = MAX_ITERATIONS
) -> Search | None:
    """Return the judged optimum of a problem, ``None`` where no start gives a proper covariance matrix.

    Parameters
    ----------
    start : ndarray, shape (q,), optional
        Tried before the model's own starts.
    steps : int
        Most steps from each start.
    """
    found = None if start is None else search_from(problem, [start], steps=steps)
    if found is None or not found.proper:
        found = search_from(problem, None, steps=steps) or found
    options = problem.options
    standby = options.automatic and not options.std_lv and not problem.table.constraints
    if standby and (found is None or not found.proper):
        found = _from_unit_variances(problem, steps) or found
    return found


def search_from(
    problem: Problem, starts: Sequence[Array] | None, *, steps: int = MAX_ITERATIONS
) -> Search | None:
    """Search from each start until one leads to a proper optimum; else return the last attempt."""
    criterion = criterion_of(problem.structures, problem.sample)
    samples = [group.moments for group in problem.sample.groups]
    points = start_values(problem.table, problem.structures, samples) if starts is None else iter(starts)
    points = (with_sample_thresholds(problem, point) for point in points) if starts is None else points
    attempt = None
    for number, theta in enumerate(points, start=1):
        point = theta if problem.space is None else problem.space.outside(problem.space.inside(theta))
        if np.isfinite(criterion(point, "none").value):
            attempt = _judged(problem, criterion, point, number, steps)
            if attempt.proper:
                break
    return attempt


def unidentified_at_start(problem: Problem) -> list[str]:
    """Return the parameters that the information at the start cannot tell apart; none without a start."""
    criterion = criterion_of(problem.structures, problem.sample)
    samples = [group.moments for group in problem.sample.groups]
    tangent = None if problem.space is None else problem.space.basis
    for theta in start_values(problem.table, problem.structures, samples):
        information = criterion(with_sample_thresholds(problem, theta), "expected").information
        if information is not None:
            return check.information_rank(information, problem.table.free_names(), tangent)[1]
    return []


def with_sample_thresholds(problem: Problem, theta: Array) -> Array:
    """Return a start vector with free thresholds of ordered items at their sample values, scales at one."""
    moved = theta.copy()
    groups = zip(problem.structures, problem.sample.groups, strict=True)
    for number, (structure, sample) in enumerate(groups, start=1):
        ls = sample.least_squares
        if ls is None:
            return theta
        sample_values = dict(zip(ls.tau.tolist(), ls.statistics.tolist(), strict=False))
        for row in problem.table.of_group(number):
            if row.op == "|" and row.free and row.start is None:
                moved[row.free - 1] = sample_values[structure.place[id(row)][1]]
            elif row.op == "~*~" and row.free and row.start is None:
                moved[row.free - 1] = 1.0
    return moved


def with_derived(problem: Problem, optimum: Optimum) -> Optimum:
    """Return a least-squares optimum with the model's whole moments, and fill in what follows from it."""
    blocks = []
    groups = zip(problem.structures, problem.sample.groups, optimum.evaluation.blocks, strict=True)
    for structure, sample, block in groups:
        if sample.least_squares is None:
            return optimum
        derived_values(structure, sample.least_squares, optimum.theta)
        blocks.append(replace(block, moments=implied_moments(structure, optimum.theta)))
    return replace(optimum, evaluation=replace(optimum.evaluation, blocks=tuple(blocks)))


def _from_unit_variances(problem: Problem, steps: int) -> Search | None:
    """Search from the optimum of the same model with unit latent variances; ``None`` if improper."""
    try:
        options = replace(problem.options, std_lv=True)
        table = build_table(problem.text, options, groups=problem.table.groups)
    except ModelTextError:  # the labels or fixed values of the model contradict unit variances
        return None
    if table.n_free != problem.table.n_free:
        return None
    unit = build_problem(problem.text, table, problem.sample, options)
    solved = search_from(unit, None, steps=steps)
    if solved is None or not solved.proper:
        return None
    values = row_values(table, unit.structures, solved.optimum.theta)
    start = marker_start(problem.table, table, values)
    found = None if start is None else search_from(problem, [start], steps=steps)
    return replace(found, start=0) if found is not None and found.proper else None


def within(criterion: Criterion, space: Space) -> Criterion:
    """Return the criterion as a function of u."""
    Z = space.basis

    def reduced(u: Array, curvature: Curvature) -> Evaluation:
        full = criterion(space.outside(u), curvature)
        if full.gradient is None or full.information is None:
            return full
        return replace(full, gradient=Z.T @ full.gradient, information=Z.T @ full.information @ Z)

    return reduced


def _constrained(
    criterion: Criterion, constraints: Constraints, space: Space, theta: Array, steps: int
) -> tuple[ConstrainedOptimum, list[Constraint]]:
    curved = constraints.of(equality=True, linear=False)
    bounds = constraints.of(equality=False)

    def system_of(which: list[Constraint]) -> System:
        def system(u: Array) -> tuple[Array, Array]:
            c, C = constraints.evaluate(which, space.outside(u))
            return c, C @ space.basis

        return system

    found = minimise_constrained(
        within(criterion, space), system_of(curved), system_of(bounds), space.inside(theta), steps=steps
    )
    return found, bounds


def _judged(problem: Problem, criterion: Criterion, theta: Array, number: int, steps: int) -> Search:
    return judged_optimum(
        criterion, theta, number=number, table=problem.table, constraints=problem.constraints,
        space=problem.space, n=problem.sample.n, steps=steps,
    )  # fmt: skip


def judged_optimum(
    criterion: Criterion,
    theta: Array,
    *,
    number: int,
    table: ParameterTable,
    constraints: Constraints | None,
    space: Space | None,
    n: int,
    steps: int = MAX_ITERATIONS,
) -> Search:
    """Return the optimum reached from theta, where F is finite, within the constraints, and judge it."""
    tangent, n_equal, extra = None, 0, []
    if constraints is None or space is None:
        optimum = minimise(criterion, theta, max_iterations=steps)
    else:
        found, bounds = _constrained(criterion, constraints, space, theta, steps)
        tangent = space.basis @ found.tangent
        tangent[np.abs(tangent) < 1e-13] = 0.0
        n_equal = table.n_free - space.basis.shape[1] + found.rank
        at = space.outside(found.optimum.theta)
        optimum = replace(found.optimum, theta=at, evaluation=criterion(at, "observed"))
        extra = check.check_constraints(
            departure=found.departure,
            n_equal=n_equal,
            n_asked=sum(c.equality for c in table.constraints),
            redundant=space.redundant,
            active=[bounds[k].text for k in found.active],
        )
    information = criterion(optimum.theta, "expected").information
    if information is None:
        raise AssertionError("the search ended where Sigma is not positive definite")
    smallest, unidentified = check.information_rank(information, table.free_names(), tangent)
    converged, checks = check.check_convergence(optimum, n)
    if unidentified:
        # A flat direction spoils the curvature too; the reason is identification, so that is what is said.
        checks = []
    return Search(
        optimum=optimum,
        information=information,
        tangent=tangent,
        n_equal=n_equal,
        smallest=smallest,
        unidentified=unidentified,
        start=number,
        converged=converged and not any(c.status == "fail" for c in extra),
        checks=[check.check_identified(unidentified), *checks, *extra],
    )
