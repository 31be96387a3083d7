"""Stage ``second-opinion``: the same models refitted by statsmodels and semopy where these are right.

It runs beside ``fit``, because loading those packages takes longer than all of our fits. Only the
comparison is kept, as checks; no number of theirs enters the results.
"""

from __future__ import annotations

from implstats.pipeline.context import Context
from implstats.pipeline.parts import write_answer
from implstats.pipeline.stages.fit import scored_tables
from implstats.questions.answer import answer_questions
from implstats.questions.base import Answer, NamedCheck

# Of mixed models, and of structural ones: another start, and semopy.
CHECK_NAMES = ("second_opinion", "other_starts", "semopy")


def run(context: Context, table: str) -> None:
    """Compare with other engines and write the checks; nothing to compare when the study declines it."""
    checks: tuple[NamedCheck, ...] = ()
    if context.study.outputs.second_opinion:
        answer = answer_questions(scored_tables(context, table), second_opinion=True)
        checks = tuple(c for c in answer.checks if c.check.name in CHECK_NAMES)
    write_answer(context.paths.part("second-opinion", table), Answer(checks=checks))
