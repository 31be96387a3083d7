"""``implstats mixed``: fit a mixed model to a file, in lme4's formula language."""

from __future__ import annotations

from pathlib import Path

import click

from implstats.cli.follow_ups import Settings, answer, as_text, check_requests, listed, records

FAMILIES = ("gaussian", "binomial", "poisson", "nbinom", "ordinal")
DF_METHODS = ("auto", "kenward-roger", "satterthwaite", "none")
CONTRASTS = ("pairwise", "trt.vs.ctrl", "consec", "poly")
ADJUST = ("holm", "tukey", "bonferroni", "sidak", "mvt", "fdr", "none")
FEWEST_DRAWS = 99  # of a bootstrap: fewer have no 2.5 % quantile


@click.command(
    epilog='Example: implstats mixed "y ~ wave * arm + (1 | institution) + (1 | person)" survey.csv',
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("formula")
@click.argument("data", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--ml", is_flag=True, help="Maximum likelihood instead of REML.")
@click.option("--df", type=click.Choice(DF_METHODS), default="auto", show_default=True,
              help="auto: Kenward-Roger below 50 clusters, else Satterthwaite.")  # fmt: skip
@click.option("--family", type=click.Choice(FAMILIES), default="gaussian", show_default=True)
@click.option("--link", default=None, help="logit or probit (binomial, ordinal), log (counts).")
@click.option("--agq", type=click.IntRange(min=1), default=1, show_default=True, help="Quadrature points.")
@click.option(
    "--weights", default=None, metavar="COLUMN", help="Prior weights; trials of a binomial outcome."
)
@click.option("--offset", default=None, metavar="COLUMN", help="Added to the linear predictor.")
@click.option("--robust", default=None, metavar="TYPE",
              help="Cluster-robust standard errors: CR0, CR1, CR2 or CR3; CR2 for few clusters.")  # fmt: skip
@click.option("--residual", default=None, metavar="STRUCTURE", help='Such as "ar1(wave | person)".')
@click.option("--ci-level", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.95,
              show_default=True)  # fmt: skip
@click.option("--few-clusters", type=click.Choice(("refuse", "fit")), default="refuse", show_default=True,
              help="A random effect of fewer than 5 clusters: refuse it, or fit with a caution.")  # fmt: skip
@click.option("--second-opinion", is_flag=True, help="Compare with an independent fit.")
@click.option(
    "--also",
    multiple=True,
    metavar="WHAT",
    help=f"More about the fit, repeatable: {listed()}. Such as --also f-tests --also 'means=wave*arm'.",
)
@click.option(
    "--contrasts",
    type=click.Choice(CONTRASTS),
    default="pairwise",
    show_default=True,
    help="Of the marginal means.",
)
@click.option(
    "--adjust",
    type=click.Choice(ADJUST),
    default="holm",
    show_default=True,
    help="Of the contrasts, for their number.",
)
@click.option(
    "--draws",
    type=click.IntRange(min=FEWEST_DRAWS),
    default=999,
    show_default=True,
    help="Of bootstrap and permutation.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of everything that is drawn.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def mixed(
    formula: str, data: Path, ml: bool, df: str, family: str, link: str | None, agq: int, weights: str | None,
    offset: str | None,
    robust: str | None, residual: str | None, ci_level: float, few_clusters: str,
    second_opinion: bool, also: tuple[str, ...], contrasts: str, adjust: str, draws: int, seed: int,
    as_json: bool,
) -> None:  # fmt: skip
    """Fit a mixed model to DATA (.csv .tsv .sav .dta .xlsx .parquet ...), in lme4's language.

    FORMULA is such as "y ~ x + (1 | cluster)". Rows with missing values are left out and counted.
    A fit that cannot be verified is reported as failed, with exit status 1.
    """
    from implstats.cli.output import print_json
    from implstats.ingest import read_frame
    from implstats.mixed import fit
    from implstats.mixed.design.formula import read_formula
    from implstats.mixed.options import check_options
    from implstats.mixed.text import describe_fit

    # A wrong call is told before a large file is read.
    check_options(
        reml=False if ml else None,
        df=df,
        family=family,
        link=link,
        agq=agq,
        robust=robust,
        residual=residual,
        ci_level=ci_level,
        weights=weights,
    )
    read_formula(formula, random_needed=residual is None)
    check_requests(also)
    result = fit(
        formula, read_frame(data), reml=False if ml else None, df=df, family=family, link=link, agq=agq,
        weights=weights, offset=offset, robust=robust,
        residual=residual, ci_level=ci_level, few_clusters=few_clusters, second_opinion=second_opinion,
    )  # fmt: skip
    asked = also if result.verdict != "failed" else ()
    settings = Settings(draws=draws, seed=seed, adjust=adjust, contrasts=contrasts)
    answers = answer(result, asked, settings)
    if as_json:
        print_json(result.to_dict() | ({"also": records(answers)} if answers else {}))
    else:
        click.echo("\n\n".join([describe_fit(result), *([as_text(answers)] if answers else [])]))
    if result.verdict == "failed":
        raise SystemExit(1)
