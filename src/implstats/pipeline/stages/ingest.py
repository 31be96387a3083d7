"""Stage ``ingest``: the raw files of one table become one long table, a codebook, issues and a flow of n."""

from __future__ import annotations

from dataclasses import asdict

import pandas as pd

from implstats.ingest import ingest_study
from implstats.ingest.records import IngestedTable
from implstats.pipeline.context import Context
from implstats.pipeline.files import write_json, write_parquet
from implstats.results.files import replacing


def run(context: Context, table: str) -> None:
    """Ingest one table and write it below ``data/processed``."""
    ingested = ingest_study(context.only(table), context.paths.root)[table]
    write_parquet(context.paths.long(table), _without_attributes(ingested.frame))
    with replacing(context.paths.codebook(table)) as temporary:
        ingested.codebook.to_csv(temporary, index=False)
    write_json(context.paths.ingest_notes(table), _notes(ingested))


def _without_attributes(frame: pd.DataFrame) -> pd.DataFrame:
    """Labels live in the codebook; a Parquet file cannot hold label tables keyed by number."""
    out = frame.copy(deep=False)
    out.attrs = {}
    return out


def _notes(ingested: IngestedTable) -> dict[str, list[dict[str, object]]]:
    return {
        "issues": [asdict(issue) for issue in ingested.issues],
        "flow": [asdict(step) for step in ingested.flow],
    }
