"""The bootstrap of ordered items, least squares and missing answers: a replicate is the fit to its sample."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from implstats import sem
from implstats.errors import NotSupportedError, UsageError
from implstats.sem.estimators.criterion import criterion_of
from implstats.sem.ordinal.normal import RULES, bivariate_cdf, bivariate_cdf_by_nodes
from implstats.sem.ordinal.sample import ordinal_moments
from implstats.sem.resampling.bollen_stine import bollen_stine
from implstats.sem.resampling.bootstrap import bootstrap
from implstats.sem.resampling.draws import Persons, persons_of, random_frequencies
from implstats.sem.resampling.many import places_of
from implstats.sem.resampling.many_incomplete import evaluate_many_fiml, resampled_patterns
from implstats.sem.resampling.many_least_squares import evaluate_many_least_squares
from implstats.sem.resampling.ordered_tables import resampled_tables
from implstats.sem.resampling.refit_least_squares import continuous_statistics, refit_least_squares
from implstats.sem.resampling.replicates import AT_ONCE
from implstats.sem.resampling.single import UNFIT

REFERENCE = Path(__file__).parents[1] / "reference" / "sem"
TWO = "A =~ A1 + A2 + A3 + A4 + A5\nN =~ N1 + N2 + N3 + N4 + N5"
FIVE = "A =~ A1 + A2 + A3 + A4 + A5"
GROUPS = "a =~ A2 + A3 + A4 + A5\ne =~ E1 + E2 + E4 + E5"
LATENT = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\ntextual ~ visual\n"
PATHS = LATENT + "speed =~ x7 + x8 + x9\nspeed ~ b*textual + visual"
AN10 = [f"{stem}{k}" for stem in "AN" for k in range(1, 6)]
AE8 = ["A2", "A3", "A4", "A5", "E1", "E2", "E4", "E5"]
EQUAL = ["thresholds", "loadings", "intercepts"]

# name -> model, data, options of sem.fit
MODELS = {
    "wlsmv": (TWO, "bfi_an10_n600", {"ordered": AN10}),
    "theta": (TWO, "bfi_an10_n600", {"ordered": AN10, "parameterization": "theta"}),
    "ulsmv": (TWO, "bfi_an10_n600", {"ordered": AN10, "estimator": "ULSMV"}),
    "pairwise": (TWO, "bfi_an10_missing", {"ordered": AN10, "missing": "pairwise"}),
    "mediator": (
        "A =~ A1 + A2 + A3\nA4 ~ A\nN1 ~ A4 + A", "bfi_an10_n600",
        {"ordered": ["A1", "A2", "A3", "A4", "N1"], "parameterization": "theta"},
    ),
    "groups": (
        GROUPS, "bfi_ae8_gender",
        {"ordered": AE8, "group": "gender", "parameterization": "theta", "group_equal": EQUAL},
    ),
    "groups_delta": (GROUPS, "bfi_ae8_gender", {"ordered": AE8, "group": "gender", "group_equal": EQUAL}),
    "configural": (GROUPS, "bfi_ae8_gender", {"ordered": AE8, "group": "gender"}),
    "configural_theta": (
        GROUPS, "bfi_ae8_gender", {"ordered": AE8, "group": "gender", "parameterization": "theta"},
    ),
    "uls": (PATHS, "hs1939", {"estimator": "ULS", "meanstructure": True}),
    "dwls": (PATHS, "hs1939", {"estimator": "DWLS"}),
    "gls": (LATENT, "hs1939", {"estimator": "GLS"}),
    "gls_groups": (
        "textual =~ x4 + x5 + x6 + x9", "hs1939",
        {"estimator": "GLS", "group": "school", "group_equal": ["loadings", "intercepts"]},
    ),
    "wls": ("visual =~ x1 + x2 + x3 + x9", "hs1939", {"estimator": "WLS"}),
    "fiml": (PATHS, "hs1939_missing", {"missing": "fiml"}),
    "fiml_mlr": (LATENT, "hs1939_missing", {"missing": "fiml", "estimator": "MLR"}),
    "fiml_predictors": (
        "visual =~ x1 + x2 + x3\nvisual ~ x4 + x9\nx5 ~ visual", "hs1939_missing", {"missing": "fiml"},
    ),
    "fiml_equal": (PATHS + "\nvisual =~ k*x2 + k*x3", "hs1939_missing", {"missing": "fiml"}),
    "two_stage": (PATHS, "hs1939_missing", {"missing": "two.stage"}),
    "robust_two_stage": (LATENT, "hs1939_missing", {"missing": "robust.two.stage"}),
    "mlmv": (LATENT, "hs1939", {"estimator": "MLMV"}),
}  # fmt: skip
# Those that go one after the other.
SINGLE = {
    "mixed": (FIVE, "bfi_a5_mixed", {"ordered": ["A1", "A2", "A3"]}),
    "predictor": (FIVE + "\nA ~ age", "bfi_a5_mixed", {"ordered": ["A1", "A2", "A3", "A4", "A5"]}),
    "full_weights": (
        "A =~ A2 + A3 + A5",
        "bfi_an10_n600",
        {"ordered": ["A2", "A3", "A5"], "estimator": "WLS"},
    ),
}
# Both searches stop within this of the optimum; a bound variance or a weak factor makes it looser.
SAME_OPTIMUM = 2e-7
# lavaan's refits stop at 1e-13 steps, but its polychoric correlations 4e-8 beside their maximum.
LAVAAN = {"wlsmv": 2e-6, "theta": 2e-5, "dwls": 2e-6, "gls": 2e-6, "fiml": 2e-5}


@pytest.fixture(scope="module")
def fitted(load_data):
    made = {}

    def fit(name):
        if name not in made:
            model, data, options = {**MODELS, **SINGLE}[name]
            made[name] = sem.fit(model, load_data(data), **options)
        return made[name]

    return fit


def frame_of(result, times, r):
    """The resample r as a frame, from the fit's own persons."""
    sample, parts = result.fitted.sample, []
    persons = persons_of(result.fitted, data=None, cluster=None)
    for label, y, F in zip(sample.labels, persons.values, times, strict=True):
        part = pd.DataFrame(y, columns=result.fitted.table.names.observed)
        part = part.loc[part.index.repeat(F[r].astype(int))]
        parts.append(part.assign(**{sample.column: label}) if sample.column else part)
    return pd.concat(parts)


