"""Refits: one model, many responses.

Everything but y stays: rows, predictors, clusters, and so the moments without y. The criterion of all
responses is then evaluated together and Newton's method takes a step for each at once (`optimise`), which
costs about a tenth of a millisecond a refit. Each optimum is verified as in a single fit; a response that
cannot be verified in the batch is fitted by itself, and fails only if that fails.

REML uses n - p degrees for every response. (lme4's `refit` in version 1.1-31 uses n - 1; see docs/methods.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from implstats.errors import DataError, ModelError, NotSupportedError, ProblemsError, UsageError, did_you_mean
from implstats.mixed.design.standardise import PERFECT
from implstats.mixed.fitted import Fitted
from implstats.mixed.gaussian.boundary import find_optimum
from implstats.mixed.gaussian.criterion import Problem
from implstats.mixed.gaussian.fit import set_up
from implstats.mixed.gaussian.optimise import start
from implstats.mixed.inference.coefficients import MANY_CLUSTERS
from implstats.mixed.inference.df_between_within import between_within_df
from implstats.mixed.options import DF_METHODS
from implstats.mixed.resampling.boundary import Optima, find_optima
from implstats.mixed.resampling.criterion import Evaluations, chunk, evaluate_many, matrices
from implstats.mixed.resampling.degrees import kenward_roger_many, satterthwaite_many
from implstats.mixed.resampling.moments import Responses, Shared, join_responses, reduce_responses, share
from implstats.mixed.resampling.records import Refits, component_names
from implstats.mixed.results import MixedResult

BATCH = 2000  # responses whose Newton steps are taken together
ROWS = 200  # columns of Y reduced at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Refitter:
    """A fitted model, ready for new responses: ``start`` (R,) is where the searches begin."""

    model: Fitted
    shared: Shared
    start: np.ndarray


def refit(result: MixedResult, Y: np.ndarray, *, df: str = "none") -> Refits:
    """Fit the model of ``result`` to other responses, all at once.

    Parameters
    ----------
    result : MixedResult
        A linear model that did not fail.
    Y : ndarray, (n, R) or (n,)
        A response a column, in the order of the rows in use (``result.model.design.rows``), or of all rows
        of the frame.
    df : {"none", "auto", "kenward-roger", "satterthwaite"}
        As in `fit`; ``none`` is the quickest.

    Returns
    -------
    Refits

    Raises
    ------
    UsageError, NotSupportedError, ModelError
        The option or the model cannot be served.
    DataError, ProblemsError
        Y has the wrong shape, or holds missing or infinite values.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import mixed
    >>> rng = np.random.default_rng(1)
    >>> ward = np.repeat(np.arange(12), 10)
    >>> frame = pd.DataFrame({"ward": ward, "x": rng.normal(size=120)})
    >>> frame["y"] = frame["x"] + rng.normal(size=12)[ward] + rng.normal(size=120)
    >>> result = mixed.fit("y ~ x + (1 | ward)", frame)
    >>> again = mixed.refit(result, frame[["y"]].to_numpy())
    >>> bool(abs(again.criterion[0] - result.criterion) < 1e-8), str(again.verdict[0])
    (True, 'ok')
    """
    ready = prepare(result)
    if df not in DF_METHODS:
        raise UsageError(f"df is one of {', '.join(DF_METHODS)}; got '{df}'{did_you_mean(df, DF_METHODS)}")
    if df == "kenward-roger" and not ready.shared.reml:
        raise UsageError("Kenward-Roger needs REML. Fit by REML, or use df='satterthwaite' with ML.")
    return refit_many(ready, _checked(ready.model, Y), df=df)


def require_nested(result: MixedResult) -> Fitted:
    """Return the steps of a linear model with nested levels and independent residuals, as `prepare`."""
    model = result.model
    if model is None:
        raise ModelError("The model has no estimates, because its fit failed, so it cannot be refitted.")
    linear = isinstance(model, Fitted) and type(model.problem) is Problem
    if not linear or model.residual is not None or getattr(model.design, "crossed", False):
        raise NotSupportedError(
            "Refits and bootstraps serve linear models with nested levels and independent residuals in this "
            "version. Fit each response with mixed.fit, or model the waves by a random slope instead of a "
            "residual structure."
        )
    return model


def prepare(result: MixedResult) -> Refitter:
    """Return what every refit of a model shares.

    Raises
    ------
    ModelError
        The fit failed.
    NotSupportedError
        The model is not a linear model with nested levels and independent residuals.
    """
    model = require_nested(result)
    shared = share(model.design, model.scaled, model.problem.shape, reml=model.problem.reml)
    # A zero variance is a stationary point of the search, so a boundary fit is no place to start from.
    begin = start(model.problem.shape, 0.7) if result.boundary else model.optimum.search.at.theta
    return Refitter(model=model, shared=shared, start=begin)


def _checked(model: Fitted, Y: np.ndarray) -> np.ndarray:
    """Return Y as (n, R) floats, rows in use only, less the model's offset."""
    try:
        values = np.asarray(Y, dtype=float)
    except (TypeError, ValueError):
        raise DataError("The responses hold text; a Gaussian model needs numbers.") from None
    values = values[:, None] if values.ndim == 1 else values
    n, all_rows = len(model.design.y), len(model.frame)
    if values.ndim != 2 or len(values) not in (n, all_rows):
        size = "" if n == all_rows else f" in use, or {all_rows} for all rows of the frame"
        raise DataError(f"The responses have shape {np.shape(Y)}; a column a response, {n} rows{size}.")
    if len(values) != n:
        values = values[model.design.rows]
    gone = np.flatnonzero(~np.isfinite(values).all(axis=0))
    if len(gone):
        problems = [
            f"response {j} is missing or infinite in {int(np.sum(~np.isfinite(values[:, j])))} row(s) "
            "in use; leave it out, or fit it with mixed.fit"
            for j in gone[:20]
        ]
        more = [f"and {len(gone) - 20} more"] if len(gone) > 20 else []
        raise ProblemsError("The set of responses", problems + more)
    offset = model.design.offset
    return values if offset is None else values - offset[:, None]


