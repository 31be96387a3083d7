"""Type I error with 12 clusters: our default tests, z tests, statsmodels, CR2 and the wild cluster bootstrap.

    python benchmarks/mixed/coverage.py [--draws 20000] [--few 500]

Persons in 12 institutions, y ~ arm + x + (1 | institution): arm is the institution's, x the person's; both
have no effect. Cells: ICC 0, .03, .10 and .30, sizes equal (20 each) or not (5 to 60, the arm in 4 of 12).
Each cell draws responses for several designs; the default (df="auto": Kenward-Roger) and the z test come from
batched refits, the others from ``--few`` responses a cell. Writes coverage.json and coverage.md beside it.
"""

from __future__ import annotations

import argparse
import json
import os
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
ICCS = (0.0, 0.03, 0.10, 0.30)
UNEQUAL = (5, 7, 9, 11, 14, 17, 20, 23, 26, 30, 38, 60)
TERMS = ("arm", "x")
FORMULA = "y ~ arm + x + (1 | inst)"
DESIGNS = 5
LEVEL, LOWER, UPPER = 0.05, 0.03, 0.06
Z = 1.959963984540054


def design(rng: np.random.Generator, *, balanced: bool) -> pd.DataFrame:
    """Return persons in 12 institutions, without a response."""
    sizes = np.full(12, 20) if balanced else rng.permutation(UNEQUAL)
    inst = np.repeat(np.arange(12), sizes)
    in_arm = rng.permutation(12) < (6 if balanced else 4)
    # A person's predictor differs between institutions as well, as it does in practice.
    x = rng.normal(size=len(inst)) + 0.3 * rng.normal(size=12)[inst]
    return pd.DataFrame({"inst": inst, "arm": in_arm[inst].astype(float), "x": x})


