"""What a factor of a formula means: a column, or a call from a closed list, evaluated by ourselves.

A factor's text becomes Python's syntax tree, and only the nodes named below are walked: names, numbers,
arithmetic, and calls of the functions in ``FUNCTIONS``. Nothing is ever compiled or executed.

    I(a*x + b), log, log2, log10, exp, sqrt, abs      arithmetic, value by value
    center(x), scale(x)                               minus the mean; also divided by the SD (n - 1)
    poly(x, d)                                        orthogonal polynomials of degree 1 to d, as R's poly
    within(x, g), between(x, g)                       deviation from the cluster's mean; the mean itself
    factor(x), C(x)                                   categories, treatment-coded

Means and polynomials are taken over every row where their own argument is known.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from implstats.errors import DataError, NotSupportedError, UsageError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

    Frame = Mapping[str, pd.Series] | pd.DataFrame

UNARY: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "log": np.log, "log2": np.log2, "log10": np.log10, "exp": np.exp, "sqrt": np.sqrt, "abs": np.abs,
}  # fmt: skip
FUNCTIONS = (*UNARY, "I", "center", "scale", "poly", "within", "between", "factor", "C")
ARITHMETIC: dict[type, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide, ast.Pow: np.power,
}  # fmt: skip
HIGHEST_DEGREE = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Numeric:
    """Numbers: ``values`` (n, k) with NaN where missing, and a name for each column."""

    values: np.ndarray
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Categories:
    """Categories: ``codes`` (n,), -1 where missing, the level names in order, and the variable's name."""

    codes: np.ndarray
    levels: tuple[str, ...]
    name: str


Column = Numeric | Categories


