"""Provenance names files by their bytes and relative to the project."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from implstats.results.provenance import PACKAGES, file_records, package_versions, software_record


def test_records_are_ordered_and_relative(tmp_path: Path) -> None:
    for name, text in (("b.csv", "x"), ("a.csv", "y")):
        (tmp_path / name).write_text(text)
    records = file_records([tmp_path / "b.csv", tmp_path / "a.csv"], root=tmp_path)
    assert [record["file"] for record in records] == ["a.csv", "b.csv"]
    assert records[1]["sha256"] == hashlib.sha256(b"x").hexdigest()
    assert records[1]["bytes"] == 1


def test_a_file_outside_the_project_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x")
    with pytest.raises(ValueError, match=r"a\.csv"):
        file_records([tmp_path / "a.csv"], root=tmp_path / "project")


def test_every_package_behind_the_numbers_has_a_version() -> None:
    found = software_record()
    assert set(found["packages"]) == set(PACKAGES)
    assert "not installed" not in found["packages"].values()
    assert package_versions(["no-such-package"]) == {"no-such-package": "not installed"}
