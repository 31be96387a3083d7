"""Where each parameter stands in the matrices of the LISREL all-y model.

    y = nu + Lambda eta + eps          eta = alpha + B eta + zeta
    cov(zeta) = Psi, cov(eps) = Theta

p observed variables, m elements of eta, q free parameters. eta holds the latent variables and every observed
variable that takes part in a regression or covaries with a member of eta; such a variable is its own
indicator (Lambda = 1, Theta = 0). Jöreskog & Sörbom (1996); Bollen (1989), chapter 9.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from implstats.sem.language.rows import Row
from implstats.sem.language.table import ParameterTable

Array = NDArray[np.float64]
Index = NDArray[np.intp]
ORDER = ("loading", "regression", "psi", "theta", "nu", "alpha", "tau", "delta")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Free cells of one matrix: rows, columns and positions in theta, each of shape (k,)."""

    row: Index
    col: Index
    free: Index


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """A model's matrices: fixed values and the places of the free ones.

    Attributes
    ----------
    observed, eta : tuple of str
        Names of the p rows of Lambda and of its m columns.
    n_latent : int
        The first ``n_latent`` of eta are latent, the rest observed.
    template : dict of ndarray
        ``loading`` (p, m), ``regression`` (m, m), ``psi`` (m, m), ``theta`` (p, p), ``nu`` (p,),
        ``alpha`` (m,) with the fixed values in place; of ordered items the thresholds ``tau`` (t,), item by
        item, and the scales ``delta`` (p,).
    cells : dict of Cells
        Free cells by matrix. Entries, the free cells in the order of :data:`ORDER`, number k in all.
    slices : dict of slice
        Each matrix's part of the entries.
    ids : ndarray, shape (k,)
        The free parameter (from 0) of each entry; two entries with one label share it.
    place : dict
        ``id(row)`` of a table row -> (matrix, row, column).
    exo : tuple
        (matrix, i, j, observed index a, observed index b) of sample moments to fill in.
    means, has_regressions : bool
    n_free : int
        q.
    one_to_one, distinct : bool
        Whether entries and free parameters are the same list; whether no two entries share a parameter.
    """

    observed: tuple[str, ...]
    eta: tuple[str, ...]
    n_latent: int
    template: dict[str, Array]
    cells: dict[str, Cells]
    slices: dict[str, slice]
    ids: Index
    place: dict[int, tuple[str, int, int]]
    exo: tuple[tuple[str, int, int, int, int], ...]
    means: bool
    has_regressions: bool
    n_free: int
    one_to_one: bool
    distinct: bool


def build_structures(table: ParameterTable) -> tuple[Structure, ...]:
    """Return the matrices of each group of a parameter table."""
    return tuple(build_structure(table, group=g) for g in range(1, len(table.groups) + 1))


def build_structure(table: ParameterTable, *, group: int = 1) -> Structure:
    """Return the matrices of one group; its entries point to the free parameters of the whole model."""
    rows = table.of_group(group)
    observed, latent = table.names.observed, table.names.latent
    eta = (*latent, *_promoted(table))
    p_of, m_of = {v: i for i, v in enumerate(observed)}, {v: i for i, v in enumerate(eta)}
    p, m = len(observed), len(eta)
    tau_of = threshold_places(table)
    template = {
        "loading": np.zeros((p, m)),
        "regression": np.zeros((m, m)),
        "psi": np.zeros((m, m)),
        "theta": np.zeros((p, p)),
        "nu": np.zeros(p),
        "alpha": np.zeros(m),
        "tau": np.zeros(len(tau_of)),
        "delta": np.ones(p),
    }
    for name in eta[len(latent) :]:
        template["loading"][p_of[name], m_of[name]] = 1.0
    place, exo, entries = {}, [], []
    for row in rows:
        matrix, i, j = place[id(row)] = _cell(row, p_of, m_of, tau_of)
        if row.exo:
            exo.append((matrix, i, j, p_of[row.lhs], p_of[row.rhs or row.lhs]))
        elif row.free:
            entries.append((ORDER.index(matrix), i, j, row.free - 1))
        else:
            _put(template[matrix], i, j, row.fixed or 0.0, matrix)
    entries.sort(key=lambda entry: entry[0])
    cells, slices = _cells(entries)
    ids = [e[3] for e in entries]
    return Structure(
        observed=observed,
        eta=eta,
        n_latent=len(latent),
        template=template,
        cells=cells,
        slices=slices,
        ids=np.array(ids, dtype=np.intp),
        place=place,
        exo=tuple(exo),
        means=table.means,
        has_regressions=bool(len(cells["regression"].free) or np.any(template["regression"])),
        n_free=table.n_free,
        one_to_one=ids == list(range(table.n_free)),
        distinct=len(set(ids)) == len(ids),
    )


