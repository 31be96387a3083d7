"""Factor scores from ordered answers: beside lavaan's, better by their own criterion, and by their theory."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr

from implstats import sem
from implstats.errors import DataError, ModelError, NotSupportedError
from implstats.sem.after.ordered_measurement import coded, measurement
from implstats.sem.after.ordered_scores import DRAWN, mode_scores

REFERENCE = Path(__file__).parents[1] / "reference" / "sem"
TWO = "A =~ A1 + A2 + A3 + A4 + A5\nN =~ N1 + N2 + N3 + N4 + N5"
TWO_GROUPS = "a =~ A2 + A3 + A4 + A5\ne =~ E1 + E2 + E4 + E5"
A3 = ["A1", "A2", "A3"]
AN10 = [f"{stem}{k}" for stem in "AN" for k in range(1, 6)]
# lavaan's BFGS stops when its criterion changes by 1e-8 of its size: scores then lie this near the mode.
LAVAAN_STOPS = 2e-3
# The criterion rounds.
ROUNDING = 1e-9


@pytest.fixture(scope="module")
def expected():
    return json.loads((REFERENCE / "ordered_scores.json").read_text(encoding="utf-8"))


def data_of(name):
    file = {
        "mixed": "bfi_a5_mixed", "predictor": "bfi_a5_mixed", "gaps": "bfi_an10_missing",
        "groups": "bfi_ae8_gender",
    }.get(name, "bfi_an10_n600")  # fmt: skip
    return pd.read_csv(REFERENCE / "data" / f"{file}.csv.gz")


@pytest.fixture(scope="module")
def fit_of():
    made = {}

    def fit(name):
        if name not in made:
            data = data_of(name)
            kind = {
                "delta": (TWO, {"ordered": AN10}),
                "theta": (TWO, {"ordered": AN10, "parameterization": "theta"}),
                "mixed": ("A =~ A1 + A2 + A3 + A4 + A5", {"ordered": A3}),
                "predictor": ("A =~ A1 + A2 + A3 + A4 + A5\nA ~ age", {"ordered": A3}),
                "gaps": (TWO, {"ordered": AN10, "missing": "pairwise"}),
                "groups": (TWO_GROUPS, {"ordered": [c for c in data if c != "gender"], "group": "gender"}),
            }[name]
            made[name] = sem.fit(kind[0], data, **kind[1]), data
        return made[name]

    return fit


def criterion(result, data, answers, scores, *, prior):
    """The log-likelihood (with the prior) of persons, from the printed parameters alone; no predictors."""
    value = {(p.lhs, p.op, p.rhs): p.estimate for p in result.parameters}
    factors = [name for name in result.moments.latent]
    total = np.zeros(len(scores))
    for item in result.moments.observed:
        lin = value.get((item, "~1", ""), 0.0) + sum(
            value.get((f, "=~", item), 0.0) * scores[:, k] for k, f in enumerate(factors)
        )
        sd = np.sqrt(value[item, "~~", item])
        cuts = [v for (lhs, op, _), v in value.items() if lhs == item and op == "|"]
        column = answers[item].to_numpy(dtype=float)
        if cuts:
            every = np.unique(data[item].dropna())
            edge = np.array([-np.inf, *cuts, np.inf])
            code = np.searchsorted(every, np.where(np.isfinite(column), column, every[0]))
            p = ndtr((edge[code + 1] - lin) / sd) - ndtr((edge[code] - lin) / sd)
            part = np.log(np.maximum(p, 1e-300))
        else:
            part = -0.5 * ((column - lin) / sd) ** 2
        total += np.where(np.isfinite(column), part, 0.0)
    if prior:
        total -= 0.5 * (scores * (scores @ np.linalg.inv(result.moments.latent_cov))).sum(axis=1)
    return total


@pytest.mark.parametrize("name", ["delta", "mixed", "predictor", "gaps"])
def test_modes_lie_beside_lavaans(fit_of, expected, name):
    result, data = fit_of(name)
    theirs = np.array(expected[name]["ebm"][0], dtype=float)
    ours = sem.factor_scores(result, data, method="ebm").scores[: len(theirs)]
    np.testing.assert_allclose(ours, theirs, atol=LAVAAN_STOPS)
    assert np.corrcoef(ours[:, 0], theirs[:, 0])[0, 1] > 0.99999


@pytest.mark.parametrize("name", ["delta", "theta", "mixed", "gaps"])
@pytest.mark.parametrize("method", ["ebm", "ml"])
def test_nobody_has_a_lower_criterion_than_with_lavaan(fit_of, expected, name, method):
    result, data = fit_of(name)
    theirs = np.array(expected[name][method][0], dtype=float)
    few = data.iloc[: len(theirs)]
    ours = sem.factor_scores(result, data, method=method).scores[: len(theirs)]
    fine = np.isfinite(ours).all(axis=1)
    assert fine.mean() > 0.8
    prior = method == "ebm"
    mine = criterion(result, data, few[fine], ours[fine], prior=prior)
    gain = mine - criterion(result, data, few[fine], theirs[fine], prior=prior)
    assert gain.min() > -ROUNDING
    assert gain.max() > 1e-9  # lavaan stops short for somebody


def test_lavaans_scores_are_no_modes_under_theta(fit_of, expected):
    """lavaan 0.6-14 mixes thresholds in the answers' scale with loadings in the other; ours do not change."""
    result, data = fit_of("theta")
    theirs = np.array(expected["theta"]["ebm"][0], dtype=float)
    few = data.iloc[: len(theirs)]
    ours = sem.factor_scores(result, few).scores
    gain = criterion(result, data, few, ours, prior=True) - criterion(result, data, few, theirs, prior=True)
    assert gain.min() > -ROUNDING
    assert gain.mean() > 0.01


