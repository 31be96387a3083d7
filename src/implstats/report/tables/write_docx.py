"""Tables as one Word document: real tables with a repeated header row, three rules, caption and note."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from implstats.report.archive import steady_archive
from implstats.report.book import SYNTHETIC, Book
from implstats.report.tables.spec import Cell, TableSpec
from implstats.results.files import replacing

FONT = "Times New Roman"
PORTRAIT_CM, LANDSCAPE_CM, MARGIN_CM = (21.0, 29.7), (29.7, 21.0), 2.0


def write(book: Book, specs: Sequence[TableSpec], *, folder: Path) -> list[Path]:
    """Write ``tables.docx``; wide tables stand on landscape pages."""
    import docx

    document = docx.Document()
    title = str(book.study["title"])
    title = f"{SYNTHETIC}: {title}" if book.synthetic else title
    document.core_properties.title = title
    document.core_properties.author = "implstats"
    document.core_properties.comments = ""
    _base_style(document)
    document.add_heading(title, level=0)
    _turn(document.sections[0], wide=False)
    landscape = False
    for number, spec in enumerate(specs, start=1):
        if spec.wide != landscape:
            _turn(document.add_section(), wide=spec.wide)
            landscape = spec.wide
        _add_table(document, spec, number=number)
    path = folder / "tables.docx"
    with replacing(path) as temporary:
        document.save(str(temporary))
        steady_archive(temporary)
    return [path]


def _base_style(document: Any) -> None:
    from docx.oxml.ns import qn
    from docx.shared import Pt, RGBColor

    for name, size in (("Normal", 10), ("Title", 16), ("Caption", 10)):
        style = document.styles[name]
        style.font.name = FONT
        style.font.size = Pt(size)
        style.font.color.rgb = RGBColor(0, 0, 0)
        fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
        for theme in ("asciiTheme", "hAnsiTheme", "eastAsiaTheme", "cstheme"):
            fonts.attrib.pop(qn(f"w:{theme}"), None)


def _turn(section: Any, *, wide: bool) -> None:
    """Set a section's page to landscape or portrait."""
    from docx.enum.section import WD_ORIENT
    from docx.shared import Cm

    width, height = LANDSCAPE_CM if wide else PORTRAIT_CM
    section.orientation = WD_ORIENT.LANDSCAPE if wide else WD_ORIENT.PORTRAIT
    section.page_width, section.page_height = Cm(width), Cm(height)
    for side in ("left_margin", "right_margin", "top_margin", "bottom_margin"):
        setattr(section, side, Cm(MARGIN_CM))


def _add_table(document: Any, spec: TableSpec, *, number: int) -> None:
    """Add caption, table and note."""
    caption = document.add_paragraph(style="Caption")
    caption.add_run(f"Table {number}").bold = True
    caption.add_run(f"\n{spec.title}").italic = True
    caption.paragraph_format.keep_with_next = True
    table = document.add_table(rows=1 + len(spec.rows), cols=len(spec.columns))
    table.autofit = False
    for cell, column in zip(table.rows[0].cells, spec.columns, strict=True):
        _put(cell, Cell(value=column.header), right=column.kind != "text")
    for line, row in zip(list(table.rows)[1:], spec.rows, strict=True):
        _fill_row(line, row, spec)
    _properties(table, spec)
    _column_widths(table, spec)
    note = document.add_paragraph()
    if spec.note:
        note.add_run("Note. ").italic = True
        note.add_run(spec.note)


def _fill_row(line: Any, row: Sequence[Cell], spec: TableSpec) -> None:
    cells = line.cells
    if len(row) == 1:
        if len(cells) > 1:
            cells[0].merge(cells[-1])
        _put(line.cells[0], row[0], right=False, italic=True)
        return
    for target, cell, column in zip(cells, row, spec.columns, strict=True):
        _put(target, cell, right=column.kind != "text")


def _put(target: Any, cell: Cell, *, right: bool, italic: bool = False) -> None:
    """Write a cell; the mark of its note is raised."""
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Pt

    paragraph = target.paragraphs[0]
    paragraph.paragraph_format.space_after = Pt(2)
    paragraph.paragraph_format.space_before = Pt(2)
    paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT if right else WD_ALIGN_PARAGRAPH.LEFT
    run = paragraph.add_run(cell.text)
    run.font.size = Pt(9)
    run.italic = italic
    if cell.mark:
        mark = paragraph.add_run(cell.mark)
        mark.font.size = Pt(9)
        mark.font.superscript = True


def _properties(table: Any, spec: TableSpec) -> None:
    """Repeat the header row, keep rows whole, draw three rules, add the alternative text."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    def add(parent: Any, tag: str, **attributes: str) -> Any:
        element = OxmlElement(tag)
        for name, value in attributes.items():
            element.set(qn(f"w:{name}"), value)
        parent.append(element)
        return element

    for i, row in enumerate(table.rows):
        row_properties = row._tr.get_or_add_trPr()
        add(row_properties, "w:cantSplit")
        if i == 0:
            add(row_properties, "w:tblHeader")
    last = len(table.rows) - 1
    for i, edges in ((0, {"top": "12", "bottom": "6"}), (last, {"bottom": "12"})):
        for tc in table.rows[i]._tr.tc_lst:
            borders = add(tc.get_or_add_tcPr(), "w:tcBorders")
            for edge, size in edges.items():
                add(borders, f"w:{edge}", val="single", sz=size, space="0", color="000000")
    add(table._tbl.tblPr, "w:tblCaption", val=spec.title)
    add(table._tbl.tblPr, "w:tblDescription", val=spec.alt)


def _column_widths(table: Any, spec: TableSpec) -> None:
    """Share the page's width by the length of what stands in each column."""
    from docx.shared import Cm

    page = (LANDSCAPE_CM if spec.wide else PORTRAIT_CM)[0] - 2 * MARGIN_CM
    longest = [
        max([len(c.header), 4, *(min(len(row[i].text), 45) for row in spec.rows if len(row) > 1)]) + 4
        for i, c in enumerate(spec.columns)
    ]
    widths = [min(page * share / sum(longest), share * 0.22) for share in longest]
    for width, column in zip(widths, table.columns, strict=True):
        column.width = Cm(width)
    for row, content in zip(table.rows, [(), *spec.rows], strict=True):
        if len(content) != 1:
            for tc, width in zip(row._tr.tc_lst, widths, strict=True):
                tc.width = Cm(width)
