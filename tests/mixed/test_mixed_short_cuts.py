"""Short cuts of the arithmetic give what the long way gives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from implstats.mixed.design import standardise as coordinates
from implstats.mixed.design.build import build_design
from implstats.mixed.design.formula import read_formula
from implstats.mixed.design.standardise import standardise
from implstats.mixed.gaussian import boundary, reduce
from implstats.mixed.gaussian.boundary import find_optimum
from implstats.mixed.gaussian.criterion import Problem
from implstats.mixed.gaussian.fit import set_up
from implstats.mixed.gaussian.optimise import start
from implstats.mixed.gaussian.pool import patterns
from implstats.mixed.gaussian.reduce import reduce_rows
from implstats.mixed.gaussian.scoring import scored

ROUNDING = 1e-12  # the same sums in another order
ONE_STEP = 1e-9  # scoring is exact in balanced data but for rounding; the optimum is known to 1e-8 of its SE
Design = Callable[..., pd.DataFrame]


def _problem(frame: pd.DataFrame, formula: str, *, reml: bool = True) -> Problem:
    made = build_design(read_formula(formula), frame, weights=None)
    return set_up(made, standardise(made), reml=reml)[1]


@pytest.mark.parametrize("guess", [0.2, 0.7, 2.0])
def test_scoring_is_the_optimum_of_balanced_data_from_any_guess(guess: float) -> None:
    rng = np.random.default_rng(1)
    inst = np.repeat(np.arange(12), 15)
    person = np.repeat(np.arange(60), 3)
    y = rng.normal(size=12)[inst] + rng.normal(size=60)[person] + rng.normal(size=180)
    frame = pd.DataFrame({"inst": inst, "person": person, "wave": np.tile(np.arange(3.0), 60), "y": y})
    problem = _problem(frame, "y ~ wave + (1 | inst) + (1 | person)")
    theta = scored(problem(start(problem.shape, guess)), problem)
    found = find_optimum(problem).search.at.theta
    assert np.abs(theta) == pytest.approx(np.abs(found), rel=ONE_STEP * 1e2)
    assert problem(theta).value == pytest.approx(problem(found).value, rel=ONE_STEP)


def test_columns_of_any_condition_span_the_same_space() -> None:
    # One round of Cholesky, two rounds, and Householder reflections must give one and the same projection.
    rng = np.random.default_rng(2)
    n = 400
    base = rng.normal(size=(n, 3))
    for closeness in (1.0, 3e-2, 1e-5):
        X = np.column_stack([np.ones(n), base[:, 0], base[:, 0] + closeness * base[:, 1], base[:, 2]])
        centred, _ = coordinates._centre(X, intercept=True)
        Q, T, kept = coordinates._thin_qr(centred)
        assert kept == [0, 1, 2, 3]
        assert pytest.approx(np.eye(4), abs=1e-11) == Q.T @ Q
        assert pytest.approx(Q, abs=1e-9) == centred @ T
        assert np.abs(np.tril(T, -1)).max() < 1e-14 * np.abs(T).max()  # LAPACK rounds below the diagonal


def test_sums_by_blocks_and_sparse_products_are_plain_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    n = 501
    lower = rng.integers(0, 40, size=n)
    Z = [np.column_stack([np.ones(n), rng.normal(size=n)]), rng.normal(size=(n, 1))]
    X, y = rng.normal(size=(n, 2)), rng.normal(size=n)
    codes, sizes = [lower, lower // 8], [40, 5]
    plain = reduce_rows(Z, X, y, codes=codes, sizes=sizes)
    monkeypatch.setattr(reduce, "SMALL_BLOCK", 1)
    monkeypatch.setattr(reduce, "CHUNK", 64)
    blocks = reduce_rows(Z, X, y, codes=codes, sizes=sizes)
    W = np.column_stack([Z[1], X, y])
    by_hand = np.array([Z[0][lower == c].T @ W[lower == c] for c in range(40)])
    for sums in (plain, blocks):
        assert pytest.approx(by_hand, abs=ROUNDING * n) == sums.ZW
        assert pytest.approx(np.column_stack([X, y]).T @ np.column_stack([X, y]), abs=ROUNDING * n) == sums.XX
    assert pytest.approx(plain.ZZ, abs=ROUNDING * n) == blocks.ZZ
    assert blocks.upper[0] == pytest.approx(plain.upper[0], abs=ROUNDING * n)


def test_counts_are_told_apart_as_any_numbers_are() -> None:
    counts = np.array([3.0, 5.0, 3.0, 1.0, 5.0])[:, None, None]
    for values in (counts, counts + 0.5):
        first, code = patterns(values)
        assert first.tolist() == [3, 0, 1]
        assert code.tolist() == [1, 2, 1, 0, 2]


def test_a_probe_that_does_not_rise_starts_further_searches(
    design: Design, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The probes spare further starts at a boundary; where they cannot tell, the starts must be searched.
    for seed in range(30):
        problem = _problem(design(seed, institutions=6, sd_institution=0.0), "y ~ wave + x + (1 | inst)")
        plain = find_optimum(problem)
        if plain.boundary:
            break
    assert plain.boundary
    assert plain.starts == 1
    monkeypatch.setattr(boundary, "_rises", lambda *_: False)
    thorough = find_optimum(problem)
    assert thorough.starts == 3
    assert thorough.search.at.value == pytest.approx(plain.search.at.value, abs=1e-9)
