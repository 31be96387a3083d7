"""Shared designs of the mixed-model tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

REFERENCE = Path(__file__).parents[1] / "reference" / "mixed"


@cache
def _reference(name: str) -> tuple[dict[str, Any], pd.DataFrame]:
    found = json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8"))
    return found, pd.read_csv(REFERENCE / found["data"])


@pytest.fixture
def reference() -> Callable[[str], tuple[dict[str, Any], pd.DataFrame]]:
    """Return a model's values from R and its data."""
    return _reference


def nested_design(
    seed: int, *, institutions: int, sd_institution: float, sd_slope: float = 0.0
) -> pd.DataFrame:
    """Return waves in persons in institutions, with a fifth of the rows missing."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(3, 15, size=institutions)
    inst_of = np.repeat(np.arange(institutions), sizes)
    persons = len(inst_of)
    person = np.repeat(np.arange(persons), 3)
    inst, wave = inst_of[person], np.tile(np.arange(3.0), persons)
    x, arm = rng.normal(size=persons)[person], (inst % 2).astype(float)
    y = (
        3 + 0.1 * wave + 0.2 * arm + 0.3 * x
        + sd_institution * rng.normal(size=institutions)[inst]
        + sd_slope * rng.normal(size=institutions)[inst] * wave
        + 0.6 * rng.normal(size=persons)[person] + 0.5 * rng.normal(size=len(person))
    )  # fmt: skip
    frame = pd.DataFrame({"y": y, "wave": wave, "x": x, "arm": arm, "person": person, "inst": inst})
    return frame[rng.random(len(frame)) > 0.2].reset_index(drop=True)


@pytest.fixture
def design() -> Callable[..., pd.DataFrame]:
    return nested_design
