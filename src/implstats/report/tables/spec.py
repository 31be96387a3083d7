"""A table before it has a format: cells with their full-precision values and their printed form.

Writers for Word, HTML and LaTeX print ``Cell.text``; writers for Excel and CSV store ``Cell.value`` at full
precision. A missing number is an en dash with a raised letter that leads to its reason in the note.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from implstats.report import numbers
from implstats.report.book import SYNTHETIC, Book
from implstats.results.rows import Row

Kind = Literal["text", "number", "bounded", "integer", "p", "percent", "interval"]
Value = float | int | str | tuple[float, float] | None
SUPPRESSED = "suppressed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell.

    Attributes
    ----------
    value : float, int, str, (float, float) or None
        Full precision; a pair for an interval; ``None`` for nothing.
    kind : str
        How it is printed.
    decimals : int
        Decimals in print.
    reason : str
        Why the value is missing; empty for a cell that has nothing to say.
    mark : str
        Letter of the note that holds ``reason``; set by :func:`make_table`.
    suppressed : bool
        The value was withheld to protect a small group.
    leading_zero : bool
        Only for intervals: whether 0.5 is printed as 0.5 or .5.
    """

    value: Value = None
    kind: Kind = "text"
    decimals: int = 2
    reason: str = ""
    mark: str = ""
    suppressed: bool = False
    leading_zero: bool = True

    @property
    def text(self) -> str:
        """The cell in print, without the mark of its note."""
        if self.value is None:
            return SUPPRESSED if self.suppressed else (numbers.DASH if self.reason else "")
        if isinstance(self.value, tuple):
            low, high = self.value
            return numbers.interval_text(low, high, decimals=self.decimals, leading_zero=self.leading_zero)
        if isinstance(self.value, str):
            return self.value
        return _PRINT[self.kind](self.value, self.decimals)


