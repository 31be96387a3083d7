"""Fitting a generalised or ordinal model: the order of the steps, and nothing else.

outcome -> design -> safe coordinates -> fit without random effects (start, separation) -> optimum, verified
-> covariance of all parameters -> records.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from implstats.mixed.checks import boundary_check, data_checks
from implstats.mixed.design.bearable import refuse_unbearable
from implstats.mixed.design.build import Design
from implstats.mixed.design.formula import Formula
from implstats.mixed.gaussian.records import counts, failed
from implstats.mixed.laplace.boundary import Optimum, find_optimum
from implstats.mixed.laplace.checks import (
    WIDE,
    identified_check,
    integration_check,
    optimum_check,
    second_opinion_check,
    wide_check,
)
from implstats.mixed.laplace.cumulative import Cumulative
from implstats.mixed.laplace.dispersion import dispersion_check, without_dispersion
from implstats.mixed.laplace.families import BinomialLogit, BinomialProbit
from implstats.mixed.laplace.generalised import Generalised
from implstats.mixed.laplace.inference import parameter_covariance, wald_check, z_tests
from implstats.mixed.laplace.options import LINKS
from implstats.mixed.laplace.records import modes, optimiser, random_effects
from implstats.mixed.laplace.setup import Task, set_up
from implstats.mixed.results import MixedResult, RandomEffect
from implstats.results import Check, verdict_of

if TYPE_CHECKING:
    import pandas as pd


def fit_generalised(
    read: Formula, data: pd.DataFrame, *, family: str, link: str | None, agq: int, weights: str | None,
    df: str, ci_level: float, few_clusters: str, second_opinion: bool,
) -> MixedResult:  # fmt: skip
    """Return the fit of a generalised or ordinal model; options as in :func:`implstats.mixed.fit`."""
    link = link or LINKS[family][0]
    task = set_up(read, data, family=family, link=link, agq=agq, weights=weights)
    refuse_unbearable(_with_answers(task), text=read.text, few_clusters=few_clusters)
    optimum = find_optimum(task.problem, task.plain)
    poisson = None
    if family == "nbinom":
        task, optimum, poisson = without_dispersion(task, optimum)
    checks = [optimum_check(optimum), *data_checks(task.design, task.scaled), *_outcome_checks(task, family)]
    covariance = None
    if optimum is not None and optimum.verified:
        covariance = parameter_covariance(optimum)
        checks.append(identified_check(covariance))
    if optimum is None or covariance is None:
        nothing = failed(read.text, task.design, task.scaled, reml=False, ci_level=ci_level, checks=checks)
        terms = _back(task, family)[0]
        fixed = tuple(replace(nothing.fixed[0], term=term) for term in terms) if nothing.fixed else ()
        return replace(nothing, family=family, link=link, agq=agq, terms=terms, fixed=fixed)
    checks.insert(1, boundary_check(cast(Any, optimum), task.design, task.scaled))
    checks.append(integration_check(task.problem, optimum, covariance))
    checks += [] if family != "nbinom" else [dispersion_check(poisson)]
    if second_opinion:
        checks.append(second_opinion_check(task.problem, optimum, task.plain))
    return _result(
        task, optimum, covariance, checks, read=read, data=data, family=family, link=link, agq=agq,
        tests=df != "none", ci_level=ci_level, at_limit=poisson is not None,
    )  # fmt: skip


def _with_answers(task: Task) -> Design:
    """Return the design with what may not be the same in all rows of a cluster.

    These are single answers: if every cluster gave one throughout, the variance between clusters would have
    no bound. Counts and several trials have a variance of their own within clusters, so rows stand for them.
    """
    family = task.problem.family
    single = isinstance(family, Cumulative) or (
        isinstance(family, BinomialLogit | BinomialProbit)
        and bool(np.all((family.y == 0.0) | (family.y == family.m)))
    )
    shares = task.outcome.shown[task.design.rows]
    answers = shares if single else np.arange(len(task.y), dtype=float)
    return replace(task.design, y=answers)


def _result(
    task: Task, optimum: Optimum, covariance: np.ndarray, checks: list[Check], *, read: Formula,
    data: pd.DataFrame, family: str, link: str, agq: int, tests: bool, ci_level: float, at_limit: bool,
) -> MixedResult:  # fmt: skip
    design, scaled, problem, at = task.design, task.scaled, task.problem, optimum.search.at
    terms, back = _back(task, family)
    shown = len(terms)
    estimates = back @ at.psi[: back.shape[1]]
    own = back @ covariance[: back.shape[1], : back.shape[1]] @ back.T
    fixed = z_tests(terms, estimates, own, ci_level=ci_level, tests=tests)
    random = random_effects(design, scaled, at.G)
    checks += [
        *wide_check(*_wide(random, family)),
        wald_check(design, scaled.kept, tests=tests, thresholds=family == "ordinal"),
    ]
    k = problem.p + problem.n_extra + problem.shape.size + int(at_limit)
    n = len(design.y)
    dispersion = float(np.exp(problem.split(at.psi)[1][0])) if family == "nbinom" and not at_limit else None
    return MixedResult(
        verdict=verdict_of(checks), converged=True, admissible=bool(np.isfinite(at.value)),
        boundary=bool(optimum.boundary) or at_limit, reason="", n_obs=n, n_clusters=counts(design),
        log_likelihood=-0.5 * at.value, criterion=at.value, aic=at.value + 2.0 * k,
        bic=at.value + k * float(np.log(n)), fixed=fixed, model_based=fixed, random=random,
        residual_variance=None, checks=tuple(checks), formula=read.text, reml=False,
        n_dropped=design.n_dropped, missing=dict(design.missing), optimiser=optimiser(optimum),
        covariance=own[:shown, :shown], terms=terms,
        modes=modes(design, scaled, problem.nested, optimum, data), ci_level=ci_level, family=family,
        link=link, agq=agq, dispersion=dispersion,
        generalised=Generalised(
            formula=read, frame=data, outcome=task.outcome, levels=task.levels, design=design, scaled=scaled,
            shift=task.shift, problem=problem, optimum=optimum, covariance=covariance,
        ),
    )  # fmt: skip


def _back(task: Task, family: str) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the terms and the matrix that takes the fit's parameters to them; thresholds come first."""
    M, names = task.scaled.M, tuple(task.design.names[j] for j in task.scaled.kept)
    if family != "ordinal":
        return names, M
    edges = tuple(f"{a}|{b}" for a, b in zip(task.levels[:-1], task.levels[1:], strict=True))
    E, p = len(edges), len(names)
    back = np.zeros((E + p, p + E))
    back[:E, :p], back[:E, p:] = task.shift, np.eye(E)
    back[E:, :p] = M
    return (*edges, *names), back


