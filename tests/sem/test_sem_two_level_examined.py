"""Two-level fits examined from outside: whole clusters' covariance matrices, differences, and nasty input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from implstats import sem
from implstats.errors import DataError, ImplstatsError, ModelError, NotSupportedError, UsageError
from implstats.sem.model.two_level import level_moments

THREE = "level: 1\nfw =~ y1 + y2 + y3\nlevel: 2\nfb =~ y1 + y2 + y3"
MODELS = {
    "both": THREE,
    "outcomes": "level: 1\nfw =~ y1 + y2 + y3\nu ~ fw\nlevel: 2\nfb =~ y1 + y2 + y3\nz ~ fb",
    "indicators": "level: 1\nfw =~ y1 + y2 + y3 + u\nlevel: 2\nfb =~ y1 + y2 + y3 + z",
    "labels": "level: 1\nf =~ y1 + a*y2 + b*y3\nu ~~ f\nlevel: 2\nf =~ y1 + a*y2 + b*y3\nf ~~ z\nz ~ 1",
}
# The same likelihood by dense matrices of whole clusters.
DENSE = 1e-10


@pytest.fixture(scope="module")
def small() -> pd.DataFrame:
    """45 clusters of 1 to 7 persons; u varies within clusters only, z between them."""
    rng = np.random.default_rng(11)
    team = np.repeat(np.arange(45), np.resize([1, 3, 5, 7, 4], 45))
    z = rng.normal(size=45)
    common = 0.6 * z + rng.normal(size=45)
    between = common[:, None] * [0.8, 0.7, 0.6] + 0.5 * rng.normal(size=(45, 3))
    eta = rng.normal(size=len(team))
    within = eta[:, None] * [1.0, 0.9, 0.7] + 0.8 * rng.normal(size=(len(team), 3))
    frame = pd.DataFrame(between[team] + within + 1.0, columns=["y1", "y2", "y3"])
    return frame.assign(u=0.5 * eta + rng.normal(size=len(team)), z=z[team], team=team)


@pytest.fixture(scope="module")
def gaps(small) -> pd.DataFrame:
    """The same with a tenth of the answers to y1 to y3 missing, one person's all."""
    out = small.copy()
    lost = np.random.default_rng(2).random((len(out), 3)) < 0.1
    lost[4] = True
    out[["y1", "y2", "y3"]] = out[["y1", "y2", "y3"]].mask(lost)
    return out


def logl_of_clusters(frame, names, covs, means):
    """Log-likelihood of each cluster, from the covariance matrix of all that was observed in it.

    ``names``, ``covs``, ``means``: of both levels. A variable of level 2 alone stands once a cluster.
    """
    once = [v for v in names[1] if v not in names[0]]
    out = []
    for _, rows in frame.groupby("team"):
        n, p = len(rows), len(names[0])
        labels = [(v, i) for i in range(n) for v in names[0]] + [(v, -1) for v in once]
        V, mean = np.zeros((len(labels),) * 2), np.zeros(len(labels))
        V[: n * p, : n * p] = np.kron(np.eye(n), covs[0])
        inner = {v: k for k, v in enumerate(names[0])}
        outer = {v: k for k, v in enumerate(names[1])}
        at = [outer.get(v, -1) for v, _ in labels]
        both = np.array(at) >= 0
        V[np.ix_(both, both)] += covs[1][np.ix_(np.array(at)[both], np.array(at)[both])]
        for k, (v, i) in enumerate(labels):
            mean[k] = (means[0][inner[v]] if i >= 0 else 0.0) + (means[1][outer[v]] if v in outer else 0.0)
        y = np.array([rows[v].iloc[max(i, 0)] for v, i in labels])
        seen = ~np.isnan(y)
        d, V = (y - mean)[seen], V[np.ix_(seen, seen)]
        quadratic = d @ np.linalg.solve(V, d) if seen.any() else 0.0
        out.append(-0.5 * (np.linalg.slogdet(V)[1] + quadratic + seen.sum() * np.log(2 * np.pi)))
    return np.array(out)


