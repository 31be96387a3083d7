"""A model of several waves as the lists that a ladder of invariance over waves takes."""

from __future__ import annotations

from implstats.errors import UsageError


def waves_of(text: str) -> tuple[str, list[list[str]]]:
    """Return the stem of the factors' names and the indicators of each wave.

    >>> waves_of("mood1 =~ a1 + b1; mood2 =~ a2 + b2")
    ('mood', [['a1', 'b1'], ['a2', 'b2']])
    """
    from implstats.sem.language.syntax import parse_model

    model = parse_model(text)
    others = [f"'{t.lhs} {t.op} {t.rhs}'" for t in model.terms if t.op != "=~"]
    others += [f"'{e.lhs} {e.op} {e.rhs}'" for e in model.expressions]
    others += [f"a modifier of '{t.rhs}'" for t in model.terms if t.op == "=~" and t.modifiers]
    if others:
        raise UsageError(
            "A ladder over waves writes its own model from the factors' indicators, such as "
            f"'f1 =~ a1 + b1; f2 =~ a2 + b2'; leave out {', '.join(others[:5])}."
        )
    waves: dict[str, list[str]] = {}
    for term in model.terms:
        waves.setdefault(term.lhs, []).append(term.rhs)
    stems = {name.rstrip("0123456789_.") for name in waves}
    return (stems.pop() or "f") if len(stems) == 1 else "f", list(waves.values())
