"""Saturated and diagonal matrices at both levels: what a two-level model is compared with.

The saturated Sigma_b is positive semidefinite, as a covariance matrix must be. Where the free maximum lies
outside, Sigma_b = L L' with L of each likely rank, and the maximum is verified: F must not fall along any
admissible change, which is that dF / dSigma_b is positive semidefinite (its product with Sigma_b is zero
there already).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from implstats.errors import ModelError
from implstats.sem.data.two_level import TwoLevelSample
from implstats.sem.estimators.ml import Curvature, Evaluation
from implstats.sem.estimators.optimise import Optimum, minimise
from implstats.sem.estimators.two_level import between_slope, evaluate_two_level
from implstats.sem.model.moments import Moments
from implstats.sem.model.two_level import Levels, level_moments, number_parameters, two_level_tables

Array = NDArray[np.float64]
# Correlation-scale eigenvalue below which a between matrix counts as indefinite rather than as rounding.
INDEFINITE = -1e-8
# A slope below this, per person and in units of the within variance, is the rounding of a flat direction.
SLOPE_LEFT = 1e-7


def two_level_optimum(
    levels: Levels, sample: TwoLevelSample, theta: Array, *, steps: int = 200
) -> Optimum | None:
    """Return the optimum reached from theta, shape (q,); ``None`` where the search did not arrive."""

    def criterion(at: Array, curvature: Curvature) -> Evaluation:
        return evaluate_two_level(levels, sample, at, curvature)

    found = minimise(criterion, theta, max_iterations=steps)
    # A decrement this small moves chi-square by less than 1e-6 of a unit at any usual sample size.
    return found if found.decrement * sample.n < 1e-6 else None


def saturated_two_level(
    names: tuple[str, ...], sample: TwoLevelSample
) -> tuple[tuple[Moments, Moments], float, bool]:
    """Return the saturated moments, F there, and whether Sigma_b lies on the boundary."""
    levels = _matrices_model(names, between="free")
    likely = len(names) - 1
    found = two_level_optimum(levels, sample, _matrices_start(levels, sample), steps=60)
    if found is not None:
        moments = level_moments(levels, found.theta)
        likely = min(max(int((np.linalg.eigvalsh(moments[1].cov) > 0).sum()), 1), likely)
        sd = np.sqrt(np.maximum(np.diag(moments[1].cov), 1e-300))
        if (
            np.diag(moments[1].cov).min() > 0
            and np.linalg.eigvalsh(moments[1].cov / np.outer(sd, sd))[0] > INDEFINITE
        ):
            return moments, found.evaluation.value, False
    for rank in sorted(range(1, len(names)), key=lambda r: (abs(r - likely), -r)):
        levels = _matrices_model(names, between="factor", rank=rank)
        found = two_level_optimum(levels, sample, _matrices_start(levels, sample, rank=rank), steps=60)
        if found is not None and _is_boundary_maximum(moments := level_moments(levels, found.theta), sample):
            return moments, found.evaluation.value, True
    raise ModelError("The saturated two-level model reached no optimum; use cluster= with one level.")


def diagonal_two_level(names: tuple[str, ...], sample: TwoLevelSample) -> float | None:
    """Return F of uncorrelated variables at both levels, the baseline; ``None`` without an optimum."""
    levels = _matrices_model(names, between="diagonal")
    found = two_level_optimum(levels, sample, _matrices_start(levels, sample))
    return found.evaluation.value if found else None


def _is_boundary_maximum(moments: tuple[Moments, Moments], sample: TwoLevelSample) -> bool:
    """Whether no admissible change of Sigma_b improves F: its slope there is positive semidefinite."""
    slope = between_slope(sample, moments[0].cov, moments[1].cov, moments[1].mean)
    sd = np.sqrt(np.diag(moments[0].cov))
    return bool(np.linalg.eigvalsh(slope * np.outer(sd, sd))[0] > -SLOPE_LEFT)


def _matrices_model(names: tuple[str, ...], *, between: str, rank: int = 0) -> Levels:
    """Saturated or diagonal matrices at both levels as a model; "factor" has Sigma_b = L L', L (p, rank)."""
    free = [f"{a} ~~ {' + '.join(names[: i + 1])}" for i, a in enumerate(names)]
    level1 = free if between != "diagonal" else [f"{a} ~~ {a}" for a in names]
    level2 = level1
    if between == "factor":
        level2 = [f"L{j} =~ " + " + ".join(f"NA*{n}" for n in names[j:]) for j in range(rank)]
        level2 += [f"L{j} ~~ 1*L{j}" for j in range(rank)] + [f"{n} ~~ 0*{n}" for n in names]
    level2 = [*level2, *(f"{n} ~ 1" for n in names)]
    text = "level: 1\n" + "\n".join(level1) + "\nlevel: 2\n" + "\n".join(level2)
    return number_parameters(two_level_tables(text, kind="lavaan", std_lv=False, ci_level=0.95))


def _matrices_start(levels: Levels, sample: TwoLevelSample, *, rank: int = 0) -> Array:
    theta = np.zeros(levels.q)
    roots, vectors = np.linalg.eigh(sample.between)
    leading = (vectors * np.sqrt(roots))[:, ::-1][:, :rank]
    # Rotated so that the factor is lower trapezoidal, as its rotation is not identified.
    factor = leading @ np.linalg.qr(leading[:rank].T)[0] if rank else leading
    for k, (structure, cov) in enumerate(((levels.within, sample.within), (levels.between, sample.between))):
        for matrix, source in (("theta", cov), ("psi", cov), ("loading", factor)):
            cells = structure.cells[matrix]
            theta[levels.places[k][cells.free]] = source[cells.row, cells.col]
    for matrix in ("nu", "alpha"):
        cells = levels.between.cells[matrix]
        theta[levels.places[1][cells.free]] = sample.mean[cells.row]
    return theta
