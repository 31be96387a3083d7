"""The fixed part of a formula, and the left side of a random term, as a list of terms.

formulaic's parser knows the algebra of ``+ - : * / ** ()``; its evaluation is not used, because a formula
must never run code: what each factor means is decided by `expressions`, from a closed list.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from implstats.errors import UsageError


@dataclass(frozen=True, slots=True)
class Terms:
    """Terms ordered by degree, as in R.

    Attributes
    ----------
    intercept : bool
    factors : tuple of tuple of str
        Each term's factors: names or calls, as text.
    """

    intercept: bool
    factors: tuple[tuple[str, ...], ...]

    @property
    def variables(self) -> tuple[str, ...]:
        """Distinct factors, in order."""
        return tuple(dict.fromkeys(factor for term in self.factors for factor in term))


@lru_cache(maxsize=512)
def read_terms(text: str) -> Terms:
    """Return the terms of one side of a formula.

    Raises
    ------
    UsageError
        If the text is not a sum of terms.

    Examples
    --------
    >>> read_terms("time * arm + I(age**2)").factors
    (('time',), ('arm',), ('I(age**2)',), ('time', 'arm'))
    >>> read_terms("0 + x").intercept
    False
    """
    from formulaic.errors import FormulaicError
    from formulaic.parser import DefaultFormulaParser

    try:
        parsed = list(DefaultFormulaParser(feature_flags=set()).get_terms(text))
    except (FormulaicError, SyntaxError, ValueError, TypeError, RecursionError, KeyError) as error:
        raise UsageError(
            f"The formula part '{text}' cannot be read. Terms are joined by + - : * / and parentheses; "
            "arithmetic stands inside I(), as in I(age**2)."
        ) from error
    intercept = False
    terms: dict[frozenset[str], tuple[str, ...]] = {}
    for term in parsed:
        factors = tuple(_tidy(factor.expr) for factor in term.factors)
        if factors == ("1",):
            intercept = True
        elif all(_is_number(factor) for factor in factors):
            raise UsageError(f"The number {factors[0]} is not a term; write 0 + or 1 + for the intercept.")
        else:
            terms.setdefault(frozenset(factors), factors)
    ordered = sorted(terms.values(), key=len)
    return Terms(intercept=intercept, factors=tuple(ordered))


def _tidy(expression: str) -> str:
    """Return a factor's text without the spaces that the parser put in, commas excepted."""
    return "".join(expression.split()).replace(",", ", ")


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()
