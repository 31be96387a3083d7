"""Questions: from scored tables to rows of the results data set.

One file a kind of question says how it becomes a model (a formula or a lavaan text with its data);
``mixed_rows`` and ``sem_rows`` turn a fit into rows; ``answer`` puts them together.
"""

from implstats.questions.answer import answer_question, answer_questions
from implstats.questions.base import Answer, Entry, NamedCheck, Scored

__all__ = ["Answer", "Entry", "NamedCheck", "Scored", "answer_question", "answer_questions"]
