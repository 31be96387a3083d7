"""Adaptive Gauss-Hermite quadrature for one random effect, with its exact gradient.

With nodes z_k and weights omega_k of the standard normal density, tau = H^(-1/2) and v_k = v^ + tau z_k,

    L_c = tau sum_k omega_k exp(z_k^2 / 2 - h_c(v_k))                   (K = 1 is Laplace's method)

for each cluster c. With the nodes' shares pi_k = omega_k exp(z_k^2/2 - h(v_k)) / sum, and h' = dh/dv,

    -d log L_c = sum_k pi_k dh(v_k) + c dv^ + kappa d(log H) / 2
    c = sum_k pi_k h'(v_k),      kappa = 1 - tau sum_k pi_k z_k h'(v_k)

where dh is taken at fixed v. So the gradient has Laplace's form with c and kappa by cluster (see
`criterion`). As K grows c goes to 0 and kappa to 0: the integral no longer depends on where the nodes were
put. References: Liu & Pierce (1994), Biometrika 81, 624-629; Pinheiro & Bates (1995), J. Comput. Graph.
Stat. 4, 12-35.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from implstats.mixed.laplace.criterion import Integral, Problem
from implstats.mixed.laplace.modes import Mode

MOST_POINTS = 200


@lru_cache(maxsize=32)
def normal_nodes(points: int) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes z and log(omega) + z^2 / 2 of Gauss-Hermite quadrature with the standard normal density.

    >>> z, log_w = normal_nodes(3)
    >>> round(float(np.sum(np.exp(log_w - z**2 / 2) * z**4)), 10)
    3.0
    """
    x, w = np.polynomial.hermite_e.hermegauss(points)
    return x, np.log(w) - 0.5 * np.log(2.0 * np.pi) + 0.5 * x * x


@dataclass(frozen=True, slots=True)
class Quadrature:
    """The rule with this many points."""

    points: int

    def __call__(self, problem: Problem, mode: Mode, F: np.ndarray, extra: np.ndarray) -> Integral:
        """Return the integral's difference from Laplace's method and what its gradient needs."""
        nested, family = problem.nested, problem.family
        tau = 1.0 / np.sqrt(mode.factor.d[0][0])
        z, log_w = (x.reshape(-1, *np.ones(tau.ndim, dtype=int)) for x in normal_nodes(self.points))
        move = tau * z
        # Only sums over rows of what changes with the node: (nodes, n), the one large array.
        loads = F[:, :1, ..., None]  # (B, 1, 1), or (B, 1, K, 1) for copies
        eta = nested.random_part(loads * move)
        eta += mode.eta
        value, score = family.density(eta, extra)
        v = mode.v[0][0] + move
        height = 0.5 * v * v - nested.sums(value)
        lowest = 0.5 * mode.v[0][0] ** 2 - nested.sums(mode.rows.value)
        log_terms = log_w + lowest - height
        top = log_terms.max(axis=0)
        terms = np.exp(log_terms - top)
        total = terms.sum(axis=0)
        share = terms / total
        sums = nested.by_column(score)
        pulled = share * (v - np.sum(loads * sums, axis=0))
        by_row = share.take(nested.cluster, axis=-1)
        path = np.sum(sums * (share * v), axis=1).sum(axis=-1)
        score *= by_row
        return Integral(
            correction=-float(np.sum(top + np.log(total))), kappa=1.0 - np.sum(pulled * move, axis=0),
            pull=[pulled.sum(axis=0)[None]], score=score.sum(axis=0), score_path=path[:, None],
            extra=family.extra_slope(eta, extra, on_l=by_row) if extra.shape[-1] else np.zeros(0),
        )  # fmt: skip
