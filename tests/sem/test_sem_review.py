"""What random models beside lavaan 0.6-14 brought to light, as properties that need no reference.

Hundreds of random models were compared; these are the places where the two differed and a proof decides.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from implstats import sem
from implstats.sem.model.starts import start_values
from implstats.sem.options import check_options
from implstats.sem.prepare import prepare

ITEMS = [f"{factor}{k}" for factor in "ab" for k in range(1, 5)]
BIFACTOR = "A =~ a1 + a2 + a3 + a4\nB =~ b1 + b2 + b3 + b4\nG =~ " + " + ".join(ITEMS)
TWO = "A =~ a1 + a2 + a3 + a4 + b2\nB =~ b1 + b2 + b3 + b4"
# Two fits of the same numbers: what is left is rounding of the search.
SAME = 1e-8


@pytest.fixture(scope="module")
def ordered():
    """400 persons, eight items of three ordered answers, two factors and a general one."""
    rng = np.random.default_rng(20261123)
    f = rng.normal(size=(400, 3))
    y = 0.6 * np.repeat(f[:, :2], 4, axis=1) + 0.4 * f[:, 2:] + 0.7 * rng.normal(size=(400, 8))
    return pd.DataFrame(np.digitize(y, [-0.5, 0.6]) + 1, columns=ITEMS)


@pytest.fixture(scope="module")
def twice(ordered):
    """The same persons as two groups."""
    return pd.concat([ordered.assign(school="A"), ordered.assign(school="B")], ignore_index=True)


@pytest.mark.parametrize("name", ["cfi.robust", "tli.robust", "rmsea.robust", "cfi.scaled", "wrmr", "srmr"])
def test_two_groups_of_the_same_persons_fit_as_one(ordered, twice, name):
    """lavaan takes cfi.robust of groups lower (.835 for .853), wrmr larger by the root of their number."""
    one = sem.fit(TWO, ordered, ordered=ITEMS).fit[name]
    both = sem.fit(TWO, twice, ordered=ITEMS, group="school").fit[name]
    assert both == pytest.approx(one, rel=1e-6)


def test_residuals_of_a_group_are_those_of_the_group_by_itself(ordered, twice):
    """lavaan's z of ordered groups is larger by the root of their number than its own z of one group."""
    one = sem.residuals(sem.fit(TWO, ordered, ordered=ITEMS), "cor.bentler").rows
    both = sem.residuals(sem.fit(TWO, twice, ordered=ITEMS, group="school"), "cor.bentler").rows
    first = {(r.lhs, r.op, r.rhs): r for r in both if r.group == "A"}
    compared = 0
    for row in one:
        if row.std_error is None:
            continue
        other = first[row.lhs, row.op, row.rhs]
        assert other.value == pytest.approx(row.value, abs=SAME)
        assert other.std_error == pytest.approx(row.std_error, rel=1e-6)
        compared += 1
    assert compared == 28


def test_a_bifactor_model_is_found_from_a_start_that_shares_the_common_variance():
    """lavaan calls a loading of 226 an optimum here: less and less is gained on the way to infinity."""
    rng = np.random.default_rng(5)
    f = rng.normal(size=(400, 3))
    y = 0.45 * np.repeat(f[:, :2], 4, axis=1) + 0.6 * f[:, 2:] + 0.65 * rng.normal(size=(400, 8))
    data = pd.DataFrame((y > rng.uniform(-0.6, 0.6, size=8)) + 1, columns=ITEMS)
    result = sem.fit(BIFACTOR, data, ordered=ITEMS, orthogonal=True, std_lv=True)
    assert result.verdict == "ok"
    assert result.optimiser.start == 3
    assert max(abs(p.estimate) for p in result.parameters if p.op == "=~") < 1


def test_shared_starts_are_the_same_however_loadings_are_labelled():
    """A loading that several rows share is halved once."""
    rng = np.random.default_rng(2)
    f = rng.normal(size=(500, 3))
    y = 0.6 * np.repeat(f[:, :2], 4, axis=1) + 0.7 * f[:, 2:] + 0.6 * rng.normal(size=(500, 8))
    data = pd.DataFrame(y, columns=ITEMS)
    equal = "A =~ u*a1 + u*a2 + u*a3 + u*a4\nB =~ v*b1 + v*b2 + v*b3 + v*b4\nG =~ " + " + ".join(ITEMS)
    options = check_options(
        kind="cfa", estimator="ML", missing="listwise", group=None, group_equal=(), cluster=None, ordered=(),
        parameterization="delta", orthogonal=True, std_lv=True, meanstructure=None, ci_level=0.95,
    )  # fmt: skip
    problem = prepare(equal, options, data=data)
    starts = list(start_values(problem.table, problem.structures, [g.moments for g in problem.sample.groups]))
    assert len(starts) == 3
    loadings = np.array([("=~" in name) for name in problem.table.free_names()])
    np.testing.assert_allclose(starts[2][loadings], starts[1][loadings] / np.sqrt(2))


def test_a_loading_that_is_fixed_gains_what_its_index_says():
    """Met in a growth model with a negative variance: lavaan's index is .004, chi-square falls by 2.7."""
    rng = np.random.default_rng(11)
    t = np.arange(5.0)
    i, s = rng.normal(size=(2, 700, 1))
    y = 2 + i + (0.5 + 0.4 * s + 0.1 * i) * t + 0.7 * rng.normal(size=(700, 5))
    y[:, 3] += 0.05 * i[:, 0]
    data = pd.DataFrame(y, columns=[f"t{k}" for k in range(5)])
    growth = (
        "i =~ "
        + " + ".join(f"1*t{k}" for k in range(5))
        + "\ns =~ "
        + " + ".join(f"{k}*t{k}" for k in range(5))
    )
    result = sem.fit(growth, data, kind="growth")
    index = next(r for r in sem.modification_indices(result).rows if (r.lhs, r.rhs) == ("s", "t3"))
    free = sem.fit(growth.replace("3*t3", "NA*t3 + start(3)*t3"), data, kind="growth")
    assert free.fit["df"] == result.fit["df"] - 1
    # A score test and a likelihood ratio agree to first order only.
    assert index.mi == pytest.approx(result.fit["chisq"] - free.fit["chisq"], rel=0.15, abs=0.05)
    change = next(p.estimate for p in free.parameters if (p.lhs, p.rhs) == ("s", "t3")) - 3
    assert index.epc == pytest.approx(change, rel=0.15, abs=0.005)
