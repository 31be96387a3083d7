"""The results data set survives the way to disk and back, whole or not at all."""

from __future__ import annotations

import pandas as pd
import pytest

from implstats.errors import ProblemsError
from implstats.results import Row
from implstats.results.dataset import FILES, read_dataset, write_dataset
from implstats.results.files import replacing

PROVENANCE = {"study": {"name": "s", "title": "S", "synthetic": False}, "inputs": [], "bad": float("nan")}
CHECK = {"analysis": "a", "name": "NA", "status": "warn", "message": 'Says "so", twice.\nAnd again.'}
LABEL = {"kind": "scale", "name": "x", "label": "Økt trivsel", "detail": ""}
PUBLISHED = {
    "analysis": "a", "block": "", "term": "", "level": "", "quantity": "icc", "field": "estimate",
    "printed": "0.050", "ours": 0.0499999, "agrees": True, "citation": "Somewhere",
}  # fmt: skip
ROWS = [
    Row(study="s", analysis="a", block="b", quantity="mean", estimate=1 / 3, n_obs=7),
    Row(study="s", analysis="a", block="b", quantity="mean", term="2", suppressed=True, reason="small"),
]


def write(folder, **changes):
    """Write the small data set of this file with some parts changed."""
    parts = {
        "rows": ROWS, "checks": [CHECK], "dictionary": [LABEL], "provenance": PROVENANCE,
        "published": [PUBLISHED],
    } | changes  # fmt: skip
    return write_dataset(folder, **parts)


def test_everything_comes_back_as_it_went_in(tmp_path):
    write(tmp_path / "s")
    back = read_dataset(tmp_path / "s")
    assert back.rows["estimate"][0] == 1 / 3
    assert back.rows["n_obs"][0] == 7
    assert back.rows["n_obs"].isna()[1]
    assert bool(back.rows["suppressed"][1])
    assert back.checks.to_dict("records") == [CHECK]
    assert back.dictionary["label"][0] == "Økt trivsel"
    assert back.provenance["bad"] is None
    row = back.published.iloc[0]
    assert (row["printed"], row["ours"], bool(row["agrees"])) == ("0.050", 0.0499999, True)


def test_csv_holds_the_same_numbers_as_parquet(tmp_path):
    write(tmp_path)
    csv = pd.read_csv(tmp_path / "results.csv")
    assert csv["estimate"][0] == read_dataset(tmp_path).rows["estimate"][0]


def test_missing_number_in_print_comparison_stays_missing(tmp_path):
    write(tmp_path, published=[PUBLISHED | {"ours": None, "agrees": None}])
    row = read_dataset(tmp_path).published.iloc[0]
    assert pd.isna(row["ours"])
    assert pd.isna(row["agrees"])


def test_empty_data_set_can_be_read(tmp_path):
    write(tmp_path, rows=[], checks=[], dictionary=[], published=[])
    back = read_dataset(tmp_path)
    assert (len(back.rows), len(back.checks), len(back.published)) == (0, 0, 0)


def test_suppressed_number_is_refused_without_repeating_it(tmp_path):
    leak = Row(study="s", analysis="a", block="b", quantity="mean", estimate=3.217, suppressed=True)
    with pytest.raises(ProblemsError, match="suppressed") as caught:
        write(tmp_path / "s", rows=[leak])
    assert "3.217" not in str(caught.value)
    assert not (tmp_path / "s").exists()


def test_unknown_key_is_named(tmp_path):
    with pytest.raises(
        ProblemsError, match=r"checks.csv, record 1: missing \['message'\], unknown \['text'\]"
    ):
        write(tmp_path, checks=[{"analysis": "", "name": "", "status": "", "text": ""}])


def test_missing_and_damaged_files_are_all_named(tmp_path):
    write(tmp_path)
    (tmp_path / "checks.csv").unlink()
    (tmp_path / "results.csv").unlink()
    with pytest.raises(ProblemsError, match=r"(?s)results.csv: not there.*checks.csv: not there"):
        read_dataset(tmp_path)
    write(tmp_path)
    (tmp_path / "provenance.json").write_text("{")
    (tmp_path / "checks.csv").write_text("analysis,name\n")
    with pytest.raises(ProblemsError, match=r"(?s)column 'status' is missing.*not valid JSON"):
        read_dataset(tmp_path)


def test_interrupted_write_leaves_the_former_data_set(tmp_path, monkeypatch):
    write(tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in FILES}

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("implstats.results.dataset._plain", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, rows=[])
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_replacing_removes_its_temporary_file_on_error(tmp_path):
    target = tmp_path / "a.txt"

    def fail_half_way():
        with replacing(target) as temporary:
            temporary.write_text("half a")
            raise ValueError("half")

    with pytest.raises(ValueError, match="half"):
        fail_half_way()
    assert list(tmp_path.iterdir()) == []
