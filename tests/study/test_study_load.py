"""A study file is read safely and every problem of it is told at once, with place, line and remedy."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from implstats.errors import StudyFileError
from implstats.study import load_study, problems_of
from implstats.study.load import parse_study
from implstats.study.models import Instrument
from implstats.study.yaml_file import parse_yaml


def problems(text: str) -> list[str]:
    with pytest.raises(StudyFileError) as caught:
        parse_study(text, where="x.yaml")
    return list(caught.value.problems)


def test_a_valid_study_is_read(tmp_path, small):
    path = tmp_path / "study.yaml"
    path.write_text(small, encoding="utf-8")
    study = load_study(path)
    assert study.scales["stress"].items == ["s1", "s2"]
    assert study.questions[0].type == "null_model"


def test_shipped_studies_load(repository):
    paths = sorted((repository / "config" / "studies").glob("*.yaml"))
    assert len(paths) >= 3
    assert [load_study(path).study.name for path in paths] == [path.stem for path in paths]


def test_every_problem_is_told_at_once_in_readable_places(small):
    text = small.replace("title: A small study", "titel: x").replace("minimum: 1, ", "")
    text += "  - {name: q2, type: growth, outcome: stress, ci_level: 95, clsuters: [ward]}\n"
    text += "  - {name: q3, type: grwoth, outcome: stress}\n  - {name: q4}\n"
    assert problems(text) == [
        "study.title: field required (line 1)",
        "study.titel: not a known field; did you mean 'title'? (line 1)",
        "scales.stress: give 'minimum' and 'maximum', the range of an answer (line 10)",
        "questions[1].ci_level: should be less than 1 (got 95) (line 13)",
        "questions[1].clsuters: not a known field; did you mean 'clusters'? (line 13)",
        "questions[2].type: 'grwoth' is not a known type; did you mean 'growth'? (line 14)",
        "questions[3].type: field required, one of null_model, growth, contextual, mixed, cfa, "
        "path, invariance, attrition (line 15)",
    ]


def test_the_branches_of_a_union_are_told_as_one_problem(small):
    text = small.replace("person: id", "person: 3").replace(
        "{file: data/raw/staff.csv}", "{file: a.csv, wave: 1.5}"
    )
    assert [p.partition(" (line")[0] for p in problems(text)] == [
        "tables.staff.sources[0].wave: should be a whole number or text (got 1.5)",
        "tables.staff.person: should be text or a list (got 3)",
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name: small", "name: Small Study", "study.name: should be small letters, digits and hyphens"),
        ("stress: {items", "job stress: {items", "scales.job stress: should be letters a to z"),
        ("data/raw/staff.csv", "/etc/staff.csv", "should be a path inside the project folder"),
        ("data/raw/staff.csv", "../staff.csv", "should be a path inside the project folder"),
        ("minimum: 1, maximum: 5", "minimum: 5, maximum: 1", "'minimum' (5) should be below 'maximum' (1)"),
        ("maximum: 5", "maximum: five", "scales.stress.maximum: should be a number (got 'five')"),
        ("maximum: 5", "maximum: .inf", "scales.stress.maximum: should be a finite number"),
        ("items: [s1, s2]", "items: s1", "scales.stress.items: should be a list (got 's1')"),
    ],
)
def test_one_problem_names_place_and_value(small, old, new, said):
    found = problems(small.replace(old, new))
    assert len(found) == 1
    assert said in found[0]


def test_a_table_with_waves_needs_persons(small):
    waves = "    waves: {values: [{value: 1, time: 0}]}\n    clusters:"
    found = problems(small.replace("    person: id\n", "").replace("    clusters:", waves))
    assert found == [
        "tables.staff: a table with waves needs 'person', the column that identifies a person across waves "
        "(line 3)"
    ]


def test_missing_and_wrong_files_are_named(tmp_path, small):
    (tmp_path / "study.yaml").write_text(small, encoding="utf-8")
    with pytest.raises(StudyFileError, match=r"there is no such file; did you mean 'study\.yaml'"):
        load_study(tmp_path / "studdy.yaml")
    with pytest.raises(StudyFileError, match="this is a folder"):
        load_study(tmp_path)
    (tmp_path / "empty.yaml").write_text("", encoding="utf-8")
    with pytest.raises(StudyFileError, match="the file is empty"):
        load_study(tmp_path / "empty.yaml")
    (tmp_path / "latin.yaml").write_bytes("study: {title: Sykehjem på Ås}".encode("windows-1252"))
    with pytest.raises(StudyFileError, match="save the file as UTF-8"):
        load_study(tmp_path / "latin.yaml")


def test_a_byte_order_mark_and_norwegian_letters_are_read(tmp_path, small):
    path = tmp_path / "study.yaml"
    path.write_text(small.replace("A small study", "Sykehjem på Ås"), encoding="utf-8-sig")
    assert load_study(path).study.title == "Sykehjem på Ås"


def test_duplicate_keys_are_refused_with_both_lines():
    with pytest.raises(StudyFileError, match="line 3, column 1: 'a' stands here a second time") as caught:
        parse_yaml("a: 1\nb: 2\na: 3\n", where="x.yaml")
    assert "first on line 1" in str(caught.value)


def test_syntax_errors_name_the_line():
    with pytest.raises(StudyFileError, match="line 2"):
        parse_yaml("a: [1, 2\nb: 3\n", where="x.yaml")
    with pytest.raises(StudyFileError, match="needs quotes"):
        parse_yaml("title: one: two\n", where="x.yaml")


def test_yaml_cannot_make_python_objects():
    with pytest.raises(StudyFileError):
        parse_yaml("a: !!python/object/apply:os.getcwd []\n", where="x.yaml")


def test_words_numbers_and_dates_mean_what_people_mean():
    text = "country: no\nanswer: yes\nreml: true\ncode: 010\ndate: 2024-01-15\ntime: 12:30\n"
    text += "small: 1e-3\nn: -2\nx: 1.5\nnone:\n"
    assert parse_yaml(text, where="x.yaml") == {
        "country": "no", "answer": "yes", "reml": True, "code": "010", "date": "2024-01-15", "time": "12:30",
        "small": 0.001, "n": -2, "x": 1.5, "none": None,
    }  # fmt: skip


def test_anchors_and_merge_keys_work():
    text = "base: &b {minimum: 1, maximum: 5}\nscale: {<<: *b, maximum: 7}\n"
    assert parse_yaml(text, where="x.yaml")["scale"] == {"minimum": 1, "maximum": 7}


def test_problems_of_serves_other_models_as_well():
    data = {"name": "who5", "title": "t", "citation": "c", "licence": "l", "verified": True, "minimum": 0,
            "maximum": 5, "n_items": 0, "score": "mena"}  # fmt: skip
    with pytest.raises(ValidationError) as caught:
        Instrument.model_validate(data)
    assert problems_of(caught.value, data) == [
        "n_items: should be at least 1 (got 0)",
        "score: should be 'mean', 'sum' or 'mean_of_subscales' (got 'mena'); did you mean 'mean'?",
    ]
