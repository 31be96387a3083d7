"""Do the intervals hold their level, the standard errors match the spread, and the tests their size?

    python benchmarks/sem/coverage.py [--samples 1000]

Seeded simulations of true models; writes coverage.md beside it. Cells outside their band are marked, not
tuned away.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

from implstats import sem  # noqa: E402

HERE = Path(__file__).resolve().parent
PATH = "m ~ a*x\ny ~ b*m + c*x\nind := a*b"
FACTORS = "f =~ x1 + x2 + x3\ng =~ x4 + x5 + x6"
Cell = tuple[str, float, float, float]


def mediation(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Return x, m and y of n persons whose indirect effect is .16."""
    x = rng.normal(size=n)
    m = 0.4 * x + rng.normal(size=n)
    return pd.DataFrame({"x": x, "m": m, "y": 0.4 * m + 0.1 * x + rng.normal(size=n)})


def two_factors(rng: np.random.Generator, n: int, *, heavy: bool) -> pd.DataFrame:
    """Return six items of two factors that correlate .5; heavy: every person's values share a random
    scale.
    """
    f = rng.normal(size=(n, 2)) @ np.array([[1.0, 0.5], [0.0, np.sqrt(0.75)]])
    y = np.repeat(f, 3, axis=1) * np.tile([1.0, 0.8, 0.9], 2) + 0.8 * rng.normal(size=(n, 6))
    if heavy:
        y = y / np.sqrt(rng.chisquare(10, size=(n, 1)) / 10)
    return pd.DataFrame(y, columns=[f"x{k}" for k in range(1, 7)])


def indirect_cells(samples: int, n: int = 200) -> Iterator[Cell]:
    """Yield the coverage of 95 % intervals of the indirect effect."""
    rng = np.random.default_rng(20261123)
    hits = dict.fromkeys(("delta", "Monte Carlo", "bootstrap percentile", "bootstrap BCa"), 0)
    for k in range(samples):
        result = sem.fit(PATH, mediation(rng, n))
        ind = result.parameters[-1]
        drawn = sem.monte_carlo(result, draws=5000, seed=k).effects[0]
        percentile = sem.bootstrap(result, draws=999, seed=k).parameters[-1]
        bca = sem.bootstrap(result, draws=999, seed=k, interval="bca").parameters[-1]
        for method, found in zip(hits, (ind, drawn, percentile, bca), strict=True):
            hits[method] += (found.conf_low or np.inf) < 0.16 < (found.conf_high or -np.inf)
    for method, count in hits.items():
        yield f"coverage of the indirect effect, n = {n}: {method}", count / samples, 0.93, 0.97


def fiml_cells(samples: int, n: int = 300) -> Iterator[Cell]:
    """Yield mean standard error over spread of estimates, 20 % of answers missing at random."""
    rng = np.random.default_rng(20261124)
    estimates, errors = [], []
    for _ in range(samples):
        frame = two_factors(rng, n, heavy=False)
        # Answers on the others depend on x1 and x4, which everyone gave: at random, not completely.
        for driver, items in (("x1", ("x2", "x3")), ("x4", ("x5", "x6"))):
            chance = 0.6 / (1.0 + np.exp(-frame[driver].to_numpy()))
            for item in items:
                frame[item] = frame[item].where(rng.random(n) >= chance)
        result = sem.fit(FACTORS, frame, missing="fiml")
        free = [p for p in result.parameters if p.free]
        estimates.append([p.estimate for p in free])
        errors.append([p.std_error for p in free])
    ratio = np.mean(np.array(errors, dtype=float), axis=0) / np.std(
        np.array(estimates, dtype=float), axis=0, ddof=1
    )
    yield (
        f"FIML, 20 % missing, n = {n}: standard error / spread, mean of {len(ratio)} parameters",
        float(ratio.mean()),
        0.97,
        1.03,
    )
    # A spread of so many samples has a relative error of its own, which the extremes of many parameters show.
    noise = 3 / np.sqrt(2 * samples)
    yield "the same, smallest parameter", float(ratio.min()), 0.97 - noise, 1.03 + noise
    yield "the same, largest parameter", float(ratio.max()), 0.97 - noise, 1.03 + noise


def size_cells(samples: int) -> Iterator[Cell]:
    """Yield how often tests at 5 % reject the true model, persons' values with heavy tails."""
    for n in (300, 1000):
        rng = np.random.default_rng(20261125)
        robust, plain = 0, 0
        for _ in range(samples):
            fit = sem.fit(FACTORS, two_factors(rng, n, heavy=True), estimator="MLR").fit
            robust += (fit["pvalue.scaled"] or 0.0) < 0.05
            plain += (fit["pvalue"] or 0.0) < 0.05
        yield f"rejection of a true model, heavy tails, n = {n}: MLR", robust / samples, 0.03, 0.08
        yield f"the same without correction (ML; no band, for comparison), n = {n}", plain / samples, 0.0, 1.0


def main() -> None:
    """Run all cells and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=1000)
    samples = parser.parse_args().samples
    start = time.perf_counter()
    lines = ["# Coverage, standard errors and size by simulation", "",
             f"{samples} seeded samples a cell.", "",
             "| cell | value | band | |", "|---|---|---|---|"]  # fmt: skip
    for cells in (size_cells, fiml_cells, indirect_cells):
        for label, value, low, high in cells(samples):
            mark = "holds" if low <= value <= high else "**outside**"
            lines.append(f"| {label} | {value:.4f} | {low:.3f} to {high:.3f} | {mark} |")
            print(lines[-1], flush=True)
    lines += [
        "",
        f"{time.perf_counter() - start:.0f} seconds. `python benchmarks/sem/coverage.py` runs it again.",
        "",
    ]
    (HERE / "coverage.md").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