@pytest.mark.parametrize("name", [*MODELS, *SINGLE])
def test_a_replicate_is_the_fit_to_its_resample(fitted, name):
    result = fitted(name)
    model, _, options = {**MODELS, **SINGLE}[name]
    draws = 3
    found = bootstrap(result, draws=draws, seed=3)
    assert found.n_single == draws if name in SINGLE else found.n_single <= found.n_failed
    times = next(random_frequencies(persons_of(result.fitted, data=None, cluster=None), draws=draws, seed=3))
    checked = 0
    for r in range(draws):
        one = sem.fit(model, frame_of(result, times, r), **options)
        if one.verdict == "failed":
            continue
        values = np.array([p.estimate for p in one.parameters], dtype=float)
        np.testing.assert_allclose(found.replicates[r], values, atol=SAME_OPTIMUM, rtol=SAME_OPTIMUM)
        scaled = np.array([np.nan if p.std_all is None else p.std_all for p in one.parameters])
        np.testing.assert_allclose(
            found.standardised_replicates[r], scaled, atol=SAME_OPTIMUM, rtol=SAME_OPTIMUM
        )
        checked += 1
    assert checked >= 2


@pytest.mark.parametrize("name", [name for name in MODELS if "stage" not in name and name != "mlmv"])
def test_criterion_gradient_and_hessian_are_those_of_single_fits(fitted, name):
    estimated = fitted(name).fitted
    theta = estimated.optimum.theta + 0.01 * np.random.default_rng(1).normal(size=estimated.table.n_free)
    one = criterion_of(estimated.structures, estimated.sample)(theta, "observed")
    persons = persons_of(estimated, data=None, cluster=None)
    value, gradient, half = 0.0, 0.0, 0.0
    shares = estimated.sample.share_of_criterion
    for g, (structure, group, share) in enumerate(
        zip(estimated.structures, estimated.sample.groups, shares, strict=True)
    ):
        places, ls = places_of(structure), group.least_squares
        if ls is None:
            y = persons.values[g]
            cov, mean = group.moments.cov[None], group.moments.mean[None]
            patterns = resampled_patterns(y, np.ones((1, len(y))))
            many = evaluate_many_fiml(structure, places, patterns, theta[None], cov, mean, hessian=True)
        else:
            many = evaluate_many_least_squares(
                structure, places, ls, theta[None], ls.statistics[None], ls.weight[None], hessian=True
            )
        value, gradient = value + share * many.value[0], gradient + share * many.gradient[0]
        half = half + share * many.hessian[0]
    # The same sums in another order.
    assert value == pytest.approx(one.value, rel=1e-12)
    np.testing.assert_allclose(gradient, one.gradient, atol=1e-11)
    np.testing.assert_allclose(half, one.information, atol=1e-10)


