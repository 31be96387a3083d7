"""The workflow from raw files to the report: once, again, after an edit, after a kill, after damage."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml

_SPEC = importlib.util.spec_from_file_location("pipeline_conftest", Path(__file__).with_name("conftest.py"))
_CONFTEST = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_CONFTEST)
implstats, command, write_project = _CONFTEST.implstats, _CONFTEST.command, _CONFTEST.write_project

SNAKEFILE = str(Path(__file__).parents[2] / "Snakefile")
PROFILE = str(Path(__file__).parents[2] / "workflow" / "profiles" / "default")
pytestmark = pytest.mark.xdist_group("workflow")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that was run once; tests that change it work on a copy."""
    root = tmp_path_factory.mktemp("finished")
    write_project(root)
    done = implstats(root, "run", "--cores", "2")
    assert done.returncode == 0, done.stderr
    assert "Open results/small/report.html" in done.stderr
    return root


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished project with the same file times, so that nothing is out of date."""
    root = tmp_path / "copy"
    shutil.copytree(finished, root, symlinks=True)
    return root


def _planned(root: Path) -> set[str]:
    """Jobs that snakemake would run, as ``rule`` or ``rule:table``."""
    done = command(
        root, "snakemake", "--snakefile", SNAKEFILE, "--workflow-profile", PROFILE,
        "--configfile", "config/config.yaml", "--cores", "1", "--dry-run", "--nocolor",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    jobs = re.findall(r"--table (\w+) 2> logs/small/([\w-]+?)-\w+\.log", done.stdout + done.stderr)
    plain = re.findall(r"implstats.pipeline (collect|tables|figures|report) ", done.stdout + done.stderr)
    return {f"{stage}:{table}" for table, stage in jobs} | set(plain)


def test_everything_promised_is_there(finished: Path) -> None:
    results = finished / "results" / "small"
    for name in (
        "results.parquet",
        "results.csv",
        "checks.csv",
        "dictionary.csv",
        "published.csv",
        "study.yaml",
    ):
        assert (results / name).is_file()
    assert list((results / "figures").glob("*.png"))
    rows = pd.read_parquet(results / "results.parquet")
    assert {"null", "growth", "skill-factor", "scales", "flow", "missing"} <= set(rows["analysis"])
    assert set(rows["verdict"]) <= {"ok", "caution"}


def test_provenance_hashes_inputs_and_outputs(finished: Path) -> None:
    results = finished / "results" / "small"
    provenance = json.loads((results / "provenance.json").read_text())
    assert [record["file"] for record in provenance["inputs"]] == [
        "data/raw/leaders.csv",
        "data/raw/w1.csv",
        "data/raw/w2.csv",
    ]
    assert all(re.fullmatch(r"[0-9a-f]{64}", record["sha256"]) for record in provenance["inputs"])
    done = subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=results, check=False)
    assert done.returncode == 0
    assert str(finished) not in (results / "provenance.json").read_text()


def test_an_unchanged_run_does_nothing_and_says_so(finished: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in (finished / "results").rglob("*")}
    done = implstats(finished, "run", "--cores", "2")
    assert done.returncode == 0
    assert "nothing to do" in done.stderr
    assert {p: p.stat().st_mtime_ns for p in (finished / "results").rglob("*")} == before


def test_touching_one_raw_file_reruns_only_what_depends_on_it(copy: Path) -> None:
    assert _planned(copy) == set()
    (copy / "data/raw/leaders.csv").touch()
    assert _planned(copy) == {
        "ingest:leaders", "score:leaders", "fit:leaders", "second-opinion:leaders",
        "collect", "tables", "figures", "report",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "stages"),
    [
        (lambda s: s["study"].update(title="SYNTHETIC, renamed"), {"collect", "tables", "figures", "report"}),
        (
            lambda s: s["questions"][2].update(std_lv=True),
            {"fit:leaders", "second-opinion:leaders", "collect", "tables", "figures", "report"},
        ),
    ],
    ids=["title", "question"],
)
def test_an_edit_of_the_study_reruns_what_reads_it(copy: Path, change, stages: set[str]) -> None:
    path = copy / "config" / "config.yaml"
    study = yaml.safe_load(path.read_text())
    change(study)
    path.write_text(yaml.safe_dump(study, sort_keys=False))
    assert _planned(copy) == stages


def test_the_report_is_rebuilt_from_the_results_alone(copy: Path) -> None:
    shutil.rmtree(copy / "data")
    report = copy / "results" / "small" / "report.html"
    report.unlink()
    done = implstats(copy, "report")
    assert done.returncode == 0, done.stderr
    assert report.is_file()


def test_verify_passes_and_fails_when_a_number_is_altered(copy: Path) -> None:
    rows = pd.read_parquet(copy / "results/small/results.parquet")
    address = {"analysis": "null", "block": "random", "level": "residual", "quantity": "variance"}
    row = rows.loc[(rows[list(address)] == pd.Series(address)).all(axis=1)].iloc[0]
    path = copy / "config" / "config.yaml"
    study = yaml.safe_load(path.read_text())
    published = {**address, "citation": "nowhere", "value": f"{row['estimate']:.5f}"}
    for value, status in ((published["value"], 0), (f"{row['estimate'] + 1e-5:.5f}", 1)):
        study["published"] = [{**published, "value": value}]
        path.write_text(yaml.safe_dump(study, sort_keys=False))
        assert implstats(copy, "verify").returncode == status


def test_values_past_the_study_file_are_refused(copy: Path) -> None:
    done = command(
        copy, "snakemake", "--snakefile", SNAKEFILE, "--workflow-profile", PROFILE, "--configfile",
        "config/config.yaml", "--config", "outputs=1", "--cores", "1", "-n",
    )  # fmt: skip
    assert done.returncode == 1
    assert "the study file is the only source" in " ".join((done.stdout + done.stderr).split())


def test_a_killed_run_continues_where_it_stopped(project: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "implstats", "run", "--cores", "1"], cwd=project, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    # A log of the score stage means that this table's ingest was finished and taken note of.
    logs = project / "logs/small"
    deadline = time.monotonic() + 120
    while not list(logs.glob("score-*.log")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (project / "results/small/report.html").exists()
    ingested = project / "data/processed/small/ingest"
    done_tables = [log.stem.removeprefix("score-") for log in logs.glob("score-*.log")]
    kept = {p: p.stat().st_mtime_ns for t in done_tables for p in (ingested / t).iterdir()}
    assert kept
    done = implstats(project, "run", "--cores", "2")
    assert done.returncode == 0, done.stderr
    assert (project / "results/small/report.html").is_file()
    assert {p: p.stat().st_mtime_ns for p in kept} == kept  # what was done was not done again
