"""What small fits do in fewer calls gives what the general way gives."""

import pickle

import numpy as np
import pandas as pd
import pytest

from implstats import mixed
from implstats.mixed.gaussian.eliminate import eliminate_above
from implstats.mixed.gaussian.lowest import eliminate_lowest
from implstats.mixed.gaussian.optimise import _bent
from implstats.mixed.gaussian.reduce import SMALL_TABLE, sum_by

ROUNDING = 1e-12  # relative; the same sums in another order


def frame(seed: int = 5, n: int = 240, clusters: int = 12) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    g = rng.integers(0, clusters, size=n)
    g[: 2 * clusters] = np.repeat(np.arange(clusters), 2)
    x = rng.normal(size=n)
    y = 1.0 + x + 0.5 * rng.normal(size=clusters)[g] + rng.normal(size=n)
    return pd.DataFrame({"y": y, "x": x, "g": g})


def test_one_parameter_elimination_is_the_general_one() -> None:
    fitted = mixed.fit("y ~ x + (1 | g)", frame()).model
    at, problem = fitted.optimum.search.at, fitted.problem
    own = eliminate_lowest(problem.moments, problem.shape, at.G[0])
    general = eliminate_above(problem.moments, problem.shape, at.G, *own)
    for name in ("value", "first", "second"):
        found, wanted = getattr(at.parts.N, name), getattr(general.N, name)
        np.testing.assert_allclose(found, wanted, rtol=ROUNDING, atol=ROUNDING)
        np.testing.assert_allclose(
            getattr(at.parts.logdet, name), getattr(general.logdet, name), rtol=ROUNDING
        )


@pytest.mark.parametrize("seed", range(20))
def test_corrected_step_ends_at_the_optimum(seed: int) -> None:
    """The last decrement promises less than 1e-16 deviance units, and the criterion is a minimum there."""
    result = mixed.fit("y ~ x + (1 | g)", frame(seed), df="none")
    assert result.converged
    assert result.optimiser.decrement <= 1e-16
    at, problem = result.model.optimum.search.at, result.model.problem
    for away in (-1e-3, 1e-3):
        assert problem(at.theta + away).value > at.value


def test_correction_beats_newton_and_stays_away_from_far_points() -> None:
    fitted = mixed.fit("y ~ x + (1 | g)", frame()).model
    problem, best = fitted.problem, fitted.optimum.search.at
    near, far = problem(best.theta * 1.001), problem(best.theta * 1.02)
    newton = -near.gradient / near.hessian[0]
    bent = _bent(far, near, newton)
    error = abs(float((near.theta + bent - best.theta)[0]))
    # The share of Newton's error that is left is of the order of the far point's error squared, 0.02^2.
    assert error < 0.01 * abs(float((near.theta + newton - best.theta)[0]))
    saddle_side = problem(best.theta * 1e-4)
    assert saddle_side.hessian[0, 0] < 0.0
    assert _bent(saddle_side, near, newton) is newton


@pytest.mark.parametrize("size", [1, 7, 400])
def test_sums_by_table_and_by_counting_agree(size: int) -> None:
    rng = np.random.default_rng(1)
    n = 50
    codes, values = rng.integers(0, size, size=n), rng.normal(size=(n, 3))
    assert (size * n <= SMALL_TABLE) == (size != 400)
    wanted = np.zeros((size, 3))
    np.add.at(wanted, codes, values)
    np.testing.assert_allclose(sum_by(codes, values, size=size), wanted, rtol=ROUNDING, atol=ROUNDING)


def test_deferred_modes_keep_the_ids_of_the_fit() -> None:
    data = frame()
    data.loc[3, "x"] = np.nan
    result, later = mixed.fit("y ~ x + (1 | g)", data), mixed.fit("y ~ x + (1 | g)", data)
    wanted = result.modes[0].ids["g"].copy()
    np.testing.assert_array_equal(wanted, np.arange(12))
    data["g"] = 0
    np.testing.assert_array_equal(later.modes[0].ids["g"], wanted)
    np.testing.assert_array_equal(later.modes[0].values, result.modes[0].values)
    assert len(later.modes) == 1


def test_results_with_deferred_modes_can_be_pickled() -> None:
    result = mixed.fit("y ~ x + (1 | g)", frame())
    again = pickle.loads(pickle.dumps(result))
    np.testing.assert_array_equal(again.modes[0].values, result.modes[0].values)
