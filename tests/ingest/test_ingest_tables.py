"""Raw files become one long table: identifiers, waves, clusters, categories, codebook and flow."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyreadstat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from implstats.ingest import ingest_study, needed_columns
from implstats.ingest.needs import formula_names
from implstats.study import load_study, project_root
from implstats.study.keys import resolve_scales

REPOSITORY = Path(__file__).resolve().parents[2]
# The house asks for 60 ms on an idle core; the machine that runs the tests may be busy.
SECONDS_FOR_LQ2002 = 0.5

TWO_WAVES = """
person: id
waves:
  unit: year
  values: [{value: 1, time: 0, label: Før}, {value: 2, time: 1.5, label: Etter}]
clusters: [{name: ward, variable: w}]
sources: [{file: w1.csv, wave: 1}, {file: w2.csv, wave: 2}]
"""
SCALE = "scales:\n  mood: {items: [q1, q2], minimum: 1, maximum: 5}\n"


@pytest.mark.parametrize(
    ("name", "rows", "persons", "clusters"),
    [
        ("leadership-climate", 2042, 2042, 49),
        ("readiness-waves", 1485, 495, 43),
        ("work-hours", 7382, 7382, 99),
    ],
)
def test_shipped_studies_have_the_documented_numbers(name, rows, persons, clusters):
    path = REPOSITORY / "config" / "studies" / f"{name}.yaml"
    table = ingest_study(load_study(path), project_root(path))["soldiers"]
    assert len(table.frame) == rows
    assert table.frame["person"].nunique() == persons
    assert table.frame["company"].nunique() == clusters
    assert not [issue for issue in table.issues if issue.status == "stop"]


def test_ingest_is_fast_after_imports():
    path = REPOSITORY / "config" / "studies" / "leadership-climate.yaml"
    study = load_study(path)
    ingest_study(study, project_root(path))
    start = time.perf_counter()
    ingest_study(study, project_root(path))
    assert time.perf_counter() - start < SECONDS_FOR_LQ2002


def test_waves_in_their_own_files_are_stacked(ingest):
    table = ingest(
        TWO_WAVES,
        {"w1.csv": "id,w,q1,q2\n1,A,1,2\n2,A,3,4\n3,B,5,\n", "w2.csv": "id,w,q1,q2\n1,A,2,2\n3,B,,\n"},
        SCALE,
    )
    frame = table.frame
    assert list(frame.columns) == ["person", "wave", "time", "ward", "id", "w", "q1", "q2"]
    assert frame["person"].tolist() == ["1", "2", "3", "1", "3"]
    assert frame["wave"].tolist() == [1, 1, 1, 2, 2]
    assert frame["time"].tolist() == [0, 0, 0, 1.5, 1.5]
    assert frame["ward"].tolist() == ["A", "A", "B", "A", "B"]
    steps = {(step.step, step.wave): (step.n_rows, step.n_persons) for step in table.flow}
    assert steps[("read", "")] == (5, 3)
    assert steps[("read", "Etter")] == (2, 2)
    assert steps[("with ward", "Før")] == (3, 3)
    assert steps[("answered", "Etter")] == (1, 1)
    assert steps[("answered", "")] == (4, 3)


def test_a_person_is_one_person_whatever_the_files_kind(ingest, tmp_path):
    pyreadstat.write_sav(pd.DataFrame({"id": [1.0, 2.0], "w": ["A", "B"]}), str(tmp_path / "w2.sav"))
    table = ingest(TWO_WAVES.replace("w2.csv", "w2.sav"), {"w1.csv": "id,w\n1.0,A\n 2 ,B\n"})
    assert table.frame["person"].tolist() == ["1", "2", "1", "2"]
    assert not table.issues or all("person" not in issue.place for issue in table.issues)


def test_identifiers_of_several_columns_are_joined(ingest):
    body = "person: [site, nr]\nclusters: [{name: ward, variable: [site, w]}]\nsources: [{file: a.csv}]"
    frame = ingest(body, {"a.csv": "site,w,nr\n1,1,01\n1,2,02\n2,1,01\n"}).frame
    assert frame["person"].tolist() == ["1/01", "1/02", "2/01"]
    assert frame["ward"].tolist() == ["1/1", "1/2", "2/1"]


def test_without_persons_every_row_is_one(ingest):
    table = ingest("sources: [{file: a.csv}, {file: b.csv}]", {"a.csv": "x\n1\n2\n", "b.csv": "x\n3\n"})
    assert table.frame["person"].tolist() == ["1", "2", "3"]
    assert list(table.frame.columns) == ["person", "x"]


def test_a_wave_column_is_matched_by_number_or_text(ingest):
    waves = "waves: {variable: t, values: [{value: 0, time: 0}, {value: 1, time: 6}]}"
    body = f"person: id\n{waves}\nsources: [{{file: a.csv}}]"
    frame = ingest(body, {"a.csv": "id,t\n1,0.0\n1,1.0\n2,0\n"}).frame
    assert frame["wave"].tolist() == [0, 1, 0]
    assert frame["time"].tolist() == [0.0, 6.0, 0.0]


def test_raw_columns_with_the_programs_names_are_kept_beside(ingest):
    body = TWO_WAVES.replace("w1.csv, wave: 1}, {file: w2.csv, wave: 2}", "w1.csv, wave: 1}")
    body = body.replace(", {value: 2, time: 1.5, label: Etter}", "")
    table = ingest(body, {"w1.csv": "id,w,time,person,ward\n1,A,930,x,zz\n"})
    assert table.frame["time_raw"].tolist() == [930]
    assert table.frame["person_raw"].tolist() == ["x"]
    assert table.frame["ward_raw"].tolist() == ["zz"]
    told = [issue.message for issue in table.issues if "is kept as" in issue.message]
    assert len(told) == 3
    assert set(table.codebook["variable"]) >= {"time_raw", "person_raw", "ward_raw"}


def test_an_identifier_with_the_programs_name_needs_no_copy(ingest):
    table = ingest("person: person\nclusters: [{name: ward, variable: ward}]\nsources: [{file: a.csv}]",
                   {"a.csv": "person,ward,x\n1,2,3\n"})  # fmt: skip
    assert list(table.frame.columns) == ["person", "ward", "x"]


def test_user_missing_never_enters_a_mean(ingest, tmp_path):
    frame = pd.DataFrame({"id": [1.0, 2.0, 3.0], "q1": [1.0, 5.0, 99.0], "q2": [2.0, 8.0, 4.0]})
    pyreadstat.write_sav(frame, str(tmp_path / "a.sav"), missing_ranges={"q1": [99]})
    body = "person: id\nsources: [{file: a.sav, user_missing: {q2: [8]}}]"
    table = ingest(body, {}, SCALE)
    assert table.frame["q1"].mean() == 3.0
    assert table.frame["q2"].mean() == 3.0
    book = table.codebook.set_index("variable")
    assert book.loc["q1", "n_user_missing"] == "99: 1"
    assert book.loc["q1", "missing_codes"] == "99"
    assert book.loc["q2", "n_user_missing"] == "8: 1"
    assert book.loc["q2", ["n_valid", "n_missing"]].tolist() == [2, 1]


def test_categories_take_their_labels_and_their_reference_first(ingest, tmp_path):
    frame = pd.DataFrame({"arm": [2.0, 1.0, 2.0, np.nan], "age": [30.0, 40.0, 50.0, 60.0]})
    pyreadstat.write_sav(
        frame,
        str(tmp_path / "a.sav"),
        variable_value_labels={"arm": {1: "Kontroll", 2: "Tiltak", 3: "Venteliste"}},
    )
    body = "sources: [{file: a.sav}]\nvariables:\n  arm: {type: category, reference: REF, label: Gruppe}\n"
    body += "  age: {label: Alder}"
    for reference in ("2", "Tiltak"):
        table = ingest(body.replace("REF", reference), {})
        assert table.frame["arm"].cat.categories.tolist() == ["Tiltak", "Kontroll"]
        assert table.frame["arm"].astype("object").tolist()[:3] == ["Tiltak", "Kontroll", "Tiltak"]
    assert table.frame["age"].tolist() == [30.0, 40.0, 50.0, 60.0]
    book = table.codebook.set_index("variable")
    assert book.loc["arm", "type"] == "category"
    assert book.loc["arm", "label"] == "Gruppe"
    assert book.loc["arm", "value_labels"] == "1 = Kontroll; 2 = Tiltak; 3 = Venteliste"


def test_categories_without_labels_keep_their_codes_in_order(ingest):
    body = "sources: [{file: a.csv}]\nvariables: {g: {type: category}}"
    frame = ingest(body, {"a.csv": "g\n10\n2\n1\n"}).frame
    assert frame["g"].cat.categories.tolist() == ["1", "2", "10"]


def test_needed_columns_name_the_place_that_asks():
    study = load_study(REPOSITORY / "config" / "studies" / "readiness-waves.yaml")
    needs = needed_columns(study, "soldiers", resolve_scales(study, {}))
    assert needs["SUBNUM"] == "tables.soldiers.person"
    assert needs["TIME"] == "tables.soldiers.waves.variable"
    assert needs["COMPANY"] == "tables.soldiers.clusters[0].variable"
    assert "satisfaction" not in needs
    assert set(needs) == {"SUBNUM", "TIME", "BTN", "COMPANY", "AGE", "JSAT", "COMMIT", "READY"}


def test_formula_names_are_the_columns():
    formula = "y ~ time + C(arm, Treatment(reference='a b')) + np.log(age) * x.1 + (1 + time | ward/person)"
    assert formula_names(formula) == ["y", "time", "arm", "age", "x.1", "ward", "person"]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(6)))
def test_the_order_of_rows_changes_nothing_but_the_order(ingest, order):
    lines = [f"{i},{'AB'[i % 2]},{i % 5 + 1},{(i + 2) % 5 + 1}" for i in range(6)]
    body = "person: id\nclusters: [{name: ward, variable: w}]\nsources: [{file: a.csv}]"
    plain = ingest(body, {"a.csv": "id,w,q1,q2\n" + "\n".join(lines)}, SCALE)
    mixed = ingest(body, {"a.csv": "id,w,q1,q2\n" + "\n".join(lines[i] for i in order)}, SCALE)
    pd.testing.assert_frame_equal(
        mixed.frame.sort_values("person").reset_index(drop=True),
        plain.frame.sort_values("person").reset_index(drop=True),
    )
    assert mixed.flow == plain.flow
    pd.testing.assert_frame_equal(mixed.codebook, plain.codebook)


def test_real_clients_and_staff_are_linked_by_school(shared, tmp_path):
    body = """\
