"""Data and reference values of the scales tests; their origin is in tests/reference/scales/README.md."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "tests" / "reference" / "scales"


@pytest.fixture(scope="session")
def lq2002() -> pd.DataFrame:
    return pd.read_csv(ROOT / "data" / "raw" / "leadership-climate" / "lq2002.csv")


@pytest.fixture(scope="session")
def bh1996() -> pd.DataFrame:
    return pd.read_csv(ROOT / "data" / "raw" / "work-hours" / "bh1996.csv")


@pytest.fixture(scope="session")
def univbct() -> pd.DataFrame:
    return pd.read_csv(ROOT / "data" / "raw" / "readiness-waves" / "univbct.csv")


@pytest.fixture(scope="session")
def hs1939() -> pd.DataFrame:
    return pd.read_csv(REFERENCE / "hs1939_items.csv")


@pytest.fixture(scope="session")
def reference():
    """Return a reader of the JSON references."""

    def read(name: str) -> dict[str, Any]:
        return json.loads((REFERENCE / f"{name}.json").read_text())

    return read


@pytest.fixture(scope="session")
def printed_lq2002() -> dict[str, dict[str, float]]:
    """Numbers that R's multilevel printed for each scale of lq2002."""
    text = (REFERENCE / "multilevel_lq2002.txt").read_text()
    patterns = {
        "mean": r"\nmean ([\d.]+) sd",
        "sd": r" sd ([\d.]+) alpha",
        "alpha": r"alpha ([\d.]+)",
        "f": r"ANOVA F = ([\d.]+)",
        "icc1": r"ICC1 \(aov\) = ([\d.]+)",
        "icc2": r"ICC2 \(aov\) = ([\d.]+)",
        "rwgj_mean": r"as in package\): mean ([\d.]+)",
        "rwgj_median": r"as in package\): mean [\d.]+ median ([\d.]+)",
        "rwgj_min": r"as in package\).*? min ([\d.]+)",
        "rwgj_max": r"as in package\).*? max ([\d.]+)",
        "share_rwgj_70": r"share>=.70 ([\d.]+)",
        "lindell_mean": r"\(Lindell\) : mean (-?[\d.]+)",
        "lindell_min": r"\(Lindell\) : mean -?[\d.]+ min (-?[\d.]+)",
        "rwg_score_mean": r"rwg on scale score: mean ([\d.]+)",
        "ad_mean": r"AD.M \(mean\): mean ([\d.]+)",
    }
    blocks = re.split(r"===== (\w+) =====", text)
    found = {}
    for name, block in zip(blocks[1::2], blocks[2::2], strict=True):
        found[name] = {key: float(re.search(pattern, block).group(1)) for key, pattern in patterns.items()}
    return found


@pytest.fixture(scope="session")
def first_ten_rwgj() -> pd.DataFrame:
    """The first ten rows that ``rwg.j`` printed for leadership: cluster, rwg(j), persons."""
    lines = (REFERENCE / "multilevel_lq2002.txt").read_text().split("grpid     rwg.j gsize\n")[1]
    rows = [line.split()[1:] for line in lines.splitlines()[:10]]
    return pd.DataFrame(rows, columns=["cluster", "rwgj", "n"]).astype({"rwgj": float, "n": int})
