"""What an outcome column means to a family, and what is wrong with it.

    binomial   0/1, TRUE/FALSE or two categories (the second is the event); cbind(success, failure);
               a proportion with weights = number of trials
    poisson, nbinom   whole numbers from 0
    ordinal    numbers (in their order) or a Categorical (in its own order)

The design is built with the outcome in numbers; rows that lack a part of it are left out there and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from implstats.errors import ProblemsError, UsageError
from implstats.mixed.design.expressions import Categories, Column, evaluate, names_in, parse, unquote
from implstats.mixed.design.formula import Formula, split_top

if TYPE_CHECKING:
    import pandas as pd

MOST_CATEGORIES = 30
WHOLE = 1e-6  # distance from a whole number, of counts made from proportions, that is rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """An outcome in numbers.

    Attributes
    ----------
    formula : Formula
        With the response as the column ``name``.
    name : str
    values : ndarray, (rows of the frame,)
        Successes, counts, or category numbers from 0; NaN where missing.
    shown : ndarray
        What stands in the column of the design: a share for binomial outcomes, else ``values``.
    trials : ndarray or None
    levels : tuple of str
        Categories in order (ordinal, and binary outcomes of two categories).
    also : tuple of str
        Columns that must be known beside it.
    """

    formula: Formula
    name: str
    values: np.ndarray
    shown: np.ndarray
    trials: np.ndarray | None
    levels: tuple[str, ...]
    also: tuple[str, ...]


def read_outcome(formula: Formula, frame: pd.DataFrame, *, family: str, weights: str | None) -> Outcome:
    """Return the outcome of a formula; every column that it names is in the frame.

    Raises
    ------
    ProblemsError
        The column does not hold what the family needs.
    """
    problems: list[str] = []
    parts = cbind_parts(formula.response)
    if parts and family != "binomial":
        raise UsageError(f"cbind(success, failure) is a binomial outcome; the family '{family}' has no such.")
    name = unquote(formula.response, formula.quoted)
    if parts:
        found = _grouped(parts, formula, frame, name, weights, problems)
    else:
        column = evaluate(formula.response, frame, formula.quoted)
        if family == "binomial":
            found = _binary(column, name, frame, weights, problems)
        elif family == "ordinal":
            found = _ordered(column, name, frame, formula, problems)
        else:
            found = _counts(column, name, family, problems)
    if problems:
        raise ProblemsError(f"The model '{formula.text}'", problems)
    values, trials, levels = found
    shown = (
        values if trials is None else np.divide(values, trials, out=np.zeros_like(values), where=trials > 0)
    )
    also = tuple(
        dict.fromkeys(n for part in parts for n in names_in(parse(part, formula.quoted), formula.quoted))
    )
    # A part that is missing is counted under its own name, not again under the name of the pair.
    shown = np.where(np.isnan(shown), 0.0, shown) if also else shown
    stand_in = f"_quoted_{len(formula.quoted)}_"
    return Outcome(
        formula=replace(formula, response=stand_in, quoted=(*formula.quoted, name)), name=name, values=values,
        shown=shown, trials=trials, levels=levels, also=also,
    )  # fmt: skip


def cbind_parts(response: str) -> list[str]:
    """Return the two parts of ``cbind(success, failure)``, or nothing.

    >>> cbind_parts("cbind(ill, size - ill)")
    ['ill', 'size - ill']
    >>> cbind_parts("y")
    []
    """
    text = response.strip()
    if not (text.startswith("cbind(") and text.endswith(")")):
        return []
    parts = [part.strip() for part in split_top(text[len("cbind(") : -1], ",")]
    if len(parts) != 2 or not all(parts):
        raise UsageError(f"'{text}' needs two parts: cbind(success, failure).")
    return parts


def response_names(formula: Formula) -> list[str]:
    """Return the column names that the response uses."""
    parts = cbind_parts(formula.response) or [formula.response]
    return list(
        dict.fromkeys(n for part in parts for n in names_in(parse(part, formula.quoted), formula.quoted))
    )


Found = tuple[np.ndarray, np.ndarray | None, tuple[str, ...]]


def _grouped(
    parts: Sequence[str], formula: Formula, frame: pd.DataFrame, name: str, weights: str | None,
    problems: list[str],
) -> Found:  # fmt: skip
    if weights is not None:
        problems.append(
            f"'{name}' already holds the number of trials; weights='{weights}' would count them twice"
        )
    counts = []
    for part in parts:
        label = unquote(part, formula.quoted)
        counts.append(_whole(evaluate(part, frame, formula.quoted), label, "a count", problems))
    return counts[0], counts[0] + counts[1], ()


def _whole(column: Column, name: str, what: str, problems: list[str]) -> np.ndarray:
    """Return whole numbers from 0, or say what is wrong."""
    if isinstance(column, Categories) or column.values.shape[1] != 1:
        problems.append(f"'{name}' holds text or categories; {what} is a whole number from 0")
        return np.zeros(1)
    values = column.values[:, 0]
    known = values[np.isfinite(values)]
    below, broken = int(np.sum(known < 0)), int(np.sum(known != np.rint(known)))
    if below:
        problems.append(f"'{name}' is negative in {below} row(s); {what} is a whole number from 0")
    if broken:
        problems.append(
            f"'{name}' is not a whole number in {broken} row(s); {what} is a whole number from 0 (for a "
            "rate, model the count with the logarithm of the exposure as offset)"
        )
    return values


def _counts(column: Column, name: str, family: str, problems: list[str]) -> Found:
    return _whole(column, name, f"an outcome of family '{family}'", problems), None, ()


def _binary(
    column: Column, name: str, frame: pd.DataFrame, weights: str | None, problems: list[str]
) -> Found:
    if isinstance(column, Categories):
        values, levels = _two_categories(column, name, problems)
    else:
        values, levels = column.values[:, 0], ()
        known = values[np.isfinite(values)]
        outside = int(np.sum((known < 0.0) | (known > 1.0)))
        if outside:
            problems.append(
                f"'{name}' is below 0 or above 1 in {outside} row(s); a binomial outcome is 0 or 1, two "
                "categories, cbind(success, failure), or a proportion with weights='trials'"
            )
        elif weights is None and np.any((known != 0.0) & (known != 1.0)):
            problems.append(
                f"'{name}' holds proportions; name the column with the number of trials, "
                "weights='trials', or write cbind(success, failure)"
            )
    if weights is None:
        return values, np.ones(len(values)), levels
    trials = _trials(frame, weights, problems)
    if problems:
        return values, trials, levels
    successes = values * trials
    known = np.isfinite(successes)
    apart = np.abs(successes - np.rint(successes)) > WHOLE * np.maximum(1.0, np.abs(successes))
    broken = int(np.sum(apart & known))
    if broken:
        problems.append(
            f"'{name}' times the trials '{weights}' is not a whole number of successes in {broken} row(s)"
        )
    return np.rint(successes), trials, levels


def _two_categories(column: Categories, name: str, problems: list[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    used = np.unique(column.codes[column.codes >= 0])
    if len(used) > 2:
        problems.append(
            f"'{name}' has {len(used)} categories; a binomial outcome has two. For ordered categories use "
            "family='ordinal'"
        )
    if len(used) == 1:
        problems.append(f"the outcome '{name}' has one category only")
    codes = np.searchsorted(used, column.codes).astype(float)
    codes[column.codes < 0] = np.nan
    return codes, tuple(column.levels[k] for k in used)


def _trials(frame: pd.DataFrame, weights: str, problems: list[str]) -> np.ndarray:
    try:
        trials = frame[weights].to_numpy(dtype=float)
    except (TypeError, ValueError):
        problems.append(
            f"the weights '{weights}' hold text; for a binomial outcome they are numbers of trials"
        )
        return np.ones(len(frame))
    known = trials[np.isfinite(trials)]
    broken = int(np.sum((known < 1) | (known != np.rint(known))))
    if broken:
        problems.append(
            f"the weights '{weights}' are not a whole number from 1 in {broken} row(s); for a binomial "
            "outcome they are numbers of trials"
        )
    return trials


def _ordered(column: Column, name: str, frame: pd.DataFrame, formula: Formula, problems: list[str]) -> Found:
    if isinstance(column, Categories):
        if not _has_order(frame, name):
            problems.append(
                f"'{name}' holds text, whose order is unknown; make it numbers, or a pandas Categorical "
                "with its categories in order"
            )
        codes = column.codes.astype(float)
        codes[column.codes < 0] = np.nan
        return codes, None, column.levels
    values = column.values[:, 0]
    known = np.isfinite(values)
    distinct, at = np.unique(values[known], return_inverse=True)
    if len(distinct) > MOST_CATEGORIES:
        problems.append(
            f"'{name}' has {len(distinct)} different values; an ordinal outcome has at most "
            f"{MOST_CATEGORIES}. Use family='gaussian'"
        )
    codes = np.full(len(values), np.nan)
    codes[known] = at
    codes[np.isinf(values)] = np.inf
    return codes, None, tuple(f"{v:g}" for v in distinct)


def _has_order(frame: pd.DataFrame, name: str) -> bool:
    import pandas as pd

    if name not in frame.columns:
        return False
    kind = frame[name].dtype
    return isinstance(kind, pd.CategoricalDtype) or bool(pd.api.types.is_bool_dtype(kind))
