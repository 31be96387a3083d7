"""How much is missing: the share of rows without a value, by scale and declared variable, by wave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from implstats.results import Row

if TYPE_CHECKING:
    from implstats.questions.describe import DescribedTable


def missing_rows(described: DescribedTable) -> list[Row]:
    """Return the share of missing values of every scale and of every variable that the study declares."""
    variables = [name for name in described.table.variables if name in described.frame]
    names = list(dict.fromkeys([*described.keys, *variables]))
    rows = []
    for wave, frame in described.waves():
        n = len(frame)
        small = n < described.min_cell
        for name in names:
            share = None if small else float(frame[name].isna().mean())
            rows.append(
                Row(study=described.study, analysis="missing", block=described.name, term=name, level=wave,
                    quantity="share_missing", estimate=share, n_obs=None if small else n,
                    unit="share of rows", suppressed=small, reason="few persons" if small else "")
            )  # fmt: skip
    return rows
