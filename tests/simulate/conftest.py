"""Shared studies: one large and tidy, for population values, and the default one."""

from __future__ import annotations

import pandas as pd
import pytest

from implstats.simulate import Design, SyntheticStudy, simulate_study
from implstats.simulate.planted import STAFF

# Large enough that the Monte Carlo error of a mean is about .02 scale points; balanced, so that textbook
# formulas for variance components hold.
LARGE = Design(
    institutions=300, staff_min=12, staff_max=12, leaving=0.0, nonresponse=0.0, careless=0.0, blank=0.0,
    dont_know=0.0, not_relevant=0.0,
)  # fmt: skip


def score(rows: pd.DataFrame, *names: str) -> pd.Series:
    """Mean of a construct's items, reverse-keyed ones turned; of several constructs: mean of means."""
    parts = []
    for name in names:
        construct = STAFF.construct(name)
        items = rows[construct.items].copy()
        for item in construct.reversed_items:
            items[item] = construct.minimum + construct.maximum - items[item]
        parts.append(items.mean(axis=1))
    return sum(parts) / len(parts)


@pytest.fixture(scope="session")
def large() -> SyntheticStudy:
    return simulate_study(4711, LARGE)


@pytest.fixture(scope="session")
def large_rows(large: SyntheticStudy) -> pd.DataFrame:
    return pd.concat(large.waves.values(), ignore_index=True)


@pytest.fixture(scope="session")
def scoring():
    return score


@pytest.fixture(scope="session")
def default_study() -> SyntheticStudy:
    return simulate_study()
