"""``implstats simulate``: write the synthetic example study."""

from __future__ import annotations

from pathlib import Path

import click

# Kept here, not imported, so that --help loads no data library; a test holds it equal to the room's own.
DEFAULT_SEED = 20110501


@click.command(
    epilog="Example: implstats simulate data/raw/my-example --seed 7 --institutions 20",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=DEFAULT_SEED, show_default=True,
              help="The same seed gives the same data.")  # fmt: skip
@click.option("--institutions", type=click.IntRange(2, 99), default=12, show_default=True)
@click.option("--waves", type=click.IntRange(1, 20), default=5, show_default=True, help="Yearly, from 2011.")
@click.option("--force", is_flag=True, help="Overwrite files that are already there.")
def simulate(folder: Path, seed: int, institutions: int, waves: int, force: bool) -> None:
    """Write a SYNTHETIC study to DIR: one .sav a wave, a supervisor file, README.md and truth.json."""
    from implstats.simulate import Design, simulate_study, write_study

    study = simulate_study(seed, Design(institutions=institutions, waves=waves))
    paths = write_study(study, folder, force=force)
    rows = sum(len(frame) for frame in study.waves.values())
    click.echo(f"SYNTHETIC study (seed {seed}): {rows} answered questionnaires in {waves} wave(s), "
               f"{len(study.supervisors)} supervisors.")  # fmt: skip
    for path in paths:
        click.echo(f"  {path}")
