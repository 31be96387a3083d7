"""Run a command and measure its wall time and the peak memory of its whole process tree."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

# Often enough to see a stage that lives for half a second, seldom enough not to slow a two-core machine.
POLL_SECONDS = 0.05
TAIL_LINES = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run of a command.

    Attributes
    ----------
    wall_seconds : float
        From start to end.
    cpu_seconds : float
        User and system time of the command and of everything it started and waited for.
    peak_mb : float
        Largest sum of resident memory over the process tree, in MB (10**6 bytes). Pages that processes share
        are counted in each of them, so this is an upper bound.
    """

    wall_seconds: float
    cpu_seconds: float
    peak_mb: float


def run_measured(command: Sequence[str], *, folder: Path, environment: Mapping[str, str]) -> Measured:
    """Run a command in a folder and measure it; a failing command ends the benchmark with its last lines."""
    log = folder / "benchmark.log"
    before = os.times()
    begin = time.perf_counter()
    with log.open("w", encoding="utf-8") as out:
        process = subprocess.Popen(
            command, cwd=folder, env=dict(environment), stdout=out, stderr=subprocess.STDOUT
        )
        peak = _watch(process)
    wall = time.perf_counter() - begin
    after = os.times()
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with status {process.returncode}:\n{last_lines(folder)}")
    cpu = (after.children_user - before.children_user) + (after.children_system - before.children_system)
    return Measured(wall_seconds=wall, cpu_seconds=cpu, peak_mb=peak / 1e6)


def last_lines(folder: Path) -> str:
    """Return the last lines of the command's own output and of the stages' logs, which hold the reason."""
    logs = [folder / "benchmark.log", *sorted((folder / "logs").rglob("*.log"))]
    tails = [(path.name, path.read_text(encoding="utf-8").splitlines()[-TAIL_LINES:]) for path in logs]
    return "\n".join("\n".join([f"--- {name}", *lines]) for name, lines in tails if lines)


def _watch(process: subprocess.Popen[bytes]) -> float:
    """Return the peak resident memory of a process tree in bytes, once it has ended."""
    peak = 0.0
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        peak = max(peak, _tree_bytes(watched))
        time.sleep(POLL_SECONDS)
    return peak


def _tree_bytes(process: psutil.Process) -> float:
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    return float(sum(_resident(member) for member in family))


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except (psutil.NoSuchProcess, psutil.AccessDenied):  # it ended between listing and asking
        return 0
