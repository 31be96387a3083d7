"""The marginal likelihood by Laplace's method or adaptive quadrature, with its exact gradient.

    y_i | v ~ f(e_i),   e = X b + offset + Z Lambda v,   v ~ N(0, I),   h(v) = -sum l(e_i) + v'v / 2
    -log L = h(v^) + log|H| / 2  (Laplace),   v^ = argmin h,   H = d2h/dv2 = I + Lambda'Z'W Z Lambda

W holds the observed curvatures -l''. (glmer takes the expected ones in links that are not canonical, which is
another approximation; glmmTMB and clmm take these.) The parameters are psi = (b, extra, theta): coefficients,
thresholds or log dispersion, and the free entries of the Cholesky factors Lambda of the covariances.

The mode moves with psi: H dv^ = -d(dh/dv). With s_i the variance of e_i under N(v^, H^-1), the turn
w' = dw/de and t_i = kappa s_i w'_i / 2, one more solve H x = Lambda'Z't + c and r = Z Lambda x give every
derivative:

    d/db      = X'(-u + t - w r)
    d/dextra  = -dl + kappa s dw / 2 + r du           (sums over rows; u = l')
    d/dLambda = Z'[(-u + t - w r) v' + u x'] + kappa [Z'W Z Lambda H^-1]    (summed over clusters)

where Laplace's method has kappa = 1, c = 0. Quadrature has its own kappa and c by cluster and, for -l and -u
v', posterior means over its nodes; see `quadrature`. Values are in deviance units, -2 log L.
References: Pinheiro & Bates (1995), J. Comput. Graph. Stat. 4, 12-35; Skaug & Fournier (2006), Comput. Stat.
Data Anal. 51, 699-709; Tierney & Kadane (1986), JASA 81, 82-86.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from implstats.mixed.gaussian.covariance import CovarianceShape
from implstats.mixed.laplace.eliminate import path_inverse, solve
from implstats.mixed.laplace.families import Family
from implstats.mixed.laplace.modes import Mode, find_mode, near_modes, predict
from implstats.mixed.laplace.nested import Nested, cross, mix, transpose

FARTHEST = 20.0  # standard deviations; a mode predicted beyond it is no good start


@dataclass(frozen=True, slots=True, kw_only=True)
class Integral:
    """What an integration rule says at a mode, beyond Laplace's method.

    Attributes
    ----------
    correction : float
        To be added to Laplace's -log L.
    kappa : ndarray, (n_1,)
        Weight of half the log determinant's derivative.
    pull : list of ndarray, (q_l, n_l)
        c: derivative in the mode itself.
    score : ndarray, (n,)
        Mean of u over the nodes.
    score_path : ndarray, (B, Q)
        Sum over clusters of Z' times the mean of u v'.
    extra : ndarray, (E,)
        Sum of the mean of dl in the extra parameters.
    """

    correction: float
    kappa: np.ndarray
    pull: list[np.ndarray]
    score: np.ndarray
    score_path: np.ndarray
    extra: np.ndarray


class Rule(Protocol):
    """An integration rule other than Laplace's."""

    def __call__(self, problem: Problem, mode: Mode, F: np.ndarray, extra: np.ndarray) -> Integral: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The criterion at one psi.

    Attributes
    ----------
    psi, gradient : ndarray, (P,)
    value : float
        -2 log L.
    loading_slope : list of ndarray, (q_l, q_l)
        Derivative in every entry of each Lambda.
    mode : Mode
    factors : list of ndarray, (q_l, q_l)
        Lambda of each level.
    """

    psi: np.ndarray
    value: float
    gradient: np.ndarray
    loading_slope: list[np.ndarray]
    mode: Mode
    factors: list[np.ndarray]

    @property
    def G(self) -> list[np.ndarray]:  # noqa: N802 (the papers' symbol)
        """Covariance matrix of each level, (q_l, q_l)."""
        return [L @ L.T for L in self.factors]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is minimised.

    Attributes
    ----------
    family : Family
        Of the sorted rows.
    nested : Nested
    X : ndarray, (p, n)
        Columns of the fixed part in safe coordinates, sorted, as rows of this matrix.
    offset : ndarray, (n,)
    shape : CovarianceShape
    n_extra : int
    rule : Rule or None
        None for Laplace's method.
    """

    family: Family
    nested: Nested
    X: np.ndarray
    offset: np.ndarray
    shape: CovarianceShape
    n_extra: int
    rule: Rule | None = None

    @property
    def p(self) -> int:
        """Coefficients."""
        return len(self.X)

    @property
    def size(self) -> int:
        """P, the number of parameters."""
        return self.p + self.n_extra + self.shape.size

    def split(self, psi: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return coefficients, extra parameters and theta."""
        end = self.p + self.n_extra
        return psi[: self.p], psi[self.p : end], psi[end:]

    def __call__(self, psi: np.ndarray, near: Evaluation | None = None) -> Evaluation | None:
        """Return the criterion at psi, or None where it does not exist; the search starts at ``near``'s
        mode."""
        return self.at_factors(psi, self.shape.factors(self.split(psi)[2]), near)

    def at_factors(
        self, psi: np.ndarray, factors: Sequence[np.ndarray], near: Evaluation | None = None
    ) -> Evaluation | None:
        """Return the criterion with any square Lambda in place of those of theta."""
        b, extra, _ = self.split(psi)
        if near is None:
            start = [np.zeros((len(f), n)) for f, n in zip(factors, self.nested.sizes, strict=True)]
        else:
            start = self._near(near, b, extra, factors)
        with np.errstate(all="ignore"):
            F = self.nested.loading(factors)
            mode = find_mode(self.family, self.nested, b @ self.X + self.offset, extra, F, start)
            return None if mode is None else _evaluate(self, psi, extra, list(factors), F, mode)

    def at_mode(self, at: Evaluation) -> Evaluation | None:
        """Return this criterion where another one, of the same model by another rule, found the mode."""
        F = self.nested.loading(at.factors)
        with np.errstate(all="ignore"):
            return _evaluate(self, at.psi, self.split(at.psi)[1], at.factors, F, at.mode)

    def _near(
        self, near: Evaluation, b: np.ndarray, extra: np.ndarray, factors: Sequence[np.ndarray]
    ) -> list[np.ndarray]:
        """Return where the mode is expected, given the one at a near psi."""
        old_b, old_extra, _ = self.split(near.psi)
        F = self.nested.loading(near.factors)
        with np.errstate(all="ignore"):
            guess = predict(
                self.family, self.nested, near.mode, F, by_fixed=(b - old_b) @ self.X,
                by_loading=self.nested.loading(factors) - F, extra=old_extra, by_extra=extra - old_extra,
            )  # fmt: skip
        if all(np.isfinite(v).all() and np.abs(v).max(initial=0.0) < FARTHEST for v in guess):
            return guess
        return near.mode.v


def _evaluate(
    problem: Problem, psi: np.ndarray, extra: np.ndarray, factors: list[np.ndarray], F: np.ndarray, mode: Mode
) -> Evaluation | None:
    family, rows = problem.family, mode.rows
    norm = 0.5 * sum(float(np.vdot(x, x)) for x in mode.v)
    half_log = 0.5 * sum(float(np.sum(np.log(d))) for d in mode.factor.d)
    value = norm + half_log - float(np.sum(rows.value)) - family.constant
    rule = None if problem.rule is None else problem.rule(problem, mode, F, extra)
    if rule is not None:
        value += rule.correction
    if not np.isfinite(value):
        return None
    slopes, loading = _slopes(problem, extra, F, mode, rule)
    theta = problem.shape.pack(loading)
    gradient = np.concatenate([2.0 * slopes, theta])
    if not np.all(np.isfinite(gradient)):
        return None
    return Evaluation(
        psi=psi, value=2.0 * value, gradient=gradient, loading_slope=loading, mode=mode, factors=factors
    )


def _slopes(
    problem: Problem, extra: np.ndarray, F: np.ndarray, mode: Mode, rule: Integral | None
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the derivatives of -log L in b and extra, (p + E,), and of -2 log L in each Lambda, (q_l, q_l).

    For K copies (K, p + E) and (q_l, q_l, K).
    """
    nested, family, rows = problem.nested, problem.family, mode.rows
    inverse = path_inverse(mode.factor, nested)
    flat = inverse.reshape(nested.Q**2, *inverse.shape[2:])
    spread = mix(transpose(mode.outer), flat)
    if rule is not None:
        spread = spread * rule.kappa
    variance = nested.paired(spread)
    t = 0.5 * variance * rows.turn
    right = mix(transpose(F), nested.by_column(t))
    x = solve(mode.factor, right, None if rule is None else rule.pull, nested)
    x_path = nested.path(x)
    r = nested.random_part(mix(F, x_path))
    moved = t - rows.weight * r
    score, scores = rows.score if rule is None else rule.score, nested.by_column(rows.score)
    sums = nested.by_column(moved)
    if rule is None:
        slope = cross(sums - scores, mode.path) + cross(scores, x_path)
    else:
        slope = cross(sums, mode.path) + cross(scores, x_path) - rule.score_path
    slope += _determinant_slope(mode.S if rule is None else mode.S * rule.kappa, flat, F, nested)
    own = (moved - score) @ problem.X.T
    if problem.n_extra:
        held = np.full_like(t, -1.0 if rule is None else 0.0)
        more = family.extra_slope(mode.eta, extra, on_l=held, on_score=r, on_weight=0.5 * variance)
        own = np.concatenate([own, more if rule is None else more - rule.extra], axis=-1)
    return own, [
        2.0 * np.tensordot(s, slope[:, c], (0, 0)) for s, c in zip(nested.select, nested.columns, strict=True)
    ]


def gradients(problem: Problem, at: Evaluation, moves: np.ndarray) -> np.ndarray:
    """Return the gradients, (K, P), at K points close to ``at``, all at once; ``moves`` is (K, P).

    The modes are those predicted to first order. The error is of second order in the move and even, so that
    central differences of these gradients are as good as those of exact ones: their error is of the order of
    the square of the move in either case.
    """
    nested, family = problem.nested, problem.family
    b, extra, _ = problem.split(at.psi)
    end = problem.p + problem.n_extra
    own = [problem.shape.factors(theta) for theta in at.psi[end:] + moves[:, end:]]
    old = nested.loading(at.factors)
    F = np.stack([nested.loading(factors) for factors in own], axis=-1)
    by_fixed, by_extra = moves[:, : problem.p] @ problem.X, moves[:, problem.p : end]
    with np.errstate(all="ignore"):
        v = predict(
            family, nested, at.mode, old, by_fixed=by_fixed, by_loading=F - old[..., None], extra=extra,
            by_extra=by_extra,
        )  # fmt: skip
        fixed, extras = by_fixed + (b @ problem.X + problem.offset), extra + by_extra
        mode = near_modes(family, nested, fixed, extras, F, v)
        rule = None if problem.rule is None else problem.rule(problem, mode, F, extras)
        slopes, loading = _slopes(problem, extras, F, mode, rule)
    thetas = [problem.shape.pack([level[..., k] for level in loading]) for k in range(len(moves))]
    return np.concatenate([2.0 * slopes, np.array(thetas)], axis=1)


def _determinant_slope(S: np.ndarray, inverse: np.ndarray, F: np.ndarray, nested: Nested) -> np.ndarray:
    """Return the sum over clusters of S F H^-1, (B, Q): half the derivative of log|H| in F."""
    mixed = cross(S, inverse).reshape(len(S), nested.Q, nested.Q, *F.shape[2:])
    out = np.zeros(F.shape)
    for a, b, own in zip(*nested.pairs, mixed, strict=True):
        out[a] += np.sum(F[b][:, None] * own, axis=0)
        if a != b:
            out[b] += np.sum(F[a][:, None] * own, axis=0)
    return out
