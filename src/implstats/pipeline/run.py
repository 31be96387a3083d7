"""Start the workflow for a study and tell how it goes."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

from implstats.errors import ImplstatsError, ProblemsError
from implstats.pipeline.context import open_study
from implstats.pipeline.environment import prepare_environment
from implstats.pipeline.lock import study_lock
from implstats.pipeline.workflow import WorkflowStudy, missing_raw_files
from implstats.study.paths import project_root

STARTED = re.compile(r"^Job \d+: (.+)")
PROGRESS = re.compile(r"^(\d+) of (\d+) steps")
# Lines of the workflow's own log that are kept to explain a failure.
KEPT_LINES = 60


def run_study(
    study_file: Path, *, cores: int | None, profile: Path | None, say: Callable[[str], None]
) -> int:
    """Run the workflow of a study; return the exit status (0 done, 1 failed).

    Parameters
    ----------
    study_file : Path
    cores : int or None
        Processor cores; all when ``None``.
    profile : Path or None
        Snakemake profile that replaces ``workflow/profiles/default``.
    say : callable
        Receives progress and messages, one line a call.

    Raises
    ------
    StudyFileError, ProblemsError
        Before anything runs: problems of the study file; raw files that are not there.
    """
    root = project_root(study_file).resolve()
    context = open_study(study_file, root=root)
    study = WorkflowStudy(context=context, file=study_file.resolve().relative_to(root).as_posix())
    if lacking := missing_raw_files(study):
        raise ProblemsError(str(study_file), lacking)
    command = snakemake_command(study.file, root=root, cores=cores, profile=profile)
    say(f"{study.name}: running {study_file}")
    with study_lock(context.paths.processed / ".lock") as lock:
        status, kept, steps = _execute(command, root=root, lock=lock, say=say)
    if status == 0:
        done = "nothing to do, everything is up to date" if steps == 0 else "done"
        if failed := failed_analyses(context.paths.results / "results.csv"):
            done += f", but {len(failed)} of its analyses failed ({', '.join(failed)}): the report says why"
        say(f"{study.name}: {done}. Open {_shown(context.paths.results / 'report.html')}")
        return 0
    _explain(study, kept, say)
    return 1


def _execute(
    command: list[str], *, root: Path, lock: int, say: Callable[[str], None]
) -> tuple[int, list[str], int]:
    """Run the workflow; return its exit status, the last lines of its log, and the number of steps done."""
    with subprocess.Popen(
        command,
        cwd=root,
        env=prepare_environment(dict(os.environ)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=[lock],
    ) as process:
        try:
            kept, steps = _follow(process.stderr or (), say)
        except KeyboardInterrupt:
            # The workflow got the same signal; it stops its jobs and removes what is half done.
            process.wait()
            raise
    return process.returncode, kept, steps


def failed_analyses(results: Path) -> list[str]:
    """Return the analyses of a results data set that have a failed row, in their order."""
    with results.open(encoding="utf-8", newline="") as handle:
        failed = [row["analysis"] for row in csv.DictReader(handle) if row["verdict"] == "failed"]
    return list(dict.fromkeys(failed))


def snakemake_command(study_file: str, *, root: Path, cores: int | None, profile: Path | None) -> list[str]:
    """Return the snakemake call for a study file (relative to ``root``)."""
    home = workflow_home()
    default = home / "workflow" / "profiles" / "default"
    return [
        sys.executable, "-m", "snakemake",
        "--snakefile", str(home / "Snakefile"),
        "--directory", str(root),
        "--configfile", study_file,
        "--workflow-profile", str((profile or default).resolve()),
        "--cores", "all" if cores is None else str(cores),
        "--nocolor",
        "--nolock",  # study_lock does this, and does not outlive a killed run
    ]  # fmt: skip


def workflow_home() -> Path:
    """Return the folder with the Snakefile: the clone, or ``share/implstats`` of an installed copy."""
    clone = Path(__file__).resolve().parents[3]
    installed = Path(sys.prefix) / "share" / "implstats"
    for folder in (clone, installed):
        if (folder / "Snakefile").is_file() and (folder / "workflow").is_dir():
            return folder
    raise ImplstatsError("The workflow (Snakefile) is not there; install implstats again or use a clone.")


def _follow(lines: Iterable[str], say: Callable[[str], None]) -> tuple[list[str], int]:
    """Echo what the run is about and how far it is; return the last lines and the number of steps done."""
    kept: deque[str] = deque(maxlen=KEPT_LINES)
    steps = 0
    for line in lines:
        text = line.rstrip()
        kept.append(text)
        if found := STARTED.match(text):
            say(f"  {found[1]}")
        elif found := PROGRESS.match(text):
            steps = int(found[1])
            say(f"  {found[1]} of {found[2]} steps done")
    return list(kept), steps


def _explain(study: WorkflowStudy, kept: list[str], say: Callable[[str], None]) -> None:
    """Show the failed stages' own messages; the workflow's log only when no stage left one."""
    logs = study.context.paths.root / "logs" / study.name
    failed = [Path(m[1]) for line in kept if (m := re.search(r"^\s*log: (\S+)", line))]
    messages = []
    for log in dict.fromkeys(failed):
        path = study.context.paths.root / log
        if path.is_file() and (text := path.read_text(encoding="utf-8", errors="replace").strip()):
            messages.append(text)
    for text in messages or ["\n".join(kept)]:
        say(text)
    say(
        f"{study.name}: failed. Logs: {_shown(logs)}. Mend what is named above and run again; "
        "what was done is kept."
    )


def _shown(path: Path) -> str:
    """Return a path as a person would type it from here."""
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)
