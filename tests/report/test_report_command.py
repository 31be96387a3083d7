"""``implstats report`` finds the results of a study, or says how to make them."""

from __future__ import annotations

import shutil

import pytest
from click.testing import CliRunner

from implstats.cli.report import report, results_folder
from implstats.errors import DataError

STUDY = """
study: {name: five, title: T}
tables: {staff: {sources: [{file: data/raw/a.csv}]}}
"""


@pytest.fixture
def project(tmp_path, five_waves):
    """A project folder with a study file and its results data set."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "five.yaml").write_text(STUDY, encoding="utf-8")
    target = tmp_path / "results" / "five"
    target.mkdir(parents=True)
    for path in five_waves.iterdir():
        if path.is_file() and path.name != "report.html":
            shutil.copy(path, target)
    return tmp_path


def test_study_file_leads_to_its_results_and_all_is_rebuilt(project):
    outcome = CliRunner().invoke(report, [str(project / "config" / "five.yaml")], catch_exceptions=False)
    assert outcome.exit_code == 0
    folder = project / "results" / "five"
    assert "report.html: written" in outcome.output
    for name in ("report.html", "tables/tables.docx", "tables/csv/scales.csv", "figures/missing.png"):
        assert (folder / name).is_file()


def test_results_folder_may_be_named_itself(project):
    folder = project / "results" / "five"
    assert results_folder(folder) == folder


def test_missing_results_name_the_command_that_makes_them(project):
    shutil.rmtree(project / "results")
    study = project / "config" / "five.yaml"
    with pytest.raises(DataError, match="implstats run") as caught:
        results_folder(study)
    assert str(study) in str(caught.value)
    assert caught.value.exit_code == 1
