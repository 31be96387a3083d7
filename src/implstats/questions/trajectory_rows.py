"""Observed means by cluster and wave, with intervals; means of few persons are withheld.

The cluster level is the highest one, where institutions stand in such studies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from implstats.questions.means import Mean, describe_mean
from implstats.results import Row

if TYPE_CHECKING:
    from implstats.questions.describe import DescribedTable

CI_LEVEL = 0.95


def trajectory_rows(described: DescribedTable) -> list[Row]:
    """Return the mean of every scale by wave: over all persons, and for each cluster of the highest level."""
    level = described.table.clusters[-1].name if described.table.clusters else ""
    rows: list[Row] = []
    for scale in described.keys:
        for wave, frame in described.waves():
            rows.append(_row(described, scale, wave, "all", level, frame[scale].to_numpy(dtype=float)))
            if level:
                groups = frame.groupby(level, observed=True, sort=True)[scale]
                rows += [
                    _row(described, scale, wave, str(cluster), level, values.to_numpy(dtype=float))
                    for cluster, values in groups
                ]
    return rows


def _row(described: DescribedTable, scale: str, wave: str, term: str, level: str, values: np.ndarray) -> Row:
    mean: Mean = describe_mean(values, ci_level=CI_LEVEL)
    small = 0 < mean.n < described.min_cell
    empty = mean.n == 0
    return Row(
        study=described.study, analysis="trajectories", block=scale, term=term, level=wave, quantity="mean",
        estimate=None if small else mean.mean, std_error=None if small else mean.std_error,
        conf_low=None if small else mean.conf_low, conf_high=None if small else mean.conf_high,
        conf_level=CI_LEVEL, n_obs=None if small else mean.n, unit=level, suppressed=small,
        reason="few persons" if small else ("nobody answered" if empty else ""),
    )  # fmt: skip
