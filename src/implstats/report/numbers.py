"""How numbers look in print: rounding happens here and nowhere else.

The style is the one of psychology journals (APA 7): statistics that cannot exceed 1 in size (p values,
correlations, reliabilities) lose their leading zero, p values below .001 are not spelled out, and the minus
is a real minus sign.
"""

from __future__ import annotations

MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"
STAR_LEVELS = ((0.001, "***"), (0.01, "**"), (0.05, "*"))


def fixed(value: float, *, decimals: int) -> str:
    """Return a number with so many decimals; a rounded zero has no sign.

    >>> fixed(-1.237, decimals=2), fixed(-0.001, decimals=2), fixed(2042, decimals=0)
    ('−1.24', '0.00', '2,042')
    """
    text = f"{value:,.{decimals}f}"
    if text.startswith("-"):
        text = text[1:] if not text.strip("-0.,") else MINUS + text[1:]
    return text


def bounded(value: float, *, decimals: int) -> str:
    """Return a number that cannot exceed 1 in size, without its leading zero.

    >>> bounded(-0.163, decimals=2), bounded(1.0, decimals=2), bounded(0.996, decimals=2)
    ('−.16', '1.00', '1.00')
    """
    text = fixed(value, decimals=decimals)
    return text.replace("0.", ".", 1) if text.lstrip(MINUS).startswith("0.") else text


def p_text(value: float) -> str:
    """Return a p value with three decimals, or ``< .001``.

    >>> p_text(0.0341), p_text(0.00099), p_text(0.9999)
    ('.034', '< .001', '> .999')
    """
    if value < 0.001:
        return "< .001"
    return "> .999" if value > 0.9995 else bounded(value, decimals=3)


def p_clause(value: float) -> str:
    """Return ``p = .034`` or ``p < .001``, as a sentence has it.

    >>> p_clause(0.0341), p_clause(1e-9)
    ('p = .034', 'p < .001')
    """
    text = p_text(value)
    return f"p {text}" if text[0] in "<>" else f"p = {text}"


def stars(value: float | None) -> str:
    """Return one to three stars for p below .05, .01 and .001.

    >>> stars(0.02), stars(0.2), stars(None)
    ('*', '', '')
    """
    if value is None:
        return ""
    return next((mark for level, mark in STAR_LEVELS if value < level), "")


def interval_text(low: float, high: float, *, decimals: int, leading_zero: bool = True) -> str:
    """Return an interval in square brackets.

    >>> interval_text(-0.1, 0.25, decimals=2, leading_zero=False)
    '[−.10, .25]'
    """
    show = fixed if leading_zero else bounded
    return f"[{show(low, decimals=decimals)}, {show(high, decimals=decimals)}]"


def percent(value: float, *, decimals: int = 1) -> str:
    """Return a share as a percentage.

    >>> percent(0.1234)
    '12.3%'
    """
    return fixed(100 * value, decimals=decimals) + "%"


def small_letter(index: int) -> str:
    """Return a, b, ..., z, aa, ab, ... for 0, 1, ...: the marks of a table's notes.

    >>> small_letter(0), small_letter(27)
    ('a', 'ab')
    """
    letters = ""
    index += 1
    while index:
        index, left = divmod(index - 1, 26)
        letters = chr(ord("a") + left) + letters
    return letters


def sentence(text: str) -> str:
    """Return a heading as a sentence: with a full stop unless it has an end of its own.

    >>> sentence("Who leaves?"), sentence("Pathways")
    ('Who leaves?', 'Pathways.')
    """
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else text + "."


def listed(words: list[str], *, last: str = "and") -> str:
    """Return words as an English list.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def counted(count: int, noun: str) -> str:
    """Return a count with its noun.

    >>> counted(1, "analysis"), counted(12, "analysis"), counted(2, "table")
    ('1 analysis', '12 analyses', '2 tables')
    """
    if count == 1:
        return f"1 {noun}"
    plural = noun[:-2] + "es" if noun.endswith("is") else noun + "s"
    return f"{count:,} {plural}"
