"""Factor scores from ordered answers, beside continuous ones, by Newton's method for all persons at once.

Given the factors eta and the predictors x a person's normal variables are

    y* = m(x) + A (eta - a(x)) + e,   A = cov(y*, eta) Phi^-1,   cov(e) = C

and the answers of ordered items independent, so that with u = eta - a(x)

    log L(u) = sum_j log[Phi((tau_upper - m_j - A_j u) / s_j) - Phi((tau_lower - m_j - A_j u) / s_j)]
               - 1/2 (y - m - A u)' C^-1 (y - m - A u)                           ordered; continuous items

    ebm   max of log L(u) - 1/2 u' Phi^-1 u      the mode given the answers (empirical Bayes modal)
    ml    max of log L(u)

Both are concave (Pratt 1981), so Newton's method with halved steps finds the one maximum. Standard errors are
the inverse curvature there: for ebm the normal approximation of the factor's spread given the answers. A
likelihood that rises for ever, such as that of somebody who took the last answer everywhere, has no ml score.
Missing answers drop out. Persons with equal answers are worked out once.

How well scores determine a factor has no formula here: :func:`simulated_determinacy` draws persons from the
model. Skrondal & Rabe-Hesketh (2004), Generalized Latent Variable Modeling, chapter 7.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from implstats.sem.after.ordered_measurement import UNCORRELATED, Measurement, coded, measurement
from implstats.sem.fitted import Estimated
from implstats.sem.ordinal.normal import density

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

STEPS = 60
# A step of this share of a standard deviation ends the search; Newton squares the error.
SMALL_STEP = 1e-9
# A slope of this share of the largest is rounding.
UNUSED = 1e-12
# Persons drawn from the model: a correlation of .9 is then known within .003.
DRAWN = 20_000
SEED = 20_260_000


@dataclass(frozen=True, slots=True)
class _Persons:
    """Different persons: cut points around answers (N, o, 2), continuous residuals (N, c) and weights."""

    low: Array
    high: Array
    rest: Array
    weight: Array


def _persons(found: Measurement, codes: Array, x: Array) -> _Persons:
    mean = found.mean + x @ found.mean_slope.T
    o = np.nonzero(found.ordered)[0]
    low, high = np.full((len(codes), len(o)), -np.inf), np.full((len(codes), len(o)), np.inf)
    for k, j in enumerate(o):
        seen = np.isfinite(codes[:, j])
        at, s = codes[seen, j].astype(int), np.sqrt(found.residual[j, j])
        low[seen, k] = (found.cuts[j][at] - mean[seen, j]) / s
        high[seen, k] = (found.cuts[j][at + 1] - mean[seen, j]) / s
    c = np.nonzero(~found.ordered)[0]
    rest = codes[:, c] - mean[:, c]
    weight = np.zeros((len(codes), len(c), len(c)))
    seen_c = np.isfinite(rest)
    patterns, which = np.unique(seen_c, axis=0, return_inverse=True)
    for k, pattern in enumerate(patterns):
        block = np.zeros((len(c), len(c)))
        own = np.ix_(pattern, pattern)
        block[own] = np.linalg.inv(found.residual[np.ix_(c[pattern], c[pattern])])
        weight[which.reshape(-1) == k] = block
    return _Persons(low, high, np.where(seen_c, rest, 0.0), weight)


def _likelihood(p: _Persons, to_ordered: Array, to_rest: Array, u: Array) -> tuple[Array, Array, Array]:
    """log L, its gradient and minus its Hessian at u, shape (N, m)."""
    shift = u @ to_ordered.T
    low, high = p.low - shift, p.high - shift
    mass = np.maximum(np.where(low > 0.0, ndtr(-low) - ndtr(-high), ndtr(high) - ndtr(low)), 1e-300)
    at_low, at_high = density(low), density(high)
    score = (at_low - at_high) / mass
    finite_low = np.where(np.isfinite(low), low, 0.0)
    finite_high = np.where(np.isfinite(high), high, 0.0)
    bend = score**2 - (finite_low * at_low - finite_high * at_high) / mass
    error = p.rest - u @ to_rest.T
    pull = (p.weight @ error[:, :, None])[:, :, 0]
    value = np.log(mass).sum(axis=1) - 0.5 * (error * pull).sum(axis=1)
    gradient = score @ to_ordered + pull @ to_rest
    curvature = (to_ordered.T * np.maximum(bend, 0.0)[:, None, :]) @ to_ordered
    return value, gradient, curvature + to_rest.T @ p.weight @ to_rest


def mode_scores(found: Measurement, codes: Array, x: Array, *, method: str) -> tuple[Array, Array]:
    """Return u, shape (N, m), and its standard errors; NaN where there is no maximum or nothing measures.

    Parameters
    ----------
    codes : ndarray, shape (N, p)
        From :func:`coded`; NaN where missing.
    x : ndarray, shape (N, k)
    method : {"ebm", "ml"}
    """
    persons, (N, m) = _persons(found, codes, x), (len(codes), len(found.phi))
    scores, errors = np.full((N, m), np.nan), np.full((N, m), np.nan)
    o, s = found.ordered, np.sqrt(np.diag(found.residual))
    for columns in [np.arange(m)] if method == "ebm" else separate_factors(found):
        sd = np.sqrt(np.diag(found.phi))[columns]
        slope = found.slope[:, columns] * sd
        prior = np.zeros((len(columns),) * 2)
        if method == "ebm":
            prior = np.linalg.inv(found.phi / np.outer(sd, sd)).astype(float, copy=False)
        u, done, curvature = _newton(persons, slope[o] / s[o][:, None], slope[~o], prior)
        if done.any():
            spread = np.diagonal(np.linalg.inv(curvature[done]), axis1=1, axis2=2)
            scores[np.ix_(done, columns)] = u[done] * sd
            errors[np.ix_(done, columns)] = np.sqrt(spread) * sd
    return scores, errors


def separate_factors(found: Measurement) -> list[NDArray[np.intp]]:
    """Return the measured factors in sets that share no item: their likelihoods are apart."""
    uses = np.abs(found.slope) > UNUSED * np.abs(found.slope).max()
    sd = np.sqrt(np.diag(found.residual))
    tied = np.abs(found.residual / np.outer(sd, sd)) > UNCORRELATED
    together = uses.T.astype(float) @ tied @ uses > 0.0
    sets: list[set[int]] = []
    for k in np.nonzero(uses.any(axis=0))[0]:
        mine = {int(j) for j in np.nonzero(together[k])[0]}
        touching = [one for one in sets if one & mine]
        sets = [one for one in sets if not one & mine] + [mine.union(*touching)]
    return [np.array(sorted(one), dtype=np.intp) for one in sets]


def _newton(p: _Persons, to_ordered: Array, to_rest: Array, prior: Array) -> tuple[Array, Mask, Array]:
    """The maximum in units of the factors' standard deviations, where it was reached, and the curvature."""
    N, m = len(p.low), len(prior)
    u, size, done = np.zeros((N, m)), np.ones(N), np.zeros(N, dtype=bool)
    curvature, before, step = np.zeros((N, m, m)), np.full(N, -np.inf), np.zeros((N, m))
    active = np.arange(N)
    for _ in range(STEPS):
        if not len(active):
            break
        point = u[active] + size[active, None] * step[active]
        some = _Persons(p.low[active], p.high[active], p.rest[active], p.weight[active])
        value, gradient, H = _likelihood(some, to_ordered, to_rest, point)
        pulled = point @ prior
        value, gradient, H = value - 0.5 * (point * pulled).sum(axis=1), gradient - pulled, H + prior
        fine = value >= before[active] - 1e-12 * np.maximum(1.0, np.abs(value))
        size[active[~fine]] *= 0.5
        solvable = fine & (np.linalg.eigvalsh(H)[:, 0] > 1e-12)
        took = active[solvable]
        u[took], before[took], curvature[took], size[took] = (
            point[solvable],
            value[solvable],
            H[solvable],
            1.0,
        )
        step[took] = np.linalg.solve(H[solvable], gradient[solvable][:, :, None])[:, :, 0]
        ends = took[np.abs(step[took]).max(axis=1, initial=0.0) < SMALL_STEP]
        u[ends] += step[ends]
        done[ends] = True
        # Where the curvature is nothing the likelihood is flat for ever; no maximum is near.
        active = active[~done[active] & (solvable | ~fine)]
    return u, done, curvature


