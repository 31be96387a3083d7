"""Reliability of two-level models beside semTools, populations of known reliability, and special cases."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from implstats import sem
from implstats.errors import ModelError, NotSupportedError, UsageError
from implstats.sem.after.multilevel_omega import saturated_covariance

multilevel_reliability = sem.multilevel_reliability

# Ratios of quantities that agree within about 1e-8 with the polished reference.
IMPLIED = 1e-7
# semTools takes the saturated matrices from lavaan's EM, which stops at a change of 1e-4.
EM_LEFT = 2e-3
# One arithmetic written twice.
ROUNDING = 1e-10
EQUAL = "level: 1\nf =~ y1 + a*y2 + b*y3\nlevel: 2\nf =~ y1 + a*y2 + b*y3"


@pytest.fixture(scope="module")
def fitted(load_data, load_reference):
    """Return a function: name of a model of ``two_level_more`` -> reference and our reliabilities."""
    reference = load_reference("two_level_more")
    demo = load_data("demo_twolevel")

    def of(name: str, **options):
        result = sem.fit_two_level(reference[name]["model"], demo, cluster="cluster", kind="cfa")
        return reference[name], multilevel_reliability(result, **options)

    return of


def values(found, *, observed=False):
    return {(c.construct, c.name): c.observed if observed else c.estimate for c in found.coefficients}


@pytest.mark.parametrize(("column", "tolerance"), [("implied", IMPLIED), ("observed", EM_LEFT)])
def test_configural_construct_beside_semtools(fitted, column, tolerance):
    reference, found = fitted("equal")
    ours = values(found, observed=column == "observed")
    omega = reference["omega"]
    within, two_level = omega["config"][column]["config"]["f"]
    between, irr = omega["shared"][column]["shared"]["f"]
    assert ours["f", "omega_within"] == pytest.approx(within, abs=tolerance)
    assert ours["f", "omega_two_level"] == pytest.approx(two_level, abs=tolerance)
    assert ours["f", "omega_between"] == pytest.approx(between, abs=tolerance)
    if column == "observed":  # alphas and irr rest on the saturated matrices
        alpha_within, alpha_two_level = omega["config_alpha"][column]["config"]["f"]
        alpha_between, _ = omega["shared_alpha"][column]["shared"]["f"]
        assert ours["f", "alpha_within"] == pytest.approx(alpha_within, abs=tolerance)
        assert ours["f", "alpha_two_level"] == pytest.approx(alpha_two_level, abs=tolerance)
        assert ours["f", "alpha_between"] == pytest.approx(alpha_between, abs=tolerance)
        assert ours["f", "irr"] == pytest.approx(irr, abs=tolerance)


@pytest.mark.parametrize(("column", "tolerance"), [("implied", IMPLIED), ("observed", EM_LEFT)])
def test_factors_of_each_level_beside_semtools(fitted, column, tolerance):
    reference, found = fitted("six")
    ours = values(found, observed=column == "observed")
    assert {c for c, _ in ours} == {"fw/fb", "gw/gb"}
    for letter in "fg":
        within = reference["omega"]["level"][column]["within"][f"{letter}w"]
        between, _ = reference["omega"]["shared"][column]["shared"]["values"][f"{letter}b"]
        assert ours[f"{letter}w/{letter}b", "omega_within"] == pytest.approx(within, abs=tolerance)
        assert ours[f"{letter}w/{letter}b", "omega_between"] == pytest.approx(between, abs=tolerance)
    assert [c.name for c in found.checks] == ["loadings"]


def test_alphas_are_those_of_the_exact_saturated_matrices(fitted):
    reference, found = fitted("equal")
    W, B = (np.array(reference["saturated"][k]) for k in ("within", "between"))
    h, ours = 1.0 / found.cluster_size, values(found)

    def off(S):
        return S.sum() - np.trace(S)

    # Both saturated models are polished, so that they agree far beyond lavaan's EM.
    assert ours["f", "alpha_within"] == pytest.approx(1.5 * off(W) / W.sum(), abs=IMPLIED)
    assert ours["f", "alpha_between"] == pytest.approx(1.5 * off(B) / (B + h * W).sum(), abs=IMPLIED)
    assert ours["f", "alpha_two_level"] == pytest.approx(1.5 * off(W + B) / (W + B).sum(), abs=IMPLIED)
    assert ours["f", "irr"] == pytest.approx(B.sum() / (B + h * W).sum(), abs=IMPLIED)


def test_cluster_size_is_the_harmonic_mean(fitted, load_data):
    sizes = load_data("demo_twolevel").groupby("cluster").size()
    assert fitted("equal")[1].cluster_size == pytest.approx(len(sizes) / (1.0 / sizes).sum(), rel=ROUNDING)


def population(seed: int, clusters: int):
    """Persons of one configural construct, and the parts of their scores: true values and observed ones."""
    rng = np.random.default_rng(seed)
    sizes = np.resize([3, 6, 15], clusters)
    team = np.repeat(np.arange(clusters), sizes)
    loads = np.array([1.0, 0.8, 1.2])
    of_team, of_person = 0.6 * rng.normal(size=clusters), rng.normal(size=len(team))
    b = of_team[:, None] * loads + 0.3 * rng.normal(size=(clusters, 3))
    w = of_person[:, None] * loads + rng.normal(size=(len(team), 3))
    frame = pd.DataFrame(b[team] + w + 2.0, columns=["y1", "y2", "y3"]).assign(team=team)
    return frame, of_team, of_person


def squared_correlation(a, b):
    return np.corrcoef(a, b)[0, 1] ** 2


def test_coefficients_are_the_shares_of_a_known_population():
    """An omega is the squared correlation of the sum with the true value, here known for each person."""
    frame, of_team, of_person = population(5, 6000)
    result = sem.fit_two_level(EQUAL, frame[frame["team"] < 4800], cluster="team", kind="cfa")
    found = values(multilevel_reliability(result))
    total = frame[["y1", "y2", "y3"]].sum(axis=1)
    team = frame["team"].to_numpy()
    plain = squared_correlation(total, of_team[team] + of_person)
    # 48,000 persons in 6,000 clusters: each side varies by less than 0.01.
    assert found["f", "omega_two_level"] == pytest.approx(plain, abs=0.02)
    # (1'l)^2 phi over the variance of the sum, person by person and cluster mean by cluster mean.
    within, inner = 9.0 * 1.0, 9.0 + 3.0
    between, outer = 9.0 * 0.36, 9.0 * 0.36 + 3 * 0.09
    h = np.mean([1 / 3, 1 / 6, 1 / 15])
    assert found["f", "omega_within"] == pytest.approx(within / inner, abs=0.02)
    assert found["f", "omega_between"] == pytest.approx(between / (outer + h * inner), abs=0.03)
    assert found["f", "irr"] == pytest.approx(outer / (outer + h * inner), abs=0.03)
    # The observed means of all 6,000 clusters say the same of the population.
    means = total.groupby(team).mean()
    observed = squared_correlation(means, of_team)
    assert observed == pytest.approx(between / (outer + h * inner), abs=0.03)


def test_errors_and_intervals_of_repeated_samples():
    """Over 60 samples: standard errors match the spread, and intervals hold the population's value."""
    # The loadings 1, 0.8 and 1.2 sum to 3, their squares to 3.08; variances 1 and 0.36 of the factors.
    inner, outer, shared = 9.0 + 3.0, 9.0 * 0.36 + 0.27, 9.0 - 3.08
    average = outer + inner * np.mean([1 / 3, 1 / 6, 1 / 15])
    truth = {
        "omega_within": 9.0 / inner,
        "omega_between": 9.0 * 0.36 / average,
        "omega_two_level": 9.0 * 1.36 / (inner + outer),
        "alpha_within": 1.5 * shared / inner,
        "alpha_between": 1.5 * shared * 0.36 / average,
        "alpha_two_level": 1.5 * shared * 1.36 / (inner + outer),
        "irr": outer / average,
    }
    found = {name: [] for name in truth}
    for seed in range(60):
        frame, _, _ = population(100 + seed, 90)
        result = multilevel_reliability(sem.fit_two_level(EQUAL, frame, cluster="team", kind="cfa"))
        for c in result.coefficients:
            if c.std_error is not None:  # alphas have none where the saturated matrix is on its boundary
                found[c.name].append((c.estimate, c.std_error, c.conf_low, c.conf_high))
    for name, rows in found.items():
        estimate, error, low, high = np.array(rows).T
        assert len(rows) > 40, name
        # The SD of 60 samples has a relative error of 9 %, of which this is three.
        assert error.mean() / estimate.std(ddof=1) == pytest.approx(1.0, abs=0.27), name
        held = np.mean((low < truth[name]) & (truth[name] < high))
        # 95 % nominal, a little less between 90 clusters: 51 of 60 or fewer would be a chance of 1 in 200.
        assert held > 0.85, name