@lru_cache(maxsize=1024)
def parse(text: str, quoted: tuple[str, ...]) -> ast.expr:
    """Return the syntax tree of one factor, names in backticks put back; refuse what is not on the list."""
    try:
        tree = ast.parse(text.replace("^", "**"), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UsageError(f"'{text}' in the formula cannot be read. Put odd names in `backticks`.") from error
    _vet(tree, text)
    return tree


def _vet(node: ast.AST, text: str) -> None:
    if isinstance(node, ast.Call):
        name = _dotted(node.func)
        if name not in FUNCTIONS:
            raise NotSupportedError(
                f"'{name or 'a call'}' in '{text}' is not a function of the formula language"
                f"{did_you_mean(name or '', FUNCTIONS) or '.'} Available: {', '.join(FUNCTIONS)}. Compute "
                "anything else as a column of the data first."
            )
        if node.keywords:
            raise NotSupportedError(f"Named arguments are not supported in '{text}'; give them by place.")
        for argument in node.args:
            _vet(argument, text)
    elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        _vet(node.left, text)
        _vet(node.right, text)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        _vet(node.operand, text)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return
    elif _dotted(node) is None:
        raise NotSupportedError(
            f"'{text}' holds more than names, numbers, arithmetic and known functions. Compute it as a "
            "column of the data first."
        )


def _dotted(node: ast.AST) -> str | None:
    """Return ``G.HRS`` for a name with dots, as R's columns have, or None."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        left = _dotted(node.value)
        return None if left is None else f"{left}.{node.attr}"
    return None


def names_in(tree: ast.AST, quoted: tuple[str, ...]) -> list[str]:
    """Return the column names that a factor uses, in order."""
    name = _dotted(tree)
    if name is not None:
        return [unquote(name, quoted)]
    if isinstance(tree, ast.Call):
        return [n for argument in tree.args for n in names_in(argument, quoted)]
    return [n for child in ast.iter_child_nodes(tree) for n in names_in(child, quoted)]


def unquote(text: str, quoted: tuple[str, ...]) -> str:
    """Put names from backticks back in place of their stand-ins."""
    for i, name in enumerate(quoted):
        text = text.replace(f"_quoted_{i}_", name)
    return text


def evaluate(text: str, frame: Frame, quoted: tuple[str, ...]) -> Column:
    """Return the column that a factor names, over all rows of the frame.

    Raises
    ------
    UsageError, NotSupportedError
        The factor is not in the formula language.
    DataError
        Text where numbers are needed, or a function outside its domain.
    """
    tree, label = parse(text, quoted), unquote(text, quoted)
    name = _dotted(tree)
    if name is not None:
        return read_column(frame[unquote(name, quoted)], label)
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
        if tree.func.id in ("factor", "C"):
            return _categories(frame[_only_name(tree, text, quoted, 1)[0]], label)
        if tree.func.id == "poly":
            return _poly(tree, frame, label, quoted)
    with np.errstate(all="ignore"):
        values = np.asarray(_number(tree, frame, label, quoted), dtype=float)
    if values.ndim == 0:
        raise UsageError(f"'{label}' is a constant, not a predictor; use 1 + or 0 + for the intercept.")
    used = [read_column(frame[n], n) for n in names_in(tree, quoted)]
    known = np.all([_known(c) for c in used], axis=0)
    bad = int(np.sum(known & ~np.isfinite(values)))
    if bad:
        raise DataError(f"'{label}' is undefined or infinite in {bad} row(s), such as the log of zero.")
    return Numeric(values=values[:, None], names=(label,))


def read_column(series: pd.Series, name: str) -> Column:
    """Return a column of the frame as numbers or categories."""
    kind = series.dtype
    if isinstance(kind, np.dtype) and kind.kind in "iuf":
        return Numeric(values=series.to_numpy(dtype=float)[:, None], names=(name,))
    import pandas as pd

    if isinstance(kind, pd.CategoricalDtype):
        return _ready_categories(series, name)
    if pd.api.types.is_bool_dtype(kind):
        return _categories(series, name)
    if pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_complex_dtype(kind):
        return Numeric(values=series.to_numpy(dtype=float, na_value=np.nan)[:, None], names=(name,))
    if pd.api.types.is_datetime64_any_dtype(kind) or isinstance(kind, pd.PeriodDtype):
        raise DataError(f"'{name}' holds dates; turn it into a number, such as years since the first wave.")
    if pd.api.types.is_timedelta64_dtype(kind):
        raise DataError(f"'{name}' holds durations; turn it into a number, such as days.")
    if pd.api.types.is_complex_dtype(kind):
        raise DataError(f"'{name}' holds complex numbers; take the real part or the modulus.")
    if pd.api.types.infer_dtype(series, skipna=True) in (
        "integer",
        "floating",
        "mixed-integer-float",
        "decimal",
    ):
        return Numeric(values=pd.to_numeric(series).to_numpy(dtype=float)[:, None], names=(name,))
    return _categories(series, name)


def _known(column: Column) -> np.ndarray:
    return column.codes >= 0 if isinstance(column, Categories) else np.isfinite(column.values[:, 0])


def _categories(series: pd.Series, name: str) -> Categories:
    import pandas as pd

    if isinstance(series.dtype, pd.CategoricalDtype):
        return _ready_categories(series, name)
    whole = isinstance(series.dtype, np.dtype) and series.dtype.kind in "iu"
    found, distinct = pd.factorize((series if whole else series.astype(object)).to_numpy())
    if len(distinct) > max(200, len(series) // 2):
        raise DataError(
            f"'{name}' has {len(distinct)} different texts; as categories they would be as many predictors. "
            "If it holds numbers, read it as numbers; if it names clusters, use it behind the bar: (1 | "
            "name)."
        )
    try:
        order = sorted(range(len(distinct)), key=distinct.__getitem__)
    except TypeError:
        order = sorted(range(len(distinct)), key=lambda k: str(distinct[k]))
    place = np.full(len(order) + 1, -1)  # the last place is that of a missing value, numbered -1
    place[order] = np.arange(len(order))
    return Categories(codes=place[found], levels=tuple(_level_name(distinct[k]) for k in order), name=name)


def _ready_categories(series: pd.Series, name: str) -> Categories:
    return Categories(
        codes=series.cat.codes.to_numpy().astype(np.int64),
        levels=tuple(str(c) for c in series.cat.categories), name=name,
    )  # fmt: skip


def _level_name(value: object) -> str:
    if isinstance(value, bool | np.bool_):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _only_name(call: ast.Call, text: str, quoted: tuple[str, ...], count: int) -> list[str]:
    """Return the column names that are a call's only arguments."""
    names = [_dotted(argument) for argument in call.args]
    if len(names) != count or any(name is None for name in names):
        raise UsageError(f"'{unquote(text, quoted)}' takes {count} column name(s).")
    return [unquote(str(name), quoted) for name in names]


def _number(node: ast.AST, frame: Frame, label: str, quoted: tuple[str, ...]) -> np.ndarray:
    """Return the value of an arithmetic tree: (n,), or () for constants."""
    name = _dotted(node)
    if name is not None:
        column = read_column(frame[unquote(name, quoted)], unquote(name, quoted))
        if isinstance(column, Categories):
            raise DataError(
                f"'{label}' does arithmetic with '{column.name}', which holds text or categories."
            )
        return column.values[:, 0]
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return np.asarray(float(node.value))
    if isinstance(node, ast.BinOp):
        left, right = (_number(side, frame, label, quoted) for side in (node.left, node.right))
        return ARITHMETIC[type(node.op)](left, right)
    if isinstance(node, ast.UnaryOp):
        value = _number(node.operand, frame, label, quoted)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _call(node, node.func.id, frame, label, quoted)
    raise NotSupportedError(f"'{label}' cannot be computed in a formula; make it a column of the data first.")


def _call(
    node: ast.Call,
    function: str,
    frame: Frame,
    label: str,
    quoted: tuple[str, ...],
) -> np.ndarray:
    wanted = 2 if function in ("within", "between") else 1
    if len(node.args) != wanted or function in ("poly", "factor", "C"):
        raise UsageError(
            f"'{function}' in '{label}' takes {wanted} argument(s) and must not stand inside another."
        )
    x = np.asarray(_number(node.args[0], frame, label, quoted), dtype=float)
    if function in UNARY:
        return UNARY[function](x)
    if function == "I":
        return x
    if x.ndim == 0:
        raise UsageError(f"'{function}' in '{label}' needs a column, not a number.")
    if function == "center":
        return x - np.nanmean(x)
    if function == "scale":
        return (x - np.nanmean(x)) / np.nanstd(x, ddof=1)
    cluster = _dotted(node.args[1])
    if cluster is None:
        raise UsageError(f"The second argument of '{label}' is the cluster's column name.")
    import pandas as pd

    mean = pd.Series(x).groupby(frame[unquote(cluster, quoted)].to_numpy()).transform("mean").to_numpy()
    return x - mean if function == "within" else mean


def _poly(call: ast.Call, frame: Frame, label: str, quoted: tuple[str, ...]) -> Numeric:
    """Return orthogonal polynomials over the known rows; the leading coefficients are positive, as in R."""
    if len(call.args) != 2 or not isinstance(call.args[1], ast.Constant):
        raise UsageError(f"'{label}' needs a column and a degree: poly(time, 2).")
    degree = call.args[1].value
    if not isinstance(degree, int) or not 1 <= degree <= HIGHEST_DEGREE:
        raise UsageError(f"The degree in '{label}' is a whole number from 1 to {HIGHEST_DEGREE}.")
    x = np.asarray(_number(call.args[0], frame, label, quoted), dtype=float)
    known = np.isfinite(x)
    if len(np.unique(x[known])) <= degree:
        raise DataError(f"'{label}' needs more than {degree} different values.")
    centred = x[known] - x[known].mean()
    Q, R = np.linalg.qr(np.vander(centred / np.abs(centred).max(), degree + 1, increasing=True))
    values = np.full((len(x), degree), np.nan)
    values[known] = (Q * np.sign(np.diag(R)))[:, 1:]
    return Numeric(values=values, names=tuple(f"{label}{d}" for d in range(1, degree + 1)))
