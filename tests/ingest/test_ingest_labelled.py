"""SPSS, Stata and SAS files: labels are kept, user-missing codes become missing and are counted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyreadstat
import pytest

from implstats.errors import IngestError
from implstats.ingest import read_frame, read_source
from implstats.ingest.labelled import read_labelled


def record(raw, name):
    return next(record for record in raw.codebook if record.name == name)


@pytest.fixture
def spss(tmp_path):
    """A wave as SPSS writes it: labels with Norwegian letters, single codes, a range and text codes."""
    frame = pd.DataFrame(
        {
            "kjønn": [1.0, 2.0, 2.0, 9.0, np.nan],
            "score": [1.0, 5.0, 97.0, 98.0, 99.0],
            "unit": ["A", "Z", "B", "", "A"],
        }
    )
    path = tmp_path / "wave.sav"
    pyreadstat.write_sav(
        frame, str(path),
        column_labels={"kjønn": "Kjønn på ansatt", "score": "Skår", "unit": "Avdeling"},
        variable_value_labels={"kjønn": {1.0: "Kvinne", 2.0: "Mann", 9.0: "Ønsker ikke å svare"}},
        missing_ranges={"kjønn": [9], "score": [{"lo": 97, "hi": 99}], "unit": ["Z"]},
        variable_measure={"kjønn": "nominal", "score": "scale"},
    )  # fmt: skip
    return path


def test_labels_and_user_missing_of_sav(spss):
    raw = read_labelled(spss, place="wave.sav")
    assert raw.frame["score"].tolist()[:2] == [1.0, 5.0]
    assert raw.frame["score"].isna().sum() == 3
    assert raw.frame["score"].mean() == 3.0
    assert record(raw, "score").missing_ranges == ((97.0, 99.0),)
    assert record(raw, "score").n_user_missing == {"97": 1, "98": 1, "99": 1}
    gender = record(raw, "kjønn")
    assert (gender.label, gender.measure) == ("Kjønn på ansatt", "nominal")
    assert gender.value_labels == {1.0: "Kvinne", 2.0: "Mann", 9.0: "Ønsker ikke å svare"}
    assert gender.missing_codes == (9.0,)
    assert gender.n_user_missing == {"9": 1}
    assert raw.frame["kjønn"].isna().tolist() == [False, False, False, True, True]


def test_text_codes_and_empty_texts_are_missing(spss):
    raw = read_labelled(spss, place="wave.sav")
    assert raw.frame["unit"].isna().tolist() == [False, True, False, True, False]
    assert record(raw, "unit").n_user_missing == {"Z": 1}


def test_read_frame_carries_the_labels(spss):
    frame = read_frame(spss)
    assert frame.attrs["variable_labels"]["score"] == "Skår"
    assert frame.attrs["value_labels"]["kjønn"][2.0] == "Mann"


def test_zsav_is_read_like_sav(tmp_path, spss):
    frame, meta = pyreadstat.read_sav(str(spss), user_missing=True)
    packed = tmp_path / "wave.zsav"
    pyreadstat.write_sav(frame, str(packed), missing_ranges=meta.missing_ranges, compress=True)
    pd.testing.assert_frame_equal(read_frame(packed), read_frame(spss), check_flags=False)


def test_por_and_dta_are_read(tmp_path):
    frame = pd.DataFrame({"AGE": [20.0, 30.0, np.nan], "NAME": ["Åse", "Bo", ""]})
    # The portable format knows no letters beyond ASCII.
    pyreadstat.write_por(frame.replace("Åse", "Aase"), str(tmp_path / "a.por"))
    pyreadstat.write_dta(
        frame,
        str(tmp_path / "a.dta"),
        column_labels=["Alder i år", "Navn"],
        variable_value_labels={"AGE": {20: "tjue"}},
    )
    por, dta = read_frame(tmp_path / "a.por"), read_frame(tmp_path / "a.dta")
    assert por["AGE"].tolist()[:2] == dta["AGE"].tolist()[:2] == [20.0, 30.0]
    assert dta["NAME"].tolist()[0] == "Åse"
    assert dta["NAME"].isna().tolist() == [False, False, True]
    assert dta.attrs["variable_labels"]["AGE"] == "Alder i år"
    assert dta.attrs["value_labels"]["AGE"] == {20: "tjue"}


def test_codes_declared_in_the_study_file_add_to_the_files(tmp_path, spss, source):
    raw = read_source(
        tmp_path, source("wave.sav", rename={"kjønn": "gender"}, user_missing={"gender": [2], "*": [5]})
    )
    assert raw.frame["gender"].tolist()[0] == 1.0
    assert raw.frame["gender"].isna().sum() == 4
    assert record(raw, "gender").n_user_missing == {"9": 1, "2": 2}
    assert record(raw, "score").n_user_missing == {"97": 1, "98": 1, "99": 1, "5": 1}


def test_a_star_never_touches_identifiers(tmp_path, source):
    (tmp_path / "a.csv").write_text("id,q\n99,1\n5,99\n", encoding="utf-8")
    raw = read_source(tmp_path, source("a.csv", user_missing={"*": [99]}), id_columns=["id"])
    assert raw.frame["id"].tolist() == ["99", "5"]
    assert raw.frame["q"].isna().tolist() == [False, True]


@pytest.mark.parametrize("suffix", [".sav", ".zsav", ".dta", ".por", ".sas7bdat"])
@pytest.mark.parametrize("size", [10, 300])
def test_a_damaged_file_is_one_clear_message(tmp_path, suffix, size):
    whole = tmp_path / f"whole{suffix}"
    frame = pd.DataFrame({"X": np.arange(200.0)})
    writers = {".dta": pyreadstat.write_dta, ".por": pyreadstat.write_por}
    if suffix == ".sas7bdat":
        whole.write_bytes(b"not a SAS file " * 100)
    else:
        writers.get(suffix, pyreadstat.write_sav)(frame, str(whole))
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(whole.read_bytes()[:size])
    with pytest.raises(IngestError) as caught:
        read_frame(cut)
    assert len(caught.value.problems) == 1
    assert "damaged or cut short" in caught.value.problems[0]


def test_rename_problems_are_told_together(tmp_path, spss, source):
    with pytest.raises(IngestError) as caught:
        read_source(
            tmp_path,
            source("wave.sav", rename={"skore": "x", "score": "unit"}, user_missing={"scor": [9]}),
        )
    assert caught.value.problems == (
        "rename: there is no column 'skore'; did you mean 'score'?",
        "rename: 'unit' would be the name of two columns; rename the other one too",
        "user_missing: there is no column 'scor'; did you mean 'score'?",
    )


# Files of other projects -------------------------------------------------------------------------------


def test_real_gss_codes_and_ranges(shared):
    raw = read_labelled(shared("gss2010_spss/gss2010.sav"), place="gss2010.sav")
    assert raw.frame.shape == (2044, 790)
    assert sum(bool(r.value_labels) for r in raw.codebook) == 785
    assert sum(bool(r.missing_codes or r.missing_ranges) for r in raw.codebook) >= 784
    income = record(raw, "income")
    assert income.missing_ranges == ((13.0, 99.0),)
    assert raw.frame["income"].dropna().between(1, 12).all()
    assert np.isinf(record(raw, "incom16").missing_ranges[0][1])
    assert sum(income.n_user_missing.values()) + raw.frame["income"].notna().sum() <= 2044


@pytest.mark.parametrize(
    "file",
    [
        "gss2010_spss/gss2010.sav",
        "sav_edge_cases/haven/labelled-num-na.sav",
        "sav_edge_cases/pyreadstat/sample_missing.sav",
        "sav_edge_cases/pyreadstat/simple_alltypes.sav",
        "efc_labelled_carers/efc.sav",
    ],
)
def test_what_is_missing_agrees_with_readstats_own_conversion(shared, file):
    """ReadStat itself can drop user-missing values; it forgets the codes, but must leave the same holes."""
    path = shared(file)
    theirs, _ = pyreadstat.read_sav(str(path), user_missing=False)
    ours = read_frame(path)
    numbers = theirs.select_dtypes("number").columns
    assert len(numbers) > 0
    np.testing.assert_array_equal(ours[numbers].to_numpy(float), theirs[numbers].to_numpy(float))


@pytest.mark.parametrize(
    ("file", "name", "valid", "missing"),
    [
        ("haven/labelled-num-na.sav", "VAR00002", [1.0], {"9": 1}),
        ("haven/tagged-na-int.dta", "x", [1.0, 2.0, 3.0, 4.0, 5.0], {".a": 1, ".h": 1, ".z": 1}),
        ("haven/tagged-na-double.dta", "x", [1.0, 2.0, 3.0, 4.0, 5.0], {".a": 1, ".h": 1, ".z": 1}),
        ("pyreadstat/missing_char.sav", "mychar", ["a"], {"Z": 1}),
        ("pyreadstat/sample_missing.sav", "mylabl", [1.0, 2.0, 1.0, 2.0, 1.0], None),
        ("pyreadstat/missing_test.dta", "var1", [], {".a": 1}),
        ("pyreadstat/simple_alltypes.sav", "z", [1.234, 3.14159], {"-9": 1, "999": 1}),
    ],
)
def test_real_user_missing(shared, file, name, valid, missing):
    path = shared(f"sav_edge_cases/{file}")
    raw = read_labelled(path, place=path.name)
    assert raw.frame[name].dropna().tolist() == valid
    if missing is not None:
        assert record(raw, name).n_user_missing == missing


def test_real_umlauts(shared):
    raw = read_labelled(shared("sav_edge_cases/haven/umlauts.sav"), place="umlauts.sav")
    text = " ".join(record(raw, "var1").value_labels.values())
    assert "ä" in text
    assert "ö" in text
    assert "ü" in text


def test_real_date_that_no_calendar_has(shared):
    raw = read_labelled(shared("sav_edge_cases/haven/datetime.sav"), place="datetime.sav")
    assert [issue.status for issue in raw.issues] == ["warn"]
    assert "read as plain numbers" in raw.issues[0].message
    assert all(dtype.kind == "f" for dtype in raw.frame.dtypes)


def test_real_files_of_every_kind(shared):
    assert read_frame(shared("nes1948_por/NES1948.POR")).shape == (662, 67)
    assert read_frame(shared("efc_labelled_carers/efc.sav")).shape == (908, 26)
    kinds = [
        read_frame(shared(f"sav_edge_cases/pyreadstat/sample.{s}")) for s in ("sav", "zsav", "por", "dta")
    ]
    assert [kind.iloc[:, 1].dropna().tolist() for kind in kinds] == [[1.1, 1.2, -1000.3, -1.4, 1000.3]] * 4


def test_real_labels_agree_with_their_table(shared):
    frame = read_frame(shared("efc_labelled_carers/efc.sav"))
    codes = read_frame(shared("efc_labelled_carers/efc_codes.csv"))
    shared_columns = [name for name in frame.columns if name in codes.columns]
    assert len(shared_columns) == 26
    np.testing.assert_array_equal(
        frame[shared_columns].to_numpy(float), codes[shared_columns].to_numpy(float)
    )
    assert len(frame.attrs["value_labels"]) == 17
