"""The options of ``implstats sem``, by what they are about; ``--help`` shows them under these headings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from implstats.cli.follow_ups import listed
from implstats.cli.sem_follow_ups import FOLLOW_UPS

ESTIMATORS = (
    "ML", "MLR", "MLM", "MLMV", "MLMVS", "GLS", "WLS", "DWLS", "ULS",
    "WLSM", "WLSMV", "WLSMVS", "ULSM", "ULSMV", "ULSMVS",
)  # fmt: skip
METHODS = ("chisq", "satorra.bentler.2001", "satorra.bentler.2010", "satorra.2000")
FEWEST_DRAWS = 99  # of a bootstrap: fewer have no 2.5 % quantile
FILE = click.Path(path_type=Path, dir_okay=False)

Decorator = Callable[[Any], Any]


class SectionOption(click.Option):
    """An option that knows the heading it stands under."""

    def __init__(self, names: Sequence[str], section: str = "", **settings: Any) -> None:
        super().__init__(names, **settings)
        self.section = section


class SectionCommand(click.Command):
    """A command whose help lists its options by heading."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each heading with its options, in the order in which they were declared."""
        found: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                found.setdefault(getattr(parameter, "section", "Help"), []).append(record)
        for heading, records in found.items():
            with formatter.section(heading):
                formatter.write_dl(records)


