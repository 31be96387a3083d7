"""The columns of a fitted model on new rows, with everything that the fit learnt from its data remembered.

    center, scale        the mean (and SD) of the data of the fit
    poly(x, d)           the recursion of the fit's data: V(x_new) R^-1, R of the QR of the fit's own powers V
    within, between      the cluster means of the data of the fit; a cluster that was not in it has the mean
                         of its new rows, and a note says so
    categories           the categories of the fit and its reference; an unknown category is an error

A row with a missing variable gets NaN in all columns. Nothing is stored during a fit: what is needed is taken
from the frame that the fit kept, after a look that the frame still is what it was.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from implstats.errors import DataError, ProblemsError, UsageError, did_you_mean
from implstats.mixed.after.kept import Kept
from implstats.mixed.design.coding import code_terms
from implstats.mixed.design.expressions import (
    ARITHMETIC,
    UNARY,
    Categories,
    Column,
    Numeric,
    evaluate,
    names_in,
    parse,
    read_column,
    unquote,
)
from implstats.mixed.design.terms import Terms, read_terms

if TYPE_CHECKING:
    import pandas as pd

LOOKED_AT = 2000  # rows of the fit whose columns are computed again, to see that its frame is unchanged
SAME = 1e-7  # relative; a polynomial of degree ten keeps about nine digits


@dataclass(slots=True, kw_only=True)
class Basis:
    """What turns rows of data into columns of a fitted model.

    Attributes
    ----------
    model : Kept
    fixed : Terms
    derived : dict of str to ndarray
        Values given for calls such as ``between(x, g)`` instead of computing them, (n,).
    notes : list of str
        What had to be assumed about new rows.
    """

    model: Kept
    fixed: Terms
    derived: dict[str, np.ndarray] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def fixed_basis(model: Kept) -> Basis:
    """Return the basis of a fitted model.

    Raises
    ------
    DataError
        The data frame was changed after the fit.
    """
    basis = Basis(model=model, fixed=read_terms(model.formula.fixed))
    rows = model.design.rows
    some = np.unique(np.linspace(0, len(rows) - 1, num=min(len(rows), LOOKED_AT)).astype(int))
    X = model.design.X[some]
    again = term_matrix(basis, basis.fixed, model.frame.iloc[rows[some]])
    size = np.maximum(np.abs(model.design.X).max(axis=0), np.finfo(float).tiny)
    if again.shape != X.shape or not np.all(np.abs(again - X) <= SAME * size):
        raise DataError(
            "The data frame was changed after the fit, so the model's columns cannot be rebuilt. "
            "Fit again, or hand a copy of the frame to the fit."
        )
    basis.notes.clear()
    return basis


def fixed_matrix(basis: Basis, new: pd.DataFrame) -> np.ndarray:
    """Return all columns of the fixed part, those dropped as collinear included, (n, p_all)."""
    return term_matrix(basis, basis.fixed, new)


def random_matrices(basis: Basis, new: pd.DataFrame) -> list[np.ndarray]:
    """Return Z of each level, lowest first, (n, q_l)."""
    model = basis.model
    out = []
    for level in model.design.levels:
        wanted = frozenset(level.clusters.columns)
        parts = []
        for bar in model.formula.bars:
            if frozenset(unquote(name, model.formula.quoted) for name in bar.cluster) == wanted:
                parts.append(term_matrix(basis, read_terms(bar.left), new))
        # The person of a residual structure may have no effects of its own.
        out.append(np.concatenate(parts, axis=1) if parts else np.empty((len(new), 0)))
    return out


def term_matrix(basis: Basis, terms: Terms, new: pd.DataFrame) -> np.ndarray:
    """Return the columns of terms on new rows, coded as in the fit."""
    require_columns(basis, terms, new)
    n = len(new)
    missing = np.zeros(n, dtype=bool)
    columns: dict[str, Column] = {}
    extra = 0
    for factor in terms.variables:
        column = new_column(basis, factor, new)
        if isinstance(column, Categories):
            missing |= column.codes < 0
            extra = max(extra, len(_used(basis, factor)))
        else:
            missing |= ~np.isfinite(column.values).all(axis=1)
        columns[factor] = column
    # Rows that show every category of the fit once make the coding of new rows the fit's coding.
    padded = {f: _padded(column, _used(basis, f), n, extra) for f, column in columns.items()}
    matrix, _, _ = code_terms(terms, padded, n=n + extra)
    matrix = matrix[:n]
    matrix[missing] = np.nan
    return matrix


def require_columns(basis: Basis, terms: Terms, new: pd.DataFrame) -> None:
    """Raise ProblemsError that lists every variable of the terms that the new rows lack."""
    known = [str(c) for c in new.columns]
    names = {n for f in terms.variables for n in _names_needed(basis, parse(f, basis.model.formula.quoted))}
    problems = [
        f"'{name}' is not a column of the new data{did_you_mean(name, known)}"
        for name in sorted(names)
        if name not in known
    ]
    if problems:
        raise ProblemsError(f"The new data for '{basis.model.formula.text}'", problems)


def _names_needed(basis: Basis, tree: ast.AST) -> list[str]:
    if ast.unparse(tree) in basis.derived:
        return []
    quoted = basis.model.formula.quoted
    if _name(tree) is not None:
        return names_in(tree, quoted)
    children = tree.args if isinstance(tree, ast.Call) else list(ast.iter_child_nodes(tree))
    return [n for child in children for n in _names_needed(basis, child)]


def training_column(model: Kept, factor: str) -> Column:
    """Return a factor's values over the rows of the fit."""
    if factor in model.design.columns:
        return model.design.columns[factor]
    column, rows = evaluate(factor, model.frame, model.formula.quoted), model.design.rows
    if isinstance(column, Categories):
        return Categories(codes=column.codes[rows], levels=column.levels, name=column.name)
    return Numeric(values=column.values[rows], names=column.names)


