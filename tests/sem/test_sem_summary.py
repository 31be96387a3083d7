"""A covariance matrix with n gives what the persons behind it give; what it cannot bear is said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from implstats import sem
from implstats.errors import DataError, NotSupportedError, UsageError

# The same moments by another way; only rounding of their computation differs.
ROUNDING = 1e-9
ITEMS = [f"x{k}" for k in range(1, 10)]


@pytest.fixture
def cov(hs):
    return hs[ITEMS].cov()


@pytest.mark.parametrize("with_means", [False, True])
def test_the_matrix_gives_what_the_persons_give(hs, cov, three_factors, with_means):
    raw = sem.fit(three_factors, hs, kind="cfa", meanstructure=with_means or None)
    means = hs[ITEMS].mean() if with_means else None
    ours = sem.fit(three_factors, cov=cov, n=301, means=means, kind="cfa")
    assert ours.n_free == raw.n_free
    for name, value in raw.fit.items():
        assert ours.fit[name] == pytest.approx(value, rel=ROUNDING, abs=ROUNDING), name
    for p, q in zip(ours.parameters, raw.parameters, strict=True):
        assert p.estimate == pytest.approx(q.estimate, abs=ROUNDING)
        assert p.std_error == pytest.approx(q.std_error, abs=ROUNDING)
    assert any(c.name == "summary" and "301 persons" in c.message for c in ours.checks)
    assert not any("answered everything" in c.message for c in ours.checks)


def test_a_lower_triangle_and_another_order_are_enough(cov, three_factors):
    lower = cov.where(np.tril(np.ones((9, 9), dtype=bool)))
    turned = cov.loc[ITEMS[::-1], ITEMS[::-1]]
    whole = sem.fit(three_factors, cov=cov, n=301, kind="cfa")
    for table in (lower, turned, cov.assign(extra=0.0).reindex([*ITEMS, "extra"]).fillna(1.0)):
        assert sem.fit(three_factors, cov=table, n=301, kind="cfa").fit["chisq"] == pytest.approx(
            whole.fit["chisq"], rel=1e-10
        )


def test_a_correlation_matrix_is_a_caution(hs, cov, three_factors):
    correlations = sem.fit(three_factors, cov=hs[ITEMS].corr(), n=301, kind="cfa")
    said = next(c for c in correlations.checks if c.name == "correlations")
    assert (said.status, correlations.verdict) == ("warn", "caution")
    covariances = sem.fit(three_factors, cov=cov, n=301, kind="cfa")
    # This model does not change with scale, so fit and standardised values are those of the covariances.
    assert correlations.fit["chisq"] == pytest.approx(covariances.fit["chisq"], rel=1e-9)
    for p, q in zip(correlations.parameters, covariances.parameters, strict=True):
        assert p.std_all == pytest.approx(q.std_all, abs=1e-7)
    assert covariances.verdict == "ok"


NEEDS_PERSONS = [
    {"estimator": "MLR"},
    {"estimator": "WLSMV"},
    {"missing": "fiml"},
    {"group": "school"},
    {"cluster": "school"},
    {"ordered": ["x1"]},
]


@pytest.mark.parametrize("options", NEEDS_PERSONS)
def test_what_needs_persons_is_refused_by_name(cov, three_factors, options):
    word = next(iter(options))
    with pytest.raises(NotSupportedError, match=word):
        sem.fit(three_factors, cov=cov, n=301, kind="cfa", **options)


def spoiled(cov, row, col, value, *, both=True):
    table = cov.copy()
    table.loc[row, col] = value
    if both:
        table.loc[col, row] = value
    return table


BAD = [
    (lambda c: spoiled(c, "x1", "x2", 9.0), DataError, "not positive definite"),
    (lambda c: spoiled(c, "x1", "x2", 0.1, both=False), DataError, "not symmetric: x1 and x2|x2 and x1"),
    (lambda c: spoiled(c, "x3", "x3", 0.0), DataError, "x3 a variance that is not positive"),
    (lambda c: spoiled(c, "x3", "x4", np.nan), DataError, "no number for x3 and x4"),
    (lambda c: c.iloc[:, :8], UsageError, "square"),
    (lambda c: c.drop(index="x5", columns="x5"), DataError, "'x5' is not in cov"),
    (lambda c: c.rename(index={"x1": "visual"}, columns={"x1": "visual"}), DataError, "latent in the model"),
    (lambda c: c.to_numpy(), UsageError, "DataFrame with the variables' names"),
]


@pytest.mark.parametrize(("spoil", "kind", "words"), BAD)
def test_matrices_that_cannot_be_are_named(cov, three_factors, spoil, kind, words):
    with pytest.raises(kind, match=words):
        sem.fit(three_factors, cov=spoil(cov), n=301, kind="cfa")


WRONG = [
    ({}, "needs n"),
    ({"n": 301.0}, "needs n"),
    ({"n": 301, "meanstructure": True}, "Give means"),
    ({"n": 301, "means": {"x1": 1.0}}, "no value for x2"),
    ({"n": 301, "data": pd.DataFrame({"x1": [1.0]})}, "either data"),
]


@pytest.mark.parametrize(("options", "words"), WRONG)
def test_incomplete_requests_are_said(cov, three_factors, options, words):
    with pytest.raises((UsageError, DataError), match=words):
        sem.fit(three_factors, cov=cov, kind="cfa", **options)


def test_too_few_persons_and_numbers_beside_a_frame_are_said(hs, cov, three_factors):
    with pytest.raises(DataError, match="n is 9 for 9 variables"):
        sem.fit(three_factors, cov=cov, n=9, kind="cfa")
    with pytest.raises(UsageError, match="go with cov"):
        sem.fit(three_factors, hs, n=301, kind="cfa")
    with pytest.raises(UsageError, match="either data"):
        sem.fit(three_factors)


def test_nested_models_of_one_matrix_can_be_compared(cov, three_factors):
    free = sem.fit(three_factors, cov=cov, n=301, kind="cfa")
    alone = sem.fit(three_factors, cov=cov, n=301, kind="cfa", orthogonal=True)
    test = sem.compare(free, alone)
    assert test.df == 3
    assert test.chisq == pytest.approx(alone.fit["chisq"] - free.fit["chisq"], rel=1e-12)
