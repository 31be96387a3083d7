"""Standardised solutions and explained variance.

std_lv: latent variables have unit variance. std_all: all variables have. With sd the model-implied standard
deviations,

    loading * sd(latent) / sd(indicator)     regression * sd(predictor) / sd(outcome)     mean / sd
    variance / sd^2                          covariance / sqrt(residual variance product)

so a residual covariance becomes the correlation of the residuals. std_nox leaves predictors in their units:
of them sd = 1, but where they are regressed on something. R^2 = 1 - residual variance / variance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from implstats.sem.inference.wald import defined_from
from implstats.sem.language.rows import Row
from implstats.sem.language.table import ParameterTable
from implstats.sem.model.matrices import Structure, filled
from implstats.sem.model.moments import Moments

Array = NDArray[np.float64]


def _root(values: Array) -> Array:
    """Square roots; NaN where a variance is zero or negative, so that the standardised value is missing."""
    return np.sqrt(np.where(values > 0, values, np.nan))


def row_values(table: ParameterTable, structures: Sequence[Structure], theta: Array) -> list[float]:
    """Return the unstandardised value of each table row, fixed and sample ones included."""
    values = []
    for group, structure in enumerate(structures, start=1):
        matrices = filled(structure, theta)
        for row in table.of_group(group):
            matrix, i, j = structure.place[id(row)]
            cells = matrices[matrix]
            values.append(float(cells[i] if cells.ndim == 1 else cells[i, j]))
    return values


def standardised(
    table: ParameterTable,
    structures: Sequence[Structure],
    theta: Array,
    moments: Sequence[Moments],
    values: list[float],
    *,
    observed: bool,
    without: Sequence[str] = (),
) -> list[float]:
    """Return the standardised value of each table row, then of each definition; NaN where it does not exist.

    Parameters
    ----------
    structures, moments : sequence
        Of each group: each is standardised by its own standard deviations.
    values : list of float
        From :func:`row_values`.
    observed : bool
        True for std_all, False for std_lv.
    without : sequence of str
        Predictors that keep their units, for std_nox.
    """
    out: list[float] = []
    for group, (structure, of_group) in enumerate(zip(structures, moments, strict=True), start=1):
        rows = table.of_group(group)
        mine = values[len(out) : len(out) + len(rows)]
        out += _standardised_rows(rows, structure, theta, of_group, mine, observed=observed, without=without)
    by_label: dict[str, float] = {}
    for row, value in zip(table.rows, out, strict=True):
        if row.label:
            by_label.setdefault(row.label, value)
    return out + list(defined_from(table, by_label).values())


def _standardised_rows(
    rows: Sequence[Row],
    structure: Structure,
    theta: Array,
    moments: Moments,
    values: list[float],
    *,
    observed: bool,
    without: Sequence[str],
) -> list[float]:
    """The rows of one group."""
    matrices = filled(structure, theta)
    sd_observed = _root(np.diag(moments.cov)) if observed else np.ones(len(structure.observed))
    sd = {name: float(s) for name, s in zip(structure.observed, sd_observed, strict=True)}
    sd_latent = _root(np.diag(moments.phi))[: structure.n_latent]
    sd.update(zip(structure.eta[: structure.n_latent], map(float, sd_latent), strict=True))
    residual = {
        name: float(v) for name, v in zip(structure.observed, _root(np.diag(matrices["theta"])), strict=True)
    }
    residual.update(zip(structure.eta, map(float, _root(np.diag(matrices["psi"]))), strict=True))
    if not observed:
        residual.update(dict.fromkeys(structure.observed, 1.0))
    plain = dict.fromkeys(without, 1.0)
    kept, residual = sd | plain, residual | plain
    pairs = zip(rows, values, strict=True)
    return [_scale(row, value, sd, kept, residual, observed=observed) for row, value in pairs]


def _scale(
    row: Row,
    value: float,
    sd: dict[str, float],
    kept: dict[str, float],
    residual: dict[str, float],
    *,
    observed: bool,
) -> float:
    """The standardised value; ``kept`` are standard deviations but of predictors that keep their units."""
    if row.op == "~*~":
        return 1.0 if observed else value
    if row.op == "|":
        return value / sd[row.lhs]
    if value == 0.0:
        return 0.0
    if row.op == "=~":
        return value * sd[row.lhs] / sd[row.rhs]
    if row.op == "~":
        return value * kept[row.rhs] / sd[row.lhs]
    if row.op == "~1":
        return value / kept[row.lhs]
    return (
        value / kept[row.lhs] ** 2 if row.lhs == row.rhs else value / (residual[row.lhs] * residual[row.rhs])
    )


def explained_variance(structure: Structure, theta: Array, moments: Moments) -> dict[str, float]:
    """Return R^2 of every indicator and outcome, observed and latent; NaN where a variance is negative."""
    matrices = filled(structure, theta)
    total, phi = np.diag(moments.cov), np.diag(moments.phi)
    inner = {name: i for i, name in enumerate(structure.eta)}
    predicted = (np.any(matrices["regression"] != 0, axis=1)) | _has_free(structure, "regression")
    measured = np.any(matrices["loading"] != 0, axis=1) | _has_free(structure, "loading")
    found: dict[str, float] = {}
    for i, name in enumerate(structure.observed):
        if name in inner:
            if predicted[inner[name]]:
                found[name] = _share(matrices["psi"][inner[name], inner[name]], total[i])
        elif measured[i]:
            found[name] = _share(matrices["theta"][i, i], total[i])
    for i, name in enumerate(structure.eta[: structure.n_latent]):
        if predicted[i]:
            found[name] = _share(matrices["psi"][i, i], phi[i])
    return found


def _share(residual: float, variance: float) -> float:
    return float(1 - residual / variance) if residual >= 0 and variance > 0 else np.nan


def _has_free(structure: Structure, matrix: str) -> NDArray[np.bool_]:
    has = np.zeros(structure.template[matrix].shape[0], dtype=bool)
    has[structure.cells[matrix].row] = True
    return has