def test_saturated_covariance_is_the_inverse_of_differenced_expected_information():
    """Expected information: the curvature of the expected log-likelihood at its maximum."""
    W, B = np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([[0.6, 0.1], [0.1, 0.4]])
    sizes, counts = np.array([2.0, 5.0]), np.array([7.0, 4.0])
    i, j = np.tril_indices(2)

    def expected_minus_logl(v):
        w, b = np.zeros((2, 2)), np.zeros((2, 2))
        w[i, j] = w[j, i] = v[:3]
        b[i, j] = b[j, i] = v[3:]
        spare = ((sizes - 1) * counts).sum()
        total = spare * (np.linalg.slogdet(w)[1] + np.trace(np.linalg.solve(w, W)))
        for s, c in zip(sizes, counts, strict=True):
            total += c * (np.linalg.slogdet(w + s * b)[1] + np.trace(np.linalg.solve(w + s * b, W + s * B)))
        return 0.5 * total

    at, step = np.concatenate([W[i, j], B[i, j]]), 1e-4
    H = np.zeros((6, 6))
    for k in range(6):
        for m in range(6):
            e, f = np.eye(6)[k] * step, np.eye(6)[m] * step
            H[k, m] = (
                expected_minus_logl(at + e + f)
                - expected_minus_logl(at + e - f)
                - expected_minus_logl(at - e + f)
                + expected_minus_logl(at - e - f)
            ) / (4 * step**2)
    # Second differences keep about six digits.
    assert saturated_covariance(W, B, sizes, counts) @ H == pytest.approx(np.eye(6), abs=1e-4)


