"""Gradient, exact Hessian and expected information against differences, on a model that uses every matrix."""

from __future__ import annotations

import numpy as np
import pytest

from implstats.sem.data.sample import take_sample
from implstats.sem.estimators.ml import evaluate_ml
from implstats.sem.estimators.optimise import minimise
from implstats.sem.language.syntax import parse_model
from implstats.sem.language.table import build_table
from implstats.sem.model.matrices import build_structure, fill_sample_moments
from implstats.sem.model.starts import start_values
from implstats.sem.options import check_options

# Loadings, second order, regressions among latent and observed, an indicator with a predictor, a residual
# covariance between an indicator and an outcome, equal loadings, means, and a non-recursive pair.
EVERYTHING = """
f =~ a + k*b + k*c
g =~ d + e + h
s =~ f + 0.8*g
f ~ x
a ~ z
y ~ f + x
w ~ g + y
y ~ w
d ~~ y
b ~~ c
a ~ 1
f ~ 1
"""
OBSERVED = "abcdehxzyw"


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(11)
    n = 300
    values = rng.normal(size=(n, 10)) @ (np.eye(10) + 0.3 * rng.normal(size=(10, 10))) + rng.normal(size=10)
    options = check_options(
        kind="sem",
        estimator="ML",
        missing="listwise",
        group=None,
        group_equal=(),
        cluster=None,
        ordered=(),
        parameterization="delta",
        orthogonal=False,
        std_lv=False,
        meanstructure=True,
        ci_level=0.95,
    )
    table = build_table(parse_model(EVERYTHING), options)
    structure = build_structure(table)
    order = [OBSERVED.index(name) for name in structure.observed]
    sample = take_sample(values[:, order], structure.observed, table.names.x).moments
    fill_sample_moments(structure, sample.cov, sample.mean)
    theta = next(start_values(table, (structure,), (sample,)))
    theta = theta + 0.05 * rng.normal(size=len(theta))
    return structure, sample, theta


def differences(function, theta, step=1e-5):
    """Central differences of a vector function: (q, ...) array."""
    columns = []
    for k in range(len(theta)):
        move = np.zeros_like(theta)
        move[k] = step
        columns.append((function(theta + move) - function(theta - move)) / (2 * step))
    return np.array(columns)


# Central differences with step 1e-5 keep about nine digits of values of order one to ten.
DIFFERENCE = 2e-7


def test_gradient(problem):
    structure, sample, theta = problem
    exact = evaluate_ml(structure, sample, theta, "expected").gradient
    numeric = differences(lambda t: evaluate_ml(structure, sample, t, "none").value, theta)
    scale = np.abs(exact).max()
    np.testing.assert_allclose(exact, numeric, atol=DIFFERENCE * scale)


def test_exact_hessian(problem):
    structure, sample, theta = problem
    exact = 2 * evaluate_ml(structure, sample, theta, "observed").information
    numeric = differences(lambda t: evaluate_ml(structure, sample, t, "expected").gradient, theta)
    np.testing.assert_allclose(exact, numeric, atol=DIFFERENCE * np.abs(exact).max())


def test_expected_information_is_the_hessian_where_the_model_is_true(problem):
    structure, sample, theta = problem
    moments = evaluate_ml(structure, sample, theta, "expected").moments
    perfect = type(sample)(cov=moments.cov, mean=moments.mean, n=sample.n, log_det=sample.log_det)
    expected = evaluate_ml(structure, perfect, theta, "expected").information
    observed = evaluate_ml(structure, perfect, theta, "observed").information
    np.testing.assert_allclose(expected, observed, atol=1e-10 * np.abs(observed).max())


def test_the_search_finds_the_truth_from_population_moments(problem):
    structure, sample, theta = problem
    moments = evaluate_ml(structure, sample, theta, "expected").moments
    perfect = type(sample)(cov=moments.cov, mean=moments.mean, n=sample.n, log_det=sample.log_det)
    rng = np.random.default_rng(3)
    found = minimise(
        lambda t, m: evaluate_ml(structure, perfect, t, m), theta * rng.uniform(0.95, 1.05, len(theta))
    )
    # The model leaves a direction nearly free, so the moments are compared, not the parameters.
    np.testing.assert_allclose(found.evaluation.moments.cov, perfect.cov, atol=1e-6)
    np.testing.assert_allclose(found.evaluation.moments.mean, perfect.mean, atol=1e-6)
    assert found.max_gradient < 1e-7
