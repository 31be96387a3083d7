"""The grid of the benchmark: sizes, models, and seeded data with random effects of known size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

CELLS = (
    (500, 12), (500, 100), (5_000, 12), (5_000, 100), (50_000, 12), (50_000, 100), (50_000, 5_000),
    (500_000, 12), (500_000, 100), (500_000, 5_000),
)  # fmt: skip
QUICK = CELLS[:4]
FIXED = "y ~ wave * arm + x"
MODELS = {
    "intercept": f"{FIXED} + (1 | inst)",
    "slope": f"{FIXED} + (1 + wave | inst)",
    "3-level": f"{FIXED} + (1 | inst) + (1 | person)",
}
WAVES = 5
SEED = 20261123


def make(n: int, institutions: int) -> pd.DataFrame:
    """Return n rows: five waves of n / 5 persons in institutions of unequal size, numbers only."""
    rng = np.random.default_rng([SEED, n, institutions])
    persons = n // WAVES
    if institutions < persons:
        extra = rng.integers(0, institutions, size=persons - institutions)
        inst_of = np.sort(np.concatenate([np.arange(institutions), extra]))
    else:
        inst_of = np.arange(persons)
    person = np.repeat(np.arange(persons), WAVES)
    # With as many institutions as persons the two would be one level: then waves are spread over persons.
    if institutions >= persons:
        person = np.arange(n) // 2
        inst_of = np.sort(rng.permutation(n // 2) % institutions)
    inst = inst_of[person]
    wave = np.tile(np.arange(float(WAVES)), n // WAVES)
    arm = (inst % 2).astype(float)
    x = rng.normal(size=int(person[-1]) + 1)[person]
    y = (
        3.0 + 0.1 * wave + 0.2 * arm + 0.3 * x + 0.05 * wave * arm
        + 0.3 * rng.normal(size=institutions)[inst] + 0.1 * rng.normal(size=institutions)[inst] * wave
        + 0.6 * rng.normal(size=int(person[-1]) + 1)[person] + 0.7 * rng.normal(size=n)
    )  # fmt: skip
    return pd.DataFrame({"y": y, "wave": wave, "x": x, "arm": arm, "person": person, "inst": inst})


def write(frame: pd.DataFrame, folder: Path) -> None:
    """Write the columns as doubles, which R and the peers read without parsing."""
    for name in frame.columns:
        frame[name].to_numpy(dtype=float).tofile(folder / f"{name}.bin")
    (folder / "models.txt").write_text("\n".join(MODELS.values()) + "\n", encoding="utf-8")


def read(folder: Path) -> pd.DataFrame:
    """Return what `write` wrote."""
    columns = {name: np.fromfile(folder / f"{name}.bin") for name in ("y", "wave", "x", "arm")}
    codes = {name: np.fromfile(folder / f"{name}.bin").astype(np.int64) for name in ("person", "inst")}
    return pd.DataFrame(columns | codes)
