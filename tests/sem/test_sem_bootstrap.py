"""The bootstrap: every replicate is the fit to its sample; intervals are what their formulas say."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from implstats import sem
from implstats.errors import DataError, ModelError, NotSupportedError, UsageError
from implstats.sem.estimators.criterion import criterion_of
from implstats.sem.resampling.bollen_stine import bollen_stine
from implstats.sem.resampling.bootstrap import bootstrap
from implstats.sem.resampling.draws import persons_of, random_frequencies, resampled_moments
from implstats.sem.resampling.intervals import acceleration, quantile
from implstats.sem.resampling.many import places_of
from implstats.sem.resampling.refit import Resamples, evaluate_groups, refit

# lavaan's refits stop at a relative change of 1e-10 of F; the path model is then exact to this.
REPLICATE = 1e-7
# Batch and single search both stop within this of the optimum.
SAME_OPTIMUM = 5e-8
MEDIATION = "M1 ~ a*X + C\nY ~ b*M1 + cp*X + C\nind := a*b\ntotal := cp + a*b"
LATENT = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9\n"
PATHS = LATENT + "textual ~ a*visual\nspeed ~ b*textual + c*visual\nind := a*b\n"

MODELS = {
    "factors": (LATENT, {}),
    "paths": (PATHS, {}),
    "means": (PATHS, {"meanstructure": True}),
    "scalar": (LATENT, {"group": "school", "group_equal": ["loadings", "intercepts"]}),
    "equal": (PATHS + "a == b\n", {}),
    "predictor": ("visual =~ x1 + x2 + x3\nvisual ~ x9\nx8 ~ visual + x7\n", {"meanstructure": True}),
    "labels": ("visual =~ x1 + k*x2 + k*x3\nvisual ~ x9", {"std_lv": True}),
}


@pytest.fixture(scope="module")
def hs_fit(load_data):
    """Return a function: name of a model -> its fit to Holzinger & Swineford's tests."""
    done = {}

    def of(name):
        if name not in done:
            text, options = MODELS[name]
            done[name] = sem.fit(text, load_data("hs1939"), **options)
        return done[name]

    return of


def own_sample(estimated) -> Resamples:
    groups = [s.moments for s in estimated.sample.groups]
    return Resamples(
        cov=tuple(m.cov[None] for m in groups),
        mean=tuple(m.mean[None] for m in groups),
        n=tuple(np.array([float(m.n)]) for m in groups),
    )


@pytest.mark.parametrize("name", MODELS)
class TestBatch:
    def test_criterion_gradient_and_hessian_are_those_of_single_fits(self, hs_fit, name):
        estimated = hs_fit(name).fitted
        theta = estimated.optimum.theta + 0.01 * np.random.default_rng(1).normal(size=estimated.table.n_free)
        one = criterion_of(estimated.structures, estimated.sample)(theta, "observed")
        places = [places_of(s) for s in estimated.structures]
        many = evaluate_groups(estimated, places, own_sample(estimated), theta[None], hessian=True)
        # The same sums in another order.
        assert many.value[0] == pytest.approx(one.value, rel=1e-13)
        np.testing.assert_allclose(many.gradient[0], one.gradient, atol=1e-12)
        np.testing.assert_allclose(many.hessian[0], one.information, atol=1e-11)

    def test_refits_are_fits_to_the_resampled_frame(self, hs_fit, load_data, name):
        text, options = MODELS[name]
        frame = load_data("hs1939")
        result = hs_fit(name)
        persons = persons_of(result.fitted, data=None, cluster=None)
        frequencies = next(random_frequencies(persons, draws=3, seed=5))
        found = refit(result.fitted, resampled_moments(persons.values, frequencies))
        assert found.proper.all()
        assert found.n_single == 0
        groups = frame["school"].unique() if "group" in options else [None]
        for r in range(3):
            parts = []
            for label, times in zip(groups, frequencies, strict=True):
                mine = frame if label is None else frame[frame["school"] == label]
                parts.append(mine.loc[mine.index.repeat(times[r].astype(int))])
            single = sem.fit(text, pd.concat(parts), **options)
            np.testing.assert_allclose(found.thetas[r], single.fitted.optimum.theta, atol=SAME_OPTIMUM)
            assert found.admissible[r] == single.admissible


