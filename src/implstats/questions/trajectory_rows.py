"""Observed means by cluster and wave, with intervals; means of few persons are withheld.

The cluster level is the highest one, where institutions stand in such studies. Where one cluster is small,
the next smallest is withheld too: otherwise the mean of all would give the small one away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from implstats.questions.distribution_rows import withheld
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
            everyone = frame[scale].to_numpy(dtype=float)
            few = 0 < int(np.isfinite(everyone).sum()) < described.min_cell
            rows.append(_row(described, scale, wave, "all", level, everyone, small=few))
            if level:
                groups = list(frame.groupby(level, observed=True, sort=True)[scale])
                # The mean of all less the others' would give a single withheld mean away.
                hidden = withheld(
                    np.array([values.notna().sum() for _, values in groups]), described.min_cell
                )
                rows += [
                    _row(
                        described, scale, wave, str(cluster), level, values.to_numpy(dtype=float), small=small
                    )
                    for (cluster, values), small in zip(groups, hidden.tolist(), strict=True)
                ]
    return rows


def _row(
    described: DescribedTable,
    scale: str,
    wave: str,
    term: str,
    level: str,
    values: np.ndarray,
    *,
    small: bool,
) -> Row:
    mean: Mean = describe_mean(values, ci_level=CI_LEVEL)
    empty = mean.n == 0
    return Row(
        study=described.study, analysis="trajectories", block=scale, term=term, level=wave, quantity="mean",
        estimate=None if small else mean.mean, std_error=None if small else mean.std_error,
        conf_low=None if small else mean.conf_low, conf_high=None if small else mean.conf_high,
        conf_level=CI_LEVEL, n_obs=None if small else mean.n, unit=level, suppressed=small,
        reason="few persons" if small else ("nobody answered" if empty else ""),
    )  # fmt: skip