def _promoted(table: ParameterTable) -> list[str]:
    """Observed variables that must stand in eta."""
    latent = set(table.names.latent)
    inside = set(latent)
    inside.update(v for row in table.of_group(1) if row.op == "~" for v in (row.lhs, row.rhs))
    inside.update(row.lhs for row in table.of_group(1) if row.op == "=~" and row.lhs not in latent)
    pairs = [(row.lhs, row.rhs) for row in table.of_group(1) if row.op == "~~" and row.lhs != row.rhs]
    grew = True
    while grew:
        before = len(inside)
        for a, b in pairs:
            if (a in inside) != (b in inside):
                inside.update((a, b))
        grew = len(inside) > before
    return [v for v in table.names.observed if v in inside]


def threshold_places(table: ParameterTable) -> dict[tuple[str, str], int]:
    """Return the place in tau of each (item, threshold): item by item, thresholds in order."""
    order = {name: i for i, name in enumerate(table.names.observed)}
    found = {(row.lhs, row.rhs) for row in table.of_group(1) if row.op == "|"}
    return {key: k for k, key in enumerate(sorted(found, key=lambda t: (order[t[0]], int(t[1][1:]))))}


def _cell(
    row: Row, p_of: dict[str, int], m_of: dict[str, int], tau_of: dict[tuple[str, str], int]
) -> tuple[str, int, int]:
    if row.op == "|":
        return "tau", tau_of[row.lhs, row.rhs], 0
    if row.op == "~*~":
        return "delta", p_of[row.lhs], 0
    if row.op == "=~":
        inner = row.rhs in m_of
        return (
            ("regression", m_of[row.rhs], m_of[row.lhs])
            if inner
            else ("loading", p_of[row.rhs], m_of[row.lhs])
        )
    if row.op == "~":
        return "regression", m_of[row.lhs], m_of[row.rhs]
    if row.op == "~1":
        return ("alpha", m_of[row.lhs], 0) if row.lhs in m_of else ("nu", p_of[row.lhs], 0)
    of, matrix = (m_of, "psi") if row.lhs in m_of else (p_of, "theta")
    i, j = sorted((of[row.lhs], of[row.rhs]))
    return matrix, i, j


def _put(target: Array, i: int, j: int, value: float, matrix: str) -> None:
    if target.ndim == 1:
        target[i] = value
        return
    target[i, j] = value
    if matrix in ("psi", "theta"):
        target[j, i] = value


def _cells(entries: list[tuple[int, int, int, int]]) -> tuple[dict[str, Cells], dict[str, slice]]:
    cells, slices, at = {}, {}, 0
    for number, matrix in enumerate(ORDER):
        mine = [e for e in entries if e[0] == number]
        columns = np.array([e[1:] for e in mine], dtype=np.intp).reshape(len(mine), 3)
        cells[matrix] = Cells(row=columns[:, 0], col=columns[:, 1], free=columns[:, 2])
        slices[matrix] = slice(at, at + len(mine))
        at += len(mine)
    return cells, slices


def fill_sample_moments(structure: Structure, cov: Array, mean: Array) -> None:
    """Put the sample moments of exogenous observed variables into the template.

    Parameters
    ----------
    cov, mean : ndarray, shapes (p, p) and (p,)
        Maximum likelihood moments (divisor n).
    """
    for matrix, i, j, a, b in structure.exo:
        value = mean[a] if matrix in ("alpha", "nu") else cov[a, b]
        _put(structure.template[matrix], i, j, float(value), matrix)


def filled(structure: Structure, theta: Array) -> dict[str, Array]:
    """Return the matrices at theta, shape (q,)."""
    out = {}
    for matrix in ORDER:
        cells, fixed = structure.cells[matrix], structure.template[matrix]
        if not len(cells.free):
            out[matrix] = fixed
            continue
        values, full = theta[cells.free], fixed.copy()
        if full.ndim == 1:
            full[cells.row] = values
        else:
            full[cells.row, cells.col] = values
            if matrix in ("psi", "theta"):
                full[cells.col, cells.row] = values
        out[matrix] = full
    return out


def to_free(structure: Structure, by_entry: Array) -> Array:
    """Sum entry-space vectors (k,) or matrices (k, k) or rows (n, k) over shared parameters.

    A vector becomes (q,), a square matrix flagged by its shape (k, k) becomes (q, q).
    """
    if structure.one_to_one:
        return by_entry
    if structure.distinct:
        out = np.zeros((structure.n_free,) * by_entry.ndim)
        out[structure.ids if by_entry.ndim == 1 else (structure.ids[:, None], structure.ids)] = by_entry
        return out
    spread = np.zeros((len(structure.ids), structure.n_free))
    spread[np.arange(len(structure.ids)), structure.ids] = 1.0
    if by_entry.ndim == 1:
        return by_entry @ spread
    return spread.T @ by_entry @ spread


def columns_to_free(structure: Structure, rows: Array) -> Array:
    """Sum the columns of an (n, k) array over shared parameters: (n, q)."""
    if structure.one_to_one:
        return rows
    out = np.zeros((rows.shape[0], structure.n_free))
    if structure.distinct:
        out[:, structure.ids] = rows
        return out
    np.add.at(out.T, structure.ids, rows.T)
    return out
