"""Text tables are read whatever their delimiter, encoding and decimal mark; damage is one clear message."""

from __future__ import annotations

import codecs

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from implstats.errors import IngestError
from implstats.ingest import read_frame, read_source
from implstats.ingest.text import find_delimiter, read_text_table

TABLE = "id;sted;poeng\n1;Tromsø;3,5\n2;Ålesund;4\n3;Værøy;\n"


def write(folder, name, raw):
    path = folder / name
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize(
    "raw",
    [
        TABLE.encode("utf-8"),
        TABLE.encode("utf-8-sig"),
        TABLE.encode("utf-16"),
        TABLE.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + TABLE.encode("utf-16-be"),
        TABLE.encode("utf-32"),
        TABLE.encode("windows-1252"),
        TABLE.encode("cp865"),
        TABLE.encode("mac_roman"),
        b"sep=;\n" + TABLE.encode("utf-8"),
        TABLE.replace("\n", "\r\n").encode("utf-8"),
        TABLE.replace(";", "\t").encode("utf-8"),
        TABLE.replace(";", "|").encode("utf-8"),
    ],
    ids=[
        "utf8",
        "bom",
        "utf16",
        "utf16-no-bom",
        "utf16be",
        "utf32",
        "cp1252",
        "cp865",
        "mac",
        "sep",
        "crlf",
        "tab",
        "pipe",
    ],
)
def test_one_table_in_many_dresses(tmp_path, raw):
    frame = read_frame(write(tmp_path, "a.csv", raw))
    assert list(frame.columns) == ["id", "sted", "poeng"]
    assert frame["sted"].tolist() == ["Tromsø", "Ålesund", "Værøy"]
    assert frame["poeng"].tolist()[:2] == [3.5, 4.0]
    assert pd.isna(frame["poeng"][2])


def test_a_guessed_encoding_is_told(tmp_path, source):
    write(tmp_path, "a.csv", TABLE.encode("windows-1252"))
    raw = read_source(tmp_path, source("a.csv"))
    assert [issue.status for issue in raw.issues] == ["info"]
    assert "windows-1252" in raw.issues[0].message
    assert read_source(tmp_path, source("a.csv", encoding="windows-1252")).issues == ()


def test_declared_settings_go_first(tmp_path, source):
    write(tmp_path, "b.txt", b"a;b\n1.234;2\n5.678;3\n")
    assert read_source(tmp_path, source("b.txt", decimal=".")).frame["a"].tolist() == [1.234, 5.678]
    assert read_source(tmp_path, source("b.txt", delimiter="|")).frame.shape == (2, 1)


def test_both_decimal_marks_raise_a_doubt(tmp_path, source):
    write(tmp_path, "a.csv", b"a;b\n1,5;2.5\n2,5;3.5\n3,5;x\n")
    issues = read_source(tmp_path, source("a.csv")).issues
    assert [issue.status for issue in issues] == ["warn"]
    assert "declare 'decimal'" in issues[0].message


def test_quoted_delimiters_and_line_breaks_stay_in_their_cell(tmp_path):
    path = write(tmp_path, "a.csv", b'id,text\n1,"a, b"\n2,"two\nlines"\n3,"say ""hi"""\n')
    assert read_frame(path)["text"].tolist() == ["a, b", "two\nlines", 'say "hi"']


def test_codes_with_leading_zeros_and_long_identifiers_stay_text(tmp_path):
    path = write(tmp_path, "a.csv", b"code,long,plain\n007,12345678901234567890,1\n012,2,0\n")
    frame = read_frame(path)
    assert frame["code"].tolist() == ["007", "012"]
    assert frame["long"].tolist() == ["12345678901234567890", "2"]
    assert frame["plain"].tolist() == [1, 0]


def test_no_answer_words_are_missing_and_answers_are_not(tmp_path):
    path = write(tmp_path, "a.csv", b"x,y\nNA,None\n.,no\n ,nothing\n1,NA\n")
    frame = read_frame(path)
    assert frame["x"].isna().tolist() == [True, True, True, False]
    assert frame["y"].tolist()[:3] == ["None", "no", "nothing"]


def test_an_unnamed_column_gets_a_name(tmp_path):
    assert list(read_frame(write(tmp_path, "a.csv", b'"","x"\n"1",2\n')).columns) == ["column_1", "x"]


