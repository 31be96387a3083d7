"""``implstats efa``: how many factors a set of items has, and which items belong to them."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from implstats.cli.output import plain
from implstats.errors import UsageError

if TYPE_CHECKING:
    from implstats.sem import Exploration, Retention

METHODS = ("minres", "ml")
ROTATIONS = ("oblimin", "geomin", "promax", "varimax", "none")
CORRELATIONS = ("pearson", "polychoric")
FEWEST_DRAWS = 99  # fewer have no 95th percentile to speak of
FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: implstats efa data.csv --items x1:x9 --factors 3 --rotation oblimin --scree scree.pdf",
)
@click.argument("data", type=FILE)
@click.option("--items", required=True, metavar="A,B,...",
              help="Item columns, with commas; FIRST:LAST is a range in the file's order.")  # fmt: skip
@click.option("--factors", type=click.IntRange(min=1), default=None, metavar="N",
              help="Factors to extract; as many as parallel analysis retains when left out.")  # fmt: skip
@click.option("--method", type=click.Choice(METHODS), default="minres", show_default=True,
              help="Least squares of the residuals, or maximum likelihood.")  # fmt: skip
@click.option("--rotation", type=click.Choice(ROTATIONS), default="oblimin", show_default=True)
@click.option("--correlation", type=click.Choice(CORRELATIONS), default="pearson", show_default=True,
              help="polychoric: answers are ordered categories.")  # fmt: skip
@click.option("--draws", type=click.IntRange(min=FEWEST_DRAWS), default=500, show_default=True,
              help="Random samples of parallel analysis.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option(
    "--scree", type=FILE, default=None, metavar="FILE", help="Draw the scree plot: .png, .pdf, .svg."
)
@click.option("--json", "as_json", is_flag=True, help="Print everything at full precision as JSON.")
def efa(
    data: Path, items: str, factors: int | None, method: str, rotation: str, correlation: str, draws: int,
    seed: int, scree: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Explore the factors of items in the file DATA: parallel analysis, MAP, loadings.

    Persons with a missing item are left out and counted. Exit status 1 when the data cannot bear it.
    """
    from implstats.ingest import read_frame
    from implstats.scales.items import expand_items
    from implstats.sem import explore, number_of_factors

    _check_scree(scree)
    frame = read_frame(data)
    names = expand_items([part.strip() for part in items.split(",") if part.strip()], list(frame.columns))
    evidence = number_of_factors(frame, names, correlation=correlation, draws=draws, seed=seed)
    m = factors if factors is not None else evidence.n_factors
    found = None
    if m:
        found = explore(frame, names, n_factors=m, method=method, rotation=rotation, correlation=correlation,
                        seed=seed)  # fmt: skip
    if scree is not None:
        _write_scree(scree, evidence)
    if as_json:
        shown = {"number_of_factors": _plain(evidence), "exploration": _plain(found) if found else None}
        click.echo(json.dumps(plain(shown), ensure_ascii=False, indent=2))
        return
    click.echo(describe_exploration(evidence, found, asked=factors is not None))


def describe_exploration(evidence: Retention, found: Exploration | None, *, asked: bool) -> str:
    """Return the evidence, and the loadings if there is a factor."""
    from implstats.sem.exploratory.text import exploration_text, retention_text

    parts = [retention_text(evidence)]
    if found is None:
        parts.append("Parallel analysis retains no factor: the items share no more than chance. To extract "
                     "factors all the same give --factors.")  # fmt: skip
    else:
        if not asked:
            parts.append("The number of factors is that of parallel analysis; --factors chooses another.")
        parts.append(exploration_text(found))
    return "\n\n".join(parts)


def _check_scree(scree: Path | None) -> None:
    from implstats.report.figures.scree import KINDS

    if scree is not None and scree.suffix[1:].lower() not in KINDS:
        raise UsageError(f"--scree {scree}: the file should end in .{', .'.join(KINDS)}.")


def _write_scree(path: Path, evidence: Retention) -> None:
    from implstats.report.figures.scree import write_scree

    panels = [
        ("Factors", evidence.factors.tolist(), evidence.chance_factors.tolist(), evidence.n_factors),
        ("Components", evidence.components.tolist(), evidence.chance_components.tolist(),
         evidence.n_components),
    ]  # fmt: skip
    note = (
        f"{evidence.n_obs} persons; chance: 95th percentile of {evidence.draws} random samples; filled "
        "points lie above it."
    )
    write_scree(path, panels, note=note)


def _plain(record: Exploration | Retention) -> dict[str, Any]:
    """A record's fields, arrays as lists and checks as records."""
    out: dict[str, Any] = {}
    for field in fields(record):
        value = getattr(record, field.name)
        if field.name == "checks":
            value = [check.to_dict() for check in value]
        out[field.name] = value.tolist() if hasattr(value, "tolist") else value
    return out
