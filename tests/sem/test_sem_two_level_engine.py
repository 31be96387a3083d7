"""The engine of two-level models: moments and scores by brute force, saturated models, refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from implstats import sem
from implstats.errors import DataError, ModelError
from implstats.sem.data.two_level import two_level_statistics
from implstats.sem.estimators.two_level import state_of
from implstats.sem.estimators.two_level_moments import (
    cluster_scores,
    moment_gradient,
    moment_information,
    moment_places,
)
from implstats.sem.estimators.two_level_saturated import saturated_two_level

# Central differences with a step of 1e-5 of sums near a hundred.
DIFFERENCES = 2e-7
# lavaan's own EM from the same start by the same rule: rounding of some hundred steps.
SAME_EM = 1e-7
# Every variable kind: both levels, both levels, level 1 alone, level 2 alone.
AT_WITHIN, AT_BETWEEN = np.array([0, 1, 2]), np.array([0, 1, 3])


@pytest.fixture(scope="module")
def mixed():
    """30 clusters of 1 to 5 persons; answers, clusters and their statistics."""
    rng = np.random.default_rng(0)
    size = rng.integers(1, 6, 30)
    cluster = np.repeat(np.arange(30), size)
    b = rng.normal(size=(30, 3)) @ (np.eye(3) + 0.4)
    w = rng.normal(size=(len(cluster), 3)) @ (np.eye(3) + 0.3)
    own = b[cluster]
    X = 1.0 + np.column_stack([w[:, 0] + own[:, 0], w[:, 1] + own[:, 1], w[:, 2], own[:, 2]])
    return X, cluster, two_level_statistics(X, cluster, AT_WITHIN, AT_BETWEEN)


def dense(X, cluster, j, within, between, mean):
    """Log-likelihood of cluster j without its constant, from the covariance matrix of all its answers."""
    y = X[cluster == j]
    n = len(y)
    V, E = np.zeros((3 * n + 1,) * 2), np.zeros((3 * n + 1, 3))
    for i in range(n):
        V[3 * i : 3 * i + 3, 3 * i : 3 * i + 3] = within
        E[3 * i, 0] = E[3 * i + 1, 1] = 1.0
    E[-1, 2] = 1.0
    V = V + E @ between @ E.T
    d = np.concatenate([(y[:, :3] - mean[:3]).ravel(), [y[0, 3] - mean[3]]])
    return -0.5 * (np.linalg.slogdet(V)[1] + d @ np.linalg.solve(V, d))


def test_likelihood_scores_and_information_with_variables_of_one_level(mixed):
    """lavaan's cluster scores are off with variables of level 2 alone; these are the dense likelihood's."""
    X, cluster, sample = mixed
    places = moment_places(sample)
    at = places.joined(sample.start_within.cov, sample.start_between.cov, X.mean(axis=0) + 0.1)

    def state(v):
        return state_of(sample, *places.split(v))

    def of_cluster(v, j):
        return dense(X, cluster, j, *places.split(v))

    here, step = state(at), 1e-5
    whole = sum(of_cluster(at, j) for j in range(30))
    assert -0.5 * sample.n * here.value == pytest.approx(whole, rel=1e-12)
    units = step * np.eye(len(at))
    scores = cluster_scores(sample, places, here, places.split(at)[2])
    numeric = [
        [(of_cluster(at + e, j) - of_cluster(at - e, j)) / (2 * step) for e in units] for j in range(30)
    ]
    assert scores == pytest.approx(np.array(numeric), abs=DIFFERENCES)
    assert -2.0 * scores.sum(axis=0) == pytest.approx(moment_gradient(sample, places, here), abs=1e-10)
    H = moment_information(sample, places, here, observed=True)
    slopes = [
        (moment_gradient(sample, places, state(at + e)) - moment_gradient(sample, places, state(at - e)))
        / (4 * step)
        for e in units
    ]
    assert np.array(slopes) == pytest.approx(H, abs=DIFFERENCES)


def test_robust_errors_are_the_sandwich_of_dense_scores(mixed):
    X, cluster, _ = mixed
    frame = pd.DataFrame(X, columns=["a", "b", "u", "z"]).assign(team=cluster)
    model = "level: 1\nb ~ a + u\na ~~ a\nlevel: 2\nb ~ a + z\na ~~ z"
    result = sem.fit_two_level(model, frame, cluster="team", estimator="MLR")
    fitted, places = result.fitted, moment_places(result.fitted.sample)
    order = [result.fitted.levels.names.index(n) for n in ("a", "b", "u", "z")]

    def of_cluster(theta, j):
        from implstats.sem.model.two_level import level_moments, whole_mean

        w, b = level_moments(fitted.levels, theta)
        mean = whole_mean(fitted.levels, w.mean, b.mean)[order]
        by_w = [fitted.levels.within.observed.index(n) for n in ("a", "b", "u")]
        by_b = [fitted.levels.between.observed.index(n) for n in ("a", "b", "z")]
        return dense(X, cluster, j, w.cov[np.ix_(by_w, by_w)], b.cov[np.ix_(by_b, by_b)], mean)

    theta, step = fitted.theta, 1e-5
    units = step * np.eye(len(theta))
    S = np.array(
        [
            [(of_cluster(theta + e, j) - of_cluster(theta - e, j)) / (2 * step) for e in units]
            for j in range(30)
        ]
    )
    bread = np.linalg.inv(fitted.search.optimum.evaluation.information) / fitted.sample.n
    assert places.size == 16
    assert result.covariance == pytest.approx(bread @ (S.T @ S) @ bread, rel=1e-5, abs=1e-8)


def hostil(load_data, load_reference, name="hostil5", **options):
    expected = load_reference("two_level")[name]
    found = sem.fit_two_level(expected["model"], load_data("lq2002"), cluster="COMPID", kind="cfa", **options)
    return expected, found


@pytest.mark.parametrize("name", ["hostil5", "tsig3", "hostil5_configural"])
def test_lavaans_saturated_model(name, load_data, load_reference):
    expected, found = hostil(load_data, load_reference, name, h1="lavaan")
    assert found.h1 == "lavaan"
    # The optimum of the model itself is lavaan's to 2e-7 in chi-square.
    assert found.fit["unrestricted.logl"] == pytest.approx(expected["fit"]["unrestricted.logl"], abs=SAME_EM)
    for k, level in enumerate(found.levels):
        assert level.saturated_cov == pytest.approx(np.array(expected["h1"][k]), abs=1e-9)


def test_three_saturated_models_of_one_fit(load_data, load_reference):
    chisq = {}
    for kind in ("lavaan", "psd", "unconstrained"):
        _, found = hostil(load_data, load_reference, h1=kind)
        chisq[kind] = found.fit["chisq"]
        least = np.linalg.eigvalsh(found.saturated[1])[0]
        assert (least < -1e-3) == (kind == "unconstrained")
    # lavaan 0.6-14; the maximum over covariance matrices; a Newton solution with an indefinite matrix.
    assert chisq["lavaan"] == pytest.approx(481.761019, abs=1e-5)
    assert chisq["psd"] == pytest.approx(481.899771, abs=1e-5)
    assert chisq["unconstrained"] == pytest.approx(485.8255, abs=1e-4)


@pytest.fixture(scope="module")
def lead(load_data):
    frame = load_data("lq2002")
    items = [f"LEAD{k:02d}" for k in range(1, 12)]
    used = frame.dropna(subset=[*items, "COMPID"])
    return two_level_statistics(used[items].to_numpy(), used["COMPID"].to_numpy())


def test_free_likelihood_without_a_maximum_is_refused(lead):
    """One cluster of 99 persons: where it does not differ from mu, V may become singular at no cost."""
    with pytest.raises(ModelError, match="without bound"):
        saturated_two_level(lead, "unconstrained")


def test_boundary_of_eleven_items_beats_lavaans(lead):
    ours, theirs = saturated_two_level(lead, "psd"), saturated_two_level(lead, "lavaan")
    # Chi-squares 2585.2046 and 2585.0298 (lavaan 0.6-14 prints 2585.0298).
    assert lead.n * (theirs.value - ours.value) == pytest.approx(2585.2045984 - 2585.0298440, abs=1e-5)
    assert np.linalg.eigvalsh(ours.between)[0] == pytest.approx(0.0, abs=1e-10)


def simulated(seed, *, clusters=60, share=0.5, p=3):
    rng = np.random.default_rng(seed)
    team = np.repeat(np.arange(clusters), 6)
    b = np.sqrt(share) * (rng.normal(size=(clusters, 1)) + 0.4 * rng.normal(size=(clusters, p)))
    w = rng.normal(size=(len(team), 1)) + rng.normal(size=(len(team), p))
    frame = pd.DataFrame(b[team] + w, columns=[f"y{k}" for k in range(1, p + 1)])
    return frame.assign(team=team, z=rng.normal(size=clusters)[team], u=rng.normal(size=len(team)))


THREE = "level: 1\nf =~ y1 + y2 + y3\nlevel: 2\ng =~ y1 + y2 + y3"


def test_twelve_institutions_are_refused_with_a_way_out():
    frame = simulated(1, clusters=12)
    with pytest.raises(ModelError, match="12 clusters cannot bear") as caught:
        sem.fit_two_level(THREE, frame, cluster="team")
    for word in ("cluster=", "fixed effects", "mixed model", "few_clusters='fit'"):
        assert word in str(caught.value)
    found = sem.fit_two_level(THREE, frame, cluster="team", few_clusters="fit")
    assert found.verdict == "caution"
    assert any(c.name == "few_clusters" for c in found.checks)


def test_more_parameters_than_clusters_are_fitted_with_a_caution():
    frame = simulated(2, clusters=24, p=8)
    items = " + ".join(f"y{k}" for k in range(1, 9))
    found = sem.fit_two_level(f"level: 1\nf =~ {items}\nlevel: 2\ng =~ {items}", frame, cluster="team")
    said = next(c.message for c in found.checks if c.name == "few_clusters")
    assert "24 free parameters at level 2" not in said  # 7 loadings, 9 variances, 8 means: 24, not more
    assert found.converged
    wide = simulated(3, clusters=24, p=24)
    items = " + ".join(f"y{k}" for k in range(1, 25))
    with pytest.raises(ModelError, match="span 23 directions"):
        sem.fit_two_level(f"level: 1\nf =~ {items}\nlevel: 2\ng =~ {items}", wide, cluster="team")


@pytest.mark.parametrize("seed", range(6))
def test_little_variance_between_clusters_ends_in_words(seed):
    """An optimum, free or at zero, with the variances named; else reasons, never a crash."""
    frame = simulated(seed, clusters=50, share=0.01)
    found = sem.fit_two_level(THREE, frame, cluster="team", kind="cfa")
    if found.verdict == "failed":
        assert found.reason
        assert all(p.estimate is None for p in found.parameters)
        return
    assert found.optimiser.decrement * found.n_obs < 1e-6
    held = [c.message for c in found.checks if c.name == "at_zero"]
    variances = {p.lhs: p for p in found.parameters if p.level == 2 and p.op == "~~" and p.lhs == p.rhs}
    for name, p in variances.items():
        if held and p.estimate == 0.0:
            assert name in held[0]
            assert p.std_error is None
    if not held and min(p.estimate for p in variances.values()) < 0:
        said = next(c.message for c in found.checks if c.name == "admissible")
        assert "fix each at zero" in said


def test_constraints_and_definitions_over_levels():
    frame = simulated(5)
    model = (
        "level: 1\nf =~ y1 + a1*y2 + b1*y3\nf ~~ vw*f\nlevel: 2\ng =~ y1 + a2*y2 + b2*y3\ng ~~ vb*g\n"
        "a1 == a2\nb1 == b2\nicc := vb / (vb + vw)\nvb > 0"
    )
    labels = "level: 1\nf =~ y1 + a*y2 + b*y3\nlevel: 2\ng =~ y1 + a*y2 + b*y3"
    one, two = (sem.fit_two_level(m, frame, cluster="team") for m in (model, labels))
    assert one.fit["df"] == two.fit["df"] == 2
    assert one.fit["logl"] == pytest.approx(two.fit["logl"], rel=1e-11)
    of = {(p.lhs, p.op, p.rhs, p.level): p for p in one.parameters if p.op != ":="}
    vb, vw = of["g", "~~", "g", 2], of["f", "~~", "f", 1]
    icc = next(p for p in one.parameters if p.op == ":=")
    assert icc.estimate == pytest.approx(vb.estimate / (vb.estimate + vw.estimate), rel=1e-12)
    assert 0 < icc.std_error < 0.2
    least = round(1.1 * vb.estimate, 3)
    bound = sem.fit_two_level(model.replace("vb > 0", f"vb > {least}"), frame, cluster="team")
    held = next(p for p in bound.parameters if (p.lhs, p.level, p.op) == ("g", 2, "~~"))
    assert held.estimate == pytest.approx(least, abs=1e-8)
    assert any(c.name == "active_constraints" for c in bound.checks)


def test_residuals_of_each_level_and_the_printed_table():
    found = sem.fit_two_level(THREE, simulated(6), cluster="team")
    for level in found.levels:
        assert np.abs(level.residual_cov).max() < 1e-6  # saturated: three indicators a level
        assert level.residual_cov.shape == (3, 3)
        assert np.abs(level.residual_mean).max() < 1e-6
    text = sem.model_table(THREE).to_text()
    assert "level" in text
    assert "Level 2" in found.to_text() or "between" in found.to_text()


def test_a_cluster_mean_beside_its_variable_is_refused():
    frame = simulated(7)
    frame["m"] = frame.groupby("team")["y1"].transform("mean")
    with pytest.raises(DataError, match="cluster means of variables"):
        sem.fit_two_level(THREE + "\ng ~ m", frame, cluster="team")