def _used(basis: Basis, factor: str) -> np.ndarray:
    column = training_column(basis.model, factor)
    return np.unique(column.codes) if isinstance(column, Categories) else np.empty(0, dtype=int)


def _padded(column: Column, used: np.ndarray, n: int, extra: int) -> Column:
    if isinstance(column, Categories):
        codes = np.where(column.codes < 0, used[0], column.codes)
        return Categories(
            codes=np.concatenate([codes, used[np.arange(extra) % len(used)]]),
            levels=column.levels, name=column.name,
        )  # fmt: skip
    rows = np.zeros((extra, column.values.shape[1]))
    return Numeric(values=np.concatenate([column.values, rows]), names=column.names)


def new_column(basis: Basis, factor: str, new: pd.DataFrame) -> Column:
    """Return a factor's values on new rows."""
    model = basis.model
    train, tree = training_column(model, factor), parse(factor, model.formula.quoted)
    if isinstance(train, Categories):
        return _known_categories(basis, train, factor, tree, new)
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and tree.func.id == "poly":
        return Numeric(values=_poly(basis, tree, new), names=train.names)
    with np.errstate(all="ignore"):
        values = np.asarray(_number(basis, tree, new, model.frame), dtype=float)
    return Numeric(values=np.broadcast_to(values, (len(new),))[:, None].copy(), names=train.names)


def _known_categories(
    basis: Basis, train: Categories, factor: str, tree: ast.expr, new: pd.DataFrame
) -> Categories:
    """Return new categories numbered as in the fit."""
    quoted = basis.model.formula.quoted
    name = names_in(tree, quoted)[0]
    column = read_column(new[name], name)
    if isinstance(column, Numeric):
        # Whole numbers may stand for the categories of a column that the fit held as categories.
        column = evaluate(factor if _name(tree) is None else f"factor({factor})", new, quoted)
    if isinstance(column, Numeric):
        raise DataError(f"'{name}' held categories in the fit and holds numbers in the new data.")
    used = np.unique(train.codes)
    number = {train.levels[k]: int(k) for k in used}
    lookup = np.array([number.get(level, -2) for level in column.levels] + [-1])
    codes = lookup[column.codes]
    unknown = int(np.sum(codes == -2))
    if unknown:
        listed = ", ".join(train.levels[k] for k in used)
        raise DataError(
            f"'{name}' has {unknown} row(s) with a category that was not in the fit, so the model has no "
            f"coefficient for it. Categories of the fit: {listed}."
        )
    return Categories(codes=codes, levels=train.levels, name=train.name)


def _name(node: ast.AST) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        left = _name(node.value)
        return None if left is None else f"{left}.{node.attr}"
    return None


def _number(basis: Basis, node: ast.AST, new: pd.DataFrame, train: pd.DataFrame) -> np.ndarray:
    """Return the value of an arithmetic tree on new rows; means and the like come from ``train``."""
    text = ast.unparse(node)
    if text in basis.derived and new is not train:
        return basis.derived[text]
    name, quoted = _name(node), basis.model.formula.quoted
    if name is not None:
        name = unquote(name, quoted)
        column = read_column(new[name], name)
        if isinstance(column, Categories):
            raise DataError(f"'{name}' held numbers in the fit and holds text or categories in the new data.")
        return column.values[:, 0]
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return np.asarray(float(node.value))
    if isinstance(node, ast.BinOp):
        left, right = (_number(basis, side, new, train) for side in (node.left, node.right))
        return ARITHMETIC[type(node.op)](left, right)
    if isinstance(node, ast.UnaryOp):
        value = _number(basis, node.operand, new, train)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _call(basis, node, node.func.id, new, train)
    raise UsageError(f"'{unquote(text, quoted)}' cannot be computed on new rows; make it a column first.")


