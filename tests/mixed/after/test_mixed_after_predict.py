"""Predictions: lme4's values, standard errors by brute force, remembered columns, bad new data."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from implstats import mixed
from implstats.errors import DataError, NotSupportedError, ProblemsError, UsageError

NAMES = ["waves_by_arm", "polynomial_slope", "growth_ml", "sleep_weights", "crossed"]
IN_SD = 1e-6  # in residual SDs; theta, hence the modes, are known to the root of the criterion's 1e-8 or so
COLUMNS = 1e-10  # columns rebuilt from the same numbers
BRUTE = 1e-8
BRUTE_DF = 1e-4  # second differences of a dense criterion leave about five digits


@pytest.mark.parametrize("name", NAMES)
def test_values_equal_lme4(name: str, after: Callable, fitted: Callable) -> None:
    theirs, _ = after(name)
    result, new = fitted(name), pd.DataFrame(theirs["new"])
    limit = IN_SD * np.sqrt(theirs["sigma2"])
    levels = theirs["predict_partial"]["levels"]
    for random, values in [
        ("none", theirs["predict_none"]), ("conditional", theirs["predict_conditional"]),
        ((levels,), theirs["predict_partial"]["values"]), (levels, theirs["predict_partial"]["values"]),
    ]:  # fmt: skip
        assert mixed.predict(result, new, random=random).values == pytest.approx(values, abs=limit)
    n = len(theirs["fitted"])
    assert mixed.predict(result).values[:n] == pytest.approx(theirs["fitted"], abs=limit)


def dense(result: mixed.MixedResult, s2G: list[np.ndarray], s2: float) -> tuple[np.ndarray, ...]:
    """Return V, Z and the blocks' covariance with the outcome's own units; G in the columns' own."""
    model = result.model
    assert model is not None
    Zs, Gs = [], []
    for level, g in zip(model.design.levels, s2G, strict=True):
        q, size, n = len(level.names), level.clusters.size, len(model.design.y)
        Z = np.zeros((n, size * q))
        for k in range(q):
            Z[np.arange(n), level.clusters.codes * q + k] = level.Z[:, k]
        Zs.append(Z)
        Gs.append(np.kron(np.eye(size), g))
    Z = np.column_stack(Zs)
    G = np.zeros((Z.shape[1],) * 2)
    at = 0
    for block in Gs:
        G[at : at + len(block), at : at + len(block)] = block
        at += len(block)
    w = model.design.weights
    R = s2 / (np.ones(len(Z)) if w is None else w)
    return Z @ G @ Z.T + np.diag(R), Z, G


def error(result: mixed.MixedResult, s2G: list[np.ndarray], s2: float, row: int) -> float:
    """Return Var(x'b_hat + z'u_hat - x'b - z'u) of one row of the fit, from the dense V."""
    V, Z, G = dense(result, s2G, s2)
    X = result.model.design.X
    Vi = np.linalg.inv(V)
    C = np.linalg.inv(X.T @ Vi @ X)
    x, z = X[row], Z[row]
    c = Z @ G @ z
    rest = x - X.T @ Vi @ c
    return float(z @ G @ z - c @ Vi @ c + rest @ C @ rest)