@pytest.mark.parametrize("name", LAVAAN)
def test_refits_on_stored_indices_are_lavaans(load_data, name):
    expected = json.loads((REFERENCE / "bootstrap_ordered.json").read_text(encoding="utf-8"))[name]
    model, data, options = {
        "wlsmv": MODELS["wlsmv"], "theta": MODELS["theta"],
        "dwls": (LATENT, "hs1939", {"estimator": "DWLS"}), "gls": (LATENT, "hs1939", {"estimator": "GLS"}),
        "fiml": (LATENT, "hs1939_missing", {"missing": "fiml"}),
    }[name]  # fmt: skip
    frame = load_data(data)
    if name == "fiml":
        frame = frame[frame[[f"x{k}" for k in range(1, 7)]].notna().any(axis=1)]
    result = sem.fit(model, frame, **options)
    index = np.array(expected["index"])
    found = bootstrap(result, seed=0, indices=index, data=frame)
    at = {f"{p.lhs}{p.op}{p.rhs}": k for k, p in enumerate(result.parameters)}
    columns = [at[row] for row in expected["rows"]]
    np.testing.assert_allclose(
        found.replicates[:, columns], np.array(expected["est"], dtype=float), atol=LAVAAN[name], rtol=1e-5
    )


@pytest.mark.parametrize("kind", ["six answers", "gaps", "two answers"])
def test_tables_give_the_moments_of_each_resample(load_data, kind):
    data = load_data("bfi_an10_n600")[AN10[:6]]
    rng = np.random.default_rng(2)
    if kind == "gaps":
        data = data.where(rng.random(data.shape) > 0.1)
    if kind == "two answers":
        data = (data > 3).astype(float)
    y, names = data.to_numpy(dtype=float), list(data)
    full = ordinal_moments(y, names, ordered=names)
    sizes = [len(m.categories) for m in full.margins]
    codes = np.column_stack([np.where(m.known, m.codes, c) for m, c in zip(full.margins, sizes, strict=True)])
    index = rng.integers(0, len(y), size=(3, len(y)))
    times = np.array([np.bincount(i, minlength=len(y)) for i in index]).astype(float)
    start = full.statistics[full.n_location :]
    found = resampled_tables(codes, sizes, times, start=start, variances=True)
    for r in range(3):
        one = ordinal_moments(y[index[r]], names, ordered=names)
        np.testing.assert_allclose(found.statistics[r], one.statistics, atol=1e-12)
        np.testing.assert_allclose(found.variances[r], np.diag(one.gamma), rtol=1e-10)


def test_correlations_do_not_depend_on_where_the_search_begins():
    """A step from afar once ended where a cell's probability is rounding, at a correlation near one."""
    rng = np.random.default_rng(0)
    latent = rng.multivariate_normal([0.0, 0.0], [[1.0, 0.8], [0.8, 1.0]], size=(200, 60))
    answers = np.digitize(latent, [-0.5, 0.5])
    cell = 3 * answers[:, :, 0] + answers[:, :, 1]
    times = np.array([np.bincount(row, minlength=9) for row in cell]).astype(float)
    codes = np.array([(i, j) for i in range(3) for j in range(3)])
    found = [
        resampled_tables(codes, [3, 3], times, start=np.array([start]), variances=False).statistics[:, -1]
        for start in np.linspace(-0.9, 0.9, 19)
    ]
    assert np.max(found) < 0.97  # sixty persons with .8: what was wrong lay at .99
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], atol=1e-9)


@pytest.mark.parametrize("limit", [0.3, *RULES])
def test_the_bivariate_integral_by_nodes_keeps_its_digits(limit):
    rng = np.random.default_rng(0)
    r = np.append(rng.uniform(-limit, limit, 500), [limit, -limit, 0.0])
    h, k = 2.0 * rng.normal(size=(503, 5, 1)), 2.0 * rng.normal(size=(503, 1, 4))
    exact = bivariate_cdf(h, k, r[:, None, None])
    np.testing.assert_allclose(bivariate_cdf_by_nodes(h, k, r), exact, atol=2e-15)


