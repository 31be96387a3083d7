"""Digests that make the workflow re-run what an edit touches, and nothing else.

Snakemake sees files and parameters, not the library behind a command. A rule therefore carries, as
parameters, a digest of the code its stage can reach (found by following the import statements of its
module through this package) and a digest of the parts of the study file that the stage reads.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = "implstats"
SOURCE = Path(__file__).parents[1]
# "from implstats.x import a, b", also over several lines; a test sees to it that nothing imports otherwise.
IMPORT = re.compile(
    rf"^[ \t]*from[ \t]+({PACKAGE}(?:\.\w+)*)[ \t]+import[ \t]+(\([^)]*\)|[^\n]+)", flags=re.MULTILINE
)
# Files beside the code that change what it writes.
DATA_SUFFIXES = {".j2", ".html", ".css", ".json"}


def code_digest(module: str) -> str:
    """Return 16 hexadecimal digits that change when any code reachable from a module changes.

    Parameters
    ----------
    module : str
        Such as ``"implstats.pipeline.stages.fit"``.
    """
    digest = hashlib.sha256()
    for path in sorted(reachable_files(module)):
        digest.update(path.relative_to(SOURCE).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def value_digest(value: Any) -> str:
    """Return 16 hexadecimal digits of a JSON-like value; the order of keys does not matter.

    >>> value_digest({"a": 1, "b": 2}) == value_digest({"b": 2, "a": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def reachable_files(module: str) -> set[Path]:
    """Return the files of this package that a module can import, itself included."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found and (path := _file_of(name)) is not None:
            found.add(name)
            waiting += _imports_of(name, path)
    files = {path for name in found if (path := _file_of(name)) is not None}
    folders = {path.parent for path in files if path.name == "__init__.py" and path.parent != SOURCE}
    return files | {p for d in folders for p in d.rglob("*") if p.suffix in DATA_SUFFIXES}


def _file_of(module: str) -> Path | None:
    parts = module.split(".")[1:]
    folder = SOURCE.joinpath(*parts)
    if (folder / "__init__.py").is_file():
        return folder / "__init__.py"
    file = folder.with_suffix(".py")
    return file if parts and file.is_file() else None


def _imports_of(module: str, path: Path) -> Iterable[str]:
    parents = module.split(".")
    yield from (".".join(parents[:k]) for k in range(2, len(parents)))
    yield from _import_names(path, path.stat().st_mtime_ns)


@cache
def _import_names(path: Path, changed: int) -> tuple[str, ...]:
    """Names of this package's modules in a file's import statements, those inside functions too.

    Found by pattern: parsing every file takes a third of a second at each start of the workflow. A line of
    a docstring that looks like an import only adds a dependency, never hides one.
    """
    names = []
    for module, imported in IMPORT.findall(path.read_text(encoding="utf-8")):
        words = re.findall(r"[\w.]+", re.sub(r"#.*|\bas\s+\w+", "", imported))
        names += [module, *(f"{module}.{word}" for word in words)]
    return tuple(name for name in names if name != PACKAGE)
