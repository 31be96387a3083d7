"""Stage ``score``: scores of one table's scales, and what their items say about them."""

from __future__ import annotations

import pandas as pd

from implstats.pipeline.context import Context
from implstats.pipeline.files import write_parquet
from implstats.pipeline.parts import write_answer
from implstats.questions.describe import describe_table
from implstats.scales import score_table


def run(context: Context, table: str) -> None:
    """Score one table; write the scored table and the rows on scales, agreement and missing values."""
    frame = pd.read_parquet(context.paths.long(table))
    keys = context.keys_of(table)
    scored = pd.concat([frame, score_table(frame, list(keys.values()))], axis=1)
    write_parquet(context.paths.scored(table), scored)
    write_answer(context.paths.part("score", table), describe_table(scored, table, keys, context.study))
