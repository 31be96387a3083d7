"""A small project with two tables, and a way to run commands in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

STUDY = {
    "study": {"name": "small", "title": "SYNTHETIC small study", "synthetic": True},
    "tables": {
        "staff": {
            "person": "id",
            "waves": {
                "values": [{"value": 1, "time": 0, "label": "W1"}, {"value": 2, "time": 1, "label": "W2"}]
            },
            "clusters": [{"name": "institution", "variable": "inst"}],
            "sources": [{"file": "data/raw/w1.csv", "wave": 1}, {"file": "data/raw/w2.csv", "wave": 2}],
        },
        "leaders": {"person": "id", "sources": [{"file": "data/raw/leaders.csv"}]},
    },
    "scales": {
        "goal": {"items": ["g1", "g2", "g3"], "minimum": 1, "maximum": 5},
        "skill": {"table": "leaders", "items": ["s1", "s2", "s3"], "minimum": 1, "maximum": 5},
    },
    "questions": [
        {"name": "null", "type": "null_model", "outcome": "goal", "clusters": ["institution"]},
        {"name": "growth", "type": "growth", "outcome": "goal", "clusters": ["person"]},
        {"name": "skill-factor", "type": "cfa", "scales": ["skill"], "table": "leaders"},
    ],
    "outputs": {"tables": ["csv"], "figures": ["png"], "second_opinion": False},
}  # fmt: skip


def _answers(rng: np.random.Generator, level: np.ndarray, names: list[str]) -> dict[str, np.ndarray]:
    noise = rng.normal(size=(level.size, len(names)))
    return dict(zip(names, np.clip(np.round(3 + level[:, None] + noise), 1, 5).astype(int).T, strict=True))


def write_project(root: Path) -> Path:
    """Write the project's study file and raw files below ``root``; return the study file."""
    rng = np.random.default_rng(20)
    n = 90
    level = rng.normal(size=n)
    inst = np.repeat(np.arange(6), n // 6)
    (root / "data" / "raw").mkdir(parents=True)
    (root / "config").mkdir()
    for wave in (1, 2):
        answers = _answers(rng, level + 0.3 * wave, ["g1", "g2", "g3"])
        pd.DataFrame({"id": np.arange(n), "inst": inst, **answers}).to_csv(
            root / f"data/raw/w{wave}.csv", index=False
        )
    leaders = {"id": np.arange(n), **_answers(rng, level, ["s1", "s2", "s3"])}
    pd.DataFrame(leaders).to_csv(root / "data/raw/leaders.csv", index=False)
    study = root / "config" / "config.yaml"
    study.write_text(yaml.safe_dump(STUDY, sort_keys=False), encoding="utf-8")
    return study


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that has not been run."""
    write_project(tmp_path)
    return tmp_path


Command = Callable[..., subprocess.CompletedProcess[str]]


def command(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m ...`` in a project and return what it said."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=root, capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip


def implstats(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``implstats ...`` in a project."""
    return command(root, "implstats", *arguments)
