"""What raw files may get wrong: every problem at once, with place and remedy, and no person's answer."""

from __future__ import annotations

import pytest

PLAIN = "person: id\nclusters: [{name: ward, variable: w}]\nsources: [{file: a.csv}]"
WAVES = """
person: id
waves: {variable: t, values: [{value: 1, time: 0}, {value: 2, time: 1}]}
clusters: [{name: ward, variable: w}]
sources: [{file: a.csv}]
"""
SCALE = "scales:\n  mood: {items: [q1, q2], minimum: 1, maximum: 5}\n"


def only(problems: list[str]) -> str:
    assert len(problems) == 1, problems
    return problems[0]


def told(table, status: str) -> list[str]:
    return [issue.line() for issue in table.issues if issue.status == status]


def test_all_problems_of_all_sources_come_together(stops):
    body = """
person: id
waves: {values: [{value: 1, time: 0}, {value: 2, time: 1}, {value: 3, time: 2}]}
sources: [{file: wave1.csv, wave: 1}, {file: wave2.csv, wave: 2}, {file: wav3.csv, wave: 3}]
"""
    problems = stops(
        body, {"wave1.csv": "ID,q1\n1,2\n", "wave2.csv": "id,q1\n1\n", "wave3.csv": "id\n1\n"}, SCALE
    )
    assert problems == [
        "tables.staff.person: there is no column 'id' in wave1.csv; did you mean 'ID'?",
        "wave2.csv: 1 row(s) do not have the header's 2 fields (row 2 has 1; the header is row 1, "
        "the delimiter ','); mend the file or declare 'delimiter'",
        "wav3.csv: there is no such file; did you mean 'wave3.csv'?",
    ]


def test_unknown_columns_of_scales_variables_and_questions(stops):
    rest = SCALE.replace("q2", "q22") + "questions:\n  - {name: a, type: null_model, outcome: moood}\n"
    problems = stops(PLAIN + "\nvariables: {agee: {}}", {"a.csv": "id,w,q1,q2,age\n1,A,1,1,40\n"}, rest)
    assert problems == [
        "tables.staff.variables.agee: there is no column 'agee' in a.csv; did you mean 'age'?",
        "scales.mood: there is no column 'q22' in a.csv; did you mean 'q2'?",
        "questions[0].outcome: there is no column 'moood' in a.csv; did you mean 'mood'?",
    ]


def test_text_where_numbers_belong_is_counted_not_shown(stops):
    problem = only(stops(PLAIN, {"a.csv": "id,w,q1,q2\n1,A,often,1\n2,A,2,1\n3,A,3,1\n"}, SCALE))
    assert problem.startswith("scales.mood: q1 should hold numbers but 1 of 3 answers are text; ")
    assert "user_missing" in problem
    assert "often" not in problem


def test_numbers_written_as_text_are_numbers(ingest):
    table = ingest(PLAIN, {"a.csv": "id,w,q1,q2\n1,A,01,1\n2,A,02,1\n"}, SCALE)
    assert table.frame["q1"].tolist() == [1.0, 2.0]


def test_values_out_of_range_stop_with_count_wave_and_rows(stops):
    problem = only(
        stops(WAVES, {"a.csv": "id,w,t,q1,q2\n1,A,1,1,1\n1,A,2,77,1\n2,A,1,1,1\n2,A,2,0,1\n"}, SCALE)
    )
    assert problem.startswith(
        "scales.mood: q1 has 2 value(s) outside 1 to 5 (2 at wave 2; rows 3, 5 of a.csv); "
    )
    assert "77" not in problem


def test_values_out_of_range_become_missing_when_the_study_says_warn(ingest):
    scale = SCALE.replace("maximum: 5", "maximum: 5, out_of_range: warn")
    table = ingest(PLAIN, {"a.csv": "id,w,q1,q2\n1,A,9,1\n2,A,2,1\n"}, scale)
    assert table.frame["q1"].isna().tolist() == [True, False]
    assert any(
        "q1 has 1 value(s) outside 1 to 5" in line and "set to missing" in line
        for line in told(table, "warn")
    )


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        ("minimum: 18", "18 and above"),
        ("maximum: 17", "17 and below"),
        ("minimum: 20, maximum: 70", "20 to 70"),
    ],
)
def test_ranges_of_variables_may_be_open(stops, bounds, text):
    values = "19" if "maximum: 17" in bounds else "12"
    problem = only(
        stops(PLAIN + f"\nvariables: {{age: {{{bounds}}}}}", {"a.csv": f"id,w,age\n1,A,{values}\n"})
    )
    assert f"age has 1 value(s) outside {text}" in problem


def test_a_person_twice_at_a_wave(stops):
    problem = only(stops(WAVES, {"a.csv": "id,w,t\nanna,A,1\nanna,A,1\nbo,A,2\nanna,A,2\n"}))
    assert problem == (
        "tables.staff.person: 1 row(s) repeat a person at one wave (rows 2, 3 of a.csv); "
        "keep one row a person and wave"
    )
    assert "anna" not in problem
    assert "although the table has no waves" in only(stops(PLAIN, {"a.csv": "id,w\n1,A\n1,A\n"}))


def test_rows_without_person_or_wave(stops):
    problems = stops(WAVES, {"a.csv": "id,w,t\n,A,1\n2,A,\n"})
    assert problems == [
        "tables.staff.person: 1 row(s) have no id (row 2 of a.csv); every row needs a person",
        "tables.staff.waves.variable: 1 row(s) have no wave (row 3 of a.csv); "
        "every row of a table with waves needs one",
    ]