def refit_many(ready: Refitter, Y: np.ndarray, *, df: str) -> Refits:
    """Return the refits of the columns of Y, (n, R), which are known to be finite."""
    parts = [_batch(ready, Y[:, at : at + BATCH], df=df) for at in range(0, max(Y.shape[1], 1), BATCH)]
    design, scaled = ready.model.design, ready.model.scaled
    return Refits(
        terms=tuple(design.names[j] for j in scaled.kept), components=component_names(design.levels),
        reml=ready.shared.reml, **{k: np.concatenate([part[k] for part in parts]) for k in parts[0]},
    )  # fmt: skip


def _batch(ready: Refitter, Y: np.ndarray, *, df: str) -> dict[str, np.ndarray]:
    """Return the arrays of a Refits record for some responses."""
    scaled = ready.model.scaled
    responses, shift, scale, perfect = _reduced(ready, Y)
    found = find_optima(ready.shared, responses, ready.start)
    alone = np.flatnonzero(~found.verified & ~perfect)
    found = _alone(ready, Y, responses, found, alone, shift, scale)
    at = found.searches.at
    nu = ready.shared.n - ready.shared.p if ready.shared.reml else ready.shared.n
    s2 = scale**2 * at.rss / nu
    failed = ~found.verified | perfect
    covariance, dfs, methods = _inference(ready, responses, found, df=df)
    constant = scaled.constant_reml if ready.shared.reml else scaled.constant_ml
    out = {
        "beta": (scaled.M @ (scale * at.beta + shift)).T,
        "std_error": np.sqrt(np.einsum("ki,ijr,kj->rk", scaled.M, covariance, scaled.M)) * scale[:, None],
        "df": dfs.T, "sigma2": s2, "covariances": _covariances(ready, at, s2),
        "criterion": at.value + constant + 2.0 * nu * np.log(scale / scaled.scale),
    }  # fmt: skip
    for values in out.values():
        values[failed] = np.nan
    return {
        **out, "df_method": np.where(failed, "none", methods), "boundary": found.boundary & ~failed,
        "verdict": np.where(failed, "failed", np.where(found.boundary, "caution", "ok")),
        "alone": np.isin(np.arange(Y.shape[1]), alone),
    }  # fmt: skip


