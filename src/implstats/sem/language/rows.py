"""The rows of a parameter table."""

from __future__ import annotations

import ast
from dataclasses import dataclass

Key = tuple[str, str, str]


@dataclass(slots=True)
class Row:
    """One parameter.

    Attributes
    ----------
    lhs, op, rhs : str
        What it is; ``op`` is one of ``=~ ~ ~~ ~1 :=``.
    user : bool
        Written by the user, not added by a default.
    fixed : float or None
        The fixed value; ``None`` for a free parameter and for sample moments (``exo``).
    exo : bool
        Fixed at the sample moment of exogenous observed variables.
    free : int
        Number of the free parameter from 1, 0 when fixed; parameters with one label share a number.
    label : str
    start : float or None
        Start value asked for.
    line : int
        Line of the model text, 0 for a default.
    group, level : int
        From 1.
    """

    lhs: str
    op: str
    rhs: str
    user: bool = False
    fixed: float | None = None
    exo: bool = False
    free: int = 0
    label: str = ""
    start: float | None = None
    line: int = 0
    group: int = 1
    level: int = 1

    @property
    def name(self) -> str:
        """The parameter in words, such as ``"f =~ x1"``."""
        return f"{self.lhs} ~ 1" if self.op == "~1" else f"{self.lhs} {self.op} {self.rhs}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A ``:=`` row: its name, its text without blanks and its checked tree."""

    name: str
    text: str
    tree: ast.expr
