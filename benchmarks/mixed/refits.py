"""Benchmark: refits of one model to 1,000 new responses, ours all at once, lme4's `refit` one after another.

    python benchmarks/mixed/refits.py [--refits 1000] [--repeats 5]

n = 1,500: 12 institutions, 500 persons, 3 waves, p = 6; responses are drawn from the model. Ours and R run in
the same call, one thread each; ours is the median of the repeats, set-up from the fitted model included.
The criterion of the first ten responses is compared with tightly optimised fresh `lmer` fits. statsmodels'
MixedLM fits a few responses where it has the model. Writes refits.json and refits.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

from implstats import mixed  # noqa: E402

HERE = Path(__file__).resolve().parent
SEED = 20261123
FIXED = "y ~ wave * arm + x + z"
MODELS = {
    "person intercept": "(1 | person)",
    "person intercept and slope": "(1 + wave | person)",
    "institution and person intercepts": "(1 | inst) + (1 | person)",
    "institution intercept, person intercept and slope": "(1 | inst) + (1 + wave | person)",
}
STATSMODELS_FITS = 5


def design(rng: np.random.Generator) -> pd.DataFrame:
    """Return the 1,500 rows without a response."""
    person = np.repeat(np.arange(500), 3)
    inst = person % 12
    return pd.DataFrame(
        {
            "wave": np.tile(np.arange(3.0), 500), "arm": (inst % 2).astype(float),
            "x": rng.normal(size=500)[person], "z": rng.normal(size=1500), "person": person, "inst": inst,
        }
    )  # fmt: skip


def responses(frame: pd.DataFrame, random: str, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return responses with the random part that the model has, (1500, count)."""
    person, inst = frame["person"].to_numpy(), frame["inst"].to_numpy()
    Y = 3.0 + 0.1 * frame[["wave"]].to_numpy() + 0.2 * frame[["x"]].to_numpy()
    Y = Y + 0.7 * rng.normal(size=(500, count))[person] + 0.6 * rng.normal(size=(1500, count))
    if "wave" in random:
        Y += 0.3 * rng.normal(size=(500, count))[person] * frame[["wave"]].to_numpy()
    if "inst" in random:
        Y += 0.35 * rng.normal(size=(12, count))[inst]
    return Y


def ours(frame: pd.DataFrame, formula: str, Y: np.ndarray, *, repeats: int, df: str) -> tuple[float, Any]:
    """Return seconds for all refits (median) and the refits."""
    result = mixed.fit(formula, frame.assign(y=Y[:, 0]), df="none")
    seconds, found = [], None
    for _ in range(repeats):
        start = time.perf_counter()
        found = mixed.refit(result, Y, df=df)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), found


def statsmodels_seconds(frame: pd.DataFrame, formula: str, random: str, Y: np.ndarray) -> float | None:
    """Return seconds a fit, or None where statsmodels has no such model."""
    if "inst" in random:
        return None
    import statsmodels.formula.api as smf

    slope = "~wave" if "wave" in random else None
    start = time.perf_counter()
    for j in range(STATSMODELS_FITS):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            smf.mixedlm(FIXED, frame.assign(y=Y[:, j]), groups="person", re_formula=slope).fit(reml=True)
    return (time.perf_counter() - start) / STATSMODELS_FITS


def measure(count: int, repeats: int) -> list[dict[str, Any]]:
    """Return one record a model."""
    rng = np.random.default_rng(SEED)
    frame = design(rng)
    rows = []
    with tempfile.TemporaryDirectory(prefix="implstats-refits-") as name:
        folder = Path(name)
        frame.assign(y=0.0).to_csv(folder / "data.csv", index=False)
        all_y = []
        for index, random in enumerate(MODELS.values(), start=1):
            Y = responses(frame, random, count, rng)
            Y.T.tofile(folder / f"responses_{index}.bin")
            all_y.append(Y)
        frame.assign(y=all_y[-1][:, 0]).to_csv(folder / "data.csv", index=False)
        (folder / "models.txt").write_text("\n".join(f"{FIXED} + {m}" for m in MODELS.values()) + "\n")
        for (label, random), Y in zip(MODELS.items(), all_y, strict=True):
            formula = f"{FIXED} + {random}"
            seconds, found = ours(frame, formula, Y, repeats=repeats, df="none")
            with_df, _ = ours(frame, formula, Y, repeats=max(1, repeats // 2), df="kenward-roger")
            rows.append(
                {
                    "model": label, "ours_ms": 1e3 * seconds / count, "ours_df_ms": 1e3 * with_df / count,
                    "failed": found.n_failed, "boundary": int(found.boundary.sum()),
                    "criterion": found.criterion[:10].tolist(),
                    "statsmodels_ms": _ms(statsmodels_seconds(frame, formula, random, Y)),
                }
            )  # fmt: skip
        finished = subprocess.run(
            ["Rscript", str(HERE / "refits.R"), str(folder), str(count)],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
    for row, line in zip(rows, finished.stdout.strip().splitlines(), strict=True):
        _, total, criterion = line.split()
        fresh = np.array([float(value) for value in criterion.split(",")])
        row["lme4_refit_ms"] = 1e3 * float(total) / count
        row["ratio"] = row["lme4_refit_ms"] / row["ours_ms"]
        row["largest_excess"] = float(np.max(np.array(row.pop("criterion")) - fresh))
    return rows


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1e3 * seconds


def as_markdown(rows: list[dict[str, Any]], count: int) -> str:
    """Return the page."""
    lines = [
        f"# {count} refits of new responses, n = 1,500", "",
        "Milliseconds a refit. `lme4` is `refit` without derivatives at the end (`calc.derivs = FALSE`), its",
        "faster setting. Excess: our REML criterion above that of tightly optimised fresh `lmer` fits, the",
        "largest of ten (negative: ours is lower everywhere).", "",
        "| model | ours | with Kenward-Roger df | lme4 | lme4 / ours | statsmodels fit | boundary | failed "
        "| excess |",
        "|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for row in rows:
        other = "" if row["statsmodels_ms"] is None else f"{row['statsmodels_ms']:.0f}"
        lines.append(
            f"| {row['model']} | {row['ours_ms']:.3f} | {row['ours_df_ms']:.3f} | {row['lme4_refit_ms']:.1f} "
            f"| {row['ratio']:.0f} | {other} | {row['boundary']} | {row['failed']} "
            f"| {row['largest_excess']:.1e} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--refits", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    if options.refits < 10 or options.repeats < 1:
        parser.error("--refits should be at least 10 and --repeats at least 1")
    rows = measure(options.refits, options.repeats)
    for name, text in (
        ("refits.json", json.dumps({"refits": options.refits, "seed": SEED, "rows": rows}, indent=2) + "\n"),
        ("refits.md", as_markdown(rows, options.refits)),
    ):
        temporary = HERE / f"{name}.tmp"
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, HERE / name)
    print(as_markdown(rows, options.refits), end="")


if __name__ == "__main__":
    main()