def test_every_replicate_is_lavaans(load_reference, mediation):
    reference = load_reference("path_mediation_bootstrap_fixedidx")
    indices, theirs = np.array(reference["idx0"]), np.array(reference["estimates"])
    result = sem.fit(MEDIATION, mediation)
    found = bootstrap(result, seed=0, indices=indices)
    place = {p.label or f"{p.lhs}{p.op}{p.rhs}": k for k, p in enumerate(result.parameters)}
    ours = found.replicates[:, [place[name] for name in reference["columns"]]]
    np.testing.assert_allclose(ours, theirs, atol=REPLICATE)
    assert (found.draws, found.n_failed, found.n_single) == (100, 0, 0)
    sd = theirs[:, reference["columns"].index("ind")].std(ddof=1)
    assert found.parameters[place["ind"]].std_error == pytest.approx(sd, abs=REPLICATE)


def test_standardised_replicates_are_those_of_single_fits(mediation):
    result = sem.fit(MEDIATION, mediation)
    indices = np.random.default_rng(3).integers(0, 250, size=(2, 250))
    found = bootstrap(result, seed=0, indices=indices)
    for r in range(2):
        single = sem.fit(MEDIATION, mediation.iloc[indices[r]])
        np.testing.assert_allclose(
            found.standardised_replicates[r], [p.std_all for p in single.parameters], atol=1e-8
        )
        np.testing.assert_allclose(found.replicates[r], [p.estimate for p in single.parameters], atol=1e-8)


def test_rows_in_another_order_and_other_units_change_nothing_but_the_units(mediation):
    result = sem.fit(MEDIATION, mediation)
    scaled = sem.fit(MEDIATION, mediation.assign(Y=10.0 * mediation["Y"]))
    one, ten = bootstrap(result, draws=50, seed=3), bootstrap(scaled, draws=50, seed=3)
    k = [p.lhs for p in result.parameters].index("ind")
    np.testing.assert_allclose(10.0 * one.replicates[:, k], ten.replicates[:, k], rtol=1e-6)
    assert one.parameters == bootstrap(result, draws=50, seed=3).parameters
    assert one.parameters != bootstrap(result, draws=50, seed=4).parameters


class TestIntervals:
    def test_quantiles_interpolate_on_the_normal_scale(self):
        values = np.sort(np.random.default_rng(1).normal(size=99))
        assert quantile(values, 0.05) == values[4]
        k, share = 2, (norm.ppf(0.025) - norm.ppf(0.02)) / (norm.ppf(0.03) - norm.ppf(0.02))
        assert quantile(values, 0.025) == pytest.approx(
            values[k - 1] + share * (values[k] - values[k - 1]), rel=1e-12
        )
        assert np.isnan(quantile(values, 0.005))

    def test_basic_mirrors_percentile(self, mediation):
        result = sem.fit(MEDIATION, mediation)
        p = bootstrap(result, draws=199, seed=2).parameters[0]
        b = bootstrap(result, draws=199, seed=2, interval="basic").parameters[0]
        assert b.conf_low == pytest.approx(2 * p.estimate - p.conf_high, rel=1e-12)

    def test_bca_by_hand(self, mediation):
        result = sem.fit(MEDIATION, mediation)
        found = bootstrap(result, draws=499, seed=2, interval="bca")
        k = [p.lhs for p in result.parameters].index("ind")
        without = [
            next(p.estimate for p in sem.fit(MEDIATION, mediation.drop(index=i)).parameters if p.lhs == "ind")
            for i in range(len(mediation))
        ]
        L = np.mean(without) - np.array(without)
        a = (L**3).sum() / (6 * (L**2).sum() ** 1.5)
        t, values = found.parameters[k].estimate, np.sort(found.replicates[:, k])
        z0 = norm.ppf((values < t).mean())
        z = z0 + norm.ppf([0.025, 0.975])
        want = [quantile(values, float(alpha)) for alpha in norm.cdf(z0 + z / (1 - a * z))]
        assert (found.parameters[k].conf_low, found.parameters[k].conf_high) == pytest.approx(want, rel=1e-6)

    def test_acceleration_of_a_mean_is_its_skewness(self):
        x = np.random.default_rng(5).gamma(2.0, size=80)
        without = (x.sum() - x) / 79
        skewness = ((x - x.mean()) ** 3).mean() / x.var() ** 1.5
        found = acceleration(without[:, None], np.zeros(80, dtype=int))[0]
        assert found == pytest.approx(skewness / (6 * np.sqrt(80)), rel=1e-9)

    def test_fixed_values_have_no_interval(self, hs_fit):
        found = bootstrap(hs_fit("factors"), draws=40, seed=1)
        marker = found.parameters[0]
        assert (marker.estimate, marker.std_error, marker.conf_low, marker.conf_high) == (
            1.0,
            None,
            None,
            None,
        )
        assert found.standardised[0].std_error is not None

    def test_too_few_draws_for_the_level_are_said(self, mediation):
        found = bootstrap(sem.fit(MEDIATION, mediation), draws=20, seed=1)
        assert found.parameters[0].conf_low is None
        assert "Take more draws" in next(c.message for c in found.checks if c.name == "interval")