def ordered_scores(estimated: Estimated, g: int, values: Array, *, method: str) -> tuple[Array, Array, int]:
    """Return scores and standard errors of a group's persons, (N, observed), and how many lack one."""
    found = measurement(estimated, g)
    codes, x = coded(found, values[:, found.y]), values[:, found.x]
    rows = np.column_stack([codes, x])
    known = np.nan_to_num(rows, nan=-np.inf)
    _, first, which = np.unique(known, axis=0, return_index=True, return_inverse=True)
    u, errors = mode_scores(found, codes[first], x[first], method=method)
    scores = u + found.eta_mean + x[first] @ found.eta_slope.T
    back = which.reshape(-1)
    measured = np.unique(np.concatenate(separate_factors(found)))
    lacking = np.isnan(scores[back][:, measured]).any(axis=1)
    return scores[back], errors[back], int(lacking.sum())


def simulated_determinacy(estimated: Estimated, g: int, *, method: str) -> Array:
    """Return the correlation of score and factor, shape (m,), of persons drawn from the model.

    Predictors are those of the fit's persons. Persons without a ``ml`` score are left out.
    """
    found = measurement(estimated, g)
    rng = np.random.default_rng(SEED)
    answers = estimated.sample.groups[g].answers
    if answers is None:
        raise AssertionError("an ordered fit keeps its answers")
    x = answers[rng.integers(0, len(answers), DRAWN)][:, found.x]
    m = len(found.phi)
    u = rng.normal(size=(DRAWN, m)) @ np.linalg.cholesky(found.phi).T
    noise = rng.normal(size=(DRAWN, len(found.mean))) @ np.linalg.cholesky(found.residual).T
    latent = found.mean + x @ found.mean_slope.T + u @ found.slope.T + noise
    for j in np.nonzero(found.ordered)[0]:
        latent[:, j] = np.searchsorted(found.cuts[j][1:-1], latent[:, j])
    score, _ = mode_scores(found, latent, x, method=method)
    shift = x @ found.eta_slope.T
    fine = np.isfinite(score)
    out = np.full(m, np.nan)
    for k in range(m):
        if fine[:, k].any() and float(np.std((score + shift)[fine[:, k], k])) > 0.0:
            out[k] = np.corrcoef((score + shift)[fine[:, k], k], (u + shift)[fine[:, k], k])[0, 1]
    return out