def test_conditional_errors_and_df_equal_dense_algebra() -> None:
    rng = np.random.default_rng(7)
    g = np.repeat(np.arange(9), 6)
    x = rng.normal(size=54)
    y = 1 + 0.5 * x + rng.normal(size=9)[g] + rng.normal(size=54)
    result = mixed.fit("y ~ x + (1 | g)", pd.DataFrame({"y": y, "x": x, "g": g}), df="satterthwaite")
    variance, s2 = result.random[0].covariance, result.residual_variance
    found = mixed.predict(result, interval="confidence")
    X = result.model.design.X

    def criterion(v: np.ndarray) -> float:
        V, _, _ = dense(result, [np.array([[v[0]]])], v[1])
        Vi = np.linalg.inv(V)
        N = X.T @ Vi @ X
        rest = y - X @ np.linalg.solve(N, X.T @ Vi @ y)
        return float(np.linalg.slogdet(V)[1] + np.linalg.slogdet(N)[1] + rest @ Vi @ rest)

    at, h = np.array([variance, s2]), 1e-3
    moves = [(a + b, a - b) for a in np.eye(2) for b in np.eye(2)]
    second = [
        criterion(at + h * both)
        + criterion(at - h * both)
        - criterion(at + h * one)
        - criterion(at - h * one)
        for both, one in moves
    ]
    H = np.array(second).reshape(2, 2) / (4 * h * h)
    for row in (0, 20, 53):
        v = error(result, [np.array([[variance]])], s2, row)
        slope = np.array([
            (error(result, [np.array([[variance + h * a]])], s2 + h * b, row)
             - error(result, [np.array([[variance - h * a]])], s2 - h * b, row)) / (2 * h)
            for a, b in np.eye(2)
        ])  # fmt: skip
        assert found.std_error[row] == pytest.approx(np.sqrt(v), rel=BRUTE)
        df = 2 * v**2 / (slope @ (2 * np.linalg.inv(H)) @ slope)
        assert found.df[row] == pytest.approx(df, rel=BRUTE_DF)


@pytest.mark.parametrize("name", ["waves_by_arm", "polynomial_slope", "sleep_weights", "crossed"])
def test_conditional_errors_equal_dense_algebra_in_nested_models(name: str, fitted: Callable) -> None:
    result = fitted(name)
    model = result.model
    s2 = result.residual_variance
    s2G = [s2 * B @ G @ B.T for B, G in zip(model.scaled.B, model.optimum.search.at.G, strict=True)]
    found = mixed.predict(result, interval="confidence")
    new_row = mixed.predict(result, interval="prediction")
    w = np.ones(result.n_obs) if model.design.weights is None else model.design.weights
    for row in (0, 77, result.n_obs - 1):
        v = error(result, s2G, s2, row)
        assert found.std_error[row] == pytest.approx(np.sqrt(v), rel=BRUTE)
        assert new_row.std_error[row] == pytest.approx(np.sqrt(v + s2 / w[row]), rel=BRUTE)


def test_without_random_effects_errors_are_those_of_the_coefficients(fitted: Callable) -> None:
    for df, robust in (("kenward-roger", None), ("satterthwaite", None), ("auto", "CR2")):
        result = fitted("waves_by_arm", df=df, robust=robust)
        new = pd.DataFrame({"w": ["w0"], "a": ["trained"], "x": [0.0]})
        found = mixed.predict(result, new, random="none", interval="confidence")
        intercept = result.fixed[0]
        assert found.std_error[0] == pytest.approx(intercept.std_error, rel=1e-10)
        assert found.df[0] == pytest.approx(intercept.df, rel=1e-8)
        assert found.conf_low[0] == pytest.approx(intercept.conf_low, rel=1e-8)
        assert found.df_method == intercept.df_method


def test_a_new_cluster_has_mode_zero_and_the_variance_of_a_cluster(fitted: Callable) -> None:
    result = fitted("waves_by_arm")
    new = pd.DataFrame({"w": ["w0"], "a": ["usual"], "x": [0.0], "inst": [99], "person": [9999]})
    none = mixed.predict(result, new, random="none", interval="confidence")
    found = mixed.predict(result, new, interval="confidence")
    plain = fitted("waves_by_arm", df="satterthwaite")
    fixed_only = mixed.predict(plain, new, random="none", interval="confidence")
    between = sum(e.covariance for e in result.random)
    assert found.values[0] == pytest.approx(none.values[0], rel=1e-12)
    assert found.std_error[0] ** 2 == pytest.approx(fixed_only.std_error[0] ** 2 + between, rel=1e-10)
    assert found.new_clusters["person"][0]
    assert found.checks[0].message.startswith("In clusters that were not in the fit: 1 row(s) of person")


