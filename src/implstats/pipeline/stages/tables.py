"""Stage ``tables``: the tables, from the results data set alone."""

from __future__ import annotations

from implstats.pipeline.context import Context
from implstats.report.tables import write_tables


def run(context: Context) -> None:
    """Write the tables in the formats that the study asks for."""
    write_tables(context.paths.results)
