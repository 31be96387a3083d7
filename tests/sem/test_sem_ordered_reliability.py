"""Reliability of ordered answers: against semTools, and against populations in which it is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr

from implstats import sem
from implstats.errors import NotSupportedError
from implstats.sem.after.answer_covariance import answer_covariance, steps_of

REFERENCE = Path(__file__).parents[1] / "reference" / "sem"
TWO = "A =~ A1 + A2 + A3 + A4 + A5\nN =~ N1 + N2 + N3 + N4 + N5"
BIFACTOR = "g =~ A2 + A3 + A4 + A5 + N1 + N2 + N3 + N4 + N5\nN =~ N1 + N2 + N3 + N4 + N5"
TWO_GROUPS = "a =~ A2 + A3 + A4 + A5\ne =~ E1 + E2 + E4 + E5"
# semTools works with lavaan's polychoric correlations, which lie within 4e-8 of their maximum.
LAVAAN_STOPS = 2e-7
# The bifactor's group factor is weakly identified, so that lavaan's 4e-8 in correlations shows more.
WEAK = 5e-6
QUADRATURE = 1e-9


@pytest.fixture(scope="module")
def expected():
    return json.loads((REFERENCE / "ordered_reliability.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def items():
    return pd.read_csv(REFERENCE / "data" / "bfi_an10_n600.csv.gz")


def by_name(result):
    return {f.factor: f for f in sem.reliability(result).factors}


@pytest.mark.parametrize("parameterization", ["delta", "theta"])
def test_categorical_omega_of_two_factors_equals_semtools(items, expected, parameterization):
    found = by_name(sem.fit(TWO, items, kind="cfa", ordered=list(items), parameterization=parameterization))
    reference = expected["delta"]
    for name, factor in found.items():
        for field in ("omega", "omega_implied", "alpha", "omega_latent", "alpha_latent", "ave"):
            assert getattr(factor, field) == pytest.approx(reference[field][name], abs=LAVAAN_STOPS), field
        assert factor.omega_latent > factor.omega  # categories lose information
        assert factor.maximal > factor.omega_latent


def test_semtools_gives_other_values_to_the_same_model_under_theta(items, expected):
    """Its alpha and latent omega scale by 1 / delta, which is arbitrary; its categorical omega does not."""
    assert expected["theta"]["omega"]["A"] == pytest.approx(expected["delta"]["omega"]["A"], abs=1e-12)
    for field in ("alpha", "omega_latent", "ave"):
        assert abs(expected["theta"][field]["A"] - expected["delta"][field]["A"]) > 0.01


def test_alpha_is_that_of_the_answers(items):
    found = by_name(sem.fit(TWO, items, kind="cfa", ordered=list(items)))
    S = items[[f"N{i}" for i in range(1, 6)]].cov().to_numpy()
    assert found["N"].alpha == pytest.approx(1.25 * (1 - np.trace(S) / S.sum()), abs=1e-12)


def test_ratio_of_correlations_is_that_of_polychoric_ones(items, expected):
    found = sem.reliability(sem.fit(TWO, items, kind="cfa", ordered=list(items)))
    assert found.htmt[0][3] == pytest.approx(expected["htmt"], abs=LAVAAN_STOPS)


def test_two_answers(items, expected):
    binary = (items > items.median()).astype(int)
    found = by_name(sem.fit(TWO, binary, kind="cfa", ordered=list(items)))
    for name, factor in found.items():
        for field in ("omega", "omega_implied", "alpha", "omega_latent", "alpha_latent"):
            assert getattr(factor, field) == pytest.approx(
                expected["binary"][field][name], abs=LAVAAN_STOPS
            ), field


def test_hierarchical_and_total_omega_of_a_bifactor_model(items, expected):
    ordered = [name for name in items if name != "A1"]
    fit = sem.fit(BIFACTOR, items, kind="cfa", ordered=ordered, orthogonal=True, std_lv=True)
    found = by_name(fit)
    for name in ("g", "N"):
        assert found[name].omega == pytest.approx(expected["bifactor"]["omega"][name], abs=WEAK)
    assert found["g"].omega_total == pytest.approx(expected["bifactor"]["total"][0]["omega3"], abs=WEAK)


def test_groups(expected):
    data = pd.read_csv(REFERENCE / "data" / "bfi_ae8_gender.csv.gz")
    ordered = [name for name in data if name != "gender"]
    found = sem.reliability(sem.fit(TWO_GROUPS, data, kind="cfa", ordered=ordered, group="gender"))
    reference = expected["configural"]
    for factor in found.factors:
        at = reference["omega"]["group"].index(factor.group)
        for field in ("omega", "omega_implied", "alpha", "omega_latent", "alpha_latent"):
            assert getattr(factor, field) == pytest.approx(
                reference[field][factor.factor][at], abs=LAVAAN_STOPS
            ), field


def _population(loadings, thresholds, values, *, nodes=200):
    """Reliability of a sum by integration over the factor: variance of what it lets expect over all."""
    z, w = np.polynomial.hermite_e.hermegauss(nodes)
    w = w / w.sum()
    expectation, spread = np.zeros(nodes), np.zeros(nodes)
    for a, t, v in zip(loadings, thresholds, values, strict=True):
        passed = ndtr((a * z[:, None] - t) / np.sqrt(1 - a * a))
        p = -np.diff(np.column_stack([np.ones(nodes), passed, np.zeros(nodes)]), axis=1)
        expectation += p @ v
        spread += p @ v**2 - (p @ v) ** 2
    true = w @ expectation**2 - (w @ expectation) ** 2
    return true / (true + w @ spread)


def test_formula_equals_the_population_by_integration():
    rng = np.random.default_rng(5)
    loadings = rng.uniform(0.4, 0.85, 5)
    thresholds = [np.sort(rng.normal(size=c)) for c in (1, 2, 3, 4, 4)]
    values = [np.arange(len(t) + 1.0) for t in thresholds]
    values[3] = np.array([1.0, 2.0, 4.0, 5.0, 9.0])  # answers count as they are coded
    steps, C = steps_of(thresholds, values), np.outer(loadings, loadings)
    T = C + np.diag(1 - loadings**2)
    share = answer_covariance(steps, C).sum() / answer_covariance(steps, T).sum()
    assert share == pytest.approx(_population(loadings, thresholds, values), abs=QUADRATURE)


def test_a_sample_of_a_second_order_population_with_a_continuous_item():
    """Twenty thousand persons with a parallel second occasion: the sums correlate by the reliability."""
    rng = np.random.default_rng(11)
    n = 20_000
    g = rng.normal(size=n)
    factors = np.column_stack([0.8 * g + 0.6 * rng.normal(size=n) for _ in range(3)])
    true = np.repeat(factors, 3, axis=1) * 0.75
    cuts = np.array([-0.8, 0.2, 1.1])

    def occasion():
        latent = true + np.sqrt(1 - 0.75**2) * rng.normal(size=true.shape)
        answers = np.searchsorted(cuts, latent).astype(float)
        answers[:, 8] = latent[:, 8]
        return answers

    names = [f"i{k}" for k in range(9)]
    first, second = occasion(), occasion()
    model = "\n".join(f"f{k} =~ i{3 * k} + i{3 * k + 1} + i{3 * k + 2}" for k in range(3))
    fit = sem.fit(
        f"{model}\ng =~ f0 + f1 + f2", pd.DataFrame(first, columns=names), kind="cfa", ordered=names[:8]
    )
    found = by_name(fit)
    retest = np.corrcoef(first.sum(axis=1), second.sum(axis=1))[0, 1]
    # A correlation near .85 of 20,000 persons has a standard error of .002; omega_total one alike.
    assert found["g"].omega_total == pytest.approx(retest, abs=0.008)
    mixed = np.corrcoef(first[:, 6:].sum(axis=1), second[:, 6:].sum(axis=1))[0, 1]
    assert found["f2"].omega == pytest.approx(mixed, abs=0.012)
    assert found["g"].omega < found["g"].omega_total


def test_thresholds_of_a_group_are_seen_from_its_mean():
    """Equal thresholds, another mean: answers pile up at one end and are less reliable there."""
    rng = np.random.default_rng(3)
    n, a, cuts = 6000, 0.7, np.array([-0.5, 0.5, 1.0])
    where = np.repeat([0.0, 2.0], n)
    f = where + rng.normal(size=2 * n)
    latent = a * f[:, None] + np.sqrt(1 - a * a) * rng.normal(size=(2 * n, 4))
    data = pd.DataFrame(np.searchsorted(cuts, latent), columns=list("abcd")).assign(team=where)
    fit = sem.fit(
        "f =~ a + b + c + d", data, kind="cfa", ordered=list("abcd"), group="team", std_lv=True,
        group_equal=["thresholds", "loadings", "intercepts"], parameterization="theta",
    )  # fmt: skip
    by_group = {f.group: f for f in sem.reliability(fit).factors}
    for team, shift in (("0", 0.0), ("2", 2.0)):
        population = _population([a] * 4, [cuts - a * shift] * 4, [np.arange(4.0)] * 4)
        assert by_group[team].omega == pytest.approx(population, abs=0.02)
    assert by_group["2"].omega < by_group["0"].omega - 0.03


def test_missing_answers_pair_by_pair(items):
    rng = np.random.default_rng(1)
    gaps = items.where(rng.random(items.shape) > 0.1)
    ordered = [f"N{i}" for i in range(1, 6)]
    fit = sem.fit("N =~ N1 + N2 + N3 + N4 + N5", gaps, kind="cfa", ordered=ordered, missing="pairwise")
    S = gaps[ordered].cov().to_numpy()  # pandas takes pairs, each with its own means
    assert by_name(fit)["N"].alpha == pytest.approx(1.25 * (1 - np.trace(S) / S.sum()), abs=1e-12)


def test_predictors_are_refused(load_data):
    data = load_data("bfi_a5_cov").dropna()
    fit = sem.fit("A =~ A1 + A2 + A3 + A4 + A5\nA ~ age", data, ordered=["A1", "A2", "A3", "A4", "A5"])
    with pytest.raises(NotSupportedError, match="without predictors"):
        sem.reliability(fit)