FORMULAS = [
    "y ~ center(x) * scale(wave) + (1 | inst)",
    "y ~ poly(wave, 2):a + within(x, inst) + between(x, inst) + (1 + wave | inst)",
    "y ~ 0 + factor(wave) + I(center(x)**2) + log(x + 9) + (0 + w | inst)",
]


@pytest.mark.parametrize("formula", FORMULAS)
def test_new_rows_get_the_columns_of_the_fit(formula: str, after: Callable) -> None:
    frame = after("waves_by_arm")[1]
    result = mixed.fit(formula, frame, df="none")
    everything = mixed.predict(result, random="conditional").values
    # Rows one by one have no mean, no SD and one category: only memory can give the right columns.
    for row in (3, 200, 434):
        one = frame.iloc[[row]]
        assert mixed.predict(result, one).values[0] == pytest.approx(everything[row], abs=COLUMNS)


def test_a_new_cluster_takes_its_mean_from_its_new_rows(after: Callable) -> None:
    frame = after("waves_by_arm")[1]
    result = mixed.fit("y ~ between(x, inst) + (1 | inst)", frame, df="none")
    new = pd.DataFrame({"x": [1.0, 3.0], "inst": [99, 99]})
    found = mixed.predict(result, new)
    b = [f.estimate for f in result.fixed]
    assert found.values == pytest.approx([b[0] + 2 * b[1]] * 2)
    assert any("mean of the new rows" in check.message for check in found.checks)


def test_missing_values_give_no_prediction_and_say_so(fitted: Callable) -> None:
    new = pd.DataFrame({"w": ["w0", None], "a": ["usual", "usual"], "x": [np.nan, 0.0]})
    found = mixed.predict(fitted("waves_by_arm"), new, random="none", interval="confidence")
    assert np.isnan(found.values).all()
    assert any("2 row(s) have no prediction" in check.message for check in found.checks)


def test_dropped_columns_predict_only_where_the_model_can_tell(after: Callable) -> None:
    frame = after("waves_by_arm")[1].assign(double=lambda d: 2 * d["x"])
    result = mixed.fit("y ~ x + double + (1 | inst)", frame)
    new = pd.DataFrame({"x": [1.0, 1.0], "double": [2.0, 5.0]})
    found = mixed.predict(result, new, random="none").values
    assert found[0] == pytest.approx(result.fixed[0].estimate + result.fixed[1].estimate)
    assert np.isnan(found[1])


def _row(**changes: object) -> pd.DataFrame:
    return pd.DataFrame({"w": ["w0"], "a": ["usual"], "x": [0.0], "inst": [1], "person": [1]} | changes)


@pytest.mark.parametrize(
    ("new", "error", "words"),
    [
        (_row(a=["other"]), DataError, "category that was not in the fit"),
        (_row(x=["much"]), DataError, "held numbers in the fit"),
        (_row(inst=[2]), DataError, "put a known 'person' in another 'inst'"),
        (_row(inst=["1"]), DataError, "no cluster would be recognised"),
        (_row().drop(columns=["x"]), ProblemsError, "'x' is not a column of the new data"),
        (_row().drop(columns=["person"]), ProblemsError, "the cluster 'person' is not a column"),
        ([1, 2], DataError, "are a pandas DataFrame"),
    ],
)
def test_bad_new_data_are_refused(new: object, error: type, words: str, fitted: Callable) -> None:
    with pytest.raises(error, match=words):
        mixed.predict(fitted("waves_by_arm"), new)


def test_wrong_options_are_refused(fitted: Callable) -> None:
    result = fitted("waves_by_arm")
    with pytest.raises(UsageError, match="did you mean 'inst'"):
        mixed.predict(result, random=("insts",))
    with pytest.raises(UsageError, match="interval is 'confidence'"):
        mixed.predict(result, interval="both")
    with pytest.raises(UsageError, match="ci_level"):
        mixed.predict(result, ci_level=95)
    with pytest.raises(NotSupportedError, match="random='none'"):
        mixed.predict(fitted("waves_by_arm", robust="CR2"), interval="confidence")