def implied_logl(result, frame, theta):
    moments = level_moments(result.fitted.levels, theta)
    names = [s.observed for s in result.fitted.structures]
    return logl_of_clusters(frame, names, [m.cov for m in moments], [m.mean for m in moments])


@pytest.mark.parametrize("name", list(MODELS))
def test_likelihood_is_that_of_whole_clusters(small, name):
    result = sem.fit_two_level(MODELS[name], small, cluster="team", kind="cfa")
    expected = implied_logl(result, small, result.fitted.theta).sum()
    assert result.fit["logl"] == pytest.approx(expected, rel=DENSE)


@pytest.mark.parametrize("name", list(MODELS))
def test_likelihood_of_missing_answers_is_that_of_what_was_observed(gaps, name):
    result = sem.fit_two_level(MODELS[name], gaps, cluster="team", kind="cfa", missing="fiml")
    expected = implied_logl(result, gaps, result.fitted.theta).sum()
    assert result.fit["logl"] == pytest.approx(expected, rel=DENSE)


def cluster_scores(result, frame):
    """Each cluster's score, shape (clusters, q), by differences of the dense likelihood of order four."""
    theta, step = result.fitted.theta, 2e-3

    def slope(e):
        ahead, behind = (implied_logl(result, frame, theta + k * e) for k in (1, -1))
        far, back = (implied_logl(result, frame, theta + k * e) for k in (2, -2))
        return (8 * (ahead - behind) - far + back) / (12 * step)

    return np.array([slope(e) for e in np.eye(len(theta)) * step]).T


def criterion_hessian(result):
    """Hessian of -log L from values of the criterion alone, extrapolated to an error of order four."""
    theta, q, step = result.fitted.theta, len(result.fitted.theta), 2e-3

    def value(shift):
        return 0.5 * result.n_obs * result.fitted.criterion(theta + shift, "none").value

    def curvature(e, f):
        size = 4 * np.sqrt((e @ e) * (f @ f))
        return (value(e + f) - value(e - f) - value(f - e) + value(-e - f)) / size

    near, H = np.eye(q) * step, np.zeros((q, q))
    for i in range(q):
        for j in range(i + 1):
            e, f = near[i], near[j]
            H[i, j] = H[j, i] = (4 * curvature(e, f) - curvature(2 * e, 2 * f)) / 3
    return H


MISSING = ("listwise", pytest.param("fiml", marks=pytest.mark.slow))


@pytest.mark.parametrize("missing", MISSING)
def test_optimum_and_standard_errors_by_differences(small, gaps, missing):
    """The gradient vanishes; ML inverts the Hessian, MLR puts the clusters' scores between two of it."""
    frame = small if missing == "listwise" else gaps
    fits = [
        sem.fit_two_level(THREE, frame, cluster="team", kind="cfa", missing=missing, estimator=e)
        for e in ("ML", "MLR")
    ]
    S, bread = cluster_scores(fits[0], frame), np.linalg.inv(criterion_hessian(fits[0]))
    # Units of log-likelihood a unit of a parameter, where a standard error is about 0.1.
    assert np.abs(S.sum(axis=0)).max() < 1e-5
    # Second differences of a sum near 700 keep five to six digits.
    assert np.sqrt(np.diag(fits[0].covariance)) == pytest.approx(np.sqrt(np.diag(bread)), rel=3e-5)
    sandwich = bread @ (S.T @ S) @ bread
    assert np.sqrt(np.diag(fits[1].covariance)) == pytest.approx(np.sqrt(np.diag(sandwich)), rel=3e-5)


