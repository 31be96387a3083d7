"""Fitting a model with a residual structure: the order of the steps.

design -> the person as lowest level, waves -> safe coordinates -> rows at their waves, pooled by pattern ->
optimum from several starts, verified -> covariance and df -> records in the outcome's own unit.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from implstats.mixed.checks import boundary_check, data_checks, identified_check, optimum_check
from implstats.mixed.design.build import Design
from implstats.mixed.design.formula import Formula
from implstats.mixed.design.standardise import Standardised, standardise
from implstats.mixed.fitted import Fitted
from implstats.mixed.gaussian.boundary import Optimum, find_optimum
from implstats.mixed.gaussian.covariance import LevelShape
from implstats.mixed.gaussian.modes import conditional_modes
from implstats.mixed.gaussian.optimise import minimise, start
from implstats.mixed.gaussian.records import counts, failed, optimiser, random_effects
from implstats.mixed.inference.coefficients import infer, t_tests
from implstats.mixed.residual.criterion import ResidualProblem, distinct_parameters, with_linear_parts
from implstats.mixed.residual.eliminate import Patterns
from implstats.mixed.residual.patterns import Persons, place, pool_persons
from implstats.mixed.residual.persons import Waves, refuse_unidentified, with_persons
from implstats.mixed.residual.refusal import NoSums
from implstats.mixed.residual.result import ResidualResult, relative_covariance, residual_result
from implstats.mixed.residual.shape import ResidualShape
from implstats.mixed.residual.structure import Structure
from implstats.mixed.residual.term import ResidualTerm
from implstats.mixed.results import LevelModes, MixedResult
from implstats.results import Check, verdict_of

if TYPE_CHECKING:
    import pandas as pd

# Relative SDs of the random effects, rho: an intercept and an AR(1) compete, so their criterion often has two
# minima; and where no waves are neighbours, rho = 0 (the plain start) is stationary whatever the data.
STARTS = ((0.7, 0.5), (0.1, 0.7), (1.5, -0.2))
ANOTHER_START = (2.0, 0.3)
NEARLY_SINGULAR = 1e-6  # smallest eigenvalue of the residuals' correlation matrix
FAR_APART = 1e3  # largest over smallest residual SD
SMALL_LEAD = 100.0  # variance ratio to the leading wave beyond which another wave should lead
SAME_CRITERION = 1e-6


def fit_residual(
    read: Formula, design: Design, data: pd.DataFrame, term: ResidualTerm, *, reml: bool, df: str,
    ci_level: float, second_opinion: bool,
) -> MixedResult:  # fmt: skip
    """Return the fit of a design with a residual structure; options as in :func:`implstats.mixed.fit`."""
    design, waves = with_persons(design, data, term)
    scaled = standardise(design)
    persons, problem, optimum = _search(design, scaled, waves, term, reml=reml)
    checks = [*_optimum_checks(optimum, design, scaled), *data_checks(design, scaled)]
    if optimum is not None and not optimum.verified:
        checks.append(_why_failed(term, persons))
    if optimum is None or not optimum.verified:
        return failed(read.text, design, scaled, reml=reml, ci_level=ci_level, checks=checks)
    at = optimum.search.at
    structure = residual_result(
        problem, at, text=term.text, wave=term.wave, person=design.levels[0].clusters.name,
        labels=waves.labels, n_obs=tuple(int(v) for v in np.bincount(waves.codes)), scale=scaled.scale,
        ci_level=ci_level,
    )  # fmt: skip
    edge = _residual_check(structure)
    boundary = bool(optimum.boundary) or edge.status != "ok"
    if boundary and not optimum.boundary:
        checks = [check for check in checks if check.name != "boundary"]
    inference = infer(problem, at, design, scaled, df=df, boundary=boundary)
    terms = tuple(design.names[j] for j in scaled.kept)
    fixed = t_tests(terms, scaled.M @ (scaled.scale * at.beta + scaled.shift), inference, ci_level=ci_level)
    checks += [inference.check, edge]
    if second_opinion:
        checks.append(_another_start(problem, optimum))
    criterion = at.value + (scaled.constant_reml if reml else scaled.constant_ml)
    k = len(terms) + problem.shape.size + 1
    return MixedResult(
        verdict=verdict_of(checks), converged=True, admissible=bool(np.isfinite(criterion)),
        boundary=boundary, reason="", n_obs=len(design.y), n_clusters=counts(design),
        log_likelihood=-0.5 * criterion, criterion=criterion, aic=criterion + 2.0 * k,
        bic=criterion + k * float(np.log(len(design.y))), fixed=fixed, model_based=fixed,
        random=random_effects(design, scaled, optimum, at.sigma2 * scaled.scale**2),
        residual_variance=None if term.kind == "un" else float(structure.covariance[0, 0]),
        residual=structure, checks=tuple(checks),
        formula=read.text, reml=reml, n_dropped=design.n_dropped, missing=dict(design.missing),
        optimiser=optimiser(optimum), covariance=inference.covariance, terms=terms,
        modes=_modes(problem, persons, design, scaled, optimum, data), ci_level=ci_level,
        model=Fitted(
            formula=read, frame=data, design=design, scaled=scaled, sums=NoSums(term.text), problem=problem,
            optimum=optimum, df=df, residual=term,
        ),
    )  # fmt: skip


def _search(
    design: Design, scaled: Standardised, waves: Waves, term: ResidualTerm, *, reml: bool
) -> tuple[Persons, ResidualProblem, Optimum | None]:
    """Return rows, problem and optimum, led by a wave whose residual variance is not small.

    A leading wave whose variance goes to zero would send all other parameters to infinity; then the search is
    made once more with the wave that had the largest.
    """
    starts = STARTS if term.kind in ("ar1", "ar1ident") else ()
    lead = 0 if term.kind == "ar1" else _widest_wave(waves, scaled.y)
    for _ in range(2):
        led = waves.led_by(lead)
        persons, problem = set_up_residual(design, scaled, led, term, reml=reml)
        wanted, found = distinct_parameters(problem)
        refuse_unidentified(term, design.levels, problem.shape.structure, wanted=wanted, found=found)
        optimum = find_optimum(problem, also=[start_at(problem, *where) for where in starts])
        if optimum is None:
            break
        variances = np.diag(relative_covariance(problem, optimum.search.at))
        if variances.max() <= SMALL_LEAD:
            break
        lead = waves.labels.index(led.labels[int(np.argmax(variances))])
    return persons, problem, _with_linear_parts(problem, optimum)


def _widest_wave(waves: Waves, y: np.ndarray) -> int:
    """Return the wave at which y, free of the predictors, varies most."""
    count = np.bincount(waves.codes)
    mean = np.bincount(waves.codes, weights=y) / count
    spread = np.bincount(waves.codes, weights=(y - mean[waves.codes]) ** 2) / count
    return int(np.argmax(spread))


def set_up_residual(
    design: Design, scaled: Standardised, waves: Waves, term: ResidualTerm, *, reml: bool
) -> tuple[Persons, ResidualProblem]:
    """Return the rows of each person at their waves and the function to minimise."""
    persons = place(
        scaled.Z, scaled.Q, scaled.y, person=design.levels[0].clusters.codes, wave=waves.codes,
        width=len(waves.labels),
    )  # fmt: skip
    above = design.levels[1:]
    moments = pool_persons(
        persons, sizes=[level.clusters.size for level in above], p=scaled.Q.shape[1],
        effects=[len(level.names) for level in above], parents=design.parents,
    )  # fmt: skip
    shape = ResidualShape(
        levels=tuple(LevelShape(q=len(level.names), blocks=level.blocks) for level in design.levels),
        structure=Structure(kind=term.kind, waves=waves.numbers),
    )
    patterns = Patterns(present=persons.present[persons.first], Z=persons.Z[persons.first])
    return persons, ResidualProblem(moments=moments, shape=shape, reml=reml, patterns=patterns)


def _with_linear_parts(problem: ResidualProblem, optimum: Optimum | None) -> Optimum | None:
    if optimum is None:
        return None
    search = replace(optimum.search, at=with_linear_parts(problem, optimum.search.at))
    return replace(optimum, search=search)


def start_at(problem: ResidualProblem, size: float, rho: float) -> np.ndarray:
    """Return theta with relative SDs ``size``, uncorrelated, and correlation ``rho`` between neighbours."""
    theta = start(problem.shape, size)
    theta[problem.shape.residual] = problem.shape.structure.start(rho)
    return theta


def _optimum_checks(optimum: Optimum | None, design: Design, scaled: Standardised) -> list[Check]:
    if optimum is None:
        message = (
            "The likelihood could not be computed at any start, so no estimate is given. Take a simpler "
            "residual structure."
        )
        return [Check(name="optimum", status="fail", message=message)]
    checks = [optimum_check(optimum)]
    if not optimum.verified:
        return checks
    return [*checks, boundary_check(optimum, design, scaled), identified_check(optimum)]


def _why_failed(term: ResidualTerm, persons: Persons) -> Check:
    """Return what most often leaves a residual structure without an optimum."""
    complete, waves = int(persons.present.all(axis=1).sum()), persons.present.shape[1]
    if term.kind == "un":
        why = (
            f"{complete} of {len(persons.present)} persons have all {waves} waves. With few of them the "
            "likelihood of un can rise without end towards a singular covariance matrix. Use ar1ident."
        )
    else:
        why = "The structure may hold more than these waves can tell apart. Take a simpler one."
    return Check(name="residual", status="fail", message=why)


def _residual_check(structure: ResidualResult) -> Check:
    """Return whether the residuals' correlation matrix is far from singular."""
    smallest = float(np.linalg.eigvalsh(structure.correlation)[0])
    narrow = [
        w for w, sd in zip(structure.waves, structure.sd, strict=True) if sd * FAR_APART < max(structure.sd)
    ]
    if smallest > NEARLY_SINGULAR and not narrow:
        return Check(
            name="residual", status="ok",
            message=f"The residuals of {structure.text} vary at every wave and are not collinear over waves.",
        )  # fmt: skip
    found = (
        f"The residual variance at {structure.wave} {', '.join(narrow)} is estimated as zero"
        if narrow else f"The residuals of {structure.text} are estimated as collinear over waves"
    )  # fmt: skip
    return Check(
        name="residual", status="warn",
        message=f"{found}: the structure and the random effects hold more than these waves can tell apart. "
        "The fixed effects hold; take a simpler structure or drop a random slope.",
    )  # fmt: skip


