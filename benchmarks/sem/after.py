"""What follows from a fit of 45 items, beside lavaan, in alternating rounds of one run.

    python benchmarks/sem/after.py [--rounds 5]

Nine factors of five items, 1 000 simulated persons (seeded); the fit itself is not timed. Asked of both: all
modification indices with expected changes (1 350 parameters), standardised values with standard errors,
standardised residuals, factor scores with standard errors. Needs R with lavaan. Writes after.md beside it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

from implstats import sem  # noqa: E402

HERE = Path(__file__).resolve().parent
FACTORS, ITEMS, PERSONS = 9, 5, 1000
NAMES = [f"y{k + 1}" for k in range(FACTORS * ITEMS)]
MODEL = "\n".join(f"f{k + 1} =~ {' + '.join(NAMES[ITEMS * k : ITEMS * (k + 1)])}" for k in range(FACTORS))


def simulate() -> pd.DataFrame:
    """Return the persons: correlated factors, and two residuals that go together."""
    rng = np.random.default_rng(45)
    shared = rng.normal(size=(PERSONS, 1))
    factors = 0.6 * shared + 0.8 * rng.normal(size=(PERSONS, FACTORS))
    items = 0.7 * np.repeat(factors, ITEMS, axis=1) + 0.7 * rng.normal(size=(PERSONS, len(NAMES)))
    items[:, 1] += 0.3 * items[:, 7]
    return pd.DataFrame(items, columns=NAMES)


def questions(fit: sem.SemResult, frame: pd.DataFrame) -> dict[str, Callable[[], float]]:
    """Return what is asked, each with the number that lavaan must find too."""
    return {
        "modindices": lambda: sem.modification_indices(fit).rows[0].mi,
        "standardised": lambda: sum(row.std_error or 0.0 for row in sem.standardised(fit).parameters),
        "residuals": lambda: max(abs(r.value or 0.0) for r in sem.residuals(fit, "standardized").rows),
        "scores": lambda: float(np.abs(sem.factor_scores(fit, frame).scores).sum()),
    }


def measure(rounds: int) -> list[str]:
    """Return the rows of the table."""
    frame = simulate()
    fit = sem.fit(MODEL, frame, kind="cfa")
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        csv, model = Path(folder) / "data.csv", Path(folder) / "model.txt"
        frame.to_csv(csv, index=False)
        model.write_text(MODEL + "\n", encoding="utf-8")
        lavaan = subprocess.Popen(
            ["Rscript", str(HERE / "after.R"), str(csv), str(model)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        if lavaan.stdin is None or lavaan.stdout is None or lavaan.stdout.readline().strip() != "ready":
            raise SystemExit("R with lavaan did not start. Install both, then run this again.")
        for what, ask in questions(fit, frame).items():
            ours, theirs = [], []
            ask()
            for _ in range(rounds):
                start = time.perf_counter()
                found = ask()
                ours.append(time.perf_counter() - start)
                lavaan.stdin.write(f"{what}\n")
                lavaan.stdin.flush()
                seconds, value = lavaan.stdout.readline().split()
                theirs.append(float(seconds))
                if abs(float(value) - found) > 1e-3 * max(1.0, abs(found)):
                    raise SystemExit(f"{what}: {found} and lavaan's {value} differ, so times mean nothing.")
            a, b = statistics.median(ours), statistics.median(theirs)
            lines.append(f"| {what} | {1e3 * a:.1f} | {1e3 * b:.0f} | {b / a:.0f} |")
        lavaan.stdin.write("\n")
        lavaan.stdin.flush()
        lavaan.wait()
    return lines


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    text = "\n".join([
        f"# After a fit of 45 items, beside lavaan ({rounds} alternating rounds, one thread, milliseconds)",
        "",
        "| question | ours, median | lavaan, median | ratio |",
        "|---|---|---|---|",
        *measure(rounds),
        "",
    ])  # fmt: skip
    (HERE / "after.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
