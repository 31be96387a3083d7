"""Benchmark: one study from raw file to report with implstats, and the same analyses with R's packages.

    python benchmarks/study1/run.py [--repeats 5]

In one run, interleaved: (a) the workflow from scratch, (b) the workflow again with nothing changed, (c) the
R script. Our computing apart from start-up comes from the seconds that each stage notes down; R's from
proc.time. Everything happens in a temporary copy of the project. Writes result.md and result.json beside this
file and prints the numbers of the two programs that differ most.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil
from compare import Difference, compare, read_results, share_within
from measure import last_lines, run_measured
from page import as_markdown

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
STUDY = "leadership-climate"
STUDY_FILE = f"config/studies/{STUDY}.yaml"
RAW = f"data/raw/{STUDY}"
# The library is copied too: an edit of it during the run would make the workflow, rightly, do its work again.
COPIED = ("Snakefile", "workflow", "config", RAW, "environment.yml", "src")
NOTHING_DONE = "Nothing to be done"
# The stages that do what the R script does; the others write tables, figures, a report and a second opinion.
SAME_WORK = ("ingest", "score", "fit")
SHOWN_DIFFERENCES = 15
PACKAGES = ("implstats", "numpy", "scipy", "pandas", "snakemake", "psutil")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def main() -> None:
    """Measure, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5, help="interleaved repeats (default 5)")
    parser.add_argument("--cores", type=int, default=2, help="cores for the workflow (default 2)")
    options = parser.parse_args()
    if options.repeats < 1 or options.cores < 1:
        parser.error("--repeats and --cores should be at least 1")
    _require_r()
    load = os.getloadavg()
    with tempfile.TemporaryDirectory(prefix="implstats-study1-") as name:
        folder = Path(name)
        copy_project(folder)
        require_library(folder)
        runs, r_record = repeat_all(folder, repeats=options.repeats, cores=options.cores)
        ours = read_results(folder / "results" / STUDY / "results.csv")
    differences, lacking = compare(ours, r_record["records"])
    result = {
        "study": STUDY,
        "repeats": options.repeats,
        "cores": options.cores,
        "same_work": list(SAME_WORK),
        "machine": describe_machine(r_record) | {"load_average": load},
        "medians": medians_of(runs),
        "runs": runs,
        "agreement": agreement_of(differences, lacking),
    }
    write_atomically(HERE / "result.json", json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    text = as_markdown(result)
    write_atomically(HERE / "result.md", text)
    print(text)


def _require_r() -> None:
    if shutil.which("Rscript") is None:
        raise SystemExit(
            "There is no Rscript: install R with psych, multilevel, lmerTest, pbkrtest, lavaan and jsonlite."
        )


def copy_project(folder: Path) -> None:
    """Copy what the workflow needs, so that the user's own results stay untouched."""
    for name in COPIED:
        source, target = PROJECT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy2(source, target)


def repeat_all(
    folder: Path, *, repeats: int, cores: int
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, Any]]:
    """Run everything once to warm up, then ``repeats`` times interleaved; return the measurements."""
    runs: dict[str, list[dict[str, Any]]] = {"scratch": [], "unchanged": [], "r": [], "stages": []}
    r_record: dict[str, Any] = {}
    for repeat in range(repeats + 1):
        one, r_record = run_once(folder, cores=cores)
        print(
            f"{'warm-up' if repeat == 0 else f'repeat {repeat} of {repeats}'}: " + _progress(one),
            file=sys.stderr,
        )
        if repeat:
            for kind, value in one.items():
                runs[kind].append(value)
    return runs, r_record


