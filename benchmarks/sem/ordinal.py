"""A WLSMV fit of 20 ordered items beside lavaan, in alternating rounds of one run.

    python benchmarks/sem/ordinal.py [--rounds 15]

Both fit four factors of five items with five categories, n = 1,000, with standard errors, tests, every fit
measure and standardised estimates. Needs R with lavaan. Prints medians, best rounds, their ratios and peak
memory, and writes them to ordinal.md beside it.
"""

from __future__ import annotations

import argparse
import os
import resource
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

HERE = Path(__file__).resolve().parent
TARGET = 10
ITEMS = [f"y{k}" for k in range(1, 21)]
MODEL = "\n".join(f"f{k + 1} =~ " + " + ".join(ITEMS[5 * k : 5 * k + 5]) for k in range(4))
# lavaan's polychoric correlations are good to 4e-8, and chi-square inherits it.
SAME = 1e-6


def simulated(n: int = 1000, seed: int = 20) -> pd.DataFrame:
    """Return the answers of n persons, seeded."""
    rng = np.random.default_rng(seed)
    root = np.linalg.cholesky(0.4 + 0.6 * np.eye(4))
    factors = rng.normal(size=(n, 4)) @ root.T
    latent = 0.7 * np.repeat(factors, 5, axis=1) + np.sqrt(0.51) * rng.normal(size=(n, 20))
    return pd.DataFrame(np.searchsorted([-1.2, -0.4, 0.4, 1.2], latent) + 1, columns=ITEMS)


def run(rounds: int, folder: Path) -> dict[str, float]:
    """Return medians, best rounds (seconds) and peak memory (MB) of both."""
    frame = simulated()
    frame.to_csv(folder / "ord20.csv", index=False)
    (folder / "model.txt").write_text(MODEL + "\n", encoding="utf-8")
    lavaan = subprocess.Popen(
        ["Rscript", str(HERE / "ordinal.R"), str(folder / "ord20.csv"), str(folder / "model.txt")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    if lavaan.stdin is None or lavaan.stdout is None or lavaan.stdout.readline().strip() != "ready":
        raise SystemExit("R with lavaan did not start. Install both, then run this again.")
    ours, theirs = [], []
    for _ in range(3):
        sem.fit(MODEL, frame, kind="cfa", ordered=ITEMS)
    for _ in range(rounds):
        start = time.perf_counter()
        fit = sem.fit(MODEL, frame, kind="cfa", ordered=ITEMS)
        ours.append(time.perf_counter() - start)
        lavaan.stdin.write("go\n")
        lavaan.stdin.flush()
        seconds, *found = (float(word) for word in lavaan.stdout.readline().split())
        theirs.append(seconds)
        mine = [fit.fit["chisq"], fit.fit["chisq.scaled"]]
        if not np.allclose(mine, found, rtol=SAME):
            raise SystemExit("The two fits do not agree, so their times mean nothing.")
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
    with tempfile.TemporaryDirectory() as folder:
        t = run(rounds, Path(folder))
    cells = [
        "WLSMV, 20 items",
        *(f"{1e3 * t[key]:.0f}" for key in ("ours", "theirs")),
        f"{t['theirs'] / t['ours']:.1f}",
        *(f"{1e3 * t[key]:.0f}" for key in ("our_best", "their_best")),
        f"{t['their_best'] / t['our_best']:.1f}",
        *(f"{t[key]:.0f}" for key in ("memory", "their_memory")),
    ]
    lines = [
        f"# Ordered items beside lavaan ({rounds} alternating rounds, one thread, milliseconds)",
        "",
        "| fit | ours, median | lavaan, median | ratio | ours, best | lavaan, best | ratio | our MB | "
        "lavaan's MB |",
        "|---|---|---|---|---|---|---|---|---|",
        f"| {' | '.join(cells)} |",
        "",
        f"Reach: lavaan's time at least {TARGET} times ours, and no more memory than lavaan.",
    ]
    text = "\n".join(lines) + "\n"
    (HERE / "ordinal.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
