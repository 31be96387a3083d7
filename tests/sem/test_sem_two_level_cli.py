"""``implstats sem`` of a model with levels: what follows from it, in text and JSON."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from implstats import sem
from implstats.cli.sem import sem as command
from implstats.errors import UsageError

LEVELS = "level: 1\nf =~ y1 + a*y2 + b*y3\nlevel: 2\nf =~ y1 + a*y2 + b*y3"


@pytest.fixture
def teams(load_data, tmp_path):
    path = tmp_path / "teams.csv"
    load_data("demo_twolevel").to_csv(path, index=False)
    return path


def run(teams, *more):
    return CliRunner().invoke(command, [LEVELS, str(teams), "--cluster", "cluster", *more])


def test_reliability_by_level(teams, load_data):
    found = json.loads(run(teams, "--also", "reliability", "--json").output)
    ours = sem.multilevel_reliability(
        sem.fit_two_level(LEVELS, load_data("demo_twolevel"), cluster="cluster")
    )
    rows = found["also"][0]["rows"]
    assert [r["name"] for r in rows] == [c.name for c in ours.coefficients]
    assert [r["estimate"] for r in rows] == [c.estimate for c in ours.coefficients]
    assert [r["conf_high"] for r in rows] == [c.conf_high for c in ours.coefficients]
    text = run(teams, "--also", "reliability").output
    for words in ("LEVEL 2, between clusters", "Reliability within clusters", "omega_two_level", ".790"):
        assert words in text


def test_standardised_values_of_both_levels(teams, load_data):
    found = json.loads(run(teams, "--also", "standardised", "--json").output)
    ours = sem.standardised(sem.fit_two_level(LEVELS, load_data("demo_twolevel"), cluster="cluster"), "all")
    assert [r["value"] for r in found["also"][0]["rows"]] == [p.value for p in ours.parameters]


def test_monte_carlo_intervals_of_definitions(teams, load_data):
    text = LEVELS + "\ngap := a - b"
    found = json.loads(
        CliRunner()
        .invoke(command, [text, str(teams), "--cluster", "cluster", "--monte-carlo", "--seed", "5", "--json"])
        .output
    )
    fit = sem.fit_two_level(text, load_data("demo_twolevel"), cluster="cluster")
    ours = sem.monte_carlo(fit, seed=5).effects[0]
    assert found["also"][0]["rows"][0]["conf_low"] == ours.conf_low


def test_what_levels_do_not_take_is_named(teams):
    error = run(teams, "--also", "reliability", "--also", "residuals", "--bootstrap", "99").exception
    assert isinstance(error, UsageError)
    assert "--bootstrap, --also residuals" in str(error)
