"""Arithmetic of defined parameters (``:=``) with exact derivatives, without ever running a text as code.

A definition is parsed into Python's syntax tree, and only numbers, names, ``+ - * / ^``, unary signs,
brackets and the functions exp, log, sqrt, abs, sin, cos, tan are walked; everything else is refused by name.
Values carry their gradient (forward differentiation), so that the delta method needs no numerical derivative:

    y = f(theta),   var(y) = (df/dtheta)' V (df/dtheta)         Rao (1973), 6a.2
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from implstats.errors import did_you_mean
from implstats.sem.language.syntax import ModelTextError

Array = NDArray[np.float64]
MAX_DEPTH = 60
# lavaan's labels may hold dots, which Python would read as attribute access.
DOT = "_DOT_"
_DOTTED = re.compile(r"(?<![\w.])[^\W\d][\w.]*")


@dataclass(frozen=True, slots=True)
class Dual:
    """A number and its gradient, shape (q,)."""

    value: float
    gradient: Array


# name -> (function, derivative)
FUNCTIONS: dict[str, tuple[Callable[[float], float], Callable[[float], float]]] = {
    "exp": (math.exp, math.exp),
    "log": (math.log, lambda x: 1.0 / x),
    "sqrt": (math.sqrt, lambda x: 0.5 / math.sqrt(x)),
    "abs": (abs, lambda x: math.copysign(1.0, x)),
    "sin": (math.sin, math.cos),
    "cos": (math.cos, lambda x: -math.sin(x)),
    "tan": (math.tan, lambda x: 1.0 + math.tan(x) ** 2),
}
_BINARY = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow)


def parse_definition(text: str, *, name: str, what: str = "definition") -> ast.expr:
    """Return the checked syntax tree of the right-hand side of a definition.

    Raises
    ------
    ModelTextError
        Anything but arithmetic, with what it was.

    Examples
    --------
    >>> sorted(names_in(parse_definition("a*b^2 + sqrt(c)", name="d")))
    ['a', 'b', 'c']
    """
    plain = _DOTTED.sub(lambda m: m.group().replace(".", DOT), text.replace("^", "**").strip())
    try:
        tree = ast.parse(plain, mode="eval").body
        _check(tree, 0)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = str(error) if type(error) is ValueError else "not an arithmetic expression"
        raise ModelTextError(
            "The model",
            [
                f"{what} '{name}': {reason}; use labels, numbers, + - * / ^, brackets and "
                f"{', '.join(FUNCTIONS)}"
            ],
        ) from None
    return tree


def _check(node: ast.expr, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueError("the expression is nested too deeply")
    if isinstance(node, ast.BinOp) and isinstance(node.op, _BINARY):
        _check(node.left, depth + 1)
        _check(node.right, depth + 1)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd | ast.USub):
        _check(node.operand, depth + 1)
    elif isinstance(node, ast.Call):
        called = (
            node.func.id if isinstance(node.func, ast.Name) else "something that is not a function's name"
        )
        if called not in FUNCTIONS:
            raise ValueError(f"'{called}' is not a known function")
        if len(node.args) != 1 or node.keywords:
            raise ValueError(f"'{called}' takes one number")
        _check(node.args[0], depth + 1)
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            raise ValueError("a text or a logical value is not a number")
    elif not isinstance(node, ast.Name) or any(part.startswith("__") for part in _label(node).split(".")):
        raise ValueError(f"a {type(node).__name__} is not arithmetic")


def names_in(tree: ast.expr) -> set[str]:
    """Return the labels that a definition uses (names of functions left out)."""
    called = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    return {_label(n) for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) not in called}


def _label(node: ast.Name) -> str:
    return node.id.replace(DOT, ".")


def evaluate(tree: ast.expr, values: Mapping[str, Dual], *, size: int) -> Dual:
    """Return a definition's value and gradient; NaN where it is undefined (a division by zero, log of -1).

    >>> a = Dual(2.0, np.array([1.0, 0.0])); b = Dual(3.0, np.array([0.0, 1.0]))
    >>> d = evaluate(parse_definition("a*b", name="ab"), {"a": a, "b": b}, size=2)
    >>> d.value, d.gradient.tolist()
    (6.0, [3.0, 2.0])
    """
    try:
        return _walk(tree, values, size)
    except (ZeroDivisionError, OverflowError, ValueError, TypeError):
        # TypeError: a fractional power of a negative number is complex
        return Dual(math.nan, np.full(size, math.nan))


def _walk(node: ast.expr, values: Mapping[str, Dual], size: int) -> Dual:
    if isinstance(node, ast.Constant):
        return Dual(float(node.value), np.zeros(size))  # type: ignore[arg-type]
    if isinstance(node, ast.Name):
        return values[_label(node)]
    if isinstance(node, ast.UnaryOp):
        inner = _walk(node.operand, values, size)
        return Dual(-inner.value, -inner.gradient) if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.Call):
        function, derivative = FUNCTIONS[node.func.id]  # type: ignore[attr-defined]
        inner = _walk(node.args[0], values, size)
        return Dual(function(inner.value), derivative(inner.value) * inner.gradient)
    if not isinstance(node, ast.BinOp):
        raise AssertionError("an unchecked tree was evaluated")
    return _binary(node.op, _walk(node.left, values, size), _walk(node.right, values, size))


def _binary(op: ast.operator, u: Dual, v: Dual) -> Dual:
    if isinstance(op, ast.Add):
        return Dual(u.value + v.value, u.gradient + v.gradient)
    if isinstance(op, ast.Sub):
        return Dual(u.value - v.value, u.gradient - v.gradient)
    if isinstance(op, ast.Mult):
        return Dual(u.value * v.value, v.value * u.gradient + u.value * v.gradient)
    if isinstance(op, ast.Div):
        ratio = u.value / v.value
        return Dual(ratio, (u.gradient - ratio * v.gradient) / v.value)
    power = float(u.value**v.value)
    slope = v.value * u.value ** (v.value - 1.0) if v.value else 0.0
    gradient = slope * u.gradient
    if np.any(v.gradient):
        gradient = gradient + power * math.log(u.value) * v.gradient
    return Dual(power, gradient)


def unknown_label_message(name: str, label: str, known: set[str], *, what: str = "definition") -> str:
    """Return the sentence for a definition that uses a label no parameter bears."""
    return f"{what} '{name}' uses '{label}', which no parameter bears{did_you_mean(label, known)}"
