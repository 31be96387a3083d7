"""What lavaan's language holds and this version does not fit: each refused by its name, with the alternative.

The operators and modifiers are those of lavaan 0.6 (``model.syntax``); ``|~`` belongs to its later versions.
"""

from __future__ import annotations

import re

from implstats.errors import NotSupportedError

# A text in quotes is a label and may hold anything.
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_OPERATORS = (
    (re.compile(r"\|~"), "'|~'", "write thresholds as 'x | t1 + t2' and name the item in ordered"),
    (
        re.compile(r"%"),
        "'%'",
        "name the column of groups in group (group='arm'), that of clusters in cluster",
    ),
    (re.compile(r"[<>]\s*=(?!~)"), "'<=' and '>='", "write '<' or '>': the bound itself is allowed"),
)
_EFA = re.compile(r"\befa\s*\(")
_FUNCTIONS = {
    "equal": "give both parameters the same label, as in 'a*x1 + a*x2'",
    "lower": "give the parameter a label and bound it in a line of its own, as in 'a > 0'",
    "upper": "give the parameter a label and bound it in a line of its own, as in 'a < 1'",
    "rv": "slopes that differ between clusters belong to a mixed model, as in "
    "mixed.fit('y ~ x + (x | team)', data)",
    "prior": "estimates come from the data alone; fix the parameter, bound it, or leave the prior out",
}
FUNCTIONS = tuple(_FUNCTIONS)


def refuse_foreign(line: str, number: int) -> None:
    """Raise :class:`NotSupportedError` for an operator or a block of lavaan's that is not fitted.

    >>> refuse_foreign("f =~ x1 + x2", 1)
    """
    bare = _QUOTED.sub("''", line)
    if _EFA.search(bare):
        raise _refusal(
            "efa()", number,
            "explore the factors with sem.explore (implstats efa), which rotates them, or fix the loadings "
            "that are zero and fit a confirmatory model",
        )  # fmt: skip
    for pattern, name, instead in _OPERATORS:
        if pattern.search(bare):
            raise _refusal(name, number, instead)


def refuse_function(name: str) -> None:
    """Raise :class:`NotSupportedError` for a modifier such as ``equal()``; others pass."""
    if name in _FUNCTIONS:
        raise NotSupportedError(
            f"{name}() in a model is not done by this version of implstats: {_FUNCTIONS[name]}."
        )


def _refusal(name: str, number: int, instead: str) -> NotSupportedError:
    return NotSupportedError(
        f"{name} in a model (line {number}) is not done by this version of implstats: {instead}."
    )
