"""``implstats scale`` prints readable text or JSON and ends with the promised status."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from implstats.cli.scale import scale
from implstats.errors import UsageError
from implstats.scales import analyse

DATA = str(Path(__file__).parents[2] / "data" / "raw" / "leadership-climate" / "lq2002.csv")
LEADERSHIP = ["--items", "LEAD01:LEAD11", "--min", "1", "--max", "5", "--cluster", "COMPID"]


def run(*arguments):
    return CliRunner().invoke(scale, [DATA, *arguments], catch_exceptions=False)


def test_json_is_the_librarys_result(lq2002):
    found = json.loads(run(*LEADERSHIP, "--json").stdout)
    wanted = analyse(lq2002, items="LEAD01:LEAD11", minimum=1, maximum=5, cluster="COMPID")
    assert found["alpha"] == wanted.alpha
    assert found["rwgj_mean"] == wanted.rwgj_mean
    assert found["rwgj"][0] == {
        "cluster": "2", "rwgj": wanted.rwgj[0].rwgj, "n": 24, "rwgj_lindell": wanted.rwgj[0].rwgj_lindell,
        "average_deviation": wanted.rwgj[0].average_deviation,
    }  # fmt: skip


def test_text_shows_the_numbers_and_the_reasons():
    text = run(*LEADERSHIP).stdout
    assert "alpha         0.902   95 % interval 0.896 to 0.908 (Feldt)" in text
    assert "49 clusters (COMPID)" in text
    assert "F(48, 1993) = 5.019, p < 0.001" in text
    single = run("--items", "TSIG01", "--cluster", "COMPID").stdout
    assert "alpha         not available: reliability needs at least two items" in single
    assert "rwg(j)        not available: rwg(j) needs the range of an answer" in single


def test_reversed_items_are_suspected_in_words():
    assert "Alpha is negative" in run("--items", "TSIG01,TSIG02", "--reverse", "TSIG01").stdout


@pytest.mark.parametrize(
    ("arguments", "status", "wanted"),
    [
        (["--items", "LEAD01,LED02"], 2, "did you mean 'LEAD02'?"),
        (["--items", "HOSTIL01:HOSTIL05", "--min", "1", "--max", "4"], 1, "outside 1 to 4"),
        ([], 2, "--items"),
    ],
)
def test_exit_status_and_message(arguments, status, wanted):
    done = subprocess.run(
        [sys.executable, "-c", "from implstats.cli import main; main()", "scale", DATA, *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == status
    assert wanted in done.stderr
    assert "Traceback" not in done.stderr


def test_help_has_an_example():
    assert "Example: implstats scale" in CliRunner().invoke(scale, ["--help"]).stdout


def test_a_range_that_runs_backwards_is_called_so(lq2002):
    with pytest.raises(UsageError, match="'LEAD04' stands after 'LEAD01' in the file; write 'LEAD01:LEAD04'"):
        analyse(lq2002, items="LEAD04:LEAD01", minimum=1, maximum=5)