def run_once(folder: Path, *, cores: int) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Return one measurement of each kind, and what the R script wrote."""
    for made in ("results", "data/processed", "logs", ".snakemake"):
        shutil.rmtree(folder / made, ignore_errors=True)
    environment = os.environ | ONE_THREAD | {"PYTHONPATH": str(folder / "src")}
    workflow = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--configfile", STUDY_FILE]
    scratch = run_measured(workflow, folder=folder, environment=environment)
    stages = read_timings(folder / "data" / "processed" / STUDY / "timings")
    unchanged = run_measured(workflow, folder=folder, environment=environment)
    require_nothing_done(folder)
    script = ["Rscript", str(HERE / "analysis.R"), f"{RAW}/lq2002.csv", "r.json"]
    r = run_measured(script, folder=folder, environment=environment)
    r_record = json.loads((folder / "r.json").read_text(encoding="utf-8"))
    inside = {key: r_record[key] for key in ("startup_seconds", "compute_seconds")}
    measured = {"scratch": asdict(scratch), "unchanged": asdict(unchanged), "r": asdict(r) | inside}
    return measured | {"stages": stages}, r_record


def require_library(folder: Path) -> None:
    """Stop unless Python finds the copied library, so that what is measured cannot change meanwhile."""
    asked = [sys.executable, "-c", "import implstats; print(implstats.__file__)"]
    environment = os.environ | {"PYTHONPATH": str(folder / "src")}
    answer = subprocess.run(asked, env=environment, cwd=folder, capture_output=True, text=True, check=True)
    if not Path(answer.stdout.strip()).resolve().is_relative_to(folder.resolve()):
        raise SystemExit(
            "Python does not import the copied library, so an edit could change what is measured."
        )


def require_nothing_done(folder: Path) -> None:
    """Stop if the run that just ended did any job: it was then no unchanged re-run."""
    if NOTHING_DONE not in (folder / "benchmark.log").read_text(encoding="utf-8"):
        raise SystemExit(f"The re-run was to find nothing to do, but ran jobs:\n{last_lines(folder)}")


def read_timings(folder: Path) -> dict[str, Any]:
    """Return the stages' own seconds: by stage, and summed over all and over those that do R's work."""
    notes = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    if not notes:
        raise SystemExit(f"The stages left no timings in data/processed/{STUDY}/timings.")
    lacking = set(SAME_WORK) - {note["stage"] for note in notes}
    if lacking:
        raise SystemExit(f"No timing of the stages {', '.join(sorted(lacking))}.")
    same = [note for note in notes if note["stage"] in SAME_WORK]
    return {
        "import_seconds": sum(note["import_seconds"] for note in notes),
        "compute_seconds": sum(note["compute_seconds"] for note in notes),
        "same_work_import_seconds": sum(note["import_seconds"] for note in same),
        "same_work_compute_seconds": sum(note["compute_seconds"] for note in same),
        "by_stage": {note["stage"]: [note["import_seconds"], note["compute_seconds"]] for note in notes},
    }


def _progress(one: Mapping[str, Mapping[str, Any]]) -> str:
    return ", ".join(f"{name} {one[name]['wall_seconds']:.2f} s" for name in ("scratch", "unchanged", "r"))


def medians_of(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, dict[str, float]]:
    """Return the median of every measured quantity."""
    return {
        kind: {
            key: statistics.median(one[key] for one in found)
            for key, value in found[0].items()
            if isinstance(value, int | float)
        }
        for kind, found in runs.items()
    }


def agreement_of(differences: Sequence[Difference], lacking: Sequence[str]) -> dict[str, Any]:
    """Return how closely the two programs agree."""
    if not differences:
        raise SystemExit(
            "Not one of R's numbers has a counterpart in results.csv; the addresses have changed."
        )
    return {
        "compared": len(differences),
        "share_within_1e-6": share_within(differences, relative=1e-6),
        "share_within_1e-4": share_within(differences, relative=1e-4),
        "largest": [asdict(d) for d in differences[:SHOWN_DIFFERENCES]],
        "not_in_ours": list(lacking),
    }


def describe_machine(r_record: Mapping[str, Any]) -> dict[str, Any]:
    """Return processor, cores, memory, load and versions."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    model = next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown"
    )
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "load_average_at_end": os.getloadavg(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
        "r": r_record["versions"],
        "r_blas": Path(r_record["blas"]).name,
        "threads_per_process": 1,
    }


def write_atomically(path: Path, text: str) -> None:
    """Write a text file by way of a temporary name."""
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


if __name__ == "__main__":
    main()
