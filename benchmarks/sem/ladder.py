"""The four-step ladder of invariance beside lavaan, in alternating rounds of one run.

    python benchmarks/sem/ladder.py [--rounds 15]

Both fit configural, metric, scalar and strict models to Holzinger & Swineford's nine tests in two schools,
with fit measures, standardised estimates and difference tests, under ML and MLR. Needs R with lavaan. Prints
medians, best rounds, their ratios and peak memory, and writes them to ladder.md beside it.
"""

from __future__ import annotations

import argparse
import gzip
import os
import resource
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import pandas as pd  # noqa: E402

from implstats import sem  # noqa: E402

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[1] / "tests" / "reference" / "sem" / "data" / "hs1939.csv.gz"
MODEL = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
TARGET = 15


def run(estimator: str, rounds: int, csv: str) -> dict[str, float]:
    """Return medians, best rounds (seconds) and peak memory (MB) of both."""
    frame = pd.read_csv(DATA)
    lavaan = subprocess.Popen(
        ["Rscript", str(HERE / "ladder.R"), csv, estimator],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    if lavaan.stdin is None or lavaan.stdout is None or lavaan.stdout.readline().strip() != "ready":
        raise SystemExit("R with lavaan did not start. Install both, then run this again.")
    ours, theirs = [], []
    for _ in range(3):
        sem.invariance(MODEL, frame, group="school", estimator=estimator)
    for _ in range(rounds):
        start = time.perf_counter()
        ladder = sem.invariance(MODEL, frame, group="school", estimator=estimator)
        ours.append(time.perf_counter() - start)
        lavaan.stdin.write("go\n")
        lavaan.stdin.flush()
        seconds, chisq = lavaan.stdout.readline().split()
        theirs.append(float(seconds))
        if abs(float(chisq) - ladder.steps[-1].fit.fit["chisq"]) > 1e-4:
            raise SystemExit("The two ladders do not agree, so their times mean nothing.")
    lavaan.stdin.write("\n")
    lavaan.stdin.flush()
    memory = float(lavaan.stdout.readline())
    lavaan.wait()
    return {
        "ours": statistics.median(ours), "theirs": statistics.median(theirs), "our_best": min(ours),
        "their_best": min(theirs), "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "their_memory": memory,
    }  # fmt: skip


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    lines = [
        f"# The ladder of invariance beside lavaan ({rounds} alternating rounds, one thread, milliseconds)",
        "",
        "| estimator | ours, median | lavaan, median | ratio | ours, best | lavaan, best | ratio | our MB | "
        "lavaan's MB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        csv = Path(folder) / "hs1939.csv"
        csv.write_bytes(gzip.decompress(DATA.read_bytes()))
        for estimator in ("ML", "MLR"):
            t = run(estimator, rounds, str(csv))
            cells = [
                estimator,
                *(f"{1e3 * t[key]:.0f}" for key in ("ours", "theirs")),
                f"{t['theirs'] / t['ours']:.1f}",
                *(f"{1e3 * t[key]:.0f}" for key in ("our_best", "their_best")),
                f"{t['their_best'] / t['our_best']:.1f}",
                *(f"{t[key]:.0f}" for key in ("memory", "their_memory")),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    lines += ["", f"Reach: lavaan's time at least {TARGET} times ours, and no more memory than lavaan."]
    text = "\n".join(lines) + "\n"
    (HERE / "ladder.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
