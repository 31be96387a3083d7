"""What stands on the report's page, before it is HTML: plain records for the template."""

from __future__ import annotations

from dataclasses import dataclass, replace

from implstats.report.book import STAGES, Book, Question
from implstats.report.numbers import counted, fixed, sentence
from implstats.report.page.inline import InlineFigure
from implstats.report.page.sentences import question_sentences
from implstats.report.tables.spec import TableSpec
from implstats.report.tables.write_html import table_html
from implstats.results.checks import Check

KINDS = {
    "null_model": "Variance by level (mixed model)",
    "growth": "Change over waves (mixed model)",
    "contextual": "Within and between clusters (mixed model)",
    "mixed": "Mixed model",
    "cfa": "Confirmatory factor analysis",
    "path": "Path model",
    "invariance": "Measurement invariance",
    "attrition": "Attrition",
}
WORDS = {"fail": "Failed", "warn": "Caution", "info": "Note", "ok": "Passed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One section of the page; ``tables`` and figures' markup are safe HTML."""

    anchor: str
    title: str
    kind: str = ""
    failure: str = ""
    sentences: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    figures: tuple[InlineFigure, ...] = ()
    checks: tuple[tuple[str, str, str], ...] = ()


def question_section(
    book: Book,
    question: Question,
    tables: list[TableSpec],
    numbers: dict[str, int],
    figures: list[InlineFigure],
) -> Section:
    """Return what a question found, its tables, figures and checks; a failed fit gives its reason only."""
    analyses = book.analyses_of(question)
    failures = {a: m for a, m in book.failures().items() if a in analyses}
    cautions = [m for a in analyses for m in book.cautions().get(a, [])]
    told = {*failures.values(), *cautions}
    # The one line of a failed model's table says what the section says already.
    tables = [t for t in tables if not failures or any(len(row) > 1 for row in t.rows)]
    return Section(
        anchor=f"q-{question.name}",
        title=question.title,
        kind=KINDS.get(question.kind, question.kind),
        failure=" ".join(failures.values()),
        sentences=tuple(question_sentences(book, question)),
        cautions=tuple(dict.fromkeys(cautions)),
        tables=tuple(numbered([_without_cautions(t, cautions) for t in tables], numbers)),
        figures=tuple(f for f in figures if f.analysis in analyses),
        checks=tuple(check_line(c) for a in analyses for c in book.checks_of(a) if c.message not in told),
    )


def _without_cautions(table: TableSpec, cautions: list[str]) -> TableSpec:
    """Return a table without the cautions in its note that stand at the head of its section."""
    note = table.note
    for text in (" ".join(cautions), *cautions):
        note = note.replace(f"Caution: {sentence(text)}", "")
    return replace(table, note=" ".join(note.split()))


def stage_section(
    book: Book,
    title: str,
    analyses: tuple[str, ...],
    tables: list[TableSpec],
    numbers: dict[str, int],
    figures: list[InlineFigure],
) -> Section:
    """Return a section about one or more stages, such as the scales."""
    checks = [c for a in analyses for c in book.checks_of(a)]
    return Section(
        anchor=f"s-{analyses[0]}",
        title=title,
        failure=" ".join(m for a, m in book.failures().items() if a in analyses),
        tables=tuple(numbered(tables, numbers)),
        figures=tuple(f for f in figures if f.analysis in analyses),
        checks=tuple(check_line(c) for c in checks),
    )


def numbered(tables: list[TableSpec], numbers: dict[str, int]) -> list[str]:
    """Return tables as HTML with the numbers they have in the other formats."""
    return [table_html(t, number=numbers[t.name], anchor=f"t-{t.name}") for t in tables]


def check_line(check: Check) -> tuple[str, str, str]:
    """Return a check's status, its word and its sentence."""
    return check.status, WORDS[check.status], check.message


def verdict(book: Book) -> tuple[str, list[tuple[str, str]]]:
    """Return the first page's headline and the analyses behind it with their reasons."""
    analyses = dict.fromkeys([*book.rows, *(a for a, _ in book.checks)])
    failures = book.failures()
    if failures:
        names = [(book.name_of(a), m) for a, m in failures.items()]
        return f"FAILED: {len(names)} of {counted(len(analyses), 'analysis')}", names
    cautions = len(book.cautions())
    tail = f", {cautions} with cautions" if cautions else ", none with cautions"
    return f"Nothing failed: {counted(len(analyses), 'analysis')}{tail}", []


def people(book: Book) -> list[tuple[str, str]]:
    """Return wave and number of persons after the last step of the flow, by table."""
    rows = book.select("flow", quantity="n_persons")
    out = []
    for table in book.ordered("table", [r.block for r in rows]):
        mine = [r for r in rows if r.block == table]
        several = len({r.block for r in rows}) > 1
        for wave in book.ordered("wave", [r.level for r in mine]):
            last = [r for r in mine if r.level == wave][-1]
            nameless = "All waves" if len({r.level for r in mine}) > 1 else "Persons"
            name = book.label("wave", wave) or nameless
            label = f"{book.label('table', table)}, {name.lower()}" if several else name
            shown = "suppressed" if last.suppressed else "not available"
            value = shown if last.estimate is None else fixed(last.estimate, decimals=0)
            out.append((label, value))
    return out


def published_line(book: Book) -> str:
    """Return how many published numbers ours agree with."""
    compared = book.published
    if not compared:
        return ""
    same = sum(1 for record in compared if record["agrees"])
    text = f"{same} of {counted(len(compared), 'published number')} reproduced at the printed precision"
    tolerated = sum(1 for record in compared if record["agrees"] and record["reason"])
    if tolerated:
        text += f" ({tolerated} of them within a tolerance that is stated)"
    return text + "." if same == len(compared) else f"{text}; the others stand in the table of comparisons."


def unverified_keys(book: Book) -> list[str]:
    """Return scales whose scoring key nobody has checked, with the source to check it against."""
    found = book.provenance.get("instruments") or []
    out = []
    for entry in found:
        if not entry.get("verified"):
            source = f" ({entry['citation']})" if entry.get("citation") else ""
            out.append(f"{book.label('scale', str(entry['scale']))}{source}")
    return out


def data_issues(book: Book) -> list[tuple[str, str, str, str]]:
    """Return checks that belong to no question and to no section of their own."""
    known = {a for q in book.questions for a in book.analyses_of(q)} | set(STAGES) - {"ingest", "flow"}
    return [
        (book.name_of(analysis), *check_line(check))
        for analysis, check in book.checks
        if analysis not in known
    ]
