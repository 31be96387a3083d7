"""The benchmark's result as a page for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

CAVEAT = """\
The R script ends with its numbers. The workflow also asks other engines for a second opinion and writes
tables, figures, the report and checksums. What a stage imports only when needed counts as computing. Peak
memory is the sum over the process tree, shared pages counted in each process.

lavaan stops at its default tolerance, which leaves some 1e-6 of a parameter's size undecided.
"""


def as_markdown(result: Mapping[str, Any]) -> str:
    """Return the page: machine, times and memory, agreement of the numbers."""
    parts = [
        f"# {result['study']}: implstats and R, side by side",
        _setting(result),
        _whole_runs(result["medians"]),
        _inside(result["medians"], same_work=result["same_work"]),
        CAVEAT.strip(),
        _agreement(result["agreement"]),
    ]
    return "\n\n".join(parts) + "\n"


def _setting(result: Mapping[str, Any]) -> str:
    machine = result["machine"]
    versions = ", ".join(
        f"{name} {version}" for name, version in (machine["packages"] | machine["r"]).items()
    )
    return (
        f"Medians of {result['repeats']} interleaved repeats after a warm-up; {result['cores']} cores for "
        "the workflow, one thread a process. Made by `python benchmarks/study1/run.py`.\n\n"
        f"Machine: {machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, "
        f"{machine['system']}; Python {machine['python']}; {versions}; R's BLAS {machine['r_blas']}. "
        f"Load average at the start {machine['load_average'][0]:.1f}, at the end "
        f"{machine['load_average_at_end'][0]:.1f}."
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _whole_runs(medians: Mapping[str, Mapping[str, float]]) -> str:
    names = {
        "scratch": "(a) workflow from scratch, raw file to report",
        "unchanged": "(b) workflow again, nothing changed",
        "r": "(c) R script, numbers only",
    }
    theirs = medians["r"]["wall_seconds"]
    rows = [
        [
            name,
            f"{medians[kind]['wall_seconds']:.2f}",
            f"{medians[kind]['wall_seconds'] / theirs:.2f}",
            f"{medians[kind]['cpu_seconds']:.2f}",
            f"{medians[kind]['peak_mb']:.0f}",
        ]
        for kind, name in names.items()
    ]
    return table(["what", "wall, s", "against R", "CPU, s", "peak memory, MB"], rows)


def _inside(medians: Mapping[str, Mapping[str, float]], *, same_work: Sequence[str]) -> str:
    ours, theirs = medians["stages"], medians["r"]
    pairs = [
        (f"start-up of {', '.join(same_work)}", ours["same_work_import_seconds"], "startup_seconds"),
        (f"computing in {', '.join(same_work)}", ours["same_work_compute_seconds"], "compute_seconds"),
        ("computing in all stages", ours["compute_seconds"], "compute_seconds"),
    ]
    words = {"startup_seconds": "library start-up", "compute_seconds": "computing"}
    rows = [
        [name, f"{seconds:.2f}", words[key], f"{theirs[key]:.2f}", f"{seconds / theirs[key]:.2f}"]
        for name, seconds, key in pairs
    ]
    return table(["ours", "s", "R", "s", "ours / R"], rows)


def _agreement(agreement: Mapping[str, Any]) -> str:
    rows = [
        [
            d["address"],
            f"{d['ours']:.10g}",
            f"{d['theirs']:.10g}",
            f"{d['absolute']:.1e}",
            f"{d['relative']:.1e}",
        ]
        for d in agreement["largest"]
    ]
    text = (
        f"## Agreement: {agreement['compared']} numbers in both\n\n"
        f"{agreement['share_within_1e-6']:.1%} agree to 1e-6 of their size, "
        f"{agreement['share_within_1e-4']:.1%} to 1e-4. The largest relative differences:\n\n"
        + table(["number", "ours", "R", "difference", "relative"], rows)
    )
    lacking = agreement["not_in_ours"]
    if not lacking:
        return text
    return f"{text}\n\n{len(lacking)} of R's numbers are not in our results: {'; '.join(lacking)}."
