"""``implstats report``: tables, figures and page again from the results data set, refitting nothing."""

from __future__ import annotations

from pathlib import Path

import click

from implstats.cli.options import DEFAULT_STUDY


@click.command(
    epilog="Example: implstats report config/studies/work-hours.yaml",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("study", type=click.Path(path_type=Path), default=DEFAULT_STUDY, required=False)
def report(study: Path) -> None:
    """Rebuild report, tables and figures of STUDY, a study file or a results folder.

    Nothing is read but the results data set of an earlier run, so no model is fitted again.
    """
    from implstats.report.build import build_all
    from implstats.results.sums import write_sums

    folder = results_folder(study)
    build_all(folder)
    write_sums(folder)
    click.echo(f"{folder / 'report.html'}: written, with tables/ and figures/ beside it.")


def results_folder(study: Path) -> Path:
    """Return the folder of a study's results data set.

    Raises
    ------
    DataError
        If the study has not been run; the message names the command that runs it.
    StudyFileError
        If the study file cannot be read.
    """
    from implstats.errors import DataError
    from implstats.results.dataset import FILES

    if study.is_dir():
        folder, remedy = study, "implstats run STUDY, with the study file of these results"
    else:
        from implstats.study.load import load_study
        from implstats.study.paths import project_root

        name = load_study(study).study.name
        folder, remedy = project_root(study) / "results" / name, f"implstats run {study}"
    if not any((folder / name).is_file() for name in FILES):
        raise DataError(f"There is no results data set in {folder}. Make it with: {remedy}")
    return folder
