"""Binary and count outcomes: the log density of a row and its derivatives in the linear predictor.

With the linear predictor e, l(e) = log f(y | e) and m trials of which y are successes,

    binomial, logit     l = y e - m log(1 + exp e)
    binomial, probit    l = y log Phi(e) + (m - y) log Phi(-e)
    poisson, log        l = y e - exp e
    nbinom, log         l = sum_{j<y} log(1 + j / t) + y e - (y + t) log(1 + mu / t),   mu = exp e

(the negative binomial with variance mu + mu^2 / t; t = exp(extra), "theta" in R's glm.nb). Terms without a
parameter are in ``constant``, so that the likelihood is the full one: log of m over y, and -log y!. Written
with log(1 + j / t) the negative binomial goes over into the Poisson without losing digits as t grows.

All of these are strictly concave in e, so that the mode of the random effects is unique.
References: McCullagh & Nelder (1989), Generalized Linear Models, 2nd ed.; Hilbe (2011), Negative Binomial
Regression, 2nd ed., chapter 8.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy.special import gammaln, log_ndtr

LOG_ROOT_2PI = 0.5 * np.log(2.0 * np.pi)
OVERFLOW = 700.0  # exp of more is not a number; such a linear predictor is never near an optimum


@dataclass(frozen=True, slots=True)
class Rows:
    """A row's log density and its derivatives in the linear predictor, each (n,).

    Attributes
    ----------
    value, score : ndarray
        Log density (without ``constant``) and its first derivative.
    weight : ndarray
        Minus the second derivative, positive.
    turn : ndarray
        Derivative of ``weight``.
    """

    value: np.ndarray
    score: np.ndarray
    weight: np.ndarray
    turn: np.ndarray


class Family(Protocol):
    """What the engine asks of a family; ``extra`` (E,) are parameters beside the linear predictor.

    For K copies of a model ``extra`` is (K, E), and the linear predictor (..., K, n).
    """

    @property
    def constant(self) -> float: ...

    def rows(self, eta: np.ndarray, extra: np.ndarray) -> Rows: ...

    def density(self, eta: np.ndarray, extra: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return log density and score for eta (..., n)."""

    def extra_slope(
        self, eta: np.ndarray, extra: np.ndarray, *, on_l: np.ndarray, on_score: np.ndarray | None = None,
        on_weight: np.ndarray | None = None,
    ) -> np.ndarray:  # fmt: skip
        """Return the derivative in ``extra``, (E,), of sum(on_l l + on_score score + on_weight weight)."""

    def take(self, rows: np.ndarray) -> Family:
        """Return the family of these rows."""


def _none(*_: np.ndarray, **__: np.ndarray | None) -> np.ndarray:
    return np.zeros(0)


