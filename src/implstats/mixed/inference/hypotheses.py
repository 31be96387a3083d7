"""The hypotheses of sequential (I), hierarchical (II) and equal-weights (III) tests of a term.

Each is a matrix L (k, p) of contrasts of the coefficients b of X (n, p); the test is of L b = 0.

I    With X'X = U'D U, U unit upper triangular: the rows of U of the term's columns. Each term is tested
     after those before it.
II   The same rows after X's columns are reordered: first all terms that do not contain the term, then the
     term, then those that do. A term contains another if it has all its factors, at least one more, and the
     same numeric ones. Each term is tested after all that do not contain it.
III  Contrasts of equally weighted cell means. X+ holds a column for every cell of every term, without
     contrasts, so that X+ = X T with T (p, k+); T' generates all estimable functions. From the columns of T'
     that belong to the term, their regression on the columns of containing terms is removed, which averages
     over the categories of other factors with equal weights, and the rows of X's own columns are kept.

These are the definitions of SAS and of lmerTest's ``anova``. Only the row space of L matters to F; scaled as
they are here, Satterthwaite's denominator df also equal lmerTest's.
Reference: Goodnight (1980), Commun. Stat. A 9, 167-180; Kuznetsova, Brockhoff & Christensen (2017), J. Stat.
Softw. 82(13).
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from implstats.mixed.design.build import Design
from implstats.mixed.design.coding import INTERCEPT, code_terms
from implstats.mixed.design.expressions import Categories, unquote
from implstats.mixed.design.standardise import Standardised
from implstats.mixed.design.terms import Terms

Type = Literal["I", "II", "III"]
EMPTY = 1e-8  # a row of L below this share of the largest element says nothing


def term_hypotheses(
    design: Design, scaled: Standardised, *, type: Type, quoted: tuple[str, ...] = ()
) -> dict[str, np.ndarray]:
    """Return L, (k, p), of each term of the fixed part; k is zero if all its columns were dropped.

    Parameters
    ----------
    design : Design
    scaled : Standardised
        p counts its ``kept`` columns.
    type : {"I", "II", "III"}
    quoted : tuple of str
        Names that stood in backticks, as in `Formula`.
    """
    owner = np.array([design.owner[j] for j in scaled.kept])
    if type == "III":
        return _equal_weights(design, scaled, owner, quoted)
    root = _triangle(design, scaled)
    if type == "I":
        unit = root / np.diag(root)[:, None]
        return {term: unit[owner == k] for k, term in enumerate(design.terms, start=1)}
    over = containing(design)
    return {term: _hierarchical(root, owner, k, over[k]) for k, term in enumerate(design.terms, start=1)}


def containing(design: Design) -> dict[int, set[int]]:
    """Return the numbers of the terms that contain each term."""
    sets = {k: frozenset(term) for k, term in enumerate(design.factors, start=1)}
    numeric = {
        k: {f for f in term if not isinstance(design.columns[f], Categories)} for k, term in sets.items()
    }
    return {k: {m for m in sets if sets[k] < sets[m] and numeric[k] == numeric[m]} for k in sets}


def _triangle(design: Design, scaled: Standardised) -> np.ndarray:
    """Return R with X'X = R'R; prior weights play no part in what is tested."""
    if design.weights is None:
        return np.linalg.inv(scaled.M)
    return np.asarray(np.linalg.qr(design.X[:, scaled.kept], mode="r"))


def _hierarchical(root: np.ndarray, owner: np.ndarray, term: int, over: set[int]) -> np.ndarray:
    own, above = owner == term, np.isin(owner, list(over))
    if not over:
        return np.eye(len(owner))[own]
    order = np.concatenate([np.flatnonzero(part) for part in (~own & ~above, own, above)])
    R = np.asarray(np.linalg.qr(root[:, order], mode="r"))
    L = np.zeros_like(R)
    L[:, order] = R / np.diag(R)[:, None]
    first = int(np.sum(~own & ~above))
    return L[first : first + int(own.sum())]


def _equal_weights(
    design: Design, scaled: Standardised, owner: np.ndarray, quoted: tuple[str, ...]
) -> dict[str, np.ndarray]:
    functions, names = _estimable(design, scaled, quoted)
    over = containing(design)
    for term in sorted(over, key=lambda k: -len(design.factors[k - 1])):
        above = np.isin(owner, list(over[term]))
        if above.any():
            functions[:, owner == term] = _residual(functions[:, above], functions[:, owner == term])
    rows = functions[[names.index(design.names[j]) for j in scaled.kept]]
    return {term: _not_empty(rows[:, owner == k].T) for k, term in enumerate(design.terms, start=1)}


def _estimable(design: Design, scaled: Standardised, quoted: tuple[str, ...]) -> tuple[np.ndarray, list[str]]:
    """Return T', (k+, p), and the names of the columns of X+."""
    columns = [np.ones((len(design.y), 1))] if design.intercept else []
    parts, names = [_coefficients_of(design, scaled, c) for c in columns], [INTERCEPT] * len(columns)
    for term in design.factors:
        # Without its margins a term is coded by all its cells.
        values, own, _ = code_terms(Terms(intercept=False, factors=(term,)), design.columns, n=len(design.y))
        parts.append(_coefficients_of(design, scaled, values))
        names += [unquote(name, quoted) for name in own]
    return np.concatenate(parts, axis=1).T, names


def empty_cells(design: Design) -> list[str]:
    """Return the terms that have a combination of categories without a row."""
    found = []
    for name, term in zip(design.terms, design.factors, strict=True):
        codes = [c.codes for c in (design.columns[f] for f in term) if isinstance(c, Categories)]
        possible = int(np.prod([len(np.unique(code)) for code in codes], dtype=np.int64))
        if len(codes) > 1 and len(np.unique(np.stack(codes), axis=1).T) < possible:
            found.append(name)
    return found


def _coefficients_of(design: Design, scaled: Standardised, values: np.ndarray) -> np.ndarray:
    """Return T (p, k) with X T = values, for columns (n, k) in X's span."""
    if design.weights is not None:
        values = values * np.sqrt(design.weights)[:, None]
    return scaled.M @ (scaled.Q.T @ values)


def _residual(X: np.ndarray, Y: np.ndarray) -> np.ndarray:
    return Y - X @ (np.linalg.pinv(X, rcond=EMPTY) @ Y)


def _not_empty(L: np.ndarray) -> np.ndarray:
    size = np.abs(L).sum(axis=1)
    return L[size > EMPTY * max(float(size.max(initial=0.0)), 1.0)]
