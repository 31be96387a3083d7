"""Fitting a mixed model: the public call, and which estimator serves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from implstats.errors import DataError, UsageError
from implstats.mixed.design.bearable import refuse_unbearable
from implstats.mixed.design.build import build_design
from implstats.mixed.design.formula import read_formula
from implstats.mixed.design.offset import with_offset
from implstats.mixed.gaussian.fit import fit_gaussian
from implstats.mixed.options import check_options
from implstats.mixed.results import MixedResult

if TYPE_CHECKING:
    import pandas as pd


def fit(
    formula: str, data: pd.DataFrame, *, reml: bool | None = None, df: str = "auto",
    family: str = "gaussian", link: str | None = None, agq: int = 1, weights: str | None = None,
    offset: str | None = None, robust: str | None = None, residual: str | None = None,
    ci_level: float = 0.95, few_clusters: str = "refuse", second_opinion: bool = False,
) -> MixedResult:  # fmt: skip
    """Fit a linear, generalised or ordinal mixed model; crossed random effects in Gaussian models only.

    Parameters
    ----------
    formula : str
        lme4's language: ``"y ~ time * arm + (1 | institution) + (1 + time | person)"``.
    data : DataFrame
        One row an observation; not changed. Rows with a missing variable are left out and counted.
    reml : bool, optional
        REML (the default of a Gaussian model), or ML for comparing fixed parts; other families have ML only.
    df : {"auto", "kenward-roger", "satterthwaite", "none"}
        ``auto``: Kenward-Roger under REML if a grouping factor has fewer than 50 clusters, else
        Satterthwaite.
    family : {"gaussian", "binomial", "poisson", "nbinom", "ordinal"}
        ``binomial``: 0/1, two categories (the second is the event), ``cbind(success, failure) ~ ...``, or a
        proportion with ``weights`` the trials. ``nbinom``: variance mu + mu^2 / theta. ``ordinal``: the
        cumulative model, thresholds as terms ``1|2``.
    link : {"logit", "probit", "log"}, optional
        logit (the default) or probit for binomial and ordinal outcomes, log for counts.
    agq : int
        Points of adaptive Gauss-Hermite quadrature, for one random effect; 1 is Laplace's method.
    offset : str, optional
        Column added to the linear predictor, such as the logarithm of the exposure of a count; the same as
        ``offset(column)`` in the formula.
    robust : {"CR0", "CR1", "CR2", "CR3"}, optional
        Cluster-robust standard errors, clustered at the highest level, with Satterthwaite df;
        ``model_based`` of the result keeps the others.
    residual : str, optional
        Structure of a person's residuals over waves: ``"ar1(wave | person)"``, ``"ident(wave | person)"`` (a
        variance for each wave), ``"ar1ident(wave | person)"`` (both) or ``"un(wave | person)"``
        (unstructured). The formula then needs no random term.
    weights : str, optional
        Column of prior weights: the residual variance of row i is s2 / w_i. With ``binomial`` the trials.
    ci_level : float
    few_clusters : {"refuse", "fit"}
        What to do with a model whose random effect has fewer than 5 clusters; ``"fit"`` fits it with
        a caution.
    second_opinion : bool
        Compare with statsmodels, or with another start where statsmodels has no such model.

    Returns
    -------
    MixedResult
        With verdict ``failed`` and no estimates if no optimum could be verified.

    Raises
    ------
    UsageError, NotSupportedError
        The formula or an option is wrong or not served.
    ProblemsError, DataError, ModelError
        The data cannot bear the model.

    Notes
    -----
    Agrees with R's ``lmerTest::lmer`` and ``pbkrtest``, see docs/methods/mixed.md; with ``glmmTMB``,
    ``glmer`` and ``ordinal::clmm``, see docs/methods/generalised.md.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> ward = np.repeat(np.arange(12), 10)
    >>> x = rng.normal(size=120)
    >>> y = x + rng.normal(size=12)[ward] + rng.normal(size=120)
    >>> frame = pd.DataFrame({"ward": ward, "x": x, "y": y})
    >>> result = fit("y ~ x + (1 | ward)", frame)
    >>> result.verdict, result.fixed[1].term, result.fixed[1].df_method
    ('ok', 'x', 'kenward-roger')
    """
    check_options(
        reml=reml,
        df=df,
        family=family,
        link=link,
        agq=agq,
        robust=robust,
        residual=residual,
        ci_level=ci_level,
        weights=weights,
    )
    _check_arguments(formula, data)
    if family != "gaussian":
        from implstats.mixed.laplace.fit import fit_generalised

        return fit_generalised(
            with_offset(read_formula(formula), offset), data, family=family, link=link, agq=agq,
            weights=weights, df=df, ci_level=ci_level, few_clusters=few_clusters,
            second_opinion=second_opinion,
        )  # fmt: skip
    reml = reml is not False
    if residual is not None:
        return _fit_with_residual(
            formula, data, residual, offset=offset, few_clusters=few_clusters, reml=reml, df=df,
            ci_level=ci_level, second_opinion=second_opinion,
        )  # fmt: skip
    read = with_offset(read_formula(formula), offset)
    design = build_design(read, data, weights=weights, crossed=True)
    refuse_unbearable(design, text=read.text, few_clusters=few_clusters)
    return fit_gaussian(
        read, design, data, reml=reml, df=df, robust=robust, ci_level=ci_level, second_opinion=second_opinion
    )


def _fit_with_residual(
    formula: str, data: pd.DataFrame, residual: str, *, offset: str | None, few_clusters: str,
    reml: bool, df: str,
    ci_level: float, second_opinion: bool,
) -> MixedResult:  # fmt: skip
    from implstats.mixed.residual.fit import fit_residual
    from implstats.mixed.residual.term import read_residual

    term = read_residual(residual)
    read = with_offset(read_formula(formula, random_needed=False), offset)
    design = build_design(read, data, weights=None, also=term.names)
    refuse_unbearable(design, text=read.text, few_clusters=few_clusters)
    return fit_residual(
        read, design, data, term, reml=reml, df=df, ci_level=ci_level, second_opinion=second_opinion
    )


def _check_arguments(formula: object, data: object) -> None:
    if not isinstance(formula, str):
        raise UsageError(f"The formula is a text such as 'y ~ x + (1 | g)'; got {type(formula).__name__}.")
    if not (hasattr(data, "columns") and hasattr(data, "iloc")):
        raise DataError(f"The data are a pandas DataFrame; got {type(data).__name__}.")