def _call(basis: Basis, node: ast.Call, function: str, new: pd.DataFrame, train: pd.DataFrame) -> np.ndarray:
    x = _number(basis, node.args[0], new, train)
    if function in UNARY:
        return UNARY[function](x)
    if function == "I":
        return x
    past = _number(basis, node.args[0], train, train)
    if function == "center":
        return x - np.nanmean(past)
    if function == "scale":
        return (x - np.nanmean(past)) / np.nanstd(past, ddof=1)
    mean = _cluster_means(basis, node, x, past, new, train)
    return x - mean if function == "within" else mean


def _cluster_means(
    basis: Basis, node: ast.Call, x: np.ndarray, past: np.ndarray, new: pd.DataFrame, train: pd.DataFrame
) -> np.ndarray:
    """Return the mean of each new row's cluster: the fit's, or that of its new rows for a new cluster."""
    import pandas as pd

    cluster = unquote(str(_name(node.args[1])), basis.model.formula.quoted)
    means = pd.Series(past).groupby(train[cluster].to_numpy()).mean()
    found = means.reindex(new[cluster].to_numpy()).to_numpy()
    unknown = ~new[cluster].isin(means.index).to_numpy()
    if unknown.any():
        own = pd.Series(np.broadcast_to(x, len(new))).groupby(new[cluster].to_numpy()).transform("mean")
        found = np.where(unknown, own.to_numpy(), found)
        label = unquote(ast.unparse(node), basis.model.formula.quoted)
        note = f"'{label}' takes the mean of the new rows in clusters of '{cluster}' that were not in the fit"
        if note not in basis.notes:
            basis.notes.append(note)
    return found


def _poly(basis: Basis, call: ast.Call, new: pd.DataFrame) -> np.ndarray:
    """Return the fit's orthogonal polynomials at new values, (n, degree)."""
    degree = int(call.args[1].value)  # type: ignore[attr-defined]
    train = basis.model.frame
    past = np.asarray(_number(basis, call.args[0], train, train), dtype=float)
    x = np.broadcast_to(_number(basis, call.args[0], new, train), (len(new),))
    past = past[np.isfinite(past)]
    mean = past.mean()
    size = np.abs(past - mean).max()
    _, R = np.linalg.qr(np.vander((past - mean) / size, degree + 1, increasing=True))
    V = np.vander((x - mean) / size, degree + 1, increasing=True)
    values = np.linalg.solve((R * np.sign(np.diag(R))[:, None]).T, V.T).T
    return values[:, 1:]


def derived_calls(basis: Basis, terms: Terms) -> list[str]:
    """Return the calls of within() and between() in the terms, as `ast.unparse` writes them."""
    found = [
        ast.unparse(node)
        for factor in terms.variables
        for node in ast.walk(parse(factor, basis.model.formula.quoted))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        and node.func.id in ("within", "between")
    ]  # fmt: skip
    return list(dict.fromkeys(found))


def derived_values(basis: Basis, call: str) -> np.ndarray:
    """Return the values of a call of within() or between() over the rows of the fit, (n,)."""
    model = basis.model
    tree = parse(call, model.formula.quoted)
    return np.asarray(_number(basis, tree, model.frame, model.frame), dtype=float)[model.design.rows]


def not_estimable(model: Kept, X: np.ndarray, *, tolerance: float = 1e-8) -> np.ndarray:
    """Return which rows of X, (k, p_all), ask for more than the columns kept can tell, (k,) booleans.

    A dropped column is a combination T of those kept; a row is estimable if it obeys the same combination.
    """
    dropped, kept = list(model.scaled.dropped), list(model.scaled.kept)
    if not dropped:
        return np.zeros(len(X), dtype=bool)
    if model.design.intercept and 0 not in kept:
        kept = [0, *kept]  # the thresholds of an ordinal model stand for the intercept
    full = model.design.X
    size = np.maximum(np.sqrt(np.mean(full**2, axis=0)), np.finfo(float).tiny)
    T = np.linalg.lstsq(full[:, kept] / size[kept], full[:, dropped] / size[dropped], rcond=None)[0]
    gap = X[:, dropped] / size[dropped] - (X[:, kept] / size[kept]) @ T
    return np.abs(gap).max(axis=1) > tolerance * np.maximum(np.abs(X / size).max(axis=1), 1.0)


def columns_kept(model: Kept, X: np.ndarray) -> np.ndarray:
    """Return the columns of X that have a coefficient, (k, p); rows that are not estimable are NaN."""
    kept = X[:, list(model.scaled.kept)].copy()
    kept[not_estimable(model, np.nan_to_num(X))] = np.nan
    return kept
