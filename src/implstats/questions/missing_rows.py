"""How much is missing: scores, answers behind them, and declared variables, by wave.

``share_missing`` of a scale is the share of rows without a score; ``share_answers_missing`` the share of
skipped answers among all answers to its items, which a score with enough valid items hides.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from implstats.results import Row

if TYPE_CHECKING:
    import pandas as pd

    from implstats.questions.describe import DescribedTable


def missing_rows(described: DescribedTable) -> list[Row]:
    """Return the share of missing values of every scale and of every variable that the study declares."""
    variables = [name for name in described.table.variables if name in described.frame]
    names = list(dict.fromkeys([*described.keys, *variables]))
    return [
        row
        for wave, frame in described.waves()
        for name in names
        for row in _rows(described, name, wave, frame)
    ]


def _rows(described: DescribedTable, name: str, wave: str, frame: pd.DataFrame) -> Iterator[Row]:
    shares = {"share_missing": ("share of rows", frame[[name]])}
    if name in described.keys and len(described.keys[name].items) > 1:
        shares["share_answers_missing"] = ("share of answers", frame[list(described.keys[name].items)])
    n = len(frame)
    small = n < described.min_cell
    for quantity, (unit, values) in shares.items():
        yield Row(
            study=described.study, analysis="missing", block=described.name, term=name, level=wave,
            quantity=quantity, estimate=None if small else float(np.mean(values.isna().to_numpy())),
            n_obs=None if small else n, unit=unit, suppressed=small, reason="few persons" if small else "",
        )  # fmt: skip
