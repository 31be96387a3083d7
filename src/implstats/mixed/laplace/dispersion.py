"""The negative binomial at its limit: counts that vary no more than Poisson counts.

As theta grows the negative binomial becomes the Poisson, the boundary of the family. A search in log theta
then drifts off without end. If the Poisson model with the same random effects fits no worse, it is the
optimum.
"""

from __future__ import annotations

from dataclasses import replace

from implstats.mixed.laplace.boundary import Optimum, find_optimum
from implstats.mixed.laplace.families import NegativeBinomialLog, PoissonLog
from implstats.mixed.laplace.setup import Task
from implstats.results import Check

LARGE = 6.0  # log theta beyond which the limit is tried
NOT_WORSE = 1e-6  # deviance units


def without_dispersion(task: Task, optimum: Optimum | None) -> tuple[Task, Optimum | None, Optimum | None]:
    """Return the task and optimum to report, and the Poisson optimum if it is the one."""
    problem = task.problem
    if optimum is not None and optimum.verified and problem.split(optimum.search.at.psi)[1][0] < LARGE:
        return task, optimum, None
    if not isinstance(problem.family, NegativeBinomialLog):
        return task, optimum, None
    limit = replace(problem, family=PoissonLog(problem.family.y), n_extra=0)
    plain = task.plain[: problem.p]
    found = find_optimum(limit, plain)
    if found is None or not found.verified:
        return task, optimum, None
    if optimum is not None and optimum.search.at.value < found.search.at.value - NOT_WORSE:
        return task, optimum, None
    return replace(task, problem=limit, plain=plain), found, found


def dispersion_check(poisson: Optimum | None) -> Check:
    """Return whether the counts vary more than Poisson counts."""
    if poisson is None:
        return Check(
            name="dispersion", status="ok",
            message="The counts vary more than Poisson counts with these random effects; theta is finite.",
        )  # fmt: skip
    return Check(
        name="dispersion", status="warn",
        message="The counts vary no more than Poisson counts with these random effects: theta is "
        "infinite, and the estimates are those of family='poisson', which fits no worse.",
    )  # fmt: skip