def test_lavaan_takes_the_first_groups_model_for_every_group(fit_of, expected):
    """lavaan 0.6-14 forgets the group in the answers' distribution; ours are right in the second one too."""
    result, data = fit_of("groups")
    ours = sem.factor_scores(result, data, method="ebm").scores
    labels = [group.label for group in result.groups]
    theirs = {label: np.array(v, dtype=float) for label, v in expected["groups"]["ebm"].items()}
    apart = []
    for label in labels:
        rows = np.nonzero(data.gender.astype(str) == label)[0][: len(theirs[label])]
        apart.append(np.abs(ours[rows] - theirs[label]).max())
    assert apart[0] < LAVAAN_STOPS < 0.05 < apart[1]


def test_a_group_scores_like_a_fit_of_that_group_alone(fit_of):
    result, data = fit_of("groups")
    label = result.groups[1].label
    own = data[data.gender.astype(str) == label]
    alone = sem.fit(TWO_GROUPS, own, ordered=[c for c in data if c != "gender"])
    np.testing.assert_allclose(
        sem.factor_scores(result, own).scores, sem.factor_scores(alone, own).scores, atol=1e-6
    )


def test_the_parameterisation_does_not_matter(fit_of):
    (delta, data), (theta, _) = fit_of("delta"), fit_of("theta")
    sd = [np.sqrt(np.diag(f.moments.latent_cov)) for f in (delta, theta)]
    one, two = sem.factor_scores(delta, data), sem.factor_scores(theta, data)
    np.testing.assert_allclose(one.scores / sd[0], two.scores / sd[1], atol=1e-6)
    np.testing.assert_allclose(one.std_errors / sd[0], two.std_errors / sd[1], atol=1e-6)
    for a, b in zip(one.determinacy, two.determinacy, strict=True):
        assert a.correlation == pytest.approx(b.correlation, abs=1e-6)


def test_gradient_vanishes_and_errors_are_its_curvature(fit_of):
    result, data = fit_of("delta")
    few = data.head(30)
    found = sem.factor_scores(result, few)
    h = 1e-4

    def at(k, step):
        moved = found.scores.copy()
        moved[:, k] += step
        return criterion(result, data, few, moved, prior=True)

    middle = criterion(result, data, few, found.scores, prior=True)
    H = np.zeros((30, 2, 2))
    for k in range(2):
        up, down = at(k, h), at(k, -h)
        assert np.abs(up - down).max() / (2 * h) < 1e-6
        H[:, k, k] = -(up - 2 * middle + down) / h**2
    moved = found.scores + h
    both = criterion(result, data, few, moved, prior=True)
    H[:, 0, 1] = H[:, 1, 0] = -(both - at(0, h) - at(1, h) + middle) / h**2
    errors = np.sqrt(np.diagonal(np.linalg.inv(H), axis1=1, axis2=2))
    np.testing.assert_allclose(found.std_errors, errors, rtol=1e-3)


