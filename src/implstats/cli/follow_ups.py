"""What else a command can say of a fit: one name a question, one table an answer.

The catalogue here is that of ``implstats mixed``; ``implstats sem`` brings its own
(:mod:`implstats.cli.sem_follow_ups`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from implstats.cli.tables import frame_text
from implstats.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from implstats.mixed import MixedResult
    from implstats.results import Check


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Options that follow-ups share."""

    draws: int
    seed: int
    adjust: str
    contrasts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One table with its title and the checks that go with it."""

    name: str
    title: str
    frame: pd.DataFrame
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A question, with its argument if it has one, such as ``means=wave*arm``."""

    title: str
    argument: str
    ask: Callable[[Any, str, Any], list[Any]]


def _plain(function: str, **options: object) -> Callable[[MixedResult, str, Settings], list[Any]]:
    def ask(result: MixedResult, _: str, __: Settings) -> list[Any]:
        from implstats import mixed

        return [getattr(mixed, function)(result, **options)]

    return ask


def _means(result: MixedResult, argument: str, settings: Settings) -> list[Any]:
    from implstats import mixed

    specs, _, by = argument.partition("|")
    names = [part.strip() for part in specs.replace("*", ",").split(",") if part.strip()]
    within = [part.strip() for part in by.replace("*", ",").split(",") if part.strip()]
    means = mixed.emmeans(result, names, by=within or None)
    return [
        means,
        mixed.contrasts(means, method=settings.contrasts, adjust=settings.adjust, seed=settings.seed),
    ]


def _modes(result: MixedResult, _: str, __: Settings) -> list[Any]:
    from implstats import mixed

    return list(mixed.conditional_modes(result).values())


def _influence(result: MixedResult, argument: str, _: Settings) -> list[Any]:
    from implstats import mixed

    return [mixed.influence(result, level=argument or None)]


def _bootstrap(result: MixedResult, argument: str, settings: Settings) -> list[Any]:
    from implstats import mixed

    return [mixed.bootstrap(result, kind=argument or "parametric", draws=settings.draws, seed=settings.seed)]


def _wild(result: MixedResult, argument: str, settings: Settings) -> list[Any]:
    from implstats import mixed

    return [mixed.wild_bootstrap(result, argument, draws=settings.draws, seed=settings.seed)]


def _permutation(result: MixedResult, argument: str, settings: Settings) -> list[Any]:
    from implstats import mixed

    return [mixed.permutation(result, argument, draws=settings.draws, seed=settings.seed)]


FOLLOW_UPS = {
    "f-tests": FollowUp("F tests of the terms (type III)", "", _plain("f_tests")),
    "random-tests": FollowUp("Tests of the random terms", "", _plain("random_tests")),
    "profile": FollowUp("Profile intervals", "", _plain("profile")),
    "icc": FollowUp("Intraclass correlations", "", _plain("icc")),
    "r2": FollowUp("R2, marginal and conditional", "", _plain("r2")),
    "r2-by-level": FollowUp("R2 by level", "", _plain("r2_by_level")),
    "standardised": FollowUp("Standardised coefficients", "", _plain("standardised_coefficients")),
    "means": FollowUp("Estimated marginal means, and their contrasts", "FACTORS", _means),
    "modes": FollowUp("Conditional modes", "", _modes),
    "influence": FollowUp("Influence of each cluster", "[LEVEL]", _influence),
    "collinearity": FollowUp("Collinearity of the predictors", "", _plain("collinearity")),
    "bootstrap": FollowUp("Bootstrap intervals", "[parametric|cases]", _bootstrap),
    "wild": FollowUp("Wild cluster bootstrap", "TERM", _wild),
    "permutation": FollowUp("Permutation of clusters", "TERM", _permutation),
}


def listed(catalogue: Mapping[str, FollowUp] = FOLLOW_UPS) -> str:
    """Return the names with their arguments, for the help text."""
    return ", ".join(name + (f"={f.argument}" if f.argument else "") for name, f in catalogue.items())


def check_requests(requests: Sequence[str], catalogue: Mapping[str, FollowUp] = FOLLOW_UPS) -> None:
    """Refuse unknown names, and names without the argument they need, all at once."""
    from implstats.errors import ProblemsError, did_you_mean

    problems = []
    for request in requests:
        name, _, argument = request.partition("=")
        if name not in catalogue:
            known = did_you_mean(name, list(catalogue))
            problems.append(f"'{name}' is not known{known} Available: {listed(catalogue)}")
            continue
        wanted = catalogue[name].argument
        if not argument and wanted and not wanted.startswith("["):
            problems.append(f"'{name}' needs a value: --also {name}={wanted}")
        elif argument and not wanted:
            problems.append(f"'{name}' takes no value; got '{argument}'")
        elif name == "means" and any(not part.strip() for part in re.split(r"[*,|]", argument)):
            problems.append(f"'means={argument}' has an empty name; write means=wave*arm, or means=wave|arm")
    if problems:
        raise UsageError(str(ProblemsError("--also", problems)))


def answer(
    result: Any,
    requests: Sequence[str],
    settings: Any,
    catalogue: Mapping[str, FollowUp] = FOLLOW_UPS,
) -> list[Answer]:
    """Return the answers to all requests, in their order."""
    out = []
    for request in requests:
        name, _, argument = request.partition("=")
        follow_up = catalogue[name]
        for number, record in enumerate(follow_up.ask(result, argument.strip(), settings)):
            title = follow_up.title if number == 0 else f"{follow_up.title} ({number + 1})"
            out.append(Answer(name=name, title=title, frame=frame_of(record), checks=tuple(record.checks)))
    return out


def frame_of(record: Any) -> pd.DataFrame:
    """Return a record as a table: its own, or one row of its plain fields."""
    import pandas as pd

    if hasattr(record, "frame"):
        return pd.DataFrame(record.frame)

    values = {field.name: getattr(record, field.name) for field in fields(record)}
    return pd.DataFrame([{k: v for k, v in values.items() if isinstance(v, int | float | str | None)}])


def as_text(answers: Sequence[Answer]) -> str:
    """Return tables and sentences for a terminal."""
    parts = []
    for item in answers:
        table = frame_text(item.frame)
        notes = [f"  {check.message}" for check in item.checks if check.status != "ok"]
        parts.append("\n".join([item.title, table, *notes]))
    return "\n\n".join(parts)


def records(answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """Return tables as records for programs."""
    return [
        {
            "name": item.name,
            "rows": item.frame.to_dict("records"),
            "checks": [asdict(check) for check in item.checks],
        }
        for item in answers
    ]
