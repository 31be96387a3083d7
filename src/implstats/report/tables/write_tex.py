r"""Tables as LaTeX: booktabs, to be read with ``\input{tables.tex}``.

The preamble needs ``\usepackage{booktabs,longtable,array,pdflscape}``. Non-ASCII signs are written as
commands, so any engine will do.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from implstats.report.book import Book
from implstats.report.tables.spec import RAISED_TO_PLAIN, Cell, TableSpec
from implstats.results.files import write_text

SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{",
    "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "[": "{[}", "]": "{]}", "*": "{*}",
    "−": r"\ensuremath{-}", "–": "--", "—": "---", "×": r"\ensuremath{\times}", "≥": r"\ensuremath{\geq}",
    "≤": r"\ensuremath{\leq}", "→": r"\ensuremath{\rightarrow}", "←": r"\ensuremath{\leftarrow}",
    "↔": r"\ensuremath{\leftrightarrow}", "α": r"\ensuremath{\alpha}", "ω": r"\ensuremath{\omega}",
    "η": r"\ensuremath{\eta}", "χ": r"\ensuremath{\chi}", "²": r"\ensuremath{^2}", "’": "'", "…": r"\ldots{}",
    "ø": r"\o{}", "Ø": r"\O{}", "å": r"\aa{}", "Å": r"\AA{}", "æ": r"\ae{}", "Æ": r"\AE{}", "ß": r"\ss{}",
}  # fmt: skip
ACCENTS = {"\u0301": "'", "\u0300": "`", "\u0302": "^", "\u0308": '"', "\u0303": "~", "\u0327": "c"}
PREAMBLE = r"% Needs \usepackage{booktabs,longtable,array,pdflscape} in the preamble."


def write(book: Book, specs: Sequence[TableSpec], *, folder: Path) -> list[Path]:
    """Write ``tables.tex``, a fragment with every table."""
    head = "% SYNTHETIC DATA\n" if book.synthetic else ""
    body = "\n\n".join(table_tex(spec) for spec in specs)
    return [write_text(folder / "tables.tex", f"{head}{PREAMBLE}\n\n{body}\n")]


def escape_tex(text: str) -> str:
    r"""Return text that LaTeX prints as it stands.

    >>> escape_tex("50% of a_b")
    '50\\% of a\\_b'
    """
    return "".join(SPECIAL.get(c) or _letter(c) for c in text)


def _letter(character: str) -> str:
    """Return one character in ASCII; an accent becomes a command, a sign without one its Unicode name."""
    if character in RAISED_TO_PLAIN:
        return rf"\textsuperscript{{{RAISED_TO_PLAIN[character]}}}"
    if character.isascii():
        return character
    parts = unicodedata.normalize("NFD", character)
    if len(parts) == 2 and parts[1] in ACCENTS:
        return rf"\{ACCENTS[parts[1]]}{{{parts[0]}}}"
    # Unknown signs stay as they are: engines with Unicode print them, pdfLaTeX names them in its log.
    return character


def table_tex(spec: TableSpec) -> str:
    """Return one ``longtable``; wide tables stand on a landscape page."""
    widths = "".join(_column(spec, i) for i in range(len(spec.columns)))
    head = " & ".join(escape_tex(column.header) for column in spec.columns) + r" \\"
    rows = "\n".join(_row_tex(spec, row) for row in spec.rows)
    n = len(spec.columns)
    lines = [
        r"\begingroup\footnotesize\setlength{\tabcolsep}{4pt}",
        rf"\begin{{longtable}}{{@{{}}{widths}@{{}}}}",
        rf"\caption{{{escape_tex(spec.title)}}}\label{{tab:{spec.name}}}\\",
        rf"\toprule {head} \midrule",
        r"\endfirsthead",
        rf"\toprule {head} \midrule",
        r"\endhead",
        rf"\midrule \multicolumn{{{n}}}{{r@{{}}}}{{continued}} \\",
        r"\endfoot",
        r"\bottomrule",
        r"\endlastfoot",
        rows,
        r"\end{longtable}",
    ]
    if spec.note:
        lines.append(rf"\noindent\textit{{Note.}} {escape_tex(spec.note)}\par")
    lines.append(r"\endgroup")
    text = "\n".join(lines)
    return f"\\begin{{landscape}}\n{text}\n\\end{{landscape}}" if spec.wide else text


def _column(spec: TableSpec, index: int) -> str:
    """Return a column's type: long text wraps, short text stays on the left, numbers on the right."""
    if spec.columns[index].kind != "text":
        return "r"
    longest = max((len(row[index].text) for row in spec.rows if len(row) > 1), default=0)
    if longest <= 24:
        return "l"
    width = 0.42 if longest > 60 else 0.28
    return rf">{{\raggedright\arraybackslash}}p{{{width}\linewidth}}"


def _row_tex(spec: TableSpec, row: Sequence[Cell]) -> str:
    if len(row) == 1:
        return (
            rf"\multicolumn{{{len(spec.columns)}}}{{@{{}}p{{0.9\linewidth}}@{{}}}}"
            rf"{{\textit{{{escape_tex(row[0].text)}}}}} \\"
        )
    return " & ".join(_cell_tex(cell) for cell in row) + r" \\"


def _cell_tex(cell: Cell) -> str:
    mark = rf"\textsuperscript{{{cell.mark}}}" if cell.mark else ""
    return escape_tex(cell.text) + mark
