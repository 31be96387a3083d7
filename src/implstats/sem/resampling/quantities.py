"""What a reader sees of many estimates at once: each row's value, its standardised value, each definition.

The formulas are those of :mod:`implstats.sem.model.standardise` and :mod:`implstats.sem.language.defined`,
with the samples as one more axis. Undefined values are NaN.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from implstats.sem.fitted import Estimated
from implstats.sem.language.defined import DOT
from implstats.sem.language.rows import Row
from implstats.sem.language.table import ParameterTable
from implstats.sem.model.matrices import Structure
from implstats.sem.resampling.many import Many
from implstats.sem.resampling.many_least_squares import complete_many
from implstats.sem.resampling.refit import Resamples

Array = NDArray[np.float64]
FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "abs": np.abs, "sin": np.sin, "cos": np.cos, "tan": np.tan,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantities:
    """Values, shape (R, rows), of the table's rows and then its definitions; NaN where undefined.

    Attributes
    ----------
    raw, standardised : ndarray
        In the units of the data; std_all.
    """

    raw: Array
    standardised: Array


def quantities(estimated: Estimated, thetas: Array, samples: Resamples) -> Quantities:
    """Return what R estimates, shape (R, q), mean for the reader; rows with NaN stay NaN."""
    table = estimated.table
    count = len(table.rows) + len(table.definitions)
    raw, standard = np.full((len(thetas), count), np.nan), np.full((len(thetas), count), np.nan)
    fine = np.asarray(np.isfinite(thetas).all(axis=1))
    if not fine.any():
        return Quantities(raw=raw, standardised=standard)
    some = samples.take(fine)
    columns, scaled = [], []
    for g, structure in enumerate(estimated.structures):
        ls = estimated.sample.groups[g].least_squares
        at = complete_many(structure, ls, thetas[fine], some.cov[g], some.mean[g])
        mine, std = _rows_of_group(table.of_group(g + 1), structure, at)
        columns += mine
        scaled += std
    raw[fine] = np.column_stack([*columns, *defined_many(table, columns)])
    standard[fine] = np.column_stack([*scaled, *defined_many(table, scaled)])
    return Quantities(raw=raw, standardised=standard)


def _rows_of_group(rows: Sequence[Row], structure: Structure, at: Many) -> tuple[list[Array], list[Array]]:
    """Values and standardised values of one group's rows, each of shape (R,)."""
    values = []
    for row in rows:
        matrix, i, j = structure.place[id(row)]
        cells = at.matrices[matrix]
        values.append(cells[:, i] if cells.ndim == 2 else cells[:, i, j])
    sd = dict(zip(structure.observed, _roots(at.cov), strict=True))
    latent = structure.eta[: structure.n_latent]
    sd.update(zip(latent, _roots(at.phi), strict=False))
    residual = dict(zip(structure.observed, _roots(at.matrices["theta"]), strict=True))
    residual.update(zip(structure.eta, _roots(at.matrices["psi"]), strict=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        return values, [_scale(row, v, sd, residual) for row, v in zip(rows, values, strict=True)]


def _roots(matrices: Array) -> Array:
    """Standard deviations, shape (k, R); NaN where a variance is not positive."""
    variances = np.diagonal(matrices, axis1=1, axis2=2).T
    return np.sqrt(np.where(variances > 0, variances, np.nan))


def _scale(row: Row, value: Array, sd: Mapping[str, Array], residual: Mapping[str, Array]) -> Array:
    if row.op == "~*~":
        return np.ones_like(value)
    if row.op == "=~":
        scaled = value * sd[row.lhs] / sd[row.rhs]
    elif row.op == "~":
        scaled = value * sd[row.rhs] / sd[row.lhs]
    elif row.op in ("~1", "|"):
        scaled = value / sd[row.lhs]
    elif row.lhs == row.rhs:
        scaled = value / sd[row.lhs] ** 2
    else:
        scaled = value / (residual[row.lhs] * residual[row.rhs])
    return np.where(value == 0.0, 0.0, scaled)


def defined_many(table: ParameterTable, columns: Sequence[Array]) -> list[Array]:
    """Return each definition at many values of the rows, given as columns of shape (R,)."""
    values: dict[str, Array] = {}
    for row, column in zip(table.rows, columns, strict=True):
        if row.label:
            values.setdefault(row.label, column)
    found = []
    with np.errstate(all="ignore"):
        for definition in table.definitions:
            value = np.asarray(_walk(definition.tree, values), dtype=float)
            value = np.where(np.isfinite(value), value, np.nan)
            values[definition.name] = np.broadcast_to(value, columns[0].shape)
            found.append(values[definition.name])
    return found


def _walk(node: ast.expr, values: Mapping[str, Array]) -> Array:
    if isinstance(node, ast.Constant):
        return np.asarray(float(node.value))  # type: ignore[arg-type]
    if isinstance(node, ast.Name):
        return values[node.id.replace(DOT, ".")]
    if isinstance(node, ast.UnaryOp):
        inner = _walk(node.operand, values)
        return -inner if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.Call):
        return FUNCTIONS[node.func.id](_walk(node.args[0], values))  # type: ignore[attr-defined]
    if not isinstance(node, ast.BinOp):
        raise AssertionError("an unchecked tree was evaluated")
    u, v = _walk(node.left, values), _walk(node.right, values)
    if isinstance(node.op, ast.Add):
        return u + v
    if isinstance(node.op, ast.Sub):
        return u - v
    if isinstance(node.op, ast.Mult):
        return u * v
    return u / v if isinstance(node.op, ast.Div) else np.asarray(u**v)
