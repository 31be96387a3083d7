"""Refits: many responses at once must be what fresh fits are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from implstats import mixed
from implstats.errors import (
    DataError,
    ImplstatsError,
    ModelError,
    NotSupportedError,
    ProblemsError,
    UsageError,
)
from implstats.mixed.resampling.criterion import evaluate_many
from implstats.mixed.resampling.moments import reduce_responses, share

CRITERION = 1e-8  # deviance units: the bar that single fits are held to
RELATIVE = 1e-7  # standard errors and df: both searches stop within 1e-10 deviance units of the optimum
ROUNDING = 1e-10  # the same formulas in another order of summation

MODELS = [
    "y ~ wave * arm + x + (1 | person)",
    "y ~ wave * arm + x + (1 + wave | person)",
    "y ~ wave * arm + x + (1 | inst) + (1 | person)",
    "y ~ wave * arm + x + (1 + wave | inst) + (1 | person)",
    "y ~ wave * arm + x + (1 | inst) + (1 + t || person)",
    "y ~ wave + x + (1 | region) + (1 + wave | inst) + (1 | person)",
]


def _frame(design: Callable[..., pd.DataFrame], seed: int = 4) -> pd.DataFrame:
    frame = design(seed, institutions=12, sd_institution=0.4)
    frame["t"] = frame["wave"] + 0.1 * np.random.default_rng(seed).normal(size=len(frame))
    frame["region"] = frame["inst"] // 4
    return frame


def _responses(frame: pd.DataFrame, count: int, seed: int = 7) -> np.ndarray:
    """Return responses of which many have a zero variance somewhere."""
    rng = np.random.default_rng(seed)
    on = rng.choice([0.0, 0.6], size=(3, count))
    on[:, : count // 2] = 0.0
    persons, places = frame["person"].max() + 1, frame["inst"].max() + 1
    return (
        5.0 + rng.normal(size=(len(frame), count))
        + on[0] * rng.normal(size=(persons, count))[frame["person"]]
        + on[1] * rng.normal(size=(places, count))[frame["inst"]]
        + on[2] * rng.normal(size=(persons, count))[frame["person"]] * frame[["wave"]].to_numpy()
    )  # fmt: skip


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("formula", MODELS)
def test_the_batched_criterion_is_the_single_one_with_its_derivatives(
    design: Callable[..., pd.DataFrame], formula: str, reml: bool
) -> None:
    frame = _frame(design)
    model = mixed.fit(formula, frame, reml=reml, df="none", few_clusters="fit").model
    assert model is not None
    shared = share(model.design, model.scaled, model.problem.shape, reml=reml)
    rng = np.random.default_rng(1)
    theta = 0.5 * rng.normal(size=(model.problem.shape.size, 5))
    found = evaluate_many(
        shared, reduce_responses(shared, np.repeat(model.scaled.y[:, None], 5, axis=1)), theta
    )
    for k in range(5):
        single = model.problem(theta[:, k])
        assert single is not None
        assert found.value[k] == pytest.approx(single.value, rel=ROUNDING)
        np.testing.assert_allclose(found.gradient[:, k], single.gradient, atol=1e-8)
        np.testing.assert_allclose(found.hessian[:, :, k], single.hessian, atol=1e-8, rtol=ROUNDING)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("formula", MODELS)
def test_refits_are_fresh_fits(design: Callable[..., pd.DataFrame], formula: str, reml: bool) -> None:
    frame = _frame(design)
    Y = _responses(frame, 12)
    refits = mixed.refit(mixed.fit(formula, frame, reml=reml, few_clusters="fit"), Y, df="auto")
    singular = 0
    for j in range(Y.shape[1]):
        fresh = mixed.fit(formula, frame.assign(y=Y[:, j]), reml=reml, few_clusters="fit")
        singular += fresh.boundary
        assert refits.criterion[j] == pytest.approx(fresh.criterion, abs=CRITERION)
        assert bool(refits.boundary[j]) == fresh.boundary
        assert refits.df_method[j] == fresh.fixed[1].df_method
        errors = np.array([f.std_error for f in fresh.fixed])
        np.testing.assert_allclose(
            refits.beta[j], [f.estimate for f in fresh.fixed], atol=1e-6 * errors.min()
        )
        np.testing.assert_allclose(refits.std_error[j], errors, rtol=RELATIVE)
        df = np.array([np.nan if f.df is None else f.df for f in fresh.fixed])
        np.testing.assert_allclose(refits.df[j], df, rtol=1e-6)
        assert refits.components == tuple((v.cluster, v.term, v.term2) for v in fresh.random)
        np.testing.assert_allclose(refits.covariances[j], [v.covariance for v in fresh.random], atol=1e-6)
        assert refits.sigma2[j] == pytest.approx(fresh.residual_variance, rel=1e-6)
    assert singular >= 2  # the comparison covers zero variances


def test_refits_with_prior_weights_are_fresh_fits(design: Callable[..., pd.DataFrame]) -> None:
    frame = _frame(design)
    frame["w"] = np.random.default_rng(3).uniform(0.5, 2.0, size=len(frame))
    formula = "y ~ wave + x + (1 | inst) + (1 | person)"
    Y = _responses(frame, 4)
    refits = mixed.refit(mixed.fit(formula, frame, weights="w"), Y, df="satterthwaite")
    for j in range(4):
        fresh = mixed.fit(formula, frame.assign(y=Y[:, j]), weights="w", df="satterthwaite")
        assert refits.criterion[j] == pytest.approx(fresh.criterion, abs=CRITERION)
        np.testing.assert_allclose(refits.std_error[j], [f.std_error for f in fresh.fixed], rtol=RELATIVE)


def test_reml_refits_use_n_minus_p_degrees_where_lme4_uses_n_minus_1(
    design: Callable[..., pd.DataFrame],
) -> None:
    # lme4::refit of 1.1-31 builds its response with n - 1 degrees (docs/methods/resampling.md). Proof by
    # brute force: the criterion with the full V is ours with nu = n - p, as in a fresh fit, not with n - 1.
    frame = _frame(design)
    result = mixed.fit("y ~ wave * arm + x + (1 | inst) + (1 | person)", frame)
    Y = _responses(frame, 3, seed=11)
    refits = mixed.refit(result, Y)
    X = result.model.design.X  # type: ignore[union-attr]
    n, p = X.shape
    for j in range(3):
        s2 = refits.sigma2[j]
        V = np.eye(n)
        for column, name in enumerate(("person", "inst")):
            code = frame[name].to_numpy()
            V += refits.covariances[j, column] / s2 * (code[:, None] == code[None])
        W = np.linalg.inv(V)
        XWX = X.T @ W @ X
        e = Y[:, j] - X @ np.linalg.solve(XWX, X.T @ W @ Y[:, j])
        logs = np.linalg.slogdet(V)[1] + np.linalg.slogdet(XWX)[1]
        ours, lme4s = (logs + nu * (1 + np.log(2 * np.pi * (e @ W @ e) / nu)) for nu in (n - p, n - 1))
        assert refits.criterion[j] == pytest.approx(ours, abs=1e-7)
        assert abs(refits.criterion[j] - lme4s) > 1.0
        assert refits.sigma2[j] == pytest.approx(e @ W @ e / (n - p), rel=1e-6)


def test_refits_with_an_offset_are_fresh_fits(design: Callable[..., pd.DataFrame]) -> None:
    frame = _frame(design).assign(base=lambda d: 2.0 * d["x"] ** 2)
    formula, Y = "y ~ wave + x + offset(base) + (1 | inst) + (1 | person)", _responses(_frame(design), 2)
    refits = mixed.refit(mixed.fit(formula, frame), Y)
    fresh = mixed.fit(formula, frame.assign(y=Y[:, 1]))
    assert refits.criterion[1] == pytest.approx(fresh.criterion, abs=CRITERION)
    np.testing.assert_allclose(refits.beta[1], [f.estimate for f in fresh.fixed], atol=1e-6)
    # Draws are made and refitted without the offset, which is known.
    found = mixed.bootstrap(fresh, draws=99, seed=1, ci_level=0.9)
    assert found.estimates[2].estimate == pytest.approx(fresh.fixed[2].estimate, abs=1e-6)
    assert found.samples[:, 2].mean() == pytest.approx(fresh.fixed[2].estimate, abs=0.1)


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        ("y ~ wave + (1 | person) + (1 | rater)", {}),
        ("y ~ wave + (1 | person)", {"residual": "ar1(wave | person)"}),
    ],
)
def test_models_of_another_kind_are_refused_by_every_call(
    design: Callable[..., pd.DataFrame], formula: str, options: dict[str, str]
) -> None:
    frame = _frame(design)
    frame["rater"] = np.random.default_rng(1).integers(0, 8, size=len(frame))
    result = mixed.fit(formula, frame, **options)
    calls = [
        lambda: mixed.refit(result, frame["y"].to_numpy()),
        lambda: mixed.bootstrap(result, seed=1),
        lambda: mixed.bootstrap_compare(result, result, seed=1),
        lambda: mixed.wild_bootstrap(result, "wave", seed=1),
        lambda: mixed.permutation(result, "wave", seed=1),
    ]
    for call in calls:
        with pytest.raises(NotSupportedError, match="nested levels and independent residuals"):
            call()


def test_a_response_in_another_unit_or_order_gives_the_same_refit(
    design: Callable[..., pd.DataFrame],
) -> None:
    frame = _frame(design)
    formula = MODELS[2]
    result, Y = mixed.fit(formula, frame), _responses(frame, 6)
    plain = mixed.refit(result, Y)
    np.testing.assert_allclose(mixed.refit(result, 1e4 * Y).beta, 1e4 * plain.beta, rtol=1e-6, atol=1e-4)
    order = np.random.default_rng(0).permutation(len(frame))
    turned = mixed.refit(mixed.fit(formula, frame.iloc[order]), Y[order])
    np.testing.assert_allclose(turned.criterion, plain.criterion, atol=CRITERION)
    back = mixed.refit(result, Y[:, ::-1])
    np.testing.assert_allclose(back.criterion[::-1], plain.criterion, atol=CRITERION)


def test_a_response_that_the_predictors_fit_perfectly_fails_alone(
    design: Callable[..., pd.DataFrame],
) -> None:
    frame = _frame(design)
    Y = _responses(frame, 3)
    Y[:, 1] = 2.0 + 3.0 * frame["x"]
    refits = mixed.refit(mixed.fit(MODELS[2], frame), Y, df="auto")
    assert list(refits.verdict == "failed") == [False, True, False]
    assert np.isnan(refits.beta[1]).all()
    assert np.isfinite(refits.beta[[0, 2]]).all()
    assert refits.n_failed == 1


def test_bad_responses_are_refused_all_at_once(design: Callable[..., pd.DataFrame]) -> None:
    frame = _frame(design)
    result, Y = mixed.fit(MODELS[2], frame), _responses(frame, 3)
    Y[0, 0], Y[1, 2] = np.nan, np.inf
    with pytest.raises(ProblemsError, match=r"(?s)response 0 .*response 2 ") as caught:
        mixed.refit(result, Y)
    assert len(caught.value.problems) == 2
    with pytest.raises(DataError, match="a column a response"):
        mixed.refit(result, Y[:-1])
    with pytest.raises(UsageError, match="did you mean 'auto'"):
        mixed.refit(result, Y, df="aut")
    with pytest.raises(UsageError, match="needs REML"):
        mixed.refit(mixed.fit(MODELS[0], frame, reml=False), Y, df="kenward-roger")


def test_a_failed_fit_has_nothing_to_refit(design: Callable[..., pd.DataFrame]) -> None:
    from dataclasses import replace

    result = replace(mixed.fit(MODELS[0], _frame(design)), model=None)
    with pytest.raises(ModelError, match="failed"):
        mixed.refit(result, np.zeros(3))
    assert issubclass(ModelError, ImplstatsError)


def test_rows_left_out_of_the_fit_are_left_out_of_the_responses(
    design: Callable[..., pd.DataFrame],
) -> None:
    frame = _frame(design)
    frame.loc[3, "x"] = np.nan
    result, Y = mixed.fit(MODELS[2], frame), _responses(frame, 2)
    Y[3] = np.nan
    whole, part = mixed.refit(result, Y), mixed.refit(result, np.delete(Y, 3, axis=0))
    np.testing.assert_array_equal(whole.criterion, part.criterion)
    fresh = mixed.fit(MODELS[2], frame.assign(y=Y[:, 0]))
    assert whole.criterion[0] == pytest.approx(fresh.criterion, abs=CRITERION)


SWEEP = (
    "y ~ wave * arm + x + (1 | person)",
    "y ~ wave + x + (1 + wave | person)",
    "y ~ wave * arm + x + (1 | inst) + (1 | person)",
    "y ~ wave + x + (1 + wave | inst) + (1 | person)",
    "y ~ wave + x + (1 + wave | inst) + (1 + wave | person)",
    "y ~ wave + x + (1 + wave || inst) + (1 | person)",
)


@pytest.mark.slow
@pytest.mark.parametrize("formula", SWEEP)
def test_no_refit_in_a_sweep_of_designs_is_above_its_fresh_fit(
    design: Callable[..., pd.DataFrame], formula: str
) -> None:
    # Each of four sources of variance is missing with probability one half: many optima are at the boundary.
    boundary = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        frame = design(seed, institutions=int(rng.integers(6, 25)), sd_institution=0.5)
        persons, places, wave = frame["person"].max() + 1, frame["inst"].max() + 1, frame[["wave"]].to_numpy()
        on = rng.choice([0.0, 0.5], size=(4, 10))
        Y = rng.normal(size=(len(frame), 10))
        Y += on[0] * rng.normal(size=(persons, 10))[frame["person"]]
        Y += on[1] * rng.normal(size=(places, 10))[frame["inst"]]
        Y += on[2] * rng.normal(size=(persons, 10))[frame["person"]] * wave
        Y += on[3] * rng.normal(size=(places, 10))[frame["inst"]] * wave
        reml = bool(seed % 2)
        refits = mixed.refit(mixed.fit(formula, frame, reml=reml, df="none"), Y)
        assert refits.n_failed == 0
        boundary += int(refits.boundary.sum())
        for j in range(10):
            fresh = mixed.fit(formula, frame.assign(y=Y[:, j]), reml=reml, df="none")
            assert refits.criterion[j] == pytest.approx(fresh.criterion, abs=CRITERION)
    assert boundary >= 5  # of 120
