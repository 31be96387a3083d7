"""What follows from a cluster-robust fit: beside lavaan, by its definition, or refused by name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from implstats import sem
from implstats.errors import NotSupportedError, UsageError

# lavaan's nlminb stops about 1e-6 beside the optimum.
NLMINB = 2e-5
# lavaan's difference test subtracts two chi-squares of its own optima and two scaling factors.
DIFFERENCE = 5e-5
# 20000 draws know a standard deviation to 0.5 %; four of these.
MONTE_CARLO = 0.02


@pytest.fixture(scope="module")
def teams(load_data) -> pd.DataFrame:
    return load_data("lq2002")


@pytest.fixture(scope="module")
def expected(load_reference) -> dict:
    return load_reference("cluster_after")


@pytest.fixture(scope="module")
def free(teams, expected):
    return sem.fit(expected["free"], teams, cluster="COMPID", estimator="MLR")


@pytest.fixture(scope="module")
def restricted(teams, expected):
    return sem.fit(expected["zero"], teams, cluster="COMPID", estimator="MLR")


@pytest.mark.parametrize("method", ["satorra.bentler.2001", "satorra.bentler.2010"])
def test_difference_tests_are_lavaans(method, free, restricted, expected):
    found = sem.compare(free, restricted, method=method)
    assert found.chisq == pytest.approx(expected[method]["chisq"], rel=DIFFERENCE)
    assert found.df == expected[method]["df"]


def test_fits_with_other_clusters_are_not_compared(teams, free, expected):
    for call in ({}, {"cluster": "twos"}):
        other = sem.fit(
            expected["zero"],
            teams.assign(twos=np.arange(len(teams)) // 2),
            estimator="MLR",
            meanstructure=True,
            **call,
        )
        with pytest.raises(UsageError, match="cluster is COMPID in one"):
            sem.compare(free, other)


def test_standardised_values_and_errors_are_lavaans(free, expected):
    theirs = expected["standardised"]
    ours = {(r.lhs, r.op, r.rhs): r for r in sem.standardised(free).parameters}
    for lhs, op, rhs, value, se in zip(
        *(theirs[k] for k in ("lhs", "op", "rhs", "est.std", "se")), strict=True
    ):
        assert ours[lhs, op, rhs].value == pytest.approx(value, abs=NLMINB)
        assert (ours[lhs, op, rhs].std_error or 0.0) == pytest.approx(se, rel=NLMINB, abs=1e-6)


def test_wald_test_is_lavaans(free, expected):
    found = sem.wald_test(free, "b == 0.4")
    assert found.statistic == pytest.approx(expected["wald"]["stat"], rel=NLMINB)
    assert found.df == expected["wald"]["df"]


def test_monte_carlo_draws_with_the_clustered_errors(teams, expected):
    fitted = sem.fit(expected["free"] + "\ntwice := 2*b", teams, cluster="COMPID")
    plain = sem.fit(expected["free"] + "\ntwice := 2*b", teams, estimator="MLR")
    drawn = sem.monte_carlo(fitted, draws=20000, seed=1).effects[0].std_error
    of = [next(p.std_error for p in f.parameters if p.lhs == "twice") for f in (fitted, plain)]
    assert drawn == pytest.approx(of[0], rel=MONTE_CARLO)
    assert abs(of[0] / of[1] - 1) > 2 * MONTE_CARLO  # so that the errors of independent persons would fail


def test_auxiliary_variables_change_nothing_with_complete_answers(teams, expected):
    alone, helped = (
        sem.fit(expected["free"], teams, cluster="COMPID", missing="fiml", **call)
        for call in ({}, {"auxiliary": ["HOSTIL01", "HOSTIL02"]})
    )
    errors = {(p.lhs, p.op, p.rhs): p.std_error for p in helped.parameters}
    for p in alone.parameters:
        # The search of the wider model ends elsewhere within its own tolerance.
        assert (errors[p.lhs, p.op, p.rhs] or 0.0) == pytest.approx(p.std_error or 0.0, abs=1e-7)
    for name in ("chisq", "chisq.scaled", "cfi.scaled", "rmsea.robust"):
        assert helped.fit[name] == pytest.approx(alone.fit[name], rel=1e-7)


def test_second_opinion_does_not_ask_about_standard_errors(teams, expected):
    found = sem.fit(expected["free"], teams, cluster="COMPID", second_opinion=True)
    said = {c.name: c for c in found.checks}
    assert said["other_starts"].status == "ok"
    assert "not asked" in said["semopy"].message


@pytest.mark.parametrize(("ask", "instead"), [
    (lambda r: sem.bollen_stine(r, draws=10, seed=1), "scaled chi-square"),
])  # fmt: skip
def test_what_takes_persons_as_independent_is_refused(ask, instead, free):
    with pytest.raises(NotSupportedError, match=f"cluster.*{instead}"):
        ask(free)


def test_bootstrap_wants_the_clusters(free):
    with pytest.raises(UsageError, match="cluster='COMPID'"):
        sem.bootstrap(free, draws=10, seed=1)