def test_monte_carlo_intervals(fitted):
    delta, drawn = fitted("equal")[1], fitted("equal", interval="monte_carlo", seed=3, draws=3000)[1]
    again = fitted("equal", interval="monte_carlo", seed=3, draws=3000)[1]
    assert drawn == again
    for one, two in zip(delta.coefficients, drawn.coefficients, strict=True):
        assert one.estimate == two.estimate
        if one.name == "omega_within":  # 740 persons: nearly normal, so both agree
            assert two.std_error == pytest.approx(one.std_error, rel=0.06)
            assert (two.conf_low, two.conf_high) == pytest.approx((one.conf_low, one.conf_high), abs=0.01)
        assert two.conf_low < two.estimate < two.conf_high


def test_errors_under_mlr_are_robust(load_data):
    demo = load_data("demo_twolevel")
    plain, robust = (
        multilevel_reliability(sem.fit_two_level(EQUAL, demo, cluster="cluster", kind="cfa", estimator=e))
        for e in ("ML", "MLR")
    )
    for a, b in zip(plain.coefficients, robust.coefficients, strict=True):
        assert a.estimate == b.estimate
        assert (a.std_error == b.std_error) == (not a.name.startswith("omega"))


def test_units_of_the_items_do_not_matter_together(load_data):
    demo = load_data("demo_twolevel")
    tenfold = demo.assign(**{f"y{k}": 10 * demo[f"y{k}"] + 3 for k in (1, 2, 3)})
    one, two = (
        multilevel_reliability(sem.fit_two_level(EQUAL, data, cluster="cluster", kind="cfa"))
        for data in (demo, tenfold)
    )
    for a, b in zip(one.coefficients, two.coefficients, strict=True):
        # Two searches that end within 1e-7 of a standard error.
        assert (a.estimate, a.std_error) == pytest.approx((b.estimate, b.std_error), rel=1e-6)


def test_factor_of_one_level_alone(load_data):
    demo = load_data("demo_twolevel")
    saturated = "y1 ~~ y1 + y2 + y3\ny2 ~~ y2 + y3\ny3 ~~ y3"
    shared = sem.fit_two_level(
        f"level: 1\n{saturated}\nlevel: 2\nclimate =~ y1 + y2 + y3", demo, cluster="cluster"
    )
    assert {c.name for c in multilevel_reliability(shared).coefficients} == {
        "omega_between", "alpha_between", "irr",
    }  # fmt: skip
    inner = sem.fit_two_level(f"level: 1\nf =~ y1 + y2 + y3\nlevel: 2\n{saturated}", demo, cluster="cluster")
    assert {c.name for c in multilevel_reliability(inner).coefficients} == {"omega_within", "alpha_within"}


