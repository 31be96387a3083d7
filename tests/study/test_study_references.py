"""A name in the study file that points nowhere is found without reading any data."""

from __future__ import annotations

import pytest

from implstats.errors import StudyFileError
from implstats.study import check_references, load_study
from implstats.study.load import parse_study

WAVES = """\
    waves:
      values: [{value: 1, time: 0, label: First}, {value: 2, time: 1, label: Second}]
"""


def found(text: str) -> list[str]:
    return check_references(parse_study(text, where="x.yaml"), {})


def with_waves(small: str) -> str:
    text = small.replace("    clusters:\n", WAVES + "    clusters:\n", 1)
    return text.replace(
        "{file: data/raw/staff.csv}",
        "{file: data/raw/w1.csv, wave: 1}\n      - {file: data/raw/w2.csv, wave: 2}",
    )


def test_valid_studies_have_no_problem(small):
    assert found(small) == []
    assert found(with_waves(small)) == []


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (
            "{name: null-stress, type: null_model, outcome: stress}",
            "two questions have the name 'null-stress'",
        ),
        (
            "{name: scales, type: null_model, outcome: stress}",
            "is the name of an analysis that every study has",
        ),
        (
            "{name: q, type: null_model, outcome: stress, table: staf}",
            "there is no table 'staf'; did you mean 'staff'?",
        ),
        (
            "{name: q, type: null_model, outcome: stress, clusters: [wrad]}",
            "there is no cluster level 'wrad'; did you mean 'ward'?",
        ),
        (
            "{name: q, type: null_model, outcome: stress, clusters: [person]}",
            "without waves a person answers once",
        ),
        ("{name: q, type: null_model, outcome: stress, waves: [1]}", "the table has no waves"),
        ("{name: q, type: growth, outcome: stress}", "growth needs a table with waves"),
        ("{name: q, type: attrition}", "attrition needs a table with waves"),
        (
            "{name: q, type: contextual, outcome: stress, cluster: clinic, predictors: [x]}",
            "there is no cluster level 'clinic'",
        ),
        (
            "{name: q, type: contextual, outcome: stress, cluster: ward, predictors: [x], random_slope: [y]}",
            "no predictor of this question 'y'",
        ),
        ("{name: q, type: cfa, scales: [sterss]}", "there is no scale 'sterss'; did you mean 'stress'?"),
        ("{name: q, type: cfa, scales: [stress], wave: 1}", "the table has no waves"),
    ],
)
def test_questions_without_waves(small, question, said):
    problems = found(small + f"  - {question}\n")
    assert len(problems) == 1
    assert said in problems[0]
    assert problems[0].startswith("questions")


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("{name: q, type: cfa, scales: [stress]}", "questions[1].wave: field required"),
        ("{name: q, type: cfa, scales: [stress], wave: 3}", "there is no declared wave '3'"),
        ("{name: q, type: null_model, outcome: stress, waves: [1, 9]}", "there is no declared wave '9'"),
        ("{name: q, type: growth, outcome: stress, waves: [1]}", "growth needs at least two waves"),
        ("{name: q, type: growth, outcome: stress, shape: quadratic}", "at least three waves"),
        (
            "{name: q, type: growth, outcome: stress, random_slope: [clinic]}",
            "there is no cluster level 'clinic'",
        ),
        (
            "{name: q, type: growth, outcome: stress, moderators: [age]}",
            "'age' should stand under 'predictors'",
        ),
    ],
)
def test_questions_with_waves(small, question, said):
    problems = found(with_waves(small) + f"  - {question}\n")
    assert len(problems) == 1
    assert said in problems[0]


def test_sources_and_waves_must_agree(small):
    text = with_waves(small)
    assert "sources[1].wave: field required" in found(text.replace(", wave: 2}", "}"))[0]
    assert "there is no declared wave '7'" in found(text.replace(", wave: 2}", ", wave: 7}"))[0]
    both = found(text.replace("    waves:\n", "    waves:\n      variable: t\n"))
    assert len(both) == 2
    assert all("give one of the two" in problem for problem in both)
    lone = found(small.replace("staff.csv}", "staff.csv, wave: 1}"))
    assert "the table has no 'waves'" in lone[0]
    assert "two waves have the time 0" in found(text.replace("time: 1", "time: 0"))[0]
    assert "two waves have the label 'First'" in found(text.replace("label: Second", "label: First"))[0]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("stress: {items", "person: {items", "scales.person: 'person' is a column the program itself makes"),
        ("stress: {items", "ward: {items", "scales.ward: 'ward' is a column the program itself makes"),
        ("stress: {items", "s1: {items", "scales.s1: a scale cannot have the name of its own item"),
        (
            "minimum: 1,",
            "aggregate: [clinic], minimum: 1,",
            "scales.stress.aggregate: there is no cluster level 'clinic'",
        ),
        ("minimum: 1,", "table: clients, minimum: 1,", "there is no table 'clients'"),
        ("{name: ward,", "{name: time,", "'time' is a name the program itself uses"),
        ("items: [s1, s2]", "instrument: nope, prefix: s", "nope"),
    ],
)
def test_scales_and_clusters(small, old, new, said):
    text = small.replace("clusters: [ward]", "") if "name: ward" in old else small
    assert any(said in problem for problem in found(text.replace(old, new)))


def test_published_numbers_name_an_analysis(small):
    number = 'published:\n  - {analysis: NAME, quantity: icc, value: "0.1", citation: c}\n'
    assert found(small + number.replace("NAME", "null-stress")) == []
    assert found(small + number.replace("NAME", "aggregation")) == []
    assert "did you mean 'null-stress'?" in found(small + number.replace("NAME", "null-strss"))[0]


def test_a_scale_of_another_table_is_named(small):
    text = small.replace("scales:\n", "  clients:\n    sources: [{file: data/raw/c.csv}]\nscales:\n", 1)
    problems = found(text + "  - {name: q, type: null_model, table: clients, outcome: stress}\n")
    assert problems == [
        "questions[1].outcome: the scale 'stress' belongs to the table 'staff', this question to 'clients'; "
        "give the question 'table'"
    ]


def test_load_study_tells_references_with_their_line(tmp_path, small):
    path = tmp_path / "study.yaml"
    path.write_text(small + "  - {name: q, type: cfa, scales: [strss]}\n", encoding="utf-8")
    with pytest.raises(
        StudyFileError, match=r"questions\[1\]\.scales: .*did you mean 'stress'\? \(line 13\)"
    ):
        load_study(path)


def test_an_item_is_no_category_and_a_variable_no_column_of_the_program(small):
    variables = "    variables: {s1: {type: category}, person: {}}\n    sources:"
    problems = found(small.replace("    sources:", variables))
    assert len(problems) == 2
    assert "tables.staff.variables.person: 'person' is a column the program itself makes" in problems[0]
    assert "the item 's1' is declared as a category" in problems[1]
