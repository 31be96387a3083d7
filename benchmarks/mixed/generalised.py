"""Benchmark: generalised and ordinal models, ours beside glmer and clmm, one fit of each in turn.

    python benchmarks/mixed/generalised.py [--repeats 7]

Ours is the time of `mixed.fit`: from the data frame to verified estimates, standard errors from the Hessian
in all parameters, conditional modes, and the check of the integral. R's is that of the call to `glmer`,
`glmer.nb` or `clmm` alone with default settings (their standard errors come with it). Times are processor
time of one thread, so that other work on the machine does not count. The fits alternate, so each finds the
caches used by the other. Medians are compared. Writes generalised.md beside this file.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

from implstats import mixed  # noqa: E402

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[1] / "tests" / "reference" / "mixed" / "data"
SIM, X = "sim_glmm_12inst", "wave + arm + x"
BINARY: dict[str, Any] = {"family": "binomial"}
ORDINAL: dict[str, Any] = {"family": "ordinal"}
# name: data, formula, options, smallest ratio of R's time to ours that is aimed at
MODELS: dict[str, tuple[str, str, dict[str, Any], float | None]] = {
    "cbpp": ("cbpp", "cbind(incidence, fail) ~ factor(period) + (1 | herd)", BINARY, 20.0),
    "binary": (SIM, f"yb ~ {X} + (1 | person)", BINARY, 20.0),
    "binary_agq15": (SIM, f"yb ~ {X} + (1 | person)", BINARY | {"agq": 15}, 20.0),
    "binary_probit": (SIM, f"yb ~ {X} + (1 | inst)", BINARY | {"link": "probit"}, 20.0),
    "binary_slope": (SIM, f"yb ~ {X} + (wave | inst)", BINARY, 20.0),
    "binary_three_level": (SIM, f"yb ~ {X} + (1 | inst) + (1 | person)", BINARY, 3.0),
    "poisson_three_level": (SIM, f"yc ~ {X} + (1 | inst) + (1 | person)", {"family": "poisson"}, 3.0),
    "grouseticks": (
        "grouseticks", "TICKS ~ factor(YEAR) + center(HEIGHT) + (1 | LOCATION) + (1 | BROOD) + (1 | INDEX)",
        {"family": "poisson"}, 3.0,
    ),
    "nbinom": (SIM, f"ynb ~ {X} + (1 | inst)", {"family": "nbinom"}, None),
    "wine": ("wine", "rating ~ temp + contact + (1 | judge)", ORDINAL, 5.0),
    "ordinal": (SIM, f"yo ~ {X} + (1 | person)", ORDINAL, 5.0),
    "ordinal_agq10": (SIM, f"yo ~ {X} + (1 | person)", ORDINAL | {"agq": 10}, 5.0),
    "ordinal_three_level": (SIM, f"yo ~ {X} + (1 | inst) + (1 | person)", ORDINAL, 5.0),
    "binary_large": ("large", "yb ~ wave + x + (1 | person)", BINARY, 20.0),
    "binary_three_level_large": ("large", "yb ~ wave + x + (1 | inst) + (1 | person)", BINARY, 3.0),
}  # fmt: skip
SLOW = {"binary_large": 1, "binary_three_level_large": 1, "ordinal_three_level": 2, "nbinom": 2}  # repeats


def large(seed: int) -> pd.DataFrame:
    """Return 15,000 binary answers of 5,000 persons in 100 institutions."""
    rng = np.random.default_rng(seed)
    person, wave = np.repeat(np.arange(5000), 3), np.tile(np.arange(3), 5000)
    inst = person // 50
    x = rng.normal(size=5000)[person]
    eta = -0.3 + 0.2 * wave + 0.4 * x + 0.5 * rng.normal(size=100)[inst] + rng.normal(size=5000)[person]
    yes = (eta + rng.logistic(size=15000) > 0).astype(int)
    return pd.DataFrame({"inst": inst, "person": person, "wave": wave, "x": x, "yb": yes})


def measure(folder: Path, repeats: int) -> list[tuple[str, float, float, float]]:
    """Return name, our and R's median seconds, and our log-likelihood less R's, of each model."""
    call = ["Rscript", str(HERE / "generalised.R"), str(folder)]
    out = []
    with subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as r:
        assert r.stdin is not None
        assert r.stdout is not None
        for name, (data, formula, options, _) in MODELS.items():
            frame = pd.read_csv(folder / f"{data}.csv")
            result = mixed.fit(formula, frame, **options)
            mine, theirs, value = [], [], np.nan
            for _ in range(min(repeats, SLOW.get(name, repeats))):
                r.stdin.write(name + "\n")
                r.stdin.flush()
                seconds, value = (float(part) for part in r.stdout.readline().split())
                theirs.append(seconds)
                start = time.process_time()
                result = mixed.fit(formula, frame, **options)
                mine.append(time.process_time() - start)
            ours = np.nan if result.log_likelihood is None else result.log_likelihood
            out.append((name, statistics.median(mine), statistics.median(theirs), ours - value))
        r.stdin.close()
    return out


def table(rows: list[tuple[str, float, float, float]]) -> str:
    """Return a table in Markdown."""
    lines = [
        "| model | ours, ms | R, ms | R / ours | aim | log-likelihood, ours - R |",
        "|---|---|---|---|---|---|",
    ]
    for name, mine, theirs, apart in rows:
        aim = MODELS[name][3]
        lines.append(
            f"| {name} | {1e3 * mine:.1f} | {1e3 * theirs:.0f} | {theirs / mine:.1f} | "
            f"{'' if aim is None else f'{aim:.0f}'} | {apart:+.1e} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as scratch:
        for data in {row[0] for row in MODELS.values()} - {"large"}:
            shutil.copy(DATA / f"{data}.csv", scratch)
        large(1).to_csv(Path(scratch) / "large.csv", index=False)
        text = table(measure(Path(scratch), repeats))
    heading = "# Generalised and ordinal models beside glmer and clmm, processor time, medians\n\n"
    (HERE / "generalised.md").write_text(heading + text, encoding="utf-8")
    print(text)
