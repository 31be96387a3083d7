"""Time other Python packages on one cell. Called by run.py with: folder, repeats. Prints one line of JSON.

Runs in an environment of its own that has pandas, glmm and mixedlm, none of which this project needs. glmm is
given ready categories, and as by default computes Satterthwaite's df.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from grid import MODELS, read

warnings.simplefilter("ignore")
LIMIT_SECONDS = 20.0  # a slower fit is not repeated


def main() -> None:
    """Measure the three models with each package."""
    import glmm
    import mixedlm

    frame, repeats = read(Path(sys.argv[1])), int(sys.argv[2])
    coded = frame.assign(
        inst=frame["inst"].astype(str).astype("category"),
        person=frame["person"].astype(str).astype("category"),
    )
    found: dict[str, Any] = {}
    for name, formula in MODELS.items():
        found[name] = {
            "glmm": timed(lambda f=formula: glmm.fit(coded, f), repeats),
            "mixedlm": timed(lambda f=formula: mixedlm.lmer(f, coded), repeats),
        }
    print(json.dumps({"models": found}))


def timed(work: Callable[[], object], repeats: int) -> float | None:
    """Return the median seconds of a call after one to warm up, or None where the package fails."""
    seconds: list[float] = []
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        try:
            work()
        except Exception as error:  # noqa: BLE001  another package's failure is a finding, not ours to classify
            print(f"a peer failed: {type(error).__name__}", file=sys.stderr)
            return None
        seconds.append(time.perf_counter() - begin)
        if seconds[-1] > LIMIT_SECONDS:
            break
    return statistics.median(seconds[1:] or seconds)


if __name__ == "__main__":
    main()
