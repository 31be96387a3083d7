"""Second opinions: other starts and semopy, asked only on request, compared in standard errors."""

from __future__ import annotations

import sys

import pytest

from implstats import sem
from implstats.sem.results import Parameter
from implstats.sem.second_opinion import compare_estimates


def status(result):
    return {c.name: c.status for c in result.checks}


def test_it_is_not_asked_unless_wanted(hs, three_factors):
    found = status(sem.fit(three_factors, hs))
    assert "semopy" not in found
    assert "other_starts" not in found


def test_agreement_is_ok(hs, three_factors):
    found = status(sem.fit(three_factors, hs, kind="cfa", second_opinion=True))
    assert found["semopy"] == "ok"
    assert found["other_starts"] == "ok"
    assert "semopy" in sys.modules


def test_agreement_on_a_path_model(mediation):
    result = sem.fit("M1 ~ a*X + C\nY ~ b*M1 + X + C\nind := a*b", mediation, second_opinion=True)
    assert status(result)["semopy"] == "ok"


def test_means_are_not_asked_of_semopy(hs, three_factors):
    result = sem.fit(three_factors, hs, meanstructure=True, second_opinion=True)
    message = next(c.message for c in result.checks if c.name == "semopy")
    assert status(result)["semopy"] == "info"
    assert "mean structures" in message


def test_disagreement_names_both_numbers():
    ours = [Parameter(lhs="y", op="~", rhs="x", estimate=0.5, std_error=0.1, free=True)]
    check = compare_estimates(ours, {("y", "~", "x"): 0.7})
    assert check.status == "warn"
    assert "0.5" in check.message
    assert "0.7" in check.message
    assert compare_estimates(ours, {("y", "~", "x"): 0.501}).status == "ok"
    assert compare_estimates(ours, {}).status == "info"


def test_semopys_wrong_optimum_is_reported(hs, three_factors):
    model = "g =~ " + " + ".join(f"x{i}" for i in range(1, 10)) + "\n" + three_factors
    result = sem.fit(model, hs, kind="cfa", orthogonal=True, second_opinion=True)
    assert status(result)["semopy"] in ("warn", "info")
    assert result.fit["chisq"] == pytest.approx(34.88, abs=0.005)
