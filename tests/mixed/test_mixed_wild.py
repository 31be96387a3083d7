"""Wild cluster bootstrap and permutation of clusters, against brute force on rows."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import sqrtm

from implstats import mixed
from implstats.errors import DataError, ModelError, NotSupportedError, UsageError
from implstats.mixed.resampling.arrangements import all_arrangements, n_arrangements

ROUNDING = 1e-8  # matrix roots on both sides


def _frame(J: int = 7, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    inst = np.repeat(np.arange(J), rng.integers(3, 8, size=J))
    frame = pd.DataFrame({"inst": inst, "x": rng.normal(size=len(inst))})
    frame["arm"] = (inst % 2).astype(float)
    frame["size"] = rng.normal(size=J)[inst]
    frame["y"] = 0.5 * frame["x"] + 0.6 * rng.normal(size=J)[inst] + rng.normal(size=len(inst))
    return frame


def _theta(frame: pd.DataFrame, result: mixed.MixedResult, working: str) -> np.ndarray:
    """Return the working covariance of all rows, relative to the residual variance."""
    n = len(frame)
    if working == "ols":
        return np.eye(n)
    variance, residual = result.random[0].covariance, result.residual_variance
    assert variance is not None
    assert residual is not None
    code = frame["inst"].to_numpy()
    return np.eye(n) + variance / residual * (code[:, None] == code[None])


def _robust_t(
    y: np.ndarray, X: np.ndarray, V: np.ndarray, code: np.ndarray, k: int, null: float, kind: str
) -> tuple[float, float]:
    """Return the estimate and t with a CR1 or CR2 variance, by the definitions, rows and all."""
    W = np.linalg.inv(V)
    C = np.linalg.inv(X.T @ W @ X)
    b = C @ X.T @ W @ y
    e = y - X @ b
    total = 0.0
    for j in np.unique(code):
        rows = code == j
        Xj, Vj = X[rows], V[np.ix_(rows, rows)]
        A = np.eye(rows.sum())
        if kind == "CR2":
            D = np.linalg.cholesky(Vj).T
            B = D @ (Vj - Xj @ C @ Xj.T) @ D.T
            A = D.T @ np.linalg.inv(np.real(sqrtm(B))) @ D
        total += float((C @ Xj.T @ np.linalg.inv(Vj) @ A @ e[rows])[k]) ** 2
    J = len(np.unique(code))
    factor = J / (J - 1) if kind == "CR1" else 1.0
    return float(b[k]), float((b[k] - null) / np.sqrt(factor * total))


@pytest.mark.parametrize("kind", ["CR1", "CR2"])
@pytest.mark.parametrize("working", ["gls", "ols"])
@pytest.mark.parametrize("null", ["imposed", "free"])
@pytest.mark.parametrize("term", ["x", "arm"])
def test_all_rademacher_draws_are_those_of_brute_force(term: str, null: str, working: str, kind: str) -> None:
    frame = _frame(J=6)
    result = mixed.fit("y ~ x + arm + (1 | inst)", frame)
    X = np.column_stack([np.ones(len(frame)), frame["x"], frame["arm"]])
    y, code, k = frame["y"].to_numpy(), frame["inst"].to_numpy(), result.terms.index(term)
    V = _theta(frame, result, working)
    W = np.linalg.inv(V)
    value = 0.3
    b, t = _robust_t(y, X, V, code, k, value, kind)
    C = np.linalg.inv(X.T @ W @ X)
    full = C @ X.T @ W @ y
    restricted = full - C[:, k] * (full[k] - value) / C[k, k] if null == "imposed" else full
    e = y - X @ restricted
    target = value if null == "imposed" else full[k]
    reach = 0
    for g in product([-1.0, 1.0], repeat=6):
        star = X @ restricted + np.array(g)[code] * e
        reach += abs(_robust_t(star, X, V, code, k, target, kind)[1]) >= abs(t) * (1 - 1e-7)
    found = mixed.wild_bootstrap(
        result, term, weights="rademacher", seed=1, null=null, working=working, kind=kind, null_value=value
    )
    assert found.estimate == pytest.approx(b, abs=ROUNDING)
    assert found.statistic == pytest.approx(t, rel=1e-6)
    assert found.enumerated
    assert found.n_distinct == found.draws == 32
    assert found.p_value == max(reach / 64, 1 / 32)
    assert found.smallest_p == 1 / 32


def test_gls_cr2_statistic_is_that_of_the_robust_fit() -> None:
    frame = _frame(J=12)
    robust = mixed.fit("y ~ x + arm + (1 | inst)", frame, robust="CR2")
    for effect in robust.fixed:
        found = mixed.wild_bootstrap(mixed.fit("y ~ x + arm + (1 | inst)", frame), effect.term, seed=1)
        assert found.std_error == pytest.approx(effect.std_error, rel=ROUNDING)
        assert found.statistic == pytest.approx(effect.statistic, rel=ROUNDING)


def test_the_interval_holds_what_the_test_does_not_reject() -> None:
    frame = _frame(J=12)
    result = mixed.fit("y ~ x + arm + (1 | inst)", frame)
    found = mixed.wild_bootstrap(result, "x", weights="rademacher", seed=1)
    assert found.conf_low is not None
    assert found.conf_high is not None
    width = found.conf_high - found.conf_low
    assert found.conf_low < found.estimate < found.conf_high
    for end, out in ((found.conf_low, -1.0), (found.conf_high, 1.0)):
        for step, expected in ((1e-6, True), (-1e-6, False)):
            p = mixed.wild_bootstrap(
                result, "x", weights="rademacher", seed=1, null_value=end + out * step * width
            ).p_value
            assert (p <= 0.05) is expected


def test_draws_do_not_depend_on_the_order_of_rows_or_the_unit() -> None:
    frame = _frame(J=16)
    shuffled = frame.sample(frac=1.0, random_state=2)
    one, two = (
        mixed.wild_bootstrap(mixed.fit("y ~ x + arm + (1 | inst)", f), "arm", seed=5)
        for f in (frame, shuffled)
    )
    assert not one.enumerated
    assert one.p_value == two.p_value
    assert one.conf_low == pytest.approx(two.conf_low, abs=1e-6)
    scaled = frame.assign(y=1000.0 * frame["y"] + 7.0)
    three = mixed.wild_bootstrap(mixed.fit("y ~ x + arm + (1 | inst)", scaled), "arm", seed=5)
    assert three.p_value == one.p_value
    assert three.conf_high == pytest.approx(1000.0 * one.conf_high, rel=1e-5)
    assert one.n_distinct == 6**16 // 2
    assert one.smallest_p == pytest.approx(1e-4)


def test_the_size_of_the_wild_bootstrap_is_held_where_z_rejects_too_often() -> None:
    # 10 clusters, a cluster-level effect of zero, 300 data sets: standard error of the rate 0.0126 at 0.05.
    rng = np.random.default_rng(11)
    inst = np.repeat(np.arange(10), 8)
    frame = pd.DataFrame({"inst": inst, "arm": (inst % 2).astype(float)})
    wild, z = 0, 0
    for _ in range(300):
        frame["y"] = 0.6 * rng.normal(size=10)[inst] + rng.normal(size=80)
        result = mixed.fit("y ~ arm + (1 | inst)", frame, df="none")
        wild += mixed.wild_bootstrap(result, "arm", weights="rademacher", seed=1).p_value <= 0.05
        z += abs(result.fixed[1].statistic) > 1.959964
    assert 0.05 - 3 * 0.0126 < wild / 300 < 0.05 + 3 * 0.0126
    assert z / 300 > wild / 300


def test_wild_bootstrap_refuses_what_it_cannot_do() -> None:
    frame = _frame(J=7)
    result = mixed.fit("y ~ x + arm + (1 | inst)", frame)
    with pytest.raises(UsageError, match="did you mean 'arm'"):
        mixed.wild_bootstrap(result, "arn", seed=1)
    with pytest.raises(UsageError, match="weights is one of"):
        mixed.wild_bootstrap(result, "x", weights="mammen", seed=1)
    with pytest.raises(UsageError, match="3 finite weights"):
        mixed.wild_bootstrap(result, [1.0, 2.0], seed=1)
    with pytest.raises(DataError, match="at least 6 clusters"):
        mixed.wild_bootstrap(mixed.fit("y ~ x + (1 | inst)", frame[frame["inst"] < 5]), "x", seed=1)
    lone = mixed.fit("y ~ x + lone + (1 | inst)", frame.assign(lone=(frame["inst"] == 2) * 1.0))
    with pytest.raises(ModelError, match="One cluster alone determines"):
        mixed.wild_bootstrap(lone, "lone", seed=1)


def test_a_permutation_test_is_that_of_brute_force() -> None:
    # Brute force: the score statistic by generalised least squares on rows, with the V of the model without
    # the term, for every arrangement of the arms over the clusters.
    frame = _frame(J=7)
    result = mixed.fit("y ~ x + arm + (1 | inst)", frame)
    null = mixed.fit("y ~ x + (1 | inst)", frame)
    W = np.linalg.inv(_theta(frame, null, "gls"))
    X, y = np.column_stack([np.ones(len(frame)), frame["x"]]), frame["y"].to_numpy()
    P = W - W @ X @ np.linalg.inv(X.T @ W @ X) @ X.T @ W
    code = frame["inst"].to_numpy()
    arms = frame.groupby("inst")["arm"].first().to_numpy()

    def statistic(values: np.ndarray) -> float:
        x = values[code]
        return float((x @ P @ y) ** 2 / (x @ P @ x) / null.residual_variance)  # type: ignore[operator]

    observed = statistic(arms)
    drawn = np.array([statistic(a) for block in all_arrangements(arms.astype(int)) for a in block])
    found = mixed.permutation(result, "arm", seed=1)
    assert found.n_arrangements == len(drawn) == 35
    assert found.statistic == pytest.approx(observed, rel=1e-6)
    assert found.p_value == np.mean(drawn >= observed * (1 - 1e-9))
    assert found.smallest_p == pytest.approx(1 / 35)


def test_a_sampled_permutation_of_a_continuous_term_depends_on_the_seed_alone() -> None:
    frame = _frame(J=9)
    result = mixed.fit("y ~ x + size + (1 | inst)", frame)
    shuffled = mixed.fit("y ~ x + size + (1 | inst)", frame.sample(frac=1.0, random_state=1))
    one, two = (
        mixed.permutation(result, "size", seed=2, draws=999),
        mixed.permutation(shuffled, "size", seed=2, draws=999),
    )
    assert one.p_value == two.p_value
    assert not one.enumerated
    assert one.n_arrangements == 362880
    assert one.smallest_p == 0.001


def test_a_factor_of_three_arms_is_permuted_as_a_whole() -> None:
    frame = _frame(J=9)
    frame["group"] = np.array(["a", "b", "c"])[frame["inst"] % 3]
    found = mixed.permutation(mixed.fit("y ~ x + group + (1 | inst)", frame), "group", seed=1)
    assert found.df == 2
    assert found.n_arrangements == 1680
    assert found.enumerated
    # Renaming the arms gives the same statistic, so at least 3! arrangements share it.
    assert found.smallest_p >= 6 / 1680 - 1e-12


def test_permutation_refuses_what_has_no_meaning() -> None:
    frame = _frame(J=8)
    result = mixed.fit("y ~ x + arm + (1 | inst)", frame)
    with pytest.raises(NotSupportedError, match="varies within"):
        mixed.permutation(result, "x", seed=1)
    with pytest.raises(UsageError, match="did you mean 'arm'"):
        mixed.permutation(result, "amr", seed=1)
    with pytest.raises(NotSupportedError, match="x:arm"):
        mixed.permutation(mixed.fit("y ~ x * arm + (1 | inst)", frame), "arm", seed=1)


def test_arrangements_are_all_distinct(design: Callable[..., pd.DataFrame]) -> None:
    labels = np.array([0, 1, 1, 2, 2, 2])
    found = np.concatenate(list(all_arrangements(labels)))
    assert len(found) == n_arrangements(labels) == 60
    assert len(np.unique(found, axis=0)) == 60