def test_no_better_optimum_from_elsewhere(small):
    """scipy, from ten other starts and with its own search, finds no higher likelihood."""
    from scipy.optimize import minimize

    result = sem.fit_two_level(THREE, small, cluster="team", kind="cfa")
    at, rng = result.fitted.theta, np.random.default_rng(8)
    best = result.fitted.criterion(at, "none").value
    arrived = 0
    for _ in range(10):
        start = at * rng.uniform(0.5, 2.0, size=len(at))
        found = minimize(lambda t: min(result.fitted.criterion(t, "none").value, 1e3), start, method="BFGS")
        assert found.fun >= best - 1e-10
        arrived += found.fun < best + 1e-6
    assert arrived >= 5


def test_likelihood_away_from_the_optimum(small):
    """What the search sees is the dense likelihood everywhere, not at its end alone."""
    result = sem.fit_two_level(MODELS["outcomes"], small, cluster="team", kind="cfa")
    at, rng = result.fitted.theta, np.random.default_rng(3)
    n = result.n_obs
    gap = n * result.fitted.criterion(at, "none").value + 2 * implied_logl(result, small, at).sum()
    for _ in range(4):
        theta = at * rng.uniform(0.8, 1.3, size=len(at))
        here = n * result.fitted.criterion(theta, "none").value + 2 * implied_logl(result, small, theta).sum()
        assert here == pytest.approx(gap, abs=1e-7)  # the constant of log 2 pi


def test_between_variable_that_varies_in_a_cluster_is_named(small):
    wrong = small.copy()
    wrong.loc[wrong.index[wrong["team"] == 3][0], "z"] += 1.0
    with pytest.raises(DataError, match=r"\bz\b") as caught:
        sem.fit_two_level(MODELS["outcomes"], wrong, cluster="team")
    assert "level" in str(caught.value)


def test_a_missing_value_of_level_2_leaves_its_row_out_and_is_no_difference(small):
    holes = small.copy()
    holes.loc[3, "z"] = np.nan  # the others of the cluster have it
    result = sem.fit_two_level(MODELS["outcomes"], holes, cluster="team", kind="cfa")
    alone = sem.fit_two_level(MODELS["outcomes"], small.drop(index=3), cluster="team", kind="cfa")
    assert result.n_dropped == 1
    assert result.fit["logl"] == alone.fit["logl"]


def test_within_variable_that_varies_between_clusters_is_allowed(small):
    """A variable of level 1 alone has no part between clusters, by the model."""
    result = sem.fit_two_level(MODELS["indicators"], small, cluster="team", kind="cfa")
    assert "u" not in result.icc
    assert "z" not in result.icc


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("f =~ y1 + y2 + y3", "level"),
        ("level: 1\nf =~ y1 + y2 + y3", "level"),
        ("level: 2\nf =~ y1 + y2 + y3", "level"),
        (THREE + "\nlevel: 3\nf3 =~ y1 + y2 + y3", "level"),
        ("y1 ~~ y2\n" + THREE, "level"),
        ("level: 1\ny1 ~~ y2\nlevel: here\ny1 ~~ y2", "level"),
    ],
)
def test_blocks_that_make_no_two_level_model_are_refused(small, text, words):
    with pytest.raises((UsageError, NotSupportedError), match=words):
        sem.fit_two_level(text, small, cluster="team")


def test_columns_that_are_not_there(small):
    with pytest.raises(ImplstatsError, match="y4"):
        sem.fit_two_level(THREE.replace("y3", "y4"), small, cluster="team")
    with pytest.raises(ImplstatsError, match=r"[Dd]id you mean 'team'"):
        sem.fit_two_level(THREE, small, cluster="tem")


def test_one_person_a_cluster_is_refused(small):
    with pytest.raises((DataError, ModelError), match="cluster"):
        sem.fit_two_level(THREE, small.assign(team=np.arange(len(small))), cluster="team")


