"""Time implstats on one cell of the grid. Called by run.py with: folder, repeats. Prints one line of JSON."""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from grid import MODELS, read

from implstats import mixed
from implstats.mixed.inference.coefficients import infer


def main() -> None:
    """Measure the three models."""
    frame, repeats = read(Path(sys.argv[1])), int(sys.argv[2])
    found: dict[str, Any] = {}
    for name, formula in MODELS.items():
        result = mixed.fit(formula, frame, df="none")
        if result.verdict == "failed":
            raise SystemExit(f"{formula} failed: {result.reason}")
        found[name] = {
            "fit": median(lambda f=formula: mixed.fit(f, frame, df="none"), repeats),
            "default": median(lambda f=formula: mixed.fit(f, frame), repeats),
            "both_df": median(lambda f=formula: both_df(f, frame), repeats),
            "criterion": result.criterion,
            "evaluations": result.optimiser.evaluations,
            "boundary": result.boundary,
        }
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(json.dumps({"models": found, "peak_mb": peak}))


def both_df(formula: str, frame: Any) -> None:
    """Fit with Satterthwaite's tests, and add Kenward-Roger's for every coefficient."""
    result = mixed.fit(formula, frame, df="satterthwaite")
    model = result.model
    at = model.optimum.search.at
    boundary = bool(model.optimum.boundary)
    infer(model.problem, at, model.design, model.scaled, df="kenward-roger", boundary=boundary)


def median(work: Callable[[], object], repeats: int) -> float:
    """Return the median seconds of a call."""
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
