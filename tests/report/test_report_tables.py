"""Every table shows the numbers of the data set, rounded to the printed precision and no further."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest

from implstats.report import numbers
from implstats.report.book import open_book
from implstats.report.page.sentences import question_sentences
from implstats.report.tables import all_tables, question_tables
from implstats.report.tables.mixed_follow_ups import follow_up_tables
from implstats.report.tables.sem import shown_indices
from implstats.report.tables.spec import Cell, headers, make_table
from implstats.results import Row


def printed(spec):
    """Return a table's rows as printed text, headings as one-element lists."""
    return [[cell.text for cell in row] for row in spec.rows]


@pytest.fixture(scope="module")
def tables(five_waves):
    """All tables of the study with five waves, by name."""
    return {spec.name: spec for spec in all_tables(open_book(five_waves))}


# One line of each table, written by hand from the formulas in conftest.py.
EXPECTED = {
    "sample": ["Read from files", "Wave 2", "1,385", "1,365"],
    "missing": ["Commitment", "3.2%", "9.3%", "15.4%", "21.5%", "27.6%"],
    "scales": [
        "Job satisfaction", "Wave 2", "464", "3.29", "[3.21, 3.37]", "0.91", ".81", "[.78, .84]", ".83",
    ],
    "items": ["SAT03", "480", "3.18", "1.04", ".43", ".79"],
    "aggregation": [
        "Commitment", "Institution", "Wave 1", "12", ".05", "2.35", "< .001", ".73", ".81", ".84", ".31",
        ".96", "83.3%", ".38",
    ],
    "correlations-staff": ["3. Readiness", ".48", "−.16"],
    "correlation-pairs": [
        "Commitment – Readiness", "Wave 1", "−.16", "***", "[−.25, −.07]", "< .001", "455",
    ],
    "participation-leavers": ["Wave 5", "371", "75.0%"],
    "attrition-leavers": ["Job satisfaction", "−0.21", "[−0.39, −0.03]", ".031", "495"],
    "mixed-null": ["Residual variance", "0.79", "", "", "", "", ""],
    "mixed-growth": ["Time × Age in years", "−0.04", "0.02", "−1.77", "13.4", ".039", "[−0.08, 0.00]"],
    "mixed-context": [
        "Commitment (institution mean)", "−0.04", "0.02", "−1.77", "13.4", ".039", "[−0.08, 0.00]",
    ],
    "parameters-measurement": [
        "Job satisfaction → SAT02", "0.82", "0.05", "16.40", "< .001", "[0.72, 0.92]", ".72",
    ],
    "parameters-pathways": [
        "Readiness ← Commitment", "−0.15", "0.04", "−3.75", ".001", "[−0.23, −0.07]", "−.15",
    ],
    "sem-fit": [
        "Do the 19 items measure three things?", "455", "312.46", "149", "< .001", ".951", ".944", ".049",
        "[.041, .057]", ".041", "18,124.4", "18,300.1",
    ],
    "published": [
        "Do institutions differ in job satisfaction? icc, institution, icc", "0.05", "0.043", "NO",
        "Elsewhere",
    ],
    "checks": ["failed", "Do hospitals change at different speeds?", "gradient",
               "The optimiser stopped at a point where the gradient is not flat."],
}  # fmt: skip


@pytest.mark.parametrize("name", EXPECTED)
def test_table_shows_the_expected_line(tables, name):
    assert EXPECTED[name] in printed(tables[name])


def test_there_is_no_table_without_an_expected_line(tables):
    assert set(tables) == set(EXPECTED) | {"mixed-slopes"}


def test_headers_of_the_mixed_table(tables):
    headers = [c.header for c in tables["mixed-growth"].columns]
    assert headers == ["Term", "b", "SE", "t", "df", "p", "95% CI"]


def test_reference_loading_is_fixed_not_missing(tables):
    line = next(row for row in printed(tables["parameters-measurement"]) if row[0].endswith("SAT01"))
    assert line == ["Job satisfaction → SAT01", "1.00", "", "", "", "", ".71"]


