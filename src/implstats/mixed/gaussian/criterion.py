"""The profiled criterion of a Gaussian mixed model, its gradient and its Hessian.

    y = X b + sum_l Z_l u_l + e,   u_l ~ N(0, s2 G_l),   e ~ N(0, s2 I),   Var(y) = s2 V(g)

With [X, y]'V^-1[X, y] = N, C = (X'V^-1X)^-1, b = C X'V^-1 y and rss = y'V^-1 y - y'V^-1 X b,
the minimum over s2 and b of -2 log-likelihood (nu = n) or of the REML criterion (nu = n - p) is

    f(g) = log|V| + nu (1 + log(2 pi rss / nu)) [+ log|X'V^-1X| under REML],     s2 = rss / nu

and, with a = [-b; 1],   rss_r = a'N_r a,   rss_rs = a'N_rs a - 2 (N_r a)_x' C (N_s a)_x,
log|X'V^-1X|_r = tr(C N_r),   log|X'V^-1X|_rs = tr(C N_rs) - tr(C N_r C N_s).
Reference: Bates et al. (2015), J. Stat. Softw. 67(1), equations 34 to 42.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import isfinite, log, nan, pi

import numpy as np

from implstats.mixed.gaussian.covariance import CovarianceShape
from implstats.mixed.gaussian.eliminate import Eliminated, eliminate
from implstats.mixed.gaussian.pool import Moments


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The criterion at one theta.

    Attributes
    ----------
    theta, g : ndarray, (R,)
        Free entries of Lambda and of G.
    value : float
        f; infinite where V or X'V^-1X is not numerically positive definite.
    gradient, hessian : ndarray, (R,), (R, R)
        In theta.
    slope, bend : ndarray, (R,), (R, R)
        First and second derivatives in g.
    beta : ndarray, (p,)
    C : ndarray, (p, p)
        (X'V^-1X)^-1.
    rss : float
    rss_slope : ndarray, (R,)
        Derivative of rss in g.
    nu : int
    parts : Eliminated
    G : list of ndarray, (q_l, q_l)
    """

    theta: np.ndarray
    g: np.ndarray
    value: float
    gradient: np.ndarray
    hessian: np.ndarray
    slope: np.ndarray
    bend: np.ndarray
    beta: np.ndarray
    C: np.ndarray
    rss: float
    rss_slope: np.ndarray
    nu: int
    parts: Eliminated
    G: list[np.ndarray]

    @property
    def sigma2(self) -> float:
        """Residual variance, in squared units of the y given."""
        return self.rss / self.nu


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is minimised: the data's moments, the shape of the covariances, REML or ML."""

    moments: Moments
    shape: CovarianceShape
    reml: bool

    def __call__(self, theta: np.ndarray) -> Evaluation | None:
        """Return the criterion at theta, or None where it does not exist in floating point."""
        J = self.shape.jacobian(theta)
        g = 0.5 * (J @ theta)
        G = self.shape.matrices(g)
        with np.errstate(all="ignore"):
            parts = eliminate(self.moments, self.shape, G)
            return _evaluate(self, theta, G, parts, g=g, J=J)


def _evaluate(
    problem: Problem, theta: np.ndarray, G: list[np.ndarray], parts: Eliminated, *,
    g: np.ndarray | None = None, J: np.ndarray | None = None,
) -> Evaluation | None:  # fmt: skip
    """Return value and derivatives once the random effects are eliminated; J is the derivative of g in theta.

    With N = L L' and T_r = L^-1 N_r L^-T, all traces above are sums over elements of T_r and T_rs.
    """
    N, p, shape = parts.N, problem.moments.p, problem.shape
    g = shape.pack(G) if g is None else g
    J = shape.jacobian(theta) if J is None else J
    try:
        L = np.linalg.cholesky(N.value)
    except np.linalg.LinAlgError:
        return None
    last = float(L[p, p])
    nu = problem.moments.n - p if problem.reml else problem.moments.n
    rss = last * last
    value = float(parts.logdet.value) + nu * (1.0 + log(2.0 * pi * rss / nu)) if rss > 0.0 else nan
    if problem.reml:
        value += 2.0 * float(np.add.reduce(np.log(L.diagonal()[:p])))
    if not isfinite(value):
        return None
    inverse = np.linalg.inv(L)
    both = np.concatenate([N.first, N.second]) if N.both is None else N.both
    # Two products instead of one a matrix; N_r is symmetric, so the transpose between them is no matter.
    turned = inverse.T
    half = (both.reshape(-1, p + 1) @ turned).reshape(both.shape).swapaxes(1, 2)
    flat = (half.reshape(-1, p + 1) @ turned).reshape(len(both), -1)
    R = shape.size
    weight, weights = _weights(p, nu, problem.reml)
    trace = flat[:, :: p + 2] @ weight
    first = flat[:R]
    slope = parts.logdet.first + trace[:R]
    bend = shape.square(parts.logdet.second + trace[R:])
    bend -= (first * weights) @ first.T
    root = inverse[:p, :p]
    return Evaluation(
        theta=theta, g=g, value=value, gradient=slope @ J,
        hessian=J.T @ bend @ J + (slope @ shape.bending).reshape(R, R), slope=slope, bend=bend,
        beta=inverse[p, :p] * -last, C=root.T @ root, rss=rss, rss_slope=rss * first[:, -1],
        nu=nu, parts=parts, G=G,
    )  # fmt: skip


@lru_cache(maxsize=64)
def _weights(p: int, nu: int, reml: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights of T_rs's diagonal, (p + 1,), and of the products T_r T_s, ((p + 1)^2,)."""
    own = 1.0 if reml else 0.0
    both = np.full((p + 1, p + 1), float(nu))
    both[:p, :p] = own
    return np.append(np.full(p, own), float(nu)), both.reshape(-1)