class TestClusters:
    @pytest.fixture
    def clustered(self) -> pd.DataFrame:
        rng = np.random.default_rng(11)
        team = np.repeat(np.arange(40), 10)
        x = rng.normal(size=40)[team] + 0.3 * rng.normal(size=400)
        y = 0.5 * x + rng.normal(size=40)[team] + rng.normal(size=400)
        return pd.DataFrame({"team": [f"t{k}" for k in team], "x": x, "y": y})

    def test_whole_clusters_are_drawn(self, clustered):
        result = sem.fit("y ~ b*x", clustered)
        persons = persons_of(result.fitted, data=clustered, cluster="team")
        (times,) = next(random_frequencies(persons, draws=50, seed=1))
        by_team = times.reshape(50, 40, 10)
        assert np.all(by_team == by_team[:, :, :1])
        assert np.all(by_team[:, :, 0].sum(axis=1) == 40)

    def test_standard_errors_grow_with_the_clusters(self, clustered):
        result = sem.fit("y ~ b*x", clustered)
        persons = bootstrap(result, draws=400, seed=1).parameters[0]
        teams = bootstrap(result, draws=400, seed=1, cluster="team", data=clustered).parameters[0]
        assert teams.std_error > 1.8 * persons.std_error

    def test_single_member_clusters_are_persons(self, clustered):
        result = sem.fit("y ~ b*x", clustered)
        own = clustered.assign(team=np.arange(400))
        one = bootstrap(result, draws=99, seed=1, interval="bca", cluster="team", data=own).parameters[0]
        other = bootstrap(result, draws=99, seed=1, interval="bca").parameters[0]
        assert (one.conf_low, one.conf_high) == pytest.approx((other.conf_low, other.conf_high), rel=1e-9)

    def test_a_clustered_fit_draws_clusters_or_refuses(self, clustered):
        result = sem.fit("y ~ b*x", clustered, estimator="MLR", cluster="team")
        with pytest.raises(UsageError, match="Give cluster='team'"):
            bootstrap(result, draws=10, seed=1)
        with pytest.raises(NotSupportedError, match="has clusters"):
            bollen_stine(result, draws=10, seed=1)
        found = bootstrap(result, draws=400, seed=1, cluster="team", data=clustered).parameters[0]
        # 400 draws know a standard deviation to 3.5 %, 40 clusters the sandwich to about 11 %.
        assert found.std_error == pytest.approx(result.parameters[0].std_error, rel=0.2)

    def test_what_cannot_be_is_refused(self, clustered):
        result = sem.fit("y ~ b*x", clustered)
        with pytest.raises(UsageError, match="which a fit does not keep"):
            bootstrap(result, draws=10, seed=1, cluster="team")
        with pytest.raises(DataError, match="did you mean 'team'"):
            bootstrap(result, draws=10, seed=1, cluster="teem", data=clustered)
        with pytest.raises(DataError, match="not the frame that was fitted"):
            bootstrap(result, draws=10, seed=1, cluster="team", data=clustered.iloc[:300])
        gaps = clustered.assign(team=clustered["team"].where(clustered["team"] != "t3"))
        with pytest.raises(DataError, match=r"10 person\(s\) of the fit have no team"):
            bootstrap(result, draws=10, seed=1, cluster="team", data=gaps)
        few = clustered.assign(team=np.arange(400) % 5)
        checks = bootstrap(result, draws=10, seed=1, cluster="team", data=few).checks
        assert any(c.name == "clusters" and c.status == "warn" for c in checks)


def test_full_information_refits_are_single_fits(load_data):
    data = load_data("hs1939_missing")
    model = "visual =~ x1 + x2 + x3\nvisual ~~ x4"
    result = sem.fit(model, data, missing="fiml")
    found = bootstrap(result, draws=3, seed=9)
    persons = persons_of(result.fitted, data=None, cluster=None)
    (times,) = next(random_frequencies(persons, draws=3, seed=9))
    names = result.fitted.table.names.observed
    frame = pd.DataFrame(persons.values[0], columns=names)
    single = sem.fit(model, frame.loc[frame.index.repeat(times[1].astype(int))], missing="fiml")
    np.testing.assert_allclose(found.replicates[1], [p.estimate for p in single.parameters], atol=1e-6)