def _reduced(ready: Refitter, Y: np.ndarray) -> tuple[Responses, np.ndarray, np.ndarray, np.ndarray]:
    """Return moments, shift (p, R), scale (R,), and which responses X fits perfectly."""
    Q, weights = ready.model.scaled.Q, ready.model.design.weights
    parts, shifts, scales, perfect = [], [], [], []
    for at in range(0, Y.shape[1], ROWS):
        y = Y[:, at : at + ROWS]
        spread = np.std(y, axis=0)
        if weights is not None:
            root = np.sqrt(weights)
            y, spread = y * root[:, None], spread * root.mean()
        shift = Q.T @ y
        rest = y - Q @ shift
        again = Q.T @ rest
        rest -= Q @ again
        scale = np.sqrt(np.mean(rest**2, axis=0))
        flat = scale <= PERFECT * spread
        scale = np.where(flat, 1.0, scale)
        parts.append(reduce_responses(ready.shared, rest / scale))
        shifts.append(shift + again)
        scales.append(scale)
        perfect.append(flat)
    return (
        join_responses(parts),
        np.concatenate(shifts, axis=1),
        np.concatenate(scales),
        np.concatenate(perfect),
    )


def _alone(
    ready: Refitter, Y: np.ndarray, responses: Responses, found: Optima, which: np.ndarray,
    shift: np.ndarray, scale: np.ndarray,
) -> Optima:  # fmt: skip
    """Return the optima with those of ``which`` found by single fits."""
    scaled, design = ready.model.scaled, ready.model.design
    root = 1.0 if design.weights is None else np.sqrt(design.weights)
    verified, boundary = found.verified.copy(), found.boundary.copy()
    for i in which:
        y = (Y[:, i] * root - scaled.Q @ shift[:, i]) / scale[i]
        _, problem = set_up(design, replace(scaled, y=y), reml=ready.shared.reml)
        optimum = find_optimum(problem)
        if optimum is None:
            continue
        theta = optimum.search.at.theta[:, None]
        here = np.array([i])
        found.searches.at.put(here, evaluate_many(ready.shared, responses.take(here), theta))
        verified[i], boundary[i] = optimum.verified, bool(optimum.boundary)
    return Optima(searches=found.searches, verified=verified, boundary=boundary)


def _covariances(ready: Refitter, at: Evaluations, s2: np.ndarray) -> np.ndarray:
    """Return the free covariances of all levels in the response's unit, (R, K)."""
    columns = []
    for part, G, B in zip(
        ready.model.design.levels, matrices(ready.shared, at.theta), ready.model.scaled.B, strict=True
    ):
        covariance = s2 * np.einsum("ai,ijr,bj->abr", B, G, B)
        columns += [
            covariance[col, row] for block in part.blocks for i, row in enumerate(block)
            for col in block[: i + 1]
        ]  # fmt: skip
    return np.stack(columns, axis=1)


def _inference(
    ready: Refitter, responses: Responses, found: Optima, *, df: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the coefficients' covariance (p, p, R) before scaling, df (p, R) and the method of each."""
    shared, scaled, at = ready.shared, ready.model.scaled, found.searches.at
    nu = shared.n - shared.p if shared.reml else shared.n
    count = len(at.rss)
    covariance = at.rss / nu * at.C
    dfs, methods = np.full((shared.p, count), np.nan), np.full(count, "none", dtype="<U16")
    fewest = min(level.clusters.size for level in ready.model.design.levels)
    wanted = df
    if df == "auto":
        wanted = "kenward-roger" if shared.reml and fewest < MANY_CLUSTERS else "satterthwaite"
    if wanted == "none":
        return covariance, dfs, methods
    for begin in range(0, count, chunk(shared)):
        which = np.arange(begin, min(begin + chunk(shared), count))
        kept = evaluate_many(shared, responses.take(which), at.theta[:, which], keep=True)
        if wanted == "satterthwaite":
            dfs[:, which] = satterthwaite_many(shared, kept, scaled.M)
            methods[which] = "satterthwaite"
            lacking = found.boundary[which] | np.isnan(dfs[:, which]).any(axis=0)
            if not shared.reml:
                dfs[:, which[lacking]] = between_within_df(ready.model.design, scaled.kept)[:, None]
                methods[which[lacking]] = "between-within"
                continue
            which, kept = which[lacking], kept.take(lacking)
        if len(which):
            covariance[:, :, which], dfs[:, which] = kenward_roger_many(shared, kept, scaled.M)
            methods[which] = "kenward-roger"
    return covariance, dfs, methods
