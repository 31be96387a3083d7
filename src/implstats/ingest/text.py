"""Text tables: .csv, .tsv and .txt, whatever their delimiter, encoding and decimal mark.

What the study file does not declare is found in the file: a byte order mark or else UTF-8 or else the
likeliest legacy encoding; the delimiter that splits most lines into the header's number of fields; a decimal
comma where fields look like ``3,14`` and none like ``3.14``. What was guessed is told as an issue.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from implstats.errors import IngestError
from implstats.ingest.records import Issue, RawFile, VariableRecord

if TYPE_CHECKING:
    import pandas as pd

# Encodings of Western and Nordic exports, the likeliest first: Windows, DOS (Nordic, Western), Macintosh.
LEGACY = ("windows-1252", "cp865", "cp850", "mac_roman")
_USUAL = frozenset("æøåäöüéèêëàáâãçñóòôõíìîïúùûðþýßœÆØÅÄÖÜÉÈÊËÀÁÂÃÇÑÓÒÔÕÍÌÎÏÚÙÛÐÞÝŒ‘’“”–—…«»°€§\u00a0")
SUFFIXES = (".csv", ".tsv", ".txt")
DELIMITERS = (",", ";", "\t", "|")
# What survey programs write for "no answer" in text files; words such as "None" may be real answers.
NO_ANSWER = ("", " ", ".", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "#NULL!")
# Lines that the delimiter and the decimal mark are looked for in.
SAMPLE_LINES = 200
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_POINT = re.compile(r"^-?\d*\.\d+$")
_COMMA = re.compile(r"^-?\d*,\d+$")
_WHOLE = re.compile(r"^[-+]?[0-9]+$")
_LEADING_ZERO = re.compile(r"^[-+]?0[0-9]")
_POINT_NUMBER = re.compile(r"^[-+]?(?:0|[1-9][0-9]*|(?=\.))(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?$")
_COMMA_NUMBER = re.compile(_POINT_NUMBER.pattern.replace(r"\.", ","))
_BLANKS = frozenset(NO_ANSWER)
# Beyond this a float no longer tells neighbouring whole numbers apart.
LARGEST_EXACT = 2**53
csv.field_size_limit(2**27)


def read_text_table(
    path: Path,
    *,
    place: str,
    delimiter: str | None = None,
    encoding: str | None = None,
    decimal: str | None = None,
    text_columns: Sequence[str] = (),
) -> RawFile:
    """Read a delimited text file with a header line.

    Parameters
    ----------
    path : Path
    place : str
        What messages call the file.
    delimiter, encoding, decimal : str or None
        Found in the file when ``None``.
    text_columns : sequence of str
        Columns kept as text, such as identifiers, in which ``007`` is not 7.

    Raises
    ------
    IngestError
        Empty, undecodable, without a usable header, or with lines of unequal length.
    """
    text, issues = _decode(path.read_bytes(), place=place, encoding=encoding)
    if not text.strip():
        raise IngestError(place, ["the file is empty"])
    text, named = without_hint(text)
    used_delimiter = delimiter or named or find_delimiter(text, suffix=path.suffix.lower())
    every = _split(text, used_delimiter, place=place)
    lines = [fields for fields in every if any(map(str.strip, fields))]
    if len(lines) < len(every):
        message = f"{len(every) - len(lines)} row(s) without any answer were left out"
        issues.append(Issue(status="info", place=place, message=message))
    names = header_names(lines[0], place=place)
    _check_ragged(lines, place=place, delimiter=used_delimiter)
    used_decimal, doubt = (decimal, None) if decimal else find_decimal(lines[1:], delimiter=used_delimiter)
    if doubt:
        issues.append(Issue(status="warn", place=place, message=doubt))
    frame = _to_frame(lines, names=names, decimal=used_decimal or ".", text_columns=text_columns)
    codebook = tuple(VariableRecord(name=name) for name in names)
    return RawFile(frame=frame, codebook=codebook, issues=tuple(issues))


def _decode(raw: bytes, *, place: str, encoding: str | None) -> tuple[str, list[Issue]]:
    if encoding is not None:
        try:
            return raw.decode(encoding).removeprefix("\ufeff"), []
        except LookupError as error:
            raise IngestError(
                place, [f"'{encoding}' is not a known encoding; use utf-8 or windows-1252"]
            ) from error
        except UnicodeError as error:
            problem = f"is not {encoding}, as the study file declares; correct 'encoding' or leave it out"
            raise IngestError(place, [problem]) from error
    for mark, name in _BYTE_ORDER_MARKS:
        if raw.startswith(mark):
            return _strict(raw, name, place=place), []
    wide = _utf16_without_mark(raw)
    if wide is not None:
        return _strict(raw, wide, place=place), []
    if b"\0" in raw[:4096]:
        raise IngestError(place, ["holds zero bytes, so it is no text file; is its suffix right?"])
    try:
        return raw.decode("utf-8"), []
    except UnicodeDecodeError:
        return _decode_legacy(raw, place=place)


def _strict(raw: bytes, encoding: str, *, place: str) -> str:
    try:
        return raw.decode(encoding)
    except UnicodeError as error:
        problem = f"starts as {encoding} but cannot be decoded to its end; save it as UTF-8"
        raise IngestError(place, [problem]) from error


def _utf16_without_mark(raw: bytes) -> str | None:
    """UTF-16 of mostly Latin text has a zero in every second byte."""
    sample = raw[:2048]
    if len(sample) < 4:
        return None
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if odd > 0.8 * len(sample) / 2 and even == 0:
        return "utf-16-le"
    return "utf-16-be" if even > 0.8 * len(sample) / 2 and odd == 0 else None


def _decode_legacy(raw: bytes, *, place: str) -> tuple[str, list[Issue]]:
    """The first Western encoding in which the text is made of words, else what charset-normalizer finds."""
    encoding = next((name for name in LEGACY if _reads_as_words(raw, name)), None) or _likeliest(raw)
    if encoding is None:
        raise IngestError(place, ["its encoding could not be found; declare 'encoding' in the study file"])
    message = f"is not UTF-8 and was read as {encoding}; declare 'encoding' in the study file to be sure"
    return raw.decode(encoding), [Issue(status="info", place=place, message=message)]


def _reads_as_words(raw: bytes, encoding: str) -> bool:
    """Tell whether all bytes decode and nearly all non-ASCII characters are letters or typographic marks."""
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        return False
    high = [char for char in text if ord(char) > 127]
    return sum(char in _USUAL for char in high) >= 0.9 * len(high)


def _likeliest(raw: bytes) -> str | None:
    from charset_normalizer import from_bytes

    best = from_bytes(raw).best()
    return best.encoding if best is not None else None


def without_hint(text: str) -> tuple[str, str | None]:
    """Return the text without Excel's first line ``sep=;`` and the delimiter which that line names.

    >>> without_hint("sep=;\\na;b\\n")
    ('a;b\\n', ';')
    """
    hint = re.match(r"sep=(.)\r?\n", text)
    return (text[hint.end() :], hint.group(1)) if hint else (text, None)


def find_delimiter(text: str, *, suffix: str = ".csv") -> str:
    """Return the delimiter that gives most lines the header's number of fields, and the most fields.

    >>> find_delimiter("a;b;c\\n1,5;2;3\\n2,5;3;4\\n")
    ';'
    """
    sample = text[: 2**18].splitlines()[:SAMPLE_LINES]
    candidates = ("\t", *DELIMITERS) if suffix == ".tsv" else DELIMITERS

    def score(delimiter: str) -> tuple[float, int]:
        counts = [len(fields) for fields in csv.reader(sample, delimiter=delimiter) if fields]
        width = counts[0] if counts else 0
        if width < 2:
            return (0.0, 0)
        return (sum(count == width for count in counts) / len(counts), width)

    scores = {delimiter: score(delimiter) for delimiter in candidates}
    # A rare delimiter can split every line the same way by chance; below nine lines in ten it is no match.
    steady = {d: width for d, (share, width) in scores.items() if share >= 0.9}
    if steady:
        return max(steady, key=lambda d: steady[d])
    best = max(scores, key=lambda d: scores[d])
    return best if scores[best][1] else ","


def _split(text: str, delimiter: str, *, place: str) -> list[list[str]]:
    try:
        return [fields for fields in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if fields]
    except csv.Error as error:
        raise IngestError(place, [f"cannot be read as a text table ({error})"]) from error


def header_names(cells: Sequence[str], *, place: str) -> list[str]:
    """Return the column names of a header; an unnamed column (as R writes row names) is ``column_<n>``.

    Raises
    ------
    IngestError
        A name stands twice.
    """
    names = [str(cell).strip() or f"column_{i}" for i, cell in enumerate(cells, start=1)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        listed = ", ".join(twice[:5])
        raise IngestError(
            place, [f"the header names a column more than once ({listed}); give each its own name"]
        )
    return names


def _check_ragged(lines: Sequence[Sequence[str]], *, place: str, delimiter: str) -> None:
    width = len(lines[0])
    odd = [(number, len(fields)) for number, fields in enumerate(lines, start=1) if len(fields) != width]
    if not odd:
        return
    first = ", ".join(f"row {number} has {count}" for number, count in odd[:3])
    named = {"\t": "tab"}.get(delimiter, delimiter)
    problem = (
        f"{len(odd)} row(s) do not have the header's {width} fields ({first}; the header is row 1, "
        f"the delimiter '{named}'); mend the file or declare 'delimiter'"
    )
    raise IngestError(place, [problem])


def find_decimal(rows: Sequence[Sequence[str]], *, delimiter: str) -> tuple[str, str | None]:
    """Return the decimal mark and, where both marks stand in the file, a sentence of doubt.

    >>> find_decimal([["1,5", "2"]], delimiter=";")
    (',', None)
    """
    if delimiter == ",":
        return ".", None
    fields = [field for row in rows[:SAMPLE_LINES] for field in row]
    commas = sum(bool(_COMMA.match(field)) for field in fields)
    points = sum(bool(_POINT.match(field)) for field in fields)
    if commas and points:
        mark = "," if commas > points else "."
        return mark, f"has numbers with decimal commas and with points; '{mark}' was used: declare 'decimal'"
    return ("," if commas else "."), None


def _to_frame(
    lines: Sequence[Sequence[str]], *, names: Sequence[str], decimal: str, text_columns: Sequence[str]
) -> pd.DataFrame:
    import pandas as pd

    columns = list(zip(*lines[1:], strict=True)) if len(lines) > 1 else [()] * len(names)
    kept = set(text_columns)
    data = {
        name: _column(values, decimal=decimal, as_text=name in kept)
        for name, values in zip(names, columns, strict=True)
    }
    return pd.DataFrame(data)


def _column(fields: Sequence[str], *, decimal: str, as_text: bool) -> pd.Series:
    """Return numbers where every answered field is one, else text.

    Fields are read once for each different text: survey answers repeat.
    """
    import pandas as pd

    cells = {field: _cell(field) for field in set(fields)}
    numbers = None if as_text else _numbers(cells, decimal=decimal)
    if numbers is None:
        return pd.Series([cells[field] for field in fields], dtype="str")
    return pd.Series([numbers[field] for field in fields], dtype=None if fields else "float64")


def _cell(field: str) -> str | None:
    stripped = field.strip()
    return None if stripped in _BLANKS else stripped


def _numbers(cells: Mapping[str, str | None], *, decimal: str) -> Mapping[str, float] | None:
    """Return each field's number, or ``None`` if they are not all numbers.

    A whole number with a leading zero is a code, and one beyond 2**53 an identifier: both stay text.
    """
    answered = {field: cell for field, cell in cells.items() if cell is not None}
    if all(_WHOLE.match(cell) for cell in answered.values()):
        whole = {field: int(cell) for field, cell in answered.items()}
        if (
            any(map(_LEADING_ZERO.match, answered.values()))
            or max(map(abs, whole.values()), default=0) > LARGEST_EXACT
        ):
            return None
        return (
            whole if len(whole) == len(cells) else {field: float(whole.get(field, "nan")) for field in cells}
        )
    number = _POINT_NUMBER if decimal == "." else _COMMA_NUMBER
    if not all(number.match(cell) for cell in answered.values()):
        return None
    found = {field: float(cell.replace(",", ".")) for field, cell in answered.items()}
    return {field: found.get(field, float("nan")) for field in cells}
