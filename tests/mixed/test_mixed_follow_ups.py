"""``implstats mixed --also``: every follow-up prints and gives JSON, and a wrong request is told at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from implstats.cli.follow_ups import FOLLOW_UPS
from implstats.cli.mixed import ADJUST, CONTRASTS, mixed
from implstats.errors import UsageError
from implstats.mixed.after.adjust import ADJUSTMENTS
from implstats.mixed.after.contrast_weights import METHODS

DATA = Path(__file__).parents[1] / "reference" / "mixed" / "data" / "sim3_12inst.csv"
FORMULA = "y ~ factor(wave) + arm + (1 | inst) + (1 | person)"
ARGUMENTS = {"means": "wave", "wild": "arm", "permutation": "arm"}


def run(*options):
    return CliRunner().invoke(mixed, [FORMULA, str(DATA), *options])


@pytest.mark.parametrize("name", FOLLOW_UPS)
def test_every_follow_up_answers(name):
    request = f"{name}={ARGUMENTS[name]}" if name in ARGUMENTS else name
    outcome = run("--also", request, "--draws", "99", "--json")
    assert outcome.exit_code == 0, outcome.exception
    found = json.loads(outcome.stdout)["also"]
    assert {item["name"] for item in found} == {name}
    assert all(item["rows"] for item in found)


def test_tables_stand_below_the_fit():
    text = run("--also", "f-tests", "--also", "means=wave", "--contrasts", "consec").stdout
    assert text.index("Fixed effects") < text.index("F tests of the terms") < text.index("marginal means")


def test_a_wrong_request_is_told_before_the_data_are_read():
    outcome = CliRunner().invoke(mixed, [FORMULA, "nosuch.csv", "--also", "f-test", "--also", "means"])
    assert isinstance(outcome.exception, UsageError)
    text = str(outcome.exception)
    assert "did you mean 'f-tests'?" in text
    assert "--also means=FACTORS" in text


@pytest.mark.parametrize("wrong", [("--contrasts", "zz"), ("--adjust", "zz"), ("--draws", "50")])
def test_wrong_settings_are_told_whether_used_or_not(wrong):
    outcome = run(*wrong)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert wrong[0] in outcome.stderr


def test_choices_are_those_of_the_functions():
    assert CONTRASTS == METHODS
    assert ADJUST == ADJUSTMENTS


@pytest.mark.parametrize("request_", ["means=wave*", "means=wave|", "means=,arm"])
def test_an_empty_name_among_the_means_is_refused(request_):
    outcome = CliRunner().invoke(mixed, [FORMULA, str(DATA), "--also", request_])
    assert isinstance(outcome.exception, UsageError)
    assert "has an empty name" in str(outcome.exception)
