"""Put a synthetic study together: roster, true scores, answers, holes, labels and truth.

Each part draws from its own stream of the seed, so that a change in one part leaves the others as they
were.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from implstats.errors import UsageError
from implstats.simulate import labels as names
from implstats.simulate.items import (
    NOT_RELEVANT,
    Holes,
    answer_all,
    punch_holes,
    straightline,
    supervision_hours,
)
from implstats.simulate.model import Array, compose, draw_unique
from implstats.simulate.people import FIRST_NUMBER, Roster, draw_background, draw_roster
from implstats.simulate.planted import STAFF, SUPERVISORS
from implstats.simulate.truth import staff_truth, supervisor_truth

DEFAULT_SEED = 20110501
SUPERVISOR_YEAR = 2018
LEAST = {"institutions": 2, "waves": 1, "staff_min": 1, "supervisors": 2, "regions": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """The size and the untidiness of a synthetic study.

    Attributes
    ----------
    institutions, waves, first_year : int
        Institutions, yearly waves and the year of the first.
    staff_min, staff_max : int
        Posts of an institution are drawn uniformly between these.
    leaving : float
        Share of staff of average satisfaction that leaves before the next wave.
    leaving_pull : float
        How strongly dissatisfaction drives leaving (log odds for one SD).
    nonresponse : float
        Share of staff present who do not answer a wave.
    careless : float
        Share of answered questionnaires that are straightlined.
    blank, dont_know, not_relevant : float
        Shares of item answers left blank or answered 'Vet ikke' (9) or 'Ikke relevant' (99).
    supervisors, regions : int
        Size of the supervisor questionnaire.
    """

    institutions: int = 12
    waves: int = 5
    first_year: int = 2011
    staff_min: int = 8
    staff_max: int = 40
    leaving: float = 0.14
    leaving_pull: float = 0.5
    nonresponse: float = 0.18
    careless: float = 0.02
    blank: float = 0.005
    dont_know: float = 0.008
    not_relevant: float = 0.003
    supervisors: int = 90
    regions: int = 6

    def __post_init__(self) -> None:
        problems = [
            f"{name} should be at least {least}, not {getattr(self, name)}"
            for name, least in LEAST.items()
            if getattr(self, name) < least
        ]
        shares = ("leaving", "nonresponse", "careless", "blank", "dont_know", "not_relevant")
        problems += [
            f"{name} should be a share from 0 to below 1, not {getattr(self, name):g}"
            for name in shares
            if not 0 <= getattr(self, name) < 1
        ]
        if self.staff_max < self.staff_min:
            problems.append(f"staff_max ({self.staff_max}) should not be below staff_min ({self.staff_min})")
        if self.blank + self.dont_know + self.not_relevant >= 1:
            problems.append("blank, dont_know and not_relevant together should stay below 1")
        if problems:
            raise UsageError("The design cannot be simulated: " + "; ".join(problems) + ".")

    @property
    def years(self) -> tuple[int, ...]:
        """The years of the waves."""
        return tuple(self.first_year + k for k in range(self.waves))

    @property
    def holes(self) -> Holes:
        """Item missingness of the design."""
        return Holes(blank=self.blank, dont_know=self.dont_know, not_relevant=self.not_relevant)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticStudy:
    """A simulated study: what would be in the files, and what is true.

    Attributes
    ----------
    seed, design
        What it was simulated from.
    waves : dict of int to DataFrame
        Year -> one row a person who answered; floats; user-missing codes (9, 99) stand as answers, blanks
        are NaN.
    supervisors : DataFrame
        One row a supervisor.
    labels : dict
        ``variables`` (column -> label) and ``values`` (column -> {code: label}) for both kinds of file.
    user_missing : dict
        Column -> codes to be declared as user-missing.
    truth : dict
        The planted population values on the score scale and who was careless; plain JSON types.
    """

    seed: int
    design: Design
    waves: dict[int, pd.DataFrame]
    supervisors: pd.DataFrame
    labels: dict[str, Any]
    user_missing: dict[str, list[int]]
    truth: dict[str, Any]


def simulate_study(seed: int = DEFAULT_SEED, design: Design | None = None) -> SyntheticStudy:
    """Simulate a study; the same seed and design give the same study.

    >>> study = simulate_study(1, Design(institutions=2, waves=2))
    >>> sorted(study.waves), "institusjon" in study.waves[2011]
    ([2011, 2012], True)
    """
    plan = design or Design()
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(2)]
    rows, careless = _simulate_staff(plan, streams[0])
    waves = {year: rows[rows["aar"] == year].reset_index(drop=True) for year in plan.years}
    flagged = rows[careless]
    straightlined = {
        str(year): sorted(map(int, flagged.loc[flagged["aar"] == year, "lopenr"])) for year in plan.years
    }
    return SyntheticStudy(
        seed=seed, design=plan, waves=waves, supervisors=_simulate_supervisors(plan, streams[1]),
        labels=_labels(plan),
        user_missing=names.user_missing_codes(STAFF, dose="veil_timer")
        | names.user_missing_codes(SUPERVISORS, dose="v_timer"),
        truth={
            "staff": staff_truth(years=plan.years), "supervisors": supervisor_truth(),
            "careless": straightlined,
        },
    )  # fmt: skip


def _simulate_staff(plan: Design, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.Series]:
    sizes = rng.integers(plan.staff_min, plan.staff_max + 1, size=plan.institutions)
    roster = draw_roster(sizes=sizes, waves=plan.waves, leaving=plan.leaving, pull=plan.leaving_pull, rng=rng)
    eta = _staff_scores(roster, plan, rng)
    background = draw_background(roster, rng=rng)
    answers = answer_all(STAFF, eta, rng)
    careless = rng.random(len(answers)) < plan.careless
    answers = straightline(answers, model=STAFF, careless=careless, rng=rng)
    answers = punch_holes(answers, holes=plan.holes, rng=rng)
    hours = supervision_hours(eta[:, STAFF.index("dose")])
    hours = np.where(rng.random(len(hours)) < plan.not_relevant, NOT_RELEVANT, hours)
    identity = pd.DataFrame(
        {
            "lopenr": FIRST_NUMBER + roster.person,
            "institusjon": 1 + roster.institution,
            "aar": plan.first_year + roster.wave,
        }
    ).astype(float)
    table = pd.concat([identity, background, pd.Series(hours, name="veil_timer"), answers], axis=1)
    answered = rng.random(len(table)) >= plan.nonresponse
    return table[answered], pd.Series(careless, index=table.index)[answered]


def _staff_scores(roster: Roster, plan: Design, rng: np.random.Generator) -> Array:
    persons, rows = len(roster.loyalty), len(roster.person)
    institution = draw_unique(STAFF, level="institution", size=plan.institutions, rng=rng)
    person = draw_unique(STAFF, level="person", size=persons, rng=rng)
    occasion = draw_unique(STAFF, level="occasion", size=rows, rng=rng)
    satisfaction = STAFF.construct("satisfaction")
    # Loyalty decided who left, so it must be this person's own part of satisfaction.
    spread = np.sqrt(satisfaction.unique * satisfaction.shares[1])
    person[:, STAFF.index("satisfaction")] = spread * roster.loyalty
    return compose(
        STAFF,
        unique=(institution, person, occasion),
        rows=(roster.institution, roster.person, np.arange(rows)),
        time=roster.wave.astype(float),
    )


def _simulate_supervisors(plan: Design, rng: np.random.Generator) -> pd.DataFrame:
    count = plan.supervisors
    region = rng.integers(0, plan.regions, size=count)
    everyone = np.arange(count)
    unique = (
        draw_unique(SUPERVISORS, level="institution", size=plan.regions, rng=rng),
        draw_unique(SUPERVISORS, level="person", size=count, rng=rng),
        np.zeros((count, len(SUPERVISORS.constructs))),
    )
    eta = compose(SUPERVISORS, unique=unique, rows=(region, everyone, everyone), time=np.zeros(count))
    answers = punch_holes(answer_all(SUPERVISORS, eta, rng), holes=plan.holes, rng=rng)
    identity = pd.DataFrame(
        {
            "veilnr": 1 + everyone,
            "region": 1 + region,
            "v_erfaring": rng.poisson(8, size=count),
            "v_timer": supervision_hours(eta[:, SUPERVISORS.index("v_dose")]),
        }
    ).astype(float)
    return pd.concat([identity, answers], axis=1)


def _labels(plan: Design) -> dict[str, Any]:
    values: dict[str, dict[int, str]] = {
        "institusjon": names.numbered("Institusjon", plan.institutions),
        "aldersgruppe": names.AGE_LABELS,
        "kjonn": names.GENDER_LABELS,
        "rolle": names.ROLE_LABELS,
        "veil_timer": {NOT_RELEVANT: names.MISSING_LABELS[NOT_RELEVANT]},
        "region": names.numbered("Region", plan.regions),
        "v_timer": {NOT_RELEVANT: names.MISSING_LABELS[NOT_RELEVANT]},
    }
    variables = names.STAFF_VARIABLES | names.SUPERVISOR_VARIABLES
    return {
        "variables": variables | names.item_labels(STAFF) | names.item_labels(SUPERVISORS),
        "values": values | names.item_value_labels(STAFF) | names.item_value_labels(SUPERVISORS),
    }