class TestFailures:
    def test_an_answer_that_nobody_drawn_gave_is_counted_and_named(self):
        rng = np.random.default_rng(5)
        latent = rng.normal(size=(150, 1)) + 0.8 * rng.normal(size=(150, 4))
        data = pd.DataFrame(np.digitize(latent, [-0.5, 0.5]), columns=list("abcd"))
        data.loc[data.index[0], "b"] = 3
        result = sem.fit("f =~ a + b + c + d", data, ordered=list("abcd"))
        found = bootstrap(result, draws=400, seed=2)
        times = next(
            random_frequencies(persons_of(result.fitted, data=None, cluster=None), draws=400, seed=2)
        )
        absent = int((times[0][:, 0] == 0).sum())
        assert 100 < absent < 200  # about 1 / e of the draws
        assert dict(found.failures) == {"an answer to b that nobody drawn gave": absent}
        assert found.n_failed == absent
        check = next(c for c in found.checks if c.name == "replicates")
        assert check.status == "warn"
        assert f"{absent} with an answer to b that nobody drawn gave" in check.message
        again = bootstrap(
            sem.fit("f =~ a + b + c + d", data, ordered=list("abcd"), estimator="WLS"), draws=30, seed=2
        )
        assert dict(again.failures)["an answer to b that nobody drawn gave"] == int(
            (times[0][:30, 0] == 0).sum()
        )

    def test_too_few_different_persons_for_full_weights(self, hs):
        few = hs.iloc[:14]
        result = sem.fit("x1 ~ x2 + x3", few, estimator="WLS", meanstructure=False)
        times = np.ones((3, 14))
        times[1], times[2] = 0.0, 0.0
        times[1, :4], times[2, :2] = 3.5, 7.0  # four persons, and two, for six statistics
        y = persons_of(result.fitted, data=None, cluster=None).values[0]
        found = continuous_statistics(result.fitted, y, times)
        assert found.fine.tolist() == [True, False, False]
        refits, _ = refit_least_squares(result.fitted, Persons(values=(y,)), (times,))
        assert refits.failures == {UNFIT: 2}
        assert refits.proper.tolist() == [True, False, False]

    def test_indices_need_the_order_of_the_data(self, fitted):
        with pytest.raises(UsageError, match="which this fit does not keep"):
            bootstrap(fitted("fiml"), seed=1, indices=np.zeros((2, 301), dtype=int))

    def test_ordered_answers_cannot_be_moved(self, fitted):
        with pytest.raises(NotSupportedError, match="ordered answers cannot be moved"):
            bollen_stine(fitted("wlsmv"), draws=10, seed=1)
        with pytest.raises(NotSupportedError, match="complete persons"):
            bollen_stine(fitted("two_stage"), draws=10, seed=1)


class TestClusters:
    @pytest.fixture(scope="class")
    @classmethod
    def teams(cls):
        rng = np.random.default_rng(9)
        team = np.repeat(np.arange(50), 10)
        latent = rng.normal(size=(50, 1))[team] + rng.normal(size=(500, 1)) + 0.8 * rng.normal(size=(500, 4))
        data = pd.DataFrame(np.digitize(latent, [-1.0, 0.3, 1.2]), columns=list("abcd"))
        return data.assign(team=team)

    def test_whole_clusters_of_ordered_answers(self, teams):
        result = sem.fit("f =~ a + b + c + d", teams, ordered=list("abcd"))
        persons = bootstrap(result, draws=200, seed=1)
        clusters = bootstrap(result, draws=200, seed=1, cluster="team", data=teams)
        k = next(k for k, p in enumerate(result.parameters) if p.op == "|")
        assert clusters.parameters[k].std_error > 1.5 * persons.parameters[k].std_error
        assert any(c.name == "clusters" for c in clusters.checks)

    def test_clusters_of_one_person_are_persons(self, teams):
        own = teams.assign(team=np.arange(500))
        own.loc[own.index[:30], "c"] = np.nan
        for options in ({"ordered": list("abcd"), "missing": "pairwise"}, {"missing": "fiml"},
                        {"missing": "two.stage"}, {"estimator": "ULS"}):  # fmt: skip
            result = sem.fit("f =~ a + b + c + d", own, **options)
            one = bootstrap(result, draws=20, seed=4, cluster="team", data=own)
            assert one.n_failed == 0
            spread = [p.std_error for p in one.parameters if p.std_error is not None]
            other = [
                p.std_error for p in bootstrap(result, draws=20, seed=5).parameters if p.std_error is not None
            ]
            assert len(spread) == len(other)


def test_spread_of_replicates_is_the_robust_standard_error(fitted):
    result = fitted("wlsmv")
    found = bootstrap(result, draws=200, seed=1)
    ratio = [
        p.std_error / q.std_error
        for p, q in zip(found.parameters, result.parameters, strict=True)
        if p.std_error and q.std_error
    ]
    # 200 draws know each standard deviation to 5 %, the mean of sixty of them better.
    assert np.mean(ratio) == pytest.approx(1.0, abs=0.06)


