"""How far residuals of moments vary from sample to sample.

With A the information of one person in the distinct moments at the implied ones, Delta (moments, q) their
derivatives, and Gamma / n_g the covariance matrix of a group's sample moments,

    e = m - mu(theta),    cov(e) = Q Gamma Q' / n_g,    Q = I - (n_g / n) Delta H^-1 Delta' A

H = sum_g (n_g / n) Delta'A Delta, inverted within the constraints: fitting takes out of the moments what the
model can reproduce. Moments of fixed predictors are given: Delta, A, and the information and scores behind
Gamma leave them out, as in lavaan, and their residuals do not vary. Gamma is the inverse information at the
sample moments (saturated ones with missing answers), under MLR and MLM with the fourth moments of the data in
between, of persons in clusters with sums over clusters; of complete answers both have a closed form. A is
expected or observed as the standard errors are. Moments in the order covariances (rows of the lower
triangle), means. Of two stages Gamma is that of stage one, and A that of complete answers. Maydeu-Olivares &
Shi (2017), Methodology 13; Ogasawara (2001), Psychometrika 66.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from implstats.sem.after.extended import extend, wider_tangent
from implstats.sem.data.patterns import Patterns
from implstats.sem.data.sample import Sample
from implstats.sem.estimators.incomplete import (
    State,
    cluster_sums,
    complete_information,
    evaluate_moments,
    moment_derivatives,
    moment_information,
    pair_index,
    score_products,
)
from implstats.sem.estimators.weights import predicted_values
from implstats.sem.fitted import Estimated
from implstats.sem.inference.fiml_corrected import moments_kept
from implstats.sem.inference.two_stage import stage_one
from implstats.sem.model.matrices import Structure, columns_to_free
from implstats.sem.model.moments import derivative_stacks, implied_moments

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Covariance matrices of a group's sample moments and of its residuals, each (moments, moments)."""

    sample: Array
    residual: Array


def residual_spreads(estimated: Estimated) -> tuple[Spread, ...]:
    """Return the covariance matrices of each group's residuals."""
    model = extend(estimated, free=lambda row: False)
    share = estimated.sample.share
    parts = [
        _parts(estimated, structure, sample, model.theta)
        for structure, sample in zip(model.structures, estimated.sample.groups, strict=True)
    ]
    H = np.zeros((parts[0][0].shape[1],) * 2)
    for s, (delta, A, _) in zip(share, parts, strict=True):
        H += s * delta.T @ A @ delta
    K = wider_tangent(estimated, 0)
    inverse = K @ np.linalg.solve(K.T @ H @ K, K.T)
    kept = _kept(estimated)
    return tuple(
        Spread(
            sample=_spread_out(gamma, kept),
            residual=_spread_out(fitted_out(gamma, s * inverse, delta, A @ delta), kept),
        )
        for s, (delta, A, gamma) in zip(share, parts, strict=True)
    )


def _kept(estimated: Estimated) -> NDArray[np.bool_]:
    """Which moments are not those of fixed predictors among themselves; no means where there are none."""
    p = len(estimated.structures[0].observed)
    kept = moments_kept(p, _given(estimated))
    return kept if estimated.table.means else kept[: len(kept) - p]


def _given(estimated: Estimated) -> list[int]:
    return estimated.x if estimated.options.fixed_x else []


def _spread_out(matrix: Array, kept: NDArray[np.bool_]) -> Array:
    """Put zeros where moments were left out."""
    if kept.all():
        return matrix
    out = np.zeros((len(kept),) * 2)
    out[np.ix_(kept, kept)] = matrix
    return out


def _parts(
    estimated: Estimated, structure: Structure, sample: Sample, theta: Array
) -> tuple[Array, Array, Array]:
    """Delta, A and Gamma / n_g of a group, means left out where the model has none."""
    options, means = estimated.options, estimated.table.means
    moments = implied_moments(structure, theta)
    delta = columns_to_free(structure, moment_derivatives(derivative_stacks(structure, moments)))
    if sample.two_stage is not None:
        gamma = stage_one(sample.two_stage, robust=options.missing == "robust.two.stage")
        return delta, complete_information(moments.cov), gamma / sample.moments.n
    robust = options.estimator != "ML"
    observed = options.estimator == "MLR" or (not robust and options.information == "observed")
    mean = moments.mean if means else sample.moments.mean
    kept = moments_kept(len(mean), _given(estimated))
    keep = np.flatnonzero(kept if means else kept[: -len(mean)])
    patterns = _patterns(sample)
    A = moment_information(patterns, _state(patterns, moments.cov, mean), observed=observed)
    if kept.all():
        gamma = _gamma(patterns, sample, observed=observed, robust=robust) / patterns.n
    else:
        products = robust and options.estimator != "MLR"
        found = _given_gamma(
            patterns, sample, kept, observed=observed, robust=robust, x=estimated.x if products else []
        )
        gamma = _spread_out(found, kept) / patterns.n
    both = np.ix_(keep, keep)
    return delta[keep], A[both], gamma[both]


