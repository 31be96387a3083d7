"""Put each question to its estimator; a question that fails does not stop the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from implstats.errors import ImplstatsError
from implstats.questions.attrition import attrition_answer
from implstats.questions.base import Answer, Scored, join_answers
from implstats.questions.invariance import invariance_answers
from implstats.questions.mixed_follow_ups import FollowUps
from implstats.questions.mixed_rows import failed_answer, mixed_answer
from implstats.questions.mixed_tasks import mixed_task
from implstats.questions.sem_follow_ups import sem_follow_ups
from implstats.questions.sem_rows import sem_answer
from implstats.questions.sem_tasks import sem_tasks
from implstats.study.models import Attrition, Invariance, MixedQuestion, Question, SemQuestion

if TYPE_CHECKING:
    from implstats.sem import SemResult, TwoLevelResult


def answer_questions(
    scored: Scored, *, second_opinion: bool = False, progress: Callable[[str], None] | None = None
) -> Answer:
    """Return the answers to all questions of a study, in the order of the study file.

    Parameters
    ----------
    second_opinion : bool
        Also refit with statsmodels, semopy or another start, and add the comparison to the checks.
    progress : callable, optional
        Called with each question's name before it is answered.
    """
    answers = []
    for question in scored.study.questions:
        if progress is not None:
            progress(question.name)
        answers.append(answer_question(question, scored, second_opinion=second_opinion))
    return join_answers(answers)


def answer_question(question: Question, scored: Scored, *, second_opinion: bool = False) -> Answer:
    """Return the answer to one question; a model that cannot be fitted gives its reason and no number."""
    study = scored.study.study.name
    if isinstance(question, Attrition):
        block, quantity, run = "participation", "n_persons", _run_attrition
    elif isinstance(question, MixedQuestion):
        block, quantity, run = "fixed", "coefficient", _run_mixed
    elif isinstance(question, Invariance):
        block, quantity, run = "steps", "chisq", _run_invariance
    elif isinstance(question, SemQuestion):
        block, quantity, run = "parameters", "loading", _run_sem
    else:  # pragma: no cover - the discriminated union holds no other kind
        raise AssertionError(type(question).__name__)
    try:
        return run(question, scored, second_opinion)
    except ImplstatsError as error:
        return failed_answer(question.name, str(error), study=study, block=block, quantity=quantity)


def _run_attrition(question: Any, scored: Scored, second_opinion: bool) -> Answer:
    return attrition_answer(question, scored)


def _run_mixed(question: Any, scored: Scored, second_opinion: bool) -> Answer:
    from implstats import mixed

    task = mixed_task(question, scored)
    fit = mixed.fit(task.formula, task.frame, second_opinion=second_opinion, **task.options)
    return mixed_answer(task, fit, study=scored.study.study.name)


def _run_invariance(question: Any, scored: Scored, second_opinion: bool) -> Answer:
    return join_answers(invariance_answers(question, scored))


def _run_sem(question: Any, scored: Scored, second_opinion: bool) -> Answer:
    from implstats import sem

    study = scored.study.study.name
    answers = []
    for task in sem_tasks(question, scored):
        more = FollowUps()
        try:
            fit: SemResult | TwoLevelResult
            if task.levels:
                fit = sem.fit_two_level(task.model, task.frame, **task.options)
            else:
                fit = sem.fit(task.model, task.frame, second_opinion=second_opinion, **task.options)
                # The second opinion keeps only its comparison; nothing is drawn twice for it.
                more = more if second_opinion else sem_follow_ups(task, fit)
        except ImplstatsError as error:
            answers.append(
                failed_answer(task.analysis, str(error), study=study, block="parameters", quantity="loading")
            )
            continue
        answers.append(sem_answer(task, fit, study=study, more=more))
    return join_answers(answers)