_PRINT = {
    "text": lambda v, d: str(v),
    "number": lambda v, d: numbers.fixed(v, decimals=d),
    "bounded": lambda v, d: numbers.bounded(v, decimals=d),
    "integer": lambda v, d: numbers.fixed(v, decimals=0),
    "p": lambda v, d: numbers.p_text(v),
    "percent": lambda v, d: numbers.percent(v),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: its header and whether it holds words or numbers (an interval is two numbers)."""

    header: str
    kind: Literal["text", "number", "interval"] = "number"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSpec:
    """A finished table.

    Attributes
    ----------
    name : str
        Short name; the CSV file's name.
    title : str
        Carries SYNTHETIC DATA when the study is simulated.
    note : str
        Abbreviations, cautions, and the reasons behind the raised letters.
    columns : tuple of Column
    rows : tuple of tuple of Cell
        A row of one cell is a heading across the table.
    alt : str
        One sentence for readers who cannot see the table.
    """

    name: str
    title: str
    note: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    alt: str

    @property
    def wide(self) -> bool:
        """True when the table needs a landscape page."""
        return len(self.columns) > 8


TEXT = Column(header="", kind="text")
# About five printed pages; nobody reads further, but programs do.
MOST_ROWS_TO_READ = 150


def for_reading(spec: TableSpec) -> TableSpec:
    """Return a table for paper and page: a very long one only says where its rows are.

    Spreadsheets and CSV files always hold every row.
    """
    if len(spec.rows) <= MOST_ROWS_TO_READ:
        return spec
    pointer = (
        f"{len(spec.rows)} rows, too many to read here: see '{spec.name}' among the .xlsx and .csv tables."
    )
    return replace(spec, rows=((words(pointer),),))


def words(text: str) -> Cell:
    """Return a cell of text."""
    return Cell(value=text)


def count(value: int | float | None, *, reason: str = "") -> Cell:
    """Return a cell of a count."""
    return Cell(value=None if value is None else int(value), kind="integer", reason=reason)


def cell_of(row: Row | None, field: str, kind: Kind, *, decimals: int) -> Cell:
    """Return one field of a row as a cell; ``None`` rows give an empty cell.

    Raises
    ------
    AttributeError
        If a row has no such field.
    """
    if row is None:
        return Cell()
    value = getattr(row, field)
    if row.suppressed:
        return Cell(kind=kind, suppressed=True, reason=f"Suppressed: {row.reason or 'too few persons'}")
    reason = row.reason if value is None else ""
    if value is None and field == "estimate":
        reason = reason or "Not available."
    return Cell(value=value, kind=kind, decimals=decimals, reason=reason)


def interval_of(row: Row | None, *, decimals: int, leading_zero: bool = True) -> Cell:
    """Return a row's confidence interval as a cell."""
    if row is None:
        return Cell()
    if row.suppressed:
        return cell_of(row, "conf_low", "interval", decimals=decimals)
    if row.conf_low is None or row.conf_high is None:
        return Cell(kind="interval", reason=row.reason)
    pair = (row.conf_low, row.conf_high)
    return Cell(value=pair, kind="interval", decimals=decimals, leading_zero=leading_zero)


def interval_header(rows: Iterable[Row]) -> str:
    """Return ``95% CI``, or ``CI`` when the rows have several levels or none."""
    levels = {row.conf_level for row in rows if row.conf_level is not None}
    return f"{100 * levels.pop():g}% CI" if len(levels) == 1 else "CI"


def headers(*names: str, text: int = 1) -> tuple[Column, ...]:
    """Return columns; the first ``text`` hold words, those ending in ``CI`` intervals, the rest numbers."""
    return tuple(
        Column(header=name, kind="text" if i < text else "interval" if name.endswith("CI") else "number")
        for i, name in enumerate(names)
    )


def make_table(
    book: Book,
    *,
    name: str,
    title: str,
    columns: Sequence[Column],
    rows: Sequence[Sequence[Cell]],
    note: str = "",
    source: Iterable[Row] = (),
) -> TableSpec:
    """Return a finished table: empty columns dropped, reasons lettered, cautions in the note.

    Parameters
    ----------
    source : iterable of Row
        Rows behind the table, for the sentences of caution.
    """
    columns, rows = _without_empty_columns(columns, rows)
    lettered, reasons = _lettered(rows)
    shown = [r for r in source if r.estimate is not None and r.reason]
    remarks = dict.fromkeys(r.reason for r in shown if r.verdict == "ok")
    cautions = dict.fromkeys(r.reason for r in shown if r.verdict == "caution")
    parts = [note.strip(), *(numbers.sentence(text[:1].upper() + text[1:]) for text in remarks)]
    parts += [f"Caution: {numbers.sentence(text)}" for text in cautions]
    parts += [f"{raised(numbers.small_letter(i))} {numbers.sentence(text)}" for i, text in enumerate(reasons)]
    n_rows = sum(1 for row in rows if len(row) > 1)
    full = f"{SYNTHETIC}: {title}" if book.synthetic else title
    return TableSpec(
        name=name,
        title=full,
        note=" ".join(part for part in parts if part),
        columns=tuple(columns),
        rows=lettered,
        alt=f"{full}: {numbers.counted(n_rows, 'row')}; columns "
        f"{numbers.listed([c.header for c in columns if c.header])}.",
    )


def raised(letters: str) -> str:
    """Return small letters as raised ones."""
    return "".join(_RAISED[letter] for letter in letters)


# Unicode has no raised q; a raised theta stands in for it, in tables with more than 16 reasons.
_RAISED = dict(zip("abcdefghijklmnopqrstuvwxyz", "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖᶿʳˢᵗᵘᵛʷˣʸᶻ", strict=True))
RAISED_TO_PLAIN = {raised_letter: letter for letter, raised_letter in _RAISED.items()}


def _lettered(rows: Sequence[Sequence[Cell]]) -> tuple[tuple[tuple[Cell, ...], ...], list[str]]:
    """Return rows whose missing cells point to a reason, and the reasons in order of appearance."""
    reasons: dict[str, int] = {}
    out = []
    for row in rows:
        cells = []
        for cell in row:
            if cell.value is None and cell.reason:
                index = reasons.setdefault(cell.reason, len(reasons))
                cell = replace(cell, mark=numbers.small_letter(index))
            cells.append(cell)
        out.append(tuple(cells))
    return tuple(out), list(reasons)


def _without_empty_columns(
    columns: Sequence[Column], rows: Sequence[Sequence[Cell]]
) -> tuple[list[Column], list[list[Cell]]]:
    """Drop columns in which no row has anything to say."""
    full = [row for row in rows if len(row) > 1]
    keep = [i for i in range(len(columns)) if i == 0 or any(row[i].text for row in full)]
    kept = [[row[i] for i in keep] if len(row) > 1 else list(row) for row in rows]
    return [columns[i] for i in keep], kept
