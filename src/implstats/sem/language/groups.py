"""One model in several groups: every row once a group, and what is equal across groups.

Equality across groups is equality of labels, so that the rest of the table needs no notion of it. A row
without a label that ``group_equal`` makes equal takes lavaan's label ``.p<row number in the first group>.``.
Freed from the second group on, as in lavaan: latent means when intercepts are equal and means are not, since
the first group's zero means then fix the scale of all; latent variances when ``std_lv`` fixes them, loadings
are equal and variances are not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from implstats.errors import did_you_mean
from implstats.sem.language.names import Names
from implstats.sem.language.ordered import free_in_later_groups
from implstats.sem.language.rows import Row
from implstats.sem.options import Options


def rows_by_group(rows: Sequence[Row], names: Names, options: Options, n_groups: int) -> list[Row]:
    """Return the rows of all groups, group by group."""
    latent = set(names.latent)
    return [
        _freed(replace(row, group=group), latent, options) if group > 1 else row
        for group in range(1, n_groups + 1)
        for row in rows
    ]


def _freed(row: Row, latent: set[str], options: Options) -> Row:
    equal = options.group_equal
    free_in_later_groups(row, options)
    if row.user or row.lhs not in latent:
        return row
    if row.op == "~1" and "intercepts" in equal and "means" not in equal:
        row.fixed = None
    own_variance = row.op == "~~" and row.lhs == row.rhs
    if own_variance and options.std_lv and "loadings" in equal and "lv.variances" not in equal:
        row.fixed = None
    return row


def _kinds(names: Names) -> dict[str, Callable[[Row], bool]]:
    """What each word of ``group_equal`` means."""
    latent, x = set(names.latent), set(names.x)
    observed = {name for name in names.observed if name not in x}
    return {
        "loadings": lambda r: r.op == "=~",
        "thresholds": lambda r: r.op == "|",
        "regressions": lambda r: r.op == "~",
        "intercepts": lambda r: r.op == "~1" and r.lhs in observed,
        "means": lambda r: r.op == "~1" and r.lhs in latent,
        "residuals": lambda r: r.op == "~~" and r.lhs == r.rhs and r.lhs in observed,
        "residual.covariances": lambda r: r.op == "~~" and r.lhs != r.rhs and r.lhs in observed,
        "lv.variances": lambda r: r.op == "~~" and r.lhs == r.rhs and r.lhs in latent,
        "lv.covariances": lambda r: r.op == "~~" and r.lhs != r.rhs and r.lhs in latent,
    }


def _spellings(row: Row) -> set[str]:
    """How a parameter may be written in ``group_partial``, blanks apart."""
    if row.op == "~1":
        return {f"{row.lhs}~1"}
    both = {f"{row.lhs}{row.op}{row.rhs}"}
    return both | {f"{row.rhs}{row.op}{row.lhs}"} if row.op == "~~" else both


def equate_groups(rows: Sequence[Row], names: Names, options: Options, problems: list[str]) -> None:
    """Give rows that ``group_equal`` makes equal one label; fixed ones are left as they are."""
    if not options.group_equal:
        return
    kinds = [_kinds(names)[word] for word in options.group_equal]
    partial = {"".join(text.split()) for text in options.group_partial}
    _refuse_unknown(partial, rows, problems)
    of_key: dict[tuple[str, str, str], list[tuple[int, Row]]] = {}
    for number, row in enumerate(rows, start=1):
        of_key.setdefault((row.lhs, row.op, row.rhs), []).append((number, row))
    for same in of_key.values():
        first = same[0][1]
        if first.exo or not any(kind(first) for kind in kinds) or _spellings(first) & partial:
            continue
        _equate(same, problems)


def _equate(same: list[tuple[int, Row]], problems: list[str]) -> None:
    number, first = same[0]
    members = [row for _, row in same if not row.label or row.label == first.label]
    fixed = {row.fixed for row in members if row.fixed is not None}
    if len(fixed) > 1:
        problems.append(
            f"'{first.name}' is fixed at {' and '.join(f'{v:g}' for v in sorted(fixed))} in different "
            "groups but should be equal by group_equal; name it in group_partial"
        )
    elif fixed:
        for row in members:
            row.fixed = next(iter(fixed))
    elif len(members) > 1:
        for row in members:
            row.label = first.label or f".p{number}."


def _refuse_unknown(partial: set[str], rows: Sequence[Row], problems: list[str]) -> None:
    known = sorted(set().union(*(_spellings(row) for row in rows)))
    problems.extend(
        f"group_partial '{text}' is not a parameter of the model{did_you_mean(text, known)}"
        for text in sorted(partial - set(known))
    )