def _another_start(problem: ResidualProblem, optimum: Optimum) -> Check:
    other = minimise(problem, start_at(problem, *ANOTHER_START))
    if other is None:
        return Check(name="second_opinion", status="info", message="No other start was possible.")
    difference = other.at.value - optimum.search.at.value
    if abs(difference) <= SAME_CRITERION:
        message = "statsmodels has no such model; a search from another start reached the same optimum."
        return Check(name="second_opinion", status="ok", message=message)
    if difference > 0.0:
        message = (
            "statsmodels has no such model; a search from another start ended at a second, worse optimum, "
            f"{difference:.4f} above ours."
        )
        return Check(name="second_opinion", status="ok", message=message)
    return Check(
        name="second_opinion", status="warn",
        message=f"A search from another start found a criterion {-difference:.6f} below ours.",
    )  # fmt: skip


def _modes(
    problem: ResidualProblem, persons: Persons, design: Design, scaled: Standardised, optimum: Optimum,
    data: pd.DataFrame,
) -> tuple[LevelModes, ...]:  # fmt: skip
    """Return the modes: u of a person is G Z'V^-1 (y - X b - upper levels), K being G Z'V^-1 here."""
    at = optimum.search.at
    minus_w = at.parts.K[0]
    own = -at.G[0] @ np.swapaxes(problem.patterns.Z, 1, 2) @ minus_w
    shown = replace(at, parts=replace(at.parts, K=(own, *at.parts.K[1:])))
    found = conditional_modes(shown, persons.rows, persons.pattern, design.parents)
    return tuple(
        LevelModes(
            cluster=part.clusters.name,
            ids={c: data[c].to_numpy()[design.rows[part.clusters.first]] for c in part.clusters.columns},
            terms=part.names, values=scaled.scale * u @ B.T,
        )
        for part, u, B in zip(design.levels, found, scaled.B, strict=True)
        if part.names
    )  # fmt: skip
