"""A fit as aligned text for a terminal. Rounding happens here and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence

from implstats.mixed.results import MixedResult


def describe_fit(result: MixedResult) -> str:
    """Return the fit as text of at most a page.

    >>> import numpy as np, pandas as pd
    >>> from implstats import mixed
    >>> g = np.repeat(np.arange(6), 5)
    >>> y = np.random.default_rng(2).normal(size=30) + g
    >>> print(describe_fit(mixed.fit("y ~ 1 + (1 | g)", pd.DataFrame({"g": g, "y": y}))).splitlines()[0])
    Linear mixed model by REML: ok
    """
    method = "REML" if result.reml else "ML"
    clusters = ", ".join(f"{name} {count}" for name, count in result.n_clusters.items())
    head = [
        f"{_kind(result, method)}: {result.verdict}",
        f"  {result.formula}",
        f"  rows {result.n_obs}, clusters: {clusters}",
    ]
    if result.verdict == "failed":
        return "\n".join([*head, "", result.reason, ""])
    name = "REML criterion" if result.reml else "-2 log-likelihood"
    head.append(
        f"  {name} {result.criterion:.4f}, log-likelihood {result.log_likelihood:.4f}, AIC {result.aic:.2f}, "
        f"BIC {result.bic:.2f}"
    )
    if result.dispersion is not None:
        head.append(f"  theta {_number(result.dispersion)} (variance mu + mu^2 / theta)")
    return "\n".join([*head, "", "Fixed effects", *_fixed(result), "", *_random(result),
                      *_residual(result), "Checks", *_checks(result)])  # fmt: skip


def _kind(result: MixedResult, method: str) -> str:
    if result.family == "gaussian":
        return f"Linear mixed model by {method}"
    how = "Laplace's method" if result.agq == 1 else f"quadrature with {result.agq} points"
    return f"Mixed model, {result.family} with {result.link} link, by {how}"


def _fixed(result: MixedResult) -> list[str]:
    level = f"{100 * result.ci_level:g}%"
    statistic = "t" if result.family == "gaussian" else "z"
    rows = [["term", "estimate", "std_error", "df", statistic, "p", f"{level} low", f"{level} high"]]
    rows += [
        [f.term, _number(f.estimate), _number(f.std_error), _number(f.df, 4), _number(f.statistic, 4),
         _p_value(f.p_value), _number(f.conf_low), _number(f.conf_high)]
        for f in result.fixed
    ]  # fmt: skip
    method = result.fixed[0].df_method
    return [*_aligned(rows, left=1), f"  df: {method}"]


def _random(result: MixedResult) -> list[str]:
    rows = [["cluster", "term", "with", "(co)variance", "sd", "corr"]]
    rows += [
        [r.cluster, r.term, "" if r.term == r.term2 else r.term2, _number(r.covariance),
         _number(r.sd) if r.term == r.term2 else "", "" if r.term == r.term2 else _number(r.corr)]
        for r in result.random
    ]  # fmt: skip
    residual = result.residual_variance
    if residual is not None:
        rows.append(["residual", "", "", _number(residual), _number(residual**0.5), ""])
    return ["Random effects", *_aligned(rows, left=3), ""] if len(rows) > 1 else []


def _residual(result: MixedResult) -> list[str]:
    found = result.residual
    if found is None:
        return []
    rows = [["wave", "rows", "sd", "low", "high"]]
    rows += [
        [wave, str(n), _number(sd), _number(low), _number(high)]
        for wave, n, sd, low, high in zip(
            found.waves, found.n_obs, found.sd, found.sd_low, found.sd_high, strict=True
        )
    ]
    out = [f"Residuals {found.text}", *_aligned(rows, left=1)]
    if found.rho is not None:
        out.append(f"  rho {_number(found.rho)}, {_number(found.rho_low)} to {_number(found.rho_high)}")
    if found.kind == "un":
        matrix = [["correlation", *found.waves]]
        matrix += [
            [wave, *(_number(v, 4) for v in row)]
            for wave, row in zip(found.waves, found.correlation, strict=True)
        ]
        out += _aligned(matrix, left=1)
    return [*out, ""]


def _checks(result: MixedResult) -> list[str]:
    width = max(len(check.name) for check in result.checks)
    return [f"  {check.status:<4}  {check.name:<{width}}  {check.message}" for check in result.checks]


def _aligned(rows: Sequence[Sequence[str]], *, left: int) -> list[str]:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return [
        "  " + "  ".join(f"{cell:<{w}}" if k < left else f"{cell:>{w}}" for k, (cell, w) in
                         enumerate(zip(row, widths, strict=True))).rstrip()
        for row in rows
    ]  # fmt: skip


def _number(value: float | None, digits: int = 5) -> str:
    if value is None:
        return "-"
    if value == 0.0:
        return "0"
    return f"{value:.{digits}g}"


def _p_value(value: float | None) -> str:
    if value is None:
        return "-"
    return "<.0001" if value < 0.0001 else f"{value:.4f}"
