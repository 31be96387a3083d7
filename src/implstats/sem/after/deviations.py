"""Variances of a model's variables as functions of its parameters: values with exact gradients.

    total of y_i      Sigma_ii, derivatives 2 a_ik b_ik with the stacks of dSigma
    total of eta_j    Phi_jj, the same with E for Lambda E and Phi for Lambda Phi
    residual          a diagonal element of Theta or Psi

Of an ordered item with scale v, whose variance given the predictors is v^-2, the delta parameterisation
makes v the parameter, and the residual variance is what the model leaves of v^-2; under theta the scale
follows (Muthen & Asparouhov 2002).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from implstats.sem.estimators.least_squares import LeastSquares, given_predictors
from implstats.sem.language.defined import Dual
from implstats.sem.language.rows import Row
from implstats.sem.model.matrices import Structure, columns_to_free, filled
from implstats.sem.model.moments import Moments, derivative_stacks, implied_moments

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviations:
    """Variances of one group's variables by name, each with its gradient, shape (q,).

    Attributes
    ----------
    total, residual : mapping of str to Dual
        Of observed and latent variables.
    follows : mapping of (str, str) to Dual
        By operator and item: what follows from the free parameters, residual variances or scales of ordered
        items.
    observed : frozenset of str
    """

    total: Mapping[str, Dual]
    residual: Mapping[str, Dual]
    follows: Mapping[tuple[str, str], Dual]
    observed: frozenset[str]

    def value(self, row: Row, value: float, n_free: int) -> Dual:
        """Return a row's value with its gradient, shape (n_free,)."""
        found = self.follows.get((row.op, row.lhs)) if row.lhs == row.rhs else None
        if found is not None:
            return found
        return Dual(value, _unit(row.free - 1 if row.free else None, n_free))


def deviations(structure: Structure, theta: Array, ls: LeastSquares | None) -> Deviations:
    """Return the variances of one group at theta, shape (q,); ``ls`` says which items are ordered."""
    moments = implied_moments(structure, theta)
    of_phi = columns_to_free(structure, _phi_diagonal(structure, moments))
    latent = structure.eta[: structure.n_latent]
    total = {name: Dual(float(moments.phi[j, j]), of_phi[j]) for j, name in enumerate(latent)}
    total |= _observed_variances(structure, moments)
    residual = _residual_variances(structure, theta)
    follows: dict[tuple[str, str], Dual] = {}
    if ls is not None and ls.ordered.any():
        given = given_predictors(structure, ls)
        within = _observed_variances(given, implied_moments(given, theta))
        for i in ls.y[ls.ordered]:
            name = structure.observed[i]
            if ls.theta:
                follows["~*~", name] = _power(within[name], -0.5)
                continue
            without = Dual(within[name].value - residual[name].value, within[name].gradient)
            residual[name] = _less(_power(_scale(structure, theta, int(i)), -2.0), without)
            total[name] = Dual(total[name].value, total[name].gradient + residual[name].gradient)
            follows["~~", name] = residual[name]
    return Deviations(total=total, residual=residual, follows=follows, observed=frozenset(structure.observed))


def _observed_variances(structure: Structure, moments: Moments) -> dict[str, Dual]:
    """The diagonal of Sigma; residual variances that follow from the parameters count as constants here."""
    stacks = derivative_stacks(structure, moments)
    gradient = columns_to_free(structure, 2.0 * stacks.a * stacks.b)
    return {name: Dual(float(moments.cov[i, i]), gradient[i]) for i, name in enumerate(structure.observed)}


def _unit(at: int | None, q: int) -> Array:
    out = np.zeros(q)
    if at is not None:
        out[at] = 1.0
    return out


def _less(x: Dual, y: Dual) -> Dual:
    return Dual(x.value - y.value, x.gradient - y.gradient)


def _power(x: Dual, exponent: float) -> Dual:
    return Dual(x.value**exponent, exponent * x.value ** (exponent - 1.0) * x.gradient)


def _scale(structure: Structure, theta: Array, i: int) -> Dual:
    """The scale of the i-th observed variable, an ordered item."""
    cells = structure.cells["delta"]
    free = {int(row): int(k) for row, k in zip(cells.row, cells.free, strict=True)}.get(i)
    value = structure.template["delta"][i] if free is None else theta[free]
    return Dual(float(value), _unit(free, structure.n_free))


def _residual_variances(structure: Structure, theta: Array) -> dict[str, Dual]:
    """Of latent and observed variables; those within eta have theirs in Psi."""
    matrices, q = filled(structure, theta), structure.n_free
    found: dict[str, Dual] = {}
    for matrix, names in (("theta", structure.observed), ("psi", structure.eta)):
        cells = structure.cells[matrix]
        places = zip(cells.row.tolist(), cells.col.tolist(), cells.free.tolist(), strict=True)
        free = {i: k for i, j, k in places if i == j}
        for i, name in enumerate(names):
            found[name] = Dual(float(matrices[matrix][i, i]), _unit(free.get(i), q))
    return found


def _phi_diagonal(structure: Structure, moments: Moments) -> Array:
    """Derivatives of the diagonal of Phi, shape (m, k)."""
    out = np.zeros((len(structure.eta), len(structure.ids)))
    E, Phi, cells = moments.inverse, moments.phi, structure.cells
    out[:, structure.slices["regression"]] = (
        2.0 * E[:, cells["regression"].row] * Phi[:, cells["regression"].col]
    )
    row, col = cells["psi"].row, cells["psi"].col
    out[:, structure.slices["psi"]] = np.where(row == col, 1.0, 2.0) * E[:, row] * E[:, col]
    return out


def root(variance: Dual) -> Dual:
    """Return the square root; NaN of a variance that is not positive."""
    if not variance.value > 0:
        return Dual(np.nan, np.zeros(len(variance.gradient)))
    return _power(variance, 0.5)


class Yardsticks:
    """What a standardised value is divided by: standard deviations of one kind, found once a name."""

    def __init__(self, of: Deviations, *, kind: str, x: Sequence[str], q: int) -> None:
        """Take the deviations of a group; ``kind`` is all, nox (predictors ``x`` keep their units) or lv."""
        self._of, self._kind, self._x = of, kind, frozenset(x) if kind == "nox" else frozenset()
        self._one = Dual(1.0, np.zeros(q))
        self._found: dict[tuple[str, bool], Dual] = {}

    def spread(self, name: str) -> Dual:
        """Return a variable's standard deviation."""
        return self._root(name, residual=False)

    def kept(self, name: str) -> Dual:
        """Return a variable's standard deviation, one where it keeps its units."""
        return self._one if name in self._x else self.spread(name)

    def residual(self, name: str) -> Dual:
        """Return a variable's residual standard deviation, one where it keeps its units."""
        return self._one if name in self._x else self._root(name, residual=True)

    def _root(self, name: str, *, residual: bool) -> Dual:
        if self._kind == "lv" and name in self._of.observed:
            return self._one
        key = (name, residual)
        if key not in self._found:
            self._found[key] = root((self._of.residual if residual else self._of.total)[name])
        return self._found[key]