@dataclass(frozen=True)
class BinomialLogit:
    """``y`` successes of ``m`` trials, each (n,); logit link."""

    y: np.ndarray
    m: np.ndarray

    @cached_property
    def constant(self) -> float:
        return log_choose(self.y, self.m)

    def rows(self, eta: np.ndarray, extra: np.ndarray) -> Rows:
        log_p, p = logistic(eta)
        weight = self.m * p * (1.0 - p)
        value = self.y * eta + self.m * (log_p - eta)
        return Rows(value, self.y - self.m * p, weight, weight * (1.0 - 2.0 * p))

    def density(self, eta: np.ndarray, extra: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        log_p, p = logistic(eta)
        return self.y * eta + self.m * (log_p - eta), self.y - self.m * p

    extra_slope = staticmethod(_none)

    def take(self, rows: np.ndarray) -> BinomialLogit:
        return BinomialLogit(self.y[rows], self.m[rows])


@dataclass(frozen=True)
class BinomialProbit:
    """``y`` successes of ``m`` trials, each (n,); probit link."""

    y: np.ndarray
    m: np.ndarray

    @cached_property
    def constant(self) -> float:
        return log_choose(self.y, self.m)

    def rows(self, eta: np.ndarray, extra: np.ndarray) -> Rows:
        fails = self.m - self.y
        up, down = log_ndtr(eta), log_ndtr(-eta)
        log_phi = -0.5 * eta * eta - LOG_ROOT_2PI
        g, h = np.exp(log_phi - up), np.exp(log_phi - down)
        a, b = eta + g, h - eta
        ga, hb = g * a, h * b
        return Rows(
            self.y * up + fails * down, self.y * g - fails * h, self.y * ga + fails * hb,
            self.y * (g * (1.0 - ga) - ga * a) - fails * (h * (1.0 - hb) - hb * b),
        )  # fmt: skip

    def density(self, eta: np.ndarray, extra: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        fails = self.m - self.y
        up, down = log_ndtr(eta), log_ndtr(-eta)
        log_phi = -0.5 * eta * eta - LOG_ROOT_2PI
        return self.y * up + fails * down, self.y * np.exp(log_phi - up) - fails * np.exp(log_phi - down)

    extra_slope = staticmethod(_none)

    def take(self, rows: np.ndarray) -> BinomialProbit:
        return BinomialProbit(self.y[rows], self.m[rows])


@dataclass(frozen=True)
class PoissonLog:
    """Counts ``y`` (n,); log link."""

    y: np.ndarray

    @cached_property
    def constant(self) -> float:
        return -float(np.sum(gammaln(self.y + 1.0)))

    def rows(self, eta: np.ndarray, extra: np.ndarray) -> Rows:
        mu = np.exp(np.minimum(eta, OVERFLOW))
        return Rows(self.y * eta - mu, self.y - mu, mu, mu)

    def density(self, eta: np.ndarray, extra: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mu = np.exp(np.minimum(eta, OVERFLOW))
        return self.y * eta - mu, self.y - mu

    extra_slope = staticmethod(_none)

    def take(self, rows: np.ndarray) -> PoissonLog:
        return PoissonLog(self.y[rows])


@dataclass(frozen=True)
class NegativeBinomialLog:
    """Counts ``y`` (n,) with variance mu + mu^2 / t; log link; ``extra`` is log t."""

    y: np.ndarray

    @cached_property
    def constant(self) -> float:
        return -float(np.sum(gammaln(self.y + 1.0)))

    @cached_property
    def _distinct(self) -> tuple[np.ndarray, np.ndarray]:
        """Different counts and where each row's stands."""
        return np.unique(self.y, return_inverse=True)

    def _rising(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return sum_{j<y} log(1 + j / t) and its derivative in log t, each (n,); t is (1,)."""
        counts, at = self._distinct
        j = np.arange(max(int(counts[-1]), 1)) / t
        whole = counts.astype(np.int64)
        total, slope = np.zeros((*j.shape[:-1], j.shape[-1] + 1)), np.zeros((*j.shape[:-1], j.shape[-1] + 1))
        np.cumsum(np.log1p(j), axis=-1, out=total[..., 1:])
        np.cumsum(-j / (1.0 + j), axis=-1, out=slope[..., 1:])
        return total[..., whole[at]], slope[..., whole[at]]

    def rows(self, eta: np.ndarray, extra: np.ndarray) -> Rows:
        t = np.exp(extra[..., :1])
        mu = np.exp(np.minimum(eta, OVERFLOW))
        share = mu / (t + mu)
        weight = (self.y + t) * share * (1.0 - share)
        value = self._rising(t)[0] + self.y * eta - (self.y + t) * np.log1p(mu / t)
        return Rows(value, self.y - (self.y + t) * share, weight, weight * (1.0 - 2.0 * share))

    def density(self, eta: np.ndarray, extra: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        t = np.exp(extra[..., :1])
        mu = np.exp(np.minimum(eta, OVERFLOW))
        value = self._rising(t)[0] + self.y * eta - (self.y + t) * np.log1p(mu / t)
        return value, self.y - (self.y + t) * (mu / (t + mu))

    def extra_slope(
        self, eta: np.ndarray, extra: np.ndarray, *, on_l: np.ndarray, on_score: np.ndarray | None = None,
        on_weight: np.ndarray | None = None,
    ) -> np.ndarray:  # fmt: skip
        t = np.exp(extra[..., :1])
        mu = np.exp(np.minimum(eta, OVERFLOW))
        share = mu / (t + mu)
        slope = self._rising(t)[1] - t * np.log1p(mu / t) + (self.y + t) * share
        total = on_l * slope
        other = share * (1.0 - share)
        if on_score is not None:
            total = total + on_score * ((self.y + t) * other - t * share)
        if on_weight is not None:
            total = total + on_weight * other * (t - (self.y + t) * (1.0 - 2.0 * share))
        return np.sum(total, axis=(*range(total.ndim - extra.ndim), -1))[..., None]

    def take(self, rows: np.ndarray) -> NegativeBinomialLog:
        return NegativeBinomialLog(self.y[rows])


def logistic(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return log F(x) and F(x) of the logistic distribution, with one exponential and no overflow."""
    small = np.exp(-np.abs(x))
    return np.minimum(x, 0.0) - np.log1p(small), np.where(x >= 0.0, 1.0, small) / (1.0 + small)


def log_choose(y: np.ndarray, m: np.ndarray) -> float:
    """Return the sum of log (m over y); zero for single trials."""
    if np.all(m == 1.0):
        return 0.0
    return float(np.sum(gammaln(m + 1.0) - gammaln(y + 1.0) - gammaln(m - y + 1.0)))
