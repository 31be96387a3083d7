"""Saturated matrices at both levels, and uncorrelated ones: what a two-level model is compared with.

    psd             the best Sigma_b among covariance matrices (positive semidefinite)
    unconstrained   the free maximum, whose Sigma_b may be indefinite; V_s is positive definite all the same
    lavaan          where EM from unit matrices stops gaining 1e-4 of log-likelihood a step, as lavaan 0.6
    does:
                    near the psd maximum, but short of it

Where the free maximum lies outside the cone, F - t log|Sigma_b| is followed to small t, which shows the rank
r (Nocedal & Wright 2006, chapter 19); then Sigma_b = L L' with L (p_b, r), lower trapezoidal because its
rotation is free, gives the optimum exactly. It is that of the whole cone because dF / dSigma_b is positive
semidefinite there (Burer & Monteiro 2005), which is verified.

The free likelihood is unbounded where a cluster size has fewer clusters than variables: V_s may then be
singular along a direction in which those clusters do not differ from mu. It may still have a proper local
maximum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr

from implstats.errors import ModelError
from implstats.sem.data.two_level import TwoLevelSample
from implstats.sem.estimators.ml import Curvature, Evaluation, inverse_and_log_det
from implstats.sem.estimators.optimise import Criterion, Optimum, minimise
from implstats.sem.estimators.two_level import State, between_slope, state_of
from implstats.sem.estimators.two_level_em import em_saturated
from implstats.sem.estimators.two_level_fiml import incomplete_moments
from implstats.sem.estimators.two_level_moments import (
    MomentPlaces,
    moment_gradient,
    moment_information,
    moment_places,
)

Array = NDArray[np.float64]
SaturatedKind = Literal["psd", "lavaan", "unconstrained"]
# Correlation-scale eigenvalue below which a between matrix counts as indefinite rather than as rounding.
INDEFINITE = -1e-8
# A slope below this, per person and in units of the within variance, is the rounding of a flat direction.
SLOPE_LEFT = 1e-7
# Chi-square that the barrier may still hide when the rank is first looked for; how often it is lowered.
LOOSE, MOST_STAGES = 1e-3, 14
# A decrement this small moves chi-square by less than 1e-6 of a unit.
CHISQ_LEFT = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Saturated:
    """A saturated two-level model.

    Attributes
    ----------
    kind : {"psd", "lavaan", "unconstrained"}
    within, between : ndarray, shapes (p_w, p_w) and (p_b, p_b)
    mean : ndarray, shape (P,)
    value : float
        F there.
    boundary : bool
        Whether the free maximum has an indefinite Sigma_b.
    """

    kind: SaturatedKind
    within: Array
    between: Array
    mean: Array
    value: float
    boundary: bool


def saturated_two_level(sample: TwoLevelSample, kind: SaturatedKind = "psd") -> Saturated:
    """Return the saturated model of a sample.

    Raises
    ------
    ModelError
        No optimum was reached.
    """
    if kind == "lavaan":
        within, between, mean = em_saturated(sample)
        state = state_of(sample, within, between, mean)
        if state is None:
            raise ModelError("lavaan's EM left the positive definite matrices; take h1='psd'.")
        return Saturated(
            kind=kind, within=within, between=between, mean=mean, value=state.value, boundary=False
        )
    places = moment_places(sample)
    free = _free(sample, places)
    if free is not None and (kind == "unconstrained" or not free.boundary):
        return free if kind == "unconstrained" else _named(free, kind)
    if kind == "unconstrained":
        raise ModelError(
            "The free saturated two-level model has no maximum here: too little varies between clusters, and "
            "the likelihood grows without bound as Sigma_b becomes indefinite. Take h1='psd'."
        )
    return _in_the_cone(sample, places)


def _named(found: Saturated, kind: SaturatedKind) -> Saturated:
    return Saturated(
        kind=kind, within=found.within, between=found.between, mean=found.mean, value=found.value,
        boundary=found.boundary,
    )  # fmt: skip


def _evaluate(
    sample: TwoLevelSample, places: MomentPlaces, vector: Array, curvature: Curvature
) -> Evaluation:
    state = state_of(sample, *places.split(vector))
    if state is None:
        return Evaluation(value=np.inf)
    if sample.incomplete is not None:
        return _evaluate_incomplete(sample, places, vector, state)
    if curvature == "none":
        return Evaluation(value=state.value)
    return Evaluation(
        value=state.value, gradient=moment_gradient(sample, places, state) / sample.n,
        information=moment_information(sample, places, state, observed=curvature == "observed") / sample.n,
    )  # fmt: skip


def _evaluate_incomplete(
    sample: TwoLevelSample, places: MomentPlaces, vector: Array, state: State
) -> Evaluation:
    """F of all answers given, with the expected information of complete clusters."""
    found = incomplete_moments(sample, places, vector)
    if found is None:
        return Evaluation(value=np.inf)
    return Evaluation(
        value=found[0] / sample.n, gradient=found[1].sum(axis=0) / sample.n,
        information=moment_information(sample, places, state, observed=False) / sample.n,
    )  # fmt: skip


def value_of_moments(sample: TwoLevelSample, vector: Array) -> float:
    """Return F at the K moments, infinite where they are not proper."""
    return _evaluate(sample, moment_places(sample), vector, "none").value


def start_moments(sample: TwoLevelSample, places: MomentPlaces) -> Array:
    """Return moment estimates of the K moments, from which every search of this kind begins."""
    mean = np.zeros(places.n_means)
    mean[sample.at_within] += sample.start_within.mean
    mean[sample.at_between] += sample.start_between.mean
    return places.joined(sample.start_within.cov, sample.start_between.cov, mean)


def _arrived(found: Optimum, sample: TwoLevelSample) -> bool:
    return bool(found.decrement * sample.n < CHISQ_LEFT)


def _free(sample: TwoLevelSample, places: MomentPlaces) -> Saturated | None:
    found = minimise(
        lambda at, curvature: _evaluate(sample, places, at, curvature), start_moments(sample, places),
        max_iterations=30,
    )  # fmt: skip
    if not _arrived(found, sample):
        return None
    within, between, mean = places.split(found.theta)
    return Saturated(
        kind="unconstrained", within=within, between=between, mean=mean, value=found.evaluation.value,
        boundary=is_indefinite(between),
    )  # fmt: skip


def is_indefinite(between: Array) -> bool:
    """Whether a between matrix is no covariance matrix, beyond rounding."""
    variance = np.diag(between)
    if variance.min() <= 0:
        return True
    sd = np.sqrt(variance)
    return bool(np.linalg.eigvalsh(between / np.outer(sd, sd))[0] < INDEFINITE)


def _in_the_cone(sample: TwoLevelSample, places: MomentPlaces) -> Saturated:
    """The maximum over positive semidefinite Sigma_b: along the barrier, then exactly for the rank found."""
    vector, share = start_moments(sample, places), 1e-2
    for _ in range(MOST_STAGES):
        found = minimise(_barrier(sample, places, share), vector, max_iterations=60)
        vector = found.theta
        if share * sample.n * len(sample.at_between) < LOOSE and sample.incomplete is None:
            exact = _of_rank(sample, places, vector, share)
            if exact is not None:
                return exact
        if share * sample.n * len(sample.at_between) < CHISQ_LEFT / 10:
            break
        share *= 0.1
    if not _arrived(found, sample):
        raise ModelError("The saturated two-level model reached no optimum; use cluster= with one level.")
    return _boundary(sample, *places.split(vector))


def _boundary(sample: TwoLevelSample, within: Array, between: Array, mean: Array) -> Saturated:
    value = value_of_moments(sample, moment_places(sample).joined(within, between, mean))
    return Saturated(kind="psd", within=within, between=between, mean=mean, value=value, boundary=True)


def _barrier(sample: TwoLevelSample, places: MomentPlaces, share: float) -> Criterion:
    """F - share log|Sigma_b|, whose minimum tends to that of the cone as the share falls."""
    mine = slice(places.n_within, places.n_within + places.n_between)
    i, j = places.pairs[1]

    def criterion(vector: Array, curvature: Curvature) -> Evaluation:
        inverted = inverse_and_log_det(places.split(vector)[1])
        if inverted is None:
            return Evaluation(value=np.inf)
        inverse, log_det = inverted
        found = _evaluate(sample, places, vector, curvature)
        value = found.value - share * log_det
        if found.gradient is None or found.information is None:
            return Evaluation(value=value)
        gradient, H = found.gradient.copy(), found.information.copy()
        half = places.half[mine]
        gradient[mine] -= 2.0 * share * half * inverse[i, j]
        both = inverse[np.ix_(i, i)] * inverse[np.ix_(j, j)] + inverse[np.ix_(i, j)] * inverse[np.ix_(j, i)]
        H[mine, mine] += share * np.outer(half, half) * both
        return Evaluation(value=value, gradient=gradient, information=H)

    return criterion


def _of_rank(sample: TwoLevelSample, places: MomentPlaces, vector: Array, share: float) -> Saturated | None:
    """The optimum with Sigma_b = L L' of the rank seen along the barrier, if it is that of the cone.

    On the barrier root times slope is ``share``: a root is one where it is the larger of the two.
    """
    within, between, mean = places.split(vector)
    sd = np.sqrt(np.diag(sample.cov_clusters)[sample.at_between])
    roots, vectors = np.linalg.eigh(between / np.outer(sd, sd))
    kept = roots > np.sqrt(share)
    search = _FactorSearch(sample, places, sd[:, None] * vectors[:, kept] * np.sqrt(roots[kept]))
    start = search.joined(within, sd[:, None] * vectors[:, kept] * np.sqrt(roots[kept]), mean)
    found = minimise(search.evaluate, start, max_iterations=30)
    if not _arrived(found, sample):
        return None
    within, factor, mean = search.split(found.theta)
    slope = between_slope(sample, within, factor @ factor.T, mean) * np.outer(sd, sd)
    if np.linalg.eigvalsh(slope)[0] < -SLOPE_LEFT:
        return None
    return _boundary(sample, within, factor @ factor.T, mean)


class _FactorSearch:
    """F as a function of Sigma_w, the free elements of L and mu, for one pattern of zeros in L."""

    def __init__(self, sample: TwoLevelSample, places: MomentPlaces, factor: Array) -> None:
        self.sample, self.places, self.rank = sample, places, factor.shape[1]
        p = factor.shape[0]
        self.order = qr(factor.T, pivoting=True)[2] if self.rank else np.arange(p)
        position = np.argsort(self.order)
        row, col = np.nonzero(position[:, None] >= np.arange(self.rank))
        self.row, self.col, self.p = row, col, p

    def joined(self, within: Array, factor: Array, mean: Array) -> Array:
        if self.rank:  # rotated so that the leading rows are lower triangular
            factor = factor @ np.linalg.qr(factor[self.order[: self.rank]].T)[0]
        (i, j), _ = self.places.pairs
        return np.concatenate([within[i, j], factor[self.row, self.col], mean])

    def split(self, theta: Array) -> tuple[Array, Array, Array]:
        k, q = self.places.n_within, len(self.row)
        factor = np.zeros((self.p, self.rank))
        factor[self.row, self.col] = theta[k : k + q]
        i, j = self.places.pairs[0]
        size = len(self.sample.at_within)
        within = np.zeros((size, size))
        within[i, j] = within[j, i] = theta[:k]
        return within, factor, theta[k + q :]

    def evaluate(self, theta: Array, curvature: Curvature) -> Evaluation:
        within, factor, mean = self.split(theta)
        vector = self.places.joined(within, factor @ factor.T, mean)
        found = _evaluate(self.sample, self.places, vector, curvature)
        if found.gradient is None or found.information is None:
            return found
        J = self._jacobian(factor)
        H = J.T @ found.information @ J
        if curvature == "observed":
            k = self.places.n_within
            slope = between_slope(self.sample, within, factor @ factor.T, mean)
            same = (self.col[:, None] == self.col) * slope[np.ix_(self.row, self.row)]
            H[k : k + len(self.row), k : k + len(self.row)] += same
        return Evaluation(value=found.value, gradient=found.gradient @ J, information=H)

    def _jacobian(self, factor: Array) -> Array:
        """Derivatives of the K moments."""
        k, b, m = self.places.n_within, self.places.n_between, self.places.n_means
        q = len(self.row)
        J = np.zeros((k + b + m, k + q + m))
        J[:k, :k] = np.eye(k)
        J[k + b :, k + q :] = np.eye(m)
        i, j = self.places.pairs[1]
        for c, (row, col) in enumerate(zip(self.row, self.col, strict=True)):
            J[k : k + b, k + c] = (i == row) * factor[j, col] + (j == row) * factor[i, col]
        return J


def baseline_two_level(sample: TwoLevelSample, x: tuple[NDArray[np.intp], NDArray[np.intp]]) -> Array | None:
    """Return the moments, shape (K,), of uncorrelated variables at both levels; ``None`` without an optimum.

    ``x`` holds the positions among all P of each level's predictors, which keep their covariances.
    """
    places = moment_places(sample)
    of_x = np.where(
        places.between, np.isin(places.row, x[1]) & np.isin(places.col, x[1]),
        np.isin(places.row, x[0]) & np.isin(places.col, x[0]),
    )  # fmt: skip
    free = np.concatenate([(places.row == places.col) | of_x, np.ones(places.n_means, dtype=bool)])
    start = np.where(free, start_moments(sample, places), 0.0)

    def criterion(theta: Array, curvature: Curvature) -> Evaluation:
        vector = start.copy()
        vector[free] = theta
        found = _evaluate(sample, places, vector, curvature)
        if found.gradient is None or found.information is None:
            return found
        return Evaluation(
            value=found.value,
            gradient=found.gradient[free],
            information=found.information[np.ix_(free, free)],
        )

    found = minimise(criterion, start[free])
    if not _arrived(found, sample):
        return None
    vector = start.copy()
    vector[free] = found.theta
    return vector
