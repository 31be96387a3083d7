"""Whole processes that fit a model to a csv file: start, imports, reading, one fit. Their time and memory."""

from __future__ import annotations

import subprocess
import sys
import time

OURS = "import sys, pandas; from implstats import sem; sem.fit(sys.argv[1], pandas.read_csv(sys.argv[2]))"
COLUMNS = (
    "import sys, numpy; from implstats import sem\n"
    "with open(sys.argv[2]) as file: names = file.readline().strip().split(',')\n"
    "rows = numpy.loadtxt(sys.argv[2], delimiter=',', skiprows=1)\n"
    "sem.fit(sys.argv[1], dict(zip(names, rows.T)))"
)
R = "suppressMessages(library(lavaan)); a <- commandArgs(TRUE); invisible(sem(a[1], read.csv(a[2])))"
# Each prints its own status at the end: a child's usage as its parent sees it holds the parent's memory too.
STATUS, R_STATUS = "\nprint(open('/proc/self/status').read())", "; writeLines(readLines('/proc/self/status'))"
COMMANDS = {
    "ours, file read by pandas": [sys.executable, "-c", OURS + STATUS],
    "ours, file read by numpy": [sys.executable, "-c", COLUMNS + STATUS],
    "lavaan": ["Rscript", "-e", R + R_STATUS],
}


def run_cold(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Return the seconds and the peak memory, in MB, of a whole process."""
    begin = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - begin
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:2])} failed:\n{done.stderr[-1000:]}")
    peak = next(line for line in done.stdout.splitlines() if line.startswith("VmHWM"))
    return seconds, float(peak.split()[1]) / 1024