def test_constant_variables_are_named(small):
    with pytest.raises(DataError, match="y2"):
        sem.fit_two_level(THREE, small.assign(y2=1.0), cluster="team")
    flat = small.assign(y2=small.groupby("team")["y2"].transform("mean"))
    with pytest.raises((DataError, ModelError), match="y2"):
        sem.fit_two_level(THREE, flat, cluster="team")


def test_rows_without_a_cluster_are_left_out_and_counted(small):
    holes = small.assign(team=small["team"].astype(float))
    holes.loc[[3, 10], "team"] = np.nan
    result = sem.fit_two_level(THREE, holes, cluster="team", kind="cfa")
    assert result.n_obs == len(small) - 2
    alone = sem.fit_two_level(THREE, small.drop(index=[3, 10]), cluster="team", kind="cfa")
    assert result.fit["logl"] == alone.fit["logl"]


def test_names_as_clusters(small):
    named = small.assign(team=small["team"].map("team {}".format))
    one, two = (sem.fit_two_level(THREE, d, cluster="team", kind="cfa") for d in (small, named))
    assert one.fit["logl"] == pytest.approx(two.fit["logl"], rel=1e-12)


def test_more_parameters_than_clusters_are_refused(small):
    with pytest.raises(ModelError, match="clusters"):
        sem.fit_two_level(THREE, small[small["team"] < 8], cluster="team")


def test_a_model_that_is_not_identified_fails_and_names_the_parameters(small):
    text = "level: 1\nf =~ NA*y1 + y2 + y3\nlevel: 2\ny1 ~~ y2 + y3\ny2 ~~ y3"
    result = sem.fit_two_level(text, small, cluster="team")
    assert result.verdict == "failed"
    assert all(p.estimate is None for p in result.parameters if p.free)
    assert any("identified" in c.message for c in result.checks)


@pytest.fixture(scope="module")
def defined(small):
    text = "level: 1\nf =~ y1 + a*y2 + b*y3\nf ~~ v*f\nlevel: 2\nf =~ y1 + a*y2 + b*y3\nf ~~ w*f\n"
    return sem.fit_two_level(text + "gap := a - b\nicc := w/(v + w)", small, cluster="team")


def test_monte_carlo_intervals_of_definitions_over_levels(defined):
    gap, icc = sem.monte_carlo(defined, seed=4, draws=40000).effects
    ours = {p.lhs: p for p in defined.parameters if p.op == ":="}
    # A linear definition is normal: the delta method's interval, up to draws.
    assert gap.std_error == pytest.approx(ours["gap"].std_error, rel=0.02)
    assert (gap.conf_low, gap.conf_high) == pytest.approx(
        (ours["gap"].conf_low, ours["gap"].conf_high), abs=0.01
    )
    names = list(defined.free_names)
    theta, V = defined.fitted.theta, defined.covariance
    at = [names.index(n) for n in names if n.startswith("f ~~ f")]
    drawn = np.random.default_rng(9).multivariate_normal(theta[at], V[np.ix_(at, at)], size=40000)
    low, high = np.quantile(drawn[:, 1] / drawn.sum(axis=1), [0.025, 0.975])
    assert (icc.conf_low, icc.conf_high) == pytest.approx((low, high), abs=0.01)


@pytest.mark.parametrize(
    "ask",
    [
        lambda fit, _: sem.compare(fit, fit),
        lambda fit, data: sem.factor_scores(fit, data),
        lambda fit, _: sem.residuals(fit),
        lambda fit, _: sem.modification_indices(fit),
        lambda fit, _: sem.score_tests(fit),
        lambda fit, _: sem.wald_test(fit, "a == b"),
        lambda fit, _: sem.bootstrap(fit, draws=99, seed=1),
        lambda fit, _: sem.bollen_stine(fit, draws=99, seed=1),
        lambda fit, _: sem.reliability(fit),
    ],
)
def test_what_does_not_serve_two_levels_says_so(defined, small, ask):
    with pytest.raises(NotSupportedError, match="two-level fits are not served"):
        ask(defined, small)
