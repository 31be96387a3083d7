"""How a measuring process talks with run.py: one line asks, one line of JSON answers.

After its libraries are loaded the process notes its memory and prints ``ready``. A line names what to do; the
answer holds its wall-clock seconds and the numbers found, or the name of the error. ``end`` gives the memory:
``loaded`` after the libraries, ``peak`` the process's high-water mark, in MB.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

warnings.simplefilter("ignore")


def memory(name: str) -> float:
    """Return VmRSS or VmHWM of this process, in MB."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith(name))


def serve(prepare: Callable[[], dict[str, Callable[[], dict[str, float]]]]) -> None:
    """Answer until the end. ``prepare`` reads the case after the libraries' memory is noted."""
    loaded = memory("VmRSS")
    answers = prepare()
    print("ready", flush=True)
    for line in sys.stdin:
        asked = line.strip()
        if asked == "end":
            print(json.dumps({"loaded": loaded, "peak": memory("VmHWM")}), flush=True)
            return
        print(json.dumps(timed(answers.get(asked))), flush=True)


def timed(work: Callable[[], dict[str, float]] | None) -> dict[str, object]:
    """Return the seconds and the numbers of a call, or why there are none."""
    if work is None:
        return {"failed": "not asked of it"}
    begin = time.perf_counter()
    try:
        values = work()
    except Exception as error:  # noqa: BLE001  another package's failure is a finding, not ours to classify
        return {"failed": type(error).__name__}
    return {"seconds": time.perf_counter() - begin, "values": values}