def test_missing_number_is_a_dash_that_leads_to_its_reason(tables):
    cell = next(row[-1] for row in tables["scales"].rows if row[0].text == "Readiness")
    assert (cell.text, cell.mark) == ("–", "a")
    assert "ᵃ one item only." in tables["scales"].note


def test_suppressed_number_says_so(tables):
    row = next(row for row in tables["attrition-leavers"].rows if row[0].text == "Age in years")
    assert row[1].text == "suppressed"
    assert "Suppressed: few persons." in tables["attrition-leavers"].note


def test_failed_fit_shows_its_reason_and_no_number(tables):
    (row,) = tables["mixed-slopes"].rows
    assert [c.text for c in row] == [
        "No numbers: The optimiser stopped at a point where the gradient is not flat."
    ]


def test_caution_and_few_clusters_stand_in_the_note(tables):
    note = tables["mixed-context"].note
    assert "Caution: The between-institution variance is estimated as zero" in note
    assert "Degrees of freedom: Kenward-Roger." in note
    assert "Only 12 clusters" in note


def test_every_title_of_simulated_data_says_so(tables):
    assert all(spec.title.startswith("SYNTHETIC DATA: ") for spec in tables.values())


def test_no_title_of_real_data_says_synthetic(one_wave):
    specs = all_tables(open_book(one_wave))
    assert not any("SYNTHETIC" in spec.title for spec in specs)


def test_separate_models_have_tables_of_their_own(one_wave):
    specs = {spec.name: spec for spec in all_tables(open_book(one_wave))}
    assert (
        specs["parameters-measurement-satisfaction"].title
        == "Does each scale measure one thing? Job satisfaction"
    )


def test_without_waves_there_is_no_wave_column(one_wave):
    specs = {spec.name: spec for spec in all_tables(open_book(one_wave))}
    assert "Wave" not in [c.header for c in specs["scales"].columns]


def test_csv_files_hold_full_precision(five_waves):
    with (five_waves / "tables" / "csv" / "mixed-growth.csv").open(encoding="utf-8") as handle:
        line = next(r for r in csv.DictReader(handle) if r["Term"] == "Time × Age in years")
    assert float(line["b"]) == 0.0513 - 0.09
    assert float(line["95% CI low"]) == 0.0513 - 0.09 - 1.96 * 0.0219
    assert line["Part"] == "Fixed effects"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.00099, "< .001"), (0.001, ".001"), (0.0496, ".050"), (1.0, "> .999"), (0.0, "< .001")],
)
def test_p_values_at_the_edges(value, text):
    assert numbers.p_text(value) == text


@pytest.mark.parametrize(("value", "text"), [(-0.004, "0.00"), (-0.005001, "−0.01"), (1234.5, "1,234.50")])
def test_rounded_zero_has_no_sign_and_thousands_are_parted(value, text):
    assert numbers.fixed(value, decimals=2) == text


def test_different_reasons_get_different_letters(five_waves):
    book = open_book(five_waves)
    cells = [[Cell(value="x"), Cell(reason="one"), Cell(reason="two"), Cell(reason="one")]]
    spec = make_table(book, name="t", title="T", columns=headers("a", "b", "c", "d"), rows=cells)
    assert [c.mark for c in spec.rows[0]] == ["", "a", "b", "a"]
    assert spec.note == "ᵃ one. ᵇ two."


def test_a_number_in_a_failed_row_is_dropped_when_the_book_is_opened(five_waves):
    (row,) = open_book(five_waves).rows["slopes"]
    assert row.verdict == "failed"
    assert row.estimate is None


