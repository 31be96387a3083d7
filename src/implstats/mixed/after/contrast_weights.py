"""Weights of contrasts of k means.

Orthogonal polynomials over equal steps come from the QR decomposition of the powers of -(k-1)/2 .. (k-1)/2
and are scaled to the smallest whole numbers, as tables print them (Fisher & Yates 1963, table XXIII).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from implstats.errors import NotSupportedError, UsageError, did_you_mean
from implstats.mixed.after.means import MarginalMeans

METHODS = ("pairwise", "trt.vs.ctrl", "consec", "poly")
DEGREES = ("linear", "quadratic", "cubic", "quartic")
MOST = 6  # highest degree of poly
MULTIPLES = 1000  # largest multiple tried for whole-number weights


def contrast_weights(
    method: str | Mapping[str, Sequence[float]], labels: list[str], means: MarginalMeans
) -> dict[str, np.ndarray]:
    """Return the weights of each contrast by its label, (k,) each."""
    k = len(labels)
    unit = np.eye(k)
    if not isinstance(method, str):
        return _custom(method, k)
    if method not in METHODS:
        raise UsageError(
            f"method is one of {', '.join(METHODS)}, or a dict of weights; got '{method}'"
            f"{did_you_mean(method, METHODS)}"
        )
    if k < 2:
        raise UsageError(
            "A family has one mean only, so there is nothing to contrast. Name another in specs."
        )
    if method == "poly":
        return _polynomials(k, means)
    pairs = {
        "pairwise": [(i, j) for i, j in combinations(range(k), 2)],
        "trt.vs.ctrl": [(i, 0) for i in range(1, k)],
        "consec": [(i, i - 1) for i in range(1, k)],
    }[method]
    return {f"{labels[i]} - {labels[j]}": unit[i] - unit[j] for i, j in pairs}


def _custom(given: Mapping[str, Sequence[float]], k: int) -> dict[str, np.ndarray]:
    out = {}
    if not given:
        raise UsageError("method: an empty dict; give at least one contrast.")
    for label, weights in given.items():
        row = np.asarray(weights, dtype=float)
        if row.shape != (k,) or not np.isfinite(row).all():
            raise UsageError(f"method: '{label}' needs {k} weights, one for each mean of a family.")
        if abs(row.sum()) > 1e-9 * np.abs(row).sum() or not row.any():
            raise UsageError(
                f"method: the weights of '{label}' do not add up to zero, so it is no contrast of means."
            )
        out[str(label)] = row
    return out


def _polynomials(k: int, means: MarginalMeans) -> dict[str, np.ndarray]:
    """Return whole-number orthogonal polynomials over k equal steps."""
    if len(means.specs) == 1:
        values = [mean.at[means.specs[0]] for mean in means.means[:k]]
        if all(isinstance(v, float) for v in values):
            steps = np.diff(np.array(values, dtype=float))
            if np.ptp(steps) > 1e-9 * np.abs(steps).max():
                raise NotSupportedError(
                    f"poly is for equal steps, and the values of '{means.specs[0]}' have unequal ones. "
                    "Give the weights as a dict, or use poly() in the formula."
                )
    x = np.arange(k) - (k - 1) / 2.0
    Q, R = np.linalg.qr(np.vander(x, min(MOST, k - 1) + 1, increasing=True))
    Q = Q * np.sign(np.diag(R))
    names = [*DEGREES, *(f"degree {d}" for d in range(5, MOST + 1))]
    return {names[d - 1]: _whole(Q[:, d]) for d in range(1, Q.shape[1])}


def _whole(weights: np.ndarray) -> np.ndarray:
    """Return a row in smallest whole numbers, where there are some."""
    size = np.abs(weights)
    unit = weights / size[size > 1e-9 * size.max()].min()
    for multiple in range(1, MULTIPLES):
        whole = np.rint(multiple * unit)
        if np.abs(multiple * unit - whole).max() < 1e-7 * multiple:
            return whole
    return unit
