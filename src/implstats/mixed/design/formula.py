"""Reading lme4's formula language: ``y ~ fixed + (random | cluster)``.

This reader only splits text. Random terms are taken out by counting parentheses; what is left is the fixed
part, which `terms` hands to formulaic's parser. Nothing here, and nothing later, runs a formula as code.

    (1 | g)  (1 + x | g)  (x | g)      random intercept; with a correlated slope (twice the same)
    (0 + x | g)  (x || g)              slope only; intercept and slope uncorrelated
    (1 | a/b)                          short for (1 | a) + (1 | a:b)
    offset(x)                          a predictor whose coefficient is one
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from implstats.errors import NotSupportedError, UsageError

OPEN, CLOSE = "([{", ")]}"
LONGEST = 5000  # characters; a formula beyond it is a mistake, not a model
EXAMPLE = "Write it as in 'y ~ time + arm + (1 | institution)'."


@dataclass(frozen=True, slots=True)
class Bar:
    """One random term.

    Attributes
    ----------
    left : str
        Effects, such as ``1 + wave``.
    cluster : tuple of str
        Column names whose combination is the cluster: one, or several joined by ``:``.
    correlated : bool
        False for ``||``.
    """

    left: str
    cluster: tuple[str, ...]
    correlated: bool

    @property
    def name(self) -> str:
        """Name of the cluster, as lme4 prints it."""
        return ":".join(self.cluster)


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula, split.

    Attributes
    ----------
    text : str
        As written, spaces tidied.
    response, fixed : str
        Left side; right side without random terms (``1`` if empty).
    bars : tuple of Bar
    offsets : tuple of str
        What stood in ``offset(...)``.
    quoted : tuple of str
        Names that stood in backticks; the texts hold ``_quoted_0_`` and so on in their place.
    """

    text: str
    response: str
    fixed: str
    bars: tuple[Bar, ...]
    quoted: tuple[str, ...]
    offsets: tuple[str, ...] = ()


@lru_cache(maxsize=256)
def read_formula(text: str, *, random_needed: bool = True) -> Formula:
    """Split a formula into response, fixed part and random terms.

    Raises
    ------
    UsageError
        If the formula cannot be read, or has no random term although one is needed.

    Examples
    --------
    >>> f = read_formula("y ~ x + (1 + x | ward) + (1 | clinic/person)")
    >>> f.response, f.fixed, [(b.left, b.name) for b in f.bars]
    ('y', 'x', [('1 + x', 'ward'), ('1', 'clinic'), ('1', 'person:clinic')])
    """
    if len(text) > LONGEST:
        raise UsageError(f"The formula has {len(text)} characters; at most {LONGEST} can be read.")
    body, quoted = _take_quoted(text)
    sides = split_top(body, "~")
    if len(sides) != 2 or not sides[0].strip() or not sides[1].strip():
        raise UsageError(f"The formula '{text.strip()}' needs a response, one '~' and predictors. {EXAMPLE}")
    fixed: list[str] = []
    bars: list[Bar] = []
    offsets: list[str] = []
    for sign, term in signed_terms(sides[1]):
        inner = _bar_inside(term)
        known = _offset_inside(term)
        if known is not None and sign == "-":
            raise UsageError(f"An offset is added, not taken away; write offset(-({known})).")
        if known is not None:
            offsets.append(known)
        elif inner is None:
            fixed.append(f"{sign} {term}" if fixed or sign == "-" else term)
        elif sign == "-":
            raise UsageError(f"A random term cannot be taken away: '- {term}'.")
        else:
            bars.extend(_bars(inner, term))
    if random_needed and not bars:
        raise UsageError(
            f"The formula '{text.strip()}' has no random term. Add one such as (1 | institution), or use a "
            "regression without clusters."
        )
    return Formula(
        text=" ".join(text.split()), response=sides[0].strip(), fixed=" ".join(fixed) or "1",
        bars=tuple(bars), quoted=quoted, offsets=tuple(offsets),
    )  # fmt: skip


