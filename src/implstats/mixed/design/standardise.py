"""Coordinates in which the arithmetic is safe, and the way back.

X is centred and scaled (if it has an intercept) and replaced by the Q of its thin QR; y by its residual from
X divided by that residual's SD; each correlated block of random effects by centred and scaled columns:

    b = M b_Q,  M (p, p)          y = s (Q c + y*)         u = B u*,  G = B G* B'

None of it changes the model: a REML criterion gains -2 log|det M|, both gain 2 nu log s. Near-collinear
columns and predictors with a large mean then cost no digits (raw cross-products would square their
condition). Columns that add nothing to those before them are dropped and named, as R does.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, sqrt

import numpy as np

from implstats.errors import DataError, ModelError
from implstats.mixed.design.build import Design, RandomPart

# A column whose part outside the columns before it is below this share of its SD is a linear combination of
# them; R's lm uses the same 1e-7, on columns that are not centred.
COLLINEAR = 1e-7
TINY = np.finfo(float).tiny
GRAM_SAFE = 1e-4  # above it, two rounds of Cholesky are as exact as Householder reflections, and quicker
GRAM_EXACT = 0.1  # above it, one round is
PERFECT = 1e-10  # residual SD as a share of the outcome's SD: nothing is left to model


@dataclass(frozen=True, slots=True, kw_only=True)
class Standardised:
    """The model in safe coordinates; rows are multiplied by the square root of the prior weight.

    Attributes
    ----------
    Q : ndarray, (n, p)
    y : ndarray, (n,)
    Z : list of ndarray, (n, q_l)
    M : ndarray, (p, p)
    shift : ndarray, (p,)
        c, so that b = M (s b* + c).
    scale : float
        s, in units of the outcome.
    B : list of ndarray, (q_l, q_l)
    kept, dropped : tuple of int
        Columns of the design's X.
    constant_ml, constant_reml : float
        What the criterion in these coordinates lacks.
    """

    Q: np.ndarray
    y: np.ndarray
    Z: list[np.ndarray]
    M: np.ndarray
    shift: np.ndarray
    scale: float
    B: list[np.ndarray]
    kept: tuple[int, ...]
    dropped: tuple[int, ...]
    constant_ml: float
    constant_reml: float


def standardise(design: Design) -> Standardised:
    """Return the model in safe coordinates.

    Raises
    ------
    ModelError
        As many coefficients as rows.
    DataError
        The predictors fit the outcome perfectly.
    """
    n = len(design.y)
    root = None if design.weights is None else np.sqrt(design.weights)
    columns, A = _centre(design.X, intercept=design.intercept)
    if root is not None:
        columns = columns * root[:, None]
    Q, T, kept = _thin_qr(columns)
    p = len(kept)
    if p >= n:
        raise ModelError(
            f"The model has {p} coefficients for {n} rows in use; at least {p + 1} rows are needed."
        )
    y = design.y if root is None else design.y * root
    # The column space is the same however y is shifted, and a mean taken off first keeps its digits.
    shift = Q.T @ y
    rest = y - Q @ shift
    again = Q.T @ rest
    rest, shift = rest - Q @ again, shift + again
    scale = sqrt(float(rest @ rest) / n)
    centred = design.y - design.y.sum() / n
    spread = sqrt(float(centred @ centred) / n) * (1.0 if root is None else float(root.mean()))
    if scale <= PERFECT * spread:
        raise DataError("The predictors fit the outcome perfectly; nothing is left for random effects.")
    whole = p == design.X.shape[1]
    M = (A if whole else A[np.ix_(kept, kept)]) @ T
    blocks = [_random_map(level) for level in design.levels]
    Z = [_mapped(level.Z, B) for level, B in zip(design.levels, blocks, strict=True)]
    if root is not None:
        Z = [z * root[:, None] for z in Z]
    log_weights = 0.0 if design.weights is None else float(np.sum(np.log(design.weights)))
    ml = 2.0 * n * log(scale) - log_weights
    log_m = float(np.log(np.abs(M.diagonal())).sum())
    return Standardised(
        Q=Q, y=rest / scale, Z=Z, M=M, shift=shift, scale=scale, B=blocks, kept=tuple(kept),
        dropped=() if whole else tuple(j for j in range(design.X.shape[1]) if j not in kept),
        constant_ml=ml, constant_reml=ml - 2.0 * p * log(scale) - 2.0 * log_m,
    )  # fmt: skip


def _centre(X: np.ndarray, *, intercept: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return X A with A unit upper triangular: columns of mean zero if there is an intercept."""
    A = np.eye(X.shape[1])
    if not intercept:
        return X, A
    A[0, 1:] = X[:, 1:].sum(axis=0) / -len(X)
    shift = A[0].copy()
    shift[0] = 0.0
    return X + shift, A


