"""Weights of a wild cluster bootstrap: Rademacher and Webb, drawn or all of them.

Rademacher: -1 or 1. Webb: -sqrt(3/2), -1, -sqrt(1/2) and their opposites, for few clusters, where
Rademacher has few distinct samples. g and -g give the same |t*|, so J clusters have (number of values)^J / 2
distinct ones.
Reference: Webb (2023), Can. J. Econ. 56, 839-858.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

VALUES = {
    "rademacher": np.array([-1.0, 1.0]),
    "webb": np.array([-np.sqrt(1.5), -1.0, -np.sqrt(0.5), np.sqrt(0.5), 1.0, np.sqrt(1.5)]),
}
BLOCK = 4096  # draws held at once


def n_distinct(kind: str, J: int) -> int:
    """Return the number of distinct draws up to sign.

    >>> n_distinct("rademacher", 12)
    2048
    """
    return int(len(VALUES[kind]) ** J // 2)


def all_weights(kind: str, J: int) -> Iterator[np.ndarray]:
    """Yield every vector of weights up to sign, (block, J)."""
    values = VALUES[kind]
    base, total = len(values), n_distinct(kind, J)
    powers = base ** np.arange(J - 1, -1, -1)
    for at in range(0, total, BLOCK):
        # The first half of the numbers has a negative first weight; the second half are their opposites.
        number = np.arange(at, min(at + BLOCK, total))
        yield values[number[:, None] // powers % base]


def drawn_weights(kind: str, J: int, draws: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield drawn weights, (block, J)."""
    values = VALUES[kind]
    for at in range(0, draws, BLOCK):
        yield values[rng.integers(0, len(values), size=(min(BLOCK, draws - at), J))]
