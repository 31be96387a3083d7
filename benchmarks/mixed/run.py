"""Benchmark: single fits beside lme4, lmerTest and, if there, other Python packages.

    python benchmarks/mixed/run.py [--quick] [--peers PYTHON]

Sizes from 500 to 500,000 rows, 12 to 5,000 institutions, three models (`grid`). For each size ours, R and
the peers run one after the other in processes of their own, one thread each; times are medians within a
process, after a first call, except that R fits 500,000 rows once. Peak memory is the process's own high-water
mark over its three models (for R: before lmerTest is loaded). The cold row times whole processes: start,
imports, read a csv file, one fit. Two halves of the rows, reduced apart and added, are fitted as evidence
that the reduction is additive. ``--peers`` names a Python that has glmm and mixedlm. Writes result.md and
result.json beside this file; ``--quick`` stops at 5,000 rows and prints only.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SRC = HERE.parents[1] / "src"
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
# By the number of rows: repeats of ours, the peers, lmer, lmerTest, and whether R runs Kenward-Roger.
REPEATS = {
    500: (60, 20, 15, 5, 1),
    5_000: (40, 10, 10, 3, 0),
    50_000: (9, 2, 3, 1, 0),
    500_000: (5, 1, 1, 1, 0),
}
MOST_FOR_PEERS = 50_000  # rows; at ten times as many one of the peers ran for a quarter of an hour
COLD_REPEATS = 5
OURS_COLD = (
    "import sys, pandas as pd; from implstats import mixed; mixed.fit(sys.argv[1], pd.read_csv(sys.argv[2]))"
)
R_COLD = (
    "suppressMessages(library(lme4)); a <- commandArgs(TRUE); "
    "invisible(lmer(as.formula(a[1]), read.csv(a[2])))"
)


def main() -> None:
    """Measure, compare with the targets, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="only up to 5,000 rows; nothing is written")
    parser.add_argument("--peers", type=Path, help="a Python with pandas, glmm and mixedlm")
    options = parser.parse_args()
    if shutil.which("Rscript") is None:
        raise SystemExit("There is no Rscript: install R with lme4, lmerTest and pbkrtest.")
    os.environ.update(ONE_THREAD)
    from evidence import halves_agree
    from grid import CELLS, QUICK
    from grid_page import as_markdown
    from targets import judge

    begin, load = time.perf_counter(), os.getloadavg()
    cells = [measure_cell(*cell, peers=options.peers) for cell in (QUICK if options.quick else CELLS)]
    result = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": describe_machine(cells[0].pop("versions"), options.peers) | {"load_at_start": load},
        "cells": cells,
        "cold": cold_row(),
        "halves": halves_agree(),
        "seconds": time.perf_counter() - begin,
    }
    result["machine"]["load_at_end"] = os.getloadavg()
    result["targets"] = judge(result)
    text = as_markdown(result)
    if not options.quick:
        write_atomically(HERE / "result.json", json.dumps(result, indent=1) + "\n")
        write_atomically(HERE / "result.md", text)
    print(text)


def measure_cell(n: int, institutions: int, *, peers: Path | None) -> dict[str, Any]:
    """Return the measurements of one size, ours, R's and the peers'."""
    from grid import MODELS, make, write

    ours_repeats, peer_repeats, lmer, lmer_test, kenward_roger = REPEATS[n]
    with tempfile.TemporaryDirectory(prefix="implstats-mixed-") as name:
        write(make(n, institutions), Path(name))
        ours = run([sys.executable, str(HERE / "ours.py"), name, str(ours_repeats)])
        r = run(["Rscript", str(HERE / "run.R"), name, str(lmer), str(lmer_test), str(kenward_roger)])
        asked = peers is not None and n <= MOST_FOR_PEERS
        others = run([str(peers), str(HERE / "peers.py"), name, str(peer_repeats)]) if asked else None
    print(f"{n} rows, {institutions} institutions", file=sys.stderr)
    models = {
        model: ours["models"][model] | {"r": row, "peers": others["models"][model] if others else {}}
        for model, row in zip(MODELS, r["rows"], strict=True)
    }
    return {
        "n": n, "institutions": institutions, "models": models, "peak_mb": ours["peak_mb"],
        "r_peak_mb": r["peak_mb"], "versions": r["versions"],
    }  # fmt: skip


def run(command: list[str]) -> dict[str, Any]:
    """Run a measuring process and return what it printed last, as JSON."""
    paths = os.pathsep.join([str(SRC), str(HERE)])
    done = subprocess.run(
        command, env=os.environ | ONE_THREAD | {"PYTHONPATH": paths}, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command[:2])} failed:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def cold_row() -> dict[str, float]:
    """Return the median seconds of whole processes that fit one model once, ours and R's in turn."""
    from grid import MODELS, make

    seconds: dict[str, list[float]] = {"ours": [], "r": []}
    with tempfile.TemporaryDirectory(prefix="implstats-cold-") as name:
        data = str(Path(name) / "data.csv")
        make(5_000, 100).to_csv(data, index=False)
        asked = [MODELS["3-level"], data]
        commands = {"ours": [sys.executable, "-c", OURS_COLD, *asked], "r": ["Rscript", "-e", R_COLD, *asked]}
        for _ in range(COLD_REPEATS):
            for who, command in commands.items():
                begin = time.perf_counter()
                subprocess.run(
                    command, env=os.environ | ONE_THREAD | {"PYTHONPATH": str(SRC)}, check=True,
                    capture_output=True,
                )  # fmt: skip
                seconds[who].append(time.perf_counter() - begin)
    return {who: statistics.median(found) for who, found in seconds.items()}


def describe_machine(r: dict[str, str], peers: Path | None) -> dict[str, Any]:
    """Return processor, cores and versions."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    found = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    versions = {name: metadata.version(name) for name in ("implstats", "numpy", "scipy", "pandas")}
    if peers:
        asked = "from importlib.metadata import version as v; print(v('glmm'), v('mixedlm'))"
        done = subprocess.run([str(peers), "-c", asked], capture_output=True, text=True, check=True)
        versions |= dict(zip(("glmm", "mixedlm"), done.stdout.split(), strict=True))
    return {
        "processor": found[0] if found else "unknown", "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}", "python": platform.python_version(),
        "packages": versions, "r": r, "threads_per_process": 1,
    }  # fmt: skip


def write_atomically(path: Path, text: str) -> None:
    """Write a text file by way of a temporary name."""
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


if __name__ == "__main__":
    main()