def _thin_qr(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Return Q = (kept columns) T, (n, p), upper triangular T, (p, p), and the columns kept.

    Dependent columns are left out, first come first kept.
    """
    kept = list(range(columns.shape[1]))
    quick = _cholesky_qr(columns)
    if quick is not None:
        return *quick, kept
    size = np.sqrt(np.mean(columns**2, axis=0))
    columns = columns / np.where(size == 0.0, 1.0, size)
    while True:
        Q, R = np.linalg.qr(columns[:, kept])
        length = np.sqrt(np.sum(R**2, axis=0))
        own = np.abs(np.diag(R[: len(kept)]))
        short = np.flatnonzero(own[: len(kept)] <= COLLINEAR * length[: len(own)])
        if len(short) == 0 and len(own) == len(kept):
            return Q, np.linalg.inv(R) / size[kept, None], kept
        del kept[int(short[0]) if len(short) else len(own)]


def _cholesky_qr(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return Q and T by one or two rounds of Cholesky, or None where columns are nearly dependent."""
    n, p = columns.shape
    if n <= p:
        return None
    T, Q = None, columns
    for turn in range(2):
        gram = Q.T @ Q
        unit = 1.0 / np.sqrt(np.maximum(gram.diagonal(), TINY))
        try:
            L = np.linalg.cholesky(gram * (unit[:, None] * unit))
        except np.linalg.LinAlgError:
            return None
        smallest = float(L.diagonal().min())
        if turn == 0 and smallest <= GRAM_SAFE:
            return None
        step = unit[:, None] * np.linalg.inv(L).T
        Q, T = _mapped(Q, step), step if T is None else T @ step
        if smallest > GRAM_EXACT:
            break
    return None if T is None else (Q, T)


def _mapped(X: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Return X B with contiguous columns."""
    return X if B.shape == (1, 1) and B[0, 0] == 1.0 else (B.T @ X.T).T


def _random_map(level: RandomPart) -> np.ndarray:
    """Return B, (q, q): columns scaled, and centred in blocks that hold an intercept.

    Powers of two, and whole centres for whole numbers, keep equal Z'Z equal to the last bit.
    """
    q = len(level.names)
    B = np.eye(q)
    for block in level.blocks:
        has_intercept = level.names[block[0]] == "(Intercept)"
        for j in block[1:] if has_intercept else block:
            z = level.Z[:, j]
            centre = float(z.mean()) if has_intercept else 0.0
            if has_intercept and np.all(z == np.rint(z)):
                centre = float(np.rint(centre))
            size = float(np.sqrt(np.mean((z - centre) ** 2)))
            if size <= 1e-12 * max(1.0, abs(centre)):
                raise DataError(
                    f"'{level.names[j]}' does not vary in the rows in use, so "
                    f"'{level.clusters.name}' has no slope "
                    "of it."
                )
            unit = 2.0 ** -np.rint(np.log2(size))
            B[j, j] = unit
            if has_intercept:
                B[block[0], j] = -centre * unit
    return B
