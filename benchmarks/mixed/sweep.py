"""Evidence: does any engine find a better optimum than ours, on 1,000 seeded designs?

    python benchmarks/mixed/sweep.py [--designs 1000] [--peers PYTHON]

3 to 40 institutions, persons with up to four waves of which some are missing, a random intercept and slope
of the institution and an intercept of the person, or two intercepts; half of the designs have no variance
between institutions, so that most of those fits are singular. Each is fitted by REML (two thirds) or ML by
us, by lme4 with its default optimiser and again with a tight one, and, with ``--peers``, by glmm and mixedlm
(a Python that has them). The yardstick is the lowest criterion of all. Writes sweep.json and sweep.md beside
this file.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
FORMULAS = ("y ~ wave + x + (1 | inst) + (1 | person)", "y ~ wave + (wave | inst) + (1 | person)")
WRONG = 1e-3  # deviance units above the best
CLOSE = 1e-8
EVERY = 3  # each third design is fitted by ML


def design(seed: int) -> pd.DataFrame:
    """Return a data set; even seeds have no variance between institutions."""
    rng = np.random.default_rng(seed)
    J, none = int(rng.integers(3, 41)), seed % 2 == 0
    size = rng.integers(3, 13, J)
    inst = np.repeat(np.repeat(np.arange(J), size), 4)
    person = np.repeat(np.arange(size.sum()), 4)
    wave = np.tile(np.arange(4.0), size.sum())
    level, slope = (0.0, 0.0) if none else (0.4, 0.2)
    y = 3.0 + 0.2 * wave + level * rng.normal(size=J)[inst] + slope * rng.normal(size=J)[inst] * wave
    y = y + rng.choice([0.3, 0.8]) * rng.normal(size=size.sum())[person]
    x = rng.normal(size=len(y))
    y = y + 0.1 * x + rng.normal(size=len(y))
    frame = pd.DataFrame({"design": seed, "inst": inst, "person": person, "wave": wave, "x": x, "y": y})
    return frame[rng.uniform(size=len(y)) < 0.75]


def settings(seed: int) -> tuple[str, bool]:
    """Return the formula of a design and whether it is fitted by REML."""
    return FORMULAS[seed // 2 % 2], seed % EVERY > 0


def ours(frames: dict[int, pd.DataFrame]) -> dict[int, dict[str, Any]]:
    """Fit all designs with this package."""
    from implstats import mixed

    out = {}
    for seed, frame in frames.items():
        formula, reml = settings(seed)
        fit = mixed.fit(formula, frame, reml=reml, df="none", few_clusters="fit")
        out[seed] = {"criterion": fit.criterion, "converged": fit.converged, "singular": fit.boundary}
    return out


def from_program(command: list[str], folder: Path) -> list[dict[str, Any]]:
    """Run another engine on the designs in ``folder`` and return its lines of JSON."""
    done = subprocess.run([*command, str(folder)], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def summary(engines: dict[str, dict[int, dict[str, Any]]], seeds: list[int]) -> dict[str, dict[str, Any]]:
    """Return what each engine found beside the best of all."""
    best = {
        s: min(e[s]["criterion"] for e in engines.values() if e[s]["criterion"] is not None) for s in seeds
    }
    out: dict[str, dict[str, Any]] = {}
    for name, found in engines.items():
        excess = {s: found[s]["criterion"] - best[s] for s in seeds if found[s]["criterion"] is not None}
        wrong = [s for s, e in excess.items() if e > WRONG]
        out[name] = {
            "fitted": len(excess), "largest_excess": float(max(excess.values())),
            "above_1e-8": sum(bool(e > CLOSE) for e in excess.values()),
            "wrong": len(wrong), "wrong_and_converged": sum(bool(found[s]["converged"]) for s in wrong),
        }  # fmt: skip
    return out


def page(result: dict[str, Any]) -> str:
    """Return the findings as a table."""
    lines = [
        "# Is there a better optimum than ours?",
        "",
        f"{result['designs']} seeded designs, {result['singular']} of our fits at the boundary. Excess: "
        "criterion (deviance units) above the lowest that any engine found. Made by "
        f"`python benchmarks/mixed/sweep.py`, {result['date']}, {result['versions']}.",
        "",
        "| engine | fitted | largest excess | above 1e-8 | wrong by over 1e-3 | of these converged |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {e['fitted']} | {e['largest_excess']:.1e} | {e['above_1e-8']} | {e['wrong']} "
        f"| {e['wrong_and_converged']} |"
        for name, e in result["engines"].items()
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Fit, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--designs", type=int, default=1000)
    parser.add_argument("--peers", type=Path, help="a Python with pandas, glmm and mixedlm")
    options = parser.parse_args()
    if shutil.which("Rscript") is None:
        raise SystemExit("There is no Rscript: install R with lme4.")
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    seeds = list(range(options.designs))
    frames = {seed: design(seed) for seed in seeds}
    with tempfile.TemporaryDirectory(prefix="implstats-sweep-") as name:
        folder = Path(name)
        pd.concat(frames.values()).to_csv(folder / "designs.csv", index=False, float_format="%.17g")
        asked = [(s, *settings(s)) for s in seeds]
        pd.DataFrame(asked, columns=["design", "formula", "reml"]).to_csv(folder / "asked.csv", index=False)
        lines = from_program(["Rscript", str(HERE / "sweep.R")], folder)
        if options.peers:
            lines += from_program([str(options.peers), str(HERE / "sweep_peers.py")], folder)
    engines: dict[str, dict[int, dict[str, Any]]] = {"implstats": ours(frames)}
    for line in lines:
        engines.setdefault(line["engine"], {})[line["design"]] = line
    result = {
        "date": datetime.now(UTC).date().isoformat(), "designs": len(seeds),
        "versions": f"Python {platform.python_version()}, numpy {np.__version__}",
        "singular": sum(bool(f["singular"]) for f in engines["implstats"].values()),
        "engines": summary(engines, seeds),
    }  # fmt: skip
    (HERE / "sweep.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (HERE / "sweep.md").write_text(page(result), encoding="utf-8")
    sys.stdout.write(page(result))


if __name__ == "__main__":
    main()