def test_a_very_long_table_is_shown_as_a_pointer_and_kept_whole_for_programs() -> None:
    from implstats.report.tables.spec import MOST_ROWS_TO_READ, Column, TableSpec, for_reading, words

    def spec(n: int) -> TableSpec:
        rows = tuple((words(str(i)),) * 2 for i in range(n))
        columns = (Column(header="a", kind="text"), Column(header="b", kind="text"))
        return TableSpec(name="pairs", title="Pairs", note="", columns=columns, rows=rows, alt="Pairs.")

    short, long = spec(MOST_ROWS_TO_READ), spec(MOST_ROWS_TO_READ + 1)
    assert for_reading(short) is short
    assert [cell.text for row in for_reading(long).rows for cell in row] == [
        f"{MOST_ROWS_TO_READ + 1} rows, too many to read here: see 'pairs' among the .xlsx and .csv tables."
    ]


def test_follow_ups_of_a_mixed_model_are_tables_of_their_own(five_waves):
    book = open_book(five_waves)
    question = next(q for q in book.questions if q.name == "growth")

    def row(block, quantity, **rest):
        return Row(study="five", analysis="growth", block=block, quantity=quantity, **rest)

    shared = {"df": 20.0, "p_value": 0.01, "conf_low": 0.1, "conf_high": 0.3, "conf_level": 0.95}
    rows = (
        row("f_tests", "F", term="wave", level="4", statistic=5.5, estimate=5.5, **shared),
        row("means", "marginal_mean", term="wave", level="2011", estimate=3.2, **shared),
        row("contrasts", "difference", term="2012 - 2011", level="holm", estimate=0.2,
                 **shared),
    )  # fmt: skip
    tables = follow_up_tables(replace(book, rows={"growth": rows}), question)
    assert [t.name for t in tables] == ["f-tests-growth", "means-growth", "contrasts-growth"]
    assert [cell.text for cell in tables[0].rows[0]][1:4] == ["4", "20.0", "5.50"]
    assert "Holm" in tables[2].note
    assert tables[2].rows[0][0].text == "2012 − 2011"


def test_a_ladder_of_invariance_is_one_table_with_what_each_step_costs(five_waves):
    def row(block, step, quantity, estimate, **rest):
        return Row(study="five", analysis="same:mood", block=block, term=step, quantity=quantity,
                   estimate=estimate, method="MLR", **rest)  # fmt: skip

    rows = (
        row("steps", "configural", "chisq", 135.9), row("steps", "configural", "cfi", 0.9891),
        row("steps", "metric", "chisq", 144.5), row("steps", "metric", "cfi", 0.9911),
        row("differences", "metric", "chisq_difference", 9.4, df=12.0, p_value=0.67, statistic=9.4),
        row("differences", "metric", "cfi_difference", -0.0019),
        row("differences", "metric", "rmsea_difference", 0.0035),
    )  # fmt: skip
    book = replace(open_book(five_waves), rows={"same:mood": rows}, checks=())
    question = replace(book.questions[0], name="same", kind="invariance", title="The same?")
    (table,) = question_tables(book, question)
    assert [cell.text for cell in table.rows[1]] == [
        "Equal loadings (metric)", "144.50", ".991", "9.40", "12", ".670", "−.002", ".004",
    ]  # fmt: skip
    assert question_sentences(book, question) == [
        "mood, equal loadings (metric): ΔCFI\xa0=\xa0−.002, ΔRMSEA\xa0=\xa0.004, "
        "Δχ²(12)\xa0=\xa09.40, p\xa0=\xa0.670."
    ]


def test_scaled_tests_and_robust_indices_are_the_ones_shown():
    def row(quantity, estimate):
        return Row(study="s", analysis="q", block="fit", quantity=quantity, estimate=estimate)

    values = {"chisq": 9.0, "chisq.scaled": 8.0, "cfi": 0.9, "cfi.scaled": 0.8, "cfi.robust": 0.7}
    values |= {"rmsea": 0.1, "rmsea.robust": None}
    found = shown_indices([row(name, value) for name, value in values.items()])
    assert [found[name].estimate for name in ("chisq", "cfi", "rmsea")] == [8.0, 0.7, 0.1]
