"""Monte Carlo intervals of indirect effects are those of the exact distribution of a product."""

from __future__ import annotations

import numpy as np
import pytest

from implstats import sem
from implstats.errors import ModelError, UsageError
from implstats.sem.language.defined import Dual, evaluate
from implstats.sem.resampling.monte_carlo import monte_carlo, normal_draws
from implstats.sem.resampling.quantities import defined_many

MEDIATION = "M1 ~ a*X + C\nY ~ b*M1 + cp*X + C\nind := a*b\ntotal := cp + a*b"
DRAWS = 400_000
# A quantile of n draws at p has standard error sqrt(p (1 - p) / n) / density; for the .025 quantile of an
# effect with standard deviation s the density is about .058 / s, so
# 400,000 draws give .0042 s. Four of these:
QUANTILE = 4 * 0.0042


@pytest.fixture
def effects(mediation):
    found = monte_carlo(sem.fit(MEDIATION, mediation), draws=DRAWS, seed=7)
    return {effect.name: effect for effect in found.effects}


def test_the_indirect_effect_is_that_of_the_exact_product(load_reference, effects):
    exact = load_reference("path_mediation_monte_carlo")["product_normal_exact"]["ind"]
    assert abs(effects["ind"].conf_low - exact["q025"]) < QUANTILE * exact["sd"]
    assert abs(effects["ind"].conf_high - exact["q975"]) < QUANTILE * exact["sd"]
    assert effects["ind"].std_error == pytest.approx(exact["sd"], rel=4 / np.sqrt(2 * DRAWS) + 1e-3)


def test_four_million_draws_in_r_agree(load_reference, effects):
    theirs = load_reference("path_mediation_monte_carlo")["monte_carlo"]
    for name, effect in effects.items():
        assert abs(effect.conf_low - theirs[name]["q025"]) < QUANTILE * theirs[name]["sd"]
        assert abs(effect.conf_high - theirs[name]["q975"]) < QUANTILE * theirs[name]["sd"]


def test_a_seed_settles_the_draws(mediation):
    result = sem.fit(MEDIATION, mediation)
    assert monte_carlo(result, seed=1) == monte_carlo(result, seed=1)
    assert monte_carlo(result, seed=1) != monte_carlo(result, seed=2)
    assert len(monte_carlo(result, seed=1).frame) == 2


def test_draws_have_the_covariance_even_when_it_is_singular():
    V = np.array([[2.0, 1.0, 3.0], [1.0, 1.0, 2.0], [3.0, 2.0, 5.0]])  # the third is the sum of the others
    drawn = normal_draws(np.array([1.0, 2.0, 3.0]), V, draws=200_000, seed=1)
    np.testing.assert_allclose(drawn[:, 0] + drawn[:, 1], drawn[:, 2], atol=1e-6)
    np.testing.assert_allclose(np.cov(drawn.T), V, atol=0.05)


def test_definitions_of_many_draws_are_those_of_one():
    frame_free = "Y ~ a*X + b*C\nd1 := exp(a) - sqrt(b^2)/2 + -log(abs(a*b))\nd2 := sin(d1)*cos(a) + tan(b)^3"
    from implstats.sem.language.syntax import parse_model
    from implstats.sem.language.table import build_table
    from implstats.sem.options import check_options

    options = check_options(
        kind="sem", estimator="ML", missing="listwise", group=None, group_equal=(), cluster=None, ordered=(),
        parameterization="delta", orthogonal=False, std_lv=False, meanstructure=None, ci_level=0.95,
    )  # fmt: skip
    table = build_table(parse_model(frame_free), options)
    rng = np.random.default_rng(2)
    columns = [rng.normal(size=5) for _ in table.rows]
    found = defined_many(table, columns)
    for r in range(5):
        values = {
            row.label: Dual(float(c[r]), np.zeros(0))
            for row, c in zip(table.rows, columns, strict=True)
            if row.label
        }
        for definition, drawn in zip(table.definitions, found, strict=True):
            values[definition.name] = evaluate(definition.tree, values, size=0)
            assert drawn[r] == pytest.approx(values[definition.name].value, rel=1e-12)


def test_robust_fits_draw_from_the_robust_covariance(mediation):
    skewed = mediation.assign(Y=np.exp(mediation["Y"]))
    for estimator in ("ML", "MLR"):
        result = sem.fit(MEDIATION, skewed, estimator=estimator)
        drawn = monte_carlo(result, draws=50_000, seed=1).effects[0].std_error
        a, b, delta = (next(p for p in result.parameters if p.label == name) for name in ("a", "b", "ind"))
        i, j = (result.free_names.index(name) for name in ("M1 ~ X", "Y ~ M1"))
        second = np.prod(np.diag(result.covariance)[[i, j]]) + result.covariance[i, j] ** 2
        # Exact variance of a product of normals (Goodman 1960): the delta method's and a second-order part.
        assert a.std_error > 0.0
        assert b.std_error > 0.0
        assert drawn == pytest.approx(np.sqrt(delta.std_error**2 + second), rel=4 / np.sqrt(2 * 50_000))


def test_undefined_draws_are_counted_and_said(mediation):
    model = "M1 ~ a*X\nr := sqrt(a - 0.5)"
    found = monte_carlo(sem.fit(model, mediation), seed=1)
    assert 0 < found.effects[0].n_draws < found.draws
    assert found.checks[0].status == "warn"
    assert f"r ({found.draws - found.effects[0].n_draws})" in found.checks[0].message


def test_nothing_defined_and_bad_options_are_refused(mediation):
    with pytest.raises(ModelError, match="indirect := a"):
        monte_carlo(sem.fit("M1 ~ X", mediation), seed=1)
    with pytest.raises(UsageError, match="at least 100"):
        monte_carlo(sem.fit(MEDIATION, mediation), draws=5, seed=1)
