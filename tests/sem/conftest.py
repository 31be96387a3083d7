"""Data, reference values and models that the tests of the SEM estimator share."""

from __future__ import annotations

import functools
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

REFERENCE = Path(__file__).parents[1] / "reference" / "sem"
THREE_FACTORS = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"


@pytest.fixture(scope="session")
def load_reference():
    """Return a function: name -> lavaan's trimmed dump."""

    def load(name: str) -> dict[str, Any]:
        return json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8"))

    return load


@pytest.fixture(scope="session")
def load_data():
    """Return a function: name of a data file -> a fresh frame."""

    def load(name: str) -> pd.DataFrame:
        return pd.read_csv(REFERENCE / "data" / f"{name}.csv.gz")

    return load


@pytest.fixture
def hs(load_data) -> pd.DataFrame:
    """Holzinger & Swineford's nine tests, 301 pupils."""
    return load_data("hs1939")


@pytest.fixture
def mediation(load_data) -> pd.DataFrame:
    """X, C, M1, M2, Y of 250 simulated persons."""
    return load_data("mediation_n250")


@pytest.fixture(scope="session")
def three_factors() -> str:
    """The classic model of Holzinger & Swineford's tests."""
    return THREE_FACTORS


@pytest.fixture
def two_factor_frame() -> pd.DataFrame:
    """120 persons, two factors with three items each, seeded."""
    rng = np.random.default_rng(7)
    factors = rng.normal(size=(120, 2)) @ np.array([[1.0, 0.4], [0.0, 0.9]])
    items = np.repeat(factors, 3, axis=1) * 0.8 + 0.6 * rng.normal(size=(120, 6))
    return pd.DataFrame(items, columns=list("abcdef"))


AFTER = {
    "means": {"meanstructure": True},
    "stdlv": {"std_lv": True},
    "observed": {"information": "observed"},
    "mlr": {"estimator": "MLR"},
    "mlm": {"estimator": "MLM"},
    "mlmv": {"estimator": "MLMV"},
    "gls": {"estimator": "GLS"},
    "wls": {"estimator": "WLS"},
    "fiml": {"missing": "fiml"},
    "fiml_mlr": {"missing": "fiml", "estimator": "MLR"},
    "fiml_structural": {"missing": "fiml"},
    "metric": {"group": "school", "group_equal": ("loadings",)},
    "scalar": {"group": "school", "group_equal": ("loadings", "intercepts")},
    "scalar_mlr": {"group": "school", "group_equal": ("loadings", "intercepts"), "estimator": "MLR"},
    "fiml_metric": {"missing": "fiml", "group": "school", "group_equal": ("loadings",)},
}


@pytest.fixture(scope="session")
def after_reference() -> dict[str, Any]:
    """What lavaan says beyond the estimates, model by model."""
    with gzip.open(REFERENCE / "after.json.gz", "rt", encoding="utf-8") as file:
        return json.load(file)


@pytest.fixture(scope="session")
def after_fit(after_reference, load_data):
    """Return a function: name of a model of ``after_reference`` -> our fit, made once, and its data."""
    from implstats import sem

    @functools.cache
    def fitted(name: str):
        meta = after_reference[name]["meta"]
        data = load_data(Path(meta["data"]).stem)
        return sem.fit(meta["model_syntax"], data, kind="cfa", **AFTER.get(name, {})), data

    return fitted


@pytest.fixture(scope="session")
def weighed_reference() -> dict[str, Any]:
    """What lavaan says beyond the estimates of ordered items and of least squares, model by model."""
    with gzip.open(REFERENCE / "after_ordered.json.gz", "rt", encoding="utf-8") as file:
        return json.load(file)


@pytest.fixture(scope="session")
def weighed_fit(weighed_reference, load_data):
    """Return a function: name of a model of ``weighed_reference`` -> our fit, made once."""
    from implstats import sem

    names = {"std.lv": "std_lv", "group.equal": "group_equal"}

    @functools.cache
    def fitted(name: str):
        meta = weighed_reference[name]["meta"]
        if meta["data"] == "binary":
            data = (load_data("bfi_an10_n600") > 3).astype(int)
        else:
            data = load_data(meta["data"])
        options = {
            names.get(key, key): tuple(value) if key in ("ordered", "group.equal") else value[0]
            for key, value in dict(meta["options"]).items()
            if key != "fixed.x" and not key.startswith("em.")
        }
        data = data.head(meta["head"]) if meta["head"] else data
        return sem.fit(meta["model_syntax"], data, kind="cfa", **options)

    return fitted
