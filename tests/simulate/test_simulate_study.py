"""The synthetic study: reproducible, as untidy as it says, and about nobody."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyreadstat
import pytest

from implstats.errors import UsageError
from implstats.simulate import Design, simulate_study, write_study
from implstats.simulate.planted import STAFF, SUPERVISORS
from implstats.simulate.write import study_files

PROJECT = Path(__file__).resolve().parents[2]
COMMITTED = PROJECT / "data" / "raw" / "hss-synthetic"
SMALL = Design(institutions=3, waves=3, staff_min=8, staff_max=12, supervisors=20)
ITEMS = [name for c in STAFF.measured for name in c.items]


def _frames(study) -> list[pd.DataFrame]:
    return [*study.waves.values(), study.supervisors]


def test_the_same_seed_gives_the_same_study() -> None:
    for one, other in zip(_frames(simulate_study(5, SMALL)), _frames(simulate_study(5, SMALL)), strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_another_seed_gives_other_answers() -> None:
    one, other = simulate_study(5, SMALL), simulate_study(6, SMALL)
    assert not one.supervisors.equals(other.supervisors)
    assert not one.waves[2011].equals(other.waves[2011])


def test_committed_files_equal_a_fresh_simulation(default_study, tmp_path) -> None:
    write_study(default_study, tmp_path)
    for name in study_files(default_study):
        fresh, stored = tmp_path / name, COMMITTED / name
        if not name.endswith(".sav"):
            assert stored.read_text(encoding="utf-8") == fresh.read_text(encoding="utf-8"), name
            continue
        frame, meta = pyreadstat.read_sav(stored, user_missing=True)
        again, again_meta = pyreadstat.read_sav(fresh, user_missing=True)
        pd.testing.assert_frame_equal(frame, again)
        for part in ("column_names_to_labels", "variable_value_labels", "missing_ranges", "variable_measure",
                     "file_label"):  # fmt: skip
            assert getattr(meta, part) == getattr(again_meta, part), (name, part)


def test_files_keep_frames_labels_and_declared_codes(default_study) -> None:
    frame, meta = pyreadstat.read_sav(COMMITTED / "ansatte_2013.sav", user_missing=True)
    pd.testing.assert_frame_equal(frame, default_study.waves[2013], check_dtype=False)
    assert meta.column_names_to_labels["led_opp3"] == "Oppgaveorientert ledelse 3"
    assert meta.column_names_to_labels["mal2"] == "Målrettet atferd 2 (snudd)"
    assert meta.variable_value_labels["mal2"][9] == "Vet ikke"
    for name in ITEMS:
        assert [r["lo"] for r in meta.missing_ranges[name]] == [9, 99]
        assert [r["hi"] for r in meta.missing_ranges[name]] == [9, 99]
    assert [r["lo"] for r in meta.missing_ranges["veil_timer"]] == [99]


def test_codes_for_no_answer_never_reach_a_mean() -> None:
    answers = pd.concat([pyreadstat.read_sav(COMMITTED / f"ansatte_{y}.sav")[0] for y in range(2011, 2016)])
    raw = pd.concat(
        [pyreadstat.read_sav(COMMITTED / f"ansatte_{y}.sav", user_missing=True)[0] for y in range(2011, 2016)]
    )
    assert (raw[ITEMS] == 99).to_numpy().any()
    assert (raw[ITEMS] == 9).to_numpy().any()
    assert answers[ITEMS].max().max() == 5
    assert answers["veil_timer"].max() <= 20
    # Nine hours are nine hours, although 9 means 'Vet ikke' everywhere else.
    assert (answers["veil_timer"] == 9).any()


def test_reverse_keyed_items_run_against_their_scale(default_study) -> None:
    rows = pd.concat(default_study.waves.values())
    answers = rows[ITEMS].where(rows[ITEMS] < 9)
    for construct in STAFF.measured:
        for item in construct.reversed_items:
            rest = answers[[i for i in construct.items if i != item]].mean(axis=1)
            assert answers[item].corr(rest) < -0.3, item


def test_straightliners_are_there_and_known(default_study) -> None:
    careless = default_study.truth["careless"]
    assert sum(len(numbers) for numbers in careless.values()) >= 10
    zero_based = {name: c.minimum for c in STAFF.measured for name in c.items}
    for year, numbers in careless.items():
        rows = default_study.waves[int(year)].set_index("lopenr")
        boxes = rows[ITEMS].where(rows[ITEMS] < 9) - pd.Series(zero_based)
        same = boxes.nunique(axis=1) == 1
        assert sorted(int(n) for n in same.index[same]) == numbers


def test_item_missingness_has_the_share_of_the_design(default_study) -> None:
    answers = pd.concat(default_study.waves.values())[ITEMS].to_numpy()
    cells = answers.size
    for share, found in (
        (0.005, np.isnan(answers)), (0.008, answers == 9), (0.003, answers == 99),
    ):  # fmt: skip
        assert found.mean() == pytest.approx(share, abs=4 * np.sqrt(share / cells))


def test_posts_are_refilled_and_leavers_stay_away() -> None:
    study = simulate_study(3, Design(institutions=40, nonresponse=0.0))
    rows = pd.concat(study.waves.values())
    sizes = rows.groupby(["institusjon", "aar"]).size().unstack()
    assert (sizes.nunique(axis=1) == 1).all()
    assert sizes.to_numpy().min() >= 8
    assert sizes.to_numpy().max() <= 40
    stay = rows.groupby("lopenr")["aar"].agg(["min", "max", "size"])
    assert (stay["max"] - stay["min"] + 1 == stay["size"]).all()
    assert (rows.groupby("lopenr")["institusjon"].nunique() == 1).all()
    for constant in ("kjonn", "rolle", "aldersgruppe"):
        assert (rows.groupby("lopenr")[constant].nunique() == 1).all()
    years = rows["erfaring"] - rows["aar"]
    assert (years.groupby(rows["lopenr"]).nunique() == 1).all()


def test_the_dissatisfied_leave_more_often(scoring) -> None:
    study = simulate_study(8, Design(institutions=150, nonresponse=0.0, blank=0, dont_know=0, not_relevant=0))
    first, second = study.waves[2011], study.waves[2012]
    stays = first["lopenr"].isin(second["lopenr"])
    satisfaction = scoring(first, "satisfaction")
    assert satisfaction[~stays].mean() < satisfaction[stays].mean() - 0.1
    # Average chance at loyalty 0 is .14; loyalty's spread lifts the mean a little.
    assert (~stays).mean() == pytest.approx(0.155, abs=0.03)


def test_nothing_resembles_a_person_or_a_place(default_study) -> None:
    numbered = re.compile(r"(Institusjon|Region) \d\d")
    for column in ("institusjon", "region"):
        labels = default_study.labels["values"][column].values()
        assert all(numbered.fullmatch(label) for label in labels)
    for frame in _frames(default_study):
        assert all(dtype == np.float64 for dtype in frame.dtypes), "text would be the place for names"
    # Item labels are a planted topic and a number, nothing else.
    topics = {c.label for c in (*STAFF.measured, *SUPERVISORS.measured)}
    for construct in (*STAFF.measured, *SUPERVISORS.measured):
        for item in construct.items:
            label = default_study.labels["variables"][item].removesuffix(" (snudd)")
            topic, number = label.rsplit(" ", 1)
            assert topic in topics
            assert number.isdigit()


def test_every_file_says_that_it_is_synthetic() -> None:
    for path in COMMITTED.glob("*.sav"):
        assert "SYNTHETIC" in pyreadstat.read_sav(path, metadataonly=True)[1].file_label
    assert "SYNTHETIC" in (COMMITTED / "README.md").read_text(encoding="utf-8")
    assert '"synthetic": true' in (COMMITTED / "truth.json").read_text(encoding="utf-8")


def test_default_study_file_scores_the_planted_items() -> None:
    """A wrong key in config/config.yaml would make the pipeline look wrong."""
    from implstats.study.keys import resolve_scales
    from implstats.study.load import instruments_of, load_study

    study = load_study(PROJECT / "config" / "config.yaml")
    keys = resolve_scales(study, instruments_of(study, PROJECT))
    assert study.study.synthetic
    for construct in (*STAFF.measured, *SUPERVISORS.measured):
        key = keys[construct.name]
        assert list(key.items) == construct.items, construct.name
        assert key.reverse == frozenset(construct.reversed_items), construct.name
        assert (key.minimum, key.maximum) == (construct.minimum, construct.maximum), construct.name


def test_a_design_that_cannot_be_is_refused_with_all_its_problems() -> None:
    with pytest.raises(UsageError) as caught:
        Design(institutions=1, staff_min=9, staff_max=8, leaving=1.5)
    for part in ("institutions", "staff_max", "leaving"):
        assert part in str(caught.value)


def test_a_single_wave_has_no_growth_and_no_person_part() -> None:
    truth = simulate_study(1, Design(institutions=2, waves=1)).truth["staff"]["scales"]["task"]
    assert truth["growth_per_year"] is None
    assert truth["variance"]["person"] is None
    assert truth["icc"]["person"] is None