def test_items_of_one_level_alone(load_data, load_reference):
    model = load_reference("two_level_more")["indicator_of_one_level"]["model"]
    result = sem.fit_two_level(model, load_data("demo_twolevel"), cluster="cluster")
    found = multilevel_reliability(result)
    assert [(c.construct, c.name) for c in found.coefficients] == [
        ("fw", "omega_within"), ("fw", "alpha_within"), ("fb", "omega_between"), ("fb", "alpha_between"),
    ]  # fmt: skip
    assert [c.name for c in found.checks] == ["alpha_errors"]
    # w1 is the same for all persons of a cluster, so that the three others alone blur the mean.
    W, B = result.implied
    of = [result.levels[0].observed.index(v) for v in ("y1", "y2", "y3")]
    loads = [p.estimate for p in result.parameters if p.op == "=~" and p.level == 2]
    phi = next(
        p.estimate for p in result.parameters if (p.lhs, p.op, p.rhs, p.level) == ("fb", "~~", "fb", 2)
    )
    expected = sum(loads) ** 2 * phi / (B.sum() + W[np.ix_(of, of)].sum() / found.cluster_size)
    assert found.coefficients[2].estimate == pytest.approx(expected, rel=ROUNDING)


def test_factor_of_factors_is_hierarchical(load_data):
    """Its omega counts what it explains through the others; alone on its items it would be all of them."""
    text = (
        "level: 1\nf1 =~ y1 + y2 + y3\nf2 =~ y4 + y5 + y6\n"
        "level: 2\ng1 =~ y1 + y2 + y3\ng2 =~ y4 + y5 + y6\nh =~ 1*g1 + 1*g2"
    )
    result = sem.fit_two_level(text, load_data("demo_twolevel"), cluster="cluster")
    found = multilevel_reliability(result)
    h = next(c for c in found.coefficients if c.construct == "h" and c.name == "omega_between")
    assert h.items == ("y1", "y2", "y3", "y4", "y5", "y6")
    value = {(p.lhs, p.op, p.rhs): p.estimate for p in result.parameters if p.level == 2}
    total = sum(value[g, "=~", f"y{k}"] for g, ks in (("g1", (1, 2, 3)), ("g2", (4, 5, 6))) for k in ks)
    W, B = result.implied
    expected = total**2 * value["h", "~~", "h"] / (B.sum() + W.sum() / found.cluster_size)
    assert h.estimate == pytest.approx(expected, rel=ROUNDING)
    said = {c.name: c.message for c in found.checks}
    assert said["other_factors"].startswith("Items of h measure")


def test_what_is_said_of_odd_sums(load_data):
    demo = load_data("demo_twolevel").assign(y2=lambda d: -d["y2"])
    found = multilevel_reliability(sem.fit_two_level(EQUAL, demo, cluster="cluster", kind="cfa"))
    said = {c.name: c.message for c in found.checks}
    assert set(said) == {"signs", "beyond"}
    assert "Reverse" in said["signs"]
    assert "alpha" in said["beyond"]  # negative, as the items of a sum cancel


def test_frame(fitted):
    frame = fitted("equal")[1].frame
    assert list(frame["name"])[:3] == ["omega_within", "omega_between", "omega_two_level"]
    assert frame["items"].iloc[0] == "y1, y2, y3"
    assert frame["answers"].str.len().min() > 20


def test_what_cannot_be_is_refused(fitted, load_data, hs, three_factors):
    demo = load_data("demo_twolevel")
    result = sem.fit_two_level(EQUAL, demo, cluster="cluster", kind="cfa")
    with pytest.raises(UsageError, match="seed"):
        multilevel_reliability(result, interval="monte_carlo")
    with pytest.raises(UsageError, match="Choose delta or monte_carlo"):
        multilevel_reliability(result, interval="montecarlo", seed=1)
    with pytest.raises(UsageError, match=r"sem\.reliability"):
        multilevel_reliability(sem.fit(three_factors, hs, kind="cfa"))
    with pytest.raises(NotSupportedError, match=r"sem\.multilevel_reliability"):
        sem.reliability(result)
    none = sem.fit_two_level("level: 1\ny1 ~~ y2\nlevel: 2\ny1 ~~ y2", demo, cluster="cluster")
    with pytest.raises(ModelError, match="no sum score"):
        multilevel_reliability(none)
    failed = sem.fit_two_level(
        "level: 1\nf =~ NA*y1 + y2 + y3\nlevel: 2\ny1 ~~ y2 + y3\ny2 ~~ y3", demo, cluster="cluster"
    )
    with pytest.raises(ModelError, match="did not fail"):
        multilevel_reliability(failed)
