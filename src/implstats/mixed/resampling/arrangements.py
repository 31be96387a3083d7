"""Arrangements of cluster-level values over clusters: how many are distinct, all of them, or a sample."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from math import factorial, prod

import numpy as np

BLOCK = 4096  # arrangements held at once


def n_arrangements(labels: np.ndarray) -> int:
    """Return the number of distinct arrangements of labels, (J,) integers from 0.

    >>> n_arrangements(np.array([0, 0, 1, 1]))
    6
    """
    counts = np.bincount(labels)
    return factorial(len(labels)) // prod(factorial(int(c)) for c in counts)


def all_arrangements(labels: np.ndarray) -> Iterator[np.ndarray]:
    """Yield every distinct arrangement of labels, (block, J)."""
    source = _each(list(np.sort(labels)))
    while block := list(islice(source, BLOCK)):
        yield np.array(block)


def _each(labels: list[int]) -> Iterator[list[int]]:
    """Yield the arrangements of sorted labels in lexicographic order (Knuth's algorithm L)."""
    now = labels.copy()
    while True:
        yield now.copy()
        j = len(now) - 2
        while j >= 0 and now[j] >= now[j + 1]:
            j -= 1
        if j < 0:
            return
        k = len(now) - 1
        while now[j] >= now[k]:
            k -= 1
        now[j], now[k] = now[k], now[j]
        now[j + 1 :] = now[j + 1 :][::-1]


def drawn_arrangements(labels: np.ndarray, draws: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield random arrangements, (block, J)."""
    for at in range(0, draws, BLOCK):
        size = min(BLOCK, draws - at)
        yield labels[np.argsort(rng.random((size, len(labels))), axis=1)]
