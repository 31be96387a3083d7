"""Standard errors, z tests and the words about them, for generalised and ordinal models.

With the Hessian A of -2 log L in all parameters jointly (coefficients, thresholds or dispersion, and Cholesky
factors), the covariance matrix of the estimates is 2 A^-1, as in lme4 (use.hessian), glmmTMB and clmm.
Parameters held at the boundary are left out. The reference distribution is the normal: there are no degrees
of freedom to speak of, and with few clusters the test is too optimistic for effects that vary between
clusters only.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from implstats.mixed.design.build import Design
from implstats.mixed.laplace.boundary import Optimum
from implstats.mixed.results import FixedEffect
from implstats.results import Check

MANY_CLUSTERS = 50
SAME = 1e-10  # spread within a cluster, as a share of the column's, that is rounding
FLAT = 1e-11  # eigenvalue of the scaled Hessian that is rounding


def parameter_covariance(optimum: Optimum) -> np.ndarray | None:
    """Return 2 A^-1 over all parameters, (P, P), zero where held at the boundary; None if A is singular."""
    free = optimum.free
    A = optimum.search.hessian[np.ix_(free, free)]
    diagonal = np.diag(A)
    if not np.all(diagonal > 0.0):
        return None
    unit = 1.0 / np.sqrt(diagonal)
    w, U = np.linalg.eigh(A * np.outer(unit, unit))
    if w[0] <= FLAT:
        return None
    out = np.zeros((len(free),) * 2)
    out[np.ix_(free, free)] = 2.0 * ((U / w) @ U.T) * np.outer(unit, unit)
    return out


def z_tests(
    names: tuple[str, ...], estimates: np.ndarray, covariance: np.ndarray, *, ci_level: float, tests: bool
) -> tuple[FixedEffect, ...]:
    """Return the coefficients with their Wald z tests, or without any."""
    out = []
    quantile = float(ndtri(0.5 + 0.5 * ci_level))
    for name, b, variance in zip(names, estimates, np.diag(covariance), strict=True):
        se = float(np.sqrt(variance))
        z = float(b / se)
        out.append(
            FixedEffect(
                term=name, estimate=float(b), std_error=se, df=None,
                df_method="wald-z" if tests else "none", statistic=z,
                p_value=float(2.0 * ndtr(-abs(z))) if tests else None,
                conf_low=float(b - quantile * se) if tests else None,
                conf_high=float(b + quantile * se) if tests else None,
            )
        )  # fmt: skip
    return tuple(out)


def wald_check(design: Design, kept: tuple[int, ...], *, tests: bool, thresholds: bool) -> Check:
    """Return whether every tested effect varies between enough clusters for a z test."""
    if not tests:
        return Check(
            name="df_method", status="info",
            message="No tests were asked for, so there are no p-values and no intervals.",
        )  # fmt: skip
    few: dict[str, list[str]] = {}
    for j in kept:
        level = _level_of(design, j)
        if level is not None and design.levels[level].clusters.size < MANY_CLUSTERS:
            few.setdefault(design.levels[level].clusters.name, []).append(design.names[j])
    slopes = [names for names in few.values() if any(name != "(Intercept)" for name in names)]
    sizes = {level.clusters.name: level.clusters.size for level in design.levels}
    if not few:
        top = design.levels[-1].clusters
        if thresholds and top.size < MANY_CLUSTERS:
            few = {top.name: ["the thresholds"]}
        else:
            return Check(name="df_method", status="ok", message="Wald z tests were used.")
    listed = "; ".join(f"{', '.join(names)} ({sizes[cluster]} {cluster})" for cluster, names in few.items())
    return Check(
        name="df_method", status="warn" if slopes else "info",
        message=f"Wald z tests were used. They are too optimistic for what varies between fewer than "
        f"{MANY_CLUSTERS} clusters: {listed}. Rely on profile likelihood, a likelihood-ratio test or a "
        "parametric bootstrap there.",
    )  # fmt: skip


def _level_of(design: Design, j: int) -> int | None:
    """Return the highest level in whose clusters column j is constant or has a random slope; None: the
    rows."""
    x = design.X[:, j]
    for number in reversed(range(len(design.levels))):
        level = design.levels[number]
        spread = np.abs(x - x[level.clusters.first][level.clusters.codes]).max()
        constant = spread <= SAME * max(float(np.ptp(x)), float(np.abs(x).max()))
        if constant or design.names[j] in level.names:
            return number
    return None
