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
        G = [L @ L.T for L in self.shape.factors(theta)]
        with np.errstate(all="ignore"):
            parts = eliminate(self.moments, self.shape, G)
            return _evaluate(self, theta, G, parts)


def _evaluate(
    problem: Problem, theta: np.ndarray, G: list[np.ndarray], parts: Eliminated
) -> Evaluation | None:
    N, p = parts.N, problem.moments.p
    if not (np.isfinite(parts.logdet.value) and np.all(np.isfinite(N.value))):
        return None
    try:
        root = np.linalg.cholesky(N.value[:p, :p])
    except np.linalg.LinAlgError:
        return None
    inverse_root = np.linalg.inv(root)
    C = inverse_root.T @ inverse_root
    beta = C @ N.value[:p, p]
    rss = float(N.value[p, p] - N.value[p, :p] @ beta)
    if not rss > 0.0:
        return None
    nu = problem.moments.n - p if problem.reml else problem.moments.n
    value = float(parts.logdet.value) + nu * (1.0 + np.log(2.0 * np.pi * rss / nu))
    r, s = problem.shape.pairs
    a = np.append(-beta, 1.0)
    Na = N.first @ a
    rss1 = Na @ a
    rss2 = (N.second @ a) @ a - 2.0 * np.sum((Na[r, :p] @ C) * Na[s, :p], axis=1)
    slope = parts.logdet.first + nu * rss1 / rss
    bend = parts.logdet.second + nu * (rss2 / rss - rss1[r] * rss1[s] / rss**2)
    if problem.reml:
        CN = C @ N.first[:, :p, :p]
        value += 2.0 * float(np.sum(np.log(np.diag(root))))
        slope = slope + np.trace(CN, axis1=1, axis2=2)
        bend = (
            bend
            + np.sum(C * N.second[:, :p, :p], axis=(1, 2))
            - np.sum(CN[r] * np.swapaxes(CN[s], 1, 2), axis=(1, 2))
        )
    full = np.zeros((problem.shape.size,) * 2)
    full[r, s] = bend
    full[s, r] = bend
    J = problem.shape.jacobian(theta)
    hessian = J.T @ full @ J + np.tensordot(slope, problem.shape.curvature, axes=1)
    return Evaluation(
        theta=theta, g=problem.shape.pack(G), value=value, gradient=J.T @ slope,
        hessian=hessian, slope=slope, bend=full, beta=beta, C=C, rss=rss, rss_slope=rss1,
        nu=nu, parts=parts, G=G,
    )  # fmt: skip
