"""Do the intervals hold their level, the standard errors match the spread, and the tests their size?

    python benchmarks/sem/coverage.py [--part fiml] [--scale 0.1]

Seeded simulations of true models. Each part keeps its rows in coverage.json, from which coverage.md is
written. Every value stands beside its own Monte Carlo error. Cells outside their band are marked, not
tuned away.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import numpy as np  # noqa: E402
import populations as pop  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from implstats import sem  # noqa: E402

Row = dict[str, object]
RATIO, SIZE, COVER = (0.97, 1.03), (0.03, 0.08), (0.93, 0.97)
SIZES = (300, 1000)


def row(label: str, value: float, error: float, band: tuple[float, float] | None, note: str = "") -> Row:
    """One line of the table."""
    return {"label": label, "value": value, "error": error, "band": band, "note": note}


def share(label: str, hits: int, n: int, band: tuple[float, float] | None, note: str = "") -> Row:
    """A share of n samples with its Monte Carlo error."""
    p = hits / n
    return row(label, p, float(np.sqrt(p * (1 - p) / n)), band, note)


def ratios(estimates: NDArray[np.float64], errors: NDArray[np.float64]) -> tuple[list[float], list[float]]:
    """Return mean standard error over spread for each column, and its Monte Carlo error.

    log ratio = log mean(s) - log sd(e), whose influence of a sample is s / mean(s) - 1 - (z^2 - 1) / 2.
    """
    ratio = errors.mean(axis=0) / estimates.std(axis=0, ddof=1)
    z = (estimates - estimates.mean(axis=0)) / estimates.std(axis=0)
    influence = errors / errors.mean(axis=0) - 1 - (z**2 - 1) / 2
    return list(ratio), list(ratio * influence.std(axis=0) / np.sqrt(len(errors)))


def fiml(scale: float) -> Iterator[Row]:
    """Standard errors of full information, a fifth of the answers missing at random."""
    samples = round(12_000 * scale)
    for n in SIZES:
        rng = np.random.default_rng(20261124 + n)
        estimates, errors, labels, failed = [], [], [], 0
        for _ in range(samples):
            frame = pop.with_gaps(rng, pop.six(rng, n))
            result = sem.fit(pop.TWO_FACTORS, frame, missing="fiml")
            if result.verdict == "failed":
                failed += 1
                continue
            free = [p for p in result.parameters if p.free]
            labels = [p.name for p in free]
            estimates.append([p.estimate for p in free])
            errors.append([p.std_error for p in free])
        found, noise = ratios(np.array(estimates, dtype=float), np.array(errors, dtype=float))
        note = f"{failed} of {samples} fits failed" if failed else ""
        for label, value, error in zip(labels, found, noise, strict=True):
            yield row(f"n = {n}, {label}", value, error, RATIO, note)


def size(scale: float) -> Iterator[Row]:
    """Share of samples in which a test at 5 % rejects the true model."""
    samples = round(5000 * scale)
    cases = [("normal", pop.THREE_FACTORS), ("skewed", pop.THREE_FACTORS), ("heavy", pop.THREE_FACTORS),
             ("heavy, six items", pop.TWO_FACTORS)]  # fmt: skip
    for population, model in cases:
        for n in SIZES:
            rng = np.random.default_rng(20261125 + n)
            hits = dict.fromkeys(("MLR", "MLM", "MLMV", "ML"), 0)
            for _ in range(samples):
                six = population == "heavy, six items"
                frame = pop.heavy_six(rng, n) if six else pop.draw(rng, n, population)
                for estimator in ("MLR", "MLM", "MLMV"):
                    fit = sem.fit(model, frame, estimator=estimator).fit
                    hits[estimator] += (fit["pvalue.scaled"] or 0.0) < 0.05
                hits["ML"] += (fit["pvalue"] or 0.0) < 0.05
            for estimator, count in hits.items():
                band = None if estimator == "ML" else SIZE
                yield share(f"{population}, n = {n}, {estimator}", count, samples, band)


def size_gaps(scale: float) -> Iterator[Row]:
    """The same under full information: MLR, a fifth of the answers missing at random."""
    samples = round(5000 * scale)
    for label, of in (("normal", pop.six), ("heavy", pop.heavy_six)):
        for n in SIZES:
            rng = np.random.default_rng(20261126 + n)
            hits = 0
            for _ in range(samples):
                frame = pop.with_gaps(rng, of(rng, n))
                fit = sem.fit(pop.TWO_FACTORS, frame, missing="fiml", estimator="MLR").fit
                hits += (fit["pvalue.scaled"] or 0.0) < 0.05
            yield share(f"{label}, six items, n = {n}, MLR with FIML", hits, samples, SIZE)


def size_ordered(scale: float) -> Iterator[Row]:
    """The same for four ordered answers under WLSMV."""
    samples = round(5000 * scale)
    items = pop.names(9)
    for cuts in pop.CUTS:
        for n in SIZES:
            rng = np.random.default_rng(20261127 + n)
            hits = failed = 0
            for _ in range(samples):
                result = sem.fit(pop.THREE_FACTORS, pop.categories(rng, n, cuts), ordered=items)
                failed += result.verdict == "failed"
                hits += result.verdict != "failed" and (result.fit["pvalue.scaled"] or 0.0) < 0.05
            note = f"{failed} fits failed" if failed else ""
            yield share(f"{cuts} answers, n = {n}, WLSMV", hits, samples - failed, SIZE, note)


def bollen_stine(scale: float) -> Iterator[Row]:
    """The bootstrap test where corrections reject too often."""
    samples = round(1000 * scale)
    rng = np.random.default_rng(20261125 + 300)
    hits = 0
    for k in range(samples):
        result = sem.fit(pop.TWO_FACTORS, pop.heavy_six(rng, 300))
        hits += sem.bollen_stine(result, draws=499, seed=k).p_value <= 0.05
    yield share("heavy, six items, n = 300, Bollen-Stine, 499 draws", hits, samples, SIZE)


def in_lavaan(scale: float) -> Iterator[Row]:
    """The samples in which MLR rejects too often, given to lavaan: the same test on the same data."""
    samples = round(500 * scale)
    if shutil.which("Rscript") is None:
        print("Rscript is not here; the part that needs lavaan is left out.")
        return
    for n in SIZES:
        rng = np.random.default_rng(20261125 + n)
        frames = [pop.heavy_six(rng, n) for _ in range(samples)]
        with tempfile.TemporaryDirectory() as folder:
            np.savetxt(Path(folder) / "data.csv", np.vstack([f.to_numpy() for f in frames]), fmt="%.17g",
                       delimiter=",")  # fmt: skip
            command = ["Rscript", str(HERE / "coverage.R"), folder, str(n)]
            subprocess.run(command, check=True)
            theirs = np.loadtxt(Path(folder) / "pvalues.csv", delimiter=",", ndmin=2)
        for column, estimator in enumerate(("MLR", "MLM", "MLMV")):
            ours = np.array([
                sem.fit(pop.TWO_FACTORS, f, estimator=estimator).fit["pvalue.scaled"] for f in frames
            ], dtype=float)  # fmt: skip
            p = theirs[:, column]
            note = (
                f"{int(((ours < 0.05) != (p < 0.05)).sum())} samples decided otherwise by us; largest "
                f"difference of p-values {np.abs(ours - p).max():.0e}"
            )
            label = f"heavy, six items, n = {n}, first {samples} samples, lavaan's {estimator}"
            yield share(label, int((p < 0.05).sum()), samples, None, note)


def indirect(scale: float) -> Iterator[Row]:
    """Coverage of 95 % intervals of an indirect effect of .16, 200 persons."""
    samples = round(2000 * scale)
    rng = np.random.default_rng(20261123)
    hits = dict.fromkeys(("delta", "Monte Carlo", "percentile", "BCa"), 0)
    for k in range(samples):
        result = sem.fit(pop.PATH, pop.mediation(rng, 200))
        found = [result.parameters[-1], sem.monte_carlo(result, draws=5000, seed=k).effects[0]]
        for interval in ("percentile", "bca"):
            found.append(sem.bootstrap(result, draws=999, seed=k, interval=interval).parameters[-1])
        _count(hits, found)
    for method, count in hits.items():
        yield share(f"200 persons, {method}", count, samples, COVER)


def indirect_clusters(scale: float) -> Iterator[Row]:
    """The same for persons in 50 clusters of 10, who are alike; delta without clusters for comparison."""
    samples = round(2000 * scale)
    rng = np.random.default_rng(20261128)
    methods = ("delta", "Monte Carlo", "percentile", "BCa", "delta, clusters overlooked")
    hits = dict.fromkeys(methods, 0)
    for k in range(samples):
        frame = pop.mediation_in_clusters(rng, 50, 10)
        result = sem.fit(pop.PATH, frame, cluster="team")
        found = [result.parameters[-1], sem.monte_carlo(result, draws=5000, seed=k).effects[0]]
        plain = sem.fit(pop.PATH, frame)
        for interval in ("percentile", "bca"):
            boot = sem.bootstrap(plain, draws=999, seed=k, interval=interval, cluster="team", data=frame)
            found.append(boot.parameters[-1])
        _count(hits, [*found, plain.parameters[-1]])
    for method, count in hits.items():
        band = None if "overlooked" in method else COVER
        yield share(f"50 clusters of 10, {method}", count, samples, band)


def _count(hits: dict[str, int], found: list) -> None:
    for method, interval in zip(hits, found, strict=True):
        low, high = interval.conf_low, interval.conf_high
        hits[method] += low is not None and high is not None and low < pop.INDIRECT < high


PARTS: dict[str, Callable[[float], Iterator[Row]]] = {
    "fiml": fiml, "size": size, "size_gaps": size_gaps, "size_ordered": size_ordered,
    "bollen_stine": bollen_stine, "in_lavaan": in_lavaan, "indirect": indirect,
    "indirect_clusters": indirect_clusters,
}  # fmt: skip


def verdict(line: Row) -> str:
    """Whether a value lies in its band; undecided where its Monte Carlo error reaches across the limit."""
    if line["band"] is None:
        return "for comparison"
    low, high = line["band"]
    value, error = line["value"], 2 * line["error"]
    if low <= value <= high:
        return "in"
    return "not told apart from the limit" if low - error <= value <= high + error else "**outside**"


def table(kept: dict[str, dict]) -> str:
    """Return coverage.md."""
    lines = ["# Coverage, standard errors and size by simulation", "",
             "Seeded samples of true models (`populations.py`); each value with its error.", ""]  # fmt: skip
    for part, function in PARTS.items():
        if part not in kept:
            continue
        lines += [f"## {(function.__doc__ or '').splitlines()[0]}", "",
                  "| cell | value | Monte Carlo error | band | |", "|---|---|---|---|---|"]  # fmt: skip
        for line in kept[part]["rows"]:
            band = "" if line["band"] is None else f"{line['band'][0]:.2f} to {line['band'][1]:.2f}"
            words = verdict(line) + (f"; {line['note']}" if line["note"] else "")
            lines.append(
                f"| {line['label']} | {line['value']:.4f} | {line['error']:.4f} | {band} | {words} |"
            )
        part_of = "" if kept[part].get("scale", 1.0) == 1.0 else f", --scale {kept[part]['scale']:g}"
        lines += ["", f"{kept[part]['seconds']:.0f} seconds{part_of}.", ""]
    return "\n".join([*lines, "`python benchmarks/sem/coverage.py` runs it again.", ""])


def main() -> None:
    """Run the parts asked for and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=PARTS, nargs="*", default=list(PARTS))
    parser.add_argument("--scale", type=float, default=1.0, help="share of the samples, for a quick look")
    parser.add_argument("--folder", type=Path, default=HERE, help="where coverage.json and coverage.md are")
    chosen = parser.parse_args()
    store = chosen.folder / "coverage.json"
    for part in chosen.part:
        start, rows = time.perf_counter(), []
        for line in PARTS[part](chosen.scale):
            print(f"{line['label']}: {line['value']:.4f} +- {line['error']:.4f} {verdict(line)}", flush=True)
            rows.append(line)
        kept = json.loads(store.read_text(encoding="utf-8")) if store.exists() else {}
        kept[part] = {"rows": rows, "seconds": time.perf_counter() - start, "scale": chosen.scale}
        store.write_text(json.dumps(kept, indent=1), encoding="utf-8")
        (chosen.folder / "coverage.md").write_text(table(kept), encoding="utf-8")


if __name__ == "__main__":
    main()
