"""Keys are resolved from the study file and from instruments, and every problem is named at once."""

from __future__ import annotations

import pytest

from implstats.errors import StudyFileError
from implstats.study.keys import load_instruments, resolve_scale, resolve_scales
from implstats.study.models import Instrument, Study

INSTRUMENT = {
    "name": "tool", "title": "Tool", "citation": "Someone (2020)", "licence": "free", "verified": False,
    "minimum": 0, "maximum": 4, "n_items": 7, "subscales": {"one": [1, 2, 3], "two": [4, 6]}, "reverse": [2],
    "reverse_total": [4], "score": "mean_of_subscales", "min_valid": 4, "min_valid_subscale": 3,
}  # fmt: skip


def study_of(scales, clusters=({"name": "team", "variable": "TEAM"},)):
    return Study.model_validate({
        "study": {"name": "s", "title": "S"},
        "tables": {"staff": {"sources": [{"file": "a.csv"}], "clusters": list(clusters)}},
        "scales": scales,
    })  # fmt: skip


@pytest.fixture
def instruments():
    return {"tool": Instrument.model_validate(INSTRUMENT)}


def problems_of_scales(scales, instruments):
    with pytest.raises(StudyFileError) as caught:
        resolve_scales(study_of(scales), instruments)
    return "\n".join(caught.value.problems)


def test_a_scale_of_the_study_file():
    key = resolve_scale(
        study_of({"x": {"items": ["a", "b", "c"], "reverse": ["b"], "minimum": 1, "maximum": 5}}), "x", {}
    )
    assert key.items == ("a", "b", "c")
    assert (key.score, key.subscale_score, key.min_valid) == ("mean", "mean", 2)
    assert (key.reverse, key.reverse_total) == (frozenset({"b"}), frozenset())
    assert (key.label, key.table, key.aggregate, key.instrument) == ("x", "staff", ("team",), "")


def test_subscales_of_the_study_file():
    scale = {
        "subscales": {"p": ["a", "b"], "q": ["c"]},
        "minimum": 0,
        "maximum": 1,
        "score": "mean_of_subscales",
    }
    key = resolve_scale(study_of({"x": scale}), "x", {})
    assert key.items == ("a", "b", "c")
    assert key.subscales == (("p", ("a", "b")), ("q", ("c",)))


def test_a_whole_instrument(instruments):
    scale = {"instrument": "tool", "prefix": "q", "item_format": "{n:02d}"}
    key = resolve_scale(study_of({"x": scale}), "x", instruments)
    assert key.items == ("q01", "q02", "q03", "q04", "q06"), "items 5 and 7 are in no subscale"
    assert key.reverse == frozenset({"q02"})
    assert key.reverse_total == frozenset({"q04"})
    assert (key.score, key.subscale_score) == ("mean_of_subscales", "mean")
    assert (key.min_valid, key.min_valid_subscale, key.verified) == (4, 3, False)
    assert (key.minimum, key.maximum, key.citation) == (0, 4, "Someone (2020)")


def test_one_subscale_of_an_instrument(instruments):
    scale = {"instrument": "tool", "subscale": "two", "prefix": "q", "verified": True, "maximum": 6}
    key = resolve_scale(study_of({"x": scale}), "x", instruments)
    assert (key.items, key.subscales) == (("q4", "q6"), ())
    assert (key.reverse, key.reverse_total) == (frozenset(), frozenset()), "reversed for the total only"
    assert (key.score, key.min_valid) == ("mean", 2), "three answers of two items cannot be asked"
    assert key.verified, "the study file's word goes before the instrument's"
    assert key.maximum == 6


def test_all_problems_of_all_scales_at_once(instruments):
    text = problems_of_scales(
        {
            "a": {"items": ["i", "i", "j"], "reverse": ["k"], "minimum": 1, "maximum": 5, "min_valid": 9},
            "b": {"instrument": "tol", "prefix": "q"},
            "c": {"instrument": "tool", "subscale": "on", "prefix": "q"},
            "d": {"instrument": "tool", "prefix": "q", "item_format": "{m}"},
            "e": {"instrument": "tool", "prefix": "q", "item_format": "x"},
            "f": {"instrument": "tool", "prefix": "q", "reverse": ["q1"]},
            "g": {"instrument": "tool", "prefix": "q", "minimum": 9},
            "h": {"table": "stafff", "items": ["i"], "minimum": 1, "maximum": 5},
        },
        instruments,
    )
    for wanted in (
        "scales.a.items: 'i' is listed 2 times",
        "scales.a.reverse: 'k' is not an item of this scale",
        "scales.a.min_valid: 9 is more than the scale's 3 items",
        "scales.b.instrument: there is no config/instruments/tol.yaml; did you mean 'tool'?",
        "scales.c.subscale: 'tool' has no subscale 'on'; did you mean 'one'?",
        "scales.d.item_format: '{m}' is not a format of n",
        "scales.e.item_format: 'x' gives several items one name",
        "scales.f.reverse: the instrument 'tool' already says",
        "scales.g.minimum: 9 should be below 'maximum' (4)",
        "scales.h.table: there is no table 'stafff'; did you mean 'staff'?",
    ):
        assert wanted in text


def test_an_unknown_scale_is_named():
    with pytest.raises(StudyFileError, match="no scale 'clmate'; did you mean 'climate'"):
        resolve_scale(study_of({"climate": {"items": ["a"], "minimum": 1, "maximum": 5}}), "clmate", {})


def test_instrument_files_are_read_and_all_their_problems_shown(tmp_path):
    (tmp_path / "tool.yaml").write_text("name: tool\ntitel: x\nminimum: 0\n")
    (tmp_path / "broken.yaml").write_text("name: [1\n")
    (tmp_path / "other.yaml").write_text(
        "name: another\ntitle: t\ncitation: c\nlicence: l\nverified: true\n"
        "minimum: 0\nmaximum: 1\nn_items: 1\nscore: mean\n"
    )
    with pytest.raises(StudyFileError) as caught:
        load_instruments(tmp_path)
    text = "\n".join(caught.value.problems)
    assert "tool.yaml: titel: not a known field; did you mean 'title'?" in text
    assert "tool.yaml: n_items: field required" in text
    assert "broken.yaml:" in text
    assert "other.yaml: name is 'another' but the file is called 'other'" in text


def test_a_folder_without_instruments_has_none(tmp_path):
    assert load_instruments(tmp_path / "absent") == {}
