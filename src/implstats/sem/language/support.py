"""Parts of lavaan's language that are read but not fitted by this version: each refused by name."""

from __future__ import annotations

from implstats.errors import NotSupportedError
from implstats.sem.language.syntax import ModelText

_OPERATORS = {
    "<~": "a composite ('<~') is not estimated; compute the composite score as a column, or use '=~'",
    "|": "thresholds ('|') need ordered items, which are not fitted; leave the thresholds out and treat "
    "items as numbers",
    "~*~": "response scales ('~*~') need ordered items, which are not fitted; leave them out",
}


def refuse_unsupported(text: ModelText) -> None:
    """Raise :class:`NotSupportedError` with everything in the model that this version does not fit."""
    problems = [
        f"block '{heading}' is not done; write the model of one block without the heading"
        for heading in text.blocks
    ]
    problems += [
        f"line {term.line}, '{term.lhs} {term.op} {term.rhs}': {_OPERATORS[term.op]}"
        for term in text.terms
        if term.op in _OPERATORS
    ]
    if problems:
        raise NotSupportedError(
            "Not done by this version of implstats:\n" + "\n".join(f"  {p}" for p in problems)
        )
