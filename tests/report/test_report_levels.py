"""Bootstrap intervals and models of two levels: their tables, sentences and figures say what the rows say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from implstats.report.book import open_book
from implstats.report.figures import graph, paths
from implstats.report.page.sentences import question_sentences
from implstats.report.tables import sem
from implstats.results import Row

COMMON = {"study": "s", "analysis": "q", "n_obs": 600, "n_clusters": 50, "method": "ML"}


def interval(estimate, error):
    return {"std_error": error, "conf_low": estimate - 2 * error, "conf_high": estimate + 2 * error,
            "conf_level": 0.95}  # fmt: skip


def two_level_rows():
    for level, b in (("within", 0.3), ("between", 0.6)):
        at = {"term": "readiness ~ commitment", "level": level, "estimate": b, "p_value": 0.001}
        yield Row(
            **COMMON, block="parameters", quantity="regression", statistic=5.0, **at, **interval(b, 0.05)
        )
        yield Row(
            **COMMON, block="standardised", quantity="std_all", term=at["term"], level=level, estimate=b
        )
    for name, share in (("readiness", 0.081), ("commitment", 0.123)):
        yield Row(**COMMON, block="icc", quantity="icc", term=name, level="institution", estimate=share)
    indices = {"chisq": 12.3, "df": 4.0, "pvalue": 0.015, "cfi": 0.97}
    indices |= {"srmr_within": 0.021, "srmr_between": 0.093}
    for name, value in indices.items():
        yield Row(**COMMON, block="fit", quantity=name, estimate=value)


def bootstrap_rows():
    values = {
        "readiness ~ commitment": ("regression", 0.3),
        "indirect := a*b": ("defined", 0.1),
        "readiness ~~ readiness": ("variance", 0.7),
    }
    for term, (quantity, b) in values.items():
        at = {"term": term, "estimate": b}
        yield Row(**COMMON, block="parameters", quantity=quantity, p_value=0.001, statistic=4.0, **at,
                  **interval(b, 0.02))  # fmt: skip
        drawn = {**interval(b, 0.02), "conf_low": b - 0.07, "conf_high": b + 0.05, "std_error": 0.034}
        yield Row(**COMMON, block="bootstrap", quantity=quantity, df_method="bca", **at, **drawn)
        yield Row(**COMMON, block="bootstrap", quantity="std_all", df_method="bca", term=term, estimate=b / 2,
                  **interval(b / 2, 0.02))  # fmt: skip
    yield Row(**COMMON, block="fit", quantity="df", estimate=0.0)


@pytest.fixture
def book_of(five_waves):
    """Return a function: rows -> a book whose only question is a path model with these rows."""
    whole = open_book(five_waves)
    questions = [{"name": "q", "type": "path", "title": "Readiness"}]

    def make(rows):
        return replace(
            whole, rows={"q": tuple(rows)}, checks=(), provenance={**whole.provenance, "questions": questions}
        )

    return make


def lines(table):
    return [[cell.text for cell in row] for row in table.rows]


def by_name(book):
    (question,) = book.questions
    return {table.name: table for table in sem.parameter_tables(book, question)}


def test_each_level_has_a_part_of_the_table(book_of):
    shown = lines(by_name(book_of(two_level_rows()))["parameters-q"])
    assert [line[0] for line in shown] == [
        "Regressions (within)", "Readiness ← Commitment", "Regressions (between)", "Readiness ← Commitment",
    ]  # fmt: skip
    assert [shown[k][1] for k in (1, 3)] == ["0.30", "0.60"]


def test_shares_between_clusters_are_a_table(book_of):
    table = by_name(book_of(two_level_rows()))["icc-q"]
    assert lines(table) == [["Readiness", ".081"], ["Commitment", ".123"]]
    assert "(Institution)" in table.note


def test_the_table_of_fit_shows_srmr_of_both_levels(book_of):
    (table,) = sem.fit_tables(book_of(two_level_rows()))
    assert ".021 / .093" in lines(table)[0]
    assert "within / between clusters" in table.note


def test_sentences_of_two_levels(book_of):
    book = book_of(two_level_rows())
    said = " ".join(question_sentences(book, book.questions[0])).replace("\N{NO-BREAK SPACE}", " ")
    assert "SRMR = .021 within and .093 between clusters" in said
    assert "8.1% to 12.3% lies between clusters (50 clusters)" in said
    assert "Readiness ← Commitment (between clusters): b = 0.60" in said


def test_each_level_has_a_diagram_of_its_own(book_of):
    book = book_of(two_level_rows())
    assert graph.levels_of_model(book, "q") == ["within", "between"]
    figures = paths.path_figures(book)
    assert [f.name for f in figures] == ["path-q-within", "path-q-between"]
    assert "Between clusters." in figures[1].title
    values = [graph.edges_of_model(book, "q", level=level)[0].value for level in ("within", "between")]
    assert values == [0.3, 0.6]


def test_the_bootstrap_is_a_table_of_effects_raw_and_standardised(book_of):
    table = by_name(book_of(bootstrap_rows()))["bootstrap-q"]
    assert lines(table) == [
        ["Defined parameters"],
        ["indirect = a*b", "0.10", "0.03", "[0.03, 0.15]", ".05", "[.01, .09]"],
        ["Regressions"],
        ["Readiness ← Commitment", "0.30", "0.03", "[0.23, 0.35]", ".15", "[.11, .19]"],
    ]
    assert "bias-corrected and accelerated (BCa)" in table.note


def test_sentences_give_the_bootstraps_interval_beside_the_test(book_of):
    book = book_of(bootstrap_rows())
    said = " ".join(question_sentences(book, book.questions[0])).replace("\N{NO-BREAK SPACE}", " ")
    assert "p < .001" in said or "p = .001" in said
    assert "bootstrap 95% CI [0.03, 0.15]" in said


def test_without_bootstrap_and_levels_there_are_no_such_tables(five_waves):
    book = open_book(five_waves)
    names = [t.name for q in book.questions if q.kind == "path" for t in sem.parameter_tables(book, q)]
    assert names == ["parameters-pathways"]
    assert graph.levels_of_model(book, "pathways") == [""]


def test_thresholds_and_response_scales_are_named_after_their_item(book_of):
    rows = [
        Row(**COMMON, block="parameters", quantity="threshold", term="readiness | t2", estimate=0.4,
            statistic=8.0, p_value=0.001, **interval(0.4, 0.05) | {"conf_level": 0.95}),
        Row(**COMMON, block="parameters", quantity="scaling", term="readiness ~*~ readiness", estimate=1.0),
    ]  # fmt: skip
    shown = [line[0] for line in lines(by_name(book_of(rows))["parameters-q"])]
    assert shown == ["Thresholds", "Readiness, threshold 2"], "scales fixed at one are not shown"
    means = [
        Row(**COMMON, block="parameters", quantity="intercept", term="readiness ~1", estimate=e)
        for e in (0.0, 3.0)
    ]
    panels = [[line[0] for line in lines(by_name(book_of([rows[0], m]))["parameters-q"])] for m in means]
    assert ["Intercepts" in found for found in panels] == [False, True], "zero by convention is not shown"
    free = [rows[0], replace(rows[1], std_error=0.1)]
    shown = [line[0] for line in lines(by_name(book_of(free))["parameters-q"])]
    assert shown[2:] == ["Response scales", "Readiness"]