def test_the_last_answer_everywhere_has_a_mode_but_no_maximum_of_the_likelihood(fit_of):
    result, data = fit_of("delta")
    top = data.head(4).copy()
    top.iloc[0] = data.max()
    top.loc[top.index[0], "A1"] = data.A1.min()  # the one reversed item
    ml = sem.factor_scores(result, top, method="ml")
    assert np.isnan(ml.scores[0]).all()
    assert any(check.name == "unbounded" and "1 row(s)" in check.message for check in ml.checks)
    ebm = sem.factor_scores(result, top, method="ebm")
    assert np.isfinite(ebm.scores).all()
    assert (np.abs(ebm.scores[0]) > np.abs(sem.factor_scores(result, data).scores).mean(axis=0)).all()


def test_one_factor_without_a_maximum_leaves_the_other_its_score(fit_of):
    result, data = fit_of("delta")
    some = data.head(3).copy()
    some.loc[some.index[0], [f"N{k}" for k in range(1, 6)]] = data.N1.max()
    found = sem.factor_scores(result, some, method="bartlett")
    assert found.method == "ml"
    assert np.isfinite(found.scores[0, 0])
    assert np.isnan(found.scores[0, 1])


def test_rows_and_their_order(fit_of):
    result, data = fit_of("gaps")
    found = sem.factor_scores(result, data)
    mixed = sem.factor_scores(result, data.sample(frac=1, random_state=2)).frame
    pd.testing.assert_frame_equal(found.frame, mixed.loc[data.index], atol=1e-9)
    empty = data.head(2).copy()
    empty.iloc[0] = np.nan
    assert np.isnan(sem.factor_scores(result, empty).scores[0]).all()
    assert np.isfinite(sem.factor_scores(result, empty).scores[1]).all()


def test_listwise_fits_score_complete_persons(fit_of):
    result, data = fit_of("delta")
    gap = data.head(3).copy().astype(float)
    gap.iloc[1, 2] = np.nan
    found = sem.factor_scores(result, gap)
    assert np.isnan(found.scores).all(axis=1).tolist() == [False, True, False]
    assert found.n_without == 1
    assert any("pairwise" in check.message for check in found.checks)


def test_answers_the_fit_did_not_know(fit_of):
    result, data = fit_of("delta")
    with pytest.raises(DataError, match="N3 holds answers that nobody"):
        sem.factor_scores(result, data.assign(N3=data.N3 + 10))


def test_items_correlated_given_the_factors_are_refused(fit_of):
    _, data = fit_of("delta")
    result = sem.fit(TWO + "\nN1 ~~ N2", data, ordered=AN10)
    with pytest.raises(NotSupportedError, match="N1 and N2"):
        sem.factor_scores(result, data)


def test_a_residual_variance_below_zero_is_refused():
    rng = np.random.default_rng(8)
    f = rng.normal(size=(150, 1))
    latent = f * [0.98, 0.5, 0.4] + rng.normal(size=(150, 3)) * [0.1, 0.9, 0.9]
    data = pd.DataFrame(np.digitize(latent, [-0.5, 0.5]), columns=list("abc"))
    for seed in range(40):
        part = data.sample(120, random_state=seed)
        result = sem.fit("f =~ a + b + c", part, ordered=list("abc"))
        if result.verdict != "failed" and not result.admissible:
            with pytest.raises(ModelError, match="no residual variance"):
                sem.factor_scores(result, part)
            return
    pytest.fail("no improper solution among forty samples; make one")


