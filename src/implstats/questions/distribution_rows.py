"""How a scale's scores are spread: shares of persons in bins of equal width, by wave.

A bin with few persons is withheld, and so is the next smallest one when a single withheld bin could be
found by subtraction from the wave's total.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from implstats.results import Row

if TYPE_CHECKING:
    from implstats.questions.describe import DescribedTable

N_BINS = 12


def distribution_rows(described: DescribedTable) -> list[Row]:
    """Return the shares of persons in each bin, for every scale and wave."""
    rows: list[Row] = []
    for scale, key in described.keys.items():
        low, high = score_range(key)
        edges = np.linspace(low, high, N_BINS + 1)
        for wave, frame in described.waves():
            values = frame[scale].to_numpy(dtype=float)
            counts, _ = np.histogram(values[~np.isnan(values)], bins=edges)
            rows += _rows(described, scale, wave, edges, counts)
    return rows


def score_range(key: object) -> tuple[float, float]:
    """Return the lowest and highest possible score of a scale, in score points."""
    n_items = len(key.items) if key.score == "sum" else 1  # type: ignore[attr-defined]
    return key.minimum * n_items, key.maximum * n_items  # type: ignore[attr-defined]


def withheld(counts: np.ndarray, min_cell: int) -> np.ndarray:
    """Return which cells to withhold, (cells,), so that none can be found from the total.

    Empty cells tell nothing about a person and stay.

    >>> withheld(np.array([3, 20, 9, 0]), 5).tolist()
    [True, False, True, False]
    """
    small = (counts > 0) & (counts < min_cell)
    others = (counts > 0) & ~small
    if small.sum() == 1 and others.any():
        candidates = np.flatnonzero(others)
        small[candidates[np.argmin(counts[candidates])]] = True
    return small


def _rows(
    described: DescribedTable, scale: str, wave: str, edges: np.ndarray, counts: np.ndarray
) -> list[Row]:
    total = int(counts.sum())
    if total == 0:
        return []
    hidden = withheld(counts, described.min_cell)
    last = len(counts) - 1
    return [
        Row(
            study=described.study, analysis="scales", block=f"distribution:{scale}", level=wave,
            term=f"[{edges[k]:.6g}, {edges[k + 1]:.6g}{']' if k == last else ')'}", quantity="share",
            estimate=None if hidden[k] else float(counts[k] / total), n_obs=total, unit="share of persons",
            suppressed=bool(hidden[k]), reason="few persons" if hidden[k] else "",
        )
        for k in range(len(counts))
    ]  # fmt: skip
