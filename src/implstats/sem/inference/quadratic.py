"""Tests and standard errors of estimates that minimise a quadratic form in sample statistics.

With J the derivatives of the model's statistics, W the weights and Gamma the covariance of sqrt(n) times the
sample's, shares f_g of the groups' persons,

    A = sum f_g J_g'W_g J_g      covariance of the estimates  A^-1 (sum f_g J'W Gamma W J) A^-1 / (n - G)
    U = W - W J A^-1 J'W         n F tends to a sum of chi-squares weighted by the eigenvalues of U Gamma
    t1 = tr(U Gamma), t2 = tr(U Gamma U Gamma)

    mean adjusted          X d / t1                             d     Satorra & Bentler (1994)
    scaled and shifted     a X + d - a t1,  a = sqrt(d / t2)    d     Asparouhov & Muthen (2010)
    mean and variance      X t1 / t2                    t1^2 / t2     Satterthwaite; Satorra & Bentler (1994)

The matrix U Gamma is never formed; its traces are those of q x q products and of W Gamma.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from implstats.sem.estimators.weights import Test

Array = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One group's quadratic form: J (S, q), W (S,) or (S, S), Gamma (S, S) and the share of persons."""

    jacobian: Array
    weight: Array
    gamma: Array
    share: float

    def weighted(self, columns: Array) -> Array:
        """Return W times the columns of a matrix (S, m)."""
        return self.weight @ columns if self.weight.ndim == 2 else self.weight[:, None] * columns


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaledTest:
    """A corrected chi-square: ``chisq`` with ``df``, its ``scale`` (X is divided by it) and ``shift``.

    ``t1`` is the trace that gives the true distribution's mean.
    """

    chisq: float
    df: float
    scale: float
    shift: float
    t1: float


def information(forms: Sequence[Form]) -> Array:
    """Return A, shape (q, q)."""
    return np.asarray(sum(f.share * (f.jacobian.T @ f.weighted(f.jacobian)) for f in forms))


def sandwich(forms: Sequence[Form], inverse: Array) -> Array:
    """Return n times the robust covariance of the estimates, shape (q, q); ``inverse`` is that of A."""
    return inverse @ meat(forms) @ inverse


def meat(forms: Sequence[Form]) -> Array:
    """Return the sum of f_g J'W Gamma W J, shape (q, q)."""
    total = np.zeros((forms[0].jacobian.shape[1],) * 2)
    for f in forms:
        WJ = f.weighted(f.jacobian)
        total += f.share * (WJ.T @ f.gamma @ WJ)
    return total


def traces(forms: Sequence[Form], inverse: Array) -> tuple[float, float]:
    """Return t1 and t2."""
    t1 = t2 = 0.0
    RL, RBL = np.zeros_like(inverse), np.zeros_like(inverse)
    for f in forms:
        B = f.weighted(f.gamma)
        L = f.share * f.weighted(f.jacobian)
        R = f.jacobian.T @ B
        t1 += float(np.trace(B))
        t2 += float((B * B.T).sum())
        RL += R @ L
        RBL += R @ (B @ L)
    AR = inverse @ RL
    return t1 - float(np.trace(AR)), t2 - 2.0 * float((inverse * RBL.T).sum()) + float((AR * AR.T).sum())


def corrected(test: Test, chisq: float, df: int, t1: float, t2: float) -> ScaledTest | None:
    """Return the corrected chi-square; ``None`` for the standard test or without degrees of freedom."""
    if test == "standard" or df <= 0 or t1 <= 0 or t2 <= 0:
        return None
    if test == "mean":
        return ScaledTest(chisq=chisq * df / t1, df=df, scale=t1 / df, shift=0.0, t1=t1)
    if test == "variance":
        return ScaledTest(chisq=chisq * t1 / t2, df=t1**2 / t2, scale=t2 / t1, shift=0.0, t1=t1)
    a = float(np.sqrt(df / t2))
    return ScaledTest(chisq=a * chisq + df - a * t1, df=df, scale=1.0 / a, shift=df - a * t1, t1=t1)


def zero_form(weight: Array, zero: Index) -> Array:
    """Return the weights of statistics held at zero when all others fit exactly: W_ff - W_fk W_kk^-1 W_kf.

    >>> zero_form(np.array([2.0, 3.0]), np.array([1])).tolist()
    [[3.0]]
    """
    if weight.ndim == 1:
        return np.diag(weight[zero])
    kept = np.setdiff1d(np.arange(len(weight)), zero)
    own, cross = weight[np.ix_(zero, zero)], weight[np.ix_(zero, kept)]
    return np.asarray(own - cross @ np.linalg.solve(weight[np.ix_(kept, kept)], cross.T))


def baseline_traces(weight: Array, gamma: Array, zero: Index) -> tuple[float, float]:
    """Return t1 and t2 of a group's baseline model, which holds the statistics ``zero`` at zero."""
    B = zero_form(weight, zero) @ gamma[np.ix_(zero, zero)]
    return float(np.trace(B)), float((B * B.T).sum())
