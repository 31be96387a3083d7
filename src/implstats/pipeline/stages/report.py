"""Stage ``report``: the page that a person opens, and the hashes of everything beside it."""

from __future__ import annotations

from implstats.pipeline.context import Context
from implstats.report.page import write_report
from implstats.results.sums import write_sums


def run(context: Context) -> None:
    """Write the report, then the SHA-256 of every file of the results folder."""
    write_report(context.paths.results)
    write_sums(context.paths.results)
