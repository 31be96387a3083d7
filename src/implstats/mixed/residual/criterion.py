"""The profiled criterion with a residual structure.

The criterion is that of `gaussian.criterion` with V = sum over levels + R(psi) in place of I; s2 is the
residual variance of the leading wave. Only the way from theta to g differs: psi is not quadratic in theta.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from implstats.mixed.gaussian.criterion import Evaluation, Problem, _evaluate
from implstats.mixed.residual.eliminate import Patterns, eliminate_residual, pattern_covariance
from implstats.mixed.residual.shape import ResidualShape

SAME = 1e-10  # share of the largest eigenvalue below which a parameter moves nothing that the data show


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualProblem(Problem):
    """What is minimised: moments, shape, REML or ML, and the patterns of persons."""

    shape: ResidualShape
    patterns: Patterns

    def __call__(self, theta: np.ndarray) -> Evaluation | None:
        """Return the criterion at theta, or None where it does not exist in floating point."""

        G = [L @ L.T for L in self.shape.factors(theta)]
        where = self.shape.residual
        with np.errstate(all="ignore"):
            psi, _, curved = self.shape.structure.psi(theta[where])
            if not np.all(np.isfinite(psi)):
                return None
            try:
                parts = eliminate_residual(self.moments, self.patterns, self.shape, G, psi)
            except np.linalg.LinAlgError:
                return None
            at = _evaluate(self, theta, G, parts)
        if at is None:
            return None
        g = at.g.copy()
        g[where] = psi
        hessian = at.hessian.copy()
        hessian[where, where] += np.tensordot(at.slope[where], curved, axes=1)
        return replace(at, g=g, hessian=hessian)


def with_linear_parts(problem: ResidualProblem, at: Evaluation) -> Evaluation:
    """Return the evaluation with ``parts.linear``, which Kenward and Roger's formulas ask for."""
    shape = problem.shape
    if shape.structure.linear:
        return at
    psi = at.g[shape.residual]
    linear = eliminate_residual(problem.moments, problem.patterns, shape, at.G, psi, linear=True)
    return replace(at, parts=replace(at.parts, linear=linear))


def distinct_parameters(problem: ResidualProblem) -> tuple[int, int]:
    """Return how many parameters the covariance within a person has, s2 included, and how many the waves of
    these persons can tell apart, at a point in general position."""
    shape = problem.shape
    rng = np.random.default_rng(1)
    theta = 0.3 + 0.2 * rng.random(shape.size)
    factor = shape.factors(theta)[0]
    psi = shape.structure.psi(theta[shape.residual])[0]
    V, V1, _ = pattern_covariance(problem.patterns, shape, factor @ factor.T, psi)
    both = problem.patterns.present[:, :, None] & problem.patterns.present[:, None, :]
    moves = np.concatenate([(V * both)[:, None], V1], axis=1)
    gram = np.einsum("krab,ksab->rs", moves, moves)
    unit = 1.0 / np.sqrt(np.maximum(np.diag(gram), np.finfo(float).tiny))
    w = np.linalg.eigvalsh(gram * np.outer(unit, unit))
    return len(gram), int(np.sum(w > SAME * w[-1]))
