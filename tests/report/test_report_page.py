"""The page: one file, says first what failed, claims no more than the rows do."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from dataclasses import replace

import pytest

from implstats.errors import ProblemsError
from implstats.report.book import Question, open_book
from implstats.report.page import content, write_report
from implstats.report.page.sentences import NO_BREAK, _wave, question_sentences


@pytest.fixture(scope="module")
def page(five_waves):
    """The page of the study with five waves."""
    return (five_waves / "report.html").read_text(encoding="utf-8")


def first_page(page):
    """Return what stands before the table of contents."""
    return page[: page.index("<nav")]


def sentences(book, name):
    """Return a question's sentences with ordinary blanks."""
    question = next(q for q in book.questions if q.name == name)
    return [text.replace(NO_BREAK, " ") for text in question_sentences(book, question)]


def test_page_refers_to_nothing_outside_itself(page, one_wave):
    for text in (page, (one_wave / "report.html").read_text(encoding="utf-8")):
        outside = re.findall(r'(?:src|href|action|data)\s*=\s*"(?!#|data:)([^"]*)"', text)
        assert outside == []
        assert not re.search(r"@import|<script|<link|url\((?!#|data:)", text)


def test_identifiers_are_unique_and_links_lead_somewhere(page):
    names = re.findall(r'\bid="([^"]+)"', page)
    assert len(names) == len(set(names))
    targets = re.findall(r'href="#([^"]+)"', page)
    assert set(targets) <= set(names)


def test_failed_fit_is_named_on_the_first_page_without_numbers(page):
    top = first_page(page)
    assert "FAILED: 1 of 14 analyses" in top
    assert "FAILED: Do hospitals change at different speeds?" in top
    assert "the gradient is not flat" in top
    section = page[page.index('id="q-slopes"') : page.index('id="q-measurement"')]
    assert "<table" not in section
    assert "<figure" not in section


def test_first_page_shows_persons_published_numbers_and_unverified_keys(page):
    top = re.sub(r"\s+", " ", first_page(page))
    assert "SYNTHETIC DATA" in top
    assert "<dt>Wave 5</dt><dd>922</dd>" in top
    assert "1 of 2 published numbers reproduced" in top
    assert "nobody has verified: Readiness (Someone (1999))" in top
    assert "Commitment (Else" not in top


def test_page_of_a_sound_study_says_that_nothing_failed(one_wave):
    top = first_page((one_wave / "report.html").read_text(encoding="utf-8"))
    assert "Nothing failed: 8 analyses, none with cautions" in top
    assert "SYNTHETIC" not in top


def test_caution_stands_beside_its_question(page):
    section = page[page.index('id="q-context"') : page.index('id="q-slopes"')]
    assert '<p class="caution">' in section
    assert "estimated as zero" in section


def test_headings_come_in_order(page):
    levels = [int(level) for level in re.findall(r"<h([1-6])\b", page)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))


def test_every_figure_of_the_page_is_labelled(page):
    figures = re.findall(r"<figure.*?</figure>", page, flags=re.DOTALL)
    assert len(figures) == 6
    assert all(re.search(r'role="img" aria-label="[^"]{30,}"', figure) for figure in figures)


def test_growth_sentence_gives_effect_interval_df_and_basis(five_waves):
    found = sentences(open_book(five_waves), "growth")
    assert found[0] == (
        "Job satisfaction rose by 0.05 for each year "
        "(b = 0.05, 95% CI [0.01, 0.09], t(12.4) = 2.34, p = .039)."
    )
    assert found[1].endswith("p = .039); the interval includes zero.")
    assert found[-1] == (
        "Based on 1,402 observations and 12 clusters of the highest level; degrees of freedom: Kenward-Roger."
    )


def test_a_caution_stands_once_in_its_section(page):
    texts = re.findall(r'<p class="caution"><b>Caution.</b> (.*?)</p>', page)
    sections = re.findall(r'<section id="q-.*?</section>', page, flags=re.DOTALL)
    assert texts
    for section in sections:
        assert all(section.count(text) <= 1 for text in texts)


def test_variance_sentence(five_waves):
    assert sentences(open_book(five_waves), "null")[0] == (
        "4.3% of the variance of Job satisfaction lies at the level 'Institution' (ICC = .043)."
    )


def test_failed_question_has_no_sentence(five_waves):
    assert sentences(open_book(five_waves), "slopes") == []


def test_no_sentence_claims_a_cause(five_waves):
    book = open_book(five_waves)
    text = " ".join(s for q in book.questions for s in sentences(book, q.name)).lower()
    assert len(text) > 500
    assert not re.search(r"\b(caus|effect of|leads? to|impact|because|due to|influenc)", text)


def test_page_without_figures_still_stands(five_waves, tmp_path):
    for path in five_waves.iterdir():
        if path.is_file() and path.name != "report.html":
            shutil.copy(path, tmp_path)
    text = write_report(tmp_path).read_text(encoding="utf-8")
    assert "<figure" not in text
    assert "Does job satisfaction change?" in text


def test_png_stands_in_when_no_svg_was_asked_for(five_waves, tmp_path):
    folder = tmp_path / "five"
    shutil.copytree(five_waves, folder)
    path = folder / "figures" / "alt.json"
    entries = json.loads(path.read_text(encoding="utf-8"))
    for name, entry in entries.items():
        entry["files"] = [f"{name}.png"]
    path.write_text(json.dumps(entries), encoding="utf-8")
    text = write_report(folder).read_text(encoding="utf-8")
    assert text.count('src="data:image/png;base64,') == 6


def test_unanswered_question_gets_a_section_without_findings(five_waves):
    book = open_book(five_waves)
    section = content.question_section(book, Question(name="new", kind="mixed", title="New?"), [], {}, [])
    assert (section.sentences, section.tables, section.failure) == ((), (), "")


def test_incomplete_data_set_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(ProblemsError, match="implstats run"):
        write_report(tmp_path)


@pytest.mark.parametrize(("label", "words"), [("2011", "2011"), ("1", "wave 1"), ("Baseline", "Baseline")])
def test_a_wave_that_is_a_mere_number_is_called_a_wave(five_waves, label, words):
    book = replace(open_book(five_waves), labels={("wave", "w"): label})
    assert _wave(book, "w") == words
