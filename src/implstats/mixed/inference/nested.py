"""Is one model a special case of another? By what their columns span, whatever they are called.

The fixed part is nested if each of its columns lies in the span of the other's. The random part is nested if
each level's clusters are a level of the other, and each block of effects that may correlate lies in the span
of one block there, and if its residual structure is a special case of the other's: then every covariance
matrix of the smaller model is one of the larger.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from implstats.mixed.design.build import Design, RandomPart
from implstats.mixed.fitted import Fitted
from implstats.mixed.residual.term import ResidualTerm
from implstats.results import Check

INCLUDES: dict[str, tuple[str, ...]] = {
    "ar1": ("ar1",), "ident": ("ident",), "ar1ident": ("ar1", "ident", "ar1ident"),
    "un": ("ar1", "ident", "ar1ident", "un"),
}  # fmt: skip
OUTSIDE = 1e-7  # share of a column outside a span, as in dropping collinear columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Nesting:
    """How the smaller model lies in the larger.

    Attributes
    ----------
    nested : bool
    same_fixed : bool
        The fixed parts span the same.
    variances : int
        Variances of the larger model that are zero in the smaller.
    """

    nested: bool
    same_fixed: bool
    variances: int


def nesting(smaller: Fitted, larger: Fitted) -> Nesting:
    """Return whether ``smaller`` is a special case of ``larger``; both on the same rows."""
    # An offset is a column with a coefficient of one: what the offsets differ by must be in the span as well.
    between = (smaller.design.y - larger.design.y)[:, None] * _root_weights(larger.design)
    spread = float(np.std(outcome(larger.design)))
    same_offset = float(np.abs(between).max()) <= OUTSIDE * spread
    inside = within_span(smaller.scaled.Q, larger.scaled.Q) and (
        same_offset or within_span(between, larger.scaled.Q)
    )
    same = inside and smaller.scaled.Q.shape[1] == larger.scaled.Q.shape[1]
    random, zero = random_inside(smaller.design, larger.design)
    nested = inside and random and _residual_inside(smaller.residual, larger.residual)
    return Nesting(nested=nested, same_fixed=same, variances=zero)


def random_inside(smaller: Design, larger: Design) -> tuple[bool, int]:
    """Return whether the random part lies in the larger one's, and how many variances it lacks."""
    nested, zero = True, sum(len(level.names) for level in larger.levels)
    for part in smaller.levels:
        match = [
            level for level in larger.levels if np.array_equal(level.clusters.codes, part.clusters.codes)
        ]
        homes = [_home(part, block, match[0]) if match else None for block in part.blocks]
        nested = nested and None not in homes
        zero -= len(part.names)
    return nested, zero


def _residual_inside(smaller: ResidualTerm | None, larger: ResidualTerm | None) -> bool:
    if smaller is None or larger is None:
        return smaller is None
    same_place = (smaller.wave, smaller.person) == (larger.wave, larger.person)
    return same_place and smaller.kind in INCLUDES[larger.kind]


def _home(part: RandomPart, block: tuple[int, ...], other: RandomPart) -> int | None:
    """Return the block of ``other`` whose effects span those of a block, or None."""
    for number, wide in enumerate(other.blocks):
        if within_span(part.Z[:, list(block)], np.linalg.qr(other.Z[:, list(wide)])[0]):
            return number
    return None


def outcome(design: Design) -> np.ndarray:
    """Return the outcome, (n,), the offset included."""
    return design.y if design.offset is None else design.y + design.offset


def _root_weights(design: Design) -> np.ndarray:
    return np.ones((len(design.y), 1)) if design.weights is None else np.sqrt(design.weights)[:, None]


def within_span(columns: np.ndarray, Q: np.ndarray) -> bool:
    """Return whether columns (n, k) lie in the span of orthonormal Q (n, p).

    >>> within_span(np.array([[1.0], [1.0]]), np.array([[1.0], [0.0]]))
    False
    """
    rest = columns - Q @ (Q.T @ columns)
    size, outside = np.linalg.norm(columns, axis=0), np.linalg.norm(rest, axis=0)
    return bool(np.all(outside <= OUTSIDE * size))


def mixture_checks(lies: Nesting) -> tuple[Check, ...]:
    """Say what the boundary does to the p-value of variances that are zero under the null hypothesis."""
    if not lies.nested or lies.variances == 0:
        return ()
    message = (
        "A variance cannot be negative, so p_chisq is too large; p_mixture takes the boundary into "
        "account."
        if lies.variances == 1 else
        f"{lies.variances} variances are zero under the null hypothesis; p_chisq is conservative and the "
        "weights of the boundary mixture are not known. Compare models that differ by one random term."
    )  # fmt: skip
    return (Check(name="boundary_mixture", status="info", message=message),)
