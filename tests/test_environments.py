"""pyproject.toml, environment.yml and requirements.lock name the same packages with compatible versions."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
# Lint and type tools serve developers, who use the lock; conda users get what runs and tests the software.
LOCK_ONLY = {"ruff", "mypy", "snakefmt", "pandas-stubs", "types-pyyaml", "types-openpyxl"}
# The conda package without optional extras that the workflow does not use.
CONDA_NAMES = {"snakemake": "snakemake-minimal"}


def _pyproject() -> dict[str, Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    found = [Requirement(line) for line in lines]
    return {canonicalize_name(r.name): r for r in found}


def _lock(name: str = "requirements.lock") -> dict[str, Version]:
    pairs = re.findall(r"^([A-Za-z0-9_.\-]+)==([^ ;\\]+)", (ROOT / name).read_text(), flags=re.M)
    return {canonicalize_name(package): Version(version) for package, version in pairs}


def _conda() -> dict[str, Requirement]:
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    lines = [x for x in listed if isinstance(x, str)]
    lines += [x for part in listed if isinstance(part, dict) for x in part["pip"] if not x.startswith("-e")]
    return {canonicalize_name(Requirement(line).name): Requirement(line) for line in lines}


@pytest.mark.parametrize("name", sorted(_pyproject()))
def test_lock_holds_every_dependency_at_or_above_its_floor(name: str) -> None:
    assert name in _lock(), f"{name} is in pyproject.toml but not in requirements.lock"
    assert _lock()[name] in _pyproject()[name].specifier


@pytest.mark.parametrize("name", sorted(set(_pyproject()) - LOCK_ONLY))
def test_environment_yml_has_the_same_floor(name: str) -> None:
    conda = _conda()
    there = CONDA_NAMES.get(name, name)
    assert there in conda, f"{name} is in pyproject.toml but not in environment.yml"
    assert str(conda[there].specifier) == str(_pyproject()[name].specifier)


def test_lock_pins_hashes_and_names_no_index() -> None:
    text = (ROOT / "requirements.lock").read_text() + (ROOT / "requirements-build.lock").read_text()
    assert "http" not in text
    blocks = re.split(r"\n(?=[A-Za-z])", text.strip())
    unpinned = [b.split("==")[0] for b in blocks if not b.startswith("#") and "--hash=sha256:" not in b]
    assert unpinned == []


def test_build_lock_holds_the_build_backend() -> None:
    requires = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    for line in requires:
        requirement = Requirement(line)
        assert _lock("requirements-build.lock")[canonicalize_name(requirement.name)] in requirement.specifier


def test_an_installed_copy_carries_what_the_workflow_names() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    shipped = {target: source for source, target in build["shared-data"].items()}
    for rules in (ROOT / "workflow" / "rules").glob("*.smk"):
        for named in re.findall(r'"\.\./\.\./([\w./-]+)"', rules.read_text()):
            assert shipped[f"share/implstats/{named}"] == named
    for part in ("Snakefile", "workflow", "config/instruments"):
        assert shipped[f"share/implstats/{part}"] == part
