"""Errors that a user can act on.

Every message says what is wrong (with the place and the value's nature), what is needed, and where to
change it. The command line turns ``exit_code`` into the process's exit status and prints the message
without a traceback; anything that is not an :class:`ImplstatsError` is a defect of the program.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class ImplstatsError(Exception):
    """Base of all errors that are meant to be read by a user; exit status 1."""

    exit_code = 1


class UsageError(ImplstatsError):
    """The call itself is wrong: an unknown option value, a formula that cannot be read; exit status 2."""

    exit_code = 2


class NotSupportedError(UsageError):
    """The request is understood but this version does not do it; the message names the alternative."""


class DataError(ImplstatsError):
    """The data cannot bear the analysis; exit status 1."""


class ModelError(ImplstatsError):
    """The model cannot be estimated from these data; exit status 1."""


class ProblemsError(ImplstatsError):
    """Several problems found in one pass, shown together.

    Parameters
    ----------
    where : str
        What was looked at, such as ``config/config.yaml``.
    problems : sequence of str
        One line a problem, each with its place and its remedy.
    """

    def __init__(self, where: str, problems: Sequence[str]) -> None:
        self.where = where
        self.problems = tuple(problems)
        count = len(self.problems)
        noun = "problem" if count == 1 else "problems"
        lines = "\n".join(f"  {line}" for line in self.problems)
        super().__init__(f"{where} has {count} {noun}:\n{lines}")


class StudyFileError(ProblemsError):
    """The study file is not valid."""


class IngestError(ProblemsError):
    """The raw files do not agree with the study file."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest known word, or an empty string.

    >>> did_you_mean("clsuter", ["cluster", "person"])
    "; did you mean 'cluster'?"
    >>> did_you_mean("zzz", ["cluster"])
    ''
    """
    pool = [str(k) for k in known]
    close = difflib.get_close_matches(str(word), pool, n=1, cutoff=0.6)
    if not close:
        folded = {k.casefold(): k for k in pool}
        close = [folded[str(word).casefold()]] if str(word).casefold() in folded else []
    return f"; did you mean '{close[0]}'?" if close else ""