def test_determinacy_is_the_correlation_in_fresh_persons_and_falls_with_categories():
    """Two hundred thousand persons of the model, and the limit of many categories: regression scores."""
    rng = np.random.default_rng(4)
    loadings = np.array([0.8, 0.7, 0.6, 0.75, 0.65])
    f = rng.normal(size=(4000, 1))
    latent = f * loadings + rng.normal(size=(4000, 5)) * np.sqrt(1 - loadings**2)
    names = list("abcde")
    coarse = pd.DataFrame(np.digitize(latent, [0.0]), columns=names)
    fine = pd.DataFrame(np.digitize(latent, np.linspace(-2, 2, 15)), columns=names)
    found = {}
    for label, data in (("coarse", coarse), ("fine", fine)):
        result = sem.fit("f =~ a + b + c + d + e", data, ordered=names, std_lv=True)
        own = sem.factor_scores(result, data)
        found[label] = own.determinacy[0].correlation
        # The persons' own correlation has a standard error of .003 or less, the drawn ones .001.
        assert np.corrcoef(own.scores[:, 0], f[:, 0])[0, 1] == pytest.approx(found[label], abs=0.02)
        spread = np.sqrt(np.mean((own.scores[:, 0] - f[:, 0]) ** 2))
        # The curvature at the mode is a little sharper than the spread: by 7 % with five yes-or-no items.
        assert spread == pytest.approx(np.sqrt(np.mean(own.std_errors**2)), rel=0.1)
    numbers = sem.factor_scores(sem.fit("f =~ a + b + c + d + e", fine, std_lv=True), fine)
    assert found["fine"] == pytest.approx(numbers.determinacy[0].correlation, abs=0.01)
    assert found["coarse"] < found["fine"] - 0.05


def test_continuous_items_alone_give_regression_scores(fit_of):
    """The mode of a normal posterior is its mean: with every ordered answer missing only numbers count."""
    result, data = fit_of("mixed")
    estimated = result.fitted
    found = measurement(estimated, 0)
    answers = data[list(found.names)].to_numpy(dtype=float)
    codes = coded(found, answers)
    codes[:, found.ordered] = np.nan
    u, errors = mode_scores(found, codes, np.empty((len(codes), 0)), method="ebm")
    c = np.nonzero(~found.ordered)[0]
    L = found.slope[c]
    A = found.phi @ L.T @ np.linalg.inv(L @ found.phi @ L.T + found.residual[np.ix_(c, c)])
    np.testing.assert_allclose(u, (codes[:, c] - found.mean[c]) @ A.T, atol=1e-10)
    np.testing.assert_allclose(errors[:, 0], np.sqrt((found.phi - A @ L @ found.phi)[0, 0]), rtol=1e-10)


def test_ten_thousand_persons_take_a_moment(fit_of):
    """One Newton search for all: a Python loop over persons would take minutes."""
    import time

    result, data = fit_of("delta")
    many = pd.concat([data] * 17, ignore_index=True)
    start = time.perf_counter()
    found = sem.factor_scores(result, many)
    assert time.perf_counter() - start < 10.0  # lavaan takes about ten minutes for as many
    assert len(found.scores) == 10_200
    assert DRAWN == 20_000


def test_second_order_factors_are_scored():
    rng = np.random.default_rng(6)
    g = rng.normal(size=800)
    f = np.column_stack([0.8 * g + 0.6 * rng.normal(size=800) for _ in range(3)])
    latent = np.repeat(f, 3, axis=1) * 0.8 + 0.6 * rng.normal(size=(800, 9))
    data = pd.DataFrame(np.digitize(latent, [-0.7, 0.3, 1.0]), columns=[f"i{k}" for k in range(9)])
    model = "\n".join(f"f{k} =~ i{3 * k} + i{3 * k + 1} + i{3 * k + 2}" for k in range(3))
    found = sem.factor_scores(sem.fit(f"{model}\ng =~ f0 + f1 + f2", data, ordered=list(data)), data)
    assert np.corrcoef(found.frame["g"], g)[0, 1] == pytest.approx(found.determinacy[3].correlation, abs=0.03)
    ml = sem.factor_scores(
        sem.fit(f"{model}\ng =~ f0 + f1 + f2", data, ordered=list(data)), data, method="ml"
    )
    assert np.isnan(ml.frame["g"]).all()  # nothing measures it directly
    assert any(check.name == "undefined" and "g" in check.message for check in ml.checks)


def test_two_stage_fits_score_the_answers_given(load_data):
    data = load_data("hs1939_missing")
    model = "visual =~ x1 + x2 + x3"
    two, full = (sem.fit(model, data, missing=m) for m in ("two.stage", "fiml"))
    one, other = sem.factor_scores(two, data), sem.factor_scores(full, data)
    seen = np.isfinite(other.scores[:, 0])
    assert np.array_equal(seen, np.isfinite(one.scores[:, 0]))
    assert np.corrcoef(one.scores[seen, 0], other.scores[seen, 0])[0, 1] > 0.999
