"""Who works where and when: institutions of different sizes whose leavers are replaced by newcomers.

Every institution keeps its number of posts over all waves. Between two waves the holder of a post leaves
with probability ``expit(logit(leaving) - pull * loyalty)``, where ``loyalty`` (standard normal) is the
person's own part of job satisfaction: the less satisfied leave more often. A newcomer takes over the post
in the same institution.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from implstats.simulate.model import Array

FIRST_NUMBER = 1001


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """Posts held at each wave and the persons who held them.

    Attributes
    ----------
    person, institution, wave : int arrays of shape (n,)
        One entry a post and wave: index of the person, of the institution and of the wave, all from 0.
    loyalty : array of shape (P,)
        The person's own part of job satisfaction, standard normal.
    entry : int array of shape (P,)
        Index of the wave at which the person came.
    """

    person: NDArray[np.intp]
    institution: NDArray[np.intp]
    wave: NDArray[np.intp]
    loyalty: Array
    entry: NDArray[np.intp]


def leaving_probability(loyalty: Array, *, leaving: float, pull: float) -> Array:
    """Return the probability of leaving before the next wave, same shape as ``loyalty``.

    >>> leaving_probability(np.array([0.0]), leaving=0.15, pull=0.4).round(2)
    array([0.15])
    """
    if leaving == 0.0:
        return np.zeros_like(loyalty)
    logit = np.log(leaving / (1.0 - leaving)) - pull * loyalty
    return 1.0 / (1.0 + np.exp(-logit))


def draw_roster(
    *, sizes: NDArray[np.intp], waves: int, leaving: float, pull: float, rng: np.random.Generator
) -> Roster:
    """Fill the posts of institutions with ``sizes`` posts over ``waves`` waves."""
    post = np.repeat(np.arange(len(sizes)), sizes)
    holder = np.arange(len(post))
    loyalty = rng.standard_normal(len(post))
    entry = np.zeros(len(post), dtype=np.intp)
    held = [holder]
    for wave in range(1, waves):
        goes = rng.random(len(post)) < leaving_probability(loyalty[holder], leaving=leaving, pull=pull)
        newcomers = len(loyalty) + np.arange(goes.sum())
        loyalty = np.concatenate([loyalty, rng.standard_normal(len(newcomers))])
        entry = np.concatenate([entry, np.full(len(newcomers), wave)])
        holder = holder.copy()
        holder[goes] = newcomers
        held.append(holder)
    return Roster(
        person=np.concatenate(held), institution=np.tile(post, waves),
        wave=np.repeat(np.arange(waves), len(post)), loyalty=loyalty, entry=entry,
    )  # fmt: skip


def draw_background(roster: Roster, *, rng: np.random.Generator) -> pd.DataFrame:
    """Return age group, gender, role and years of experience of each row of the roster, (n, 4).

    Age group, gender and role stay as they were when the person came; experience grows by one a year.
    """
    persons = len(roster.loyalty)
    age = rng.choice([1, 2, 3, 4, 5], size=persons, p=[0.18, 0.30, 0.26, 0.19, 0.07])
    gender = rng.choice([1, 2], size=persons, p=[0.62, 0.38])
    role = rng.choice([1, 2], size=persons, p=[0.12, 0.88])
    at_entry = np.minimum(rng.poisson(2.5 * age), 8 * age)
    years = at_entry[roster.person] + roster.wave - roster.entry[roster.person]
    frame = {
        "aldersgruppe": age[roster.person], "kjonn": gender[roster.person],
        "rolle": role[roster.person], "erfaring": years,
    }  # fmt: skip
    return pd.DataFrame(frame).astype(float)
