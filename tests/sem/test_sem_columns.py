"""Columns by name in place of a frame: the same fit, without pandas, and refusals in words."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from implstats import sem
from implstats.errors import DataError, UsageError

MODEL = "f =~ x1 + x2 + x3 + x4"


@pytest.fixture(scope="module")
def columns() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    factor = rng.normal(size=200)
    found = {f"x{k}": factor + rng.normal(size=200) for k in range(1, 5)}
    found["x2"][:9] = np.nan
    return found | {"arm": np.repeat([0, 1], 100), "team": np.repeat(np.arange(20), 10)}


@pytest.mark.parametrize(
    "asked",
    [{}, {"missing": "fiml"}, {"group": "arm"}, {"cluster": "team"}, {"estimator": "MLR"}],
    ids=lambda asked: "-".join(asked.values()) or "ML",
)
def test_columns_give_the_fit_of_the_frame(columns: dict[str, np.ndarray], asked: dict[str, str]) -> None:
    mine, frames = sem.fit(MODEL, columns, **asked), sem.fit(MODEL, pd.DataFrame(columns), **asked)
    assert mine.fit == frames.fit
    assert mine.parameters == frames.parameters


def test_ordered_columns(columns: dict[str, np.ndarray]) -> None:
    items = {name: np.digitize(column, [-1, 0, 1]) for name, column in columns.items() if name[0] == "x"}
    asked = {"ordered": list(items)}
    assert sem.fit(MODEL, items, **asked).fit == sem.fit(MODEL, pd.DataFrame(items), **asked).fit


def test_second_opinion_takes_columns(columns: dict[str, np.ndarray]) -> None:
    complete = {name: np.nan_to_num(column) for name, column in columns.items()}
    assert sem.fit(MODEL, complete, second_opinion=True).checks


def test_everything_wrong_with_columns_is_said_at_once(columns: dict[str, np.ndarray]) -> None:
    spoiled = columns | {"x1": ["a"] * 200, "x3": np.zeros((200, 2)), "x4": np.zeros(7)}
    with pytest.raises(DataError) as caught:
        sem.fit(MODEL + " + x5", spoiled)
    said = str(caught.value)
    for part in ("'x5' is not a column", "'x1' holds", "'x3' has 2 dimensions", "x4 7"):
        assert part in said


def test_columns_of_different_lengths_with_groups(columns: dict[str, np.ndarray]) -> None:
    with pytest.raises(DataError, match="different lengths"):
        sem.fit(MODEL, columns | {"arm": np.zeros(3)}, group="arm")


def test_what_is_neither_frame_nor_columns_is_refused() -> None:
    with pytest.raises(UsageError, match="columns by name; this is a list"):
        sem.fit(MODEL, [[1.0, 2.0]])  # type: ignore[arg-type]


def test_a_fit_of_columns_loads_no_pandas() -> None:
    code = (
        "import sys, numpy as np; from implstats import sem\n"
        "r = np.random.default_rng(1); f = r.normal(size=99)\n"
        "sem.fit('f =~ a + b + c', {n: f + r.normal(size=99) for n in 'abc'}); print('pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
