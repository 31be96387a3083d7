"""Terms to columns: treatment coding and interactions, named as R names them.

A categorical factor of a term is coded by contrasts (the first level left out) if the term without it is in
the model too, else by all its levels. Without an intercept the first factor alone has all its levels: with
``0 + arm + sex`` there is a mean for each arm, and sex keeps its reference. This is R's rule.
Reference: Chambers & Hastie (1992), Statistical Models in S, section 2.3.2.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from implstats.mixed.design.expressions import Categories, Column
from implstats.mixed.design.terms import Terms

INTERCEPT = "(Intercept)"


def code_terms(
    terms: Terms, columns: Mapping[str, Column], *, n: int
) -> tuple[np.ndarray, list[str], list[int]]:
    """Return the model matrix (n, p), its column names and the number of each column's term (0: intercept).

    ``columns`` holds each factor's values over the n rows in use.
    """
    parts = [np.ones(n)] if terms.intercept else []
    names = [INTERCEPT] if terms.intercept else []
    owner = [0] if terms.intercept else []
    present = {frozenset[str](), *(frozenset(term) for term in terms.factors)}
    complete = None if terms.intercept else _first_category(terms, columns)
    for number, term in enumerate(terms.factors, start=1):
        made: list[np.ndarray] = []
        labels = [""]
        for factor in term:
            contrast = frozenset(term) - {factor} in present and (term, factor) != complete
            values, own = _code(columns[factor], contrast=contrast)
            # R lets the first factor vary fastest.
            made = [right * left for right in values.T for left in made] if made else list(values.T)
            labels = [f"{left}:{right}" if left else right for right in own for left in labels]
        parts += made
        names += labels
        owner += [number] * len(labels)
    # Columns are contiguous, since all that follows goes column by column.
    return (np.stack(parts).T if parts else np.empty((n, 0))), names, owner


def _first_category(terms: Terms, columns: Mapping[str, Column]) -> tuple[tuple[str, ...], str] | None:
    categories = ((t, f) for t in terms.factors for f in t if isinstance(columns[f], Categories))
    return next(categories, None)


def _code(column: Column, *, contrast: bool) -> tuple[np.ndarray, list[str]]:
    if not isinstance(column, Categories):
        return column.values, list(column.names)
    used = np.unique(column.codes)
    kept = used[1:] if contrast else used
    return (column.codes[:, None] == kept) * 1.0, [f"{column.name}{column.levels[k]}" for k in kept]