def _patterns(sample: Sample) -> Patterns:
    """The patterns of answers; one of complete persons."""
    if sample.incomplete is not None:
        return sample.incomplete.patterns
    of, p = sample.moments, len(sample.moments.mean)
    return Patterns(
        n=of.n, seen=np.ones((1, p), dtype=bool), share=np.ones(1), mean=of.mean[None], cov=of.cov[None],
        rows=sample.centred + of.mean, bounds=np.array([0, len(sample.centred)], dtype=np.intp),
        constant=p * float(np.log(2 * np.pi)), cluster=sample.cluster,
    )  # fmt: skip


def _state(patterns: Patterns, cov: Array, mean: Array) -> State:
    state = evaluate_moments(patterns, cov, mean)
    if state is None:
        raise AssertionError("the moments of a judged model are positive definite")
    return state


def fitted_out(gamma: Array, inverse: Array, delta: Array, weighted: Array) -> Array:
    """Return Q gamma Q' with Q = I - delta inverse weighted', by products of the rank of the parameters."""
    left = gamma - delta @ (inverse @ (weighted.T @ gamma))
    return np.asarray(left - (left @ weighted) @ (inverse @ delta.T))


def _gamma(patterns: Patterns, sample: Sample, *, observed: bool, robust: bool) -> Array:
    """Covariance matrix of the saturated moments of one person."""
    cov, mean = sample.moments.cov, sample.moments.mean
    if sample.incomplete is None:
        return _products(sample.centred, cov, sample.cluster) if robust else _normal(cov)
    state = _state(patterns, cov, mean)
    inverse = np.linalg.inv(moment_information(patterns, state, observed=observed))
    if not robust:
        return np.asarray(inverse)
    return np.asarray(inverse @ (score_products(patterns, state, mean) / patterns.n) @ inverse)


def _given_gamma(
    patterns: Patterns,
    sample: Sample,
    kept: NDArray[np.bool_],
    *,
    observed: bool,
    robust: bool,
    x: list[int],
) -> Array:
    """The same of the moments kept, given those of predictors; ``x`` asks for products, as MLM does."""
    cov, mean = sample.moments.cov, sample.moments.mean
    if x:
        i, j, _ = pair_index(len(cov))
        H = predicted_values(sample.centred, x)
        products = sample.centred[:, i] * sample.centred[:, j] - H[:, i] * H[:, j]
        z = np.hstack([products - products.mean(axis=0), sample.centred - H])[:, kept]
        return np.asarray(z.T @ z / len(z))
    state = _state(patterns, cov, mean)
    both = np.ix_(kept, kept)
    inverse = np.linalg.inv(moment_information(patterns, state, observed=observed)[both])
    if not robust:
        return np.asarray(inverse)
    return np.asarray(inverse @ (score_products(patterns, state, mean)[both] / patterns.n) @ inverse)


def _normal(cov: Array) -> Array:
    """Of complete normal answers: s_ik s_jl + s_il s_jk, and S for the means."""
    p = len(cov)
    i, j, _ = pair_index(p)
    out = np.zeros((len(i) + p,) * 2)
    out[: len(i), : len(i)] = cov[np.ix_(i, i)] * cov[np.ix_(j, j)] + cov[np.ix_(i, j)] * cov[np.ix_(j, i)]
    out[len(i) :, len(i) :] = cov
    return out


def _products(centred: Array, cov: Array, cluster: NDArray[np.intp] | None) -> Array:
    """Of complete answers, whatever their distribution: mean products of z_ij - s_ij and of z_i."""
    i, j, _ = pair_index(len(cov))
    z = cluster_sums(np.hstack([centred[:, i] * centred[:, j] - cov[i, j], centred]), cluster)
    return np.asarray(z.T @ z / len(centred))


def correlation_derivatives(cov: Array, *, bollen: bool) -> Array:
    """Return the derivatives of scaled moments in the moments, (moments, moments), p means included.

    Parameters
    ----------
    cov : ndarray, shape (p, p)
        S.
    bollen : bool
        Of correlations, whose standard deviations vary; else of moments over fixed standard deviations.

    >>> correlation_derivatives(np.diag([4.0, 1.0]), bollen=False)[:3, :3].diagonal().tolist()
    [0.25, 0.5, 1.0]
    """
    p = len(cov)
    i, j, at = pair_index(p)
    sd = np.sqrt(np.diag(cov))
    out = np.zeros((len(i) + p,) * 2)
    rows = np.arange(len(i))
    out[rows, rows] = 1.0 / (sd[i] * sd[j])
    if bollen:
        r = cov[i, j] / (sd[i] * sd[j])
        for side in (i, j):
            np.add.at(out, (rows, at[side, side]), -0.5 * r / cov[side, side])
    means = len(i) + np.arange(p)
    out[means, means] = 1.0 / sd
    return out
