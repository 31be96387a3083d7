"""``implstats verify``: our numbers against the published ones."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from implstats.cli.options import study_argument


@click.command(
    epilog="Example: implstats verify config/studies/work-hours.yaml",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@study_argument
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def verify(study: Path, as_json: bool) -> None:
    """Compare our numbers with the published ones listed in STUDY.

    The study must have been run. A printed number agrees when ours rounds to it. Exit status 1 when one
    differs.
    """
    from implstats.pipeline.verify import verify_study

    comparisons = verify_study(study)
    if as_json:
        from implstats.cli.output import print_json

        print_json({"study": str(study), "published": [c.to_dict() for c in comparisons]})
    else:
        _print_text(study, comparisons)
    if not all(c.agrees for c in comparisons):
        sys.exit(1)


def _print_text(study: Path, comparisons: list) -> None:
    if not comparisons:
        click.echo(f"{study}: no published numbers are listed, so there is nothing to compare.")
        return
    for c in comparisons:
        mark = "agrees " if c.agrees else "DIFFERS"
        parts = (c.analysis, c.block, c.term, c.level, c.quantity, c.field)
        address = " / ".join(part for part in parts if part)
        ours = "missing" if c.ours is None else f"{c.ours:.10g}"
        click.echo(f"{mark}  printed {c.printed:>12}  ours {ours:>14}  {address}")
        if c.reason:
            click.echo(f"         {c.reason}")
        click.echo(f"         {c.citation}")
    agreeing = sum(c.agrees for c in comparisons)
    tolerated = sum(c.agrees and bool(c.reason) for c in comparisons)
    total = len(comparisons)
    told = f" ({tolerated} within the tolerance stated above)" if tolerated else ""
    click.echo(f"{study}: {agreeing} of {total} published numbers agree at their printed precision{told}.")
