"""Full information: derivatives, special cases, invariance, bad input, and errors that tell the truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from implstats import sem
from implstats.errors import DataError, NotSupportedError, UsageError
from implstats.sem.data.patterns import group_patterns
from implstats.sem.data.sample import read_columns
from implstats.sem.data.saturated import em_step, pack, saturated_moments
from implstats.sem.estimators.fiml import evaluate_fiml
from implstats.sem.estimators.incomplete import evaluate_moments, score_products
from implstats.sem.language.syntax import parse_model
from implstats.sem.language.table import build_table
from implstats.sem.model.matrices import build_structure
from implstats.sem.options import check_options

TWO = "f =~ a + b + c\ng =~ d + e + h\ng ~ f"
# Agreement of two routes to the same number: only rounding may differ.
SAME = 1e-9


@pytest.fixture
def complete(two_factor_frame):
    return two_factor_frame.rename(columns={"f": "h"})


@pytest.fixture
def gaps(complete):
    """A sixth of the answers gone at random, seeded; one person without any answer."""
    gone = np.random.default_rng(11).random(complete.shape) < 1 / 6
    gone[17] = True
    return complete.mask(gone)


def numbers(result):
    return np.array([p.estimate for p in result.parameters] + [p.std_error or 0.0 for p in result.parameters])


@pytest.mark.parametrize(
    ("estimator", "extra"),
    [("ML", {"information": "expected"}), ("MLR", {}), ("ML", {"information": "observed"})],
)
def test_without_gaps_it_is_complete_data_maximum_likelihood(complete, estimator, extra):
    plain = sem.fit(TWO, complete, meanstructure=True, estimator=estimator, **extra)
    full = sem.fit(TWO, complete, missing="fiml", estimator=estimator, **extra)
    np.testing.assert_allclose(numbers(full), numbers(plain), atol=SAME)
    assert full.fit.keys() == plain.fit.keys()
    for name, value in plain.fit.items():
        assert full.fit[name] == (value if value is None else pytest.approx(value, rel=SAME, abs=SAME)), name


def test_fixed_predictors_without_gaps_collapse_too(mediation):
    model = "M1 ~ a*X + C\nY ~ b*M1 + X\nind := a*b"
    plain = sem.fit(model, mediation, meanstructure=True)
    full = sem.fit(model, mediation, missing="fiml", information="expected")
    np.testing.assert_allclose(numbers(full), numbers(plain), atol=SAME)
    for name, value in plain.fit.items():
        assert full.fit[name] == pytest.approx(value, rel=SAME, abs=SAME), name


def criterion_at(model, frame):
    options = check_options(
        kind="sem", estimator="MLR", missing="fiml", group=None, group_equal=(), cluster=None, ordered=(),
        parameterization="delta", orthogonal=False, std_lv=False, meanstructure=None, ci_level=0.95,
        information=None,
    )  # fmt: skip
    table = build_table(parse_model(model), options)
    structure = build_structure(table)
    values = read_columns(frame, structure.observed, table.names.latent)
    patterns = group_patterns(values[~np.isnan(values).all(axis=1)])
    return structure, patterns


def test_gradient_and_exact_hessian_agree_with_differences(gaps):
    model = "f =~ a + k*b + k*c\nh ~ f + d\ne ~ h + d\na ~~ b\nd ~~ d"
    structure, patterns = criterion_at(model, gaps)
    result = sem.fit(model, gaps, missing="fiml", estimator="MLR")
    values = {name: p.estimate for p in result.parameters for name in (p.name,)}
    rng = np.random.default_rng(2)
    theta = np.array([values[name] for name in result.free_names]) + 0.05 * rng.normal(size=result.n_free)
    here = evaluate_fiml(structure, patterns, theta, "observed")
    step = 1e-5
    for k in range(len(theta)):
        move = np.zeros_like(theta)
        move[k] = step
        up, down = (evaluate_fiml(structure, patterns, theta + s * move, "observed") for s in (1, -1))
        # Central differences of this step are good to about 1e-8 of the size of the derivative.
        assert here.gradient[k] == pytest.approx((up.value - down.value) / (2 * step), rel=1e-6, abs=1e-7)
        half = (up.gradient - down.gradient) / (4 * step)
        np.testing.assert_allclose(here.information[k], half, rtol=1e-6, atol=1e-7)


def test_criterion_is_the_sum_over_persons(gaps):
    values = gaps.dropna(how="all").to_numpy()
    patterns = group_patterns(values)
    moments = saturated_moments(patterns)
    total = 0.0
    for person in values:
        o = ~np.isnan(person)
        cov, away = moments.cov[np.ix_(o, o)], person[o] - moments.mean[o]
        total += np.linalg.slogdet(cov)[1] + away @ np.linalg.solve(cov, away) + o.sum() * np.log(2 * np.pi)
    assert patterns.n * (moments.state.value + patterns.constant) == pytest.approx(total, rel=1e-12)


def test_saturated_moments_are_a_fixed_point_of_em_and_scores_sum_to_zero(gaps):
    patterns = group_patterns(gaps.dropna(how="all").to_numpy())
    found = saturated_moments(patterns)
    # Newton ends at a gradient of about 1e-12, and EM moves by less than the gradient times Sigma squared.
    np.testing.assert_allclose(
        pack(*em_step(patterns, found.cov, found.mean)), pack(found.cov, found.mean), atol=1e-10
    )
    state = evaluate_moments(patterns, found.cov, found.mean)
    products = score_products(patterns, state, found.mean)
    assert np.linalg.eigvalsh(products)[0] > 0


def test_order_of_rows_and_columns_is_nothing(gaps):
    plain = sem.fit(TWO, gaps, missing="fiml", estimator="MLR")
    mixed = gaps.sample(frac=1, random_state=4)[list("hedcba")]
    other = sem.fit(TWO, mixed, missing="fiml", estimator="MLR")
    np.testing.assert_allclose(numbers(other), numbers(plain), atol=SAME)
    for name, value in plain.fit.items():
        assert other.fit[name] == (value if value is None else pytest.approx(value, rel=1e-8, abs=1e-8)), name


def test_units_of_the_variables_do_not_matter(gaps):
    plain = sem.fit(TWO, gaps, missing="fiml")
    scaled = sem.fit(TWO, gaps * 1000 - 50, missing="fiml")
    for measure in ("chisq", "cfi", "rmsea", "srmr", "cfi.robust"):
        assert scaled.fit[measure] == pytest.approx(plain.fit[measure], rel=1e-7)
    for p, q in zip(plain.parameters, scaled.parameters, strict=True):
        if p.op == "=~" and p.statistic is not None:
            assert q.statistic == pytest.approx(p.statistic, rel=1e-6)


def test_persons_without_any_answer_change_nothing(gaps):
    plain = sem.fit(TWO, gaps, missing="fiml")
    wide = sem.fit(TWO, gaps.reindex(range(len(gaps) + 9)), missing="fiml")
    assert (plain.n_obs, plain.n_dropped, wide.n_obs, wide.n_dropped) == (119, 1, 119, 10)
    np.testing.assert_allclose(numbers(wide), numbers(plain), atol=SAME)
    message = next(c.message for c in wide.checks if c.name == "full_information")
    assert "119 of 129 persons used" in message
    assert "10 left out, 10 without any answer" in message


def test_it_uses_persons_that_listwise_deletion_loses(gaps):
    listwise, full = sem.fit(TWO, gaps), sem.fit(TWO, gaps, missing="fiml")
    assert full.n_obs > listwise.n_obs
    assert full.verdict == "ok"
    assert full.moments.sample_mean.shape == (6,)


def test_answers_missing_at_random_do_not_bias_means():
    rng = np.random.default_rng(8)
    x = rng.normal(size=4000)
    y = 0.8 * x + 0.6 * rng.normal(size=4000)
    frame = pd.DataFrame({"x": x, "y": np.where(x > 0, np.nan, y)})
    result = sem.fit("x ~~ y", frame, missing="fiml")
    mean = next(p for p in result.parameters if p.name == "y ~ 1")
    # Half of y is gone because of x: its mean among those who answered is -0.64, its true mean zero.
    assert np.nanmean(frame["y"]) < -0.6
    assert abs(mean.estimate) < 4 * mean.std_error < 0.2


def test_a_pair_never_answered_together_is_refused_by_name(gaps):
    first = np.arange(len(gaps)) % 2 == 0
    split = gaps.assign(a=gaps["a"].where(first), d=gaps["d"].where(~first))
    with pytest.raises(DataError, match="Fewer than 3 persons answered both: a and d"):
        sem.fit(TWO, split, missing="fiml")


def test_a_variable_that_nobody_answered(gaps):
    with pytest.raises(DataError, match="Nobody answered c"):
        sem.fit(TWO, gaps.assign(c=np.nan), missing="fiml")


def test_constant_doubled_and_dependent_variables(gaps):
    with pytest.raises(DataError, match="same answer on c"):
        sem.fit(TWO, gaps.assign(c=gaps["c"] * 0 + 3), missing="fiml")
    with pytest.raises(DataError, match="Perfectly correlated where both were answered: a and b"):
        sem.fit(TWO, gaps.assign(b=2 * gaps["a"] - 1), missing="fiml")
    with pytest.raises(DataError, match=r"depend on each other|no proper maximum"):
        sem.fit(TWO, gaps.assign(c=gaps["a"] + gaps["b"]), missing="fiml")


def test_too_few_persons(gaps):
    with pytest.raises(DataError, match="5 persons for 6 variables"):
        sem.fit(TWO, gaps.head(5), missing="fiml")
    with pytest.raises(DataError, match="0 persons"):
        sem.fit("b ~ a", gaps.assign(a=np.nan), missing="fiml")


def test_little_coverage_is_said(complete):
    thin = complete.assign(a=complete["a"].where(complete.index < 8))
    result = sem.fit(TWO, thin, missing="fiml")
    assert any(c.name == "coverage" and c.status == "warn" for c in result.checks)
    assert result.verdict != "ok"


def test_an_unidentified_model_has_no_numbers(gaps):
    result = sem.fit("f =~ NA*a + b + c + d", gaps, missing="fiml")
    assert result.verdict == "failed"
    assert "Not identified" in result.reason
    assert all(p.estimate is None for p in result.parameters)
    assert all(value is None for value in result.fit.values())


def test_contradictions_are_refused(gaps):
    with pytest.raises(UsageError, match="needs means"):
        sem.fit(TWO, gaps, missing="fiml", meanstructure=False)
    with pytest.raises(UsageError, match="goes with estimator 'ML'"):
        sem.fit(TWO, gaps, missing="fiml", estimator="MLR", information="expected")
    with pytest.raises(UsageError, match="did you mean 'expected'"):
        sem.fit(TWO, gaps, information="expectd")
    with pytest.raises(NotSupportedError, match="use 'MLR'"):
        sem.fit(TWO, gaps, missing="fiml", estimator="MLM")


def test_second_opinion_reaches_the_same_optimum(gaps):
    result = sem.fit(TWO, gaps, missing="fiml", second_opinion=True)
    status = {c.name: c.status for c in result.checks}
    assert status["other_starts"] == "ok"
    assert status["semopy"] == "info"


@pytest.mark.parametrize("estimator", ["ML", "MLR"])
def test_standard_errors_are_the_spread_of_estimates(estimator):
    """A fifth of the answers missing at random (more often where the first item is high), 200 samples."""
    rng = np.random.default_rng(20260101)
    n, samples = 300, 200
    estimates, errors = [], []
    for _ in range(samples):
        factor = rng.normal(size=(n, 1))
        items = factor * np.array([0.8, 0.7, 0.9, 0.6]) + 0.6 * rng.normal(size=(n, 4))
        chance = 0.4 / (1 + np.exp(-1.5 * items[:, :1]))
        items[:, 1:][rng.random((n, 3)) < np.broadcast_to(chance, (n, 3)) * 4 / 3] = np.nan
        frame = pd.DataFrame(items, columns=list("abcd"))
        result = sem.fit("f =~ a + b + c + d", frame, missing="fiml", estimator=estimator)
        free = [p for p in result.parameters if p.free]
        estimates.append([p.estimate for p in free])
        errors.append([p.std_error for p in free])
    ratio = np.mean(errors, axis=0) / np.std(estimates, axis=0, ddof=1)
    # The spread over 200 samples is known to 5 % a parameter: three of those a parameter, one on average.
    assert np.all(np.abs(ratio - 1) < 0.15), ratio
    assert abs(ratio.mean() - 1) < 0.05