study: {name: schools, title: Schools}
tables:
  children:
    clusters: [{name: school, variable: qn0part2}]
    sources: [{file: children.csv}]
"""
    from implstats.study.load import parse_study

    raw = shared("ihc_uganda_crt/uganda-children-one-year-follow-up.csv").read_bytes()
    (tmp_path / "children.csv").write_bytes(raw)
    table = ingest_study(parse_study(body, where="s.yaml"), tmp_path)["children"]
    assert len(table.frame) == 6787
    assert table.frame["school"].nunique() == 120


def test_truth_values_and_dates_find_their_type(ingest, tmp_path):
    frame = pd.DataFrame(
        {"d": pd.to_datetime(["2020-01-02", "2019-01-01"]), "n": pd.array([1, None], dtype="Int64")}
    )
    frame.assign(b=[True, False]).to_parquet(tmp_path / "a.parquet")
    table = ingest("sources: [{file: a.parquet}]\nvariables: {d: {type: category}, n: {}, b: {}}", {})
    assert table.frame["d"].cat.categories.tolist() == ["2019-01-01 00:00:00", "2020-01-02 00:00:00"]
    assert [table.frame[name].dtype for name in ("n", "b")] == [np.dtype("float64")] * 2
    table = ingest("sources: [{file: r.csv}]\nvariables: {b: {}}", {"r.csv": "b\nTRUE\nFALSE\nNA\n"})
    assert table.frame["b"].tolist()[:2] == [1.0, 0.0]


def test_a_cluster_column_stays_an_identifier_when_it_is_also_declared(ingest):
    body = "clusters: [{name: ward, variable: ward}]\nsources: [{file: a.csv}]\n"
    body += "variables: {ward: {label: Avdeling}}"
    table = ingest(body, {"a.csv": "ward,x\n1,5\n2,6\n"})
    assert table.frame["ward"].tolist() == ["1", "2"]


def test_a_wide_file_is_read_once_for_each_wave(ingest):
    body = """
