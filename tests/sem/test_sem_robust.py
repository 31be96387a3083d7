"""Scaled tests against their definition, with the matrix of fourth moments that the code never forms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from implstats import sem


def fourth_moments(x):
    """Gamma of the distinct covariances (biased means of products), shape (p*, p*), and their (i, j)."""
    centred = x - x.mean(axis=0)
    row, col = np.tril_indices(x.shape[1])
    products = centred[:, row] * centred[:, col]
    deviations = products - products.mean(axis=0)
    return deviations.T @ deviations / len(x), row, col


def normal_weight(cov, row, col):
    """Inverse of the normal-theory covariance of the distinct moments at ``cov``."""
    return np.linalg.inv(
        cov[np.ix_(row, row)] * cov[np.ix_(col, col)] + cov[np.ix_(row, col)] * cov[np.ix_(col, row)]
    )


def scale_by_definition(cov, delta, gamma, row, col):
    weight = normal_weight(cov, row, col)
    middle = weight @ delta
    residual = weight - middle @ np.linalg.inv(delta.T @ middle) @ middle.T
    return np.trace(residual @ gamma) / (len(row) - delta.shape[1])


def test_satorra_bentler_scale_of_model_and_baseline(hs, three_factors):
    result = sem.fit(three_factors, hs, kind="cfa", estimator="MLM")
    x = hs[list(result.moments.observed)].to_numpy()
    gamma, row, col = fourth_moments(x)
    p = x.shape[1]
    baseline = np.zeros((len(row), p))
    baseline[row == col, np.arange(p)] = 1.0
    diagonal = np.diag(np.diag(result.moments.sample_cov))
    expected = scale_by_definition(diagonal, baseline, gamma, row, col)
    # Same formula by another route: only rounding may differ.
    assert result.fit["baseline.chisq.scaling.factor"] == pytest.approx(expected, rel=1e-10)

    loadings = np.zeros((p, 3))
    value = {p_.name: p_.estimate for p_ in result.parameters}
    factors = [("visual", (0, 1, 2)), ("textual", (3, 4, 5)), ("speed", (6, 7, 8))]
    phi = result.moments.latent_cov
    for f, (name, items) in enumerate(factors):
        for i in items:
            loadings[i, f] = value[f"{name} =~ x{i + 1}"]
    columns = []
    for f, (_, items) in enumerate(factors):
        for i in items[1:]:
            change = np.zeros((p, 3))
            change[i, f] = 1.0
            columns.append(change @ phi @ loadings.T + loadings @ phi @ change.T)
    columns += [np.diag(np.eye(p)[i]) for i in range(p)]
    for a in range(3):
        for b in range(a + 1):
            change = np.zeros((3, 3))
            change[a, b] = change[b, a] = 1.0
            columns.append(loadings @ change @ loadings.T)
    delta = np.array([c[row, col] for c in columns]).T
    expected = scale_by_definition(result.moments.implied_cov, delta, gamma, row, col)
    assert result.fit["chisq.scaling.factor"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("estimator", ["MLR", "MLM"])
def test_robust_estimators_change_no_estimate(hs, three_factors, estimator):
    plain, robust = sem.fit(three_factors, hs), sem.fit(three_factors, hs, estimator=estimator)
    for a, b in zip(plain.parameters, robust.parameters, strict=True):
        assert a.estimate == b.estimate
    assert robust.fit["chisq"] == plain.fit["chisq"]
    assert robust.fit["chisq.scaled"] != plain.fit["chisq"]


def test_normal_data_need_no_scaling():
    rng = np.random.default_rng(4)
    n = 20000
    factor = rng.normal(size=(n, 1))
    frame = pd.DataFrame(factor * 0.7 + rng.normal(size=(n, 5)), columns=list("abcde"))
    for estimator in ("MLR", "MLM"):
        result = sem.fit("f =~ a + b + c + d + e", frame, estimator=estimator)
        # Kurtosis of 20,000 normal persons is within a few hundredths of its expectation.
        assert result.fit["chisq.scaling.factor"] == pytest.approx(1, abs=0.05)
