"""Population values of scores, exactly, from the planted model: no simulation, so no Monte Carlo error.

An answer is a step function of a normal variable, ``y = minimum + sum_c 1(Z > tau_c)``, with thresholds
``tau_c = (c - 1/2 - mean) / S``. With the normalised Hermite polynomials h_m its expansion has the
coefficients

    g_m = sum_c phi(tau_c) h_{m-1}(tau_c) / sqrt(m)          m = 1, 2, ...

and two answers whose continuous versions correlate rho have the covariance ``sum_m g_m g'_m rho^m``
(Mehler's formula; Cramer 1946, Mathematical Methods of Statistics, 12.6 and 21.12). rho follows from the
covariance of the true scores: institution part for two colleagues, institution and person part for one
person at two waves, all three for one person at one wave. A score is the mean of its items, so its moments
are means over pairs of items.

Population means everyone before careless answering, blanks, non-response and leaving.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import ndtr

from implstats.simulate.items import DOSE_CENTRE, DOSE_MAXIMUM, DOSE_SPREAD, SPREAD, shift_of
from implstats.simulate.model import LEVELS, Array, Construct, Model, level_covariance, yearly_growth

# rho stays below .8 between two items, where the 60th power is 2e-6 of an already small product.
TERMS = 60
DOSES = ("dose", "v_dose")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """The items of one construct as functions of its true score; arrays of shape (J,).

    Attributes
    ----------
    base : array
        Continuous answer at a true score of zero, answer units.
    slope : array
        Answer units for one latent unit.
    noise : array
        Standard deviation of the item's own part, answer units.
    minimum, maximum : int
        Answer categories.
    """

    base: Array
    slope: Array
    noise: Array
    minimum: int
    maximum: int


def measure_of(construct: Construct) -> Measure:
    """Return the measure of a construct; the dose is measured by the hours of supervision."""
    if construct.name in DOSES:
        one = np.ones(1)
        return Measure(base=DOSE_CENTRE * one, slope=DOSE_SPREAD * one, noise=0.0 * one, minimum=0,
                       maximum=DOSE_MAXIMUM)  # fmt: skip
    if not construct.loadings:
        raise ValueError(f"'{construct.name}' has no items, so it has no score")
    loadings = np.array(construct.loadings)
    shifts = np.array([shift_of(k) for k in range(len(loadings))])
    return Measure(
        base=construct.centre + shifts, slope=SPREAD * loadings, noise=SPREAD * np.sqrt(1 - loadings**2),
        minimum=construct.minimum, maximum=construct.maximum,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Population:
    """A model with what its levels imply; compared and hashed by identity.

    Attributes
    ----------
    model : Model
    sharing : dict of str to array of shape (C, C)
        Covariance of true scores between two answers of ``colleagues``, of the same ``person`` at two waves
        and of the same ``occasion``.
    growth : array of shape (C,)
        Latent growth a year.
    """

    model: Model
    sharing: dict[str, Array]
    growth: Array


def population_of(model: Model) -> Population:
    """Return the population that a model implies."""
    institution, person, occasion = (level_covariance(model, level=level) for level in LEVELS)
    return Population(
        model=model,
        sharing={
            "colleagues": institution,
            "person": institution + person,
            "occasion": institution + person + occasion,
        },
        growth=yearly_growth(model),
    )


def continuous_sd(measure: Measure, *, variance: float) -> Array:
    """Return S, the standard deviation of the continuous answers, (J,), from the true score's variance."""
    return np.sqrt(measure.slope**2 * variance + measure.noise**2)


def thresholds(measure: Measure, *, mean: float, variance: float) -> Array:
    """Return tau, shape (J, K): standardised thresholds at a true-score mean and variance."""
    cuts = np.arange(measure.minimum + 1, measure.maximum + 1) - 0.5
    centre = measure.base + measure.slope * mean
    return (cuts[None, :] - centre[:, None]) / continuous_sd(measure, variance=variance)[:, None]


def hermite_coefficients(tau: Array, *, terms: int = TERMS) -> Array:
    """Return g, shape (J, terms), from thresholds of shape (J, K)."""
    density = np.exp(-0.5 * tau**2) / np.sqrt(2 * np.pi)
    before, current = np.zeros_like(tau), np.ones_like(tau)
    columns = []
    for m in range(1, terms + 1):
        columns.append((density * current).sum(axis=1) / np.sqrt(m))
        before, current = current, (tau * current - np.sqrt(m - 1) * before) / np.sqrt(m)
    return np.stack(columns, axis=1)


def item_variances(tau: Array) -> Array:
    """Return the variance of each answer, (J,), from thresholds of shape (J, K)."""
    above = ndtr(-tau)
    joint = ndtr(-np.maximum(tau[:, :, None], tau[:, None, :]))
    return (joint - above[:, :, None] * above[:, None, :]).sum(axis=(1, 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """The items of a construct at one time: thresholds (J, K), reliability indices and Hermite coefficients.

    ``pull`` (J,) is the continuous answer's change in its own standard deviations for one latent unit and
    ``coefficients`` is g, (J, terms).
    """

    minimum: int
    tau: Array
    pull: Array
    coefficients: Array


@cache
def answers_at(population: Population, name: str, time: float) -> Answers:
    """Return the items of a construct at a time in years."""
    where = population.model.index(name)
    measure = measure_of(population.model.constructs[where])
    variance = float(population.sharing["occasion"][where, where])
    tau = thresholds(measure, mean=float(population.growth[where]) * time, variance=variance)
    pull = measure.slope / continuous_sd(measure, variance=variance)
    return Answers(minimum=measure.minimum, tau=tau, pull=pull, coefficients=hermite_coefficients(tau))


def score_mean(population: Population, names: Sequence[str], *, time: float) -> float:
    """Return the mean of a score (equal weight to each construct's mean of items) at a time in years."""
    means = []
    for name in names:
        answers = answers_at(population, name, time)
        means.append(answers.minimum + ndtr(-answers.tau).sum(axis=1).mean())
    return float(np.mean(means))


def item_covariance(
    population: Population, one: str, other: str, *, times: tuple[float, float], sharing: str
) -> Array:
    """Return the covariances of two constructs' items, shape (J, J').

    Parameters
    ----------
    times : two floats
        Years since the first wave of the first and of the second answer.
    sharing : {"colleagues", "person", "occasion"}
        What the two answers share.
    """
    first, second = answers_at(population, one, times[0]), answers_at(population, other, times[1])
    latent = population.sharing[sharing][population.model.index(one), population.model.index(other)]
    rho = latent * np.outer(first.pull, second.pull)
    products = first.coefficients[:, None, :] * second.coefficients[None, :, :]
    covariance = (products * rho[:, :, None] ** np.arange(1, TERMS + 1)).sum(axis=2)
    if one == other and sharing == "occasion":
        np.fill_diagonal(covariance, item_variances(first.tau))
    return covariance


def score_covariance(
    population: Population,
    one: Sequence[str],
    other: Sequence[str],
    *,
    times: tuple[float, float],
    sharing: str,
) -> float:
    """Return the covariance of two scores, each the mean over constructs of the mean of items."""
    pairs = [
        item_covariance(population, a, b, times=times, sharing=sharing).mean() for a in one for b in other
    ]
    return float(np.mean(pairs))