def split_top(text: str, mark: str) -> list[str]:
    """Split at ``mark`` outside parentheses and quotes.

    >>> split_top("a + f(b + c)", "+")
    ['a ', ' f(b + c)']
    """
    parts, start = [], 0
    for i in _outside(text):
        if text[i] == mark:
            parts.append(text[start:i])
            start = i + 1
    return [*parts, text[start:]]


def signed_terms(text: str) -> list[tuple[str, str]]:
    """Return the terms of a sum with their signs.

    >>> signed_terms("a - b + (1 | g)")
    [('+', 'a'), ('-', 'b'), ('+', '(1 | g)')]
    """
    terms, start, sign = [], 0, "+"
    cuts = [i for i in _outside(text) if text[i] in "+-"]
    for i in [*cuts, len(text)]:
        term = text[start:i].strip()
        if term:
            terms.append((sign, term))
        elif i != len(text) and start != 0:
            raise UsageError(f"Two signs in a row in '{text.strip()}'. {EXAMPLE}")
        elif i == len(text):
            raise UsageError(f"The formula ends with a sign or is empty: '{text.strip()}'. {EXAMPLE}")
        if i < len(text):
            sign, start = text[i], i + 1
    return terms


def _outside(text: str) -> list[int]:
    """Return the positions outside parentheses and quotes; refuse what does not balance."""
    depth, quote, positions = 0, "", []
    for i, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in OPEN:
            depth += 1
        elif char in CLOSE:
            depth -= 1
            if depth < 0:
                raise UsageError(f"A ')' without its '(' in the formula part '{text.strip()}'.")
        elif depth == 0:
            positions.append(i)
    if depth or quote:
        raise UsageError(f"A parenthesis or quote is not closed in the formula part '{text.strip()}'.")
    return positions


def _take_quoted(text: str) -> tuple[str, tuple[str, ...]]:
    """Replace names in backticks, so that no later step trips over their spaces and signs."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        raise UsageError(f"A backtick is not closed in the formula '{text.strip()}'.")
    quoted = parts[1::2]
    for i in range(len(quoted)):
        parts[2 * i + 1] = f"_quoted_{i}_"
    return "".join(parts), tuple(quoted)


def _offset_inside(term: str) -> str | None:
    """Return what stands in ``offset(...)``, or None for another term."""
    name, _, rest = term.partition("(")
    if name.strip() != "offset" or not rest.endswith(")"):
        return None
    inside = rest[:-1].strip()
    if not inside:
        raise UsageError("offset() is empty; name a column, as in offset(baseline).")
    return inside


def _bar_inside(term: str) -> str | None:
    """Return what stands between the parentheses of a random term, or None for a fixed term."""
    if "|" not in term:
        return None
    if not (term.startswith("(") and term.endswith(")") and len(split_top(term[1:-1], "|")) > 1):
        raise UsageError(f"A random term stands alone in its own parentheses, as in (1 | g); found '{term}'.")
    return term[1:-1]


def _bars(inner: str, term: str) -> list[Bar]:
    sides = split_top(inner, "|")
    correlated = len(sides) == 2
    if len(sides) == 3 and not sides[1]:
        sides = [sides[0], sides[2]]
    if len(sides) != 2 or not sides[0].strip() or not sides[1].strip():
        raise UsageError(f"The random term '{term}' needs effects, one '|' or '||', and a cluster: (1 | g).")
    return [Bar(sides[0].strip(), cluster, correlated) for cluster in _clusters(sides[1].strip(), term)]


def _clusters(text: str, term: str) -> list[tuple[str, ...]]:
    """Return the clusters of ``a``, ``a:b`` or ``a/b`` (a, then b within a)."""
    if any(char in text for char in "+*(^"):
        raise NotSupportedError(
            f"The cluster in '{term}' is more than names joined by ':' or '/'. Write one random term for "
            "each cluster, such as (1 | a) + (1 | b)."
        )
    steps = [tuple(name.strip() for name in step.split(":")) for step in text.split("/")]
    if not all(name for step in steps for name in step):
        raise UsageError(f"A cluster name is missing in '{term}'.")
    out: list[tuple[str, ...]] = []
    for step in steps:
        out.append((*step, *(out[-1] if out else ())))
    return out
