"""Benchmark: residual structures over waves, ours beside nlme's lme and gls in the same call.

    python benchmarks/mixed/residual.py [--repeats 7]

Data of the tests (1,293 and 1,289 rows). Ours is the median time of `mixed.fit`, from the data frame to
estimates, Satterthwaite or Kenward-Roger tests and conditional modes; nlme's that of the call to `lme` or
`gls` alone, with its default settings. One thread each. Writes residual.md beside this file.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import pandas as pd  # noqa: E402

from implstats import mixed  # noqa: E402

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[1] / "tests" / "reference" / "mixed" / "data"
MODELS = {
    "gls_ar1": ("univbct_complete", "JSAT ~ TIME + AGE + GENDER", "ar1(TIME | SUBNUM)"),
    "gls_un": ("univbct_complete", "JSAT ~ C1 + C2 + AGE + GENDER", "un(TIME | SUBNUM)"),
    "lme_ident": ("univbct_complete", "JSAT ~ TIME + AGE + GENDER + (1 | SUBNUM)", "ident(TIME | SUBNUM)"),
    "lme_ar1": ("univbct_complete", "JSAT ~ TIME + AGE + GENDER + (1 | SUBNUM)", "ar1(TIME | SUBNUM)"),
    "lme3_ident": (
        "sim_hetero_ar1", "y ~ wave + arm + armwave + (1 | inst/person)", "ident(wave | inst/person)",
    ),
    "lme3_ar1ident": (
        "sim_hetero_ar1", "y ~ wave + arm + armwave + (1 | inst/person)", "ar1ident(wave | inst/person)",
    ),
}  # fmt: skip


def ours(repeats: int) -> dict[str, tuple[float, float]]:
    """Return median seconds and criterion of each model."""
    out = {}
    for name, (data, formula, residual) in MODELS.items():
        frame = pd.read_csv(DATA / f"{data}.csv")
        result = mixed.fit(formula, frame, residual=residual)
        seconds = []
        for _ in range(repeats):
            start = time.perf_counter()
            result = mixed.fit(formula, frame, residual=residual)
            seconds.append(time.perf_counter() - start)
        assert result.criterion is not None
        out[name] = (statistics.median(seconds), result.criterion)
    return out


def nlme(repeats: int) -> dict[str, tuple[float, float]]:
    """Return the same of nlme."""
    call = ["Rscript", str(HERE / "residual.R"), str(DATA), str(repeats)]
    found = subprocess.run(call, check=True, capture_output=True, text=True).stdout
    parts = (line.split() for line in found.splitlines())
    return {name: (float(seconds), float(criterion)) for name, seconds, criterion in parts}


def table(mine: dict[str, tuple[float, float]], theirs: dict[str, tuple[float, float]]) -> str:
    """Return a table in Markdown; the last column is below zero where our criterion is the lower one."""
    rows = [
        "| model | structure | ours, ms | nlme, ms | ratio | criterion, ours - nlme |",
        "|---|---|---|---|---|---|",
    ]
    for name, (_, _, residual) in MODELS.items():
        (a, f), (b, g) = mine[name], theirs[name]
        kind = residual.split("(")[0]
        rows.append(f"| {name} | {kind} | {1e3 * a:.1f} | {1e3 * b:.1f} | {b / a:.1f} | {f - g:+.1e} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    text = table(ours(repeats), nlme(repeats))
    print(text)
    (HERE / "residual.md").write_text(
        "# Residual structures over waves, one core, medians in milliseconds\n\n" + text, encoding="utf-8"
    )