def test_improper_refits_are_kept_and_counted():
    rng = np.random.default_rng(8)
    f = rng.normal(size=(60, 1))
    frame = pd.DataFrame(
        0.9 * f * [1.4, 0.5, 0.5] + rng.normal(size=(60, 3)) * [0.5, 1, 1], columns=list("abc")
    )
    found = bootstrap(sem.fit("f =~ a + b + c", frame), draws=40, seed=1)
    assert found.n_improper > 10
    kept = np.isfinite(found.replicates).all(axis=1)
    assert kept.sum() == 40 - found.n_failed
    message = next(c.message for c in found.checks if c.name == "replicates")
    assert f"{found.n_improper} had an improper solution" in message
    assert not found.n_failed or f"{found.n_failed} failed" in message


class TestRefusals:
    def test_options(self, mediation):
        result = sem.fit(MEDIATION, mediation)
        with pytest.raises(UsageError, match="did you mean 'percentile'"):
            bootstrap(result, draws=10, seed=1, interval="percentil")
        with pytest.raises(UsageError, match=r"Draws should be .* seed should be"):
            bootstrap(result, draws=0, seed=-1)
        with pytest.raises(UsageError, match="whole numbers from 0 to 249"):
            bootstrap(result, seed=1, indices=np.full((3, 250), 250))

    def test_matrices_and_failed_fits(self, mediation):
        cov = mediation[["X", "Y"]].cov()
        with pytest.raises(NotSupportedError, match="monte_carlo"):
            bootstrap(sem.fit("Y ~ X", cov=cov, n=250), draws=10, seed=1)
        failed = sem.fit("f =~ X + Y", mediation)
        assert failed.verdict == "failed"
        with pytest.raises(ModelError, match="mend the model"):
            bootstrap(failed, draws=10, seed=1)


class TestBollenStine:
    def test_a_replicate_is_the_fit_to_moved_persons(self, load_data, three_factors):
        data = load_data("hs1939")
        result = sem.fit(three_factors, data)
        found = bollen_stine(result, draws=3, seed=4)
        names = list(result.moments.observed)
        y = data[names].to_numpy()
        S, Sigma = np.cov(y.T, ddof=0), result.moments.implied_cov
        root = {}
        for key, matrix, power in (("S", S, -0.5), ("Sigma", Sigma, 0.5)):
            values, vectors = np.linalg.eigh(matrix)
            root[key] = vectors @ np.diag(values**power) @ vectors.T
        moved = pd.DataFrame((y - y.mean(axis=0)) @ root["S"] @ root["Sigma"], columns=names)
        assert sem.fit(three_factors, moved).fit["chisq"] == pytest.approx(0.0, abs=1e-8)
        rng = np.random.default_rng(4)
        indices = rng.integers(0, len(y), size=(3, len(y)))
        for r in range(3):
            chisq = sem.fit(three_factors, moved.iloc[indices[r]]).fit["chisq"]
            assert found.replicates[r] == pytest.approx(chisq, rel=1e-7)

    def test_it_agrees_with_lavaan(self, load_reference, load_data, three_factors):
        """Two bootstraps of one model: their means differ by chance alone."""
        theirs = load_reference("bollen_stine")
        result = sem.fit(three_factors, load_data("hs1939"))
        ours = bollen_stine(result, draws=2000, seed=1)
        assert ours.chisq == pytest.approx(result.fit["chisq"], rel=1e-12)
        n = len(theirs["replicates"])
        error = np.sqrt(np.var(theirs["replicates"]) / n + np.var(ours.replicates) / 2000)
        assert abs(ours.mean - np.mean(theirs["replicates"])) < 4 * error
        assert ours.p_value == pytest.approx(1 / 2001)

    def test_a_saturated_model_and_full_information_are_refused(self, mediation):
        with pytest.raises(ModelError, match="no degrees of freedom"):
            bollen_stine(sem.fit(MEDIATION, mediation), draws=10, seed=1)
        gaps = mediation.assign(Y=mediation["Y"].where(mediation.index > 5))
        with pytest.raises(NotSupportedError, match="complete persons"):
            bollen_stine(sem.fit("M1 ~ X\nY ~ M1", gaps, missing="fiml"), draws=10, seed=1)


def test_the_frame_holds_both_scales(mediation):
    found = bootstrap(sem.fit(MEDIATION, mediation), draws=50, seed=1)
    assert set(found.frame["scale"]) == {"raw", "std_all"}
    assert len(found.frame) == 2 * len(found.parameters)
    assert json.dumps([c.to_dict() for c in found.checks])
