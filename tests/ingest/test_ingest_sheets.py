"""Excel workbooks and Parquet files."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest
from openpyxl import Workbook

from implstats.errors import IngestError
from implstats.ingest import read_frame, read_source


@pytest.fixture
def workbook(tmp_path):
    def write(name, rows, sheet="Svar", extra=()):
        book = Workbook()
        page = book.active
        page.title = sheet
        for row in rows:
            page.append(row)
        for other in extra:
            book.create_sheet(other)
        book.save(tmp_path / name)
        return tmp_path / name

    return write


def test_numbers_texts_dates_and_blanks(workbook):
    rows = [
        ["id", "sted", "skår", "dato", "tom"],
        [1, "Tromsø", 3.5, dt.datetime(2024, 1, 5), None],
        [2, " NA ", 4, None, None],
        [3, "Ås", None, None, None],
    ]
    frame = read_frame(workbook("a.xlsx", rows))
    assert frame["id"].tolist() == [1, 2, 3]
    assert frame["sted"].isna().tolist() == [False, True, False]
    assert frame["skår"].tolist()[:2] == [3.5, 4.0]
    assert frame["dato"].dtype.kind == "M"
    assert frame["tom"].isna().all()
    assert frame["tom"].dtype.kind == "f"


def test_identifiers_stay_as_people_write_them(workbook, source, tmp_path):
    workbook("a.xlsx", [["id", "q"], [7, 1], ["007", 2], [8.0, 3]])
    raw = read_source(tmp_path, source("a.xlsx"), id_columns=["id"])
    assert raw.frame["id"].tolist() == ["7", "007", "8"]


def test_a_sheet_is_chosen_by_name(workbook, source, tmp_path):
    workbook("a.xlsx", [["x"], [1]], sheet="Wave 1", extra=["Notes"])
    assert read_source(tmp_path, source("a.xlsx", sheet="Wave 1")).frame["x"].tolist() == [1]
    with pytest.raises(IngestError, match="has no sheet 'wave1'; did you mean 'Wave 1'"):
        read_source(tmp_path, source("a.xlsx", sheet="wave1"))
    with pytest.raises(IngestError, match="the sheet is empty"):
        read_source(tmp_path, source("a.xlsx", sheet="Notes"))


def test_empty_rows_between_answers_are_left_out_and_told(workbook, source, tmp_path):
    workbook("a.xlsx", [["x", "y"], [1, 2], [None, None], [3, 4]])
    raw = read_source(tmp_path, source("a.xlsx"))
    assert raw.frame["x"].tolist() == [1, 3]
    assert "empty rows" in raw.issues[0].message


def test_damaged_workbooks_and_repeated_names(workbook, tmp_path):
    (tmp_path / "b.xlsx").write_bytes(b"no workbook")
    with pytest.raises(IngestError, match=r"is no \.xlsx workbook, or it is damaged"):
        read_frame(tmp_path / "b.xlsx")
    whole = workbook("a.xlsx", [["x"], [1]])
    (tmp_path / "cut.xlsx").write_bytes(whole.read_bytes()[:200])
    with pytest.raises(IngestError, match=r"is no \.xlsx workbook"):
        read_frame(tmp_path / "cut.xlsx")
    with pytest.raises(IngestError, match=r"names a column more than once \(x\)"):
        read_frame(workbook("c.xlsx", [["x", "x"], [1, 2]]))


def test_parquet(tmp_path):
    frame = pd.DataFrame({"x": [1.0, None], "y": ["å", "b"]})
    frame.to_parquet(tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(read_frame(tmp_path / "a.parquet"), frame, check_flags=False)
    (tmp_path / "b.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(IngestError, match="is no Parquet file"):
        read_frame(tmp_path / "b.parquet")
