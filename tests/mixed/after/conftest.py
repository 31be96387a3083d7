"""Fits with R's values of what follows from them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from implstats import mixed

FOLDER = Path(__file__).parents[2] / "reference" / "mixed"
WEIGHTS = {"sleep_weights": "w"}


@cache
def _reference(name: str) -> tuple[dict[str, Any], pd.DataFrame]:
    found = json.loads((FOLDER / "after" / f"{name}.json").read_text(encoding="utf-8"))
    frame = pd.read_csv(FOLDER / "data" / f"{found['data']}.csv")
    if name == "waves_by_arm":
        frame["w"] = "w" + frame["wave"].astype(str)
        frame["a"] = np.where(frame["arm"] == 1, "trained", "usual")
    if name == "sleep_weights":
        frame["Subject"] = frame["Subject"].astype(str)
    return found, frame


@cache
def _fitted(name: str, df: str, robust: str | None) -> mixed.MixedResult:
    found, frame = _reference(name)
    return mixed.fit(
        found["formula"], frame, reml=found["reml"], weights=WEIGHTS.get(name), df=df, robust=robust
    )


@pytest.fixture
def after() -> Callable[[str], tuple[dict[str, Any], pd.DataFrame]]:
    """Return R's values and the data of a model."""
    return _reference


@pytest.fixture
def fitted() -> Callable[..., mixed.MixedResult]:
    """Return our fit of a model."""

    def call(name: str, *, df: str = "auto", robust: str | None = None) -> mixed.MixedResult:
        return _fitted(name, df, robust)

    return call