def _wide(random: tuple[RandomEffect, ...], family: str) -> tuple[list[str], float]:
    if family not in ("binomial", "ordinal"):
        return [], 0.0
    wide = [r for r in random if r.sd is not None and r.term == "(Intercept)" and r.sd > WIDE]
    return [f"{r.term} between {r.cluster}" for r in wide], max(
        (float(r.sd or 0.0) for r in wide), default=0.0
    )


def _outcome_checks(task: Task, family: str) -> list[Check]:
    """Return what was understood of the outcome."""
    outcome = task.outcome
    if family == "ordinal":
        unused = [level for level in outcome.levels if level not in task.levels]
        order = ", ".join(task.levels)
        if unused:
            return [
                Check(
                    name="outcome", status="warn",
                    message=f"The categories in order are {order}. No row in use has {', '.join(unused)}, "
                    "so there is no threshold for it; its neighbours are taken as adjacent.",
                )
            ]  # fmt: skip
        return [Check(name="outcome", status="ok", message=f"The categories in order are {order}.")]
    if family == "binomial" and outcome.levels:
        message = f"The event is {outcome.levels[1]}, the second category of '{outcome.name}'."
        return [Check(name="outcome", status="ok", message=message)]
    if family == "binomial":
        single = outcome.trials is None or bool(np.nanmax(outcome.trials) <= 1.0)
        message = f"The event is {outcome.name} = 1." if single else (
            f"'{outcome.name}' was read as successes among trials; the event is a success."
        )  # fmt: skip
        return [Check(name="outcome", status="ok", message=message)]
    return []
