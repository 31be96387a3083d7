"""``implstats run``: a study from raw files to the report."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from implstats.cli.options import study_argument


@click.command(
    epilog="Example: implstats run config/studies/leadership-climate.yaml --cores 2",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@study_argument
@click.option("--cores", type=click.IntRange(min=1), default=None, help="Processor cores; all when left out.")
@click.option(
    "--profile",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=None,
    help="Folder of a snakemake profile, such as workflow/profiles/slurm.",
)
def run(study: Path, cores: int | None, profile: Path | None) -> None:
    """Run STUDY: ingest, score, fit, tables, figures, report.

    Only what changed since the last run is done again; a run that was interrupted continues.
    """
    from implstats.pipeline.run import run_study

    sys.exit(run_study(study, cores=cores, profile=profile, say=lambda text: click.echo(text, err=True)))
