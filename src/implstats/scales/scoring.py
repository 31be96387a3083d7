"""Scores: one number a person and scale, from item answers and a key.

For person i with answers x_ij to the J items of a scale (minimum a, maximum b):

    reversed item       x'_ij = a + b - x_ij
    mean                s_i = mean of the valid x_ij
    sum                 s_i = J * mean of the valid x_ij       (prorated: a skipped item counts as the
                                                                person's own mean, never as zero)
    mean of subscales   s_i = mean of the subscale means; every subscale must have a score

A score exists only with at least ``min_valid`` answers; below it is missing. Items reversed "for the total
only" keep their own direction in their subscale. For a mean of subscales, the subscale that enters the total
is therefore reversed on its way in.

A key is any object with the fields of :class:`implstats.study.keys.ScaleKey`; this room does not import it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from implstats.errors import DataError
from implstats.scales.items import value_matrix

if TYPE_CHECKING:
    import pandas as pd


class Key(Protocol):
    """What scoring asks of a key; see :class:`implstats.study.keys.ScaleKey`."""

    @property
    def name(self) -> str: ...
    @property
    def items(self) -> tuple[str, ...]: ...
    @property
    def subscales(self) -> tuple[tuple[str, tuple[str, ...]], ...]: ...
    @property
    def reverse(self) -> frozenset[str]: ...
    @property
    def reverse_total(self) -> frozenset[str]: ...
    @property
    def minimum(self) -> float: ...
    @property
    def maximum(self) -> float: ...
    @property
    def score(self) -> str: ...
    @property
    def subscale_score(self) -> str: ...
    @property
    def min_valid(self) -> int: ...
    @property
    def min_valid_subscale(self) -> int | None: ...


def reverse_items(
    answers: np.ndarray, *, items: Sequence[str], reverse: frozenset[str], minimum: float, maximum: float
) -> np.ndarray:
    """Return a copy of (n, J) answers with the named items turned round; twice gives the answers back.

    >>> reverse_items(np.array([[1.0, 5.0]]), items=["a", "b"], reverse=frozenset("b"), minimum=1, maximum=5)
    array([[1., 1.]])
    """
    turn = np.array([item in reverse for item in items], dtype=bool)
    return np.where(turn, minimum + maximum - answers, answers)


def prorated(answers: np.ndarray, *, rule: str, min_valid: int) -> np.ndarray:
    """Return the (n,) mean or prorated sum of (n, J) answers; NaN with fewer than ``min_valid`` answers.

    >>> prorated(np.array([[1.0, 2.0, np.nan], [np.nan, np.nan, 3.0]]), rule="sum", min_valid=2)
    array([4.5, nan])
    """
    valid = ~np.isnan(answers)
    count = valid.sum(axis=1)
    total = np.where(valid, answers, 0.0).sum(axis=1)
    enough = count >= max(min_valid, 1)
    mean = np.divide(total, count, out=np.full(len(answers), np.nan), where=enough)
    return mean * answers.shape[1] if rule == "sum" else mean


def score_table(frame: pd.DataFrame, keys: Mapping[str, Key] | Iterable[Key]) -> pd.DataFrame:
    """Return the scores of a table's scales; the frame itself is not changed.

    Parameters
    ----------
    frame : DataFrame
        Item columns, one row a person (and wave).
    keys : mapping of str to key, or iterable of keys
        Keys of the scales of this table, such as :func:`implstats.study.keys.resolve_scales` returns.

    Returns
    -------
    DataFrame
        The frame's index; a float column ``<scale>`` for each key and ``<scale>.<subscale>`` for each of its
        subscales, in answer points (or sums of them); NaN where too few items were answered.

    Raises
    ------
    DataError
        If item columns are absent, hold text or answers outside the key's range: all of them at once.
    """
    import pandas as pd

    wanted = list(keys.values()) if isinstance(keys, Mapping) else list(keys)
    problems: list[str] = []
    columns: dict[str, np.ndarray] = {}
    for key in wanted:
        answers, found = value_matrix(frame, key.items, minimum=key.minimum, maximum=key.maximum)
        problems.extend(f"{key.name}: {problem}" for problem in found)
        if not found:
            columns.update(score_answers(answers, key))
    if problems:
        raise DataError("The scales cannot be scored:\n" + "\n".join(f"  {line}" for line in problems))
    return pd.DataFrame(columns, index=frame.index)


def score_answers(answers: np.ndarray, key: Key) -> dict[str, np.ndarray]:
    """Return the (n,) total and subscale scores of (n, J) raw answers, by column name."""
    turned = reverse_items(
        answers, items=key.items, reverse=key.reverse, minimum=key.minimum, maximum=key.maximum
    )
    total_only = key.reverse_total - key.reverse
    for_total = reverse_items(
        turned, items=key.items, reverse=total_only, minimum=key.minimum, maximum=key.maximum
    )
    if key.score == "mean_of_subscales":
        total = _mean_of_subscales(for_total, key)
    else:
        total = prorated(for_total, rule=key.score, min_valid=key.min_valid)
    scores = {key.name: total}
    for subscale, columns in _subscale_columns(key):
        needed = _needed(key, len(columns))
        scores[f"{key.name}.{subscale}"] = prorated(
            turned[:, columns], rule=key.subscale_score, min_valid=needed
        )
    return scores


def _mean_of_subscales(for_total: np.ndarray, key: Key) -> np.ndarray:
    means = [
        prorated(for_total[:, columns], rule="mean", min_valid=_needed(key, len(columns)))
        for _, columns in _subscale_columns(key)
    ]
    enough = (~np.isnan(for_total)).sum(axis=1) >= key.min_valid
    return np.where(enough, np.mean(means, axis=0), np.nan)


def _subscale_columns(key: Key) -> list[tuple[str, list[int]]]:
    place = {item: j for j, item in enumerate(key.items)}
    return [(name, [place[item] for item in items]) for name, items in key.subscales]


def _needed(key: Key, n_items: int) -> int:
    """Fewest answers of a subscale: the key's, never more than it has items, else half rounded up."""
    return min(key.min_valid_subscale or (n_items + 1) // 2, n_items)
