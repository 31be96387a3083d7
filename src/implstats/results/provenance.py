"""Provenance: what went in, what came out, and with which software.

Hashes are SHA-256 of the files' bytes. Times are UTC. Nothing here names a user, a machine or a path
outside the project folder.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    "numpy", "scipy", "pandas", "pyarrow", "pydantic", "formulaic", "pyreadstat", "statsmodels", "semopy",
    "pingouin", "matplotlib", "seaborn", "python-docx", "openpyxl", "snakemake",
)  # fmt: skip


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def file_record(path: Path, *, root: Path) -> dict[str, Any]:
    """Return ``{"file", "sha256", "bytes"}`` of a file, its path relative to the project folder."""
    return {
        "file": path.resolve().relative_to(root.resolve()).as_posix(),
        "sha256": sha256_of(path),
        "bytes": path.stat().st_size,
    }


def file_records(paths: Iterable[Path], *, root: Path) -> list[dict[str, Any]]:
    """Return :func:`file_record` of each path, ordered by name."""
    return sorted((file_record(path, root=root) for path in paths), key=lambda record: record["file"])


def package_versions(names: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Return the installed version of each named distribution; a missing one is ``"not installed"``.

    >>> list(package_versions(["numpy"]))
    ['numpy']
    """
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def software_record() -> dict[str, Any]:
    """Return the versions of implstats, Python and the packages behind the numbers."""
    from implstats import __version__

    return {"implstats": __version__, "python": platform.python_version(), "packages": package_versions()}
