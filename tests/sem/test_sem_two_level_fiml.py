"""Full information in two-level models: beside lavaan, and against the covariance of all answers given."""

from __future__ import annotations

import numpy as np
import pytest

from implstats import sem
from implstats.errors import UsageError
from implstats.sem.model.two_level import level_moments

# lavaan's reference was polished on differences of its gradient.
ESTIMATE = 1e-6
STD_ERROR = 5e-6
# The same likelihood by another route.
DENSE = 1e-10
SIX = "level: 1\nfw =~ y1 + y2 + y3\nfw ~ x1\nlevel: 2\nfb =~ y1 + y2 + y3\nfb ~ w1"


@pytest.fixture(scope="module")
def gaps(load_data):
    demo = load_data("demo_twolevel")
    for k in range(1, 7):
        demo.loc[(np.arange(1, len(demo) + 1) * 7 + k * 13) % 17 == 0, f"y{k}"] = np.nan
    return demo


@pytest.fixture(scope="module")
def fits(gaps):
    few = gaps[gaps["cluster"] < 60]
    return few, {
        e: sem.fit_two_level(SIX, few, cluster="cluster", missing="fiml", estimator=e) for e in ("ML", "MLR")
    }


@pytest.mark.parametrize("name", ["fiml", "fiml_six"])
def test_lavaan(name, gaps, load_reference):
    expected = load_reference("two_level_more")[name]
    found = sem.fit_two_level(
        expected["model"], gaps, cluster="cluster", kind=expected["meta"]["kind"], missing="fiml"
    )
    ours = {(p.lhs, p.op, p.rhs, p.level): p for p in found.parameters}
    rows, compared = expected["parameters"], 0
    for key, est, se in zip(
        zip(rows["lhs"], rows["op"], rows["rhs"], rows["level"], strict=True),
        rows["est"],
        rows["se"],
        strict=True,
    ):
        if key in ours and se:
            assert ours[key].estimate == pytest.approx(est, abs=ESTIMATE)
            assert ours[key].std_error == pytest.approx(se, rel=STD_ERROR)
            compared += 1
    assert compared == found.fit["npar"] == expected["fit"]["npar"]
    assert found.fit["df"] == expected["fit"]["df"]
    # lavaan's own moments of predictors are not at their maximum: up to 2e-4 of log-likelihood is lost.
    assert -1e-8 <= found.fit["logl"] - expected["fit"]["logl"] < 2e-4
    saturated = expected["saturated"]["logl"] - expected["loglik_x"][0]
    assert found.fit["unrestricted.logl"] == pytest.approx(saturated, abs=1e-7)


def whole(result, frame, theta, j):
    """Log-likelihood of cluster j from the covariance matrix of all that was answered in it."""
    within, between = level_moments(result.fitted.levels, theta)
    names = [s.observed for s in result.fitted.structures]
    rows = frame[frame["cluster"] == j]
    items = [(v, i) for i in range(len(rows)) for v in names[0] if not np.isnan(rows[v].iloc[i])]
    items += [(v, -1) for v in names[1] if v not in names[0]]
    V = np.zeros((len(items),) * 2)
    mean = np.zeros(len(items))
    for a, (v, i) in enumerate(items):
        mean[a] = within.mean[names[0].index(v)] if i >= 0 else 0.0
        mean[a] += between.mean[names[1].index(v)] if v in names[1] else 0.0
        for b, (u, k) in enumerate(items):
            if i == k and i >= 0:
                V[a, b] += within.cov[names[0].index(v), names[0].index(u)]
            if v in names[1] and u in names[1]:
                V[a, b] += between.cov[names[1].index(v), names[1].index(u)]
    d = np.array([rows[v].iloc[max(i, 0)] for v, i in items]) - mean
    return -0.5 * (np.linalg.slogdet(V)[1] + d @ np.linalg.solve(V, d) + len(d) * np.log(2 * np.pi))


def test_likelihood_is_that_of_all_answers_given(fits):
    frame, found = fits
    result = found["ML"]
    total = sum(whole(result, frame, result.fitted.theta, j) for j in frame["cluster"].unique())
    x = frame["x1"]
    w = frame.groupby("cluster")["w1"].first()
    of_x = sum(-0.5 * len(v) * (np.log(v.var(ddof=0)) + 1 + np.log(2 * np.pi)) for v in (x, w))
    assert result.fit["logl"] == pytest.approx(total - of_x, rel=DENSE)
    said = next(c.message for c in result.checks if c.name == "full_information")
    assert "missing at random" in said


def test_robust_errors_are_the_sandwich_of_whole_clusters(fits):
    frame, found = fits
    theta, step = found["ML"].fitted.theta, 1e-4
    clusters = frame["cluster"].unique()
    S = np.array([
        [
            (whole(found["ML"], frame, theta + e, j) - whole(found["ML"], frame, theta - e, j)) / (2 * step)
            for j in clusters
        ]
        for e in step * np.eye(len(theta))
    ]).T  # fmt: skip
    # The gradient of the whole vanishes at the estimate.
    assert np.abs(S.sum(axis=0)).max() < 1e-4
    bread = found["ML"].covariance
    sandwich = bread @ (S.T @ S) @ bread
    assert np.sqrt(np.diag(found["MLR"].covariance)) == pytest.approx(np.sqrt(np.diag(sandwich)), rel=1e-4)
    assert found["MLR"].fit["chisq.scaling.factor"] > 0


def test_what_full_information_does_not_take(gaps):
    with pytest.raises(UsageError, match="h1='psd'"):
        sem.fit_two_level(SIX, gaps, cluster="cluster", missing="fiml", h1="lavaan")
    with pytest.raises(UsageError, match="needs complete answers"):
        sem.fit_two_level(SIX, gaps, cluster="cluster", missing="fiml", information="expected")


def test_complete_answers_are_those_of_listwise(load_data):
    demo = load_data("demo_twolevel")
    one, two = (sem.fit_two_level(SIX, demo, cluster="cluster", missing=m) for m in ("fiml", "listwise"))
    assert one.fit == two.fit
