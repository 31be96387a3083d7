"""What the writers wrote can be read back, and no format shows what must not be shown."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from html.parser import HTMLParser

import docx
import openpyxl
import pytest
from docx.enum.section import WD_ORIENT
from docx.oxml.ns import qn

from implstats.report.book import open_book
from implstats.report.build import build_all
from implstats.report.tables import all_tables, write_tables
from implstats.report.tables.write_tex import escape_tex, table_tex
from implstats.report.tables.write_xlsx import sheet_name

# Stands in the row of the failed fit, and nowhere else.
FAILED_NUMBER = "77.31"


@pytest.fixture(scope="module")
def specs(five_waves):
    """All tables in order."""
    return all_tables(open_book(five_waves))


def test_word_file_has_every_table_with_a_repeated_header_row(five_waves, specs):
    document = docx.Document(str(five_waves / "tables" / "tables.docx"))
    assert len(document.tables) == len(specs)
    for table, spec in zip(document.tables, specs, strict=True):
        header = table.rows[0]
        assert header._tr.trPr.find(qn("w:tblHeader")) is not None
        assert [cell.text for cell in header.cells] == [c.header for c in spec.columns]
        for line, row in zip(list(table.rows)[1:], spec.rows, strict=True):
            wanted = [c.text + c.mark for c in row]
            assert [cell.text for cell in line.cells][: len(wanted)] == wanted
        assert table._tbl.tblPr.find(qn("w:tblDescription")).get(qn("w:val")) == spec.alt


def test_word_file_turns_the_page_for_wide_tables_only(five_waves, specs):
    document = docx.Document(str(five_waves / "tables" / "tables.docx"))
    turns = {section.orientation for section in document.sections}
    assert any(spec.wide for spec in specs)
    assert turns == {WD_ORIENT.PORTRAIT, WD_ORIENT.LANDSCAPE}
    for section in document.sections:
        landscape = section.orientation == WD_ORIENT.LANDSCAPE
        assert (section.page_width > section.page_height) == landscape


def test_excel_file_holds_numbers_at_full_precision(five_waves, specs):
    book = openpyxl.load_workbook(five_waves / "tables" / "tables.xlsx")
    assert book.sheetnames[0] == "about"
    assert len(book.sheetnames) == len(specs) + 1
    sheet = book["mixed-growth"]
    row = next(r for r in sheet.iter_rows(min_row=4) if r[0].value == "Time × Age in years")
    assert row[1].value == 0.0513 - 0.09
    assert row[1].number_format == "0.00"
    assert row[5].value == 0.0392
    assert (row[6].value, row[7].value) == (-0.0387 - 1.96 * 0.0219, -0.0387 + 1.96 * 0.0219)
    assert sheet.freeze_panes == "B4"
    assert all("SYNTHETIC DATA" in book[name]["A1"].value for name in book.sheetnames[1:])


def test_excel_sheet_names_are_valid_and_unique():
    taken: list[str] = []
    for name in ["parameters-" + "x" * 30, "parameters-" + "x" * 31, "about", "About"]:
        taken.append(sheet_name(name, taken=taken))
    assert len({t.casefold() for t in taken} | {"about"}) == 5
    assert max(map(len, taken)) <= 31


def test_label_that_looks_like_a_formula_stays_text(five_waves, tmp_path):
    folder = tmp_path / "five"
    shutil.copytree(five_waves, folder)
    path = folder / "dictionary.csv"
    path.write_text(path.read_text().replace("Age in years", "=1+1"))
    write_tables(folder)
    sheet = openpyxl.load_workbook(folder / "tables" / "tables.xlsx")["missing"]
    cell = next(c for (c, *_) in sheet.iter_rows(min_row=4) if c.value == "=1+1")
    assert cell.data_type == "s"


class Balance(HTMLParser):
    """Counts tables and captions, and notes tags that do not close in order."""

    VOID = frozenset({"meta", "br", "img", "link", "hr", "input"})

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.wrong = [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


@pytest.mark.parametrize("name", ["tables/tables.html", "report.html"])
def test_html_is_balanced_and_its_tables_are_labelled(five_waves, specs, name):
    parser = Balance()
    parser.feed((five_waves / name).read_text(encoding="utf-8"))
    assert parser.wrong == []
    assert parser.open == []
    tags = [tag for tag, _ in parser.seen]
    assert tags.count("table") == tags.count("caption") > 15
    assert all(attrs.get("scope") for tag, attrs in parser.seen if tag == "th")


def test_html_escapes_what_comes_from_the_study(five_waves):
    text = (five_waves / "tables" / "tables.html").read_text(encoding="utf-8")
    assert "Readiness &lt;b&gt;&amp;&lt;/b&gt;" in text
    assert "<b>&" not in text


def test_tex_is_a_fragment_with_balanced_braces_in_ascii(five_waves, specs):
    text = (five_waves / "tables" / "tables.tex").read_text(encoding="utf-8")
    assert text.isascii()
    bare = re.sub(r"\\[\\{}]", "", text)
    assert bare.count("{") == bare.count("}")
    for environment in ("longtable", "landscape"):
        assert text.count(rf"\begin{{{environment}}}") == text.count(rf"\end{{{environment}}}")
    assert text.count(r"\begin{longtable}") == len(specs)
    assert r"\documentclass" not in text


def test_tex_rows_have_as_many_cells_as_columns(specs):
    for spec in specs:
        lines = [line for line in table_tex(spec).splitlines() if re.search(r"(?<!\\)&", line)]
        assert {len(re.findall(r"(?<!\\)&", line)) for line in lines} <= {len(spec.columns) - 1}


def test_tex_escapes_every_special_character():
    assert escape_tex("50% & #1_{x}$~^\\") == (
        r"50\% \& \#1\_\{x\}\$\textasciitilde{}\textasciicircum{}\textbackslash{}"
    )


def texts_of(folder):
    """Yield every output file with its raw text, archives unpacked."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        if path.suffix in (".docx", ".xlsx"):
            with zipfile.ZipFile(path) as archive:
                yield path, " ".join(archive.read(n).decode("utf-8", "replace") for n in archive.namelist())
        elif path.suffix not in (".parquet", ".png", ".pdf"):
            text = path.read_text(encoding="utf-8")
            # Coordinates of drawings are no results; the alternative texts are read in alt.json.
            yield path, re.sub(r"<[^>]*>", " ", text) if path.suffix in (".svg", ".html") else text


