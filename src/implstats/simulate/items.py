"""From latent true scores to answers, and from answers to a questionnaire with holes.

Item j of a construct: the continuous answer is

    x*_j = centre + shift_j + SPREAD * (loading_j * eta + sqrt(1 - loading_j^2) * eps)      eps ~ N(0, 1)

and the category is x* rounded to the nearest whole number and kept within the range: the thresholds lie
half-way between categories. ``shift_j`` makes items differ in level. A reverse-keyed item then becomes
minimum + maximum minus the answer. Supervision hours follow the same rule with loading 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from implstats.simulate.model import Array, Construct, Model

SPREAD = 0.95
SHIFTS = (0.0, 0.15, -0.15, 0.10, -0.10)
DONT_KNOW = 9
NOT_RELEVANT = 99

# Hours of supervision in a month: centre, spread and range.
DOSE_CENTRE, DOSE_SPREAD, DOSE_MAXIMUM = 6.0, 2.5, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Holes:
    """Shares of answers that are left blank, answered 'Vet ikke' (9) or 'Ikke relevant' (99)."""

    blank: float
    dont_know: float
    not_relevant: float


def shift_of(position: int) -> float:
    """Return how far the item at a position (from 0) lies from its construct's centre, answer units."""
    return SHIFTS[position % len(SHIFTS)]


def categorise(continuous: Array, *, minimum: int, maximum: int) -> Array:
    """Return the answer category of a continuous answer, same shape.

    >>> categorise(np.array([0.2, 3.4, 7.0]), minimum=1, maximum=5)
    array([1., 3., 5.])
    """
    return np.clip(np.rint(continuous), minimum, maximum)


def answer_construct(construct: Construct, eta: Array, rng: np.random.Generator) -> pd.DataFrame:
    """Return the answers to a construct's items as given (reverse items not turned), (n, items).

    Parameters
    ----------
    eta : array of shape (n,)
        True scores, latent units.
    """
    answers = {}
    for position, (name, loading) in enumerate(zip(construct.items, construct.loadings, strict=True)):
        noise = rng.standard_normal(len(eta)) * np.sqrt(1.0 - loading**2)
        continuous = construct.centre + shift_of(position) + SPREAD * (loading * eta + noise)
        answer = categorise(continuous, minimum=construct.minimum, maximum=construct.maximum)
        turned = name in construct.reversed_items
        answers[name] = construct.minimum + construct.maximum - answer if turned else answer
    return pd.DataFrame(answers)


def answer_all(model: Model, eta: Array, rng: np.random.Generator) -> pd.DataFrame:
    """Return the answers to all items of a model, (n, items); ``eta`` is (n, C)."""
    blocks = [answer_construct(c, eta[:, model.index(c.name)], rng) for c in model.measured]
    return pd.concat(blocks, axis=1)


def supervision_hours(eta: Array) -> Array:
    """Return hours of supervision in a month from the latent dose, both of shape (n,)."""
    return categorise(DOSE_CENTRE + DOSE_SPREAD * eta, minimum=0, maximum=DOSE_MAXIMUM)


def straightline(
    answers: pd.DataFrame, *, model: Model, careless: NDArray[np.bool_], rng: np.random.Generator
) -> pd.DataFrame:
    """Return answers in which careless persons tick the same box everywhere, whatever the wording.

    Parameters
    ----------
    careless : bool array of shape (n,)
        Who does so; the box (second to fifth of five) is drawn for each.
    """
    box = rng.integers(1, 5, size=len(answers))
    out = answers.copy()
    for construct in model.measured:
        for name in construct.items:
            out[name] = np.where(careless, construct.minimum + box, out[name])
    return out


def punch_holes(answers: pd.DataFrame, *, holes: Holes, rng: np.random.Generator) -> pd.DataFrame:
    """Return answers with blanks (NaN) and the user-missing codes 9 and 99 put in at random, (n, items)."""
    draw = rng.random(answers.shape)
    edges = np.cumsum([holes.blank, holes.dont_know, holes.not_relevant])
    values = answers.to_numpy(dtype=float, copy=True)
    values[draw < edges[2]] = NOT_RELEVANT
    values[draw < edges[1]] = DONT_KNOW
    values[draw < edges[0]] = np.nan
    return pd.DataFrame(values, columns=answers.columns, index=answers.index)
