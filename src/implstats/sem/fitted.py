"""A fitted model with everything that later questions need: comparisons, tests, scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from implstats.sem.data.groups import GroupedSample
from implstats.sem.estimators.ml import Evaluation
from implstats.sem.estimators.optimise import Optimum
from implstats.sem.estimators.search import Problem
from implstats.sem.language.table import ParameterTable
from implstats.sem.model.matrices import Structure
from implstats.sem.model.moments import Moments, Stacks
from implstats.sem.options import Options
from implstats.sem.results import OptimiserRecord

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimated:
    """A proper optimum and all it was computed from, group by group.

    Attributes
    ----------
    problem : Problem
        The model, the sample and the options.
    df : int
    optimum : Optimum
        With the exact information.
    information : ndarray, shape (q, q)
        Expected information of one person, constraints not yet applied.
    tangent : ndarray, shape (q, r), or None
        Orthonormal directions in which equality (and active inequality) constraints let the parameters move;
        ``None`` where all are free.
    n_equal : int
        Independent equality constraints; q less these parameters are counted.
    record : OptimiserRecord
    """

    problem: Problem
    df: int
    optimum: Optimum
    information: Array
    record: OptimiserRecord
    tangent: Array | None = None
    n_equal: int = 0

    @property
    def table(self) -> ParameterTable:
        """The parameter table."""
        return self.problem.table

    @property
    def structures(self) -> tuple[Structure, ...]:
        """The matrices of each group."""
        return self.problem.structures

    @property
    def sample(self) -> GroupedSample:
        """The sample of each group."""
        return self.problem.sample

    @property
    def options(self) -> Options:
        """What was asked for."""
        return self.problem.options

    @property
    def blocks(self) -> tuple[Evaluation, ...]:
        """The criterion of each group at the optimum."""
        return self.optimum.evaluation.blocks

    @property
    def moments(self) -> tuple[Moments, ...]:
        """Implied moments of each group at the optimum."""
        found = tuple(block.moments for block in self.blocks if block.moments is not None)
        if len(found) != len(self.structures):
            raise AssertionError("an optimum has moments")
        return found

    @property
    def stacks(self) -> tuple[Stacks, ...]:
        """Derivatives of each group's moments at the optimum."""
        found = tuple(block.stacks for block in self.blocks if block.stacks is not None)
        if len(found) != len(self.structures):
            raise AssertionError("an optimum has derivatives")
        return found

    @property
    def weights(self) -> tuple[Array, ...]:
        """Sigma^-1 of each group at the optimum."""
        found = tuple(block.weight for block in self.blocks if block.weight is not None)
        if len(found) != len(self.structures):
            raise AssertionError("an optimum has weights")
        return found

    @property
    def observed(self) -> Array:
        """Exact information of one person, shape (q, q)."""
        if self.optimum.evaluation.information is None:
            raise AssertionError("an optimum has derivatives")
        return self.optimum.evaluation.information

    @property
    def n_free(self) -> int:
        """Free parameters, equality constraints taken off."""
        return self.table.n_free - self.n_equal

    @property
    def x(self) -> list[int]:
        """Positions of the exogenous predictors among the observed variables."""
        return [self.structures[0].observed.index(name) for name in self.table.names.x]

    def inverse(self, information: Array) -> Array:
        """Return the inverse information within the constraints, shape (q, q).

        With K the tangent this is K (K' I K)^-1 K', the upper left block of the inverse of I bordered by the
        Jacobian of the constraints (Aitchison & Silvey 1958).
        """
        if self.tangent is None:
            return np.linalg.inv(information).astype(float, copy=False)
        K = self.tangent
        return np.asarray(K @ np.linalg.solve(K.T @ information @ K, K.T))
