"""Pearson correlations of the scales, by wave.

    interval: tanh(atanh(r) +- z / sqrt(n - 3))      (Fisher 1921)
    p: t = r sqrt((n - 2) / (1 - r^2)) on n - 2 df

Persons are taken as independent; with nested persons both are too optimistic, so the rows carry a caution.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri, stdtr

from implstats.results import Row

if TYPE_CHECKING:
    from implstats.questions.describe import DescribedTable

CI_LEVEL = 0.95
FEWEST = 4  # below that the interval's sqrt(n - 3) does not exist


def correlation_rows(described: DescribedTable) -> list[Row]:
    """Return the correlation of every pair of scales at every wave, pairwise complete."""
    rows: list[Row] = []
    for wave, frame in described.waves():
        for one, other in combinations(described.keys, 2):
            pair = frame[[one, other]].to_numpy(dtype=float)
            rows.append(_row(described, one, other, wave, pair[~np.isnan(pair).any(axis=1)]))
    return rows


def correlation_interval(r: float, n: int, *, ci_level: float = CI_LEVEL) -> tuple[float, float]:
    """Return Fisher's interval of a correlation of n pairs."""
    half = float(ndtri(0.5 + ci_level / 2)) / np.sqrt(n - 3)
    centre = np.arctanh(r)
    return float(np.tanh(centre - half)), float(np.tanh(centre + half))


def _row(described: DescribedTable, one: str, other: str, wave: str, pairs: np.ndarray) -> Row:
    n = len(pairs)
    common: dict[str, Any] = {
        "study": described.study, "analysis": "correlations", "block": described.name,
        "term": f"{one} ~~ {other}", "level": wave, "quantity": "correlation",
    }  # fmt: skip
    if n < max(FEWEST, described.min_cell):
        return Row(**common, suppressed=True, reason="few persons")
    common["n_obs"] = n
    if (pairs.std(axis=0) == 0).any():
        return Row(**common, verdict="failed", reason="one of the scales does not vary")
    r = float(np.corrcoef(pairs.T)[0, 1])
    if abs(r) >= 1:
        return Row(**common, estimate=r, reason="perfect correlation: no interval")
    t = r * np.sqrt((n - 2) / (1 - r * r))
    low, high = correlation_interval(r, n)
    return Row(
        **common, estimate=r, statistic=float(t), df=n - 2, df_method="n - 2",
        p_value=float(2 * stdtr(n - 2, -abs(t))), conf_low=low, conf_high=high, conf_level=CI_LEVEL,
        reason="persons are taken as independent" if described.table.clusters else "",
    )  # fmt: skip
