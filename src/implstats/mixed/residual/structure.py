"""Covariance matrices over waves, their parameters and derivatives.

R(psi), (W, W), is relative to s2 and has first element one: s2 is the residual variance of the leading wave.
A fit puts a wave of large variance there (not always the first in time), so that a variance of zero at
another wave is a finite point. With D the distances between waves (whole numbers), d variance ratios and s
SD ratios to that wave:

    ident      R = diag(d)                psi = d_2 .. d_W                      theta = log(d) / 2
    ar1        R_ab = rho^D_ab            psi = rho                             theta = atanh(rho)
    ar1ident   R_ab = s_a s_b rho^D_ab    psi = (s_2 .. s_W, rho)               theta = (log s, atanh rho)
    un         R free but R_11 = 1        psi = lower triangle but R_11         theta = Cholesky factor - I

theta has no bounds: every theta is a covariance matrix. In un, R = LL' with L_11 = 1, and theta holds the
lower triangle of L - I column by column without L_11; so theta = 0 is always R = I. The criterion is even in
each column of L, so a singular R is an ordinary stationary point.
References: Pinheiro & Bates (2000), sections 5.2 and 5.3; Pinheiro & Bates (1996), Stat. Comput. 6, 289-296;
Jennrich & Schluchter (1986), Biometrics 42, 805-820.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from implstats.mixed.gaussian.covariance import CovarianceShape, LevelShape


@dataclass(frozen=True, kw_only=True)
class Structure:
    """A residual structure over given waves.

    Attributes
    ----------
    kind : {"ar1", "ident", "ar1ident", "un"}
    waves : tuple of int, (W,)
        Wave numbers, the leading wave first; categories are numbered 0 to W - 1.
    """

    kind: str
    waves: tuple[int, ...]

    @cached_property
    def distance(self) -> np.ndarray:
        """D, (W, W)."""
        at = np.array(self.waves, dtype=float)
        return np.abs(at[:, None] - at[None, :])

    @property
    def width(self) -> int:
        """W, the number of waves."""
        return len(self.waves)

    @cached_property
    def size(self) -> int:
        """Number of parameters."""
        ratios = self.width - 1
        return {
            "ident": ratios,
            "ar1": 1,
            "ar1ident": ratios + 1,
            "un": self.width * (self.width + 1) // 2 - 1,
        }[self.kind]

    @property
    def linear(self) -> bool:
        """Whether R is linear in psi."""
        return self.kind in ("ident", "un")

    @cached_property
    def triangle(self) -> CovarianceShape:
        """Lower triangle of a (W, W) matrix, column by column."""
        return CovarianceShape(levels=(LevelShape(q=self.width, blocks=(tuple(range(self.width)),)),))

    @cached_property
    def _identity(self) -> np.ndarray:
        """Entries of ``triangle`` of the identity matrix."""
        rows, cols = self.triangle.levels[0].entries
        return (rows == cols).astype(float)

    def psi(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return psi (S,) with first (S, S) and second derivatives (S, S, S) in theta; psi's index first."""
        if self.kind == "un":
            return self._cholesky(theta)
        log_part = theta[: self.width - 1] if self.kind != "ar1" else theta[:0]
        power = 2.0 if self.kind == "ident" else 1.0
        ratio = np.exp(power * log_part)
        value, first, second = ratio, power * ratio, power**2 * ratio
        if self.kind != "ident":
            rho = np.tanh(theta[-1])
            value = np.append(value, rho)
            first = np.append(first, 1.0 - rho**2)
            second = np.append(second, -2.0 * rho * (1.0 - rho**2))
        at = np.arange(self.size)
        curved = np.zeros((self.size,) * 3)
        curved[at, at, at] = second
        return value, np.diag(first), curved

    def _cholesky(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        shape, entries = self.triangle, self._identity + np.append(0.0, theta)
        slope = shape.jacobian(entries)
        return 0.5 * (slope @ entries)[1:], slope[1:, 1:], shape.curvature[1:, 1:, 1:]

    def matrix(self, psi: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return R (W, W) with first (S, W, W) and second derivatives (S, S, W, W) in psi."""
        W, S = self.width, self.size
        if self.kind == "ident":
            first = np.zeros((S, W, W))
            first[np.arange(S), np.arange(1, W), np.arange(1, W)] = 1.0
            return np.diag(np.append(1.0, psi)), first, np.zeros((S, S, W, W))
        if self.kind == "un":
            basis = self.triangle.levels[0].basis
            return np.tensordot(np.append(1.0, psi), basis, axes=1), basis[1:], np.zeros((S, S, W, W))
        C, C1, C2 = _powers(psi[-1], self.distance)
        if self.kind == "ar1":
            return C, C1[None], C2[None, None]
        return _scaled(np.append(1.0, psi[:-1]), C, C1, C2)

    def start(self, rho: float) -> np.ndarray:
        """Return theta of equal variances and correlation rho between neighbours (where there is a rho)."""
        theta = np.zeros(self.size)
        if self.kind in ("ar1", "ar1ident"):
            theta[-1] = np.arctanh(rho)
        elif self.kind == "un":
            factor = np.linalg.cholesky(rho**self.distance)
            theta = (factor[self.triangle.levels[0].entries] - self._identity)[1:]
        return theta


def _powers(rho: float, D: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rho^D and its two derivatives in rho, for whole distances D of zero and more."""
    one, two = np.maximum(D - 1.0, 0.0), np.maximum(D - 2.0, 0.0)
    return rho**D, D * rho**one, D * one * rho**two


def _scaled(
    s: np.ndarray, C: np.ndarray, C1: np.ndarray, C2: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return s s' * C with derivatives in (s_2 .. s_W, rho)."""
    W = len(s)
    unit = np.eye(W)[1:]
    side = unit[:, :, None] * s[None, None, :]
    side = side + np.swapaxes(side, 1, 2)
    outer = np.outer(s, s)
    pair = unit[:, None, :, None] * unit[None, :, None, :]
    pair = pair + np.swapaxes(pair, 2, 3)
    second = np.empty((W, W, W, W))
    second[:-1, :-1] = pair * C
    second[:-1, -1] = second[-1, :-1] = side * C1
    second[-1, -1] = outer * C2
    return outer * C, np.concatenate([side * C, (outer * C1)[None]]), second
