"""Which rows are one person's, at which wave; and refusals of what the data cannot bear.

The person of a residual structure is the lowest level: either a grouping factor of the formula, or one
below all of them, which then enters without random effects.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from implstats.errors import DataError, ModelError, NotSupportedError, UsageError
from implstats.mixed.design.build import Design, RandomPart
from implstats.mixed.design.clusters import Clusters, ancestors, number_clusters
from implstats.mixed.residual.structure import Structure
from implstats.mixed.residual.term import ResidualTerm

if TYPE_CHECKING:
    import pandas as pd

MOST_WAVES = 40  # pairs of waves are kept apart: 820 of them
MOST_UNSTRUCTURED = 12  # 78 covariances


@dataclass(frozen=True, slots=True, kw_only=True)
class Waves:
    """Waves of the rows in use.

    Attributes
    ----------
    codes : ndarray, (n,) integers
        Number of each row's wave, 0 to W - 1.
    labels : tuple of str, (W,)
    numbers : tuple of int, (W,)
        Wave numbers, from which distances are taken; positions for categories.
    """

    codes: np.ndarray
    labels: tuple[str, ...]
    numbers: tuple[int, ...]

    def led_by(self, lead: int) -> Waves:
        """Return the same waves with wave ``lead`` as number zero and the others after it in their order.

        >>> Waves(codes=np.array([0, 1, 2]), labels=("a", "b", "c"), numbers=(0, 1, 2)).led_by(1)
        Waves(codes=array([1, 0, 2]), labels=('b', 'a', 'c'), numbers=(1, 0, 2))
        """
        order = [lead, *(k for k in range(len(self.labels)) if k != lead)]
        place = np.argsort(order)
        return Waves(
            codes=place[self.codes], labels=tuple(self.labels[k] for k in order),
            numbers=tuple(self.numbers[k] for k in order),
        )  # fmt: skip


def read_waves(term: ResidualTerm, series: pd.Series) -> Waves:
    """Return the waves of a column without missing values.

    Raises
    ------
    DataError
        Numbers that are not whole, or text where distances are needed.
    NotSupportedError
        Too many waves.
    """
    import pandas as pd

    if pd.api.types.is_numeric_dtype(series.dtype):
        values = series.to_numpy(dtype=float)
        broken = int(np.sum(~np.isfinite(values) | (values != np.rint(values))))
        if broken:
            raise DataError(
                f"'{term.wave}' is not a whole number in {broken} of {len(values)} rows, but {term.kind} "
                "needs wave numbers such as 0, 1, 2. Number the waves, or let a random slope of time, "
                f"(1 + {term.wave} | {':'.join(term.person)}), carry the change."
            )
        found, codes = np.unique(values.astype(np.int64), return_inverse=True)
        numbers, labels = tuple(int(v) for v in found), tuple(str(v) for v in found)
    else:
        if term.kind in ("ar1", "ar1ident"):
            raise DataError(
                f"'{term.wave}' holds text or categories, but {term.kind} needs distances between waves. "
                "Give the number of each wave, such as 0, 1, 2."
            )
        category = series.astype("category").cat.remove_unused_categories()
        codes = category.cat.codes.to_numpy().astype(np.int64)
        labels = tuple(str(v) for v in category.cat.categories)
        numbers = tuple(range(len(labels)))
    most = MOST_UNSTRUCTURED if term.kind == "un" else MOST_WAVES
    if len(labels) > most:
        instead = "ar1ident" if term.kind == "un" else "a random slope of time"
        raise NotSupportedError(
            f"'{term.wave}' has {len(labels)} waves; {term.kind} is fitted with at most {most}. Use "
            f"{instead}, or join waves."
        )
    return Waves(codes=codes.reshape(-1), labels=labels, numbers=numbers)


def with_persons(design: Design, frame: pd.DataFrame, term: ResidualTerm) -> tuple[Design, Waves]:
    """Return the design with the person as its lowest level, and the waves of its rows.

    Raises
    ------
    DataError
        A person with two rows at one wave; waves that are not whole numbers.
    ModelError
        The person is not the lowest level, or the structure leaves nothing for its random effects.
    NotSupportedError
        Crossed factors.
    """
    used = frame.iloc[design.rows]
    person = number_clusters(used, term.person)
    waves = read_waves(term, used[term.wave])
    _refuse_duplicates(person, waves, term)
    levels = _levels(design, person, term)
    own = levels[0].names
    if term.kind == "un" and own:
        raise ModelError(
            f"{term.text} already holds every variance and covariance of the waves of one '{person.name}', "
            f"so random effects of '{person.name}' ({', '.join(own)}) cannot be told from it. Drop that "
            f"random term, or keep it and use ar1ident({term.wave} | {':'.join(term.person)})."
        )
    if len(waves.labels) == 1 and term.kind != "ident":
        raise ModelError(
            f"'{term.wave}' has one wave in the rows in use; {term.kind} needs two. Drop residual."
        )
    if len(waves.labels) == 1 and not any(level.names for level in levels):
        raise UsageError(
            f"'{term.wave}' has one wave and the formula no random term, so there is nothing to estimate but "
            "one variance. Use a regression without clusters."
        )
    _refuse_unseen_pairs(person, waves, term)
    return replace(design, levels=levels, parents=ancestors([level.clusters for level in levels])), waves


def _refuse_duplicates(person: Clusters, waves: Waves, term: ResidualTerm) -> None:
    W = len(waves.labels)
    count = np.bincount(person.codes * W + waves.codes, minlength=person.size * W)
    twice = int(np.sum(count > 1))
    if twice:
        persons = len(np.unique(np.flatnonzero(count > 1) // W))
        new = "" if len(term.person) > 1 else (
            f" If '{person.name}' ids start anew in each cluster, write {term.kind}({term.wave} | "
            f"cluster/{person.name})."
        )  # fmt: skip
        raise DataError(
            f"{persons} of {person.size} '{person.name}' have more than one row at a wave of '{term.wave}' "
            f"({twice} cases, {int(count.max())} rows at most). A residual structure needs one row for each "
            f"person and wave.{new}"
        )


def _levels(design: Design, person: Clusters, term: ResidualTerm) -> tuple[RandomPart, ...]:
    for low, high in pairwise(design.levels):
        if not _within(low.clusters, high.clusters):
            raise NotSupportedError(
                f"'{low.clusters.name}' and '{high.clusters.name}' are crossed; residual structures are "
                f"fitted with nested factors only. Enter one as fixed categories, or leave out {term.text}."
            )
    lowest = design.levels[0].clusters if design.levels else None
    if lowest is not None and lowest.size == person.size and _within(lowest, person):
        return design.levels
    if lowest is not None and not _within(person, lowest):
        below = [level.clusters.name for level in design.levels if _within(level.clusters, person)]
        why = (
            f"the random term of '{below[0]}' lies below it. Drop that term, or give the structure to "
            f"'{below[0]}'" if below else
            f"it is crossed with '{lowest.name}'. If '{person.name}' ids start anew in each '{lowest.name}', "
            f"write {term.kind}({term.wave} | {lowest.name}/{person.name})"
        )  # fmt: skip
        raise ModelError(f"The '{person.name}' of {term.text} must be the lowest level, but {why}.")
    n = len(design.y)
    bare = RandomPart(clusters=person, Z=np.empty((n, 0)), names=(), blocks=())
    return (bare, *design.levels)


def _within(lower: Clusters, upper: Clusters) -> bool:
    """Return whether each lower cluster lies in one upper cluster."""
    return bool(np.all(upper.codes[lower.first][lower.codes] == upper.codes))


def _refuse_unseen_pairs(person: Clusters, waves: Waves, term: ResidualTerm) -> None:
    if term.kind == "ident":
        return
    seen = np.zeros((person.size, len(waves.labels)))
    seen[person.codes, waves.codes] = 1.0
    together = seen.T @ seen
    a, b = np.nonzero(np.tril(together == 0.0, k=-1))
    if term.kind == "un" and len(a):
        pairs = ", ".join(
            f"{waves.labels[j]} and {waves.labels[i]}" for i, j in list(zip(a, b, strict=True))[:3]
        )
        raise ModelError(
            f"No '{person.name}' has rows at both waves of {len(a)} pair(s): {pairs}. Their covariance "
            f"cannot be estimated. Use ar1ident({term.wave} | {':'.join(term.person)}), which needs no "
            "pair in particular."
        )
    if len(a) == len(waves.labels) * (len(waves.labels) - 1) // 2:
        raise ModelError(
            f"No '{person.name}' has more than one wave, so {term.text} has no correlation to estimate. Use "
            f"ident({term.wave} | {':'.join(term.person)}), or drop residual."
        )
    if term.kind != "un":
        _refuse_even_distances(together, waves, term)


def _refuse_even_distances(together: np.ndarray, waves: Waves, term: ResidualTerm) -> None:
    at = np.array(waves.numbers)
    distances = np.abs(at[:, None] - at[None, :])[together > 0.0]
    step = int(np.gcd.reduce(distances))
    if step > 0 and step % 2 == 0:
        raise DataError(
            f"The waves of '{term.wave}' that persons have in common all lie a multiple of {step} apart, so "
            f"the sign of the correlation one wave apart cannot be known. Divide the wave numbers by {step}."
        )


def refuse_unidentified(
    term: ResidualTerm, levels: tuple[RandomPart, ...], structure: Structure, *, wanted: int, found: int
) -> None:
    """Raise ModelError if the waves cannot tell the parameters of one person's covariance apart."""
    if found >= wanted:
        return
    own = f" and the random effects of '{levels[0].clusters.name}'" if levels[0].names else ""
    simpler = "the random effects of the person" if own else "residual"
    raise ModelError(
        f"{term.text}{own} have {wanted} variances and correlations, of which {structure.width} waves can "
        f"tell {found} apart. Drop {simpler}, or take a simpler structure."
    )
