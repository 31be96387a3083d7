"""``implstats simulate``: writes, refuses to overwrite, explains itself."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from implstats import simulate as room
from implstats.cli.simulate import DEFAULT_SEED, simulate
from implstats.errors import UsageError


def test_default_seed_is_the_rooms_own() -> None:
    assert DEFAULT_SEED == room.DEFAULT_SEED


def test_help_shows_an_example() -> None:
    shown = CliRunner().invoke(simulate, ["--help"])
    assert shown.exit_code == 0
    assert "implstats simulate data/raw" in shown.output
    assert "SYNTHETIC" in shown.output


def test_writes_all_files_and_refuses_to_overwrite_them(tmp_path) -> None:
    folder = tmp_path / "ny mappe æøå"
    call = [str(folder), "--seed", "7", "--institutions", "3", "--waves", "2"]
    first = CliRunner().invoke(simulate, call, catch_exceptions=False)
    assert first.exit_code == 0
    written = sorted(path.name for path in folder.iterdir())
    assert written == [
        "README.md",
        "ansatte_2011.sav",
        "ansatte_2012.sav",
        "truth.json",
        "veiledere_2018.sav",
    ]
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    assert truth["seed"] == 7
    with pytest.raises(UsageError, match="--force"):
        CliRunner().invoke(simulate, call, catch_exceptions=False)
    again = CliRunner().invoke(simulate, [*call, "--force"], catch_exceptions=False)
    assert again.exit_code == 0


def test_waves_of_another_study_are_not_left_among_the_new_ones(tmp_path) -> None:
    call = [str(tmp_path), "--institutions", "2", "--waves"]
    assert CliRunner().invoke(simulate, [*call, "2"], catch_exceptions=False).exit_code == 0
    with pytest.raises(UsageError, match=r"ansatte_2012\.sav"):
        CliRunner().invoke(simulate, [*call, "1", "--force"], catch_exceptions=False)


@pytest.mark.parametrize("option", [("--institutions", "1"), ("--waves", "0"), ("--seed", "-1")])
def test_impossible_options_are_wrong_usage(tmp_path, option) -> None:
    result = CliRunner().invoke(simulate, [str(tmp_path / "x"), *option])
    assert result.exit_code == 2
    assert option[0] in result.output