def test_a_frame_changed_after_the_fit_is_noticed(after: Callable) -> None:
    frame = after("waves_by_arm")[1].copy()
    result = mixed.fit("y ~ center(x) + (1 | inst)", frame)
    frame["x"] *= 2
    with pytest.raises(DataError, match="changed after the fit"):
        mixed.predict(result, frame.head(2))


def test_a_row_gets_its_own_offset(after: Callable) -> None:
    frame = after("waves_by_arm")[1].assign(base=lambda d: d["x"] ** 2)
    with_offset = mixed.fit("y ~ w + offset(base) + (1 | inst)", frame)
    without = mixed.fit("z ~ w + (1 | inst)", frame.assign(z=lambda d: d["y"] - d["base"]))
    new = frame.iloc[[0, 5, 9]]
    for one in (None, new):
        base = frame["base"] if one is None else one["base"]
        assert mixed.predict(with_offset, one).values == pytest.approx(
            mixed.predict(without, one).values + base.to_numpy(), rel=COLUMNS
        )
    gone = mixed.predict(with_offset, new.assign(base=[np.nan, 0.0, 0.0]))
    assert np.isnan(gone.values).tolist() == [True, False, False]
    means = [mixed.emmeans(r, "w").means[0].estimate for r in (with_offset, without)]
    assert means[0] - means[1] == pytest.approx(frame["base"].mean())


def test_few_clusters_that_were_fitted_all_the_same_have_their_shares() -> None:
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(4), 12)
    x = rng.normal(size=48)
    frame = pd.DataFrame({"y": x + np.array([-2.0, -1, 1, 2])[g] + rng.normal(size=48), "x": x, "g": g})
    result = mixed.fit("y ~ x + (1 | g)", frame, few_clusters="fit")
    assert len(mixed.r2_by_level(result).reductions) == 2


# 95 % of 200 samples, two rows each: the Monte Carlo error is at most .015; conditional intervals take the
# variances as known and lose a little with 12 clusters.
LEAST, MOST = 0.90, 0.985


@pytest.mark.slow
@pytest.mark.parametrize("icc", [0.1, 0.3])
def test_intervals_cover_with_twelve_clusters(icc: float) -> None:
    rng = np.random.default_rng(5)
    hits: dict[tuple[str, str], list[float]] = {}
    new = pd.DataFrame({"arm": [0.0, 1.0], "x": [0.0, 1.0], "g": [0, 1]})
    g = np.repeat(np.arange(12), 15)
    for _ in range(200):
        x, u = rng.normal(size=180), np.sqrt(icc) * rng.normal(size=12)
        y = 1 + 0.3 * (g % 2) + 0.5 * x + u[g] + np.sqrt(1 - icc) * rng.normal(size=180)
        result = mixed.fit(
            "y ~ arm + x + (1 | g)", pd.DataFrame({"y": y, "arm": g % 2 * 1.0, "x": x, "g": g})
        )
        mean = np.array([1.0, 1.8])
        truth = {
            ("none", "confidence"): mean,
            ("conditional", "confidence"): mean + u[:2],
            ("conditional", "prediction"): mean + u[:2] + np.sqrt(1 - icc) * rng.normal(size=2),
            ("none", "prediction"): mean + rng.normal(size=2),
        }
        for (random, interval), value in truth.items():
            found = mixed.predict(result, new, random=random, interval=interval)
            inside = (found.conf_low < value) & (value < found.conf_high)
            hits.setdefault((random, interval), []).append(float(inside.mean()))
    for covered in hits.values():
        assert LEAST < np.mean(covered) < MOST


def test_without_df_there_is_no_interval_and_it_is_said(fitted: Callable) -> None:
    for random in ("none", "conditional"):
        found = mixed.predict(fitted("waves_by_arm", df="none"), random=random, interval="confidence")
        assert np.isnan(found.conf_low).all()
        assert (found.std_error > 0).all()
        assert found.checks[-1].name == "no_interval"
