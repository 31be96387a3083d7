"""The truth of a synthetic study on the score scale, in the words of the analyses that should find it.

With T waves, the components of two scores x and y are means over pairs of waves:

    S_institution = mean over (t, t') of cov(colleagues)
    S_person      = mean over t != t' of cov(same person) - S_institution
    S_occasion    = mean over t of cov(same occasion) - S_institution - S_person

The slope of y on x that a mixed model with random intercepts finds within institutions weights person and
occasion information by generalised least squares; with residual variance s2 and person variance psi given
x,

    slope = (S_b_xy / (s2 + T psi) + (T - 1) S_o_xy / s2) / (same with xx)      S_b = T S_person + S_occasion

which is solved by iteration, since s2 and psi depend on the slope.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from implstats.simulate.model import Array
from implstats.simulate.planted import STAFF, SUPERVISORS
from implstats.simulate.population import (
    Population,
    item_covariance,
    population_of,
    score_covariance,
    score_mean,
)

ILS = ("ils_proactive", "ils_knowledgeable", "ils_supportive", "ils_perseverant")
LEADERSHIP = ("relation", "task", "change")
PATH_TIME = 3  # the fourth wave, where the study file puts its path model
ITERATIONS = 200


def scores_of(population: Population) -> dict[str, tuple[str, ...]]:
    """Return the scores of a study: one for each measured construct, and the whole ILS."""
    scores: dict[str, tuple[str, ...]] = {c.name: (c.name,) for c in population.model.measured}
    return scores | {"ils": ILS} if "ils_proactive" in scores else scores


def staff_truth(*, years: Sequence[int]) -> dict[str, Any]:
    """Return the truth of the staff waves: scales, contextual effect, path, factor correlations (JSON)."""
    population = population_of(STAFF)
    times = [float(k) for k in range(len(years))]
    path_time = times[min(PATH_TIME, len(times) - 1)]
    total = population.sharing["occasion"]
    scales = {
        name: describe_score(population, parts, years=years, times=times)
        for name, parts in scores_of(population).items()
    }
    return {
        "scales": scales,
        "contextual": contextual_slopes(population, outcome="goal_directed", predictor="task", times=times),
        "path": path_coefficients(population, time=path_time) | {"year": int(years[int(path_time)])},
        "factor_correlations": {
            f"{a} ~~ {b}": _correlation(total, STAFF.index(a), STAFF.index(b))
            for k, a in enumerate(LEADERSHIP)
            for b in LEADERSHIP[k + 1 :]
        },
    }


def supervisor_truth() -> dict[str, Any]:
    """Return the truth of the supervisor questionnaire: scales, regressions of competence (JSON)."""
    population = population_of(SUPERVISORS)
    wanted = {
        "v_declarative": ["v_structure"],
        "v_procedural": ["v_observation", "v_feedback", "v_dose"],
        "v_meta": ["v_feedback"],
    }
    return {
        "scales": {
            name: {
                "mean": score_mean(population, parts, time=0.0),
                "sd": _variance(population, parts, 0.0) ** 0.5,
                "alpha": cronbach_alpha(population, parts, time=0.0),
            }
            for name, parts in scores_of(population).items()
        },
        "regressions": {y: regression(population, y, x, time=0.0) for y, x in wanted.items()},
    }


def describe_score(
    population: Population, parts: Sequence[str], *, years: Sequence[int], times: Sequence[float]
) -> dict[str, Any]:
    """Return mean, SD and alpha by year, growth a year and variance components of one score."""
    means = [score_mean(population, parts, time=t) for t in times]
    institution, person, residual = components(population, parts, parts, times=times)
    total = institution + person + residual
    repeated = len(times) > 1
    return {
        "mean": dict(zip(map(str, years), means, strict=True)),
        "sd": {str(y): _variance(population, parts, t) ** 0.5 for y, t in zip(years, times, strict=True)},
        "alpha": {
            str(y): cronbach_alpha(population, parts, time=t) for y, t in zip(years, times, strict=True)
        },
        "growth_per_year": float(np.polyfit(times, means, 1)[0]) if repeated else None,
        "variance": {
            "institution": institution,
            "person": person if repeated else None,
            "residual": residual,
        },
        "icc": {"institution": institution / total, "person": person / total if repeated else None},
    }


def cronbach_alpha(population: Population, parts: Sequence[str], *, time: float) -> float:
    """Return alpha of the items of a score at a time, from their population covariances."""
    rows = [
        np.hstack([item_covariance(population, a, b, times=(time, time), sharing="occasion") for b in parts])
        for a in parts
    ]
    covariance = np.vstack(rows)
    items = len(covariance)
    return float(items / (items - 1) * (1 - np.trace(covariance) / covariance.sum()))


def components(
    population: Population, one: Sequence[str], other: Sequence[str], *, times: Sequence[float]
) -> tuple[float, float, float]:
    """Return the institution, person and occasion components of the covariance of two scores.

    With a single wave, person and occasion cannot be told apart and stand together as occasion.
    """

    def mean_over(pairs: list[tuple[float, float]], sharing: str) -> float:
        found = [score_covariance(population, one, other, times=pair, sharing=sharing) for pair in pairs]
        return float(np.mean(found))

    crossed = [(t, s) for t in times for s in times]
    institution = mean_over(crossed, "colleagues")
    total = mean_over([(t, t) for t in times], "occasion")
    apart = [(t, s) for t, s in crossed if t != s]
    person = mean_over(apart, "person") - institution if apart else 0.0
    return institution, person, total - institution - person


def contextual_slopes(
    population: Population, *, outcome: str, predictor: str, times: Sequence[float]
) -> dict[str, Any]:
    """Return the slopes of a score on another at every level, and those a contextual model finds.

    ``between`` is the slope of institution means for institutions of unlimited size; ``within`` the
    generalised least squares slope inside institutions when everybody answers every wave.
    """
    xx = components(population, [predictor], [predictor], times=times)
    xy = components(population, [predictor], [outcome], times=times)
    yy = components(population, [outcome], [outcome], times=times)
    within = _gls_slope(xx[1:], xy[1:], yy[1:], waves=len(times))
    between = xy[0] / xx[0]
    return {
        "outcome": outcome, "predictor": predictor, "between": between, "within": within,
        "contextual": between - within,
        "person_level": xy[1] / xx[1] if len(times) > 1 else None, "occasion_level": xy[2] / xx[2],
    }  # fmt: skip


def _gls_slope(xx: tuple[float, ...], xy: tuple[float, ...], yy: tuple[float, ...], *, waves: int) -> float:
    between = waves * np.array([xx[0], xy[0], yy[0]]) + np.array([xx[1], xy[1], yy[1]])
    inside = np.array([xx[1], xy[1], yy[1]])
    slope = float((xy[0] + xy[1]) / (xx[0] + xx[1]))
    for _ in range(ITERATIONS):
        quadratic = np.array([slope**2, -2 * slope, 1.0])
        residual, of_means = float(quadratic @ inside), float(quadratic @ between)
        weights = between / of_means + (waves - 1) * inside / residual
        slope = float(weights[1] / weights[0])
    return slope


def path_coefficients(population: Population, *, time: float) -> dict[str, float]:
    """Return a, b, c and the indirect effect of supervision hours on goal-directed behaviour, score scale."""
    first = regression(population, "procedural", ["dose"], time=time)
    second = regression(population, "goal_directed", ["procedural", "dose"], time=time)
    a, b = first["dose"], second["procedural"]
    return {"a": a, "b": b, "c": second["dose"], "indirect": a * b}


def regression(
    population: Population, outcome: str, predictors: Sequence[str], *, time: float
) -> dict[str, float]:
    """Return the population regression of one score on others at one time, ignoring institutions."""
    now = (time, time)

    def cov(a: str, b: str) -> float:
        return score_covariance(population, [a], [b], times=now, sharing="occasion")

    xx = np.array([[cov(a, b) for b in predictors] for a in predictors])
    xy = np.array([cov(a, outcome) for a in predictors])
    return dict(zip(predictors, map(float, np.linalg.solve(xx, xy)), strict=True))


def _variance(population: Population, parts: Sequence[str], time: float) -> float:
    return score_covariance(population, parts, parts, times=(time, time), sharing="occasion")


def _correlation(covariance: Array, a: int, b: int) -> float:
    return float(covariance[a, b] / np.sqrt(covariance[a, a] * covariance[b, b]))
