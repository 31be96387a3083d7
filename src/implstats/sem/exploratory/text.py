"""Exploratory factor analysis as aligned text; rounding happens here and only here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from implstats.sem.exploratory.explore import Exploration
from implstats.sem.exploratory.retain import Retention
from implstats.sem.text import number

# Loadings below this are read as noise by most; they are shown all the same, without a mark.
SALIENT = 0.3


def retention_text(found: Retention) -> str:
    """Return the evidence on the number of factors."""
    lines = [
        f"How many factors? {found.n_obs} persons, {len(found.components)} items, "
        f"{found.draws} random samples (seed {found.seed})",
        f"  parallel analysis: {found.n_factors} factor(s) (common variance), {found.n_components} "
        "component(s) (all variance)",
        f"  minimum average partial correlation: {found.n_map} component(s)",
        f"  sampling adequacy (KMO) {found.kmo:.3f}; Bartlett's test: chi-square {found.bartlett:.1f}, df "
        f"{found.bartlett_df}, {_p(found.bartlett_p)}",
        "",
        f"  {'number':<8}{'component':>11}{'chance':>9}{'factor':>9}{'chance':>9}{'MAP':>9}",
    ]
    columns = (
        found.components, found.chance_components, found.factors, found.chance_factors,
        np.r_[found.map[1:], np.nan],
    )  # fmt: skip
    lines.append(f"  {0:<8}{number(float(found.map[0]), width=47)}")
    for k, row in enumerate(zip(*columns, strict=True), start=1):
        cells = [number(None if np.isnan(v) else float(v), width=w)
                 for v, w in zip(row, (11, 9, 9, 9, 9), strict=True)]  # fmt: skip
        lines.append(f"  {k:<8}{''.join(cells)}")
    lines.append("  chance: 95th percentile of random normal data; MAP: mean squared partial correlation")
    lines.append("  after so many components")
    return "\n".join(line.rstrip() for line in lines)


def exploration_text(found: Exploration) -> str:
    """Return loadings, factor correlations, fit and checks."""
    m = found.loadings.shape[1]
    width = max(10, *(len(item) for item in found.items)) + 2
    names = "".join(f"{f'F{k + 1}':>9}" for k in range(m))
    lines = [
        f"Exploratory factor analysis: {m} factor(s), {found.method}, {found.rotation}, {found.correlation} "
        f"correlations, {found.n_obs} persons",
        f"Verdict: {found.verdict}",
        "",
        f"  {'Loadings':<{width}}{names}{'communal.':>11}{'unique.':>9}",
    ]
    for item, row, h2, u2 in zip(
        found.items, found.loadings, found.communality, found.uniqueness, strict=True
    ):
        lines.append(f"  {item:<{width}}{_marked(row)}{h2:>11.3f}{u2:>9.3f}")
    lines += [f"  * a loading of {SALIENT} or more in size", ""]
    lines += [f"  {'explained':<{width}}" + "".join(f"{v:>9.3f}" for v in found.variance_explained)]
    if m > 1 and found.rotation not in ("varimax", "none"):
        lines += ["", f"  {'Factors':<{width}}{names}"]
        lines += [
            f"  {f'F{k + 1}':<{width}}" + "".join(f"{v:>9.3f}" for v in row[: k + 1])
            for k, row in enumerate(found.phi)
        ]
    lines += ["", _fit_line(found), "", "Checks"]
    lines += [f"  {check.status:<5} {check.name}: {check.message}" for check in found.checks]
    return "\n".join(line.rstrip() for line in lines)


def _marked(loadings: Sequence[float] | np.ndarray) -> str:
    """Loadings of one item; the salient ones carry a star."""
    return "".join(f"{v:>8.3f}{'*' if abs(v) >= SALIENT else ' '}" for v in loadings)


def _fit_line(found: Exploration) -> str:
    rms = f"root mean square residual {found.rms_residual:.3f}"
    if found.chisq is None:
        return f"Fit: {rms}, df {found.df}; no test of polychoric correlations"
    test = f"chi-square {found.chisq:.3f}, df {found.df}"
    if found.p_value is None or found.tli is None or found.rmsea is None or found.bic is None:
        return f"Fit: {test}, {rms}"
    return (
        f"Fit: {test}, {_p(found.p_value)}, TLI {found.tli:.3f}, RMSEA {found.rmsea:.3f}, "
        f"BIC {found.bic:.1f}, {rms}"
    )


def _p(value: float) -> str:
    return "p < .001" if value < 0.001 else f"p = {value:.3f}"
