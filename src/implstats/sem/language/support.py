"""Parts of lavaan's language that are read but not fitted by this version: each refused by name."""

from __future__ import annotations

from implstats.errors import NotSupportedError
from implstats.sem.language.syntax import ModelText

_OPERATORS = {
    "<~": "a composite ('<~') is not estimated; compute the composite score as a column, or use '=~'",
    "|": "thresholds ('|') need ordered items; name the items in ordered",
    "~*~": "response scales ('~*~') need ordered items; name the items in ordered",
}


_BLOCKS = {
    "level": "fit 'level: 1' and 'level: 2' with sem.fit_two_level (implstats sem with --cluster)",
    "group": "write one model and name the column in group; what differs between groups is c(a, b)*x, and "
    "what is equal stands in group_equal",
    "block": "write the model of one block without the heading",
    "class": "latent classes are not estimated; write the model of one class without the heading",
}


def _instead(heading: str) -> str:
    return _BLOCKS[heading.partition(":")[0]]


def refuse_unsupported(text: ModelText, *, ordered: bool = False) -> None:
    """Raise :class:`NotSupportedError` with everything in the model that this version does not fit.

    ``ordered`` tells whether some items are ordered, so that thresholds and scales exist.
    """
    problems = [f"block '{heading}': {_instead(heading)}" for heading in text.blocks]
    problems += [
        f"line {term.line}, '{term.lhs} {term.op} {term.rhs}': {_OPERATORS[term.op]}"
        for term in text.terms
        if term.op in _OPERATORS and not (ordered and term.op in ("|", "~*~"))
    ]
    if problems:
        raise NotSupportedError(
            "Not done by this version of implstats:\n" + "\n".join(f"  {p}" for p in problems)
        )
