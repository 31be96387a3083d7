"""What the user wrote before a variable: fixed values, labels and starts, for all groups or by group."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from implstats.sem.language.rows import Key, Row
from implstats.sem.language.syntax import Modifier, Term, Value


def apply_modifiers(
    rows: Sequence[Row],
    terms: Sequence[Term],
    key: Callable[[str, str, str], Key],
    n_groups: int,
    problems: list[str],
) -> None:
    """Put the modifiers of the terms into the rows that the user wrote."""
    index: dict[Key, list[Row]] = {}
    for row in rows:
        if row.user:
            index.setdefault(key(row.lhs, row.op, row.rhs), []).append(row)
    said: dict[tuple[int, str], object] = {}
    for term in terms:
        mine = index[key(term.lhs, term.op, term.rhs)]
        for modifier in term.modifiers:
            values = _by_group(modifier, n_groups)
            if values is None:
                problems.append(
                    f"line {term.line}: '{mine[0].name}' has {len(modifier.values)} values in c() for "
                    f"{n_groups} group(s); give one value, or one for each of several groups"
                )
                continue
            for row, value in zip(mine, values, strict=True):
                _apply(row, modifier, value, term.line, said, problems)


def _by_group(modifier: Modifier, n_groups: int) -> tuple[Value, ...] | None:
    if len(modifier.values) == 1:
        return modifier.values * n_groups
    return modifier.values if len(modifier.values) == n_groups else None


def _apply(
    row: Row,
    modifier: Modifier,
    value: Value,
    line: int,
    said: dict[tuple[int, str], object],
    problems: list[str],
) -> None:
    kind = "value" if modifier.kind in ("fix", "free") else modifier.kind
    before = said.setdefault((id(row), kind), value)
    if before != value:
        problems.append(
            f"line {line}: '{row.name}' is given two {kind}s, {_spell(before)} and {_spell(value)}; keep one"
        )
    elif kind == "value":
        row.fixed = None if value is None else float(value)
    elif value is None:
        return  # c(a, NA): no label and no start in this group
    elif kind == "start":
        row.start = float(value)
    else:
        row.label = str(value)


def _spell(value: object) -> str:
    return "NA (free)" if value is None else f"{value:g}" if isinstance(value, float) else f"'{value}'"


def share_labels(rows: Sequence[Row], problems: list[str]) -> None:
    """Parameters with one label are one parameter; where one of them is fixed, all are."""
    by_label: dict[str, list[Row]] = {}
    for row in rows:
        if row.label:
            by_label.setdefault(row.label, []).append(row)
    for label, same in by_label.items():
        values = {row.fixed for row in same if row.fixed is not None}
        if len(values) > 1:
            places = " and ".join(
                f"'{row.name}' at {row.fixed:g} (line {row.line})" for row in same if row.fixed is not None
            )
            problems.append(
                f"label '{label}' makes parameters equal that are fixed at different values: {places}"
            )
        elif values:
            for row in same:
                row.fixed = next(iter(values))
