"""``implstats sem``: fit a structural equation model from the command line."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from implstats.cli.follow_ups import answer, as_text, check_requests, listed, records
from implstats.cli.sem_follow_ups import FOLLOW_UPS, SemSettings
from implstats.errors import UsageError

ESTIMATORS = (
    "ML", "MLR", "MLM", "MLMV", "MLMVS", "GLS", "WLS", "DWLS", "ULS",
    "WLSM", "WLSMV", "WLSMVS", "ULSM", "ULSMV", "ULSMVS",
)  # fmt: skip


def _split(_: click.Context, __: click.Parameter, value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


@click.command(
    epilog="Example: implstats sem 'visual =~ x1 + x2 + x3' data.csv --kind cfa --estimator MLR --json",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("model")
@click.argument("data", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--kind", default="sem", help="Whose defaults: sem, cfa, growth or lavaan.", show_default=True)
@click.option(
    "--estimator", default=None, help=f"One of {', '.join(ESTIMATORS)}; ML, or WLSMV with ordered items."
)
@click.option(
    "--missing",
    default="listwise",
    help="listwise, fiml, pairwise, two.stage or robust.two.stage.",
    show_default=True,
)
@click.option("--group", default=None, help="Column that tells groups apart.")
@click.option(
    "--group-equal", default="", callback=_split, help="Equal across groups: loadings,intercepts,..."
)
@click.option("--cluster", default=None, help="Column that tells clusters apart.")
@click.option("--ordered", default="", callback=_split, help="Ordered items: a,b,...")
@click.option("--parameterization", default="delta", help="delta or theta.", show_default=True)
@click.option("--orthogonal", is_flag=True, help="Latent variables uncorrelated.")
@click.option("--std-lv", is_flag=True, help="Latent variances one instead of the first loading.")
@click.option("--meanstructure", is_flag=True, help="Model means as well.")
@click.option("--second-opinion", is_flag=True, help="Compare with other starts and with semopy.")
@click.option(
    "--also",
    multiple=True,
    metavar="WHAT",
    help=f"More about the fit, repeatable: {listed(FOLLOW_UPS)}. Such as --also modindices=10.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def sem(
    model: str,
    data: Path,
    kind: str,
    estimator: str | None,
    missing: str,
    group: str | None,
    group_equal: tuple[str, ...],
    cluster: str | None,
    ordered: tuple[str, ...],
    parameterization: str,
    orthogonal: bool,
    std_lv: bool,
    meanstructure: bool,
    second_opinion: bool,
    also: tuple[str, ...],
    as_json: bool,
) -> None:
    """Fit MODEL, a file or a text in lavaan's language, to the persons in the file DATA.

    Exit status 1 when the data or the model cannot bear it; the reasons go to stderr.
    """
    text = read_model(model)
    check_requests(also, FOLLOW_UPS)
    from implstats.ingest import read_frame
    from implstats.sem import fit

    frame = read_frame(data)
    result = fit(
        text,
        frame,
        kind=kind,
        estimator=estimator,
        missing=missing,
        group=group,
        group_equal=group_equal,
        cluster=cluster,
        ordered=ordered,
        parameterization=parameterization,
        orthogonal=orthogonal,
        std_lv=std_lv,
        meanstructure=meanstructure or None,
        second_opinion=second_opinion,
    )
    asked = also if result.verdict != "failed" else ()
    answers = answer(result, asked, SemSettings(data=frame), FOLLOW_UPS)
    if as_json:
        from implstats.cli.output import print_json

        print_json(result.to_dict() | ({"also": records(answers)} if answers else {}))
    else:
        click.echo("\n\n".join([result.to_text(), *([as_text(answers)] if answers else [])]))
    if result.verdict == "failed":
        click.echo(f"implstats: {result.reason}", err=True)
        sys.exit(1)


def read_model(model: str) -> str:
    """Return the model's text: the file's content where the argument names a file, else the argument itself.

    >>> read_model("f =~ x1 + x2")
    'f =~ x1 + x2'
    """
    if any(mark in model for mark in ("~", "\n", ":=", "=")):
        return model
    path = Path(model)
    if not path.is_file():
        raise UsageError(
            f"'{model}' is neither a file nor a model. Give a model's path, or its text such as 'f =~ x1 "
            "+ x2 + x3'."
        )
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(
            f"'{model}' is not a text in UTF-8. Save the model as plain text in UTF-8."
        ) from None