def responses(frame: pd.DataFrame, icc: float, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return responses without any effect, variance one, (n, count)."""
    inst = frame["inst"].to_numpy()
    between = np.sqrt(icc) * rng.normal(size=(12, count))[inst]
    return between + np.sqrt(1.0 - icc) * rng.normal(size=(len(inst), count))


def batched(frame: pd.DataFrame, Y: np.ndarray) -> dict[str, np.ndarray]:
    """Return rejections, (R, 2), of the default and of z, and which fits are at the boundary or failed."""
    result = mixed.fit(FORMULA, frame.assign(y=Y[:, 0]), df="none")
    ours, plain = mixed.refit(result, Y, df="auto"), mixed.refit(result, Y)
    columns = [ours.terms.index(term) for term in TERMS]
    failed = ours.verdict == "failed"
    return {
        "default": ours.p_value[:, columns] <= LEVEL, "z": np.abs(plain.statistic[:, columns]) > Z,
        "boundary": ours.boundary, "failed": failed,
    }  # fmt: skip


def robust(frame: pd.DataFrame, y: np.ndarray) -> list[bool]:
    """Return whether CR2 rejects, by term."""
    fixed = mixed.fit(FORMULA, frame.assign(y=y), robust="CR2").fixed
    by_name = {effect.term: effect.p_value for effect in fixed}
    return [by_name[term] is not None and by_name[term] <= LEVEL for term in TERMS]


def wild(frame: pd.DataFrame, y: np.ndarray) -> list[bool]:
    """Return whether the wild bootstrap with all 2,048 Rademacher draws rejects, by term."""
    result = mixed.fit(FORMULA, frame.assign(y=y), df="none")
    return [
        mixed.wild_bootstrap(result, term, weights="rademacher", seed=SEED).p_value <= LEVEL for term in TERMS
    ]


def by_statsmodels(frame: pd.DataFrame, y: np.ndarray) -> list[bool]:
    """Return whether statsmodels' MixedLM rejects, by term; a fit without a p-value does not reject."""
    import statsmodels.formula.api as smf

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = smf.mixedlm("y ~ arm + x", frame.assign(y=y), groups="inst").fit(reml=True)
    return [bool(fitted.pvalues[term] <= LEVEL) for term in TERMS]


def cell(icc: float, *, balanced: bool, draws: int, few: int, rng: np.random.Generator) -> dict[str, Any]:
    """Return the rates of one cell."""
    parts: dict[str, list[np.ndarray]] = {k: [] for k in ("default", "z", "boundary", "failed")}
    slow: dict[str, list[list[bool]]] = {"CR2": [], "wild": [], "statsmodels": []}
    for _ in range(DESIGNS):
        frame = design(rng, balanced=balanced)
        Y = responses(frame, icc, draws // DESIGNS, rng)
        for key, values in batched(frame, Y).items():
            parts[key].append(values)
        for j in range(few // DESIGNS):
            slow["CR2"].append(robust(frame, Y[:, j]))
            slow["wild"].append(wild(frame, Y[:, j]))
        for j in range(few // DESIGNS // 2):
            slow["statsmodels"].append(by_statsmodels(frame, Y[:, j]))
    rates = {key: np.concatenate(parts[key]).mean(axis=0).tolist() for key in ("default", "z")}
    rates |= {key: np.mean(values, axis=0).tolist() for key, values in slow.items() if values}
    counts = {key: len(values) for key, values in slow.items()}
    return {
        "icc": icc, "balanced": balanced, "draws": draws // DESIGNS * DESIGNS, "few": counts,
        "boundary": float(np.concatenate(parts["boundary"]).mean()),
        "failed": int(np.concatenate(parts["failed"]).sum()),
        "rates": {key: dict(zip(TERMS, values, strict=True)) for key, values in rates.items()},
    }  # fmt: skip


def error_of(rate: float, count: int) -> float:
    """Return the Monte Carlo standard error of a rate."""
    return float(np.sqrt(rate * (1.0 - rate) / count))


def as_markdown(cells: list[dict[str, Any]], seconds: float) -> str:
    """Return the page."""
    draws, few = cells[0]["draws"], cells[0]["few"]
    lines = [
        "# Type I error at 0.05 with 12 institutions", "",
        f"y ~ arm + x + (1 | institution), neither has an effect; {draws} responses a cell over {DESIGNS} "
        'designs for the default (df="auto") and z,',
        f"{few['CR2']} for CR2 and the wild bootstrap (all 2,048 Rademacher draws), "
        f"{few['statsmodels']} for statsmodels.", "",
        f"Monte Carlo standard error at 0.05: {error_of(0.05, draws):.4f}, "
        f"{error_of(0.05, few['CR2']):.3f} and {error_of(0.05, few['statsmodels']):.3f}. "
        f"Criterion for the default: between {LOWER} and {UPPER}.", "",
        "| ICC | sizes | term | default | z | CR2 | wild | statsmodels | fits at the boundary | failed | "
        "criterion |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for c in cells:
        for term in TERMS:
            r = {key: values[term] for key, values in c["rates"].items()}
            met = LOWER <= r["default"] <= UPPER
            lines.append(
                f"| {c['icc']:.2f} | {'equal' if c['balanced'] else 'unequal'} | {term} | {r['default']:.4f} "
                f"| {r['z']:.4f} | {r['CR2']:.3f} | {r['wild']:.3f} | {r['statsmodels']:.3f} "
                f"| {c['boundary']:.2f} | {c['failed']} | {'met' if met else 'not met'} |"
            )
    return "\n".join([*lines, "", f"{seconds:.0f} seconds in all."]) + "\n"


def main() -> None:
    """Simulate and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=20_000, help="responses a cell for the batched tests")
    parser.add_argument("--few", type=int, default=500, help="responses a cell for the other tests")
    options = parser.parse_args()
    if options.draws < 100 or options.few < 2 * DESIGNS:
        parser.error(f"--draws should be at least 100 and --few at least {2 * DESIGNS}")
    rng, start = np.random.default_rng(SEED), time.perf_counter()
    cells = [
        cell(icc, balanced=balanced, draws=options.draws, few=options.few, rng=rng)
        for balanced in (True, False) for icc in ICCS
    ]  # fmt: skip
    page = as_markdown(cells, time.perf_counter() - start)
    record = json.dumps({"seed": SEED, "level": LEVEL, "formula": FORMULA, "cells": cells}, indent=2) + "\n"
    for name, text in (("coverage.json", record), ("coverage.md", page)):
        temporary = HERE / f"{name}.tmp"
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, HERE / name)
    print(page, end="")


if __name__ == "__main__":
    main()
