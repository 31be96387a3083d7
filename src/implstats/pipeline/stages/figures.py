"""Stage ``figures``: the figures, from the results data set alone."""

from __future__ import annotations

from implstats.pipeline.context import Context
from implstats.report.figures import write_figures


def run(context: Context) -> None:
    """Draw the figures in the formats that the study asks for."""
    write_figures(context.paths.results)
