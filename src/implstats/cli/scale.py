"""``implstats scale``: reliability, item analysis and agreement of one scale."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from implstats.cli.output import print_json

if TYPE_CHECKING:
    from implstats.scales.results import ItemResult, ScaleResult


@click.command(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: implstats scale data/raw/leadership-climate/lq2002.csv --items LEAD01:LEAD11 "
    "--min 1 --max 5 --cluster COMPID",
)
@click.argument("data", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--items",
    required=True,
    help="Item columns, with commas; FIRST:LAST is a range in the file's order.",
)
@click.option("--reverse", default="", help="Items to turn round (min + max - answer), with commas.")
@click.option("--min", "minimum", type=float, help="Lowest possible answer.")
@click.option("--max", "maximum", type=float, help="Highest possible answer.")
@click.option("--cluster", help="Column with clusters: adds ICC(1), ICC(2), the F test and rwg(j).")
@click.option("--ci-level", type=float, default=0.95, show_default=True, help="Level of alpha's interval.")
@click.option("--json", "as_json", is_flag=True, help="Print everything at full precision as JSON.")
def scale(
    data: Path,
    items: str,
    reverse: str,
    minimum: float | None,
    maximum: float | None,
    cluster: str | None,
    ci_level: float,
    as_json: bool,
) -> None:
    """Reliability, item analysis and agreement of a scale in the file DATA.

    DATA is .csv .tsv .xlsx .sav .zsav .por .dta .sas7bdat or .parquet, one row a person.
    """
    from implstats.ingest import read_frame
    from implstats.scales import analyse

    result = analyse(
        read_frame(data),
        items=items,
        reverse=reverse,
        minimum=minimum,
        maximum=maximum,
        cluster=cluster,
        ci_level=ci_level,
    )
    if as_json:
        print_json(result.to_dict())
    else:
        click.echo("\n".join(describe_scale(result, cluster=cluster)))


def describe_scale(result: ScaleResult, *, cluster: str | None) -> Iterator[str]:
    """Yield the lines of a readable summary; numbers to three decimals."""
    yield (
        f"{result.n_items} item(s); {result.n_obs:,} of {result.n_rows:,} persons answered every one of them."
    )
    yield ""
    interval = ""
    if result.alpha_low is not None and result.alpha_high is not None:
        level = f"{100 * result.ci_level:g} % interval"
        interval = f"   {level} {result.alpha_low:.3f} to {result.alpha_high:.3f} (Feldt)"
    yield f"alpha         {_number(result, 'alpha')}{interval}"
    yield f"omega total   {_number(result, 'omega_total')}"
    yield ""
    yield from _item_lines(result.items)
    if cluster is not None:
        yield ""
        yield from _agreement_lines(result, cluster)
    if result.checks:
        yield ""
        yield from (f"{check.status}: {check.message}" for check in result.checks)


def _number(result: ScaleResult, name: str) -> str:
    value = getattr(result, name)
    return f"{value:.3f}" if value is not None else f"not available: {result.reasons[name]}"


def _item_lines(items: tuple[ItemResult, ...]) -> Iterator[str]:
    width = max(len("item"), *(len(item.item) for item in items))
    yield f"{'item':<{width}}      n    mean      sd  missing  item-rest  alpha without   floor  ceiling"
    for item in items:
        yield (
            f"{item.item:<{width}} {item.n:>6} {_cell(item.mean, 7)} {_cell(item.sd, 7)} "
            f"{_cell(item.share_missing, 8)} {_cell(item.item_rest_correlation, 10)} "
            f"{_cell(item.alpha_if_dropped, 14)} {_cell(item.floor, 7)} {_cell(item.ceiling, 8)}"
        )


def _cell(value: float | None, width: int) -> str:
    return f"{value:>{width}.3f}" if value is not None else f"{'-':>{width}}"


def _agreement_lines(result: ScaleResult, cluster: str) -> Iterator[str]:
    yield f"{result.n_clusters} clusters ({cluster})"
    yield f"ICC(1)        {_number(result, 'icc1')}"
    yield f"ICC(2)        {_number(result, 'icc2')}"
    yield f"F test        {_f_test(result)}"
    if result.rwgj_mean is None:
        yield f"rwg(j)        {_number(result, 'rwgj_mean')}"
    else:
        yield (
            f"rwg(j)        mean {result.rwgj_mean:.3f}, median {result.rwgj_median:.3f}, "
            f"{result.rwgj_min:.3f} to {result.rwgj_max:.3f} over {len(result.rwgj)} clusters"
        )


def _f_test(result: ScaleResult) -> str:
    p_value = result.f_p_value
    if result.f_statistic is None or p_value is None:
        return f"not available: {result.reasons['f_statistic']}"
    shown = "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"
    return f"F({result.f_df1}, {result.f_df2}) = {result.f_statistic:.3f}, {shown}"
