"""Constraints of a model: ``==``, ``<`` and ``>`` between labels, definitions and numbers.

    lhs == rhs   c = lhs - rhs = 0        lhs > rhs   c = lhs - rhs >= 0        lhs < rhs   c = rhs - lhs >= 0

The degree of c in the free parameters is found from its tree: up to one it is linear, and equality then takes
parameters away exactly; beyond that it is followed by its derivatives.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from implstats.sem.language.defined import DOT, names_in, parse_definition, unknown_label_message
from implstats.sem.language.rows import Definition, Row
from implstats.sem.language.syntax import Expression, ModelTextError

# Anything that is not a polynomial of degree one: its exact degree does not matter.
NOT_LINEAR = 99


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """One constraint: c = 0 if ``equality``, else c >= 0.

    Attributes
    ----------
    text : str
        As the user wrote it.
    tree : ast.expr
        c.
    equality, linear : bool
    line : int
    """

    text: str
    tree: ast.expr
    equality: bool
    linear: bool
    line: int


def read_constraints(
    expressions: Iterable[Expression],
    rows: Sequence[Row],
    definitions: Sequence[Definition],
    problems: list[str],
) -> tuple[Constraint, ...]:
    """Return the constraints; what cannot be read is added to ``problems``."""
    degrees = _degrees(rows, definitions)
    found = []
    for expression in expressions:
        text = f"{expression.lhs} {expression.op} {expression.rhs}"
        tree = _tree(expression, text, problems)
        if tree is None:
            continue
        unknown = sorted(names_in(tree) - set(degrees))
        problems.extend(
            f"line {expression.line}: {unknown_label_message(text, name, set(degrees), what='constraint')}"
            for name in unknown
        )
        if not unknown:
            linear = degree(tree, degrees) <= 1
            found.append(
                Constraint(
                    text=text, tree=tree, equality=expression.op == "==", linear=linear, line=expression.line
                )
            )
    return tuple(found)


def _tree(expression: Expression, text: str, problems: list[str]) -> ast.expr | None:
    sides = []
    for side in (expression.lhs, expression.rhs):
        try:
            sides.append(parse_definition(side, name=text, what="constraint"))
        except ModelTextError as error:
            problems.extend(f"line {expression.line}: {problem}" for problem in error.problems)
    if len(sides) < 2:
        return None
    left, right = sides if expression.op != "<" else sides[::-1]
    return ast.BinOp(left=left, op=ast.Sub(), right=right)


def _degrees(rows: Sequence[Row], definitions: Sequence[Definition]) -> dict[str, int]:
    degrees: dict[str, int] = {}
    for row in rows:
        if row.label:
            degrees[row.label] = max(degrees.get(row.label, 0), int(row.fixed is None and not row.exo))
    for definition in definitions:
        degrees[definition.name] = degree(definition.tree, degrees)
    return degrees


def degree(tree: ast.expr, degrees: Mapping[str, int]) -> int:
    """Return the degree of an expression in the free parameters; ``NOT_LINEAR`` where it is no polynomial.

    >>> degree(parse_definition("2*a - b/3", name="x"), {"a": 1, "b": 1})
    1
    """
    if isinstance(tree, ast.Constant):
        return 0
    if isinstance(tree, ast.Name):
        return degrees.get(tree.id.replace(DOT, "."), 1)  # unknown labels are named elsewhere
    if isinstance(tree, ast.UnaryOp):
        return degree(tree.operand, degrees)
    if isinstance(tree, ast.Call):
        return NOT_LINEAR if degree(tree.args[0], degrees) else 0
    if not isinstance(tree, ast.BinOp):
        raise AssertionError("an unchecked tree")
    left, right = degree(tree.left, degrees), degree(tree.right, degrees)
    if isinstance(tree.op, ast.Add | ast.Sub):
        return max(left, right)
    if isinstance(tree.op, ast.Mult):
        return left + right
    if isinstance(tree.op, ast.Div):
        return NOT_LINEAR if right else left
    return NOT_LINEAR if left or right else 0
