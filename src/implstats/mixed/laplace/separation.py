"""Separation: is there a direction in which the likelihood of the fixed part grows without end?

Directions d = (coefficients, thresholds) with, for every row,

    binomial   x'd >= 0 where all trials are successes, <= 0 where none is, = 0 where both occur
    counts     x'd <= 0 where the count is 0, = 0 elsewhere
    ordinal    x'd - d_k <= 0 of a row's upper threshold and >= 0 of its lower one

and one inequality strict: then the maximum likelihood estimate is infinite, with or without random effects,
since the same direction raises the likelihood given any random effects. A linear programme finds d or proves
that there is none. Reference: Albert & Anderson (1984), Biometrika 71, 1-10; Konis (2007), Linear
Programming Algorithms for Detecting Separated Data, thesis, Oxford.
"""

from __future__ import annotations

import numpy as np

from implstats.errors import ModelError

STRICT = 1e-7  # sum of slacks, with directions in a unit box, that is not rounding


def check_separation(
    X: np.ndarray, names: tuple[str, ...], *, kind: str, y: np.ndarray, trials: np.ndarray | None,
    outcome: str, intercept: bool,
) -> None:  # fmt: skip
    """Refuse separated data with the predictors named.

    Parameters
    ----------
    X : ndarray, (n, p)
        Columns of the fixed part, of moderate size; an intercept first if there is one.
    kind : {"binomial", "count", "ordinal"}
    y : ndarray, (n,)
        Successes, counts or category numbers.

    Raises
    ------
    ModelError
        A predictor, or a combination of them, separates the outcome.
    """
    found = _direction(X, kind=kind, y=y, trials=trials)
    if found is None:
        return
    first = 1 if intercept else 0
    alone = [
        names[j]
        for j in range(first, X.shape[1])
        if _direction(X[:, [*range(first), j]], kind=kind, y=y, trials=trials) is not None
    ]
    involved = alone or [names[j] for j in range(first, X.shape[1]) if abs(found[j]) > STRICT]
    listed = " and ".join(f"'{name}'" for name in involved) or "the intercept"
    together = "" if alone or len(involved) == 1 else " together"
    plural = "s" if len(involved) > 1 else ""
    raise ModelError(
        f"The outcome '{outcome}' is separated by {listed}{together}: beyond some value (or in some "
        f"category) only one answer occurs, so the coefficient{plural} would be infinite. Drop {listed}, "
        "merge categories so that each has both answers, or fit the rows apart from the one-sided "
        "category and describe that one in words."
    )


def _direction(X: np.ndarray, *, kind: str, y: np.ndarray, trials: np.ndarray | None) -> np.ndarray | None:
    """Return a separating direction, or None."""
    from scipy.optimize import linprog

    if kind == "ordinal":
        free, zero = _ordinal_rows(X, y)
    else:
        full = np.zeros(len(y), dtype=bool) if trials is None else (y == trials) & (trials > 0)
        none = (y == 0) if trials is None else (y == 0) & (trials > 0)
        free = np.concatenate([X[full], -X[none]])
        zero = X[~(full | none)] if trials is None else X[~(full | none) & (trials > 0)]
    if not len(free):
        return None
    rows, counts = np.unique(free, axis=0, return_counts=True)
    equal = np.unique(zero, axis=0) if len(zero) else None
    solved = linprog(
        -(counts @ rows) / len(y), A_ub=-rows, b_ub=np.zeros(len(rows)), A_eq=equal,
        b_eq=None if equal is None else np.zeros(len(equal)), bounds=(-1.0, 1.0), method="highs",
    )  # fmt: skip
    if solved.status != 0:
        raise ModelError(
            "Whether the outcome is separated by the predictors could not be decided; simplify the fixed "
            "part."
        )
    return None if -solved.fun <= STRICT else solved.x


def _ordinal_rows(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    count = int(y.max())
    p = X.shape[1]
    upper, lower = y < count, y > 0
    above = np.zeros((int(upper.sum()), p + count))
    above[:, :p] = -X[upper]
    above[np.arange(len(above)), p + y[upper].astype(int)] = 1.0
    below = np.zeros((int(lower.sum()), p + count))
    below[:, :p] = X[lower]
    below[np.arange(len(below)), p + y[lower].astype(int) - 1] = -1.0
    return np.concatenate([above, below]), np.zeros((0, p + count))
