"""A thousand bootstrap refits beside lavaan, in alternating rounds of one run.

    python benchmarks/sem/bootstrap.py [--rounds 3] [--lavaan-draws 20]

Three simulated cases: a latent mediation (ML), ten ordered items (WLSMV: thresholds, polychoric correlations
and weights of every resample anew), nine items with gaps (full information). Ours is the whole of
sem.bootstrap with 1,000 draws (draws, refits, defined and standardised values, intervals); lavaan's is
bootstrapLavaan with FUN = coef, standard errors, test and baseline off, timed over few draws and scaled to
1,000. Both must give the same standard deviations within chance. Needs R with lavaan; writes bootstrap.md.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

from implstats import sem  # noqa: E402

HERE = Path(__file__).resolve().parent
DRAWS = 1000
MEDIATION = "X =~ x1 + x2 + x3\nM =~ m1 + m2 + m3\nY =~ y1 + y2 + y3\nM ~ a*X\nY ~ b*M + c*X\nind := a*b"
TEN = "f =~ y1 + y2 + y3 + y4 + y5\ng =~ y6 + y7 + y8 + y9 + y10"
NINE = "f =~ y1 + y2 + y3\ng =~ y4 + y5 + y6\nh =~ y7 + y8 + y9"
ITEMS = [f"y{k}" for k in range(1, 11)]


def mediation() -> pd.DataFrame:
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


def answers(n: int, items: int) -> pd.DataFrame:
    """Return items of two or three factors that correlate .36."""
    rng = np.random.default_rng(7)
    each = 5 if items == 10 else 3
    factors = 0.6 * rng.normal(size=(n, 1)) + 0.8 * rng.normal(size=(n, items // each))
    latent = 0.7 * np.repeat(factors, each, axis=1) + 0.7 * rng.normal(size=(n, items))
    return pd.DataFrame(latent, columns=ITEMS[:items])


def categories() -> pd.DataFrame:
    """Return ten items with five answers of 500 persons."""
    return answers(500, 10).apply(lambda column: np.searchsorted([-1.2, -0.4, 0.4, 1.2], column) + 1)


def gaps() -> pd.DataFrame:
    """Return nine items of 500 persons, a tenth of the answers missing."""
    return answers(500, 9).mask(np.random.default_rng(8).random((500, 9)) < 0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case: words for the table, data, model, options of sem.fit and what lavaan's call needs."""

    what: str
    make: Callable[[], pd.DataFrame]
    model: str
    options: dict[str, Any] = field(default_factory=dict)
    call: str = ""


CASES = (
    Case(what="latent mediation, 9 items, n 300, ML", make=mediation, model=MEDIATION),
    Case(
        what="10 ordered items with 5 answers, 2 factors, n 500, WLSMV", make=categories, model=TEN,
        options={"ordered": ITEMS}, call="ordered = TRUE",
    ),
    Case(
        what="9 items, 3 factors, n 500, a tenth missing, full information", make=gaps, model=NINE,
        options={"missing": "fiml"}, call='missing = "fiml"',
    ),
)  # fmt: skip


def run(case: Case, rounds: int, lavaan_draws: int) -> tuple[list[float], list[float]]:
    """Return seconds for 1,000 draws, ours and lavaan's (scaled), round by round."""
    frame = case.make()
    result = sem.fit(case.model, frame, **case.options)
    sem.bootstrap(result, draws=100, seed=1)
    free = [k for k, p in enumerate(result.parameters) if p.free]
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        csv, text = Path(folder) / "items.csv", Path(folder) / "model.lav"
        frame.to_csv(csv, index=False)
        text.write_text(case.model + "\n", encoding="utf-8")
        lavaan = subprocess.Popen(
            ["Rscript", str(HERE / "bootstrap.R"), str(csv), str(text), str(lavaan_draws), case.call],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        if lavaan.stdin is None or lavaan.stdout is None or lavaan.stdout.readline().strip() != "ready":
            raise SystemExit("R with lavaan did not start. Install both, then run this again.")
        for _ in range(rounds):
            start = time.perf_counter()
            found = sem.bootstrap(result, draws=DRAWS, seed=1)
            ours.append(time.perf_counter() - start)
            lavaan.stdin.write("go\n")
            lavaan.stdin.flush()
            seconds, spread = map(float, lavaan.stdout.readline().split())
            theirs.append(DRAWS * seconds)
            mine = float(np.mean([found.parameters[k].std_error or 0.0 for k in free]))
            # A standard deviation of n draws has a relative error of 1 / sqrt(2 n); their mean has less.
            if abs(mine / spread - 1) > 3 / np.sqrt(2 * lavaan_draws):
                raise SystemExit(
                    f"{case.what}: the two bootstraps do not agree, so their times mean nothing."
                )
        lavaan.stdin.write("\n")
        lavaan.stdin.flush()
        lavaan.wait()
    return ours, theirs


def main() -> None:
    """Run the rounds of every case and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lavaan-draws", type=int, default=20)
    options = parser.parse_args()
    lines = [
        "# A thousand bootstrap refits", "",
        f"{options.rounds} alternating rounds, one thread, medians (best round in brackets). lavaan "
        "(bootstrapLavaan, FUN = coef, no standard errors, test or baseline) was timed over "
        f"{options.lavaan_draws} draws and scaled to 1,000; ours is the whole of `sem.bootstrap`, with "
        "standardised values and intervals.", "",
        "| case | implstats, s | lavaan, scaled, s | ratio |", "|---|---|---|---|",
    ]  # fmt: skip
    for case in CASES:
        ours, theirs = run(case, options.rounds, options.lavaan_draws)
        middle = statistics.median(theirs) / statistics.median(ours)
        mine = f"{statistics.median(ours):.2f} ({min(ours):.2f})"
        other = f"{statistics.median(theirs):.0f} ({min(theirs):.0f})"
        lines.append(f"| {case.what} | {mine} | {other} | {middle:.0f} ({min(theirs) / min(ours):.0f}) |")
        print(lines[-1], flush=True)
    lines += ["", "`python benchmarks/sem/bootstrap.py` runs it again.", ""]
    (HERE / "bootstrap.md").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