def names_of(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Return a list written with commas; nothing where the option was not given.

    >>> names_of(None, None, "a, b")
    ('a', 'b')
    """
    if value is None:
        return None
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _option(section: str, *names: str, **settings: Any) -> Decorator:
    return click.option(*names, cls=SectionOption, section=section, **settings)


def _flag(section: str, name: str, text: str) -> Decorator:
    return _option(section, name, is_flag=True, default=None, help=text)


def _list(section: str, name: str, metavar: str, text: str) -> Decorator:
    return _option(section, name, default=None, callback=names_of, metavar=metavar, help=text)


_MODEL = (
    _option("Model", "--kind", default=None, metavar="KIND",
            help="Whose defaults: sem, cfa, growth or lavaan.  [default: sem; of a ladder cfa]"),
    _flag("Model", "--std-lv", "Latent variances one instead of the first loading."),
    _flag("Model", "--orthogonal", "Latent variables uncorrelated."),
    _flag("Model", "--meanstructure", "Model means as well."),
    _option("Model", "--print", "printed", type=click.Choice(("table",)), default=None,
            help="Print the model's parameter table (free, fixed, equal) and fit nothing; DATA only with "
                 "groups or ordered items."),
)  # fmt: skip
_DATA = (
    _option("Data", "--missing", default=None, metavar="HOW",
            help="listwise, fiml (every answer given; ML and MLR), two-stage or robust-two-stage (ML), "
                 "pairwise (ordered items).  [default: listwise]"),
    _list("Data", "--auxiliary", "A,B,...",
          "With fiml: columns outside the model that tell about missing answers."),
    _option("Data", "--cluster", default=None, metavar="COLUMN",
            help="Column that tells clusters apart: cluster-robust errors and tests, or the clusters of a "
                 "model with 'level: 1' and 'level: 2'."),
    _option("Data", "--cov", type=FILE, default=None, metavar="FILE",
            help="A covariance or correlation matrix with names instead of DATA; half of it is enough. ML."),
    _option("Data", "--n", type=click.IntRange(min=1), default=None, help="Persons behind --cov."),
    _option("Data", "--means", type=FILE, default=None, metavar="FILE",
            help="Means beside --cov: a row with names above, or a name and a mean a line."),
    _option("Data", "--sd", type=FILE, default=None, metavar="FILE",
            help="Standard deviations, written like --means, that turn correlations into covariances."),
)  # fmt: skip
_ESTIMATION = (
    _option("Estimation", "--estimator", default=None, metavar="NAME",
            help=f"One of {', '.join(ESTIMATORS)}.  [default: ML; with ordered items WLSMV]"),
    _list("Estimation", "--ordered", "A,B,...", "Items whose answers are ordered categories."),
    _option("Estimation", "--parameterization", default=None, metavar="NAME",
            help="Of ordered items: delta or theta.  [default: delta; of a ladder theta]"),
    _option("Estimation", "--information", default=None, metavar="NAME",
            help="Standard errors of ML: expected or observed.  [default: expected; with fiml observed]"),
    _option("Estimation", "--test", default=None, metavar="NAME",
            help="Another scaled test of MLR: satorra.bentler, scaled.shifted or mean.var.adjusted."),
    _option("Estimation", "--h1", default=None, metavar="NAME",
            help="Of two levels, what chi-square compares with: psd, lavaan or unconstrained.  "
                 "[default: psd]"),
    _option("Estimation", "--few-clusters", default=None, metavar="WHAT",
            help="Of two levels, with too few clusters: refuse, or fit with a caution.  [default: refuse]"),
    _option("Estimation", "--ci-level", type=click.FloatRange(0, 1, min_open=True, max_open=True),
            default=None, help="Of the intervals.  [default: 0.95]"),
)  # fmt: skip
_GROUPS = (
    _option("Groups and invariance", "--group", default=None, metavar="COLUMN",
            help="Column that tells groups apart."),
    _list("Groups and invariance", "--group-equal", "WHAT,...",
          "Equal across groups: loadings,intercepts,thresholds,residuals,means,regressions,..."),
    _list("Groups and invariance", "--group-partial", "WHICH,...",
          "Single parameters that stay free, such as 'x3~1,f=~x2'; in a ladder too."),
    _flag("Groups and invariance", "--ladder",
          "The ladder of invariance instead of one fit: configural, metric, scalar, strict, each against "
          "the one before. Across --group, or --waves."),
    _flag("Groups and invariance", "--waves",
          "Ladder over waves: MODEL measures each wave's factor by the same items in the same order."),
    _list("Groups and invariance", "--steps", "STEP,...",
          "Of the ladder: configural,thresholds,metric,scalar,strict,means."),
)  # fmt: skip
_MORE = (
    _option("More about the fit", "--also", multiple=True, metavar="WHAT",
            help=f"Repeatable: {listed(FOLLOW_UPS)}. Such as --also modindices=10."),
    _option("More about the fit", "--compare", multiple=True, metavar="MODEL2",
            help="Difference test against another model of the same data, a file or a text; repeatable."),
    _option("More about the fit", "--method", type=click.Choice(METHODS), default=None,
            help="Of the difference tests.  [default: the estimator's own]"),
    _option("More about the fit", "--bootstrap", type=click.IntRange(min=FEWEST_DRAWS), default=None,
            metavar="N", help="Bootstrap errors and intervals of N draws; of clusters with --cluster."),
    _option("More about the fit", "--interval", type=click.Choice(("percentile", "bca", "basic")),
            default="percentile", show_default=True, help="Of the bootstrap."),
    _flag("More about the fit", "--bollen-stine", "Bootstrap test of the model (Bollen & Stine)."),
    _flag("More about the fit", "--monte-carlo", "Monte Carlo intervals of defined parameters (:=)."),
    _option("More about the fit", "--draws", type=click.IntRange(min=FEWEST_DRAWS), default=None,
            help="Of --bollen-stine (default 1000) and --monte-carlo (default 20000)."),
    _option("More about the fit", "--seed", type=click.IntRange(min=0), default=1, show_default=True,
            help="Of everything that is drawn."),
    _flag("More about the fit", "--second-opinion", "Compare with other starts and with semopy."),
)  # fmt: skip
_OUTPUT = (
    _option("Output", "--out", type=FILE, default=None, metavar="FILE",
            help="Write to FILE instead of the screen; JSON with --json or a name that ends in .json."),
    _option("Output", "--json", "as_json", is_flag=True, help="Print JSON for programs."),
)  # fmt: skip


def sem_options(command: Any) -> Any:
    """Add every option to a command, in the order of the help."""
    for option in reversed((*_MODEL, *_DATA, *_ESTIMATION, *_GROUPS, *_MORE, *_OUTPUT)):
        command = option(command)
    return command