def test_no_number_of_a_failed_fit_is_in_any_output(five_waves):
    found = [p.name for p, text in texts_of(five_waves) if FAILED_NUMBER in text]
    assert found == ["results.csv"]


def test_suppressed_cluster_is_in_no_output(five_waves):
    # The means of Hosp-12 are suppressed at every wave; not even its name is needed anywhere.
    found = [p.name for p, text in texts_of(five_waves) if re.search(r"Hosp-12", text)]
    assert found == ["results.csv"]


def test_a_suppressed_value_that_slipped_into_the_files_is_not_shown(five_waves, tmp_path):
    import pandas as pd

    folder = tmp_path / "five"
    shutil.copytree(five_waves, folder)
    rows = pd.read_parquet(folder / "results.parquet")
    rows.loc[rows["suppressed"], ["estimate", "conf_low", "conf_high", "std_error"]] = 8765.4321
    rows.to_parquet(folder / "results.parquet")
    build_all(folder)
    leaked = [p.name for p, text in texts_of(folder) if re.search(r"8,?765[.]4", text)]
    assert leaked == []


def test_second_run_gives_the_same_bytes(five_waves, tmp_path):
    folder = tmp_path / "five"
    shutil.copytree(five_waves, folder)
    before = {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    build_all(folder)
    after = {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert [str(p) for p in before if before[p] != after.get(p)] == []
    assert set(before) == set(after)


def test_nothing_is_written_outside_the_folder_and_no_temporary_file_stays(five_waves):
    assert {p.name for p in five_waves.parent.iterdir()} == {"five"}
    assert [p for p in five_waves.rglob(".*")] == []


def test_interrupted_table_leaves_the_former_file(five_waves, tmp_path, monkeypatch):
    folder = tmp_path / "five"
    shutil.copytree(five_waves, folder)
    before = (folder / "tables" / "tables.docx").read_bytes()

    def interrupt(path):
        raise KeyboardInterrupt

    monkeypatch.setattr("implstats.report.tables.write_docx.steady_archive", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_tables(folder)
    assert (folder / "tables" / "tables.docx").read_bytes() == before
    assert [p for p in folder.rglob(".*")] == []


def test_only_the_formats_asked_for_are_written(five_waves, tmp_path):
    folder = tmp_path / "five"
    folder.mkdir()
    for path in five_waves.iterdir():
        if path.is_file():
            shutil.copy(path, folder)
    provenance = json.loads((folder / "provenance.json").read_text())
    provenance["outputs_settings"]["tables"] = ["tex"]
    (folder / "provenance.json").write_text(json.dumps(provenance))
    assert [p.name for p in write_tables(folder)] == ["tables.tex"]
