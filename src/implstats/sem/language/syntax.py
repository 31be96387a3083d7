"""Read lavaan's model language into terms; nothing is interpreted here and nothing is skipped.

A model is a list of formulas, one a line or separated by ``;``. A line without an operator continues the
line above. ``#`` and ``!`` open a comment.

    =~  is measured by          ~   is regressed on        ~~  (co)varies with
    ~1  intercept               |   thresholds             ~*~ response scale
    <~  is composed of          :=  is defined as          ==  <  >  constraints

A term of a right-hand side is ``modifier * modifier * variable``. Modifiers: a number (fixes), ``NA``
(frees), a name or ``"text"`` (labels), ``start(0.5)`` or ``0.5?`` (start value), ``label("a")``,
``c(...)`` (one value a group). Grammar after Rosseel (2012), Journal of Statistical Software 48(2).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from implstats.errors import NotSupportedError, ProblemsError, UsageError, did_you_mean
from implstats.sem.language.foreign import FUNCTIONS, refuse_foreign, refuse_function

OPERATORS = ("=~", "<~", "~*~", "~~", "~", ":=", "==", "<", ">", "|")
EXPRESSION_OPERATORS = frozenset({":=", "==", "<", ">"})
MODIFIER_FUNCTIONS = ("start", "label", "c", *FUNCTIONS)

_TOKEN = re.compile(
    r"""(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
      | (?P<name>(?:[^\W\d]|\.(?!\d))[\w.]*)
      | (?P<string>"[^"]*"|'[^']*')
      | (?P<op>=~|<~|~\*~|~~|:=|==|\||~|<|>)
      | (?P<punct>[()*+,?:/^%-])
      | (?P<space>\s+)""",
    re.VERBOSE,
)
_BLOCK = re.compile(r"^\s*(group|level|block|class)\s*:\s*([\w.\"']+)\s*$", re.IGNORECASE)
_COMMENT = re.compile(r"[#!].*")

ModifierKind = Literal["fix", "free", "label", "start"]
Value = float | str | None


class ModelTextError(ProblemsError, UsageError):
    """The model text cannot be read; exit status 2."""


@dataclass(frozen=True, slots=True)
class Modifier:
    """One modifier of a term; ``values`` has one entry, or one a group when it came from ``c(...)``."""

    kind: ModifierKind
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Term:
    """One ``lhs op rhs`` of the model with its modifiers, its line (from 1) and its block."""

    lhs: str
    op: str
    rhs: str
    modifiers: tuple[Modifier, ...]
    line: int
    block: str = ""


@dataclass(frozen=True, slots=True)
class Expression:
    """A definition or constraint; ``rhs`` is the untouched text."""

    lhs: str
    op: str
    rhs: str
    line: int


@dataclass(frozen=True, slots=True)
class ModelText:
    """The model as read: terms, expressions and the headings of blocks such as ``level: 1``."""

    terms: tuple[Term, ...]
    expressions: tuple[Expression, ...]
    blocks: tuple[str, ...]


class _LineError(ValueError):
    """A line that cannot be read; collected, then shown with all others."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int


def parse_model(text: str, *, needs_terms: bool = True) -> ModelText:
    """Return the terms and expressions of a model text.

    Parameters
    ----------
    text : str
        Model in lavaan's language.
    needs_terms : bool
        False where expressions alone are a whole text, as hypotheses are.

    Raises
    ------
    ModelTextError
        With every line that cannot be read.
    NotSupportedError
        A modifier that is understood but not fitted by this version.

    Examples
    --------
    >>> [(t.lhs, t.op, t.rhs) for t in parse_model("f =~ x1 + a*x2; f ~ 1").terms]
    [('f', '=~', 'x1'), ('f', '=~', 'x2'), ('f', '~1', '')]
    """
    if not isinstance(text, str):
        raise UsageError(f"The model should be a text in lavaan's language; this is a {type(text).__name__}.")
    terms: list[Term] = []
    expressions: list[Expression] = []
    blocks: list[str] = []
    problems: list[str] = []
    for number, line in _logical_lines(text):
        heading = _BLOCK.match(line)
        if heading:
            blocks.append(f"{heading[1].lower()}: {heading[2]}")
            continue
        refuse_foreign(line, number)
        try:
            found = _read_formula(line, number, blocks[-1] if blocks else "")
        except _LineError as problem:
            problems.append(f"line {number}, '{_shorten(line)}': {problem}")
            continue
        if isinstance(found, Expression):
            expressions.append(found)
        else:
            terms.extend(found)
    if problems:
        raise ModelTextError("The model", problems)
    if not terms and (needs_terms or not expressions):
        raise ModelTextError("The model", ["no formula found; write one such as 'f =~ x1 + x2 + x3'"])
    return ModelText(tuple(terms), tuple(expressions), tuple(blocks))


def _shorten(line: str) -> str:
    line = " ".join(line.split())
    return line if len(line) <= 60 else line[:57] + "..."


def _logical_lines(text: str) -> list[tuple[int, str]]:
    """Comments off, ``;`` split, continuation lines joined to the formula that they belong to."""
    lines: list[tuple[int, str]] = []
    for number, physical in enumerate(text.splitlines(), start=1):
        for piece in _COMMENT.sub("", physical).split(";"):
            if not piece.strip():
                continue
            opens = _BLOCK.match(piece) or any(op in piece for op in OPERATORS)
            if lines and not opens and not _BLOCK.match(lines[-1][1]):
                lines[-1] = (lines[-1][0], f"{lines[-1][1]} {piece.strip()}")
            else:
                lines.append((number, piece.strip()))
    return lines


def _tokens(line: str) -> list[_Token]:
    tokens, at = [], 0
    while at < len(line):
        match = _TOKEN.match(line, at)
        if match is None:
            raise _LineError(f"cannot read '{line[at : at + 12]}'")
        if match.lastgroup != "space":
            tokens.append(_Token(str(match.lastgroup), match.group(), match.start(), match.end()))
        at = match.end()
    return tokens


def _read_formula(line: str, number: int, block: str) -> list[Term] | Expression:
    operator = next((m for m in _TOKEN.finditer(line) if m.lastgroup == "op"), None)
    if operator is None:
        raise _LineError("no operator; a formula has one of " + " ".join(OPERATORS))
    op, left, right = operator.group(), line[: operator.start()], line[operator.end() :]
    if op in EXPRESSION_OPERATORS:
        return _read_expression(op, left, right, number)
    names = _read_names(_tokens(left), op)
    pieces = _split_plus(_tokens(right))
    terms = []
    for lhs in names:
        for piece in pieces:
            rhs, modifiers = _read_term(piece)
            the_op = op
            if rhs in ("0", "1"):
                if op != "~":
                    raise _LineError(f"'{rhs}' can only follow '~', as an intercept")
                modifiers = (Modifier("fix", (0.0,)), *modifiers) if rhs == "0" else modifiers
                the_op, rhs = "~1", ""
            terms.append(Term(lhs, the_op, rhs, modifiers, number, block))
    return terms


def _read_expression(op: str, left: str, right: str, number: int) -> Expression:
    if not left.strip() or not right.strip():
        raise _LineError(f"'{op}' needs something on both sides")
    if op == ":=":
        tokens = _tokens(left)
        if len(tokens) != 1 or tokens[0].kind != "name":
            raise _LineError("a definition needs one name on its left, as in 'indirect := a*b'")
    return Expression(left.strip(), op, right.strip(), number)


def _read_names(tokens: list[_Token], op: str) -> list[str]:
    names = [t.text for t in tokens[::2]]
    joined = all(t.text == "+" for t in tokens[1::2])
    if not tokens or not joined or len(tokens) % 2 == 0 or any(t.kind != "name" for t in tokens[::2]):
        raise _LineError(f"left of '{op}' stand names joined by '+'; modifiers stand on the right")
    return names


def _split_plus(tokens: list[_Token]) -> list[list[_Token]]:
    pieces: list[list[_Token]] = [[]]
    depth = 0
    for token in tokens:
        if token.kind == "op":
            raise _LineError(f"a second operator '{token.text}'; begin a new line before its formula")
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if token.text == "+" and depth == 0:
            pieces.append([])
        else:
            pieces[-1].append(token)
    if depth:
        raise _LineError("brackets do not match")
    if any(not piece for piece in pieces):
        raise _LineError("a variable is missing beside '+' or after the operator")
    return pieces


def _read_term(tokens: list[_Token]) -> tuple[str, tuple[Modifier, ...]]:
    factors: list[tuple[list[_Token], str]] = [([], "")]
    depth = 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.text in ("*", "?"):
            factors[-1] = (factors[-1][0], token.text)
            factors.append(([], ""))
        else:
            factors[-1][0].append(token)
    *before, (variable, _) = factors
    modifiers = []
    for factor, sign in before:
        modifier = _read_modifier(factor)
        if sign == "?":
            if modifier.kind != "fix":
                raise _LineError("'?' follows a number, the start value")
            modifier = Modifier("start", modifier.values)
        modifiers.append(modifier)
    return _read_variable(variable), tuple(modifiers)


def _read_variable(tokens: list[_Token]) -> str:
    if len(tokens) == 1 and (tokens[0].kind == "name" or tokens[0].text in ("0", "1")):
        return tokens[0].text
    text = "".join(t.text for t in tokens)
    if len(tokens) == 3 and tokens[1].text == ":" and tokens[0].kind == tokens[2].kind == "name":
        raise NotSupportedError(
            f"The product '{text}' in a model is not formed by this version. Compute the product as a column "
            "of the data (centre both variables first) and name that column in the model."
        )
    raise _LineError(f"'{text}' is not a variable" if text else "a variable is missing after '*'")


def _read_modifier(tokens: list[_Token]) -> Modifier:
    if not tokens:
        raise _LineError("a modifier is missing before '*'")
    if len(tokens) > 2 and tokens[0].kind == "name" and tokens[1].text == "(" and tokens[-1].text == ")":
        return _read_function(tokens[0].text, _arguments(tokens[2:-1]))
    value = _read_value(tokens)
    return _modifier_of((value,))


def _modifier_of(values: tuple[Value, ...]) -> Modifier:
    if all(v is None for v in values):
        return Modifier("free", values)
    if all(v is None or isinstance(v, float) for v in values):
        return Modifier("fix", values)
    if any(isinstance(v, float) for v in values):
        raise _LineError("c() mixes numbers and labels; give numbers (or NA) alone, or labels alone")
    return Modifier("label", tuple(None if v is None else str(v) for v in values))


def _read_value(tokens: list[_Token]) -> Value:
    """A signed number, ``NA`` (as ``None``), a name or a quoted text."""
    sign = 1.0
    if tokens and tokens[0].text == "-":
        sign, tokens = -1.0, tokens[1:]
        if len(tokens) != 1 or tokens[0].kind != "number":
            raise _LineError("'-' stands only before a number")
    if len(tokens) != 1:
        raise _LineError(
            f"'{''.join(t.text for t in tokens)}' is not a modifier; write a number, NA, a label or start()"
        )
    token = tokens[0]
    if token.kind == "number":
        return sign * float(token.text)
    if token.kind == "string":
        return token.text[1:-1]
    if token.kind == "name":
        return None if token.text == "NA" else token.text
    raise _LineError(f"'{token.text}' is not a modifier")


def _arguments(tokens: list[_Token]) -> list[Value]:
    groups: list[list[_Token]] = [[]]
    for token, after in zip(tokens, [*tokens[1:], None], strict=True):
        if token.text == ",":
            groups.append([])
        elif token.text in "()" or (token.text == "c" and after is not None and after.text == "("):
            continue  # start(c(1, 2)) reads as start(1, 2); a label may be called c
        else:
            groups[-1].append(token)
    return [_read_value(group) for group in groups]


def _read_function(name: str, values: list[Value]) -> Modifier:
    if name == "c":
        return _modifier_of(tuple(values))
    if name == "start":
        if not all(isinstance(v, float) for v in values):
            raise _LineError("start() takes a number")
        return Modifier("start", tuple(values))
    if name == "label":
        return Modifier("label", tuple(None if v is None else str(v) for v in values))
    refuse_function(name)
    raise _LineError(f"unknown function '{name}()'{did_you_mean(name, MODIFIER_FUNCTIONS)}")
