"""A two-level model as aligned text for a terminal, level by level; rounding happens here and only here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from implstats.sem.results import Parameter
from implstats.sem.text import (
    SECTIONS,
    WIDEST_TITLE,
    check_lines,
    fit_lines,
    number,
    section,
    term_of,
    verdict_line,
)

if TYPE_CHECKING:
    from implstats.sem.two_level_record import TwoLevelResult

LEVELS = {1: "within clusters", 2: "between clusters"}
H1 = {
    "psd": "matrices at both levels, the one between positive semidefinite",
    "lavaan": "lavaan's saturated model",
    "unconstrained": "matrices at both levels, without constraint",
}


def two_level_text(result: TwoLevelResult) -> str:
    """Return the whole result: verdict, fit, each level's parameters, shares between clusters, checks."""
    lines = [
        f"Two-level structural equation model ({result.kind}), {result.estimator}, {result.n_obs} persons in "
        f"{result.n_clusters} clusters, {result.n_free} free parameters",
        verdict_line(result),
    ]
    if result.verdict != "failed":
        width = max((*(len(term_of(p)) for p in result.parameters), WIDEST_TITLE)) + 4
        lines += ["", *fit_lines(result)]
        lines.append(f"  chi-square compares with {H1.get(result.h1, result.h1)}")
        for level, title in LEVELS.items():
            lines += _level_lines([p for p in result.parameters if p.level == level and p.op != ":="],
                                  title, width)  # fmt: skip
            lines += _explained(result, level, width)
        lines += section("Defined", [p for p in result.parameters if p.op == ":="], width)
        lines += _shares(result, width)
    lines += ["", *check_lines(result)]
    return "\n".join(line.rstrip() for line in lines)


def _level_lines(parameters: list[Parameter], title: str, width: int) -> list[str]:
    lines = ["", f"LEVEL {parameters[0].level}, {title}"] if parameters else []
    for op, heading in SECTIONS:
        part = [p for p in parameters if p.op == op and not (op == "~~" and p.lhs == p.rhs)]
        lines += section(heading, part, width)
    return lines + section("Variances", [p for p in parameters if p.op == "~~" and p.lhs == p.rhs], width)


def _explained(result: TwoLevelResult, level: int, width: int) -> list[str]:
    found = result.r2[level - 1] if len(result.r2) >= level else {}
    if not found:
        return []
    return ["", "Explained variance", *_named(found, width)]


def _shares(result: TwoLevelResult, width: int) -> list[str]:
    if not result.icc:
        return []
    return ["", "Share of variance between clusters (ICC)", *_named(result.icc, width)]


def _named(values: dict[str, float | None], width: int) -> list[str]:
    return [f"  {name:<{width - 2}}{number(value, width=10)}" for name, value in values.items()]
