"""Standard errors, degrees of freedom, t tests and intervals of the fixed effects.

The rule of ``df='auto'``: Kenward-Roger under REML if any grouping factor has fewer than 50 clusters, else
Satterthwaite. Satterthwaite's df do not exist where a variance is estimated as zero or a correlation as +-1;
then Kenward-Roger (REML) or between-within df (ML) take their place.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import numpy as np
from scipy.special import stdtr, stdtrit

from implstats.mixed.design.build import Design
from implstats.mixed.design.standardise import Standardised
from implstats.mixed.gaussian.criterion import Evaluation, Problem
from implstats.mixed.inference.df_between_within import between_within_df
from implstats.mixed.inference.df_kenward_roger import kenward_roger
from implstats.mixed.inference.df_satterthwaite import satterthwaite_df
from implstats.mixed.results import FixedEffect
from implstats.results import Check

MANY_CLUSTERS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """Covariance matrix of the fixed effects (p, p), df (p,) with NaN where none, the method, its check."""

    covariance: np.ndarray
    df: np.ndarray
    method: str
    check: Check


def infer(
    problem: Problem, at: Evaluation, design: Design, scaled: Standardised, *, df: str, boundary: bool
) -> Inference:
    """Return covariance and df of the coefficients in their own units."""
    fewest = min(level.clusters.size for level in design.levels)
    wanted = df
    if df == "auto":
        wanted = "kenward-roger" if problem.reml and fewest < MANY_CLUSTERS else "satterthwaite"
    plain = scaled.scale**2 * scaled.M @ (at.sigma2 * at.C) @ scaled.M.T
    none = np.full(len(plain), np.nan)
    if wanted == "none":
        check = Check(
            name="df_method", status="info",
            message="No degrees of freedom were asked for, so there are no p-values and no intervals.",
        )  # fmt: skip
        return Inference(covariance=plain, df=none, method="none", check=check)
    fallback = ""
    if wanted == "satterthwaite":
        found = None if boundary else satterthwaite_df(at, scaled.M)
        if found is not None:
            return Inference(
                covariance=plain, df=found, method="satterthwaite", check=_check_of(wanted, fewest, "")
            )
        why = "a boundary estimate" if boundary else "a flat criterion"
        fallback = f"Satterthwaite's degrees of freedom have no meaning at {why}; "
        wanted = "kenward-roger" if problem.reml else "between-within"
    if wanted == "between-within":
        if design.crossed:
            return Inference(covariance=plain, df=none, method="none", check=_no_df(fallback))
        found = between_within_df(design, scaled.kept)
        return Inference(covariance=plain, df=found, method=wanted, check=_check_of(wanted, fewest, fallback))
    adjusted = kenward_roger(at, scaled.M, n=problem.moments.n, pairs=problem.shape.pairs)
    covariance = scaled.scale**2 * scaled.M @ adjusted.covariance @ scaled.M.T
    return Inference(
        covariance=covariance, df=adjusted.df, method=wanted, check=_check_of(wanted, fewest, fallback)
    )


def _check_of(method: str, fewest: int, fallback: str) -> Check:
    names = {
        "kenward-roger": "Kenward-Roger t tests with adjusted standard errors",
        "satterthwaite": "Satterthwaite t tests",
        "between-within": "between-within t tests (fit by REML for Kenward-Roger, which is "
        "made for few clusters)",
    }
    ending = f"{names[method]} were used; the fewest clusters of a level are {fewest}."
    return Check(
        name="df_method", status="info" if fallback else "ok",
        message=fallback + ending if fallback else ending[0].upper() + ending[1:],
    )  # fmt: skip


def _no_df(fallback: str) -> Check:
    return Check(
        name="df_method", status="warn",
        message=f"{fallback}and between-within df do not exist for crossed levels, so there are no p-values "
        "and no intervals. Fit by REML for Kenward-Roger, which stays meaningful here.",
    )  # fmt: skip


def t_tests(
    names: tuple[str, ...], estimates: np.ndarray, inference: Inference, *, ci_level: float
) -> tuple[FixedEffect, ...]:
    """Return the coefficients with their t tests.

    A statistic is given wherever the standard error is positive; p and interval need a df. A variance of
    NaN is a standard error that does not exist.
    """
    errors = np.sqrt(np.maximum(inference.covariance.diagonal(), 0.0)).tolist()
    values, dfs = np.asarray(estimates, dtype=float).tolist(), np.asarray(inference.df, dtype=float).tolist()
    out = []
    for name, b, se, df in zip(names, values, errors, dfs, strict=True):
        t = b / se if se > 0 else None
        usable = t is not None and df > 0 and isfinite(df)
        half = float(stdtrit(df, 0.5 + 0.5 * ci_level)) * se if usable else None
        out.append(
            FixedEffect(
                term=name, estimate=b, std_error=se if isfinite(se) else None, df=df if usable else None,
                df_method=inference.method, statistic=t,
                p_value=2.0 * float(stdtr(df, -abs(t))) if usable and t is not None else None,
                conf_low=None if half is None else b - half, conf_high=None if half is None else b + half,
            )
        )  # fmt: skip
    return tuple(out)
