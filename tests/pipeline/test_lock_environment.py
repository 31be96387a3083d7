"""One run of a study at a time; a lock that dies with its run; jobs that use the Python that started them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from implstats.errors import DataError
from implstats.pipeline.environment import prepare_environment
from implstats.pipeline.lock import study_lock


def test_a_second_run_of_the_same_study_is_refused(tmp_path: Path) -> None:
    lock = tmp_path / "small" / ".lock"
    with study_lock(lock), pytest.raises(DataError, match="'small' is being run already"), study_lock(lock):
        pass


def test_the_lock_is_free_again_after_its_holder_was_killed(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    code = (
        "import sys, time; from pathlib import Path; from implstats.pipeline.lock import study_lock\n"
        "with study_lock(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(lock)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline().strip() == "held"
    with pytest.raises(DataError), study_lock(lock):
        pass
    holder.kill()
    holder.communicate()
    with study_lock(lock) as descriptor:
        assert os.fstat(descriptor)


def test_jobs_find_this_python_first_and_keep_what_the_user_set() -> None:
    found = prepare_environment({"PATH": "/usr/bin", "OMP_NUM_THREADS": "3"})
    assert found["PATH"] == f"{Path(sys.executable).parent}{os.pathsep}/usr/bin"
    assert found["OMP_NUM_THREADS"] == "3"
    assert found["OPENBLAS_NUM_THREADS"] == "1"


def test_the_last_line_of_a_run_can_name_what_failed(tmp_path: Path) -> None:
    from implstats.pipeline.run import failed_analyses
    from implstats.results import Row, rows_to_frame

    rows = [
        Row(study="s", analysis=name, block="fit", quantity="aic", verdict=verdict)
        for name, verdict in (
            ("b", "failed"),
            ("a", "ok"),
            ("b", "failed"),
            ("c", "caution"),
            ("d", "failed"),
        )
    ]
    rows_to_frame(rows).to_csv(tmp_path / "results.csv", index=False)
    assert failed_analyses(tmp_path / "results.csv") == ["b", "d"]
