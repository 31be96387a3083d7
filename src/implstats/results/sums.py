"""``SHA256SUMS``: the hash of every file of a results folder, for ``sha256sum --check``."""

from __future__ import annotations

from pathlib import Path

from implstats.results.files import write_text
from implstats.results.provenance import sha256_of

SUMS = "SHA256SUMS"


def write_sums(folder: Path) -> Path:
    """Write ``SHA256SUMS`` over all files below a folder, itself left out; return its path."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != SUMS)
    lines = [f"{sha256_of(path)}  {path.relative_to(folder).as_posix()}" for path in files]
    return write_text(folder / SUMS, "\n".join(lines) + "\n")
