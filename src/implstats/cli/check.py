"""``implstats check``: is the study file right, and do the raw files agree with it?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from implstats.cli.options import study_argument
from implstats.errors import ProblemsError, StudyFileError

if TYPE_CHECKING:
    from implstats.ingest import IngestedTable
    from implstats.study import Study

_WORDS = {"warn": "warning", "info": "note"}


@click.command(
    epilog="Example: implstats check config/studies/readiness-waves.yaml",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@study_argument
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def check(study: Path, as_json: bool) -> None:
    """Validate STUDY, its instruments and its raw files without running anything.

    Every problem is shown at once, with its place and remedy; exit status 1 if there is one. Without
    problems, a summary of tables, persons and clusters.
    """
    try:
        valid, tables = check_study(study)
    except ProblemsError as error:
        if not as_json:
            raise
        from implstats.cli.output import print_json

        print_json({"ok": False, "study": str(study), "problems": list(error.problems)})
        sys.exit(1)
    summary = summary_of(study, valid, tables)
    if as_json:
        from implstats.cli.output import print_json

        print_json(summary)
    else:
        _print_text(summary)


def check_study(path: Path) -> tuple[Study, dict[str, IngestedTable]]:
    """Return the study and its tables, or raise with the problems of study file and raw files together.

    The raw files are looked at unless the study file's tables or scales themselves have problems.

    Raises
    ------
    ProblemsError
    """
    from implstats.ingest import ingest_study
    from implstats.study.lines import with_lines
    from implstats.study.load import instruments_of, parse_study
    from implstats.study.paths import project_root
    from implstats.study.references import check_references
    from implstats.study.yaml_file import read_text

    text, root = read_text(path), project_root(path)
    study = parse_study(text, where=str(path))
    problems = with_lines(check_references(study, instruments_of(study, root)), text)
    if any(problem.startswith(("tables.", "scales.")) for problem in problems):
        raise StudyFileError(str(path), [*problems, "(the raw files are checked once these are solved)"])
    try:
        tables = ingest_study(study, root)
    except ProblemsError as error:
        raise StudyFileError(str(path), [*problems, *with_lines(error.problems, text)]) from error
    if problems:
        raise StudyFileError(str(path), problems)
    return study, tables


def summary_of(path: Path, study: Study, tables: dict[str, IngestedTable]) -> dict[str, Any]:
    """Return what the command prints, made of plain values."""
    return {
        "ok": True,
        "study": str(path),
        "title": study.study.title,
        "tables": [_table_summary(study, table) for table in tables.values()],
        "n_scales": len(study.scales),
        "n_questions": len(study.questions),
        "issues": [
            {"status": issue.status, "place": issue.place, "message": issue.message}
            for table in tables.values()
            for issue in table.issues
        ],
    }


def _table_summary(study: Study, table: IngestedTable) -> dict[str, Any]:
    from implstats.ingest.columns import wave_labels

    spec, frame = study.tables[table.name], table.frame
    levels = [cluster.name for cluster in spec.clusters]
    parts = [
        (label, frame[frame["wave"].map(str) == str(value)]) for value, label in wave_labels(spec).items()
    ]
    return {
        "name": table.name,
        "files": [source.file for source in spec.sources],
        **_counts(frame, levels),
        "waves": [{"label": label, **_counts(part, levels)} for label, part in parts],
    }


def _counts(frame: Any, levels: list[str]) -> dict[str, Any]:
    return {
        "n_rows": len(frame),
        "n_persons": int(frame["person"].nunique()),
        "n_clusters": {level: int(frame[level].nunique()) for level in levels},
    }


def _print_text(summary: dict[str, Any]) -> None:
    click.echo(f"{summary['study']}: no problems; {summary['title']}")
    for table in summary["tables"]:
        click.echo(f"\ntable {table['name']}, {_number(len(table['files']), 'file')}: {_count_text(table)}")
        for wave in table["waves"]:
            click.echo(f"  {wave['label']}: {_count_text(wave)}")
    click.echo(f"\n{_number(summary['n_scales'], 'scale')}, {_number(summary['n_questions'], 'question')}")
    for issue in summary["issues"]:
        click.echo(f"{_WORDS.get(issue['status'], issue['status'])}: {issue['place']}: {issue['message']}")
    click.echo(f"Next: implstats run {summary['study']}")


def _count_text(counts: dict[str, Any]) -> str:
    parts = [_number(counts["n_rows"], "row"), _number(counts["n_persons"], "person")]
    parts += [f"{level}: {n:,}" for level, n in counts["n_clusters"].items()]
    return ", ".join(parts)


def _number(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