person: id
waves: {values: [{value: 1, time: 0}, {value: 2, time: 1}]}
sources:
  - {file: wide.csv, wave: 1, rename: {mood1: mood}}
  - {file: wide.csv, wave: 2, rename: {mood2: mood}}
variables: {mood: {minimum: 1, maximum: 5}}
"""
    table = ingest(body, {"wide.csv": "id,mood1,mood2\na,1,2\nb,3,\n"})
    assert table.frame["mood"].tolist()[:3] == [1, 3, 2]
    assert table.frame["person"].tolist() == ["a", "b", "a", "b"]
    assert not [issue for issue in table.issues if issue.status == "warn"]


def test_the_long_file_and_its_wide_columns_give_the_same_answers(ingest):
    path = REPOSITORY / "config" / "studies" / "readiness-waves.yaml"
    long = ingest_study(load_study(path), project_root(path))["soldiers"].frame
    raw = pd.read_csv(REPOSITORY / "data/raw/readiness-waves/univbct.csv")
    wide = raw[raw["TIME"] == 0].drop(columns=["JSAT", "TIME"]).to_csv(index=False)
    sources = "\n".join(
        f"  - {{file: wide.csv, wave: {wave}, rename: {{JOBSAT{wave + 1}: JSAT}}}}" for wave in range(3)
    )
    values = "[{value: 0, time: 0}, {value: 1, time: 1}, {value: 2, time: 2}]"
    table = ingest(f"person: SUBNUM\nwaves: {{values: {values}}}\nsources:\n{sources}", {"wide.csv": wide})
    keys = ["person", "wave"]
    ours = table.frame.set_index(keys)["JSAT"].sort_index()
    pd.testing.assert_series_equal(ours, long.set_index(keys)["JSAT"].sort_index())


@pytest.mark.parametrize(("delimiter", "mark"), [(",", "."), (";", ",")])
def test_the_new_studys_own_example_is_ingested_once_its_files_exist(tmp_path, delimiter, mark):
    """The example names two SPSS waves and a text file that writes its whole numbers with decimals."""
    from implstats.study.load import parse_study
    from implstats.study.template import study_text

    rng = np.random.default_rng(7)
    items = ["lead1", "lead2", "lead3", "lead4", "sat1", "sat2", "sat3"]
    person = np.arange(1.0, 61.0)
    raw = tmp_path / "data" / "raw"
    raw.mkdir(parents=True)
    for wave in (1, 2, 3):
        frame = pd.DataFrame(rng.integers(1, 6, (60, 7)).astype(float), columns=items)
        frame = frame.assign(person_id=person, institution_id=(person - 1) // 10 + 1, age=40.0)
        frame["profession"] = person % 3 + 1
        frame.loc[0, "lead1"] = 99.0
        if wave < 3:
            pyreadstat.write_sav(
                frame,
                str(raw / f"wave{wave}.sav"),
                missing_ranges={"lead1": [99]},
                variable_value_labels={"profession": {1: "Lege", 2: "Sykepleier", 3: "Hjelpepleier"}},
            )
        else:
            frame = frame.rename(columns={"person_id": "ID"})
            frame.to_csv(raw / "wave3.csv", index=False, sep=delimiter, decimal=mark)
    table = ingest_study(parse_study(study_text("x"), where="x.yaml"), tmp_path)["staff"]
    assert table.frame["person"].nunique() == 60
    assert table.frame["institution"].nunique() == 6
    assert table.frame["lead1"].isna().sum() == 3
    assert table.frame["lead1"].max() <= 5
    assert set(table.frame["profession"].cat.categories) == {"Lege", "Sykepleier", "Hjelpepleier"}
    assert not [issue for issue in table.issues if issue.status == "warn"]
