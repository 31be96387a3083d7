"""Stages ``tables``, ``figures`` and ``report``: what is shown, from the results data set alone."""

from __future__ import annotations

from pathlib import Path

from implstats.pipeline.context import Context
from implstats.report import write_figures, write_report, write_tables
from implstats.results.files import write_text
from implstats.results.provenance import sha256_of

SUMS = "SHA256SUMS"


def run_tables(context: Context) -> None:
    """Write the tables in the formats that the study asks for."""
    write_tables(context.paths.results)


def run_figures(context: Context) -> None:
    """Draw the figures in the formats that the study asks for."""
    write_figures(context.paths.results)


def run_report(context: Context) -> None:
    """Write the report, then the SHA-256 of every file of the results folder."""
    write_report(context.paths.results)
    write_sums(context.paths.results)


def write_sums(folder: Path) -> Path:
    """Write ``SHA256SUMS``, which ``sha256sum --check`` reads, over all files below a folder."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != SUMS)
    lines = [f"{sha256_of(path)}  {path.relative_to(folder).as_posix()}" for path in files]
    return write_text(folder / SUMS, "\n".join(lines) + "\n")
