"""Constraints as functions of theta, and the exact removal of linear equalities.

    c(theta) with Jacobian C, shape (m, q);   linear equalities A theta = b   =>   theta = theta_0 + Z u

with theta_0 the shortest solution and Z an orthonormal basis of the null space of A, so that u is free and
the equalities hold to rounding. Rows of A are taken one after the other: one that depends on those before it
is redundant if it says the same and contradictory if not, and is named either way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from implstats.sem.inference.wald import duals
from implstats.sem.language.constraints import Constraint
from implstats.sem.language.defined import evaluate
from implstats.sem.language.syntax import ModelTextError
from implstats.sem.language.table import ParameterTable

Array = NDArray[np.float64]
# A row this close to a combination of others, relative to its length, is one: coefficients are short.
DEPENDENT = 1e-10


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """Where the linear equalities let theta move: theta = origin + basis u.

    Attributes
    ----------
    origin : ndarray, shape (q,)
    basis : ndarray, shape (q, r)
        Orthonormal columns.
    redundant : tuple of str
        Constraints that say nothing new.
    """

    origin: Array
    basis: Array
    redundant: tuple[str, ...]

    def inside(self, theta: Array) -> Array:
        """Return u of the point nearest to theta."""
        return self.basis.T @ (theta - self.origin)

    def outside(self, u: Array) -> Array:
        """Return theta of u."""
        return self.origin + self.basis @ u


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraints:
    """The constraints of a table, with the sample values of labelled exogenous moments."""

    table: ParameterTable
    exo: Mapping[str, float]

    def evaluate(self, which: Sequence[Constraint], theta: Array) -> tuple[Array, Array]:
        """Return c, shape (m,), and C, shape (m, q)."""
        values = duals(self.table, theta, dict(self.exo))
        found = [evaluate(constraint.tree, values, size=self.table.n_free) for constraint in which]
        q = self.table.n_free
        jacobian = np.array([dual.gradient for dual in found]).reshape(len(found), q)
        return np.array([dual.value for dual in found]), jacobian

    def of(self, *, equality: bool, linear: bool | None = None) -> list[Constraint]:
        """Return the constraints of one kind."""
        return [
            c
            for c in self.table.constraints
            if c.equality == equality and (linear is None or c.linear == linear)
        ]


def linear_space(constraints: Constraints) -> Space:
    """Return the space of the linear equalities.

    Raises
    ------
    ModelTextError
        Equalities that contradict each other, or that no parameter can meet.
    """
    linear = constraints.of(equality=True, linear=True)
    q = constraints.table.n_free
    value, A = constraints.evaluate(linear, np.zeros(q))
    kept: list[int] = []
    redundant, problems = [], []
    for k, constraint in enumerate(linear):
        before, length = A[kept], max(float(np.linalg.norm(A[k])), 1.0)
        weight = np.linalg.lstsq(before.T, A[k], rcond=None)[0] if kept else np.zeros(0)
        if np.linalg.norm(A[k] - weight @ before) > DEPENDENT * length:
            kept.append(k)
        elif abs(value[k] - weight @ value[kept]) > DEPENDENT * max(1.0, abs(float(value[k]))):
            problems.append(_contradiction(constraint, [linear[j] for j in kept], weight))
        else:
            redundant.append(constraint.text)
    if problems:
        raise ModelTextError("The model", problems)
    origin: Array = np.zeros(q)
    basis: Array = np.eye(q)
    if kept:
        origin = np.linalg.lstsq(A[kept], -value[kept], rcond=None)[0].astype(float, copy=False)
        basis = null_space(A[kept])
    return Space(origin=origin, basis=basis, redundant=tuple(redundant))


def _contradiction(constraint: Constraint, others: Sequence[Constraint], weight: Array) -> str:
    used = [c.text for c, w in zip(others, weight, strict=True) if abs(w) > DEPENDENT]
    where = f"line {constraint.line}: the constraint '{constraint.text}'"
    if not used:
        return f"{where} cannot hold: it leaves no free parameter to meet it; free one of its labels"
    return f"{where} contradicts {' and '.join(repr(text) for text in used)}; leave one out"


def null_space(jacobian: Array) -> Array:
    """Return an orthonormal basis, shape (q, r), of the directions that leave c unchanged."""
    _, s, vt = np.linalg.svd(jacobian)
    rank = int((s > 1e-9 * max(float(s[0]), 1e-300)).sum()) if s.size else 0
    basis = vt[rank:].T.copy()
    basis[np.abs(basis) < 1e-14] = 0.0
    return basis