def test_one_column_is_a_table_too(tmp_path):
    assert read_frame(write(tmp_path, "a.csv", b"x\n1\n2\n"))["x"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "the file is empty"),
        (b"\n \n", "the file is empty"),
        (b"a,b\n1,2\n3\n4,5,6\n", "2 row(s) do not have the header's 2 fields (row 3 has 1, row 4 has 3"),
        (b"a,b,a\n1,2,3\n", "the header names a column more than once (a)"),
        (b"\x00\x01\x02\x03\x04abc,\x00\x00\x01", "it is no text file"),
        (b"\xff\xfea\x00;\x00b", "cannot be decoded to its end"),
    ],
)
def test_damage_is_one_clear_message(tmp_path, raw, said):
    path = write(tmp_path, "a.csv", raw)
    with pytest.raises(IngestError) as caught:
        read_frame(path)
    assert len(caught.value.problems) == 1
    assert said in caught.value.problems[0]


def test_a_wrong_or_unknown_encoding_is_told(tmp_path):
    path = write(tmp_path, "a.csv", TABLE.encode("windows-1252"))
    with pytest.raises(IngestError, match="is not utf-8, as the study file declares"):
        read_text_table(path, place="a.csv", encoding="utf-8")
    with pytest.raises(IngestError, match="'utf-9' is not a known encoding"):
        read_text_table(path, place="a.csv", encoding="utf-9")


def test_missing_unknown_and_folder(tmp_path):
    write(tmp_path, "wave1.csv", b"a\n1\n")
    with pytest.raises(IngestError, match=r"no such file; did you mean 'wave1\.csv'"):
        read_frame(tmp_path / "wave_1.csv")
    with pytest.raises(IngestError, match=r"no such file; there is no folder .*nowhere"):
        read_frame(tmp_path / "nowhere" / "a.csv")
    with pytest.raises(IngestError, match="is a folder"):
        read_frame(tmp_path)
    with pytest.raises(IngestError, match=r"files ending in '\.rds' are not read; use one of \.sav"):
        read_frame(write(tmp_path, "a.rds", b"x"))
    with pytest.raises(IngestError, match="save the workbook as"):
        read_frame(write(tmp_path, "a.xls", b"x"))


@given(
    rows=st.lists(st.lists(st.integers(-999, 999), min_size=3, max_size=3), min_size=2, max_size=30),
    delimiter=st.sampled_from(";\t|,"),
)
def test_any_table_of_numbers_comes_back(tmp_path_factory, rows, delimiter):
    lines = [["a", "b", "c"], *rows]
    text = "\n".join(delimiter.join(map(str, line)) for line in lines)
    path = tmp_path_factory.mktemp("t") / "t.csv"
    path.write_text(text, encoding="utf-8")
    assert read_frame(path).to_numpy().tolist() == rows


@given(st.lists(st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 4)), min_size=2, max_size=20))
def test_decimal_comma_and_point_give_the_same_numbers(tmp_path_factory, numbers):
    folder = tmp_path_factory.mktemp("t")
    points = "x;y\n" + "".join(f"{n:.4f};1\n" for n in numbers)
    (folder / "p.csv").write_text(points, encoding="utf-8")
    (folder / "c.csv").write_text(points.replace(".", ","), encoding="utf-8")
    expected = [float(f"{n:.4f}") for n in numbers]
    assert read_frame(folder / "p.csv")["x"].tolist() == expected
    assert read_frame(folder / "c.csv")["x"].tolist() == expected


def test_a_comma_inside_numbers_is_no_delimiter():
    assert find_delimiter("a;b\n1,5;2,5\n3,5;4,5\n") == ";"
    assert find_delimiter("a,b\n1;5,2\n") == ","


def test_real_semicolon_file_with_byte_order_mark(shared):
    frame = read_frame(shared("ihc_uganda_crt/uganda-children-one-year-follow-up.csv"))
    assert len(frame) == 6787
    assert frame["qn0part2"].nunique() == 120
    assert not frame.columns[0].startswith("\ufeff")


def test_rows_without_any_answer_are_left_out_and_told(tmp_path, source):
    write(tmp_path, "a.csv", b"a;b\n1;2\n;\n ; \n")
    raw = read_source(tmp_path, source("a.csv"))
    assert raw.frame.to_numpy().tolist() == [[1, 2]]
    assert [issue.message for issue in raw.issues] == ["2 row(s) without any answer were left out"]