def test_undeclared_and_empty_waves(stops, ingest):
    problem = only(stops(WAVES, {"a.csv": "id,w,t\n1,A,1\n2,A,3\n3,A,2\n"}))
    assert "the data hold the wave(s) 3, declared are 1, 2" in problem
    assert any(
        "the wave 2 is declared but has no rows" in x
        for x in told(ingest(WAVES, {"a.csv": "id,w,t\n1,A,1\n"}), "warn")
    )


def test_moves_between_clusters(stops, ingest):
    moving = {"a.csv": "id,w,t\n1,A,1\n1,B,2\n2,A,1\n"}
    assert "tables.staff: ward: 1 person(s) change ward between waves; correct the files" in only(
        stops(WAVES, moving)
    )
    table = ingest(WAVES + "moves: warn\n", moving)
    assert "tables.staff: ward: 1 person(s) change ward between waves" in told(table, "warn")
    at_once = stops(WAVES + "moves: warn\n", {"a.csv": "id,w,t\n1,A,1\n1,B,1\n2,A,2\n"})
    assert any("1 person(s) stand in two of them at one wave" in problem for problem in at_once)


def test_a_ward_in_two_hospitals(stops, ingest):
    body = PLAIN.replace("variable: w}]", "variable: w}, {name: hospital, variable: h}]")
    files = {"a.csv": "id,w,h\n1,1,X\n2,1,Y\n3,2,X\n"}
    problem = only(stops(body, files))
    assert "tables.staff: ward: 1 of them lie in more than one hospital" in problem
    assert "variable: [h, w]" in problem
    assert ingest(body.replace("variable: w}", "variable: [h, w]}"), files).frame["ward"].nunique() == 3


def test_missing_few_and_lonely_clusters_are_told(ingest):
    table = ingest(PLAIN, {"a.csv": "id,w\n1,A\n2,A\n3,\n4,B\n"})
    warnings = told(table, "warn")
    assert any("1 row(s) have no ward (row 4 of a.csv)" in line for line in warnings)
    assert any("there are only 2 of them" in line for line in warnings)
    assert told(table, "info") == ["tables.staff: ward: 1 of 2 have one person only"]


def test_a_column_that_one_wave_lacks_is_empty_there(ingest):
    body = """
person: id
waves: {values: [{value: 1, time: 0}, {value: 2, time: 1}]}
sources: [{file: a.csv, wave: 1}, {file: b.csv, wave: 2}]
"""
    table = ingest(body, {"a.csv": "id,q1,q2\n1,2,3\n", "b.csv": "id,q1\n1,4\n"}, SCALE)
    assert table.frame["q2"].isna().tolist() == [False, True]
    assert "scales.mood: the column 'q2' is missing in b.csv; it is empty there" in told(table, "warn")


def test_waves_that_share_nobody(ingest):
    body = WAVES.replace("clusters: [{name: ward, variable: w}]\n", "")
    table = ingest(body, {"a.csv": "id,t\n1,1\n2,1\n01,2\n02,2\n"})
    assert any("nobody of '1' is found in '2'" in line for line in told(table, "warn"))


def test_a_scale_with_the_name_of_a_raw_column(stops):
    problem = only(stops(PLAIN, {"a.csv": "id,w,q1,q2,mood\n1,A,1,2,3\n"}, SCALE))
    assert problem.startswith("scales.mood: tables.staff has a raw column 'mood' as well; rename")


def test_a_variable_that_differs_within_its_level(ingest):
    body = WAVES + "variables: {born: {level: person}, beds: {level: cluster}}\n"
    table = ingest(body, {"a.csv": "id,w,t,born,beds\n1,A,1,1980,5\n1,A,2,1981,5\n2,A,1,1970,6\n"})
    assert any(
        "variables.born: it is declared for the level 'person' but differs within 1 person(s)" in x
        for x in told(table, "warn")
    )
    assert any(
        "variables.beds: it is declared for the level 'cluster' but differs within 1 ward(s)" in x
        for x in told(table, "warn")
    )


def test_an_unknown_reference_category_names_no_rare_answer(stops):
    body = PLAIN + "\nvariables: {job: {type: category, reference: nurs}}"
    rows = "".join(f"{i},A,nurse\n" for i in range(5))
    problem = only(stops(body, {"a.csv": f"id,w,job\n{rows}9,A,director\n"}))
    assert problem == (
        "tables.staff.variables.job.reference: the reference 'nurs' is no category of this variable; "
        "did you mean 'nurse'?"
    )
    problem = only(stops(body.replace("nurs}", "directr}"), {"a.csv": f"id,w,job\n{rows}9,A,director\n"}))
    assert problem.endswith("is no category of this variable; there is nurse")


def test_an_unknown_word_in_a_formula_is_a_warning(ingest):
    rest = SCALE + "questions:\n  - {name: m, type: mixed, formula: mood ~ agee + (1 | ward)}\n"
    table = ingest(PLAIN, {"a.csv": "id,w,q1,q2,age\n1,A,1,2,3\n"}, rest)
    assert "questions[0].formula: 'agee' is neither a column nor a scale; did you mean 'age'?" in told(
        table, "warn"
    )


def test_a_header_without_rows(stops):
    assert only(stops(PLAIN, {"a.csv": "id,w\n"})) == "a.csv: has a header but no rows"


def test_files_that_label_a_code_differently(ingest, tmp_path):
    import pandas as pd
    import pyreadstat

    for name, label in (("a.sav", "Yes"), ("b.sav", "No")):
        frame = pd.DataFrame({"id": [1.0 if name == "a.sav" else 2.0], "x": [1.0]})
        pyreadstat.write_sav(frame, str(tmp_path / name), variable_value_labels={"x": {1: label}})
    table = ingest(
        "person: id\nsources: [{file: a.sav}, {file: b.sav}]\nvariables: {x: {type: category}}", {}
    )
    assert any("code(s) 1 have different labels in the files" in line for line in told(table, "warn"))
