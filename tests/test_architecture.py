"""Imports run one way, and nothing heavy loads before it is needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "implstats"
# A room may import the rooms after it, never one before it. Rooms on one line do not know each other.
ORDER = [
    {"cli"},
    {"pipeline"},
    {"report"},
    {"questions"},
    {"mixed", "sem", "scales", "missing", "simulate"},
    {"ingest"},
    {"study"},
    {"results"},
    {"errors"},
]
LAYER = {room: layer for layer, rooms in enumerate(ORDER) for room in rooms}
# Beyond the order: estimators and the report stand alone.
FORBIDDEN = {
    "mixed": {"ingest", "study"},
    "sem": {"ingest", "study"},
    "report": {"study", "questions", "mixed", "sem", "scales", "missing", "ingest", "simulate"},
}


def _modules() -> list[Path]:
    return [path for path in sorted(SOURCE.rglob("*.py")) if path.parent != SOURCE]


def _rooms_imported(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] + [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        rooms |= {name.split(".")[1] for name in names if name.startswith("implstats.")}
    return rooms & set(LAYER)


@pytest.mark.parametrize("path", _modules(), ids=lambda p: p.relative_to(SOURCE).as_posix())
def test_imports_run_one_way(path: Path) -> None:
    room = path.relative_to(SOURCE).parts[0]
    others = _rooms_imported(path) - {room}
    upward = {other for other in others if LAYER[other] <= LAYER[room]}
    assert not upward, f"{room} may not import {sorted(upward)}"
    assert not others & FORBIDDEN.get(room, set())


def test_every_room_has_its_place_in_the_order() -> None:
    rooms = {path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert rooms <= set(LAYER)


@pytest.mark.parametrize("path", _modules(), ids=lambda p: p.relative_to(SOURCE).as_posix())
def test_nothing_under_src_imports_snakemake(path: Path) -> None:
    assert "import snakemake" not in path.read_text(encoding="utf-8")
    assert "from snakemake" not in path.read_text(encoding="utf-8")


HEAVY = [
    "numpy", "scipy", "pandas", "matplotlib", "seaborn", "statsmodels", "semopy", "pingouin", "snakemake",
    "pydantic", "docx", "pyarrow",
]  # fmt: skip
COMMANDS = ["new", "check", "run", "verify", "report", "mixed", "sem", "scale", "simulate"]


@pytest.mark.parametrize(
    "arguments",
    [["--help"]] + [[c, "--help"] for c in COMMANDS],
    ids=lambda a: " ".join(a),
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from implstats.cli import cli\n"
        f"try: cli({arguments!r}, standalone_mode=False)\n"
        "finally: print('LOADED', [m for m in %r if m in sys.modules], file=sys.stderr)" % HEAVY
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "LOADED []" in done.stderr
    assert "Example" in done.stdout or arguments == ["--help"]
