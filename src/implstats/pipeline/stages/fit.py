"""Stage ``fit``: every question on one table is put to its estimator, in one process."""

from __future__ import annotations

import sys

import pandas as pd

from implstats import (
    mixed,  # noqa: F401 - loaded here, so that start-up and computing can be told apart
    sem,  # noqa: F401
)
from implstats.pipeline.context import Context
from implstats.pipeline.parts import write_answer
from implstats.questions.answer import answer_questions
from implstats.questions.base import Scored


def run(context: Context, table: str) -> None:
    """Answer one table's questions and write their rows and checks."""
    answer = answer_questions(scored_tables(context, table), progress=_say)
    write_answer(context.paths.part("fit", table), answer)


def scored_tables(context: Context, table: str) -> Scored:
    """Return one table's scores with the questions put to it."""
    frame = pd.read_parquet(context.paths.scored(table))
    return Scored(study=context.only(table), keys=context.keys_of(table), tables={table: frame})


def _say(question: str) -> None:
    print(f"fitting {question}", file=sys.stderr, flush=True)