def test_indirect_effects_and_bca_of_ordered_mediators(fitted, load_data):
    data = load_data("bfi_an10_n600")
    model = "A =~ A1 + A2 + A3\nN =~ N1 + N2 + N3\nA5 ~ a*A\nN ~ b*A5 + A\nind := a*b"
    result = sem.fit(
        model, data, ordered=["A1", "A2", "A3", "A5", "N1", "N2", "N3"], parameterization="theta"
    )
    found = bootstrap(result, draws=199, seed=1)
    ind = found.parameters[-1]
    assert ind.conf_low < ind.estimate < ind.conf_high
    draws = found.replicates
    a, b = (next(k for k, p in enumerate(result.parameters) if p.label == label) for label in "ab")
    np.testing.assert_allclose(draws[:, -1], draws[:, a] * draws[:, b], rtol=1e-12)
    few = data.iloc[:150]
    small = sem.fit("N =~ N1 + N2 + N3", few, ordered=["N1", "N2", "N3"], estimator="ULSMV")
    bca = bootstrap(small, draws=199, seed=1, interval="bca")
    percentile = bootstrap(small, draws=199, seed=1)
    pairs = list(zip(bca.parameters, percentile.parameters, strict=True))
    assert any(x.conf_low is not None and x.conf_low != y.conf_low for x, y in pairs)


def test_progress_is_told_in_lines(fitted):
    said = []
    bootstrap(fitted("mlmv"), draws=AT_ONCE + 10, seed=1, progress=said.append)
    assert said == [
        f"Bootstrap: {AT_ONCE} of {AT_ONCE + 10} resamples",
        f"Bootstrap: {AT_ONCE + 10} of {AT_ONCE + 10} resamples",
    ]


def test_indices_of_ordered_fits_are_checked(fitted):
    with pytest.raises(UsageError, match="whole numbers from 0 to 599"):
        bootstrap(fitted("wlsmv"), seed=1, indices=np.full((2, 600), 600))


class TestBollenStine:
    @pytest.mark.parametrize("name", ["gls", "uls", "dwls"])
    def test_a_replicate_is_the_fit_to_moved_persons(self, fitted, load_data, name):
        model, data, options = MODELS[name]
        result = fitted(name)
        found = bollen_stine(result, draws=3, seed=4)
        names = list(result.moments.observed)
        y = load_data(data)[names].to_numpy()
        parts = {}
        for key, matrix, power in (
            ("S", np.cov(y.T, ddof=1), -0.5),
            ("Sigma", result.moments.implied_cov, 0.5),
        ):
            values, vectors = np.linalg.eigh(matrix)
            parts[key] = vectors @ np.diag(values**power) @ vectors.T
        moved = pd.DataFrame(
            (y - y.mean(axis=0)) @ parts["S"] @ parts["Sigma"] + result.moments.implied_mean, columns=names
        )
        assert sem.fit(model, moved, **options).fit["chisq"] == pytest.approx(0.0, abs=1e-6)
        index = np.random.default_rng(4).integers(0, len(y), size=(3, len(y)))
        for r in range(3):
            single = sem.fit(model, moved.iloc[index[r]], **options)
            if single.verdict != "failed":
                assert found.replicates[r] == pytest.approx(single.fit["chisq"], rel=1e-6)

    def test_least_squares_without_a_chi_square_gets_a_test(self, fitted):
        found = bollen_stine(fitted("uls"), draws=200, seed=1)
        assert found.chisq == pytest.approx(fitted("uls").fit["chisq"], rel=1e-9)
        assert 0.0 < found.p_value < 0.1  # three factors of Holzinger's tests do not fit


def test_two_level_fits_are_refused_by_name(load_data):
    rng = np.random.default_rng(1)
    team = np.repeat(np.arange(40), 8)
    data = pd.DataFrame(
        rng.normal(size=(40, 1))[team] + rng.normal(size=(320, 1)) + rng.normal(size=(320, 3))
    )
    data.columns = list("abc")
    text = "level: 1\nw =~ a + b + c\nlevel: 2\nb1 =~ a + b + c"
    result = sem.fit_two_level(text, data.assign(team=team), cluster="team")
    questions = (
        lambda: sem.bootstrap(result, draws=10, seed=1), lambda: sem.bollen_stine(result, seed=1),
        lambda: sem.factor_scores(result, data), lambda: sem.reliability(result),
    )  # fmt: skip
    for question in questions:
        with pytest.raises(NotSupportedError, match="two-level fits are not served"):
            question()
