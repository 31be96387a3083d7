"""Ordinal outcomes: the cumulative model with ordered thresholds.

    P(y <= k | e) = F(a_k - e),   k = 1 .. J - 1,   a_1 < ... < a_(J-1),   F logistic or normal

so that a larger linear predictor e means higher categories (as in ordinal::clmm and MASS::polr). A row of
category k has l = log(F(a) - F(b)) with a = a_k - e, b = a_(k-1) - e and a_0 = -inf, a_J = inf. Only a row's
two own thresholds enter its derivatives, which cost O(n) therefore. For the logistic F

    l = log F(a) + log(1 - F(b)) + log(1 - exp(b - a))      dl/de = F(a) + F(b) - 1
    -d2l/de2 = f(a) + f(b)                                  f = F (1 - F)

For the normal, with g_a = phi(a) / P, g_b = phi(b) / P, m = g_a - g_b, k = a g_a - b g_b, c = a^2 g_a - b^2
g_b: dl/de = -m, -d2l/de2 = k + m^2. Both densities are log-concave, so l is concave in (e, thresholds).
References: Agresti (2010), Analysis of Ordinal Categorical Data, 2nd ed., chapters 3 and 10; Pratt (1981),
JASA 76, 103-106.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import log_ndtr

from implstats.mixed.laplace.families import LOG_ROOT_2PI, OVERFLOW, Rows, logistic

FAR = 1e6  # stands for infinity: F(FAR - e) is 1 and its density 0 to the last bit
Slopes = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Cumulative:
    """Categories ``y`` (n,) counted from 0 to ``categories`` - 1; ``extra`` holds the thresholds."""

    y: np.ndarray
    categories: int

    @property
    def constant(self) -> float:
        return 0.0

    def _bounds(self, eta: np.ndarray, extra: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        edges = np.full((*extra.shape[:-1], extra.shape[-1] + 2), FAR)
        edges[..., 0] = -FAR
        edges[..., 1:-1] = extra
        return edges[..., self.y + 1] - eta, edges[..., self.y] - eta

    def _gather(self, upper: np.ndarray, lower: np.ndarray, like: np.ndarray) -> np.ndarray:
        """Return the sums over rows by threshold of (..., n) values at upper and lower bounds.

        The sums are of the shape of the thresholds ``like``: (E,), or (K, E) for copies.
        """
        while upper.ndim > like.ndim:
            upper, lower = upper.sum(axis=0), lower.sum(axis=0)
        return (upper @ self._indicators)[..., :-1] + (lower @ self._indicators)[..., 1:]

    @cached_property
    def _indicators(self) -> np.ndarray:
        """Which category each row has, (n, categories)."""
        return np.eye(self.categories)[self.y]

    def extra_slope(
        self, eta: np.ndarray, extra: np.ndarray, *, on_l: np.ndarray, on_score: np.ndarray | None = None,
        on_weight: np.ndarray | None = None,
    ) -> np.ndarray:  # fmt: skip
        a, b = self._bounds(eta, extra)
        (l_a, l_b), (s_a, s_b), (w_a, w_b) = self._threshold_slopes(a, b)
        upper, lower = on_l * l_a, on_l * l_b
        if on_score is not None:
            upper, lower = upper + on_score * s_a, lower + on_score * s_b
        if on_weight is not None:
            upper, lower = upper + on_weight * w_a, lower + on_weight * w_b
        return self._gather(upper, lower, extra)

    def _threshold_slopes(self, a: np.ndarray, b: np.ndarray) -> tuple[Slopes, Slopes, Slopes]:
        """Return the derivatives of l, score and weight in the upper and the lower bound."""
        raise NotImplementedError


@dataclass(frozen=True)
class CumulativeLogit(Cumulative):
    """Proportional odds."""

    def rows(self, eta: np.ndarray, extra: np.ndarray) -> Rows:
        value, A, B = self._parts(eta, extra)
        f, g = A * (1.0 - A), B * (1.0 - B)
        return Rows(value, A + B - 1.0, f + g, -(f * (1.0 - 2.0 * A) + g * (1.0 - 2.0 * B)))

    def density(self, eta: np.ndarray, extra: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        value, A, B = self._parts(eta, extra)
        return value, A + B - 1.0

    def _parts(self, eta: np.ndarray, extra: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return l, F(a) and F(b); l is NaN unless the thresholds rise."""
        a, b = self._bounds(eta, extra)
        log_above, A = logistic(a)
        log_below, B = logistic(b)
        # The last term of l depends on the category only.
        gap = np.zeros((*extra.shape[:-1], self.categories))
        gap[..., 1:-1] = np.log(-np.expm1(extra[..., :-1] - extra[..., 1:]))
        return log_above + (log_below - b) + gap[..., self.y], A, B

    def _threshold_slopes(self, a: np.ndarray, b: np.ndarray) -> tuple[Slopes, Slopes, Slopes]:
        A, B = logistic(a)[1], logistic(b)[1]
        f, g = A * (1.0 - A), B * (1.0 - B)
        between = 1.0 / np.expm1(np.minimum(a - b, OVERFLOW))
        l_slopes = (1.0 - A + between, -B - between)
        return l_slopes, (f, g), (f * (1.0 - 2.0 * A), g * (1.0 - 2.0 * B))

    def take(self, rows: np.ndarray) -> CumulativeLogit:
        return CumulativeLogit(self.y[rows], self.categories)


@dataclass(frozen=True)
class CumulativeProbit(Cumulative):
    """Ordered probit."""

    def rows(self, eta: np.ndarray, extra: np.ndarray) -> Rows:
        a, b = self._bounds(eta, extra)
        log_p, g_a, g_b = _normal_parts(a, b)
        m, k, c = g_a - g_b, a * g_a - b * g_b, a * a * g_a - b * b * g_b
        weight = k + m * m
        return Rows(log_p, -m, weight, c - m + k * m + 2.0 * m * weight)

    def density(self, eta: np.ndarray, extra: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        log_p, g_a, g_b = _normal_parts(*self._bounds(eta, extra))
        return log_p, g_b - g_a

    def _threshold_slopes(self, a: np.ndarray, b: np.ndarray) -> tuple[Slopes, Slopes, Slopes]:
        _, g_a, g_b = _normal_parts(a, b)
        m, k = g_a - g_b, a * g_a - b * g_b
        score = (g_a * (a + m), -g_b * (b + m))
        weight = (
            g_a * (1.0 - a * a - k) - 2.0 * m * g_a * (a + m),
            g_b * (k - 1.0 + b * b) + 2.0 * m * g_b * (b + m),
        )
        return (g_a, -g_b), score, weight

    def take(self, rows: np.ndarray) -> CumulativeProbit:
        return CumulativeProbit(self.y[rows], self.categories)


def _normal_parts(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return log(Phi(a) - Phi(b)) and phi(a), phi(b) over that difference, taken in the tail nearer to
    zero."""
    flip = a + b > 0.0
    high, low = np.where(flip, -b, a), np.where(flip, -a, b)
    top = log_ndtr(high)
    log_p = top + np.log(-np.expm1(log_ndtr(low) - top))
    return (
        log_p,
        np.exp(-0.5 * a * a - LOG_ROOT_2PI - log_p),
        np.exp(-0.5 * b * b - LOG_ROOT_2PI - log_p),
    )
