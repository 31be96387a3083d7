"""A thousand bootstrap refits of a latent mediation model beside lavaan, in alternating rounds of one run.

    python benchmarks/sem/bootstrap.py [--rounds 5] [--lavaan-draws 60]

Nine items, 300 simulated persons. Ours is the whole of sem.bootstrap with 1,000 draws (draws, refits, defined
and standardised values, intervals); lavaan's is bootstrapLavaan with FUN = coef, standard errors, test and
baseline off, timed over few draws and scaled to 1,000. Needs R with lavaan. Writes bootstrap.md beside it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

from implstats import sem  # noqa: E402
from implstats.sem.resampling.bootstrap import bootstrap  # noqa: E402

HERE = Path(__file__).resolve().parent
MODEL = "X =~ x1 + x2 + x3\nM =~ m1 + m2 + m3\nY =~ y1 + y2 + y3\nM ~ a*X\nY ~ b*M + c*X\nind := a*b"
DRAWS, TARGET = 1000, 50


def simulate() -> pd.DataFrame:
    """Return nine items of three factors of 300 persons."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=300)
    m = 0.5 * x + rng.normal(size=300)
    y = 0.4 * m + 0.2 * x + rng.normal(size=300)
    items = {
        f"{stem}{k + 1}": factor * (1.0, 0.8, 0.9)[k] + 0.7 * rng.normal(size=300)
        for stem, factor in (("x", x), ("m", m), ("y", y))
        for k in range(3)
    }
    return pd.DataFrame(items)


def run(rounds: int, lavaan_draws: int) -> tuple[list[float], list[float]]:
    """Return seconds for 1,000 draws, ours and lavaan's (scaled), round by round."""
    frame = simulate()
    result = sem.fit(MODEL, frame)
    bootstrap(result, draws=100, seed=1)
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        csv = Path(folder) / "items.csv"
        frame.to_csv(csv, index=False)
        lavaan = subprocess.Popen(
            ["Rscript", str(HERE / "bootstrap.R"), str(csv), str(lavaan_draws)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        if lavaan.stdin is None or lavaan.stdout is None or lavaan.stdout.readline().strip() != "ready":
            raise SystemExit("R with lavaan did not start. Install both, then run this again.")
        for _ in range(rounds):
            start = time.perf_counter()
            found = bootstrap(result, draws=DRAWS, seed=1)
            ours.append(time.perf_counter() - start)
            lavaan.stdin.write("go\n")
            lavaan.stdin.flush()
            seconds, spread = map(float, lavaan.stdout.readline().split())
            theirs.append(DRAWS * seconds)
            mine = found.parameters[-1].std_error or 0.0
            # A standard deviation of n draws has a relative error of 1 / sqrt(2 n).
            if abs(mine / spread - 1) > 4 / np.sqrt(2 * lavaan_draws):
                raise SystemExit("The two bootstraps do not agree, so their times mean nothing.")
        lavaan.stdin.write("\n")
        lavaan.stdin.flush()
        lavaan.wait()
    return ours, theirs


def main() -> None:
    """Run the rounds and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--lavaan-draws", type=int, default=60)
    options = parser.parse_args()
    ours, theirs = run(options.rounds, options.lavaan_draws)
    middle = statistics.median(theirs) / statistics.median(ours)
    best = min(theirs) / min(ours)
    lines = [
        "# A thousand bootstrap refits of a latent mediation model", "",
        f"Nine items, 300 persons, {options.rounds} alternating rounds, one thread. lavaan "
        "(bootstrapLavaan, FUN = "
        f"coef, no standard errors, test or baseline) was timed over {options.lavaan_draws} draws and "
        "scaled to 1,000; "
        "ours is the whole of `sem.bootstrap`, with standardised values and intervals.", "",
        "| | median seconds | best seconds |", "|---|---|---|",
        f"| implstats | {statistics.median(ours):.3f} | {min(ours):.3f} |",
        f"| lavaan, scaled | {statistics.median(theirs):.1f} | {min(theirs):.1f} |",
        f"| ratio (target {TARGET}) | {middle:.0f} | {best:.0f} |", "",
        "`python benchmarks/sem/bootstrap.py` runs it again.", "",
    ]  # fmt: skip
    text = "\n".join(lines)
    (HERE / "bootstrap.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
